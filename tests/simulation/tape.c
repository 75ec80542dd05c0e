// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "tape.h"

#include "world.h"

#include "proto/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STATEMENTS_MAX 512

static struct Tape {
    FILE *file;
    Bytes record;
    const PgStatement *statements[STATEMENTS_MAX];
    uint32_t n_statements;
    int32_t lives;
    bool failed;
} tape;

int tape_open(const char *path) {
    tape.file = fopen(path, "wb");
    return tape.file == NULL ? error_fail(ERROR_SYSTEM, "%s: %s", path, strerror(errno)) : 0;
}

int tape_close(void) {
    if (tape.file == NULL)
        return 0;
    bool failed = fclose(tape.file) != 0 || tape.failed;
    bytes_free(&tape.record);
    memset(&tape, 0, sizeof tape);
    return failed ? error_fail(ERROR_SYSTEM, "the tape is not whole: %s", strerror(errno)) : 0;
}

static bool begin(TapeKind kind, int32_t life) {
    if (tape.file == NULL)
        return false;
    bytes_clear(&tape.record);
    bytes_append_u8(&tape.record, (uint8_t)kind);
    bytes_append_u64(&tape.record, (uint64_t)world_date_us());
    bytes_append_u32(&tape.record, (uint32_t)life);
    return true;
}

static void put(uint32_t number) {
    bytes_append_u32(&tape.record, number);
}

static void put_piece(const void *data, size_t n) {
    put(data == NULL ? UINT32_MAX : (uint32_t)n);
    if (data != NULL)
        bytes_append(&tape.record, data, n);
}

static void put_text(const char *text) {
    put_piece(text, text == NULL ? 0 : strlen(text));
}

static void end(void) {
    tape.failed =
        tape.failed || tape.record.failed || fwrite(tape.record.data, 1, tape.record.n, tape.file) != tape.record.n;
}

static void note(TapeKind kind, int32_t life, const char *text) {
    if (!begin(kind, life))
        return;
    if (text != NULL)
        put_text(text);
    end();
}

void tape_known(const char *name) {
    note(TAPE_KNOWN, 0, name);
}

void tape_beginning(const char *sql, int n, const char *const *texts) {
    if (!begin(TAPE_BEGINNING, 0))
        return;
    put_text(sql);
    put((uint32_t)n);
    for (int i = 0; i < n; i++)
        put_text(texts[i]);
    end();
}

int32_t tape_session(void) {
    note(TAPE_SESSION, ++tape.lives, NULL);
    return tape.lives;
}

void tape_end(int32_t *life) {
    if (*life != 0)
        note(TAPE_END, *life, NULL);
    *life = 0;
}

// Says what it is when it is run for the first time.
static uint32_t number_of(const PgStatement *statement) {
    uint32_t i = 0;
    while (i < tape.n_statements && tape.statements[i] != statement)
        i++;
    if (i < tape.n_statements || i == STATEMENTS_MAX) {
        tape.failed = tape.failed || i == STATEMENTS_MAX;
        return i;
    }
    tape.statements[tape.n_statements++] = statement;
    begin(TAPE_STATEMENT, 0);
    put(i);
    put_text(statement->name);
    put_text(statement->sql);
    put((uint32_t)statement->n_params);
    for (int k = 0; k < statement->n_params; k++)
        put(statement->types[k]);
    end();
    return i;
}

void tape_run(int32_t life, const PgStatement *statement, const PgParams *params) {
    if (tape.file == NULL)
        return;
    uint32_t number = number_of(statement);
    begin(TAPE_RUN, life);
    put(number);
    put((uint32_t)params->n);
    for (int i = 0; i < params->n; i++) {
        const Bytes *buffer = &params->buffer[i];
        put((uint32_t)params->formats[i]);
        if (buffer->n > 0)
            put_piece(buffer->data, buffer->n);
        else if (params->formats[i] == 0)
            put_text(params->values[i]);
        else
            put_piece(params->values[i], (size_t)params->lengths[i]);
    }
    end();
}

void tape_copy(int32_t life, const char *sql, const Bytes *rows) {
    if (!begin(TAPE_COPY, life))
        return;
    put_text(sql);
    put_piece(rows->data, rows->n);
    end();
}

void tape_word(int32_t life, const char *sql) {
    note(TAPE_WORD, life, sql);
}

void tape_waits(int32_t life) {
    note(TAPE_WAITS, life, NULL);
}

void tape_rows(int32_t life, const PGresult *rows) {
    if (!begin(TAPE_ROWS, life))
        return;
    int columns = rows == NULL ? 0 : PQnfields(rows), n = rows == NULL ? 0 : PQntuples(rows);
    put((uint32_t)columns);
    put((uint32_t)n);
    for (int i = 0; i < n * columns; i++) {
        int row = i / columns, column = i % columns;
        put_piece(PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column),
                  (size_t)PQgetlength(rows, row, column));
    }
    end();
}

void tape_failed(int32_t life, const char *sqlstate) {
    note(TAPE_FAILED, life, sqlstate);
}

void tape_given_up(int32_t life) {
    if (life != 0)
        note(TAPE_GIVEN_UP, life, NULL);
}

void tape_set_back(void) {
    note(TAPE_SET_BACK, 0, NULL);
}
