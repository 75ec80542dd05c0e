// SPDX-License-Identifier: Apache-2.0
//
// See feed_account.h. Bounds are only ever raised, ranges that were passed over only cut: what another share or an
// older session was sent stays said.
#include "broker/feed_account.h"

#include "proto/base/error.h"

#include <stdlib.h>

#define BLOCK 100000 // positions
#define ACCOUNTS_MAX 65536

enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_INT4_ARRAY = 1007, OID_INT8_ARRAY = 1016 };

static const PgStatement RELEASE = {
    "feed_release",
    "UPDATE exchange.subscription_position SET released = greatest(released, $4), at = now()"
    " WHERE subscription = $1 AND share = $2 AND session = $3 RETURNING 1",
    4, (const Oid[]){OID_INT4, OID_INT2, OID_INT4, OID_INT8}};
// In this order, each with what was committed before: another share's session may pass over what this one is about to
// be sent. The rows locked here are those that a release waits for. Whoever locks several takes them in the order of
// shares, so that brokers do not wait for each other.
#define LOCK_PLACES                                                                                                    \
    "SELECT released FROM exchange.subscription_position WHERE subscription = $1 ORDER BY share FOR NO KEY UPDATE"
static const PgStatement PASS = {
    "feed_pass",
    "WITH place AS (SELECT max(released) AS released FROM (" LOCK_PLACES ") p),"
    " gone AS (DELETE FROM exchange.subscription_skip WHERE subscription = $1 AND first_position > $2),"
    " cut AS (UPDATE exchange.subscription_skip SET last_position = $2 WHERE subscription = $1 AND last_position > $2"
    "  AND first_position <= least($2, (SELECT released FROM place)))"
    " INSERT INTO exchange.subscription_skip (subscription, first_position, last_position)"
    " SELECT $1, released + 1, $2 FROM place WHERE $2 > released"
    " ON CONFLICT (subscription, first_position) DO UPDATE SET last_position = excluded.last_position",
    2, (const Oid[]){OID_INT4, OID_INT8}};
static const PgStatement UNPASS = {
    "feed_unpass",
    "WITH place AS MATERIALIZED (" LOCK_PLACES "), gone AS (DELETE FROM exchange.subscription_skip"
    "  WHERE subscription = $1 AND first_position > $2 AND (SELECT count(*) FROM place) > 0)"
    " UPDATE exchange.subscription_skip SET last_position = $2 WHERE subscription = $1 AND first_position <= $2"
    "  AND last_position > $2 AND (SELECT count(*) FROM place) > 0",
    2, (const Oid[]){OID_INT4, OID_INT8}};
// What was passed over between $3 and $2 was not: it is cut, and the rest stays.
static const PgStatement HOLD = {
    "feed_hold",
    "WITH place AS MATERIALIZED (" LOCK_PLACES "), gone AS (DELETE FROM exchange.subscription_skip"
    "  WHERE subscription = $1 AND first_position > $3 AND first_position <= $2 AND (SELECT count(*) FROM place) > 0),"
    " cut AS (UPDATE exchange.subscription_skip SET last_position = $3 WHERE subscription = $1 AND first_position <= $3"
    "  AND last_position > $3 AND (SELECT count(*) FROM place) > 0)"
    " UPDATE exchange.subscription_position SET released = $2 WHERE subscription = $1"
    "  AND released < $2 AND (SELECT count(*) FROM place) > 0",
    3, (const Oid[]){OID_INT4, OID_INT8, OID_INT8}};
// Of which accounts the database has less, and whether it has any place of the subscription at all.
static const PgStatement UNDERSTATED = {
    "feed_understated",
    "SELECT u.i, p.subscription IS NOT NULL FROM unnest($1::integer[], $2::bigint[], $3::bigint[])"
    "  WITH ORDINALITY AS u (subscription, released, began, i) JOIN exchange.subscription USING (subscription)"
    " LEFT JOIN exchange.subscription_place p ON p.subscription = u.subscription"
    " WHERE p.subscription IS NULL OR p.released < u.released OR EXISTS (SELECT FROM exchange.subscription_skip s"
    "  WHERE s.subscription = u.subscription AND s.first_position <= u.released AND s.last_position > u.began)",
    3, (const Oid[]){OID_INT4_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY}};
// One that a restored database does not know is begun anew; one that begins takes the newest of its kind over that did
// not end, or ended at this very head: whoever begins again and again, or asks for the same all day, leaves one row.
static const PgStatement RELEASE_SNAPSHOT = {
    "feed_release_snapshot",
    "WITH known AS (UPDATE exchange.snapshot_release SET"
    " head_position = greatest(head_position, $4), finished_at = CASE WHEN $5 THEN now() END"
    " WHERE subscription = $2 AND first_position <= $3 AND snapshot = CASE WHEN $1 > 0 THEN $1 ELSE (SELECT o.snapshot"
    "  FROM exchange.snapshot_release o WHERE o.subscription = $2 AND o.digests = $6"
    "  AND (o.finished_at IS NULL OR o.head_position = $4)"
    "  ORDER BY o.snapshot DESC LIMIT 1) END RETURNING snapshot),"
    " made AS (INSERT INTO exchange.snapshot_release (subscription, first_position, head_position, finished_at,"
    "  digests)"
    " SELECT $2, $3, $4, CASE WHEN $5 THEN now() END, $6 WHERE NOT EXISTS (SELECT FROM known) RETURNING snapshot)"
    " SELECT snapshot FROM known UNION ALL SELECT snapshot FROM made",
    6, (const Oid[]){OID_INT8, OID_INT4, OID_INT8, OID_INT8, OID_BOOL, OID_BOOL}};

// Between `began` and `released` something may have been sent.
typedef struct Account {
    int32_t subscription;
    Share share; // of the session that was last
    uint64_t began, released;
} Account;

struct FeedAccounts {
    Account *list;
    size_t n, size;
};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for what was sent");
}

uint64_t feed_account_bound(uint64_t position) {
    return (position / BLOCK + 1) * BLOCK;
}

static int place_run(FeedStore *store, const PgStatement *statement, int32_t subscription, uint64_t position) {
    PgParams params = {0};
    pg_param_i32(&params, subscription);
    pg_param_i64(&params, (int64_t)position);
    int r = pg_run(feed_store_pg(store), statement, &params, NULL);
    pg_params_free(&params);
    return r;
}

int feed_account_release(FeedStore *store, const Subscriber *subscriber, uint64_t position) {
    PgParams params = {0};
    pg_param_i32(&params, subscriber->subscription);
    pg_param_i16(&params, subscriber->share.i);
    pg_param_i32(&params, subscriber->number);
    pg_param_i64(&params, (int64_t)position);
    PGresult *result;
    int r = pg_run(feed_store_pg(store), &RELEASE, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    r = PQntuples(result) == 1 ? 0 : 1;
    PQclear(result);
    return r == 0 ? place_run(store, &UNPASS, subscriber->subscription, subscriber->told_position) : r;
}

int feed_account_pass(FeedStore *store, const Subscriber *subscriber, uint64_t position) {
    return place_run(store, &PASS, subscriber->subscription, position);
}

int feed_account_snapshot(FeedStore *store, const SnapshotAccount *account, int64_t *release) {
    PgParams params = {0};
    pg_param_i64(&params, *release);
    pg_param_i32(&params, account->subscription);
    pg_param_i64(&params, (int64_t)account->first);
    pg_param_i64(&params, (int64_t)account->head);
    pg_param_bool(&params, account->done);
    pg_param_bool(&params, account->digests);
    PGresult *result;
    int r = pg_run(feed_store_pg(store), &RELEASE_SNAPSHOT, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    *release = pg_i64(result, 0, 0);
    PQclear(result);
    return 0;
}

int feed_account_hold(FeedStore *store, const Subscriber *subscriber, uint64_t position) {
    PgParams params = {0};
    pg_param_i32(&params, subscriber->subscription);
    pg_param_i64(&params, (int64_t)position);
    pg_param_i64(&params, (int64_t)subscriber->began);
    int r = pg_run(feed_store_pg(store), &HOLD, &params, NULL);
    pg_params_free(&params);
    return r;
}

// ---- after the database was away ------------------------------------------------------------------------------------

int feed_accounts_new(FeedAccounts **ret) {
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : no_memory();
}

void feed_accounts_destroy(FeedAccounts **accounts) {
    if (*accounts)
        free((*accounts)->list);
    free(*accounts);
    *accounts = NULL;
}

static bool joins(const Account *account, const Subscriber *subscriber, uint64_t released) {
    return account->subscription == subscriber->subscription && subscriber->began <= account->released &&
           released >= account->began;
}

// One that is hit by it; where there are too many, any of the subscription's. NULL: none.
static Account *find(const FeedAccounts *accounts, const Subscriber *subscriber, uint64_t released) {
    for (size_t i = 0; i < accounts->n; i++)
        if (joins(&accounts->list[i], subscriber, released))
            return &accounts->list[i];
    for (size_t i = 0; accounts->n >= ACCOUNTS_MAX && i < accounts->n; i++)
        if (accounts->list[i].subscription == subscriber->subscription)
            return &accounts->list[i];
    return NULL;
}

int feed_accounts_note(FeedAccounts *accounts, const Subscriber *subscriber, uint64_t released) {
    Account *account = find(accounts, subscriber, released);
    if (!account && accounts->n == accounts->size) {
        size_t larger = accounts->size ? 2 * accounts->size : 64;
        Account *moved = realloc(accounts->list, larger * sizeof *moved);
        if (!moved)
            return no_memory();
        accounts->list = moved;
        accounts->size = larger;
    }
    if (!account) {
        account = &accounts->list[accounts->n++];
        *account = (Account){subscriber->subscription, subscriber->share, subscriber->began, released};
    }
    account->share = subscriber->share;
    if (subscriber->began < account->began)
        account->began = subscriber->began;
    if (released > account->released)
        account->released = released;
    return 0;
}

static int find_understated(const FeedAccounts *accounts, FeedStore *store, PGresult **ret) {
    PgParams params = {0};
    int n = (int)accounts->n;
    pg_param_array_begin(&params, OID_INT4, n);
    for (int i = 0; i < n; i++)
        pg_array_i32(&params, accounts->list[i].subscription);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)accounts->list[i].released);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)accounts->list[i].began);
    int r = pg_run(feed_store_pg(store), &UNDERSTATED, &params, ret);
    pg_params_free(&params);
    return r;
}

int feed_accounts_again(const FeedAccounts *accounts, FeedStore *store) {
    PGresult *rows;
    int r = find_understated(accounts, store, &rows);
    if (r < 0)
        return r;
    for (int row = 0; row < PQntuples(rows) && r == 0; row++) {
        const Account *account = &accounts->list[pg_i64(rows, row, 0) - 1];
        Subscriber of = {.subscription = account->subscription, .share = account->share, .began = account->began};
        if (!pg_bool(rows, row, 1))
            r = feed_store_open(store, &of);
        if (r == 0)
            r = feed_account_hold(store, &of, account->released);
    }
    PQclear(rows);
    return r;
}
