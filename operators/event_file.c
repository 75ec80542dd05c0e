// SPDX-License-Identifier: Apache-2.0
//
// Rows become events one at a time: mapped in an arena of one row, packed into the caller's.
#include "operators/event_file.h"
#include "agents/header.h"
#include "proto/base/csv.h"
#include "proto/base/error.h"
#include "proto/event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROW_ARENA_BYTES ((size_t)1024 * 1024)

struct EventFile {
    int fd;
    const char *agency;
    Csv *csv;
    Map *map;
    Charset *charset;
    CharsetChoice choice;
    Encoding *encoding; // one of the charset's
    Merkle *merkle;
    Arena *arena;
    Bytes scratch;
    int64_t time_us; // of a row whose mapping names no event time: when the file was last changed
    int columns[MAP_COLUMNS_MAX];
    MapText texts[MAP_COLUMNS_MAX], values[MAP_COLUMNS_MAX];
};

void event_file_close(EventFile **pointer) {
    EventFile *file = *pointer;
    if (!file)
        return;
    csv_destroy(&file->csv);
    map_destroy(&file->map);
    charset_destroy(&file->charset);
    merkle_destroy(&file->merkle);
    arena_destroy(&file->arena);
    bytes_free(&file->scratch);
    if (file->fd >= 0)
        close(file->fd);
    free(file);
    *pointer = NULL;
}

static int choose_encoding(EventFile *file) {
    CharsetFault fault;
    int r = charset_choose(file->charset, file->fd, &file->choice, &fault);
    file->encoding = charset_encoding(file->charset, file->choice.name);
    return r > 0 ? error_fail(ERROR_CONFIG, "%s", fault.en) : r;
}

const CharsetChoice *event_file_charset(const EventFile *file) {
    return &file->choice;
}

static int bind_header(EventFile *file, const CsvRow *row, char delimiter) {
    HeaderFault fault;
    const Header header = {file->map, file->encoding, file->arena, delimiter, row};
    return header_bind(&header, file->columns, &fault) == 0 ? 0 : error_fail(ERROR_CONFIG, "%s", fault.en);
}

static int read_header(EventFile *file, const EventFileOptions *options) {
    CsvRow header;
    struct stat status;
    file->fd = open(options->path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &status) != 0)
        return error_fail(ERROR_CONFIG, "%s", strerror(errno));
    file->time_us = (int64_t)status.st_mtim.tv_sec * 1000000 + status.st_mtim.tv_nsec / 1000;
    int r = csv_new(&file->csv, file->fd, options->delimiter);
    if (r == 0)
        r = csv_header(file->csv, &header);
    if (r > 0)
        return error_fail(ERROR_CONFIG, "no header row that can be read");
    if (r == 0)
        r = choose_encoding(file);
    return r < 0 ? r : bind_header(file, &header, options->delimiter);
}

int event_file_open(EventFile **ret, const EventFileOptions *options) {
    CLEANUP(event_file_close) EventFile *file = calloc(1, sizeof *file);
    if (!file)
        return error_fail(ERROR_MEMORY, "no memory for a file");
    file->fd = -1;
    file->agency = options->agency;
    int r = map_load(&file->map, options->mapping);
    if (r == 0)
        r = charset_new(&file->charset, options->encoding);
    if (r == 0)
        r = merkle_new(&file->merkle);
    if (r == 0)
        r = arena_new(&file->arena, ROW_ARENA_BYTES);
    if (r < 0)
        return r;
    r = read_header(file, options);
    if (r < 0)
        return error_context(r, "%s", options->path);
    *ret = file;
    file = NULL;
    return 0;
}

static int refuse(EventRow *ret, int code, const char *field) {
    ret->code = code;
    snprintf(ret->field, sizeof ret->field, "%s", field);
    return 0;
}

static int pack(EventFile *file, Dongbo__ChangeEvent *event, Arena *arena, EventRow *ret) {
    uint8_t id[EVENT_ID_BYTES];
    event_identify(event, file->agency, file->merkle, &file->scratch, id);
    size_t n = protobuf_c_message_get_packed_size(&event->base);
    if (file->scratch.failed)
        return error_fail(ERROR_MEMORY, "no memory for an event");
    if (n > EVENT_BYTES_MAX)
        return refuse(ret, DONGBO__REASON_CODE__EVENT_LIMITS, "");
    ret->bytes.data = arena_alloc(arena, n + 1);
    if (!ret->bytes.data)
        return error_fail(ERROR_MEMORY, "the events of one step do not fit");
    ret->bytes.len = protobuf_c_message_pack(&event->base, ret->bytes.data);
    return 0;
}

static int map_row(EventFile *file, const CsvRow *row, Arena *arena, EventRow *ret) {
    Dongbo__ChangeEvent *event = NULL;
    MapFault fault;
    for (int column = 0; column < map_n_columns(file->map); column++) {
        const CsvField *field = file->columns[column] < 0 ? NULL : &row->fields[file->columns[column]];
        file->texts[column] = field ? (MapText){field->text, field->n} : (MapText){NULL, 0};
    }
    arena_reset(file->arena);
    CharsetFault unread;
    int r = charset_row(file->charset, file->encoding, &(CharsetRow){file->map, file->texts, file->arena, file->values},
                        &unread);
    if (r != 0)
        return r < 0 ? r : refuse(ret, DONGBO__REASON_CODE__TEXT_INVALID, "");
    r = map_apply(file->map, &(MapRow){file->values, file->time_us}, file->arena, &event, &fault);
    if (r == 1)
        return refuse(ret, fault.code, fault.field);
    return r < 0 ? r : pack(file, event, arena, ret);
}

int event_file_next(EventFile *file, Arena *arena, EventRow *ret) {
    CsvRow row;
    int r;
    while ((r = csv_next(file->csv, &row)) == 0 && csv_is_blank(&row)) {
    }
    *ret = (EventRow){.number = row.number};
    if (r == 2)
        return refuse(
            ret, row.fault == CSV_NUL_BYTE ? DONGBO__REASON_CODE__TEXT_INVALID : DONGBO__REASON_CODE__EVENT_UNREADABLE,
            "");
    return r == 0 ? map_row(file, &row, arena, ret) : r;
}
