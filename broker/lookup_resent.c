// SPDX-License-Identifier: Apache-2.0
//
// One statement a batch. It asks for the first of the agency's rows in the index's order, for to ask only whether there
// is one would have all exceptions read where another agency has many open. What it finds is only where to look: under
// the writer's lock it is looked at once more.
#include "broker/lookup_resent.h"

#include "broker/resent.h"
#include "proto/base/error.h"

#define OID_INT4 23
#define OID_INT8 20
#define OID_INT8_ARRAY 1016

static const Oid TYPES[] = {OID_INT4, OID_INT8_ARRAY};
static const PgStatement RESENT = {
    "rows-sent-again",
    "SELECT k.place FROM unnest($2::bigint[]) WITH ORDINALITY AS k(row_key, place) CROSS JOIN LATERAL "
    "(SELECT FROM exchange.exception e WHERE e.agency = $1 AND e.open AND e.replaced_by IS NULL "
    "AND e.row_key = k.row_key LIMIT 1) e "
    "WHERE (SELECT a.row_key FROM exchange.exception a WHERE a.agency = $1 AND a.open AND a.replaced_by IS NULL "
    "AND a.row_key IS NOT NULL ORDER BY a.row_key, a.position LIMIT 1) IS NOT NULL",
    2, TYPES};

static bool is_asked(const Work *work, const Item *item) {
    return (item->stale_person || item->stale_record) && resent_is_taken(work, item);
}

int lookup_resent(Pg *exchange, const Rules *rules, Work *work) {
    Item **asked = arena_alloc(work->arena, work->n_items * sizeof *asked);
    int n = 0;
    if (asked == NULL)
        return error_fail(ERROR_MEMORY, "the batch's rows do not fit");
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!is_asked(work, item))
            continue;
        item->row_key = resent_key(rules, item->event);
        if (item->row_key != 0)
            asked[n++] = item;
    }
    if (n == 0)
        return 0;
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, (int32_t)work->agency->grants.agency);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)asked[i]->row_key);
    int result = pg_run(exchange, &RESENT, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        asked[pg_i64(rows, row, 0) - 1]->replaces = true;
    PQclear(rows);
    return result;
}
