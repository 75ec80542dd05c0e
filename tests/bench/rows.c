// SPDX-License-Identifier: Apache-2.0
//
// Writes the rows that the COPY baseline loads: one event row per logged event of a position range, in PostgreSQL's
// binary COPY format, taken from the exchange's own segments. So both sides of the comparison store the same rows.
#include "broker/segment.h"
#include "proto/base/error.h"
#include "proto/base/pg.h"
#include "proto/bounds.h"

#include <stdio.h>
#include <stdlib.h>

#define INT8_OID 20
#define ARENA_BYTES (256UL * 1024 * 1024)

static const Oid RANGE_TYPES[] = {INT8_OID, INT8_OID};
static const PgStatement SEGMENTS = {
    "bench_segments",
    "SELECT first_sequence, stream, payload, format, batch, first_position FROM exchange.segment"
    " WHERE first_position BETWEEN $1 AND $2 AND batch IS NOT NULL ORDER BY first_position LIMIT 64",
    2, RANGE_TYPES};

static int write_segment(const PGresult *result, int row, Arena *arena, Bytes *out) {
    size_t n, batch_n, stream_n;
    const uint8_t *payload = pg_bytes(result, row, 2, &n);
    const uint8_t *batch = pg_bytes(result, row, 4, &batch_n);
    const uint8_t *stream = pg_bytes(result, row, 1, &stream_n);
    Dongbo__SegmentPayload *entries = NULL;
    arena_reset(arena);
    if (segment_decode_payload(payload, n, pg_i16(result, row, 3), arena, &entries) != 0)
        return error_fail(ERROR_DATA, "a segment does not decode");
    const Dongbo__SealedBatch *sealed = segment_decode_batch(batch, batch_n, entries->n_entries, arena);
    if (!sealed)
        return error_fail(ERROR_DATA, "a batch does not decode");
    for (size_t i = 0; i < sealed->n_events; i++) {
        const Dongbo__Entry *entry = entries->entries[i];
        copy_row(out, 6);
        copy_bytes(out, stream, stream_n);
        copy_i64(out, (int64_t)entry->sequence);
        copy_bytes(out, entry->event_id.data, entry->event_id.len);
        copy_i64(out, entry->person);
        copy_i16(out, (int16_t)entry->verdict);
        copy_bytes(out, sealed->events[i].data, sealed->events[i].len);
    }
    return 0;
}

// One page of segments from *first on; *first moves behind it. Returns how many there were, or an Error.
static int write_page(Pg *pg, Arena *arena, int64_t *first, int64_t last, FILE *file) {
    PgParams params = {0};
    PGresult *result = NULL;
    pg_param_i64(&params, *first);
    pg_param_i64(&params, last);
    int r = pg_run(pg, &SEGMENTS, &params, &result);
    pg_params_free(&params);
    if (r != 0)
        return r;
    Bytes out = {0};
    int n = PQntuples(result);
    for (int i = 0; i < n && r == 0; i++) {
        bytes_clear(&out);
        r = write_segment(result, i, arena, &out);
        if (r == 0 && fwrite(out.data, 1, out.n, file) != out.n)
            r = error_fail(ERROR_SYSTEM, "cannot write the rows");
        *first = pg_i64(result, i, 5) + 1;
    }
    bytes_free(&out);
    PQclear(result);
    return r == 0 ? n : r;
}

static int write_rows(const char *conninfo, int64_t first, int64_t last, FILE *file) {
    static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    CLEANUP(pg_destroy) Pg *pg = NULL;
    CLEANUP(arena_destroy) Arena *arena = NULL;
    int n = arena_new(&arena, ARENA_BYTES);
    if (n == 0)
        n = pg_new(&pg, conninfo, "bench-rows");
    if (n == 0)
        n = pg_connect(pg);
    if (n < 0)
        return n;
    fwrite(header, 1, 19, file);
    while ((n = write_page(pg, arena, &first, last, file)) > 0)
        ;
    fwrite("\377\377", 1, 2, file);
    return n < 0 ? n : ferror(file) || fflush(file) ? error_fail(ERROR_SYSTEM, "cannot write the rows") : 0;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "use: bench-rows CONNINFO FIRST LAST > FILE\n");
        return 2;
    }
    int r = write_rows(argv[1], strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10), stdout);
    if (r < 0)
        fprintf(stderr, "bench-rows: %s\n", error_text());
    return r < 0 ? 1 : 0;
}
