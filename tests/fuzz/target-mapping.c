// SPDX-License-Identifier: Apache-2.0
//
// A mapping in YAML, and behind a 0 byte a row for it, its values apart by 0 bytes. What a mapping makes of a row is
// the same each time, has the same id, and is an event that the exchange can read.
#include "agents/map.h"
#include "proto/check.h"
#include "proto/event.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

static Arena *arena;
static Merkle *merkle;

static int apply(const Map *map, const MapRow *row, Bytes *out) {
    Dongbo__ChangeEvent *event = NULL;
    MapFault fault = {0};
    arena_reset(arena);
    int r = map_apply(map, row, arena, &event, &fault);
    FUZZ_ASSERT(r == 0 || (r == 1 && fault.code != 0 && memchr(fault.field, 0, sizeof fault.field) != NULL));
    if (r == 1)
        return r;
    Bytes scratch = {0};
    uint8_t id[EVENT_ID_BYTES];
    event_identify(event, "MOH", merkle, &scratch, id);
    FUZZ_ASSERT(!scratch.failed);
    bytes_append_message(out, &event->base);
    bytes_free(&scratch);
    return 0;
}

// A row of this mapping; the columns that the input has no more values for are empty, or, every third, not there.
static void try_row(const Map *map, FuzzInput *input) {
    static char texts[MAP_COLUMNS_MAX][2048];
    MapText values[MAP_COLUMNS_MAX];
    for (int i = 0; i < map_n_columns(map); i++) {
        size_t n;
        bool given = input->at < input->end;
        const char *text = fuzz_text(input, 1, &n);
        n = n < sizeof texts[i] - 1 ? n : sizeof texts[i] - 1;
        memcpy(texts[i], text, n);
        texts[i][n] = 0;
        values[i] = (MapText){given || i % 3 || !map_column_optional(map, i) ? texts[i] : NULL, n};
    }
    MapRow row = {values, FUZZ_NOW};
    Bytes first = {0}, second = {0};
    int r = apply(map, &row, &first);
    FUZZ_ASSERT(apply(map, &row, &second) == r && first.n == second.n);
    FUZZ_ASSERT(first.n == 0 || memcmp(first.data, second.data, first.n) == 0);
    if (r == 0) {
        int fault = check_message(&dongbo__change_event__descriptor, &CHECK_EVENT, first.data, first.n, NULL);
        FUZZ_ASSERT(fault == 0 || fault == 2); // too long is for the exchange to say
    }
    bytes_free(&first);
    bytes_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (arena == NULL)
        FUZZ_ASSERT(arena_new(&arena, 1024 * 1024) == 0 && merkle_new(&merkle) == 0);
    FuzzInput input = {data, data + n};
    size_t yaml_n;
    const char *yaml = fuzz_text(&input, 0, &yaml_n);
    Map *map = NULL;
    if (map_load(&map, fuzz_file(0, yaml, yaml_n)) != 0)
        return 0;
    FUZZ_ASSERT(map_n_columns(map) <= MAP_COLUMNS_MAX && map_domain(map) > 0);
    try_row(map, &input);
    map_destroy(&map);
    return 0;
}

static void seed(const char *name, const char *path) {
    static const char ROW[] = "row-1\0" FUZZ_NUMBER "\0" FUZZ_NAME "\0" FUZZ_BIRTH "\0Nam\0"
                              "1\0"
                              "01/03/2022";
    char full[4096], yaml[8192];
    snprintf(full, sizeof full, "%s/%s", fuzz_source(), path);
    FILE *file = fopen(full, "r");
    FUZZ_ASSERT(file != NULL);
    size_t n = fread(yaml, 1, sizeof yaml, file);
    fclose(file);
    Bytes out = {0};
    bytes_append(&out, yaml, n);
    bytes_append_u8(&out, 0);
    bytes_append(&out, ROW, sizeof ROW);
    fuzz_seed(name, out.data, out.n);
    bytes_free(&out);
}

void fuzz_seeds(void) {
    static const char *const NAMES[] = {"e-id",         "education",       "electricity", "population",
                                        "vaccinations", "social-security", "stay",        "temporary-residence"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char path[128];
        snprintf(path, sizeof path, "deploy/sample/mappings/%s.yaml", NAMES[i]);
        seed(NAMES[i], path);
    }
    static const char ALL[] = "domain: health\nsource_key: [id, b]\nevent_time: t\n"
                              "operation: {column: op, retract: [\"D\"], correct: [\"C\"]}\nfields:\n"
                              "  - {to: subject.citizen_number, column: id}\n"
                              "  - {to: dose_number, column: d, optional: true}\n"
                              "  - {to: occurrence_date, column: o, date: \"DD/MM/YYYY\"}\n"
                              "  - {to: lot_number, column: l, clears_when: [\"không có\", \"\"]}\n\0"
                              "1\0x\0"
                              "2022-03-01T08:00:00+07:00\0C\0" FUZZ_NUMBER "\0"
                              "2\0"
                              "1/3/2022\0không có";
    fuzz_seed("everything", ALL, sizeof ALL);
}
