// SPDX-License-Identifier: Apache-2.0
//
// Rows are believed as little here as anywhere: what they give is checked by whoever gets it.
#include "broker/log_path.h"

#include "broker/log_row.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <string.h>

#define OID_INT8 20

enum { LEAF = LOG_ROW_REST };
#define OID_INT8_ARRAY 1016
// A summary is long, and of use to a path only where there is no leaf.
#define ROWS_COLUMNS LOG_ROW_COLUMNS_WITH("CASE WHEN leaf IS NULL THEN summary END")
static const Oid ROWS_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement ROWS = {
    "log-path", "SELECT " ROWS_COLUMNS ", leaf FROM exchange.segment WHERE leaf_index = ANY ($1) ORDER BY leaf_index",
    1, ROWS_TYPES};
static const PgStatement AT = {"proof_at",
                               "SELECT " LOG_ROW_COLUMNS " FROM exchange.segment "
                               "WHERE first_position <= $1 ORDER BY first_position DESC LIMIT 1",
                               1, NULL};

int log_path_damaged(const PGresult *rows, int row) {
    return error_fail(ERROR_DATABASE,
                      "the log's segment at position %" PRId64 " is damaged: dongbo log verify says more",
                      pg_i64(rows, row, LOG_ROW_FIRST));
}

void log_path_segment(const Dongbo__LogSegment *from, const Dongbo__SealedBatch *origin, Segment *ret) {
    *ret = (Segment){
        .format = (int)from->format,
        .first_position = from->first_position,
        .last_position = from->last_position,
        .epoch = from->epoch,
        .kind = (int)from->kind,
        .agency = from->agency,
        .stream = from->stream.len == STREAM_BYTES ? from->stream.data : NULL,
        .first_sequence = from->first_sequence,
        .last_sequence = from->last_sequence,
        .batch_root = from->batch_root.len == HASH_BYTES ? from->batch_root.data : NULL,
        .stored_at_us = from->stored_at_us,
        .population_position = from->population_position,
    };
    if (origin != NULL) {
        ret->header = origin->header;
        ret->signature = origin->signature.data;
    }
}

const Dongbo__SealedBatch *log_path_origin(const Dongbo__LogSegment *segment, Arena *arena) {
    if (segment->origin.len == 0)
        return NULL;
    const Dongbo__SealedBatch *origin =
        dongbo__sealed_batch__unpack(arena_protobuf(arena), segment->origin.len, segment->origin.data);
    return origin != NULL && origin->signature.len == SIGNATURE_BYTES ? origin : NULL;
}

int log_path_summary(const LogPathMaker *maker, const PGresult *rows, int row, Dongbo__SegmentSummary **ret) {
    ProtobufCBinaryData bytes = log_row_bytes(rows, row, LOG_ROW_SUMMARY);
    int r = segment_decode_summary(bytes.data, bytes.len, pg_i16(rows, row, LOG_ROW_FORMAT), maker->arena, ret);
    return r == 0 ? 0 : log_path_damaged(rows, row);
}

// As stored; of the first format it follows from the row.
static int leaf_of(const LogPathMaker *maker, const PGresult *rows, int row, uint8_t out[HASH_BYTES]) {
    ProtobufCBinaryData stored = log_row_bytes(rows, row, LEAF);
    if (stored.len == HASH_BYTES) {
        memcpy(out, stored.data, HASH_BYTES);
        return 0;
    }
    Dongbo__LogSegment fields;
    Dongbo__SegmentSummary *summary = NULL;
    Segment segment;
    ArenaMark mark = arena_mark(maker->arena);
    log_row_fields(rows, row, &fields);
    int r = log_path_summary(maker, rows, row, &summary);
    if (r < 0)
        return r;
    log_path_segment(&fields, log_path_origin(&fields, maker->arena), &segment);
    r = segment_leaf(&segment, summary, maker->merkle, out);
    arena_rewind(maker->arena, &mark);
    return r == 0 ? 0 : log_path_damaged(rows, row);
}

// By halving: they come in order.
static int find_row(const PGresult *rows, uint64_t leaf_index) {
    int first = 0, end = PQntuples(rows);
    while (first < end) {
        int middle = first + (end - first) / 2;
        uint64_t here = (uint64_t)pg_i64(rows, middle, LOG_ROW_LEAF_INDEX);
        if (here == leaf_index)
            return middle;
        if (here < leaf_index)
            first = middle + 1;
        else
            end = middle;
    }
    return -1;
}

static int missing(uint64_t leaf_index) {
    return error_fail(ERROR_DATABASE, "the log lacks its segment number %" PRIu64 ": dongbo log verify says more",
                      leaf_index);
}

static int range_root(const LogPathMaker *maker, const PGresult *rows, ProofRange range, uint8_t out[HASH_BYTES]) {
    Frontier before = {0};
    uint8_t leaf[HASH_BYTES];
    int row = find_row(rows, range.end - 1);
    int r = row < 0 ? missing(range.end - 1) : leaf_of(maker, rows, row, leaf);
    if (r == 0 && range.end > 1) {
        int at = find_row(rows, range.end - 2);
        ProtobufCBinaryData frontier = at < 0 ? (ProtobufCBinaryData){0} : log_row_bytes(rows, at, LOG_ROW_FRONTIER);
        if (at < 0)
            r = missing(range.end - 2);
        else if (frontier_read(&before, range.end - 1, frontier.data, frontier.len) != 0)
            r = log_path_damaged(rows, at);
    }
    if (r < 0)
        return r;
    return proof_range_root(maker->merkle, range, &before, leaf, out) == 0 ? 0 : log_path_damaged(rows, row);
}

static int read_rows(const LogPathMaker *maker, const ProofRange *ranges, size_t n, PGresult **ret) {
    PgParams params = {0};
    int n_rows = 0;
    for (size_t i = 0; i < n; i++)
        n_rows += ranges[i].end > 1 ? 2 : 1;
    pg_param_array_begin(&params, OID_INT8, n_rows);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&params, (int64_t)ranges[i].end - 1);
        if (ranges[i].end > 1)
            pg_array_i64(&params, (int64_t)ranges[i].end - 2);
    }
    int r = pg_run(maker->exchange, &ROWS, &params, ret);
    pg_params_free(&params);
    return r;
}

int log_path_make(const LogPathMaker *maker, const ProofRange *ranges, size_t n, ProtobufCBinaryData **ret) {
    PGresult *rows = NULL;
    uint8_t(*hashes)[HASH_BYTES] = arena_alloc(maker->arena, (n + 1) * sizeof *hashes);
    *ret = arena_alloc(maker->arena, (n + 1) * sizeof **ret);
    if (hashes == NULL || *ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    int r = n > 0 ? read_rows(maker, ranges, n, &rows) : 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = range_root(maker, rows, ranges[i], hashes[i]);
        (*ret)[i] = (ProtobufCBinaryData){.data = hashes[i], .len = HASH_BYTES};
    }
    PQclear(rows);
    return r;
}

int log_path_put(Arena *arena, const ProofPath *path, ProtobufCBinaryData **ret, size_t *ret_n) {
    uint8_t(*hashes)[HASH_BYTES] = arena_alloc(arena, (path->n + 1) * sizeof *hashes);
    *ret = arena_alloc(arena, (path->n + 1) * sizeof **ret);
    if (hashes == NULL || *ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    memcpy(hashes, path->hashes, path->n * sizeof *hashes);
    for (size_t i = 0; i < path->n; i++)
        (*ret)[i] = (ProtobufCBinaryData){.data = hashes[i], .len = HASH_BYTES};
    *ret_n = path->n;
    return 0;
}

int log_path_entry(const LogPathMaker *maker, const Dongbo__SegmentSummary *summary, size_t index,
                   Dongbo__EntryProof *proof) {
    uint8_t(*leaves)[HASH_BYTES] = arena_alloc(maker->arena, (summary->n_lines + 1) * sizeof *leaves);
    ProofPath path;
    if (leaves == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    if (index >= summary->n_lines)
        return 1;
    for (size_t i = 0; i < summary->n_lines; i++)
        if (segment_entry_leaf(maker->merkle, summary->lines[i], leaves[i]) != 0)
            return 1;
    proof_path(maker->merkle, (const uint8_t(*)[HASH_BYTES])leaves, summary->n_lines, index, &path);
    return log_path_put(maker->arena, &path, &proof->entry_path, &proof->n_entry_path);
}

static int read_segment(const LogPathMaker *maker, const PGresult *rows, Dongbo__LogSegment *ret,
                        Dongbo__SegmentSummary **ret_summary) {
    log_row_fields(rows, 0, ret);
    int r = log_path_summary(maker, rows, 0, ret_summary);
    ProtobufCBinaryData *kept[] = {&ret->stream, &ret->batch_root, &ret->origin};
    for (size_t i = 0; r == 0 && i < sizeof kept / sizeof *kept; i++) {
        if (!arena_copy(maker->arena, kept[i]->data, kept[i]->len, kept[i]))
            r = error_fail(ERROR_MEMORY, "no memory for a proof");
    }
    return r;
}

int log_path_find(const LogPathMaker *maker, uint64_t position, Dongbo__LogSegment *ret,
                  Dongbo__SegmentSummary **ret_summary) {
    PGresult *rows = NULL;
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)position);
    int r = pg_run(maker->exchange, &AT, &params, &rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    bool found = PQntuples(rows) > 0 && (uint64_t)pg_i64(rows, 0, LOG_ROW_LAST) >= position;
    r = found ? read_segment(maker, rows, ret, ret_summary) : 1;
    PQclear(rows);
    return r;
}
