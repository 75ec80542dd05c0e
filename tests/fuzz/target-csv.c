// SPDX-License-Identifier: Apache-2.0
//
// A CSV file as an agency drops it: the first byte chooses encoding and delimiter, or that they are to be found out.
// Each row goes through encoding and mapping as at the source.
//
// What must hold: a row read again from its offset is the same row, fields written out are read as they were, text that
// was converted is UTF-8 in NFC and goes back to the bytes that it came from, or to none.
#include "agents/charset.h"
#include "agents/header.h"
#include "agents/map.h"
#include "proto/base/csv.h"
#include "proto/base/text.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const ENCODINGS[] = {"UTF-8",      "TCVN3",    "VNI",  "VISCII",     "CP1258",
                                        "TCVN3-UTF8", "VNI-UTF8", "auto", "ISO-8859-1", "WINDOWS-1252"};
#define N_ENCODINGS (sizeof ENCODINGS / sizeof *ENCODINGS)
static const char DELIMITERS[] = {',', ';', '\t', '|'};
static const char MAPPING[] = "domain: health\nsource_key: [id]\nfields:\n"
                              "  - {to: subject.citizen_number, column: id}\n"
                              "  - {to: subject.full_name, column: \"họ tên\"}\n"
                              "  - {to: subject.birth_date, column: ngay_sinh, date: \"DD/MM/YYYY\", optional: true}\n"
                              "  - {to: vaccine_group, value: covid-19}\n"
                              "  - {to: dose_number, column: mui, optional: true}\n";

static Charset *charsets[N_ENCODINGS];
static Map *map;
static Arena *arena;

static void begin(void) {
    FUZZ_ASSERT(map_load(&map, fuzz_file(1, MAPPING, sizeof MAPPING - 1)) == 0);
    FUZZ_ASSERT(arena_new(&arena, 4 * 1024 * 1024) == 0);
    for (size_t i = 0; i < N_ENCODINGS; i++)
        FUZZ_ASSERT(charset_new(&charsets[i], ENCODINGS[i]) == 0);
}

// ---- one row ----

static void check_written(const CsvRow *row, char delimiter) {
    Bytes out = {0};
    CsvField fields[CSV_COLUMNS_MAX];
    int n_fields = 0;
    for (int i = 0; i < row->n_fields; i++) {
        if (i > 0)
            bytes_append_u8(&out, (uint8_t)delimiter);
        csv_write(&out, row->fields[i].text, row->fields[i].n, delimiter);
    }
    size_t n = out.n;
    bytes_append_u8(&out, 0);
    FUZZ_ASSERT(csv_split((char *)out.data, n, delimiter, fields, &n_fields) == CSV_FINE);
    FUZZ_ASSERT(n_fields == row->n_fields);
    for (int i = 0; i < n_fields; i++)
        FUZZ_ASSERT(fields[i].n == row->fields[i].n && memcmp(fields[i].text, row->fields[i].text, fields[i].n) == 0);
    bytes_free(&out);
}

static void check_converted(Encoding *encoding, const CsvRow *row) {
    for (int i = 0; i < row->n_fields && i < 8; i++) {
        MapText text = {row->fields[i].text, row->fields[i].n}, utf8, back, again;
        int r = encoding_convert(encoding, &text, arena, &utf8);
        FUZZ_ASSERT(r >= 0 && r <= 1);
        if (r != 0 || !text_is_utf8(utf8.text, utf8.n))
            continue;
        FUZZ_ASSERT(utf8.text[utf8.n] == 0);
        if (encoding_restore(encoding, &utf8, arena, &back) != 0 ||
            encoding_convert(encoding, &back, arena, &again) != 0)
            continue;
        FUZZ_ASSERT(encoding_loses_case(encoding) || text_is_same(utf8.text, again.text));
    }
}

static void take_row(Charset *charset, Encoding *encoding, const int *columns, const CsvRow *row) {
    MapText texts[MAP_COLUMNS_MAX], values[MAP_COLUMNS_MAX];
    for (int i = 0; i < map_n_columns(map); i++)
        texts[i] =
            columns[i] < 0 ? (MapText){NULL, 0} : (MapText){row->fields[columns[i]].text, row->fields[columns[i]].n};
    CharsetRow taken = {map, texts, arena, values};
    CharsetFault fault;
    int r = charset_row(charset, encoding, &taken, &fault);
    FUZZ_ASSERT(r == 0 || (r == 1 && fault.vi[0] != 0 && fault.en[0] != 0));
    if (r != 0)
        return;
    MapRow mapped = {values, FUZZ_NOW};
    Dongbo__ChangeEvent *event;
    MapFault map_fault;
    r = map_apply(map, &mapped, arena, &event, &map_fault);
    FUZZ_ASSERT(r == 0 || r == 1);
}

// ---- the file ----

typedef struct Reading {
    Charset *charset;
    Encoding *encoding;
    int columns[MAP_COLUMNS_MAX];
    bool bound;
    char delimiter;
} Reading;

static void read_rows(Csv *csv, const Reading *reading) {
    CsvRow row;
    uint64_t last = 0;
    int r;
    for (int n = 0; n < 1000 && (r = csv_next(csv, &row)) != 1; n++) {
        FUZZ_ASSERT(r == 0 || (r == 2 && row.fault != CSV_FINE && csv_fault_vi(row.fault)[0] != 0));
        FUZZ_ASSERT(row.number > last);
        last = row.number;
        if (r != 0)
            continue;
        FUZZ_ASSERT(row.n_fields == csv_columns(csv));
        arena_reset(arena);
        check_written(&row, reading->delimiter);
        check_converted(reading->encoding, &row);
        if (reading->bound && !csv_is_blank(&row))
            take_row(reading->charset, reading->encoding, reading->columns, &row);
    }
}

// From the last row on, as after a restart.
static void read_again(Csv *csv, const uint64_t offset, uint64_t number) {
    CsvRow first, second;
    FUZZ_ASSERT(csv_seek(csv, offset, number) == 0);
    int r = csv_next(csv, &first);
    uint64_t behind = csv_offset(csv);
    FUZZ_ASSERT(csv_seek(csv, offset, number) == 0);
    FUZZ_ASSERT(csv_next(csv, &second) == r && csv_offset(csv) == behind);
    FUZZ_ASSERT(r == 1 ||
                (first.offset == second.offset && first.number == second.number && first.bytes == second.bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (map == NULL)
        begin();
    if (n == 0)
        return 0;
    Reading reading = {.charset = charsets[data[0] % N_ENCODINGS], .delimiter = DELIMITERS[data[0] / 16 % 4]};
    (void)fuzz_file(0, data + 1, n - 1);
    int fd = fuzz_file_fd(0);
    CharsetChoice choice;
    CharsetFault fault;
    int r = charset_choose(reading.charset, fd, &choice, &fault);
    FUZZ_ASSERT(r == 0 || (r == 1 && fault.vi[0] != 0));
    reading.encoding = charset_encoding(reading.charset, choice.name);
    Csv *csv = NULL;
    CsvRow header;
    FUZZ_ASSERT(csv_new(&csv, fuzz_file_fd(0), reading.delimiter) == 0);
    r = csv_header(csv, &header);
    if (r == 0) {
        HeaderFault header_fault;
        Header bound = {map, reading.encoding, arena, reading.delimiter, &header};
        reading.bound = header_bind(&bound, reading.columns, &header_fault) == 0;
        uint64_t offset = csv_offset(csv), number = csv_number(csv);
        read_rows(csv, &reading);
        read_again(csv, offset, number);
    }
    csv_destroy(&csv);
    return 0;
}

// The same file in an encoding of ours.
static void seed(unsigned encoding, unsigned delimiter) {
    static const char *const ROWS[] = {"id",        "họ tên",        "ngay_sinh",  "mui",
                                       FUZZ_NUMBER, "Nguyễn Văn An", "02/01/1999", "1",
                                       "2",         "Hoà \"Bình\"",  "",           "không, rõ"};
    Encoding *to = NULL;
    Bytes out = {0};
    char name[64];
    bytes_append_u8(&out, (uint8_t)(encoding + delimiter * 16));
    FUZZ_ASSERT(encoding_new(&to, strcmp(ENCODINGS[encoding], "auto") == 0 ? "TCVN3" : ENCODINGS[encoding]) == 0);
    arena_reset(arena);
    for (unsigned i = 0; i < 12; i++) {
        MapText text = {ROWS[i], strlen(ROWS[i])}, restored;
        FUZZ_ASSERT(encoding_restore(to, &text, arena, &restored) >= 0);
        csv_write(&out, restored.text, restored.n, DELIMITERS[delimiter]);
        if (i % 4 == 3)
            bytes_append_text(&out, i % 8 == 3 ? "\r\n" : "\n");
        else
            bytes_append_u8(&out, (uint8_t)DELIMITERS[delimiter]);
    }
    snprintf(name, sizeof name, "%s-%u", ENCODINGS[encoding], delimiter);
    fuzz_seed(name, out.data, out.n);
    encoding_destroy(&to);
    bytes_free(&out);
}

void fuzz_seeds(void) {
    if (map == NULL)
        begin();
    for (unsigned i = 0; i < N_ENCODINGS; i++)
        seed(i, i % 4);
}
