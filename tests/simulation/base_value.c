// SPDX-License-Identifier: Apache-2.0
//
// What statements are asked with and answer: parameters in, rows out, and the memory in which rows live.
#include "base.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define CHUNK_BYTES ((size_t)1024 * 1024)

typedef struct Chunk {
    SLIST_ENTRY(Chunk) all;
    size_t filled;
    uint8_t data[];
} Chunk;

static SLIST_HEAD(, Chunk) chunks = SLIST_HEAD_INITIALIZER(chunks);

// ---- memory --------------------------------------------------------------------------------------------------------

static void *allocate(size_t n) {
    n = (n + 15) & ~(size_t)15;
    Chunk *chunk = SLIST_FIRST(&chunks);
    if (chunk == NULL || chunk->filled + n > CHUNK_BYTES) {
        chunk = malloc(sizeof *chunk + (n > CHUNK_BYTES ? n : CHUNK_BYTES));
        assert(chunk != NULL);
        chunk->filled = 0;
        SLIST_INSERT_HEAD(&chunks, chunk, all);
    }
    void *at = chunk->data + chunk->filled;
    chunk->filled += n;
    return at;
}

void *base_keep(const void *data, size_t n) {
    uint8_t *copy = allocate(n + 1);
    if (n > 0)
        memcpy(copy, data, n);
    copy[n] = 0;
    return copy;
}

Value base_keep_value(Value value) {
    return value.null ? value : (Value){.data = base_keep(value.data, value.n), .n = value.n};
}

bool value_is(Value value, const void *data, size_t n) {
    return !value.null && value.n == n && (n == 0 || memcmp(value.data, data, n) == 0);
}

void base_forget_kept(void) {
    while (!SLIST_EMPTY(&chunks)) {
        Chunk *chunk = SLIST_FIRST(&chunks);
        SLIST_REMOVE_HEAD(&chunks, all);
        free(chunk);
    }
}

// ---- parameters ----------------------------------------------------------------------------------------------------

Value param_value(const Call *call, int i) {
    const PgParams *params = call->params;
    if (params->buffer[i].n > 0)
        return (Value){.data = params->buffer[i].data, .n = params->buffer[i].n};
    const char *value = params->values[i];
    if (value == NULL)
        return (Value){.null = true};
    return (Value){.data = (const uint8_t *)value,
                   .n = params->formats[i] == 0 ? strlen(value) : (size_t)params->lengths[i]};
}

bool param_is_null(const Call *call, int i) {
    return param_value(call, i).null;
}

int64_t value_i64(Value value) {
    if (value.null || value.n == 0)
        return 0;
    uint64_t number = bytes_get_number(value.data, value.n);
    return value.n == 2 ? (int16_t)number : value.n == 4 ? (int32_t)number : (int64_t)number;
}

int64_t param_i64(const Call *call, int i) {
    return value_i64(param_value(call, i));
}

bool param_bool(const Call *call, int i) {
    Value value = param_value(call, i);
    return value.n == 1 && value.data[0] != 0;
}

char *value_text(Value value) {
    return base_keep(value.data, value.null ? 0 : value.n);
}

char *param_text(const Call *call, int i) {
    return value_text(param_value(call, i));
}

size_t param_array(const Call *call, int i, Value **ret) {
    Value value = param_value(call, i);
    *ret = NULL;
    if (value.null || bytes_get_number(value.data, 4) == 0)
        return 0;
    size_t n = bytes_get_number(value.data + 12, 4), at = 20;
    *ret = allocate(n * sizeof **ret);
    for (size_t k = 0; k < n; k++) {
        uint32_t length = (uint32_t)bytes_get_number(value.data + at, 4);
        at += 4;
        (*ret)[k] = (Value){.null = length == UINT32_MAX, .data = value.data + at, .n = length};
        at += length == UINT32_MAX ? 0 : length;
    }
    return n;
}

// ---- results -------------------------------------------------------------------------------------------------------

void rows_begin(Call *call, int n_columns) {
    PGresAttDesc columns[24];
    assert(n_columns <= 24);
    for (int i = 0; i < n_columns; i++)
        columns[i] = (PGresAttDesc){.name = "c", .format = 1};
    call->rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PQsetResultAttrs(call->rows, n_columns, columns);
    call->n_rows = 0;
}

void row_begin(Call *call) {
    call->n_rows++;
}

void row_bytes(Call *call, int column, const void *data, size_t n) {
    PQsetvalue(call->rows, call->n_rows - 1, column, n == 0 ? "" : (char *)data, (int)n);
}

void row_i64(Call *call, int column, int64_t value) {
    uint64_t order = htobe64((uint64_t)value);
    row_bytes(call, column, &order, sizeof order);
}

void row_i32(Call *call, int column, int32_t value) {
    uint32_t order = htobe32((uint32_t)value);
    row_bytes(call, column, &order, sizeof order);
}

void row_i16(Call *call, int column, int16_t value) {
    uint16_t order = htobe16((uint16_t)value);
    row_bytes(call, column, &order, sizeof order);
}

void row_bool(Call *call, int column, bool value) {
    uint8_t byte = value;
    row_bytes(call, column, &byte, sizeof byte);
}

void row_text(Call *call, int column, const char *text) {
    row_bytes(call, column, text, strlen(text));
}

void row_null(Call *call, int column) {
    PQsetvalue(call->rows, call->n_rows - 1, column, NULL, -1);
}

void row_value(Call *call, int column, Value value) {
    if (value.null)
        row_null(call, column);
    else
        row_bytes(call, column, value.data, value.n);
}

void row_none(Call *call, int column, Oid type) {
    PgParams array = {0};
    pg_param_array_begin(&array, type, 0);
    row_bytes(call, column, array.buffer[0].data, array.buffer[0].n);
    pg_params_free(&array);
}

void row_texts(Call *call, int column, const char *const *texts, size_t n) {
    PgParams array = {0};
    pg_param_array_begin(&array, 25, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_text(&array, texts[i], strlen(texts[i]));
    row_bytes(call, column, array.buffer[0].data, array.buffer[0].n);
    pg_params_free(&array);
}

void row_numbers(Call *call, int column, const int16_t *numbers, size_t n) {
    PgParams array = {0};
    pg_param_array_begin(&array, 21, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i16(&array, numbers[i]);
    row_bytes(call, column, array.buffer[0].data, array.buffer[0].n);
    pg_params_free(&array);
}
