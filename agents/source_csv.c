// SPDX-License-Identifier: Apache-2.0
//
// See source_csv.h. One file is open at a time. How far it is read is stored with its rows, in the spool's transaction;
// after a rollback it is opened again from there.
#include "agents/source_csv.h"

#include "agents/charset.h"
#include "agents/digest.h"
#include "agents/done.h"
#include "agents/drop.h"
#include "agents/header.h"
#include "agents/refused.h"
#include "proto/base/bytes.h"
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

#define HASH_AT_ONCE ((size_t)16 * 1024 * 1024)
#define PASSED_MAX 10000

typedef struct Reading {
    Origin origin; // id 0 until the file's hash is known
    DropFile file;
    int fd;
    Digest *digest; // NULL: done
    Csv *csv;
    Encoding *encoding;           // one of the charset's
    int columns[MAP_COLUMNS_MAX]; // the CSV column of each of the mapping's
    MapText texts[MAP_COLUMNS_MAX], values[MAP_COLUMNS_MAX];
} Reading;

typedef struct SourceCsv {
    Source base;
    char delimiter;
    Charset *charset;
    Drop *drop;
    DropFile *files; // not begun, in order, from next_file on
    size_t n_files, next_file;
    uint64_t bytes;                   // of those
    zhashx_t *known;                  // by origin: DropFile that is read to its end and waits for verdicts
    zhashx_t *passed;                 // by hash: up to which number its origins are known, or not to be had
    Reading *reading;                 // NULL between files
    char blocked[DROP_BLOCKED_BYTES]; // of a file that cannot be opened or read; "" when there is none
    char said[DROP_BLOCKED_BYTES];    // of those last
    bool all_told;                    // what lay in the folder at the start has been told, if it was complete
    bool scanned;                     // and gone through
} SourceCsv;

static void reading_close(Reading **reading) {
    if (*reading == NULL)
        return;
    csv_destroy(&(*reading)->csv);
    digest_destroy(&(*reading)->digest);
    if ((*reading)->fd >= 0)
        close((*reading)->fd);
    free(*reading);
    *reading = NULL;
}

static void source_csv_destroy(Source **source) {
    SourceCsv *self = (SourceCsv *)*source;
    reading_close(&self->reading);
    drop_destroy(&self->drop);
    charset_destroy(&self->charset);
    free(self->files);
    zhashx_destroy(&self->known);
    zhashx_destroy(&self->passed);
    free(self);
    *source = NULL;
}

// No file is left that was found and not begun.
static bool is_used_up(const SourceCsv *self) {
    return self->next_file == self->n_files;
}

static const char *known_key(int64_t origin, char key[24]) {
    snprintf(key, 24, "%lld", (long long)origin);
    return key;
}

static const DropFile *known_find(SourceCsv *self, int64_t origin) {
    char key[24];
    return zhashx_lookup(self->known, known_key(origin, key));
}

static int known_add(SourceCsv *self, const DropFile *file, int64_t origin) {
    char key[24];
    return drop_files_put(self->known, known_key(origin, key), file);
}

static void known_remove(SourceCsv *self, int64_t origin) {
    char key[24];
    zhashx_delete(self->known, known_key(origin, key));
}

// ---- opening a file ----

// It was given up before its file's end, by a program that called it read all the same. How much of it was well read is
// not known.
static bool is_given_up(const Origin *origin, const DropFile *file) {
    return origin->state == ORIGIN_READ && origin->at < file->bytes;
}

// Whether the file may be this origin's. The same bytes twice in the folder are two files.
static bool is_begun(SourceCsv *self, const Origin *origin, const DropFile *file) {
    return origin->state != ORIGIN_DONE && known_find(self, origin->id) == NULL && !is_given_up(origin, file);
}

// The next origin of these bytes; what need not be gone through again for the next such file is noted.
static int find_twin(SourceCsv *self, const DropFile *file, OriginQuery *query, Origin *ret) {
    char key[2 * DIGEST_BYTES + 1];
    int r;
    hex_encode(query->hash, sizeof query->hash, key);
    int64_t passed = (intptr_t)zhashx_lookup(self->passed, key);
    query->after = passed;
    while ((r = ledger_origin_by_hash(self->base.spool, query, ret)) == 0 && !is_begun(self, ret, file))
        query->after = ret->id;
    if (query->after > passed) {
        if (zhashx_size(self->passed) >= PASSED_MAX)
            zhashx_purge(self->passed);
        zhashx_update(self->passed, key, (void *)(intptr_t)query->after);
    }
    return r;
}

// The origin of a file that was begun, by its name if there is such a one. 1: none.
static int find_begun(SourceCsv *self, const DropFile *file, OriginQuery *query, Origin *ret) {
    int r = ledger_origin_kept(self->base.spool, self->base.name, file->name, ret);
    if (r < 0 || (r == 0 && memcmp(ret->hash, query->hash, sizeof ret->hash) == 0 && is_begun(self, ret, file)))
        return r;
    return find_twin(self, file, query, ret);
}

// Which origin this file is: one that was begun, or a new one.
static int identify(SourceCsv *self, Reading *reading) {
    Origin *origin = &reading->origin;
    OriginQuery query = {.source = self->base.name};
    int r = digest_end(reading->digest, query.hash);
    digest_destroy(&reading->digest);
    if (r == 0 && lseek(reading->fd, 0, SEEK_SET) < 0)
        r = error_fail(ERROR_SYSTEM, "cannot read again: %s", strerror(errno));
    if (r == 0)
        r = find_begun(self, &reading->file, &query, origin);
    if (r < 0)
        return r;
    if (r == 0) {
        snprintf(origin->name, sizeof origin->name, "%s", reading->file.name);
        return 0;
    }
    *origin = (Origin){.state = ORIGIN_READING, .row = 1};
    snprintf(origin->source, sizeof origin->source, "%s", self->base.name);
    snprintf(origin->name, sizeof origin->name, "%s", reading->file.name);
    memcpy(origin->hash, query.hash, sizeof query.hash);
    r = done_choose_name(self->drop, self->base.spool, origin);
    return r < 0 ? r : ledger_origin_add(self->base.spool, origin);
}

static int refuse_file(SourceCsv *self, Reading *reading, Intake *intake, const CsvRow *header,
                       const IntakeFault *fault) {
    Item item = {.origin = reading->origin.id, .row = 1, .offset = header->offset, .bytes = header->bytes};
    reading->origin.state = ORIGIN_READ;
    reading->origin.at = reading->file.bytes;
    log_warn("%s: %s: %s", self->base.name, reading->origin.name, fault->en);
    return intake_refuse(intake, &item, fault);
}

// A file without one of the mapping's columns is refused as a whole.
static int bind_header(SourceCsv *self, Reading *reading, Intake *intake, const CsvRow *row) {
    HeaderFault fault;
    Header header = {self->base.map, reading->encoding, intake->arena, self->delimiter, row};
    if (header_bind(&header, reading->columns, &fault) == 0)
        return 0;
    return refuse_file(self, reading, intake, row,
                       &(IntakeFault){DONGBO__REASON_CODE__FIELD_MISSING, "", fault.vi, fault.en});
}

static IntakeFault row_fault(CsvFault fault) {
    int code = fault == CSV_NUL_BYTE ? DONGBO__REASON_CODE__TEXT_INVALID : DONGBO__REASON_CODE__EVENT_UNREADABLE;
    return (IntakeFault){code, "", csv_fault_vi(fault), csv_fault_en(fault)};
}

// The file's encoding; known from before when it was begun already. A file whose encoding is not clear is refused as a
// whole.
static int choose_encoding(SourceCsv *self, Reading *reading, Intake *intake, const CsvRow *header) {
    Origin *origin = &reading->origin;
    CharsetChoice choice;
    CharsetFault fault;
    int r = 0;
    bool known = origin->encoding[0] != 0 && origin->confidence != CHARSET_DECLARED;
    if (!known || !charset_is_auto(self->charset)) {
        r = charset_choose(self->charset, reading->fd, &choice, &fault);
        if (r < 0)
            return r;
        snprintf(origin->encoding, sizeof origin->encoding, "%s", choice.name);
        origin->confidence = choice.confidence;
        if (r == 0 && choice.confidence != CHARSET_DECLARED)
            log_info("%s: %s is in %s, confidence %d %%: %s", self->base.name, origin->name, choice.name,
                     choice.confidence, choice.why);
    }
    reading->encoding = charset_encoding(self->charset, origin->encoding);
    if (r == 0)
        return 0;
    return refuse_file(self, reading, intake, header,
                       &(IntakeFault){DONGBO__REASON_CODE__TEXT_INVALID, "", fault.vi, fault.en});
}

static int open_header(SourceCsv *self, Reading *reading, Intake *intake) {
    CsvRow header = {0};
    int r = csv_new(&reading->csv, reading->fd, self->delimiter);
    if (r == 0)
        r = csv_header(reading->csv, &header);
    if (r == 1) {
        log_warn("%s: %s is empty: not even a header is in it", self->base.name, reading->origin.name);
        reading->origin.state = ORIGIN_READ;
        return 0;
    }
    IntakeFault fault = row_fault(header.fault);
    if (r == 2)
        return refuse_file(self, reading, intake, &header, &fault);
    if (r == 0)
        r = choose_encoding(self, reading, intake, &header);
    if (r == 0 && reading->origin.state == ORIGIN_READING)
        r = bind_header(self, reading, intake, &header);
    if (r == 0 && reading->origin.state == ORIGIN_READING && reading->origin.at > 0)
        r = csv_seek(reading->csv, reading->origin.at, reading->origin.row);
    return r;
}

// Opens this file if it still is what was seen; else self->reading stays NULL.
static int open_file(SourceCsv *self, const DropFile *file) {
    char path[DROP_PATH_BYTES];
    struct stat stat;
    DropFile now;
    drop_path(self->drop, false, file->name, path);
    Reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a file");
    reading->file = *file;
    reading->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); // it may be a FIFO by now
    drop_note_open(self->drop);
    int r = reading->fd < 0 || fstat(reading->fd, &stat) != 0 || !S_ISREG(stat.st_mode) ? 1 : 0;
    if (r == 0) {
        drop_file_of(file->name, &stat, &now);
        r = drop_file_same(&now, file) ? digest_new(&reading->digest) : 1;
    }
    if (r == 0)
        self->reading = reading;
    else
        reading_close(&reading);
    if (r == 1)
        drop_again(self->drop, file->name);
    return r < 0 ? r : 0;
}

static int next_file(SourceCsv *self) {
    while (self->reading == NULL && !is_used_up(self)) {
        const DropFile *file = &self->files[self->next_file++];
        self->bytes -= file->bytes + 1;
        int r = open_file(self, file);
        if (r < 0)
            return error_context(r, "%s", file->name);
    }
    return self->reading == NULL;
}

static void note_blocked(SourceCsv *self) {
    const char *blocked = drop_blocked(self->drop);
    snprintf(self->blocked, sizeof self->blocked, "%s", blocked == NULL ? "" : blocked);
    if (blocked == NULL || strcmp(blocked, self->said) == 0)
        return;
    log_warn("%s: %s", self->base.name, blocked);
    memcpy(self->said, self->blocked, sizeof self->said);
}

// From the hash to the first row. 1 while the hash is not known yet. A file that cannot be read, which shows as it is
// hashed, keeps no other one waiting: there is no self->reading then.
static int begin_file(SourceCsv *self, Intake *intake) {
    Reading *reading = self->reading;
    if (reading->digest == NULL)
        return 0;
    int r = digest_read(reading->digest, reading->fd, HASH_AT_ONCE);
    if (r == ERROR_SYSTEM) {
        drop_set_aside(self->drop, reading->file.name, error_text());
        reading_close(&self->reading);
        note_blocked(self);
        return 0;
    }
    if (r == 0)
        r = identify(self, reading);
    if (r == 0 && reading->origin.state == ORIGIN_READING)
        r = open_header(self, reading, intake);
    return r < 0 ? error_context(r, "%s", reading->file.name) : r;
}

// ---- reading rows ----

static int take_row(SourceCsv *self, Reading *reading, Intake *intake, const CsvRow *row) {
    Item item = {.origin = reading->origin.id, .row = row->number, .offset = row->offset, .bytes = row->bytes};
    arena_reset(intake->arena);
    for (int i = 0; i < map_n_columns(self->base.map); i++) {
        const CsvField *field = reading->columns[i] < 0 ? NULL : &row->fields[reading->columns[i]];
        reading->texts[i] = field == NULL ? (MapText){NULL, 0} : (MapText){field->text, field->n};
    }
    CharsetRow texts = {self->base.map, reading->texts, intake->arena, reading->values};
    CharsetFault fault;
    int r = charset_row(self->charset, reading->encoding, &texts, &fault);
    if (r < 0)
        return r;
    if (r == 1)
        return intake_refuse(intake, &item, &(IntakeFault){DONGBO__REASON_CODE__TEXT_INVALID, "", fault.vi, fault.en});
    MapRow mapped = {.values = reading->values, .time_us = reading->file.changed_ns / 1000};
    return intake_row(intake, &mapped, &item);
}

static int refuse_row(Reading *reading, Intake *intake, const CsvRow *row) {
    Item item = {.origin = reading->origin.id, .row = row->number, .offset = row->offset, .bytes = row->bytes};
    IntakeFault fault = row_fault(row->fault);
    return intake_refuse(intake, &item, &fault);
}

// Reads the open file until the intake is full or the file ends, and notes how far.
static int read_rows(SourceCsv *self, Intake *intake) {
    Reading *reading = self->reading;
    bool refused = reading->origin.state == ORIGIN_READ;
    while (reading->origin.state == ORIGIN_READING && !intake_is_full(intake)) {
        CsvRow row;
        int r = csv_next(reading->csv, &row);
        if (r == 0)
            r = csv_is_blank(&row) ? 0 : take_row(self, reading, intake, &row);
        else if (r == 1)
            reading->origin.state = ORIGIN_READ;
        else if (r == 2)
            r = refuse_row(reading, intake, &row);
        if (r < 0)
            return error_context(r, "%s", reading->origin.name);
    }
    if (reading->csv != NULL && !refused) {
        reading->origin.row = csv_number(reading->csv);
        reading->origin.at = csv_offset(reading->csv);
    }
    return ledger_origin_read(self->base.spool, &reading->origin);
}

// A file that was read to its end is known from now on; unless it changed meanwhile, then it is another file, also
// where its bytes are the same in the end: what was read of it in between may be anything.
static int finish_reading(SourceCsv *self) {
    Reading *reading = self->reading;
    struct stat stat;
    DropFile now;
    int r = 0;
    if (fstat(reading->fd, &stat) != 0) { // also what did not change is to be told again
        drop_again(self->drop, reading->file.name);
        self->all_told = self->scanned = false;
        reading_close(&self->reading);
        return 0;
    }
    drop_file_of(reading->file.name, &stat, &now);
    if (drop_file_same(&now, &reading->file))
        r = known_add(self, &reading->file, reading->origin.id);
    else {
        r = ledger_origin_hash_clear(self->base.spool, reading->origin.id);
        log_warn("%s: %s was written to while it was read; it is read again. Write files elsewhere and rename them "
                 "into the folder",
                 self->base.name, reading->file.name);
        drop_look_at(self->drop, reading->file.name);
    }
    reading_close(&self->reading);
    return r;
}

static int csv_read(Source *source, Intake *intake) {
    SourceCsv *self = (SourceCsv *)source;
    while (!intake_is_full(intake)) {
        int r = next_file(self);
        if (r != 0)
            return r;
        r = begin_file(self, intake);
        if (r != 0)
            return r < 0 ? r : 0;
        if (self->reading == NULL)
            continue;
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

// Moves a decided file to done/. What somebody moved away or replaced is left alone, also where that happened just
// then.
static int move_file(SourceCsv *self, const Origin *origin, const DropFile *file) {
    DropFile now;
    int r = done_move(self->drop, file, origin, &now);
    if (r == DONE_MOVED)
        drop_let_go(self->drop, file->name);
    if (r <= DONE_MOVED)
        return r;
    log_warn("%s: %s was moved away or replaced before its rows were decided; rows refused are handed back by "
             "their numbers",
             self->base.name, file->name);
    if (r == DONE_TWICE)
        log_warn(
            "%s: done/%s is what replaced %s, and was itself replaced before it was read: drop it once more if its "
            "rows are to be delivered",
            self->base.name, origin->kept_name, file->name);
    // What took its place may have been told and read long ago.
    (now.name[0] != 0 ? drop_look_at : drop_again)(self->drop, file->name);
    return 0;
}

// An origin none of whose events waits for a receipt.
static int let_go(SourceCsv *self, Origin *origin) {
    const DropFile *file = known_find(self, origin->id);
    bool is_read = self->reading != NULL && self->reading->origin.id == origin->id;
    // Its file is being read, or may still be found. What is lost is let go, however little of it was read.
    if (file == NULL && (is_read || !self->scanned))
        return 0;
    int r = file == NULL ? 0 : move_file(self, origin, file);
    if (r < 0)
        return r;
    int64_t rows;
    known_remove(self, origin->id);
    origin->state = ORIGIN_DONE;
    r = ledger_rows(self->base.spool, origin->id, &rows);
    if (r < 0)
        return r;
    log_info("%s: %s is done, %lld rows", self->base.name, origin->name, (long long)rows);
    return ledger_origin_read(self->base.spool, origin);
}

static int let_ready_go(SourceCsv *self) {
    Origin origin = {0};
    int r;
    while ((r = ledger_origin_ready(self->base.spool, self->base.name, origin.id, &origin)) == 0)
        if ((r = let_go(self, &origin)) < 0)
            break;
    return r < 0 ? r : 0;
}

// An origin that is not read to its end, and whose file was not found, is read on only if that comes back before what
// was read of it is decided.
static void say_lost(SourceCsv *self, const Origin *origin) {
    bool is_here = self->reading != NULL && self->reading->origin.id == origin->id;
    if (!is_here && origin->state == ORIGIN_READING)
        log_warn("%s: %s was read up to row %llu and is gone from the folder, or cannot be opened; it is read when it "
                 "is there again",
                 self->base.name, origin->name, (unsigned long long)origin->row);
}

static int note_all_lost(SourceCsv *self) {
    Origin origin = {0};
    int r;
    while ((r = ledger_origin_next(self->base.spool, self->base.name, origin.id, &origin)) == 0)
        say_lost(self, &origin);
    return r < 0 ? r : let_ready_go(self);
}

static int in_transaction(SourceCsv *self, int (*change)(SourceCsv *)) {
    int r = spool_begin(self->base.spool);
    if (r == 0)
        r = change(self);
    return spool_end(self->base.spool, r);
}

static int end_scan(SourceCsv *self) {
    self->scanned = true;
    int r = in_transaction(self, note_all_lost);
    self->scanned = r == 0;
    return r;
}

static int csv_receipts(Source *source) {
    return in_transaction((SourceCsv *)source, let_ready_go);
}

// ---- looking ----

static void files_forget(SourceCsv *self) {
    free(self->files);
    self->files = NULL;
    self->n_files = self->next_file = 0;
    self->bytes = 0;
}

static int scan(SourceCsv *self) {
    const DropFile *files;
    size_t n;
    int r = drop_scan(self->drop, &files, &n);
    if (r < 0)
        return r;
    const char *busy = drop_busy(self->drop);
    if (busy != NULL)
        log_info("%s: %s", self->base.name, busy);
    self->all_told = drop_has_told_all(self->drop);
    note_blocked(self);
    DropFile *copy = n == 0 ? NULL : malloc(n * sizeof *copy);
    if (n > 0 && copy == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a drop folder");
    files_forget(self);
    self->files = copy;
    self->n_files = n;
    for (size_t i = 0; i < n; i++) {
        copy[i] = files[i];
        self->bytes += files[i].bytes + 1;
    }
    return 0;
}

// Files that come while others are waiting to be read are looked at once those are; what the kernel tells of them is
// taken at once, since it keeps only so much. There may always be more of them: what lay there at first is gone through
// all the same.
static int csv_look(Source *source, uint64_t *ret_bytes) {
    SourceCsv *self = (SourceCsv *)source;
    bool news = drop_has_news(self->drop), through = self->all_told && is_used_up(self) && self->reading == NULL;
    int r = through && !self->scanned ? end_scan(self) : 0;
    if (r == 0 && news && is_used_up(self))
        r = scan(self);
    if (r < 0)
        return r;
    *ret_bytes = self->bytes;
    if (self->reading != NULL)
        *ret_bytes += self->reading->file.bytes - self->reading->origin.at + 1;
    if (self->scanned || *ret_bytes > 0 || drop_has_news(self->drop))
        return 0;
    return end_scan(self);
}

static int csv_fd(Source *source) {
    return drop_fd(((SourceCsv *)source)->drop);
}

static int csv_wait_ms(Source *source) {
    SourceCsv *self = (SourceCsv *)source;
    int wait_ms = drop_wait_ms(self->drop);
    return wait_ms < 0 && is_used_up(self) && self->reading == NULL && drop_has_news(self->drop) ? 0 : wait_ms;
}

static const char *csv_left(const Source *source) {
    const SourceCsv *self = (const SourceCsv *)source;
    return self->blocked[0] != 0 ? self->blocked : NULL;
}

static int csv_settle(Source *source, bool committed) {
    SourceCsv *self = (SourceCsv *)source;
    if (committed)
        return 0;
    // What was opened in the transaction may stand on an origin that is not there.
    reading_close(&self->reading);
    zhashx_purge(self->known);
    zhashx_purge(self->passed);
    drop_forget(self->drop);
    files_forget(self); // they are told again, also when that fails now
    self->scanned = self->all_told = false;
    return scan(self);
}

// ---- handing back ----

// Whether it was found, and whose rows are in it is not known yet.
static bool is_to_be_begun(const SourceCsv *self, const DropFile *file) {
    const DropFile *next = self->reading != NULL && self->reading->origin.id == 0 ? &self->reading->file : NULL;
    if (next != NULL && drop_file_same(next, file))
        return true;
    if (is_used_up(self))
        return false;
    next = bsearch(file, self->files + self->next_file, self->n_files - self->next_file, sizeof *file, drop_file_order);
    return next != NULL && drop_file_same(next, file);
}

// The file that was read for this origin, as far as that is known.
static const DropFile *file_of(SourceCsv *self, const Origin *origin) {
    bool is_read = self->reading != NULL && self->reading->origin.id == origin->id;
    return is_read ? &self->reading->file : known_find(self, origin->id);
}

// 0: *ret, which lies in the folder by the origin's name, is its file; 1: that is not there; 2: nobody knows yet. Files
// are known once their turn to be read came: none is hashed for this, which would keep sessions waiting.
static int find_file(SourceCsv *self, const Origin *origin, const char *path, DropFile *ret) {
    struct stat stat;
    const DropFile *known = file_of(self, origin);
    if (known == NULL && !self->scanned)
        return 2;
    if (lstat(path, &stat) != 0 || !S_ISREG(stat.st_mode))
        return 1;
    drop_file_of(origin->name, &stat, ret);
    if (known != NULL)
        return drop_file_same(known, ret) ? 0 : 1;
    return is_to_be_begun(self, ret) ? 2 : 1;
}

static int csv_hand_back(Source *source, const Origin *origin, int *ret_n) {
    SourceCsv *self = (SourceCsv *)source;
    char path[DROP_PATH_BYTES];
    DropFile rows;
    drop_path(self->drop, false, origin->name, path);
    int found = origin->state == ORIGIN_DONE ? 1 : find_file(self, origin, path, &rows);
    *ret_n = 0;
    if (found == 2)
        return 0;
    if (found == 1)
        drop_path(self->drop, true, origin->kept_name, path);
    else
        drop_note_open(self->drop);
    RefusedFile file = {.spool = self->base.spool,
                        .origin = origin,
                        .rows_path = path,
                        .rows = found == 0 ? &rows : NULL,
                        .done = drop_done(self->drop),
                        .delimiter = self->delimiter,
                        .encoding = charset_encoding(self->charset, origin->encoding)};
    int r = drop_make_done(self->drop);
    return r < 0 ? r : refused_write(&file, ret_n);
}

static const SourceKind KIND = {
    .look = csv_look,
    .read = csv_read,
    .settle = csv_settle,
    .receipts = csv_receipts,
    .hand_back = csv_hand_back,
    .left = csv_left,
    .fd = csv_fd,
    .wait_ms = csv_wait_ms,
    .destroy = source_csv_destroy,
};

int source_csv_open(Source **ret, const SourceOptions *options) {
    const SourceConfig *config = options->config;
    assert(config->kind == SOURCE_CSV);
    int r = source_allocate(ret, sizeof(SourceCsv), &KIND, options);
    if (r < 0)
        return r;
    SourceCsv *self = (SourceCsv *)*ret;
    self->delimiter = config->delimiter == NULL ? ',' : config->delimiter[0] == '\\' ? '\t' : config->delimiter[0];
    r = drop_files_new(&self->known);
    self->passed = zhashx_new();
    if (r == 0 && self->passed == NULL)
        r = error_fail(ERROR_MEMORY, "no memory for a drop folder");
    if (r == 0)
        r = charset_new(&self->charset, config->encoding);
    if (r == 0)
        r = drop_new(&self->drop, config->directory, config->pattern == NULL ? "*.csv" : config->pattern);
    return r;
}
