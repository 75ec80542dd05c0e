// SPDX-License-Identifier: Apache-2.0
//
// See log_row.h. The payload is named only in the second form of the statement, since a reader's role may not read it
// at all.
#include "broker/log_row.h"

#include "proto/base/error.h"
#include "proto/bounds.h"

#include <inttypes.h>

#define SELECT_PAGE(rest)                                                                                              \
    "SELECT " LOG_ROW_COLUMNS rest                                                                                     \
    " FROM exchange.segment WHERE first_position >= $1 AND first_position <= $2 ORDER BY first_position LIMIT 64"
static const PgStatement PAGES[2] = {{"log_row_page", SELECT_PAGE(""), 2, NULL},
                                     {"log_row_page_payload", SELECT_PAGE(", payload, batch"), 2, NULL}};
static const PgStatement BEFORE = {"log_row_before",
                                   "SELECT leaf_index, hash, frontier FROM exchange.segment WHERE first_position < $1 "
                                   "ORDER BY first_position DESC LIMIT 1",
                                   1, NULL};

int log_row_read(Pg *exchange, bool payloads, int64_t from, int64_t to, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, from);
    pg_param_i64(&params, to);
    int r = pg_run(exchange, &PAGES[payloads], &params, ret);
    pg_params_free(&params);
    return r;
}

int log_row_begin(Pg *exchange, int64_t from, PGresult **ret_row, Dongbo__LogBegin *ret) {
    static uint8_t none[HASH_BYTES];
    PgParams params = {0};
    pg_param_i64(&params, from);
    int r = pg_run(exchange, &BEFORE, &params, ret_row);
    pg_params_free(&params);
    if (r < 0)
        return r;
    dongbo__log_begin__init(ret);
    ret->first_position = (uint64_t)from;
    ret->previous_hash = (ProtobufCBinaryData){.len = HASH_BYTES, .data = none};
    if (PQntuples(*ret_row) > 0) {
        ret->leaf_index = (uint64_t)pg_i64(*ret_row, 0, 0) + 1;
        ret->previous_hash = log_row_bytes(*ret_row, 0, 1);
        ret->frontier = log_row_bytes(*ret_row, 0, 2);
    }
    return 0;
}

ProtobufCBinaryData log_row_bytes(const PGresult *rows, int row, int column) {
    size_t n = 0;
    const uint8_t *data = pg_is_null(rows, row, column) ? NULL : pg_bytes(rows, row, column, &n);
    return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)data};
}

int log_row_unpack(const PGresult *rows, int row, int column, Bytes *plain) {
    ProtobufCBinaryData bytes = log_row_bytes(rows, row, column);
    int r = logfile_unpack(bytes.data, bytes.len, plain);
    if (r > 0)
        error_fail(ERROR_DATABASE, "the %s of the segment at position %" PRId64 " is damaged", PQfname(rows, column),
                   pg_i64(rows, row, LOG_ROW_FIRST));
    return r;
}

void log_row_fields(const PGresult *rows, int row, Dongbo__LogSegment *ret) {
    dongbo__log_segment__init(ret);
    ret->first_position = (uint64_t)pg_i64(rows, row, LOG_ROW_FIRST);
    ret->last_position = (uint64_t)pg_i64(rows, row, LOG_ROW_LAST);
    ret->epoch = (uint32_t)pg_i32(rows, row, LOG_ROW_EPOCH);
    ret->format = (uint32_t)pg_i16(rows, row, LOG_ROW_FORMAT);
    ret->kind = (uint32_t)pg_i16(rows, row, LOG_ROW_KIND);
    ret->agency = (uint32_t)pg_i32(rows, row, LOG_ROW_AGENCY);
    ret->stream = log_row_bytes(rows, row, LOG_ROW_STREAM);
    ret->first_sequence = (uint64_t)pg_i64(rows, row, LOG_ROW_FIRST_SEQUENCE);
    ret->last_sequence = (uint64_t)pg_i64(rows, row, LOG_ROW_LAST_SEQUENCE);
    ret->batch_root = log_row_bytes(rows, row, LOG_ROW_BATCH_ROOT);
    ret->stored_at_us = pg_i64(rows, row, LOG_ROW_STORED_AT);
    ret->population_position = pg_i64(rows, row, LOG_ROW_POPULATION);
    ret->leaf_index = (uint64_t)pg_i64(rows, row, LOG_ROW_LEAF_INDEX);
    ret->origin = log_row_bytes(rows, row, LOG_ROW_ORIGIN);
}

int log_row_fill(const PGresult *rows, int row, Bytes *summary, Dongbo__LogSegment *ret) {
    int r = log_row_unpack(rows, row, LOG_ROW_SUMMARY, summary);
    if (r != 0)
        return r;
    log_row_fields(rows, row, ret);
    ret->hash = log_row_bytes(rows, row, LOG_ROW_HASH);
    ret->frontier = log_row_bytes(rows, row, LOG_ROW_FRONTIER);
    ret->summary = (ProtobufCBinaryData){.len = summary->n, .data = summary->data};
    return 0;
}
