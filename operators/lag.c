// SPDX-License-Identifier: Apache-2.0
//
// The log's last segments are read once for all subscriptions, backwards, as far as the farthest of those that are
// counted. Who is farther behind than that is told by positions alone, for which the head is enough.
#include "operators/lag.h"

#include "broker/policy_row.h"
#include "broker/project.h"
#include "broker/segment.h"
#include "operators/result.h"
#include "proto/base/arena.h"
#include "proto/base/clock.h"

#include <inttypes.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

static const PgStatement PLACES = {
    "lag_places",
    "SELECT s.subscription, coalesce(p.acked, 0), coalesce(h.last_position, 0), "
    "(SELECT g.stored_at_us FROM exchange.segment g WHERE g.first_position <= coalesce(p.acked, 0) + 1 "
    "ORDER BY g.first_position DESC LIMIT 1), has_column_privilege('exchange.segment', 'payload', 'SELECT') "
    "FROM exchange.subscription s LEFT JOIN exchange.subscription_place p USING (subscription) "
    "LEFT JOIN exchange.head h ON true WHERE s.state = 'active' ORDER BY s.subscription",
    0, NULL};
enum { SUBSCRIPTION, ACKED, HEAD, STORED_AT, MAY_READ };
static const PgStatement POLICIES = {"lag_policies",
                                     "SELECT p.subscription, " POLICY_ROW
                                     " FROM exchange.subscription_policy p ORDER BY p.subscription, p.version",
                                     0, NULL};
static const PgStatement PAGE = {
    "lag_page",
    "SELECT first_position, format, stored_at_us, payload FROM exchange.segment WHERE first_position < $1 "
    "AND last_position > $2 AND first_position > $2 - 100000 ORDER BY first_position DESC LIMIT 8",
    2, NULL};
enum { FIRST, FORMAT, SEGMENT_STORED_AT, PAYLOAD };

typedef struct Count {
    Pg *exchange;
    PolicySet *policies;
    Arena *arena; // of a segment
    Lag *lags;
    int n;
} Count;

static void count_free(Count *count) {
    policy_set_destroy(&count->policies);
    arena_destroy(&count->arena);
}

static void look_at(Count *count, const Dongbo__Entry *entry, int64_t position, int64_t stored_us) {
    for (int i = 0; i < count->n; i++) {
        Lag *lag = &count->lags[i];
        const Policy *policy = policy_set_find(count->policies, lag->subscription);
        if (!lag->is_counting || position <= lag->acked || !policy)
            continue;
        const PolicyVersion *version = policy_at(policy, (uint64_t)position);
        PolicyPassage passage = version ? policy_admits(version, entry, policy_day(stored_us)) : POLICY_NOT;
        if (passage == POLICY_NOT ||
            projection_is_empty(&(Projection){.version = version, .entry = entry, .passage = passage}))
            continue;
        lag->records++;
        lag->stored_us = stored_us;
    }
}

static int look_at_segment(Count *count, const PGresult *rows, int row) {
    size_t n = 0;
    int64_t first = pg_i64(rows, row, FIRST);
    const uint8_t *bytes = pg_bytes(rows, row, PAYLOAD, &n);
    Dongbo__SegmentPayload *payload = NULL;
    arena_reset(count->arena);
    if (pg_is_null(rows, row, PAYLOAD)) // erased: nothing of it goes out
        return 0;
    if (segment_decode_payload(bytes, n, pg_i16(rows, row, FORMAT), count->arena, &payload) != 0)
        return error_fail(ERROR_DATABASE, "the segment at position %" PRId64 " cannot be read", first);
    for (size_t i = payload->n_entries; i-- > 0;)
        look_at(count, payload->entries[i], first + (int64_t)i, pg_i64(rows, row, SEGMENT_STORED_AT));
    return 0;
}

// From the head back to behind `until`.
static int look_back(Count *count, int64_t until) {
    int64_t before = INT64_MAX;
    int r = 0;
    for (int n = 1; r == 0 && n > 0;) {
        RESULT rows = NULL;
        PgParams params = {0};
        pg_param_i64(&params, before);
        pg_param_i64(&params, until);
        r = pg_run(count->exchange, &PAGE, &params, &rows);
        pg_params_free(&params);
        n = r == 0 ? PQntuples(rows) : 0;
        for (int row = 0; r == 0 && row < n; row++) {
            before = pg_i64(rows, row, FIRST);
            r = look_at_segment(count, rows, row);
        }
    }
    return r;
}

static int policies_read(Count *count) {
    RESULT rows = NULL;
    int r = policy_set_new(&count->policies);
    for (int i = 0; i < count->n && r == 0; i++)
        r = policy_set_add(count->policies, &(Policy){.subscription = count->lags[i].subscription});
    if (r == 0)
        r = pg_run(count->exchange, &POLICIES, NULL, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++) {
        PolicyVersion version;
        r = policy_row_read(rows, row, 1, &version);
        if (r == 0)
            r = policy_set_add_version(count->policies, pg_i32(rows, row, 0), &version);
    }
    return r;
}

// Whom it followed at a position is not looked up here.
static bool follows(const Count *count, int32_t subscription) {
    const Policy *policy = policy_set_find(count->policies, subscription);
    return policy && policy->follows;
}

// Those that are near enough to the head are counted.
static int count(Pg *exchange, Lag *lags, int n, int64_t head) {
    CLEANUP(count_free) Count count = {.exchange = exchange, .lags = lags, .n = n};
    int64_t until = head;
    int r = policies_read(&count);
    for (int i = 0; i < n && r == 0; i++) {
        lags[i].is_counting = lags[i].positions <= LAG_ENTRIES_MAX && !follows(&count, lags[i].subscription);
        if (lags[i].is_counting) {
            lags[i].records = lags[i].stored_us = 0;
            until = lags[i].acked < until ? lags[i].acked : until;
        }
    }
    if (r < 0 || until == head)
        return r;
    r = arena_new(&count.arena, ARENA_BYTES);
    return r < 0 ? r : look_back(&count, until);
}

int lag_read(Pg *exchange, Lag **ret, int *ret_n) {
    RESULT rows = NULL;
    int r = pg_run(exchange, &PLACES, NULL, &rows);
    if (r < 0)
        return r;
    int n = PQntuples(rows);
    Lag *lags = calloc((size_t)n + 1, sizeof *lags);
    if (!lags)
        return error_fail(ERROR_MEMORY, "no memory for subscriptions");
    for (int row = 0; row < n; row++) {
        Lag *lag = &lags[row];
        *lag = (Lag){.subscription = pg_i32(rows, row, SUBSCRIPTION), .acked = pg_i64(rows, row, ACKED), .records = -1};
        lag->positions = pg_i64(rows, row, HEAD) - lag->acked;
        lag->positions = lag->positions > 0 ? lag->positions : 0;
        lag->stored_us = lag->positions > 0 ? pg_i64(rows, row, STORED_AT) : 0;
    }
    if (n > 0 && pg_bool(rows, 0, MAY_READ))
        r = count(exchange, lags, n, pg_i64(rows, 0, HEAD));
    if (r < 0) {
        free(lags);
        return r;
    }
    *ret = lags;
    *ret_n = n;
    return 0;
}

const Lag *lag_find(const Lag *lags, int n, int32_t subscription) {
    for (int i = 0; i < n; i++)
        if (lags[i].subscription == subscription)
            return &lags[i];
    return NULL;
}

int64_t lag_seconds(const Lag *lag) {
    int64_t age_us = lag->stored_us ? clock_now_us(clock_system()) - lag->stored_us : 0;
    return age_us > 0 ? age_us / 1000000 : 0;
}
