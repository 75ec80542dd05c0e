// SPDX-License-Identifier: Apache-2.0
//
// Closes the open events of rows that their agency sent again and that were taken then: a decision like any other, by
// nobody but the agency itself. What an officer has decided on meanwhile is carried out as they decided it.
#include "broker/redecide_state.h"

#include "proto/base/error.h"
#include "proto/base/log.h"

#define OID_INT4 23
#define OID_INT8 20

static const Oid TYPES[] = {OID_INT8, OID_INT4};
static const PgStatement REPLACED = {
    "replaced",
    "SELECT d.* FROM (SELECT position, stream, sequence, agency, event, leaf, false, verdict, " REDECIDE_HELD
    " AS held, " REDECIDE_STANDS
    " AS stands, replaced_by FROM exchange.exception e WHERE open AND replaced_by IS NOT NULL AND position > $1 "
    "AND NOT EXISTS (SELECT FROM exchange.review_decision w WHERE w.review_case = e.review_case "
    "AND w.state = 'waiting') ORDER BY position LIMIT $2) d ORDER BY stream, position",
    2, TYPES};

static int close_rows(Actor *actor, const PGresult *rows, int from, int to) {
    work_reset(actor->work);
    Review *review = arena_alloc(actor->work->arena, sizeof *review);
    if (review == NULL)
        return error_fail(ERROR_MEMORY, "what closes a row's event does not fit");
    *review = (Review){.action = REVIEW_REPLACED, .citizen_number = "", .officer = "", .why = ""};
    actor->work->review = review;
    int result = redecide_prepare(actor, rows, from, to);
    if (result == REDECIDE_CANNOT)
        log_error("events whose rows came again cannot be closed: %s", error_text());
    if (result != 0)
        return result < 0 ? result : 0;
    return redecide_store(actor);
}

int redecide_resent(Actor *actor) {
    int64_t after = 0;
    for (;;) {
        PgParams params = {0};
        PGresult *rows = NULL;
        pg_param_i64(&params, after);
        pg_param_i32(&params, REDECIDE_ITEMS_MAX);
        int result = pg_run(prepare_exchange(actor->prepare), &REPLACED, &params, &rows);
        pg_params_free(&params);
        int n = result == 0 ? PQntuples(rows) : 0;
        if (result == 0)
            result = redecide_page(actor, rows, close_rows, &after);
        PQclear(rows);
        if (result < 0 || n < REDECIDE_ITEMS_MAX)
            return result;
    }
}
