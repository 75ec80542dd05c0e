// SPDX-License-Identifier: Apache-2.0
//
// libpq, made short: named statements with binary parameters, binary results, binary COPY in, arrays. One Pg is one
// session, owned by one thread. SQL text is constant; data only travels as parameters.
#pragma once

#include "proto/base/bytes.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Pg Pg;

// name: what log lines call this session. Sets application_name, UTF-8, search_path = pg_catalog only (write schema
// names out), and notices off. Does not connect yet.
int pg_new(Pg **ret, const char *conninfo, const char *name);
void pg_destroy(Pg **pg);
// Connects or reconnects when needed, prepares registered statements lazily. ERROR_DATABASE.
int pg_connect(Pg *pg);
bool pg_connected(const Pg *pg);
void pg_disconnect(Pg *pg);  // after an error whose state is not known
PGconn *pg_raw(Pg *pg);

// A statement is declared once, as a constant; it is prepared on first use in each connection.
typedef struct PgStatement {
    const char *name;
    const char *sql;
    int n_params;
    const Oid *types;  // n_params
} PgStatement;

#define PG_PARAMS_MAX 24
typedef struct PgParams {
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    int n;
    Bytes buffer[PG_PARAMS_MAX];  // owned values, freed by pg_params_free()
} PgParams;
void pg_params_free(PgParams *params);
void pg_param_null(PgParams *params);
void pg_param_i16(PgParams *params, int16_t value);
void pg_param_i32(PgParams *params, int32_t value);
void pg_param_i64(PgParams *params, int64_t value);
void pg_param_bool(PgParams *params, bool value);
void pg_param_text(PgParams *params, const char *text);                      // not copied
void pg_param_bytes(PgParams *params, const void *data, size_t n);           // bytea, not copied
// Binary arrays, one dimension. Begin, append n elements, end.
void pg_param_array_begin(PgParams *params, Oid element, int n);
void pg_array_i16(PgParams *params, int16_t value);
void pg_array_i64(PgParams *params, int64_t value);
void pg_array_text(PgParams *params, const char *text, size_t n);
void pg_array_bytes(PgParams *params, const void *data, size_t n);

// Runs it; *ret holds binary tuples (PQclear by caller) or is NULL-able by passing NULL. ERROR_DATABASE; ERROR_DATA for
// SQLSTATE class 22 and 23. On ERROR_DATABASE with a broken connection the session disconnects itself.
int pg_run(Pg *pg, const PgStatement *statement, const PgParams *params, PGresult **ret);
// Constant text without parameters: BEGIN, COMMIT, SAVEPOINT x, LISTEN x.
int pg_command(Pg *pg, const char *sql);
// SQLSTATE of the last failure, "" when there was none ("57P01", ...).
const char *pg_sqlstate(const Pg *pg);

// COPY table (columns) FROM STDIN (FORMAT binary). Header and trailer are added here; `rows` holds the tuples only.
int pg_copy(Pg *pg, const char *copy_sql, const Bytes *rows);
// Appending to such rows.
void copy_row(Bytes *rows, int16_t n_columns);
void copy_i16(Bytes *rows, int16_t value);
void copy_i32(Bytes *rows, int32_t value);
void copy_i64(Bytes *rows, int64_t value);
void copy_bool(Bytes *rows, bool value);
void copy_bytes(Bytes *rows, const void *data, size_t n);  // text and bytea
void copy_null(Bytes *rows);

// Reading binary results. NULL reads as 0, "" or length 0.
int16_t pg_i16(const PGresult *result, int row, int column);
int32_t pg_i32(const PGresult *result, int row, int column);
int64_t pg_i64(const PGresult *result, int row, int column);
bool pg_bool(const PGresult *result, int row, int column);
const char *pg_text(const PGresult *result, int row, int column);  // closed by 0; lives as long as the result
const uint8_t *pg_bytes(const PGresult *result, int row, int column, size_t *ret_n);
bool pg_is_null(const PGresult *result, int row, int column);
// Elements of a one-dimensional binary array, in order; NULL elements as empty. Returns how many there are; *ret is
// allocated with malloc (pieces point into the result) and may be NULL for none.
typedef struct PgElement { const uint8_t *data; size_t n; } PgElement;
int pg_array(const PGresult *result, int row, int column, PgElement **ret);
