// SPDX-License-Identifier: Apache-2.0
//
// See erasure.h. A segment with all of its entries that go is one transaction, so that nothing is half erased; the
// database lets through only what a tombstone names.
#include "operators/erasure.h"

#include "broker/about.h"
#include "broker/erase.h"
#include "broker/segment.h"
#include "operators/commits.h"
#include "operators/disclosure.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/bounds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 16384 // of a segment
#define FEED_MARGIN_MS 1000
#define FEED_LOOK_MS 20
#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

static const PgStatement NEXT = {
    "erasure_next",
    "SELECT g.first_position, g.last_position, g.summary, g.payload, g.batch, g.format FROM exchange.segment g "
    "WHERE g.first_position = (SELECT max(s.first_position) FROM exchange.segment s WHERE s.first_position <= "
    "(SELECT min(e.position) FROM exchange.erasure e WHERE e.logged_position IS NOT NULL AND NOT e.done))",
    0, NULL};
static const PgStatement DUE = {
    "erasure_due",
    "SELECT position, stream IS NOT NULL, person, domain, record_key, event_id FROM exchange.erasure "
    "WHERE position BETWEEN $1 AND $2 AND logged_position IS NOT NULL AND NOT done ORDER BY position",
    2, NULL};
static const PgStatement SEGMENT = {"erasure_segment", "SELECT exchange.erase_segment($1, $2, $3, $4, $5)", 5, NULL};
// Also of those whom the person was merged into: the record went with them.
static const PgStatement VERSIONS = {
    "erasure_versions",
    "WITH RECURSIVE way(person) AS (SELECT $1::bigint UNION SELECT l.merged_into FROM way w "
    "JOIN exchange.seen_link l ON l.person = w.person) SELECT v.position, v.record FROM way w "
    "JOIN exchange.seen_version v ON v.person = w.person AND v.domain = $2 AND v.record_key = $3",
    3, NULL};
// Those whom all these entries are about by now, each once.
static const PgStatement PERSONS = {
    "erasure_persons",
    "WITH RECURSIVE way(person) AS (SELECT DISTINCT e.about FROM exchange.erasure e WHERE e.logged_position IS NOT NULL "
    "AND NOT e.done AND e.about IS NOT NULL UNION SELECT l.merged_into FROM way w JOIN exchange.seen_link l "
    "ON l.person = w.person) SELECT w.person FROM way w WHERE NOT EXISTS (SELECT FROM exchange.seen_link l "
    "WHERE l.person = w.person) ORDER BY w.person",
    0, NULL};
static const PgStatement VERSION = {"erasure_version", "SELECT exchange.erase_version($1, $2, $3)", 3, NULL};

static const PgStatement TURN = {"erasure_turn", "SELECT exchange.erasure_turn()", 0, NULL};
// Also those whose session was lost a moment ago: such a broker may not know it yet, and send from memory.
static const PgStatement BEHIND = {
    "erasure_behind",
    "SELECT count(*), count(a.pid), coalesce(string_agg(a.pid::text, ', '), '') FROM exchange.feeding f "
    "LEFT JOIN pg_stat_activity a ON a.pid = f.pid AND f.gone_at IS NULL WHERE f.turn < $1 AND (f.gone_at IS NULL "
    "OR f.gone_at > clock_timestamp() - make_interval(secs => $2::bigint / 1000.0))",
    2, NULL};

static int damaged(int64_t position) {
    return error_fail(ERROR_DATA, "what is stored at position %" PRId64 " cannot be read, and is not erased", position);
}

// ---- a segment ------------------------------------------------------------------------------------------------------

typedef int (*Erase)(const uint8_t *data, size_t n, EraseSet set, Bytes *out);

static int erase_column(const PGresult *segment, int column, Erase erase, EraseSet set, Bytes *out) {
    size_t n = 0;
    if (pg_is_null(segment, 0, column))
        return 0;
    const uint8_t *data = pg_bytes(segment, 0, column, &n);
    int r = erase(data, n, set, out);
    return r > 0 ? damaged(pg_i64(segment, 0, 0)) : r;
}

static void param_bytes_or_null(PgParams *params, const PGresult *segment, int column, const Bytes *bytes) {
    if (pg_is_null(segment, 0, column))
        pg_param_null(params);
    else
        pg_param_bytes(params, bytes->data, bytes->n);
}

// A batch that could not be read holds no events that could be told from each other: all of it goes.
static int erase_events(const PGresult *segment, EraseSet set, Bytes *out, bool *ret_gone) {
    size_t n = 0;
    *ret_gone = pg_is_null(segment, 0, 4);
    if (*ret_gone)
        return 0;
    const uint8_t *data = pg_bytes(segment, 0, 4, &n);
    int r = erase_batch(data, n, set, out);
    *ret_gone = r == 1;
    return r < 0 ? r : 0;
}

// The filter of those that are left.
static int make_filter(const PGresult *segment, const Bytes *payload, Bytes *out) {
    CLEANUP(arena_destroy) Arena *arena = NULL;
    Dongbo__SegmentPayload *left = NULL;
    int r = arena_new(&arena, ARENA_BYTES);
    if (r < 0 || pg_is_null(segment, 0, 3))
        return r;
    r = segment_decode_payload(payload->data, payload->n, pg_i16(segment, 0, 5), arena, &left);
    if (r != 0)
        return r < 0 ? r : damaged(pg_i64(segment, 0, 0));
    return about_build((const Dongbo__Entry *const *)left->entries, left->n_entries, out);
}

// The database looks at what it is given, and says how many are erased.
static int put_segment(Pg *exchange, PgParams *params, int64_t first, int n_due) {
    RESULT taken = NULL;
    int r = pg_run(exchange, &SEGMENT, params, &taken);
    if (r == 0 && pg_i64(taken, 0, 0) != n_due)
        return error_fail(ERROR_DATA,
                          "the database did not take the segment of position %" PRId64
                          " without what is erased: it or a "
                          "record of it is not as it was written. Nothing of it was erased. Run `dongbo log verify`",
                          first);
    return r;
}

typedef struct Due { // of a segment
    EraseSet entries, events;
    int n;
} Due;

static int erase_segment(Pg *exchange, const PGresult *segment, const Due *due) {
    CLEANUP(bytes_free) Bytes summary = {0};
    CLEANUP(bytes_free) Bytes payload = {0};
    CLEANUP(bytes_free) Bytes batch = {0};
    CLEANUP(bytes_free) Bytes about = {0};
    bool no_batch = true;
    int r = erase_column(segment, 2, erase_summary, due->entries, &summary);
    if (r == 0)
        r = erase_column(segment, 3, erase_payload, due->entries, &payload);
    if (r == 0)
        r = erase_events(segment, due->events, &batch, &no_batch);
    if (r == 0)
        r = make_filter(segment, &payload, &about);
    if (r < 0)
        return r;
    PgParams params = {0};
    pg_param_i64(&params, pg_i64(segment, 0, 0));
    pg_param_bytes(&params, summary.data, summary.n);
    param_bytes_or_null(&params, segment, 3, &payload);
    if (no_batch)
        pg_param_null(&params);
    else
        pg_param_bytes(&params, batch.data, batch.n);
    param_bytes_or_null(&params, segment, 3, &about);
    r = put_segment(exchange, &params, pg_i64(segment, 0, 0), due->n);
    pg_params_free(&params);
    return r;
}

// ---- a record -------------------------------------------------------------------------------------------------------

static uint32_t key_fields(const Rules *rules, int domain) {
    uint32_t keys = 0;
    for (const RuleField *field = rules_domain(rules, domain)->fields; field->number != 0; field++)
        keys |= field->key ? 1u << field->number : 0;
    return keys;
}

static int put_version(Pg *exchange, int64_t erased, int64_t position, const Bytes *record) {
    PgParams params = {0};
    pg_param_i64(&params, erased);
    pg_param_i64(&params, position);
    pg_param_bytes(&params, record->data ? record->data : (const uint8_t *)"", record->n);
    RESULT taken = NULL;
    int r = pg_run(exchange, &VERSION, &params, &taken);
    pg_params_free(&params);
    if (r == 0 && pg_i64(taken, 0, 0) != 1) // or it would count as erased, and be there
        return error_fail(ERROR_DATA, "the database did not take the version of position %" PRId64 " without it",
                          position);
    return r;
}

static int erase_version(Pg *exchange, const PGresult *due, int row, const PGresult *versions, int version,
                         uint32_t keys) {
    CLEANUP(bytes_free) Bytes left = {0};
    size_t n = 0, id_n = 0;
    const uint8_t *record = pg_bytes(versions, version, 1, &n), *id = pg_bytes(due, row, 5, &id_n);
    int r = erase_record(record, n, id, keys, &left);
    if (r != 0)
        return r < 0 ? r : damaged(pg_i64(versions, version, 0));
    bool same = left.n == n && memcmp(left.data ? left.data : record, record, n) == 0;
    return same ? 0 : put_version(exchange, pg_i64(due, row, 0), pg_i64(versions, version, 0), &left);
}

static int erase_versions(Pg *exchange, const Rules *rules, const PGresult *due, int row) {
    RESULT versions = NULL;
    PgParams params = {0};
    int domain = pg_i16(due, row, 3);
    pg_param_i64(&params, pg_i64(due, row, 2));
    pg_param_i16(&params, (int16_t)domain);
    pg_param_text(&params, pg_text(due, row, 4));
    int r = pg_run(exchange, &VERSIONS, &params, &versions);
    pg_params_free(&params);
    for (int version = 0; r == 0 && version < PQntuples(versions); version++)
        r = erase_version(exchange, due, row, versions, version, key_fields(rules, domain));
    return r;
}

// ---- all of it ------------------------------------------------------------------------------------------------------

static int erase_due(Pg *exchange, const Rules *rules, const PGresult *segment, const PGresult *due) {
    static bool entries[ENTRIES_MAX], events[ENTRIES_MAX];
    int64_t first = pg_i64(segment, 0, 0), n = pg_i64(segment, 0, 1) - first + 1;
    if (n > ENTRIES_MAX)
        return damaged(first);
    memset(entries, 0, sizeof entries);
    memset(events, 0, sizeof events);
    int r = 0;
    for (int row = 0; r == 0 && row < PQntuples(due); row++) {
        int64_t at = pg_i64(due, row, 0) - first;
        entries[at] = true;
        events[at] = pg_bool(due, row, 1);
        if (!pg_is_null(due, row, 2))
            r = erase_versions(exchange, rules, due, row);
    }
    if (r == 0)
        r = erase_segment(exchange, segment, &(Due){{entries, (size_t)n}, {events, (size_t)n}, PQntuples(due)});
    return r;
}

// 1 when nothing is left.
static int erase_next(Pg *exchange, const Rules *rules, uint64_t *n) {
    RESULT segment = NULL;
    RESULT due = NULL;
    PgParams params = {0};
    int r = pg_command(exchange, "BEGIN; SELECT exchange.lock_erasures()"); // before anything is read
    if (r == 0)
        r = pg_run(exchange, &NEXT, NULL, &segment);
    if (r < 0 || PQntuples(segment) == 0)
        return r < 0 ? r : pg_command(exchange, "COMMIT") < 0 ? ERROR_DATABASE : 1;
    pg_param_i64(&params, pg_i64(segment, 0, 0));
    pg_param_i64(&params, pg_i64(segment, 0, 1));
    r = pg_run(exchange, &DUE, &params, &due);
    pg_params_free(&params);
    if (r == 0)
        r = erase_due(exchange, rules, segment, due);
    if (r == 0)
        r = pg_command(exchange, "COMMIT");
    *n += r == 0 ? (uint64_t)PQntuples(due) : 0;
    return r;
}

// ---- brokers --------------------------------------------------------------------------------------------------------

// Until no broker sends any more what it had read of it. One that does not answer is not waited for longer than it may
// send without having asked.
static int wait_for_feeds(Pg *exchange) {
    RESULT turn = NULL;
    int r = commits_listen(exchange);
    if (r == 0)
        r = pg_run(exchange, &TURN, NULL, &turn);
    int64_t until_ms = clock_monotonic_ms(clock_system()) + FEED_SURE_MS + FEED_MARGIN_MS; // from the turn on
    while (r == 0) {
        RESULT behind = NULL;
        PgParams params = {0};
        pg_param_i64(&params, pg_i64(turn, 0, 0));
        pg_param_i64(&params, FEED_SURE_MS + FEED_MARGIN_MS);
        r = pg_run(exchange, &BEHIND, &params, &behind);
        pg_params_free(&params);
        if (r < 0 || pg_i64(behind, 0, 0) == 0)
            return r;
        if (clock_monotonic_ms(clock_system()) > until_ms) {
            if (pg_i64(behind, 0, 1) == 0)
                return 0;
            log_warn("brokers that do not answer: %" PRId64 " (server processes of their database sessions: %s). They "
                     "look before they send anything more, and what they sent is accounted for",
                     pg_i64(behind, 0, 1), pg_text(behind, 0, 2));
            return 0;
        }
        r = commits_wait(exchange, -1, FEED_LOOK_MS);
    }
    return r;
}

// Who had been told of what goes, while that can still be seen.
static int keep_disclosures(Desk *desk, Pg *exchange) {
    RESULT persons = NULL;
    int r = pg_run(exchange, &PERSONS, NULL, &persons);
    for (int row = 0; r == 0 && row < PQntuples(persons); row++)
        r = disclosure_keep(desk, pg_i64(persons, row, 0));
    return r;
}

int erasure_take_away(Desk *desk, uint64_t *ret) {
    const Rules *rules = NULL;
    Pg *exchange = NULL;
    Progress progress;
    int r = desk_rules(desk, &rules);
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = wait_for_feeds(exchange);
    if (r == 0)
        r = keep_disclosures(desk, exchange);
    *ret = 0;
    progress_begin(&progress);
    while (r == 0) {
        r = erase_next(exchange, rules, ret);
        progress_show(&progress, "erased", *ret, "entries");
    }
    progress_end();
    return r < 0 ? r : 0;
}
