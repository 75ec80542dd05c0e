// SPDX-License-Identifier: Apache-2.0
//
// Values in PostgreSQL's binary form: parameters and arrays, rows for COPY, fields of results.
#pragma once

#include "proto/base/bytes.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PG_PARAMS_MAX 24
typedef struct PgParams {
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    int n;
    Bytes buffer[PG_PARAMS_MAX]; // owned values, freed by pg_params_free()
} PgParams;
void pg_params_free(PgParams *params);
void pg_params_clear(PgParams *params); // keeps the memory, for the next batch
void pg_param_null(PgParams *params);
void pg_param_i16(PgParams *params, int16_t value);
void pg_param_i32(PgParams *params, int32_t value);
void pg_param_i64(PgParams *params, int64_t value);
void pg_param_bool(PgParams *params, bool value);
void pg_param_us(PgParams *params, int64_t us);                    // timestamptz; microseconds since 1970 here
void pg_param_text(PgParams *params, const char *text);            // not copied; text form, so date, jsonb, … too
void pg_param_bytes(PgParams *params, const void *data, size_t n); // bytea, not copied
// Binary arrays, one dimension. Begin, then append exactly n elements, before the next parameter. Elements are NULL by
// pg_array_null().
void pg_param_array_begin(PgParams *params, Oid element, int n);
void pg_array_i16(PgParams *params, int16_t value);
void pg_array_i32(PgParams *params, int32_t value);
void pg_array_i64(PgParams *params, int64_t value);
void pg_array_us(PgParams *params, int64_t us);
void pg_array_bool(PgParams *params, bool value);
void pg_array_text(PgParams *params, const char *text, size_t n);
void pg_array_bytes(PgParams *params, const void *data, size_t n);
void pg_array_null(PgParams *params);

// Appending to the rows of a pg_copy().
void copy_row(Bytes *rows, int16_t n_columns);
void copy_i16(Bytes *rows, int16_t value);
void copy_i32(Bytes *rows, int32_t value);
void copy_i64(Bytes *rows, int64_t value);
void copy_us(Bytes *rows, int64_t us); // timestamptz; microseconds since 1970 here
void copy_bool(Bytes *rows, bool value);
void copy_bytes(Bytes *rows, const void *data, size_t n); // text and bytea
void copy_i16_array(Bytes *rows, const int16_t *values, int n);
void copy_null(Bytes *rows);

// Reading binary results. NULL reads as 0, "" or length 0. The integer readers take any of int2, int4 and int8.
int16_t pg_i16(const PGresult *result, int row, int column);
int32_t pg_i32(const PGresult *result, int row, int column);
int64_t pg_i64(const PGresult *result, int row, int column);
int64_t pg_us(const PGresult *result, int row, int column); // timestamptz, as microseconds since 1970
bool pg_bool(const PGresult *result, int row, int column);
const char *pg_text(const PGresult *result, int row, int column); // closed by 0; lives as long as the result
const uint8_t *pg_bytes(const PGresult *result, int row, int column, size_t *ret_n);
bool pg_is_null(const PGresult *result, int row, int column);
// Elements of a one-dimensional binary array, in order; NULL elements as empty. Returns how many there are, or a
// negative code; *ret is allocated with malloc (pieces point into the result) and may be NULL for none.
typedef struct PgElement {
    const uint8_t *data;
    size_t n;
} PgElement;
int pg_array(const PGresult *result, int row, int column, PgElement **ret);
int64_t pg_element_int(PgElement element); // int2, int4 or int8
// An array of integers as a set: bit n for each n of 1 to `most`, which is 31 at most; others are left out. 0, or as
// pg_array().
int pg_array_bits(const PGresult *result, int row, int column, int most, uint32_t *ret);
