// SPDX-License-Identifier: Apache-2.0
//
// Carries out what officers decided: a case's open events, some of one stream at a time, through the same deciding and
// the same writer as any other. Until all are closed the decision waits, so that a broker that dies between two works
// leaves the rest to whoever comes next; the writer sees to it that nothing is decided twice.
#include "broker/redecide_state.h"

#include "broker/store.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <string.h>

#define REVIEWS_AT_ONCE 100
#define OID_INT4 23
#define OID_INT8 20
#define OID_TEXT 25

static const Oid READ_TYPES[] = {OID_INT8, OID_INT4};
static const PgStatement WAITING = {
    "reviews-waiting",
    "SELECT decision, review_case, action, coalesce(citizen_number, ''), decided_by, why "
    "FROM exchange.review_decision WHERE state = 'waiting' AND decision > $1 ORDER BY decision LIMIT $2",
    2, READ_TYPES};
// Of the stream that asked first.
static const PgStatement EVENTS = {
    "reviews-events",
    "SELECT position, stream, sequence, agency, event, leaf, false, verdict, " REDECIDE_HELD ", " REDECIDE_STANDS
    " FROM exchange.exception e "
    "WHERE open AND review_case = $1 AND stream = (SELECT stream FROM exchange.exception "
    "WHERE open AND review_case = $1 ORDER BY position LIMIT 1) ORDER BY position LIMIT $2",
    2, READ_TYPES};
// The case was closed by other means: its person became known, say.
static const PgStatement OVER = {
    "reviews-over",
    "UPDATE exchange.review_decision d SET state = CASE WHEN position IS NULL THEN 'failed' ELSE 'done' END, "
    "outcome = coalesce(outcome, 'all events of the case had been decided before') WHERE decision = $1 "
    "AND state = 'waiting' AND NOT EXISTS (SELECT FROM exchange.exception e WHERE e.review_case = d.review_case "
    "AND e.open)",
    1, READ_TYPES};

static const char *copy_of(Arena *arena, const PGresult *rows, int row, int column, bool *failed) {
    const char *text = pg_text(rows, row, column);
    const char *copy = arena_strndup(arena, text, strlen(text));
    *failed = *failed || copy == NULL;
    return copy;
}

static int fill_review(Work *work, const PGresult *decisions, int row) {
    work_reset(work);
    Review *review = arena_alloc(work->arena, sizeof *review);
    bool failed = review == NULL;
    if (failed)
        return error_fail(ERROR_MEMORY, "an officer's decision does not fit");
    *review = (Review){.decision = pg_i64(decisions, row, 0), .review_case = pg_i64(decisions, row, 1)};
    if (review_action(pg_text(decisions, row, 2), &review->action) != 0)
        return error_fail(ERROR_DATABASE, "decision %lld does what this broker does not know",
                          (long long)review->decision);
    review->citizen_number = copy_of(work->arena, decisions, row, 3, &failed);
    review->officer = copy_of(work->arena, decisions, row, 4, &failed);
    review->why = copy_of(work->arena, decisions, row, 5, &failed);
    work->review = review;
    return failed ? error_fail(ERROR_MEMORY, "an officer's decision does not fit") : 0;
}

static int query(Actor *actor, const PgStatement *statement, int64_t number, int limit, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, number);
    pg_param_i32(&params, limit);
    int result = pg_run(prepare_exchange(actor->prepare), statement, &params, ret);
    pg_params_free(&params);
    return result;
}

static int end_review(Actor *actor, int64_t decision) {
    PgParams params = {0};
    pg_param_i64(&params, decision);
    int result = pg_run(prepare_exchange(actor->prepare), &OVER, &params, NULL);
    pg_params_free(&params);
    return result;
}

// What became of one work. *ret_more: it was stored, and the case may have more.
static int carry_out_some(Actor *actor, const PGresult *events, bool *ret_more) {
    Work *work = actor->work;
    int result = redecide_prepare(actor, events, 0, PQntuples(events));
    const char *why = NULL;
    if (result == 0)
        result = redecide_store(actor);
    if (result < 0)
        return result;
    if (result == REDECIDE_DISABLED)
        why = "the agency is disabled";
    else if (result == REDECIDE_CANNOT || work->outcome == OUTCOME_REFUSED || work->outcome == OUTCOME_ERROR)
        why = "a broker could not carry it out, and its log says why";
    if (result == REDECIDE_CANNOT)
        log_error("decision %lld cannot be carried out: %s", (long long)work->review->decision, error_text());
    *ret_more = why == NULL && work->outcome == OUTCOME_STORED;
    return why == NULL ? 0 : store_barred(prepare_exchange(actor->prepare), work->review, why);
}

// One work of it. *any: there may be more.
static int carry_out(Actor *actor, const PGresult *decisions, int row, bool *any) {
    PGresult *events = NULL;
    bool more = false;
    int result = fill_review(actor->work, decisions, row);
    if (result == 0)
        result = query(actor, &EVENTS, pg_i64(decisions, row, 1), REDECIDE_ITEMS_MAX, &events);
    if (result == 0 && PQntuples(events) > 0)
        result = carry_out_some(actor, events, &more);
    else if (result == 0)
        result = end_review(actor, pg_i64(decisions, row, 0));
    PQclear(events);
    *any = *any || more;
    return result;
}

// One work of each decision that waits: one on very many events is no reason for the others to wait.
static int carry_out_each(Actor *actor, bool *any) {
    int64_t after = 0;
    *any = false;
    for (int n = REVIEWS_AT_ONCE; n == REVIEWS_AT_ONCE;) {
        PGresult *decisions = NULL;
        int result = query(actor, &WAITING, after, REVIEWS_AT_ONCE, &decisions);
        n = result == 0 ? PQntuples(decisions) : 0;
        for (int row = 0; result == 0 && row < n; row++) {
            after = pg_i64(decisions, row, 0);
            result = carry_out(actor, decisions, row, any);
        }
        PQclear(decisions);
        if (result < 0)
            return result;
    }
    return 0;
}

int redecide_reviews(Actor *actor) {
    int result = 0;
    for (bool any = true; result == 0 && any;)
        result = carry_out_each(actor, &any);
    return result;
}
