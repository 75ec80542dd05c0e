// SPDX-License-Identifier: Apache-2.0
//
// Values in PostgreSQL's binary form: parameters, arrays and COPY rows out, results in. Each value is one reserve and
// one write; nothing is allocated for one value alone.
#include "proto/base/pg-values.h"
#include "proto/base/error.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

// Microseconds from 1970 to PostgreSQL's own epoch, 2000-01-01.
#define PG_EPOCH_US 946684800000000LL
#define PG_NULL 0xFFFFFFFFu
#define OID_INT2 21
#define PG_ARRAY_HEADER_BYTES 20

static int64_t to_pg_us(int64_t us) {
    return us < INT64_MIN + PG_EPOCH_US ? INT64_MIN : us - PG_EPOCH_US;
}

// A length and a value in one write: what arrays and COPY rows both consist of.
static inline void put_value(Bytes *bytes, const void *data, size_t n) {
    if (n > INT32_MAX) {
        bytes->failed = true;
        return;
    }
    uint8_t *at = bytes_reserve(bytes, sizeof(uint32_t) + n);
    if (!at)
        return;
    uint32_t length = htobe32((uint32_t)n);
    memcpy(at, &length, sizeof length);
    if (n)
        memcpy(at + sizeof length, data, n);
    bytes->n += sizeof length + n;
}

static inline void put_i16(Bytes *bytes, int16_t value) {
    uint16_t order = htobe16((uint16_t)value);
    put_value(bytes, &order, sizeof order);
}

static inline void put_i32(Bytes *bytes, int32_t value) {
    uint32_t order = htobe32((uint32_t)value);
    put_value(bytes, &order, sizeof order);
}

static inline void put_i64(Bytes *bytes, int64_t value) {
    uint64_t order = htobe64((uint64_t)value);
    put_value(bytes, &order, sizeof order);
}

static inline void put_bool(Bytes *bytes, bool value) {
    uint8_t byte = value;
    put_value(bytes, &byte, sizeof byte);
}

void pg_params_free(PgParams *params) {
    for (int i = 0; i < PG_PARAMS_MAX; i++)
        bytes_free(&params->buffer[i]);
    *params = (PgParams){0};
}

void pg_params_clear(PgParams *params) {
    for (int i = 0; i < params->n; i++)
        bytes_clear(&params->buffer[i]);
    params->n = 0;
}

// The next parameter: a value of the caller's, or (data NULL) what goes into its buffer.
static Bytes *next(PgParams *params, const void *data, size_t n, int format) {
    assert(params->n < PG_PARAMS_MAX);
    int i = params->n++;
    params->values[i] = data;
    params->lengths[i] = n > INT32_MAX ? 0 : (int)n;
    params->formats[i] = format;
    bytes_clear(&params->buffer[i]);
    params->buffer[i].failed = n > INT32_MAX;
    return &params->buffer[i];
}

static Bytes *array(PgParams *params) {
    assert(params->n > 0);
    return &params->buffer[params->n - 1];
}

void pg_param_null(PgParams *params) {
    next(params, NULL, 0, 1);
}

void pg_param_i16(PgParams *params, int16_t value) {
    bytes_append_u16(next(params, NULL, 0, 1), (uint16_t)value);
}

void pg_param_i32(PgParams *params, int32_t value) {
    bytes_append_u32(next(params, NULL, 0, 1), (uint32_t)value);
}

void pg_param_i64(PgParams *params, int64_t value) {
    bytes_append_u64(next(params, NULL, 0, 1), (uint64_t)value);
}

void pg_param_us(PgParams *params, int64_t us) {
    pg_param_i64(params, to_pg_us(us));
}

void pg_param_bool(PgParams *params, bool value) {
    bytes_append_u8(next(params, NULL, 0, 1), value);
}

void pg_param_text(PgParams *params, const char *text) {
    next(params, text, 0, 0); // text form: libpq takes its length itself
}

void pg_param_bytes(PgParams *params, const void *data, size_t n) {
    next(params, data ? data : "", n, 1);
}

static void begin_array(Bytes *bytes, Oid element, int n) {
    assert(n >= 0);
    bytes_append_u32(bytes, n > 0); // dimensions
    bytes_append_u32(bytes, 0);     // flags: the server looks for NULLs itself
    bytes_append_u32(bytes, element);
    if (n == 0)
        return;
    bytes_append_u32(bytes, (uint32_t)n);
    bytes_append_u32(bytes, 1); // lower bound
}

void pg_param_array_begin(PgParams *params, Oid element, int n) {
    begin_array(next(params, NULL, 0, 1), element, n);
}

void pg_array_i16(PgParams *params, int16_t value) {
    put_i16(array(params), value);
}

void pg_array_i32(PgParams *params, int32_t value) {
    put_i32(array(params), value);
}

void pg_array_i64(PgParams *params, int64_t value) {
    put_i64(array(params), value);
}

void pg_array_us(PgParams *params, int64_t us) {
    put_i64(array(params), to_pg_us(us));
}

void pg_array_bool(PgParams *params, bool value) {
    put_bool(array(params), value);
}

void pg_array_text(PgParams *params, const char *text, size_t n) {
    put_value(array(params), text, n);
}

void pg_array_bytes(PgParams *params, const void *data, size_t n) {
    put_value(array(params), data, n);
}

void pg_array_null(PgParams *params) {
    bytes_append_u32(array(params), PG_NULL);
}

void copy_row(Bytes *rows, int16_t n_columns) {
    bytes_append_u16(rows, (uint16_t)n_columns);
}

void copy_i16(Bytes *rows, int16_t value) {
    put_i16(rows, value);
}

void copy_i32(Bytes *rows, int32_t value) {
    put_i32(rows, value);
}

void copy_i64(Bytes *rows, int64_t value) {
    put_i64(rows, value);
}

void copy_us(Bytes *rows, int64_t us) {
    put_i64(rows, to_pg_us(us));
}

void copy_bool(Bytes *rows, bool value) {
    put_bool(rows, value);
}

void copy_bytes(Bytes *rows, const void *data, size_t n) {
    put_value(rows, data, n);
}

void copy_i16_array(Bytes *rows, const int16_t *values, int n) {
    size_t at = rows->n;
    bytes_append_u32(rows, 0); // its length, once that is known
    begin_array(rows, OID_INT2, n);
    for (int i = 0; i < n; i++)
        put_i16(rows, values[i]);
    if (!rows->failed)
        bytes_put_number(rows->data + at, sizeof(uint32_t), rows->n - at - sizeof(uint32_t));
}

void copy_null(Bytes *rows) {
    bytes_append_u32(rows, PG_NULL);
}

static int64_t read_int(const uint8_t *data, size_t n) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (n) {
    case 2:
        memcpy(&two, data, sizeof two);
        return (int16_t)be16toh(two);
    case 4:
        memcpy(&four, data, sizeof four);
        return (int32_t)be32toh(four);
    case 8:
        memcpy(&eight, data, sizeof eight);
        return (int64_t)be64toh(eight);
    default:
        assert(n == 0 && "not an integer column");
        return 0;
    }
}

static int64_t get_int(const PGresult *result, int row, int column) {
    assert(PQfformat(result, column) == 1);
    return read_int((const uint8_t *)PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

int16_t pg_i16(const PGresult *result, int row, int column) {
    return (int16_t)get_int(result, row, column);
}

int32_t pg_i32(const PGresult *result, int row, int column) {
    return (int32_t)get_int(result, row, column);
}

int64_t pg_i64(const PGresult *result, int row, int column) {
    return get_int(result, row, column);
}

int64_t pg_us(const PGresult *result, int row, int column) {
    int64_t us = get_int(result, row, column);
    if (PQgetisnull(result, row, column))
        return 0;
    return us > INT64_MAX - PG_EPOCH_US ? INT64_MAX : us + PG_EPOCH_US; // 'infinity'
}

bool pg_bool(const PGresult *result, int row, int column) {
    return PQgetlength(result, row, column) == 1 && *PQgetvalue(result, row, column) != 0;
}

const char *pg_text(const PGresult *result, int row, int column) {
    return PQgetvalue(result, row, column);
}

const uint8_t *pg_bytes(const PGresult *result, int row, int column, size_t *ret_n) {
    *ret_n = (size_t)PQgetlength(result, row, column);
    return (const uint8_t *)PQgetvalue(result, row, column);
}

bool pg_is_null(const PGresult *result, int row, int column) {
    return PQgetisnull(result, row, column) != 0;
}

// Takes a big-endian word; false at the end of the data.
static bool take_u32(const uint8_t **at, const uint8_t *end, uint32_t *ret) {
    if ((size_t)(end - *at) < sizeof *ret)
        return false;
    memcpy(ret, *at, sizeof *ret);
    *ret = be32toh(*ret);
    *at += sizeof *ret;
    return true;
}

static bool take_elements(const uint8_t *at, const uint8_t *end, PgElement *elements, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t length;
        if (!take_u32(&at, end, &length))
            return false;
        if (length == PG_NULL)
            length = 0;
        if (length > (size_t)(end - at))
            return false;
        elements[i] = (PgElement){at, length};
        at += length;
    }
    return true;
}

int pg_array(const PGresult *result, int row, int column, PgElement **ret) {
    size_t bytes;
    const uint8_t *at = pg_bytes(result, row, column, &bytes), *end = at + bytes;
    uint32_t dimensions, n;
    *ret = NULL;
    if (!bytes)
        return 0;
    if (!take_u32(&at, end, &dimensions) || dimensions > 1)
        return error_fail(ERROR_DATABASE, "the database's array is not one of one dimension");
    if (!dimensions)
        return 0;
    if (bytes < PG_ARRAY_HEADER_BYTES)
        return error_fail(ERROR_DATABASE, "the database's array is cut short");
    at += 2 * sizeof(uint32_t); // past the flags and the type
    if (!take_u32(&at, end, &n) || n > bytes / sizeof(uint32_t))
        return error_fail(ERROR_DATABASE, "the database's array is cut short");
    PgElement *elements = malloc(n * sizeof *elements + !n);
    if (!elements)
        return error_fail(ERROR_MEMORY, "no memory for an array of %u", n);
    if (!take_elements(at + sizeof(uint32_t), end, elements, n)) {
        free(elements);
        return error_fail(ERROR_DATABASE, "the database's array is cut short");
    }
    *ret = elements;
    return (int)n;
}

int64_t pg_element_int(PgElement element) {
    return read_int(element.data, element.n);
}

int pg_array_bits(const PGresult *result, int row, int column, int most, uint32_t *ret) {
    PgElement *elements = NULL;
    int n = pg_array(result, row, column, &elements);
    *ret = 0;
    for (int i = 0; i < n; i++) {
        int64_t bit = pg_element_int(elements[i]);
        if (bit >= 1 && bit <= most)
            *ret |= 1u << bit;
    }
    free(elements);
    return n < 0 ? n : 0;
}
