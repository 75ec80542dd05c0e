// SPDX-License-Identifier: Apache-2.0
//
// Has carried out what subscribers asked of their lists of followed persons: a work for each list in turn, so that one
// who asks for a million does not keep the others waiting.
#include "broker/redecide_state.h"

#include <stdlib.h>

#define WORKS_MAX_A_ROUND 16
#define OID_INT4 23

static const Oid LIST_TYPES[] = {OID_INT4};
static const PgStatement LIST = {
    "follow-lists",
    "SELECT coalesce((SELECT min(r.subscription) FROM exchange.follow_request r WHERE r.subscription > $1), "
    "(SELECT min(r.subscription) FROM exchange.follow_request r))",
    1, LIST_TYPES};

// The next list of which something waits, 0 for none.
static int next_list(Actor *actor, int32_t *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, actor->followed);
    int result = pg_run(prepare_exchange(actor->prepare), &LIST, &params, &rows);
    pg_params_free(&params);
    *ret = result == 0 ? pg_i32(rows, 0, 0) : 0;
    PQclear(rows);
    return result;
}

static int follow_some(Actor *actor, Advance *advance) {
    int32_t idle = 0, list = 0; // idle: the first one since a list moved of which nothing can be done now
    int result = next_list(actor, &list);
    for (int i = 0; result == 0 && list != 0 && list != idle && i < WORKS_MAX_A_ROUND; i++) {
        actor->followed = advance->subscription = list;
        result = redecide_advance(actor, WORK_FOLLOW, advance, "persons cannot be followed");
        if (result == 0 && advance->rows > 0) {
            actor->moved = true;
            idle = 0;
        } else if (result == 0 && idle == 0) {
            idle = list;
        }
        if (result == 0)
            result = next_list(actor, &list);
    }
    return result < 0 ? result : 0;
}

int redecide_follows(Actor *actor) {
    Advance *advance = calloc(1, sizeof *advance);
    if (advance == NULL)
        return 0; // another time
    int result = follow_some(actor, advance);
    free(advance);
    return result;
}
