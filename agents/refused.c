// SPDX-License-Identifier: Apache-2.0
//
// See refused.h. Before rows are appended, the file's length is stored; after a crash in between, what follows that
// length is written over where it is those rows as far as it goes. Anything else there is its keeper's, and stays.
#include "agents/refused.h"

#include "proto/base/csv.h"
#include "proto/base/error.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS_AT_ONCE 5000
#define BYTES_AT_ONCE (1024 * 1024) // and no more rows beyond so many
#define STEM_BYTES_MAX 240          // of an answer's file: a name has 255

const char *const REFUSED_COLUMN[REFUSED_COLUMNS] = {"dongbo_row", "dongbo_verdict", "dongbo_reasons", "dongbo_text_vi",
                                                     "dongbo_text_en"};

void refused_words_free(RefusedWords *words) {
    bytes_free(&words->codes);
    bytes_free(&words->vi);
    bytes_free(&words->en);
}

static void append_sentence(Bytes *out, const char *text, const char *field) {
    if (text == NULL || text[0] == 0)
        return;
    if (out->n > 0)
        bytes_append_u8(out, ' ');
    if (field != NULL && field[0] != 0) {
        bytes_append_text(out, field);
        bytes_append_text(out, ": ");
    }
    bytes_append_text(out, text);
}

void refused_words(const Result *result, RefusedWords *words) {
    bytes_clear(&words->codes);
    bytes_clear(&words->vi);
    bytes_clear(&words->en);
    append_sentence(&words->vi, result->text_vi, NULL);
    append_sentence(&words->en, result->text_en, NULL);
    for (size_t i = 0; i < result->verdict->n_reasons; i++) {
        const Dongbo__Reason *reason = result->verdict->reasons[i];
        const ReasonText *text = reason_find((int)reason->code);
        append_sentence(&words->codes, text->name, NULL);
        if (reason->field[0] != 0) {
            bytes_append_u8(&words->codes, ':');
            bytes_append_text(&words->codes, reason->field);
        }
        // What the agent itself says of a whole row or file says it all.
        if (reason->field[0] != 0 || result->text_en == NULL || result->text_en[0] == 0) {
            append_sentence(&words->vi, text->vi, reason->field);
            append_sentence(&words->en, text->en, reason->field);
        }
        if (reason->expected[0] != 0) {
            append_sentence(&words->vi, reason->expected, "Kho dân cư ghi");
            append_sentence(&words->en, reason->expected, "The population store says");
        }
    }
}

#define CSV_END ".csv"
static const char *const MARKS[RESULT_KINDS] = {[RESULT_REFUSED] = ".refused", [RESULT_DECIDED] = ".results"};

static bool ends_with(const char *name, size_t n, const char *end) {
    size_t n_end = strlen(end);
    return n > n_end && strncasecmp(name + n - n_end, end, n_end) == 0;
}

// What the name is without its ".csv", in whatever letters.
static size_t stem_of(const char *name) {
    size_t n = strlen(name);
    return n - (ends_with(name, n, CSV_END) ? strlen(CSV_END) : 0);
}

void refused_name(const char *kept_name, ResultKind kind, char out[300]) {
    size_t n = stem_of(kept_name);
    // Names are shorter than that by now; those of an older program's spool may not be.
    snprintf(out, 300, "%.*s%s%s", n > STEM_BYTES_MAX ? STEM_BYTES_MAX : (int)n, kept_name, MARKS[kind],
             kept_name[n] == 0 ? CSV_END : kept_name + n);
}

bool refused_twin(const char *kept_name, char out[300]) {
    char mine[300], others[300];
    size_t n = stem_of(kept_name);
    snprintf(out, 300, "%.*s%s", (int)n, kept_name, kept_name[n] == 0 ? CSV_END : "");
    refused_name(kept_name, RESULT_REFUSED, mine);
    refused_name(out, RESULT_REFUSED, others);
    return strcmp(mine, others) == 0;
}

bool refused_is_name(const char *name) {
    size_t n = stem_of(name);
    return name[n] != 0 && (ends_with(name, n, MARKS[RESULT_REFUSED]) || ends_with(name, n, MARKS[RESULT_DECIDED]));
}

// What one write needs: the dropped file to take rows from, and the text being made.
typedef struct Writer {
    const RefusedFile *file;
    int rows;     // the dropped file; -1 when it is gone
    bool mark;    // it began with a byte order mark
    int columns;  // 0 when its header cannot be read; of the answers' file where that has begun
    Bytes header; // its columns, as CSV
    Bytes out;
    RefusedWords words;
    Arena *arena;
    char *row; // CSV_ROW_BYTES_MAX + 1
    CsvField fields[CSV_COLUMNS_MAX];
    int n_rows;
} Writer;

static void writer_free(Writer *writer) {
    if (writer->rows >= 0)
        close(writer->rows);
    bytes_free(&writer->header);
    bytes_free(&writer->out);
    refused_words_free(&writer->words);
    arena_destroy(&writer->arena);
    free(writer->row);
}

// Byte for byte as they came, whatever their encoding: they may be corrected and dropped again.
static void append_fields(Writer *writer, Bytes *out, int n) {
    for (int i = 0; i < n; i++) {
        csv_write(out, writer->fields[i].text, writer->fields[i].n, writer->file->delimiter);
        bytes_append_u8(out, (uint8_t)writer->file->delimiter);
    }
}

// A sentence in the file's encoding, so that the file opens as the dropped one does; in UTF-8 where that has no place
// for it.
static int append_sentence_to(Writer *writer, const Bytes *text) {
    MapText restored;
    arena_reset(writer->arena);
    int r = encoding_restore(writer->file->encoding, &(MapText){(const char *)text->data, text->n}, writer->arena,
                             &restored);
    csv_write(&writer->out, restored.text, restored.n, writer->file->delimiter);
    return r < 0 ? r : 0;
}

// Reads the dropped file's header through the same reader that reads its rows.
static int writer_header(Writer *writer) {
    Csv *csv = NULL;
    CsvRow row;
    int r = csv_new(&csv, writer->rows, writer->file->delimiter);
    if (r == 0)
        r = csv_header(csv, &row);
    if (r == 0) {
        writer->columns = row.n_fields;
        memcpy(writer->fields, row.fields, (size_t)row.n_fields * sizeof *row.fields);
        append_fields(writer, &writer->header, row.n_fields);
    }
    writer->mark = csv != NULL && csv_has_mark(csv) != 0;
    csv_destroy(&csv);
    return r < 0 ? r : 0;
}

// Whoever drops files may have put anything in its place, or written to it; -1 when it is no file, or not the one.
static int rows_open(const RefusedFile *file) {
    struct stat stat;
    DropFile now;
    int fd = open(file->rows_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    bool fits = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
    if (fits && file->rows != NULL) {
        drop_file_of(file->rows->name, &stat, &now);
        fits = drop_file_same(&now, file->rows);
    } else if (fits && file->origin->at > 0) {
        fits = (uint64_t)stat.st_size == file->origin->at;
    }
    if (fits)
        return fd;
    close(fd);
    return -1;
}

static int writer_open(Writer *writer) {
    writer->rows = rows_open(writer->file);
    writer->row = malloc(CSV_ROW_BYTES_MAX + 1);
    if (writer->row == NULL)
        return error_fail(ERROR_MEMORY, "no memory for refused rows");
    int r = arena_new(&writer->arena, 4 * CSV_ROW_BYTES_MAX + 4096);
    if (r == 0 && writer->rows >= 0)
        r = writer_header(writer);
    return r;
}

// Fills the columns of the original: field by field, or all of a broken row's text in the first one.
static int append_original(Writer *writer, const Item *item) {
    int n = 0;
    size_t bytes = item->bytes > CSV_ROW_BYTES_MAX ? CSV_ROW_BYTES_MAX : item->bytes;
    ssize_t got = writer->rows < 0 ? -1 : pread(writer->rows, writer->row, bytes, (off_t)item->offset);
    if (got < 0)
        got = 0;
    writer->row[got] = 0;
    CLEANUP(bytes_free) Bytes kept = {0};
    bytes_append(&kept, writer->row, (size_t)got);
    CsvFault fault = csv_split(writer->row, (size_t)got, writer->file->delimiter, writer->fields, &n);
    if (fault != CSV_FINE || n != writer->columns) {
        for (int i = 0; i < writer->columns; i++)
            writer->fields[i] = (CsvField){"", 0};
        if (kept.n > 0)
            writer->fields[0] = (CsvField){(const char *)kept.data, kept.n};
    }
    append_fields(writer, &writer->out, writer->columns);
    return kept.failed ? error_fail(ERROR_MEMORY, "no memory for a refused row") : 0;
}

static int append_result(void *self, const Result *result) {
    Writer *writer = self;
    char delimiter = writer->file->delimiter;
    int r = append_original(writer, &result->item);
    if (r < 0)
        return r;
    refused_words(result, &writer->words);
    char number[24];
    int n = snprintf(number, sizeof number, "%llu%c", (unsigned long long)result->item.row, delimiter);
    bytes_append(&writer->out, number, (size_t)n);
    bytes_append_text(&writer->out, verdict_name((int)result->verdict->verdict));
    const Bytes *texts[] = {&writer->words.codes, &writer->words.vi, &writer->words.en};
    for (int i = 0; i < 3; i++) {
        bytes_append_u8(&writer->out, (uint8_t)delimiter);
        if ((r = append_sentence_to(writer, texts[i])) < 0)
            return r;
    }
    bytes_append_text(&writer->out, "\n");
    writer->n_rows++;
    if (writer->out.failed)
        return error_fail(ERROR_MEMORY, "no memory for a refused row");
    return writer->out.n >= BYTES_AT_ONCE;
}

static void append_header(Writer *writer) {
    if (writer->mark)
        bytes_append_text(&writer->out, "\xEF\xBB\xBF");
    bytes_append(&writer->out, writer->header.data, writer->header.n);
    for (int i = 0; i < REFUSED_COLUMNS; i++) {
        if (i > 0)
            bytes_append_u8(&writer->out, (uint8_t)writer->file->delimiter);
        bytes_append_text(&writer->out, REFUSED_COLUMN[i]);
    }
    bytes_append_text(&writer->out, "\n");
}

static int fail_file(const char *path) {
    return error_fail(ERROR_SYSTEM, "cannot write %s: %s%s", path, strerror(errno), error_advice(errno));
}

static int write_all(int fd, const Bytes *bytes, const char *path) {
    for (size_t at = 0; at < bytes->n;) {
        ssize_t n = write(fd, bytes->data + at, bytes->n - at);
        if (n < 0 && errno != EINTR)
            return fail_file(path);
        at += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0 ? 0 : fail_file(path);
}

static int sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) != 0 ? fail_file(path) : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

typedef struct Answers {
    ResultKind kind;
    int fd;
    const char *path;
    int64_t size;
} Answers;

// What was begun with the dropped file's columns goes on with them when that is gone, and the other way round.
static int take_columns(Writer *writer, const Answers *answers) {
    Csv *csv = NULL;
    CsvRow row;
    if (lseek(answers->fd, 0, SEEK_SET) < 0)
        return fail_file(answers->path);
    int r = csv_new(&csv, answers->fd, writer->file->delimiter);
    if (r == 0)
        r = csv_header(csv, &row);
    if (r == 0 && row.n_fields >= REFUSED_COLUMNS)
        writer->columns = row.n_fields - REFUSED_COLUMNS;
    csv_destroy(&csv);
    return r < 0 ? error_context(r, "%s", answers->path) : 0;
}

// Where the append begins: at the file's end, or where one began that a crash cut short.
static int find_begin(const Writer *writer, Answers *answers, int64_t *ret) {
    struct stat stat;
    int64_t from = -1;
    int r = ledger_append_from(writer->file->spool, writer->file->origin->id, answers->kind, &from);
    if (r == 0 && fstat(answers->fd, &stat) != 0)
        r = fail_file(answers->path);
    if (r < 0)
        return r;
    answers->size = stat.st_size;
    *ret = from >= 0 && from < answers->size ? from : answers->size;
    return 0;
}

static int read_at(const Answers *answers, int64_t at, void *out, size_t n) {
    ssize_t got = pread(answers->fd, out, n, (off_t)at);
    if (got >= 0 && (size_t)got < n)
        errno = EIO;
    return got == (ssize_t)n ? 0 : fail_file(answers->path);
}

// What is to stand from there on. *ret_last 0 when there is nothing.
static int make_portion(Writer *writer, const Answers *answers, int64_t from, int64_t *ret_last) {
    ResultQuery query = {writer->file->origin->id, answers->kind, ROWS_AT_ONCE, false};
    char end = '\n';
    int r = 0;
    bytes_clear(&writer->out);
    if (from == 0)
        append_header(writer);
    else
        r = take_columns(writer, answers);
    if (r == 0 && from > 0)
        r = read_at(answers, from - 1, &end, 1);
    if (end != '\n') // its keeper's, or half a row's
        bytes_append_u8(&writer->out, '\n');
    return r < 0 ? r : ledger_results(writer->file->spool, &query, append_result, writer, ret_last);
}

typedef enum Left {
    LEFT_BEGUN,  // the beginning of what is to stand there, as far as it reached the disk
    LEFT_WHOLE,  // all of that, and what somebody wrote behind it
    LEFT_OTHERS, // something else: its keeper has put another file there, or changed it
} Left;

// What lies where an append began that a crash cut short.
static int find_left(const Writer *writer, const Answers *answers, int64_t from, Left *ret) {
    size_t n = (size_t)(answers->size - from), common = n < writer->out.n ? n : writer->out.n;
    bool same = true, begun = true;
    CLEANUP(bytes_free) Bytes left = {0};
    bytes_append(&left, writer->out.data, common);
    if (left.failed)
        return error_fail(ERROR_MEMORY, "no memory for a refused row");
    int r = read_at(answers, from, left.data, common);
    for (size_t i = 0; r == 0 && i < common; i++) {
        same = same && left.data[i] == writer->out.data[i];
        begun = begun && (left.data[i] == writer->out.data[i] || left.data[i] == 0);
    }
    *ret = n <= writer->out.n && begun ? LEFT_BEGUN : n > writer->out.n && same ? LEFT_WHOLE : LEFT_OTHERS;
    return r;
}

// Stores where the append begins, or that it is done with.
static int note(Writer *writer, ResultKind kind, int64_t from, int64_t last) {
    Spool *spool = writer->file->spool;
    int64_t origin = writer->file->origin->id;
    int r = spool_begin(spool);
    if (r == 0 && last == 0)
        r = ledger_append_begin(spool, origin, kind, from);
    if (r == 0 && last != 0)
        r = ledger_results_delete(spool, origin, kind, last);
    if (r == 0 && last != 0)
        r = ledger_append_end(spool, origin, kind);
    return spool_end(spool, r);
}

static int append_portion(const Writer *writer, const Answers *answers, int64_t from) {
    if (lseek(answers->fd, from, SEEK_SET) < 0)
        return fail_file(answers->path);
    int r = write_all(answers->fd, &writer->out, answers->path);
    return r == 0 && from == 0 ? sync_folder(writer->file->done) : r;
}

// One portion into one of the two files. *ret_last 0 when there was nothing.
static int write_portion(Writer *writer, Answers *answers, int64_t *ret_last) {
    int64_t from;
    Left left = LEFT_BEGUN;
    int before = writer->n_rows;
    *ret_last = 0;
    int r = find_begin(writer, answers, &from);
    if (r == 0)
        r = make_portion(writer, answers, from, ret_last);
    if (r == 0 && *ret_last != 0 && from < answers->size)
        r = find_left(writer, answers, from, &left);
    if (r == 0 && left == LEFT_OTHERS) {
        writer->n_rows = before;
        from = answers->size;
        r = make_portion(writer, answers, from, ret_last);
    }
    if (r < 0 || *ret_last == 0)
        return r;
    if (left == LEFT_WHOLE)
        bytes_clear(&writer->out);
    r = note(writer, answers->kind, from, 0);
    if (r == 0)
        r = append_portion(writer, answers, from);
    return r < 0 ? r : note(writer, answers->kind, from, *ret_last);
}

// Nothing else that lies in its place is written to.
static int answers_open(const char *path, int *ret) {
    struct stat stat;
    *ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    if (*ret >= 0 && fstat(*ret, &stat) == 0 && S_ISREG(stat.st_mode))
        return 0;
    if (*ret < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO)
        return fail_file(path);
    if (*ret >= 0)
        close(*ret);
    return error_fail(ERROR_SYSTEM, "cannot write %s: what lies there is no file; take it away", path);
}

static int write_kind(Writer *writer, ResultKind kind) {
    char name[300], path[4096];
    int64_t last;
    static const int ONE = 1;
    ResultQuery any = {writer->file->origin->id, kind, ONE, false};
    int before = writer->n_rows;
    int r = ledger_results(writer->file->spool, &any, append_result, writer, &last);
    writer->n_rows = before;
    if (r < 0 || last == 0)
        return r;
    refused_name(writer->file->origin->kept_name, kind, name);
    snprintf(path, sizeof path, "%s/%s", writer->file->done, name);
    Answers answers = {.kind = kind, .path = path};
    if ((r = answers_open(path, &answers.fd)) < 0)
        return r;
    int columns = writer->columns;
    do
        r = write_portion(writer, &answers, &last);
    while (r == 0 && last != 0);
    writer->columns = columns;
    close(answers.fd);
    return r;
}

int refused_write(const RefusedFile *file, int *ret_n) {
    CLEANUP(writer_free) Writer writer = {.file = file, .rows = -1};
    int r = writer_open(&writer);
    if (r == 0)
        r = write_kind(&writer, RESULT_REFUSED);
    if (r == 0)
        r = write_kind(&writer, RESULT_DECIDED);
    *ret_n = writer.n_rows;
    return r;
}
