// SPDX-License-Identifier: Apache-2.0
//
// Has the records of persons who were found to be another moved, and those of persons with another number told again: a
// work at a time, until none is left of each. What a broker leaves undone stands in the database for whoever comes
// next.
#include "broker/redecide_state.h"

#include "broker/lookup.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <string.h>

#define LINKS_AT_ONCE 100
#define OID_INT8 20
#define OID_INT4 23

static const Oid WAITING_TYPES[] = {OID_INT8, OID_INT8, OID_INT4};
static const PgStatement WAITING = {
    "moves-waiting",
    "SELECT * FROM (SELECT person, merged_into, number, province, province63, agency, event_id, event_time_us, position "
    "FROM exchange.person_link WHERE NOT moved UNION ALL "
    "SELECT person, person, '', '', '', agency, event_id, event_time_us, position FROM exchange.renumbering "
    "WHERE NOT told) w WHERE (position, person) > ($1, $2) ORDER BY position, person LIMIT $3",
    3, WAITING_TYPES};

static int fill_link(Work *work, const PGresult *rows, int row) {
    Link *link = arena_zalloc(work->arena, sizeof *link);
    size_t n = 0;
    if (link == NULL)
        return error_fail(ERROR_MEMORY, "a merger does not fit");
    Person *person = &link->went.person;
    *person = (Person){.key = pg_i64(rows, row, 0),
                       .citizen_number = lookup_read_text(work->arena, rows, row, 2),
                       .full_name = "",
                       .birth_date = "",
                       .sex = "",
                       .residence_province = lookup_read_text(work->arena, rows, row, 3),
                       .residence_province63 = lookup_read_text(work->arena, rows, row, 4),
                       .died_on = ""};
    if (person->citizen_number == NULL || person->residence_province == NULL || person->residence_province63 == NULL)
        return error_fail(ERROR_MEMORY, "a merger does not fit");
    link->went.into = pg_i64(rows, row, 1);
    link->agency = (uint32_t)pg_i32(rows, row, 5);
    memcpy(link->event_id, pg_bytes(rows, row, 6, &n), EVENT_ID_BYTES); // the table holds that it is as long
    link->event_time_us = pg_i64(rows, row, 7);
    link->position = pg_i64(rows, row, 8);
    work->link = link;
    return 0;
}

// One after the other, for each moves what is left.
static int move_all(Actor *actor, const PGresult *rows, int row) {
    Work *work = actor->work;
    for (;;) {
        work_reset(work);
        work->kind = WORK_MOVE;
        int result = fill_link(work, rows, row);
        work->mark = arena_mark(work->arena);
        if (result == 0)
            result = redecide_store(actor);
        if (result < 0)
            return result;
        if (work->outcome == OUTCOME_REFUSED || work->outcome == OUTCOME_ERROR)
            log_error("records of a merged person cannot be moved, and are tried again later");
        if (work->outcome != OUTCOME_STORED)
            return 0;
    }
}

int redecide_moves(Actor *actor) {
    int64_t position = 0, person = 0;
    for (int n = LINKS_AT_ONCE; n == LINKS_AT_ONCE;) {
        PgParams params = {0};
        PGresult *rows = NULL;
        pg_param_i64(&params, position);
        pg_param_i64(&params, person);
        pg_param_i32(&params, LINKS_AT_ONCE);
        int result = pg_run(prepare_exchange(actor->prepare), &WAITING, &params, &rows);
        pg_params_free(&params);
        n = result == 0 ? PQntuples(rows) : 0;
        for (int row = 0; result == 0 && row < n; row++) {
            person = pg_i64(rows, row, 0);
            position = pg_i64(rows, row, 8);
            result = move_all(actor, rows, row);
        }
        PQclear(rows);
        if (result < 0)
            return result;
    }
    return 0;
}
