// SPDX-License-Identifier: Apache-2.0
//
// Two statements, and both only where an older event of a row may be open.
#include "broker/replacing.h"

#include "broker/resent.h"
#include "broker/store.h"
#include "proto/base/error.h"

#define OID_INT4 23
#define OID_INT8 20
#define OID_INT8_ARRAY 1016

// What is held is an officer's to decide (250 is GUESSES_TOO_MANY).
static const Oid OLDER_TYPES[] = {OID_INT4, OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement OLDER = {
    "rows-older",
    "SELECT k.place, e.position, e.event FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY "
    "AS k(row_key, before, place) CROSS JOIN LATERAL (SELECT o.position, o.event FROM exchange.exception o "
    "WHERE o.agency = $1 AND o.row_key = k.row_key AND o.open AND o.replaced_by IS NULL AND o.position < k.before "
    "AND NOT 250 = ANY (o.reason_codes) ORDER BY o.position DESC LIMIT 16) e LIMIT 1024",
    3, OLDER_TYPES};
static const Oid REPLACED_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement REPLACED = {
    "rows-replaced",
    "UPDATE exchange.exception e SET replaced_by = n.newer FROM unnest($1::bigint[], $2::bigint[]) AS n(older, newer) "
    "WHERE e.position = n.older AND e.open",
    2, REPLACED_TYPES};

typedef struct Pairs {
    int64_t *older;
    const Item **newer;
    int n;
} Pairs;

static int64_t came_at(const Item *item) {
    return item->exception != 0 ? item->exception : (int64_t)item->position;
}

static int query_older(Pg *pg, const Work *work, const Pairs *asked, PGresult **ret) {
    PgParams params = {0};
    pg_param_i32(&params, (int32_t)work->agency->grants.agency);
    pg_param_array_begin(&params, OID_INT8, asked->n);
    for (int i = 0; i < asked->n; i++)
        pg_array_i64(&params, (int64_t)asked->newer[i]->row_key);
    pg_param_array_begin(&params, OID_INT8, asked->n);
    for (int i = 0; i < asked->n; i++)
        pg_array_i64(&params, came_at(asked->newer[i]));
    int result = pg_run(pg, &OLDER, &params, ret);
    pg_params_free(&params);
    return result;
}

// What does not decode, or does not fit beside the batch, stays open.
static bool is_replaced(const Rules *rules, Work *work, const Item *newer, const PGresult *rows, int row) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, 2, &n);
    ArenaMark mark = arena_mark(work->arena);
    Dongbo__ChangeEvent *older = dongbo__change_event__unpack(arena_protobuf(work->arena), n, data);
    bool replaced = older != NULL && resent_replaces(rules, newer->event, older);
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
        pg_array_i64(&params, (int64_t)found->newer[i]->position);
    int result = pg_run(pg, &REPLACED, &params, NULL);
    pg_params_free(&params);
    return result;
}

static int pairs_new(Arena *arena, size_t n, Pairs *ret) {
    *ret = (Pairs){.older = arena_alloc(arena, n * sizeof *ret->older),
                   .newer = arena_alloc(arena, n * sizeof *ret->newer)};
    return ret->older == NULL || ret->newer == NULL ? error_fail(ERROR_MEMORY, "rows that came again do not fit") : 0;
}

int replacing_note(Pg *pg, const Rules *rules, Work *work) {
    Pairs asked, found = {0};
    PGresult *rows = NULL;
    int result = pairs_new(work->arena, work->n_entries, &asked);
    for (size_t i = 0; result == 0 && i < work->n_entries; i++) {
        if (work->entry_items[i]->replaces && resent_is_taken(work, work->entry_items[i]))
            asked.newer[asked.n++] = work->entry_items[i];
    }
    if (result < 0 || asked.n == 0)
        return result;
    result = query_older(pg, work, &asked, &rows);
    if (result == 0)
        result = pairs_new(work->arena, (size_t)PQntuples(rows), &found);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        const Item *newer = asked.newer[pg_i64(rows, row, 0) - 1];
        if (!is_replaced(rules, work, newer, rows, row))
            continue;
        found.older[found.n] = pg_i64(rows, row, 1);
        found.newer[found.n++] = newer;
    }
    PQclear(rows);
    work->replaces = work->replaces || found.n > 0;
    return result < 0 || found.n == 0 ? result : note(pg, &found);
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
