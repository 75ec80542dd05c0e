// SPDX-License-Identifier: Apache-2.0
//
// Where the entries are is known by the versions that they made, by what was told again of a person, and by when a
// subscription began or ceased to follow them. Each segment is then read as a whole, and what is of the person decides.
#include "operators/disclosure_trace.h"

#include "broker/segment.h"
#include "operators/result.h"
#include "proto/base/arena.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define AT_ONCE 8 // segments

// Their person, whom that one is by now, and all who ever became that one.
static const PgStatement PERSONS = {
    "disclosure_persons",
    "WITH RECURSIVE up(person) AS (SELECT $1::bigint UNION SELECT l.merged_into FROM up u "
    "CROSS JOIN LATERAL (SELECT s.merged_into FROM exchange.seen_link s WHERE s.person = u.person OFFSET 0) l), part(person) AS (SELECT person FROM up UNION "
    "SELECT l.person FROM part p CROSS JOIN LATERAL (SELECT s.person FROM exchange.seen_link s "
    "WHERE s.merged_into = p.person OFFSET 0) l) "
    "SELECT person FROM part ORDER BY person",
    1, NULL};
static const PgStatement VERSIONS = {
    "disclosure_versions",
    "SELECT position, CASE WHEN superseded THEN 0 ELSE coalesce(lead(position) OVER (PARTITION BY person, domain, "
    "record_key, superseded ORDER BY position), 9223372036854775807) END FROM exchange.seen_version "
    "WHERE person = ANY ($1) ORDER BY position",
    1, NULL};
// The last of what is told again may not be told yet, or was before this was kept: then all that is told again since.
static const PgStatement SEGMENTS = {
    "disclosure_segments",
    "SELECT DISTINCT first_position FROM (SELECT s.first_position FROM (SELECT position FROM exchange.seen_version "
    "WHERE person = ANY ($1) UNION SELECT from_position FROM exchange.followed WHERE person = ANY ($1) UNION "
    "SELECT to_position FROM exchange.followed WHERE person = ANY ($1)) p CROSS JOIN LATERAL (SELECT first_position "
    "FROM exchange.segment WHERE first_position <= p.position ORDER BY first_position DESC LIMIT 1) s "
    "UNION ALL SELECT s.first_position FROM exchange.retelling r JOIN exchange.segment s ON s.kind = 7 "
    "AND s.first_position > r.position AND s.first_position <= coalesce(r.told_position, 9223372036854775807) "
    "WHERE r.person = ANY ($1)) a ORDER BY first_position",
    1, NULL};
static const PgStatement RECORDS = {
    "disclosure_records",
    "SELECT position, person, domain, record_key, record FROM exchange.seen_version WHERE person = ANY ($1) "
    "AND position BETWEEN $2 AND $3 AND NOT superseded ORDER BY position",
    3, NULL};
enum { RECORD_POSITION, RECORD_PERSON, RECORD_DOMAIN, RECORD_KEY, RECORD };
static const PgStatement PAGE = {
    "disclosure_page",
    "SELECT first_position, last_position, format, stored_at_us, payload FROM exchange.segment "
    "WHERE first_position = ANY ($1) ORDER BY first_position",
    1, NULL};
enum { FIRST, LAST, FORMAT, STORED_AT, PAYLOAD };

struct DisclosureTrace {
    Pg *exchange;
    Arena *arena; // of a segment
    PGresult *persons, *versions, *segments;
    int64_t *unknown;
    size_t n_unknown;
};

void disclosure_trace_param(const DisclosureTrace *trace, PgParams *params) {
    int n = PQntuples(trace->persons);
    pg_param_array_begin(params, OID_INT8, n);
    for (int row = 0; row < n; row++)
        pg_array_i64(params, pg_i64(trace->persons, row, 0));
}

static int find(DisclosureTrace *trace, const PgStatement *statement, PGresult **ret) {
    PgParams params = {0};
    disclosure_trace_param(trace, &params);
    int r = pg_run(trace->exchange, statement, &params, ret);
    pg_params_free(&params);
    return r;
}

int disclosure_trace_new(DisclosureTrace **ret, Pg *exchange, int64_t person) {
    PgParams params = {0};
    DisclosureTrace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return error_fail(ERROR_MEMORY, "no memory for a person's entries");
    trace->exchange = exchange;
    pg_param_i64(&params, person);
    int r = pg_run(exchange, &PERSONS, &params, &trace->persons);
    pg_params_free(&params);
    if (r == 0)
        r = find(trace, &VERSIONS, &trace->versions);
    if (r == 0)
        r = find(trace, &SEGMENTS, &trace->segments);
    if (r == 0)
        r = arena_new(&trace->arena, ARENA_BYTES);
    if (r == 0)
        trace->unknown = calloc((size_t)PQntuples(trace->segments) + 1, sizeof *trace->unknown);
    if (r == 0 && !trace->unknown)
        r = error_fail(ERROR_MEMORY, "no memory for a person's entries");
    if (r < 0)
        disclosure_trace_destroy(&trace);
    *ret = trace;
    return r;
}

void disclosure_trace_destroy(DisclosureTrace **trace) {
    if (!*trace)
        return;
    PQclear((*trace)->persons);
    PQclear((*trace)->versions);
    PQclear((*trace)->segments);
    arena_destroy(&(*trace)->arena);
    free((*trace)->unknown);
    free(*trace);
    *trace = NULL;
}

const int64_t *disclosure_trace_unknown(const DisclosureTrace *trace, size_t *ret_n) {
    *ret_n = trace->n_unknown;
    return trace->unknown;
}

static bool is_theirs(const DisclosureTrace *trace, int64_t person) {
    for (int row = 0; person != 0 && row < PQntuples(trace->persons); row++)
        if (pg_i64(trace->persons, row, 0) == person)
            return true;
    return false;
}

// The first version at this position or behind it.
static int version_from(const DisclosureTrace *trace, int64_t position) {
    int from = 0, to = PQntuples(trace->versions);
    while (from < to) {
        int half = from + (to - from) / 2;
        if (pg_i64(trace->versions, half, 0) < position)
            from = half + 1;
        else
            to = half;
    }
    return from;
}

static int64_t holds_until(const DisclosureTrace *trace, int64_t position) {
    int row = version_from(trace, position);
    bool found = row < PQntuples(trace->versions) && pg_i64(trace->versions, row, 0) == position;
    return found ? pg_i64(trace->versions, row, 1) : 0;
}

// ---- versions -------------------------------------------------------------------------------------------------------

static int query_versions(DisclosureTrace *trace, int64_t first, int64_t last, PGresult **ret) {
    PgParams params = {0};
    disclosure_trace_param(trace, &params);
    pg_param_i64(&params, first);
    pg_param_i64(&params, last);
    int r = pg_run(trace->exchange, &RECORDS, &params, ret);
    pg_params_free(&params);
    return r;
}

// As an entry, which borrows from the row and the arena.
static int read_version(DisclosureTrace *trace, const PGresult *rows, int row, Dongbo__Entry *ret) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, RECORD, &n);
    const Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(trace->arena), n, bytes);
    if (!record)
        return error_fail(ERROR_DATABASE, "the record at position %" PRId64 " cannot be read",
                          pg_i64(rows, row, RECORD_POSITION));
    dongbo__entry__init(ret);
    ret->kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    ret->verdict = DONGBO__VERDICT__ACCEPTED;
    ret->domain = (Dongbo__Domain)pg_i16(rows, row, RECORD_DOMAIN);
    ret->person = pg_i64(rows, row, RECORD_PERSON);
    ret->record_key = (char *)pg_text(rows, row, RECORD_KEY);
    ret->citizen_number = (char *)"?"; // some number of theirs
    ret->deleted = record->retracted;
    ret->body = record->body;
    return 0;
}

// What was let go of the log.
static int visit_record(DisclosureTrace *trace, const PGresult *rows, int row, const DisclosureEntry *at,
                        DisclosureVisit *visit, void *self) {
    Dongbo__Entry entry;
    int r = read_version(trace, rows, row, &entry);
    if (r < 0)
        return r;
    DisclosureEntry made = *at;
    made.entry = made.version = &entry;
    made.position = pg_i64(rows, row, RECORD_POSITION);
    made.until = holds_until(trace, made.position);
    return visit(self, &made);
}

static int read_trimmed(DisclosureTrace *trace, const DisclosureEntry *at, int64_t last, DisclosureVisit *visit,
                        void *self) {
    RESULT rows = NULL;
    int r = query_versions(trace, at->position, last, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        r = visit_record(trace, rows, row, at, visit, self);
    if (r == 0 && PQntuples(rows) == 0)
        trace->unknown[trace->n_unknown++] = at->position;
    return r;
}

// An event that changed nothing has a version all the same, and no content in the log.
static int visit_unchanged(DisclosureTrace *trace, DisclosureEntry *at, DisclosureVisit *visit, void *self) {
    RESULT rows = NULL;
    Dongbo__Entry entry;
    int r = query_versions(trace, at->position, at->position, &rows);
    if (r == 0 && PQntuples(rows) > 0) {
        r = read_version(trace, rows, 0, &entry);
        at->version = &entry;
    }
    return r < 0 ? r : visit(self, at);
}

// ---- reading --------------------------------------------------------------------------------------------------------

static int read_segment(DisclosureTrace *trace, const PGresult *rows, int row, DisclosureVisit *visit, void *self) {
    size_t n = 0;
    int64_t first = pg_i64(rows, row, FIRST);
    const uint8_t *bytes = pg_bytes(rows, row, PAYLOAD, &n);
    Dongbo__SegmentPayload *payload = NULL;
    arena_reset(trace->arena);
    if (pg_is_null(rows, row, PAYLOAD)) {
        const DisclosureEntry at = {.position = first, .stored_us = pg_i64(rows, row, STORED_AT), .is_trimmed = true};
        return read_trimmed(trace, &at, pg_i64(rows, row, LAST), visit, self);
    }
    if (segment_decode_payload(bytes, n, pg_i16(rows, row, FORMAT), trace->arena, &payload) != 0)
        return error_fail(ERROR_DATABASE, "the segment at position %" PRId64 " cannot be read", first);
    int r = 0;
    for (size_t i = 0; i < payload->n_entries && r == 0; i++) {
        const Dongbo__Entry *entry = payload->entries[i];
        int64_t position = first + (int64_t)i;
        DisclosureEntry at = {
            .entry = entry, .version = entry, .position = position, .stored_us = pg_i64(rows, row, STORED_AT)};
        if (!is_theirs(trace, entry->person))
            continue;
        at.until = holds_until(trace, position);
        bool unchanged = at.until != 0 && entry->verdict == DONGBO__VERDICT__UNCHANGED;
        r = unchanged ? visit_unchanged(trace, &at, visit, self) : visit(self, &at);
    }
    return r;
}

static int read_page(DisclosureTrace *trace, int from, int n, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, n);
    for (int row = from; row < from + n; row++)
        pg_array_i64(&params, pg_i64(trace->segments, row, 0));
    int r = pg_run(trace->exchange, &PAGE, &params, ret);
    pg_params_free(&params);
    return r;
}

int disclosure_trace_read(DisclosureTrace *trace, DisclosureVisit *visit, void *self) {
    int n = PQntuples(trace->segments), r = 0;
    trace->n_unknown = 0;
    for (int from = 0; from < n && r == 0; from += AT_ONCE) {
        RESULT rows = NULL;
        r = read_page(trace, from, n - from < AT_ONCE ? n - from : AT_ONCE, &rows);
        for (int row = 0; r == 0 && row < PQntuples(rows); row++)
            r = read_segment(trace, rows, row, visit, self);
    }
    return r;
}
