// SPDX-License-Identifier: Apache-2.0
//
// Two statements, and both only where an older event of a row may be open; more where a row was sent very often.
#include "broker/replacing.h"

#include "broker/resent.h"
#include "broker/store.h"
#include "proto/base/error.h"

#include <string.h>

#define OID_INT4 23
#define OID_INT8 20
#define OID_INT8_ARRAY 1016

// What is held is an officer's to decide (250 is GUESSES_TOO_MANY).
static const Oid OLDER_TYPES[] = {OID_INT4, OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement OLDER = {
    "rows-older",
    "SELECT k.place, e.position, e.event, e.stands FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY "
    "AS k(row_key, before, place) CROSS JOIN LATERAL (SELECT o.position, o.event, "
    "o.domain <> 1 AND o.person IS NOT NULL AS stands FROM exchange.exception o "
    "WHERE o.agency = $1 AND o.row_key = k.row_key AND o.open AND o.replaced_by IS NULL AND o.position < k.before "
    "AND NOT 250 = ANY (o.reason_codes) ORDER BY o.position DESC LIMIT 16) e", // OLDER_AT_ONCE
    3, OLDER_TYPES};
static const Oid REPLACED_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement REPLACED = {
    "rows-replaced",
    "UPDATE exchange.exception e SET replaced_by = n.newer FROM unnest($1::bigint[], $2::bigint[]) AS n(older, newer) "
    "WHERE e.position = n.older AND e.open",
    2, REPLACED_TYPES};

#define ROWS_AT_ONCE 64  // so that few events are in memory at a time
#define OLDER_AT_ONCE 16 // of one row
#define STEPS_MAX 256

// A row that came again, and how far its older events have been looked at: from the newest on.
typedef struct Asked {
    const Item *newer;
    int64_t before;
    int n_replaced; // of those found last
} Asked;

typedef struct Pairs {
    int64_t older[ROWS_AT_ONCE * OLDER_AT_ONCE], newer[ROWS_AT_ONCE * OLDER_AT_ONCE];
    int n;
} Pairs;

static int64_t came_at(const Item *item) {
    return item->exception != 0 ? item->exception : (int64_t)item->position;
}

static int query_older(Pg *pg, const Work *work, const Asked *asked, int n, PGresult **ret) {
    PgParams params = {0};
    pg_param_i32(&params, (int32_t)work->agency->grants.agency);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)asked[i].newer->row_key);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, asked[i].before);
    int result = pg_run(pg, &OLDER, &params, ret);
    pg_params_free(&params);
    return result;
}

// Whose word stands in a record leaves it to the newer event: not to its own repeat, which says that it stands.
static bool is_repeat(const Dongbo__ChangeEvent *newer, const Dongbo__ChangeEvent *older) {
    const ProtobufCBinaryData *id = &older->event_id;
    return id->len == newer->event_id.len && memcmp(id->data, newer->event_id.data, id->len) == 0;
}

// What does not decode, or does not fit beside the batch, stays open.
static bool is_replaced(const Rules *rules, Work *work, const Item *newer, const PGresult *rows, int row) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, 2, &n);
    ArenaMark mark = arena_mark(work->arena);
    Dongbo__ChangeEvent *older = dongbo__change_event__unpack(arena_protobuf(work->arena), n, data);
    bool stands = pg_bool(rows, row, 3);
    bool replaced =
        older != NULL && resent_replaces(rules, newer->event, older) && !(stands && is_repeat(newer->event, older));
    arena_rewind(work->arena, &mark);
    return replaced;
}

static int note(Pg *pg, const Pairs *found) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, found->n);
    for (int i = 0; i < found->n; i++)
        pg_array_i64(&params, found->older[i]);
    pg_param_array_begin(&params, OID_INT8, found->n);
    for (int i = 0; i < found->n; i++)
        pg_array_i64(&params, found->newer[i]);
    int result = pg_run(pg, &REPLACED, &params, NULL);
    pg_params_free(&params);
    return result;
}

// The next older ones of each.
static int replace_some(Pg *pg, const Rules *rules, Work *work, Asked *asked, int n) {
    PGresult *rows = NULL;
    Pairs found = {.n = 0};
    int result = query_older(pg, work, asked, n, &rows);
    for (int i = 0; i < n; i++)
        asked[i].n_replaced = 0;
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        Asked *of = &asked[pg_i64(rows, row, 0) - 1];
        int64_t position = pg_i64(rows, row, 1);
        of->before = position < of->before ? position : of->before;
        if (!is_replaced(rules, work, of->newer, rows, row))
            continue;
        of->n_replaced++;
        found.older[found.n] = position;
        found.newer[found.n++] = (int64_t)of->newer->position;
    }
    PQclear(rows);
    work->replaces = work->replaces || found.n > 0;
    return result < 0 || found.n == 0 ? result : note(pg, &found);
}

// A row that was sent very often is gone through, for each step closes what it looks at. Where others share the key,
// that ends the search: the writer's lock is held.
static int keep_full(Asked *asked, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if (asked[i].n_replaced == OLDER_AT_ONCE)
            asked[kept++] = asked[i];
    }
    return kept;
}

static int replace_all(Pg *pg, const Rules *rules, Work *work, Asked *asked, int n) {
    int result = 0;
    for (int step = 0; result == 0 && n > 0 && step < STEPS_MAX; step++) {
        result = replace_some(pg, rules, work, asked, n);
        n = keep_full(asked, n);
    }
    return result;
}

int replacing_note(Pg *pg, const Rules *rules, Work *work) {
    Asked asked[ROWS_AT_ONCE];
    int n = 0, result = 0;
    for (size_t i = 0; result == 0 && i < work->n_entries; i++) {
        const Item *item = work->entry_items[i];
        if (!item->replaces || !resent_is_taken(work, item))
            continue;
        asked[n++] = (Asked){.newer = item, .before = came_at(item)};
        if (n == ROWS_AT_ONCE) {
            result = replace_all(pg, rules, work, asked, n);
            n = 0;
        }
    }
    return result < 0 ? result : replace_all(pg, rules, work, asked, n);
}

static const Oid OPEN_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement OPEN = {
    "replaced-still-open",
    "SELECT e.position FROM exchange.exception e WHERE e.position = ANY ($1) AND e.open AND e.replaced_by IS NOT NULL "
    "AND NOT EXISTS (SELECT FROM exchange.review_decision d WHERE d.review_case = e.review_case "
    "AND d.state = 'waiting') ORDER BY e.position FOR NO KEY UPDATE OF e",
    1, OPEN_TYPES};

int replacing_still_open(Pg *pg, Work *work) {
    PgParams params = {0};
    store_param_exceptions(&params, work);
    return store_drop_others(pg, &OPEN, &params, work);
}
