// SPDX-License-Identifier: Apache-2.0
//
// One statement each, but for what is kept, and none of them holds anything of the broker's writer up.
#include "broker/follower_store.h"

#include "broker/lookup.h"
#include "proto/base/error.h"
#include "proto/base/mistake.h"
#include "proto/bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 10000
#define OID_INT4 23
#define OID_INT8 20
#define OID_TEXT 25
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

// The present number, else the one person whose it was.
static const PgStatement FIND = {
    "follow-find",
    "SELECT n.i, c.person, c.residence_province, c.residence_province63 "
    "FROM unnest($1::text[]) WITH ORDINALITY AS n(number, i) CROSS JOIN LATERAL ("
    "SELECT coalesce((SELECT h.person FROM population.citizen h WHERE h.citizen_number = n.number), "
    "(SELECT min(a.person) FROM population.number_alias a WHERE a.number = n.number AND a.kind IN ('cccd', 'cmnd') "
    "HAVING min(a.person) = max(a.person))) AS person) p "
    "JOIN population.citizen c ON c.person = p.person",
    1, (const Oid[]){OID_TEXT_ARRAY}};

// Only what changes the list is kept. Who is named twice has the last word of a removal. Whoever was merged into one
// who is removed is, too: they may stand on the list still.
static const PgStatement KEEP = {
    "follow-keep",
    "WITH RECURSIVE gone(person) AS (SELECT p FROM unnest($4::bigint[]) AS p UNION SELECT l.person FROM gone g "
    "JOIN exchange.person_link l ON l.merged_into = g.person), "
    "said AS (SELECT DISTINCT ON (w.person) w.person, w.number, w.follow FROM ("
    "SELECT a.person, a.number, true FROM unnest($2::bigint[], $3::text[]) AS a(person, number) "
    "UNION ALL SELECT g.person, '', false FROM gone g "
    "UNION ALL SELECT h.person, n.number, false FROM unnest($5::text[]) AS n(number) CROSS JOIN LATERAL ("
    "SELECT f.person FROM exchange.followed f WHERE f.subscription = $1 AND f.to_position IS NULL "
    "AND f.number = n.number OFFSET 0) h) AS w(person, number, follow) ORDER BY w.person, w.follow, w.number), "
    "asked AS MATERIALIZED (SELECT s.person, s.number, s.follow, l.waits FROM said s CROSS JOIN LATERAL (SELECT "
    "(SELECT f.number FROM exchange.followed f WHERE f.person = s.person AND (f.subscription = $1) IS TRUE "
    "AND f.to_position IS NULL LIMIT 1) AS held, (SELECT true FROM exchange.follow_request r "
    "WHERE r.person = s.person AND (r.subscription = $1) IS TRUE LIMIT 1) IS TRUE AS waits OFFSET 0) l "
    "WHERE l.waits OR CASE WHEN s.follow THEN l.held IS DISTINCT FROM s.number ELSE l.held IS NOT NULL END), "
    "counts AS (SELECT coalesce((SELECT c.followed FROM exchange.follow_count c WHERE c.subscription = $1), 0) AS "
    "followed, coalesce((SELECT a.asked FROM exchange.follow_asked a WHERE a.subscription = $1), 0) - "
    "coalesce((SELECT c.done FROM exchange.follow_count c WHERE c.subscription = $1), 0) AS waiting, "
    "coalesce((SELECT a.changed FROM exchange.follow_asked a WHERE a.subscription = $1 "
    "AND a.changed_since > now() - interval '1 day'), 0) AS changed, (SELECT count(*) FROM asked) AS changes, "
    "(SELECT count(*) FROM asked a WHERE NOT a.waits) AS fresh, "
    "(SELECT count(*) FROM asked a WHERE NOT a.waits AND a.follow) AS more), "
    "room AS (SELECT CASE WHEN n.more > 0 AND n.followed + n.waiting + n.more > $6 THEN 1 "
    "WHEN n.changes > 0 AND n.changed + n.changes > $7 THEN 2 ELSE 0 END AS why FROM counts n), "
    "kept AS (INSERT INTO exchange.follow_request AS r (subscription, person, follow, number) "
    "SELECT $1, a.person, a.follow, a.number FROM asked a, room WHERE room.why = 0 ORDER BY a.person "
    "ON CONFLICT (subscription, person) DO UPDATE SET follow = excluded.follow, number = excluded.number "
    "RETURNING r.xmax = 0 AS fresh), "
    "counted AS (INSERT INTO exchange.follow_asked AS c (subscription, asked, changed) "
    "SELECT $1, count(*) FILTER (WHERE kept.fresh), count(*) FROM kept HAVING count(*) > 0 "
    "ON CONFLICT (subscription) DO UPDATE SET asked = c.asked + excluded.asked, changed = excluded.changed + "
    "CASE WHEN c.changed_since > now() - interval '1 day' THEN c.changed ELSE 0 END, changed_since = "
    "CASE WHEN c.changed_since > now() - interval '1 day' THEN c.changed_since ELSE now() END) "
    "SELECT room.why, n.followed, n.waiting + CASE WHEN room.why = 0 THEN n.fresh ELSE 0 END FROM room, counts n",
    7, (const Oid[]){OID_INT4, OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_INT8, OID_INT8}};

// Turns are drawn from the database's clock, and nothing is written for one that is never used. One that is ahead of it
// was not drawn, or before a failover to a clock that is behind: another is drawn then.
#define NOW_US "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
static const PgStatement TURN = {
    "follow-turn",
    "SELECT greatest(" NOW_US
    ", coalesce((SELECT a.turn FROM exchange.follow_asked a WHERE a.subscription = $1), 0) + 1)",
    1, (const Oid[]){OID_INT4}};
// Locks the list's changes, so that what is kept is judged by whatever was committed before.
static const PgStatement ORDER = {
    "follow-order",
    "INSERT INTO exchange.follow_asked AS a (subscription, turn, request) SELECT $1, $2, $3 WHERE $2 <= " NOW_US
    " OR EXISTS (SELECT FROM exchange.follow_asked o WHERE o.subscription = $1)"
    " ON CONFLICT (subscription) DO UPDATE SET turn = excluded.turn, request = excluded.request"
    " WHERE (excluded.turn, excluded.request) >= (a.turn, a.request)"
    " AND excluded.turn <= greatest(" NOW_US ", a.turn + 1) RETURNING 1",
    3, (const Oid[]){OID_INT4, OID_INT8, OID_INT8}};

static const PgStatement LIST = {
    "follow-list",
    "SELECT l.number FROM ((SELECT f.number FROM exchange.followed f WHERE f.subscription = $1 "
    "AND f.to_position IS NULL AND f.number > $2 AND (SELECT r.follow FROM exchange.follow_request r "
    "WHERE r.person = f.person AND (r.subscription = $1) IS TRUE LIMIT 1) IS NOT FALSE ORDER BY f.number LIMIT $3) "
    "UNION (SELECT q.number FROM exchange.follow_request q WHERE q.subscription = $1 AND q.follow AND q.number > $2 "
    "ORDER BY q.number LIMIT $3)) l ORDER BY l.number LIMIT $3",
    3, (const Oid[]){OID_INT4, OID_TEXT, OID_INT4}};
static const PgStatement COUNT = {
    "follow-count",
    "SELECT coalesce((SELECT c.followed FROM exchange.follow_count c WHERE c.subscription = $1), 0), "
    "coalesce((SELECT a.asked FROM exchange.follow_asked a WHERE a.subscription = $1), 0) - "
    "coalesce((SELECT c.done FROM exchange.follow_count c WHERE c.subscription = $1), 0)",
    1, (const Oid[]){OID_INT4}};

struct FollowerStore {
    Pg *exchange, *population;
};

int follower_store_new(FollowerStore **ret, const char *exchange, const char *population) {
    FollowerStore *store = calloc(1, sizeof *store);
    if (store == NULL)
        return error_fail(ERROR_MEMORY, "no memory for followed persons");
    int result = pg_new(&store->exchange, exchange, "dongbo follow");
    if (result == 0)
        result = pg_new(&store->population, population, "dongbo follow");
    if (result < 0) {
        follower_store_destroy(&store);
        return result;
    }
    pg_set_patience(store->exchange, PATIENCE_MS);
    pg_set_patience(store->population, PATIENCE_MS);
    *ret = store;
    return 0;
}

void follower_store_destroy(FollowerStore **store) {
    if (*store == NULL)
        return;
    pg_destroy(&(*store)->exchange);
    pg_destroy(&(*store)->population);
    free(*store);
    *store = NULL;
}

int follower_store_connect(FollowerStore *store) {
    int result = lookup_connect(store->exchange);
    return result < 0 ? result : lookup_connect(store->population);
}

void follower_store_drop(FollowerStore *store) {
    pg_disconnect(store->exchange);
    pg_disconnect(store->population);
}

// ---- who is meant --------------------------------------------------------------------------------------------------

int follower_store_find(FollowerStore *store, const FollowerNumbers *numbers) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_array_begin(&params, OID_TEXT, (int)numbers->n);
    for (size_t i = 0; i < numbers->n; i++)
        pg_array_text(&params, numbers->list[i].number, strlen(numbers->list[i].number));
    int result = pg_run(store->population, &FIND, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        FollowerNumber *number = &numbers->list[pg_i64(rows, row, 0) - 1];
        number->person = pg_i64(rows, row, 1);
        snprintf(number->province, sizeof number->province, "%s", pg_text(rows, row, 2));
        snprintf(number->province63, sizeof number->province63, "%s", pg_text(rows, row, 3));
    }
    PQclear(rows);
    return result;
}

// ---- what is kept --------------------------------------------------------------------------------------------------

typedef bool IsChosen(const FollowerNumber *number);

static bool is_added(const FollowerNumber *number) {
    return number->covered;
}

static bool is_removed(const FollowerNumber *number) {
    return number->removed;
}

static bool is_removed_person(const FollowerNumber *number) {
    return number->removed && number->person != 0;
}

static int count(const FollowerNumbers *numbers, IsChosen *is_chosen) {
    int n = 0;
    for (size_t i = 0; i < numbers->n; i++)
        n += is_chosen(&numbers->list[i]);
    return n;
}

static void param_persons(PgParams *params, const FollowerNumbers *numbers, IsChosen *is_chosen) {
    pg_param_array_begin(params, OID_INT8, count(numbers, is_chosen));
    for (size_t i = 0; i < numbers->n; i++)
        if (is_chosen(&numbers->list[i]))
            pg_array_i64(params, numbers->list[i].person);
}

static void param_numbers(PgParams *params, const FollowerNumbers *numbers, IsChosen *is_chosen) {
    pg_param_array_begin(params, OID_TEXT, count(numbers, is_chosen));
    for (size_t i = 0; i < numbers->n; i++)
        if (is_chosen(&numbers->list[i]))
            pg_array_text(params, numbers->list[i].number, strlen(numbers->list[i].number));
}

static int take_order(FollowerStore *store, int32_t subscription, const FollowerNumbers *numbers) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, subscription);
    pg_param_i64(&params, numbers->turn);
    pg_param_i64(&params, numbers->turn > 0 ? numbers->request : 0);
    int result = pg_run(store->exchange, &ORDER, &params, &rows);
    pg_params_free(&params);
    if (result == 0 && PQntuples(rows) == 0 && !MISTAKE(STALE_FOLLOWED))
        result = 3;
    PQclear(rows);
    return result;
}

static int keep(FollowerStore *store, int32_t subscription, const FollowerNumbers *numbers, FollowerCount *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, subscription);
    param_persons(&params, numbers, is_added);
    param_numbers(&params, numbers, is_added);
    param_persons(&params, numbers, is_removed_person);
    param_numbers(&params, numbers, is_removed);
    pg_param_i64(&params, FOLLOWED_MAX);
    pg_param_i64(&params, FOLLOW_CHANGES_PER_DAY_MAX);
    int result = pg_run(store->exchange, &KEEP, &params, &rows);
    pg_params_free(&params);
    if (result < 0)
        return result;
    *ret = (FollowerCount){(uint64_t)pg_i64(rows, 0, 1), (uint64_t)pg_i64(rows, 0, 2)};
    result = pg_i32(rows, 0, 0);
    PQclear(rows);
    return result;
}

int follower_store_keep(FollowerStore *store, int32_t subscription, const FollowerNumbers *numbers,
                        FollowerCount *ret) {
    if (numbers->n == 0)
        return keep(store, subscription, numbers, ret);
    int result = pg_command(store->exchange, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'");
    if (result == 0)
        result = take_order(store, subscription, numbers);
    if (result == 0)
        result = keep(store, subscription, numbers, ret);
    if (result < 0)
        return result;
    int end = pg_command(store->exchange, result == 0 ? "COMMIT" : "ROLLBACK");
    return end < 0 ? end : result;
}

int follower_store_turn(FollowerStore *store, int32_t subscription, int64_t *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, subscription);
    int result = pg_run(store->exchange, &TURN, &params, &rows);
    pg_params_free(&params);
    if (result == 0)
        *ret = pg_i64(rows, 0, 0);
    PQclear(rows);
    return result;
}

// ---- who is on the list --------------------------------------------------------------------------------------------

static int read_count(FollowerStore *store, int32_t subscription, FollowerCount *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, subscription);
    int result = pg_run(store->exchange, &COUNT, &params, &rows);
    pg_params_free(&params);
    if (result == 0)
        *ret = (FollowerCount){(uint64_t)pg_i64(rows, 0, 0), (uint64_t)pg_i64(rows, 0, 1)};
    PQclear(rows);
    return result;
}

static int read_page(Arena *arena, const PGresult *rows, FollowerPage *ret) {
    size_t n = (size_t)PQntuples(rows);
    ret->more = n > FOLLOW_NUMBERS_MAX;
    n = ret->more ? FOLLOW_NUMBERS_MAX : n;
    ret->numbers = arena_alloc(arena, n * sizeof *ret->numbers + 1);
    for (size_t i = 0; ret->numbers != NULL && i < n; i++) {
        const char *number = pg_text(rows, (int)i, 0);
        ret->numbers[ret->n++] = arena_strndup(arena, number, strlen(number));
    }
    return arena_failed(arena) ? error_fail(ERROR_MEMORY, "a list of persons does not fit") : 0;
}

int follower_store_list(FollowerStore *store, Arena *arena, int32_t subscription, const char *after,
                        FollowerPage *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    *ret = (FollowerPage){0};
    pg_param_i32(&params, subscription);
    pg_param_text(&params, after);
    pg_param_i32(&params, FOLLOW_NUMBERS_MAX + 1);
    int result = pg_run(store->exchange, &LIST, &params, &rows);
    pg_params_free(&params);
    if (result == 0)
        result = read_page(arena, rows, ret);
    PQclear(rows);
    return result < 0 ? result : read_count(store, subscription, &ret->count);
}
