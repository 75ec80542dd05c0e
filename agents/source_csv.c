// SPDX-License-Identifier: Apache-2.0
//
// See source_csv.h. One file is open at a time. How far it is read is stored with its rows, in the spool's transaction;
// after a rollback it is opened again from there.
#include "agents/source_csv.h"

#include "agents/drop.h"
#include "agents/refused.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A file of the folder that is read already, and waits for verdicts.
typedef struct Known {
    DropFile file;
    int64_t origin;
} Known;

typedef struct Reading {
    Origin origin;
    DropFile file;
    int fd;
    Csv *csv;
    int columns[MAP_COLUMNS_MAX]; // the CSV column of each of the mapping's
    MapText values[MAP_COLUMNS_MAX];
} Reading;

typedef struct SourceCsv {
    Source base;
    const SourceConfig *config;
    char delimiter;
    Encoding *encoding;
    Drop *drop;
    DropFile *files; // complete, in order; not all of them unread
    size_t n_files, next_file;
    Known *known;
    size_t n_known, size_known;
    Reading *reading; // NULL between files
    bool scanned;     // the whole folder has been gone through since the start
} SourceCsv;

static void reading_close(Reading **reading) {
    if (*reading == NULL)
        return;
    csv_destroy(&(*reading)->csv);
    if ((*reading)->fd >= 0)
        close((*reading)->fd);
    free(*reading);
    *reading = NULL;
}

static void source_csv_destroy(Source **source) {
    SourceCsv *self = (SourceCsv *)*source;
    if (self == NULL)
        return;
    reading_close(&self->reading);
    drop_destroy(&self->drop);
    encoding_destroy(&self->encoding);
    free(self->files);
    free(self->known);
    free(self);
    *source = NULL;
}

static const Known *known_find(const SourceCsv *self, const DropFile *file) {
    for (size_t i = 0; i < self->n_known; i++)
        if (drop_file_same(&self->known[i].file, file))
            return &self->known[i];
    return NULL;
}

// Read already, or being read.
static bool is_taken(const SourceCsv *self, const DropFile *file) {
    return known_find(self, file) != NULL || (self->reading != NULL && drop_file_same(&self->reading->file, file));
}

static Known *known_by_origin(SourceCsv *self, int64_t origin) {
    for (size_t i = 0; i < self->n_known; i++)
        if (self->known[i].origin == origin)
            return &self->known[i];
    return NULL;
}

static int known_add(SourceCsv *self, const DropFile *file, int64_t origin) {
    if (self->n_known == self->size_known) {
        size_t size = self->size_known == 0 ? 16 : 2 * self->size_known;
        Known *known = realloc(self->known, size * sizeof *known);
        if (known == NULL)
            return error_fail(ERROR_MEMORY, "no memory for a drop folder");
        self->known = known;
        self->size_known = size;
    }
    self->known[self->n_known++] = (Known){*file, origin};
    return 0;
}

// ---- looking ----

static int rescan(SourceCsv *self) {
    const DropFile *files;
    size_t n;
    int r = drop_scan(self->drop, &files, &n);
    if (r < 0)
        return r;
    DropFile *copy = n == 0 ? NULL : malloc(n * sizeof *copy);
    if (n > 0 && copy == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    if (n > 0)
        memcpy(copy, files, n * sizeof *copy);
    free(self->files);
    self->files = copy;
    self->n_files = n;
    self->next_file = 0;
    return 0;
}

static int csv_look(Source *source, uint64_t *ret_bytes) {
    SourceCsv *self = (SourceCsv *)source;
    *ret_bytes = 0;
    if (drop_has_news(self->drop)) {
        int r = rescan(self);
        if (r < 0)
            return r;
    }
    if (self->reading != NULL)
        *ret_bytes += self->reading->file.bytes - self->reading->origin.at + 1;
    for (size_t i = self->next_file; i < self->n_files; i++)
        if (!is_taken(self, &self->files[i]))
            *ret_bytes += self->files[i].bytes + 1;
    if (*ret_bytes == 0)
        self->next_file = self->n_files;
    if (*ret_bytes == 0 && !drop_has_news(self->drop))
        self->scanned = true;
    return 0;
}

static int csv_fd(Source *source) {
    return drop_fd(((SourceCsv *)source)->drop);
}

static int csv_wait_ms(Source *source) {
    return drop_wait_ms(((SourceCsv *)source)->drop);
}

// ---- opening a file ----

// A name in done/ that no other file has: NAME.csv, else NAME-HASH.csv.
static int choose_kept_name(SourceCsv *self, Origin *origin) {
    char path[DROP_PATH_BYTES];
    struct stat stat_;
    snprintf(origin->kept_name, sizeof origin->kept_name, "%s", origin->name);
    for (unsigned n = 0;; n++) {
        int64_t taken;
        int r = ledger_kept_name_taken(self->base.spool, self->base.name, origin->kept_name, &taken);
        if (r < 0)
            return r;
        drop_path(self->drop, true, origin->kept_name, path);
        if (taken == 0 && stat(path, &stat_) != 0)
            return 0;
        const char *dot = strrchr(origin->name, '.');
        int stem = dot == NULL || dot == origin->name ? (int)strlen(origin->name) : (int)(dot - origin->name);
        snprintf(origin->kept_name, sizeof origin->kept_name, "%.*s-%02x%02x%02x%02x%.*u%s", stem > 200 ? 200 : stem,
                 origin->name, origin->hash[0], origin->hash[1], origin->hash[2], origin->hash[3], n > 0 ? 1 : 0, n,
                 dot == NULL || dot == origin->name ? "" : dot);
    }
}

// Which origin this file is: one that was begun (*ret_new false), or a new one.
static int identify(SourceCsv *self, Reading *reading) {
    Origin *origin = &reading->origin;
    uint8_t hash[32];
    int r = drop_hash(reading->fd, hash);
    if (r == 0)
        r = ledger_origin_by_hash(self->base.spool, self->base.name, hash, origin);
    if (r < 0)
        return r;
    // The same bytes twice in the folder are two files.
    if (r == 0 && known_by_origin(self, origin->id) == NULL) {
        snprintf(origin->name, sizeof origin->name, "%s", reading->file.name);
        return 0;
    }
    *origin = (Origin){.state = ORIGIN_READING, .row = 1};
    snprintf(origin->source, sizeof origin->source, "%s", self->base.name);
    snprintf(origin->name, sizeof origin->name, "%s", reading->file.name);
    memcpy(origin->hash, hash, sizeof hash);
    r = choose_kept_name(self, origin);
    return r < 0 ? r : ledger_origin_add(self->base.spool, origin);
}

static int refuse_file(SourceCsv *self, Reading *reading, Intake *intake, const CsvRow *header, const char *vi,
                       const char *en) {
    Item item = {.origin = reading->origin.id, .row = 1, .offset = header->offset, .bytes = header->bytes};
    reading->origin.state = ORIGIN_READ;
    log_warn("%s: %s: %s", self->base.name, reading->origin.name, en);
    int code = header->fault == CSV_FINE ? DONGBO__REASON_CODE__FIELD_MISSING : DONGBO__REASON_CODE__EVENT_UNREADABLE;
    return intake_refuse(intake, &item, &(IntakeFault){code, "", vi, en});
}

static int find_column(SourceCsv *self, Intake *intake, const CsvRow *header, const char *name) {
    for (int i = 0; i < header->n_fields; i++) {
        MapText text;
        arena_reset(intake->arena);
        if (encoding_convert(self->encoding, &(MapText){header->fields[i].text, header->fields[i].n}, intake->arena,
                             &text) == 0 &&
            strcmp(text.text, name) == 0)
            return i;
    }
    return -1;
}

// Finds the mapping's columns in the header. A file without one of them is refused as a whole.
static int bind_header(SourceCsv *self, Reading *reading, Intake *intake, const CsvRow *header) {
    char vi[640], en[640];
    const Map *map = self->base.map;
    for (int i = 0; i < map_n_columns(map); i++) {
        reading->columns[i] = find_column(self, intake, header, map_column(map, i));
        if (reading->columns[i] >= 0)
            continue;
        snprintf(vi, sizeof vi,
                 "Tệp không có cột \"%s\" mà %s, dòng %d cần. Không dòng nào được gửi; hãy sửa tệp hoặc tệp ánh xạ rồi "
                 "đưa tệp vào lại.",
                 map_column(map, i), map_path(map), map_column_line(map, i));
        snprintf(en, sizeof en,
                 "The file has no column \"%s\", which %s, line %d reads. None of its rows was sent; correct the file "
                 "or the mapping, and drop the file again.",
                 map_column(map, i), map_path(map), map_column_line(map, i));
        return refuse_file(self, reading, intake, header, vi, en);
    }
    return 0;
}

static int open_header(SourceCsv *self, Reading *reading, Intake *intake) {
    CsvRow header = {0};
    int r = csv_new(&reading->csv, reading->fd, self->delimiter);
    if (r == 0)
        r = csv_header(reading->csv, &header);
    if (r == 1) {
        reading->origin.state = ORIGIN_READ; // an empty file has no rows
        return 0;
    }
    if (r == 2)
        return refuse_file(self, reading, intake, &header, csv_fault_vi(header.fault), csv_fault_en(header.fault));
    if (r == 0)
        r = bind_header(self, reading, intake, &header);
    if (r == 0 && reading->origin.state == ORIGIN_READING && reading->origin.at > 0)
        r = csv_seek(reading->csv, reading->origin.at, reading->origin.row);
    return r;
}

// Opens this file if it still is what was seen. *ret is NULL when it is not, or needs no more reading.
static int open_file(SourceCsv *self, const DropFile *file, Intake *intake, Reading **ret) {
    char path[DROP_PATH_BYTES];
    struct stat stat;
    *ret = NULL;
    drop_path(self->drop, false, file->name, path);
    Reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a file");
    reading->file = *file;
    reading->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    DropFile now;
    int r = reading->fd < 0 || fstat(reading->fd, &stat) != 0 ? 1 : 0;
    if (r == 0) {
        drop_file_of(file->name, &stat, &now);
        r = drop_file_same(&now, file) ? identify(self, reading) : 1;
    }
    if (r == 0 && reading->origin.state == ORIGIN_READ) {
        r = known_add(self, file, reading->origin.id);
        reading_close(&reading);
        return r;
    }
    if (r == 0)
        r = open_header(self, reading, intake);
    if (r != 0)
        reading_close(&reading);
    *ret = reading;
    return r < 0 ? r : 0;
}

static int next_file(SourceCsv *self, Intake *intake) {
    while (self->reading == NULL && self->next_file < self->n_files) {
        const DropFile *file = &self->files[self->next_file++];
        if (is_taken(self, file))
            continue;
        int r = open_file(self, file, intake, &self->reading);
        if (r < 0)
            return error_context(r, "%s", file->name);
    }
    return self->reading == NULL;
}

// ---- reading rows ----

static int take_row(SourceCsv *self, Reading *reading, Intake *intake, const CsvRow *row) {
    Item item = {.origin = reading->origin.id, .row = row->number, .offset = row->offset, .bytes = row->bytes};
    arena_reset(intake->arena);
    for (int i = 0; i < map_n_columns(self->base.map); i++) {
        const CsvField *field = &row->fields[reading->columns[i]];
        MapText text = {field->text, field->n};
        int r = encoding_convert(self->encoding, &text, intake->arena, &reading->values[i]);
        if (r < 0)
            return r;
        if (r == 1) {
            char vi[320], en[320];
            snprintf(vi, sizeof vi, "Cột \"%s\" không đúng bảng mã của nguồn.", map_column(self->base.map, i));
            snprintf(en, sizeof en, "The column \"%s\" is not in the source's encoding.",
                     map_column(self->base.map, i));
            return intake_refuse(intake, &item, &(IntakeFault){DONGBO__REASON_CODE__TEXT_INVALID, "", vi, en});
        }
    }
    MapRow mapped = {.values = reading->values, .time_us = reading->file.changed_ns / 1000};
    return intake_row(intake, &mapped, &item);
}

static int refuse_row(Reading *reading, Intake *intake, const CsvRow *row) {
    Item item = {.origin = reading->origin.id, .row = row->number, .offset = row->offset, .bytes = row->bytes};
    IntakeFault fault = {DONGBO__REASON_CODE__EVENT_UNREADABLE, "", csv_fault_vi(row->fault), csv_fault_en(row->fault)};
    return intake_refuse(intake, &item, &fault);
}

// Reads the open file until the intake is full or the file ends, and notes how far.
static int read_rows(SourceCsv *self, Intake *intake) {
    Reading *reading = self->reading;
    while (reading->origin.state == ORIGIN_READING && !intake_is_full(intake)) {
        CsvRow row;
        int r = csv_next(reading->csv, &row);
        if (r == 0)
            r = take_row(self, reading, intake, &row);
        else if (r == 1)
            reading->origin.state = ORIGIN_READ;
        else if (r == 2)
            r = refuse_row(reading, intake, &row);
        if (r < 0)
            return error_context(r, "%s", reading->origin.name);
    }
    if (reading->csv != NULL) {
        reading->origin.row = csv_number(reading->csv);
        reading->origin.at = csv_offset(reading->csv);
    }
    return ledger_origin_read(self->base.spool, &reading->origin);
}

// A file that was read to its end is known from now on; unless it changed meanwhile, then it is another file.
static int finish_reading(SourceCsv *self) {
    Reading *reading = self->reading;
    struct stat stat;
    DropFile now;
    int r = 0;
    if (fstat(reading->fd, &stat) == 0) {
        drop_file_of(reading->file.name, &stat, &now);
        if (drop_file_same(&now, &reading->file))
            r = known_add(self, &reading->file, reading->origin.id);
        else
            log_warn("%s: %s was written to while it was read; it is read again. Write files elsewhere and rename them "
                     "into the folder",
                     self->base.name, reading->file.name);
    }
    reading_close(&self->reading);
    return r;
}

static int csv_read(Source *source, Intake *intake) {
    SourceCsv *self = (SourceCsv *)source;
    while (!intake_is_full(intake)) {
        int r = next_file(self, intake);
        if (r != 0)
            return r;
        r = read_rows(self, intake);
        if (r < 0)
            return r;
        if (self->reading->origin.state != ORIGIN_READ)
            return 0;
        r = finish_reading(self);
        if (r < 0)
            return r;
    }
    return 0;
}

// ---- letting go ----

// Moves a decided file to done/. What somebody moved away or replaced is left alone.
static int move_file(SourceCsv *self, const Origin *origin, const Known *known) {
    char from[DROP_PATH_BYTES], to[DROP_PATH_BYTES];
    struct stat stat_;
    DropFile now = {0};
    drop_path(self->drop, false, known->file.name, from);
    drop_path(self->drop, true, origin->kept_name, to);
    if (stat(from, &stat_) == 0)
        drop_file_of(known->file.name, &stat_, &now);
    if (!drop_file_same(&now, &known->file)) {
        log_warn("%s: %s was moved away or replaced before its rows were decided; rows refused are handed back by "
                 "their numbers",
                 self->base.name, known->file.name);
        return 0;
    }
    if (rename(from, to) != 0)
        return error_fail(ERROR_SYSTEM, "cannot move %s to %s: %s", from, to, strerror(errno));
    return 0;
}

static int let_go(SourceCsv *self, Origin *origin) {
    Known *known = known_by_origin(self, origin->id);
    bool read = origin->state == ORIGIN_READ;
    if (known == NULL && self->reading != NULL && self->reading->origin.id == origin->id)
        return 0;
    if (known == NULL && !self->scanned)
        return 0; // its file may still be found
    if (known == NULL && !read)
        log_warn("%s: %s is gone from the folder before it was read to its end (row %llu)", self->base.name,
                 origin->name, (unsigned long long)origin->row);
    if (origin->waiting > 0) {
        if (known != NULL || read)
            return 0;
        origin->state = ORIGIN_READ;
        return ledger_origin_read(self->base.spool, origin);
    }
    int r = known == NULL ? 0 : move_file(self, origin, known);
    if (r < 0)
        return r;
    if (known != NULL)
        *known = self->known[--self->n_known];
    origin->state = ORIGIN_DONE;
    log_info("%s: %s is done, %llu rows", self->base.name, origin->name,
             (unsigned long long)(origin->row > 2 ? origin->row - 2 : 0));
    return ledger_origin_read(self->base.spool, origin);
}

static int let_all_go(SourceCsv *self) {
    Origin origin = {0};
    int r;
    while ((r = ledger_origin_next(self->base.spool, self->base.name, origin.id, &origin)) == 0)
        if ((r = let_go(self, &origin)) < 0)
            break;
    return r < 0 ? r : 0;
}

static int csv_receipts(Source *source) {
    SourceCsv *self = (SourceCsv *)source;
    int r = spool_begin(self->base.spool);
    if (r == 0)
        r = let_all_go(self);
    if (r == 0)
        r = spool_commit(self->base.spool);
    if (r < 0)
        spool_rollback(self->base.spool);
    return r;
}

static int csv_settle(Source *source, bool committed) {
    SourceCsv *self = (SourceCsv *)source;
    if (committed)
        return 0;
    // What was opened in the transaction may stand on an origin that is not there.
    reading_close(&self->reading);
    self->n_known = 0;
    return rescan(self);
}

static int csv_hand_back(Source *source, const Origin *origin, int *ret_n) {
    SourceCsv *self = (SourceCsv *)source;
    char path[DROP_PATH_BYTES];
    struct stat stat_;
    drop_path(self->drop, false, origin->name, path);
    if (origin->state == ORIGIN_DONE || stat(path, &stat_) != 0)
        drop_path(self->drop, true, origin->kept_name, path);
    RefusedFile file = {.spool = self->base.spool,
                        .origin = origin,
                        .rows_path = path,
                        .done = drop_done(self->drop),
                        .delimiter = self->delimiter,
                        .encoding = self->encoding};
    return refused_write(&file, ret_n);
}

static const SourceKind KIND = {
    .look = csv_look,
    .read = csv_read,
    .settle = csv_settle,
    .receipts = csv_receipts,
    .hand_back = csv_hand_back,
    .fd = csv_fd,
    .wait_ms = csv_wait_ms,
    .destroy = source_csv_destroy,
};

int source_csv_new(Source **ret, const SourceOptions *options) {
    const SourceConfig *config = options->config;
    assert(config->kind == SOURCE_CSV);
    SourceCsv *self = calloc(1, sizeof *self);
    if (self == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a source");
    self->base = (Source){&KIND, config->name, options->spool, options->map, options->clock};
    self->config = config;
    self->delimiter = config->delimiter == NULL ? ',' : config->delimiter[0] == '\\' ? '\t' : config->delimiter[0];
    Source *source = &self->base;
    int r = encoding_new(&self->encoding, config->encoding == NULL ? "UTF-8" : config->encoding);
    if (r == 0)
        r = drop_new(&self->drop, config->directory, config->pattern == NULL ? "*.csv" : config->pattern);
    if (r < 0) {
        source_csv_destroy(&source);
        return error_context(r, "source %s", config->name);
    }
    *ret = source;
    return 0;
}
