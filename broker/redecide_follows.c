// SPDX-License-Identifier: Apache-2.0
//
// Has carried out what subscribers asked of their lists of followed persons: some works for each list in turn, so that
// one who asks for a million does not keep the others waiting.
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

// One list, as far as the round's works go: from its beginning, person by person, so that what was carried out before
// is not looked at again.
static int follow_list(Actor *actor, Advance *advance, int *works) {
    int result = 0;
    advance->person = 0;
    int64_t before;
    do {
        before = advance->person;
        result = redecide_advance(actor, WORK_FOLLOW, advance, "persons cannot be followed");
        actor->moved = actor->moved || (result == 0 && advance->rows > 0);
        // Nothing may be done of a page whose persons wait for something else.
    } while (result == 0 && (advance->rows > 0 || advance->person > before) && --*works > 0);
    return result;
}

static int follow_some(Actor *actor, Advance *advance) {
    int32_t first = 0, list = 0;
    int works = WORKS_MAX_A_ROUND, result = next_list(actor, &list);
    while (result == 0 && list != 0 && list != first && works > 0) {
        first = first == 0 ? list : first;
        actor->followed = advance->subscription = list;
        result = follow_list(actor, advance, &works);
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
