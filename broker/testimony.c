// SPDX-License-Identifier: Apache-2.0
//
// The earliest version that names the event is the one that it made, at the position of its entry; also where the
// record has gone over to another person since.
#include "broker/testimony.h"

#include "broker/segment.h"
#include "proto/base/error.h"

#include <string.h>

#define AT_ONCE 16 // segments in memory
#define SCRATCH_BYTES ((size_t)96 * 1024 * 1024)
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT2_ARRAY 1005
#define OID_BYTEA_ARRAY 1001
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

enum { INDEX, POSITION, FIRST, LAST, FORMAT, AGENCY, STREAM, SUMMARY, PAYLOAD, BATCH };
// 16 bytes that mean nothing else do not come by chance.
static const Oid SEGMENTS_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY, OID_TEXT_ARRAY, OID_BYTEA_ARRAY};
static const PgStatement SEGMENTS = {
    "testimony-segments",
    "WITH RECURSIVE asked AS (SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bytea[]) WITH "
    "ORDINALITY AS a(person, domain, record_key, event_id, i)), part(i, person) AS (SELECT i, person FROM asked "
    "UNION SELECT p.i, l.person FROM part p JOIN exchange.person_link l ON l.merged_into = p.person), "
    "made AS (SELECT a.i, min(v.position) AS position FROM asked a JOIN part p USING (i) "
    "JOIN exchange.record_version v ON v.person = p.person AND v.domain = a.domain AND v.record_key = a.record_key "
    "WHERE position(a.event_id IN v.record) > 0 GROUP BY a.i) "
    "SELECT m.i, m.position, s.first_position, s.last_position, s.format, s.agency, s.stream, s.summary, s.payload, "
    "s.batch FROM made m CROSS JOIN LATERAL (SELECT * FROM exchange.segment g WHERE g.first_position <= m.position "
    "ORDER BY g.first_position DESC LIMIT 1) s WHERE s.stream IS NOT NULL",
    4, SEGMENTS_TYPES};
static const Oid EXCEPTION_TYPES[] = {OID_BYTEA, OID_INT8};
static const PgStatement EXCEPTION = {
    "testimony-exception",
    "SELECT event, leaf FROM exchange.exception WHERE stream = $1 AND sequence = $2 ORDER BY position LIMIT 1", 2,
    EXCEPTION_TYPES};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "events that stand in records do not fit");
}

static int query_segments(Pg *exchange, const Testimony *list, int n, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, 20, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, list[i].person);
    pg_param_array_begin(&params, 21, n);
    for (int i = 0; i < n; i++)
        pg_array_i16(&params, (int16_t)list[i].domain);
    pg_param_array_begin(&params, 25, n);
    for (int i = 0; i < n; i++)
        pg_array_text(&params, list[i].record_key, strlen(list[i].record_key));
    pg_param_array_begin(&params, OID_BYTEA, n);
    for (int i = 0; i < n; i++)
        pg_array_bytes(&params, list[i].event_id, EVENT_ID_BYTES);
    int result = pg_run(exchange, &SEGMENTS, &params, ret);
    pg_params_free(&params);
    return result;
}

static int keep(Arena *arena, const ProtobufCBinaryData *event, const ProtobufCBinaryData *leaf, Testimony *ret) {
    if (event->len == 0 || leaf->len != HASH_BYTES)
        return 0;
    ret->bytes = (ProtobufCBinaryData){.data = arena_alloc(arena, event->len), .len = event->len};
    if (ret->bytes.data == NULL)
        return no_memory();
    memcpy(ret->bytes.data, event->data, event->len);
    memcpy(ret->leaf, leaf->data, HASH_BYTES);
    ret->found = true;
    return 0;
}

// It was decided later than it came.
static int read_exception(Pg *exchange, Arena *arena, Testimony *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_bytes(&params, ret->stream, STREAM_BYTES);
    pg_param_i64(&params, (int64_t)ret->sequence);
    int result = pg_run(exchange, &EXCEPTION, &params, &rows);
    pg_params_free(&params);
    if (result == 0 && PQntuples(rows) == 1) {
        ProtobufCBinaryData event, leaf;
        event.data = (uint8_t *)pg_bytes(rows, 0, 0, &event.len);
        leaf.data = (uint8_t *)pg_bytes(rows, 0, 1, &leaf.len);
        result = keep(arena, &event, &leaf, ret);
    }
    PQclear(rows);
    return result;
}

static const Dongbo__SealedBatch *read_batch(Arena *scratch, const PGresult *rows, int row, size_t n_events) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, BATCH, &n);
    return segment_decode_batch(data, n, n_events, scratch);
}

// Whether the entry is about another event. Of a segment whose payload was trimmed nobody knows.
static int read_entry(Arena *scratch, const PGresult *rows, int row, size_t at, const Testimony *asked,
                      bool *ret_other) {
    Dongbo__SegmentPayload *payload = NULL;
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, PAYLOAD, &n);
    *ret_other = false;
    if (pg_is_null(rows, row, PAYLOAD))
        return 0;
    int result = segment_decode_payload(data, n, pg_i16(rows, row, FORMAT), scratch, &payload);
    if (result != 0)
        return result;
    const ProtobufCBinaryData *id = at < payload->n_entries ? &payload->entries[at]->event_id : NULL;
    *ret_other = id == NULL || id->len != EVENT_ID_BYTES || memcmp(id->data, asked->event_id, EVENT_ID_BYTES) != 0;
    return 0;
}

static int read_segment(Pg *exchange, Arena *arena, Arena *scratch, const PGresult *rows, int row, Testimony *ret) {
    Dongbo__SegmentSummary *summary = NULL;
    size_t at = (size_t)(pg_i64(rows, row, POSITION) - pg_i64(rows, row, FIRST)), n = 0, n_stream = 0;
    bool other = false;
    const uint8_t *data = pg_bytes(rows, row, SUMMARY, &n), *stream = pg_bytes(rows, row, STREAM, &n_stream);
    int result = segment_decode_summary(data, n, pg_i16(rows, row, FORMAT), scratch, &summary);
    if (result == 0)
        result = read_entry(scratch, rows, row, at, ret, &other);
    if (result != 0 || other || at >= summary->n_lines || n_stream != STREAM_BYTES)
        return result < 0 ? result : 0;
    const Dongbo__SummaryLine *line = summary->lines[at];
    memcpy(ret->stream, stream, STREAM_BYTES);
    ret->sequence = line->sequence;
    ret->agency = (uint32_t)pg_i32(rows, row, AGENCY);
    ret->known = line->leaf.len == HASH_BYTES;
    if (ret->known)
        memcpy(ret->leaf, line->leaf.data, HASH_BYTES);
    if (line->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION)
        return read_exception(exchange, arena, ret);
    const Dongbo__SealedBatch *batch = read_batch(scratch, rows, row, summary->n_lines);
    return batch == NULL ? 0 : keep(arena, &batch->events[at], &line->leaf, ret);
}

int testimony_find(Pg *exchange, Arena *arena, Testimony *list, size_t n) {
    Arena *scratch = NULL;
    int result = arena_new(&scratch, SCRATCH_BYTES);
    for (size_t from = 0; result == 0 && from < n; from += AT_ONCE) {
        PGresult *rows = NULL;
        result = query_segments(exchange, list + from, (int)(n - from < AT_ONCE ? n - from : AT_ONCE), &rows);
        for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
            arena_reset(scratch);
            result = read_segment(exchange, arena, scratch, rows, row, &list[from + (size_t)pg_i64(rows, row, 0) - 1]);
        }
        PQclear(rows);
    }
    arena_destroy(&scratch);
    return result;
}
