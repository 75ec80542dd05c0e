// SPDX-License-Identifier: Apache-2.0
//
// Has the records of persons who were found to be another moved, and those of persons with another number told again: a
// work at a time, until none is left of each. What a broker leaves undone stands in the database for whoever comes
// next.
#include "broker/redecide_state.h"

#include "broker/homes.h"
#include "broker/lookup.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>

#define LINKS_AT_ONCE 100
#define OID_INT8 20
#define OID_INT4 23
#define RETELL_TRIES 3

// One after the other, for whoever goes on takes along what came to them. Who moved house before they went: where they
// left is told first.
static const Oid WAITING_TYPES[] = {OID_INT8, OID_INT8, OID_INT4};
static const PgStatement WAITING = {
    "moves-waiting",
    "SELECT person, merged_into, number, province, province63, agency, event_id, event_time_us, position, EXISTS (SELECT "
    "FROM exchange.retelling t WHERE t.person = l.person AND NOT t.told) FROM exchange.person_link l "
    "WHERE NOT moved AND (position, person) > ($1, $2) ORDER BY position, person LIMIT $3",
    3, WAITING_TYPES};

static int fill_link(Work *work, const PGresult *rows, int row) {
    Link *link = arena_zalloc(work->arena, sizeof *link);
    size_t n = 0;
    if (link == NULL)
        return error_fail(ERROR_MEMORY, "a merger does not fit");
    link->went.person.key = pg_i64(rows, row, 0);
    int result = lookup_read_gone(work->arena, rows, row, 2, &link->went.person);
    if (result < 0)
        return result;
    link->went.into = pg_i64(rows, row, 1);
    link->agency = (uint32_t)pg_i32(rows, row, 5);
    memcpy(link->event_id, pg_bytes(rows, row, 6, &n), EVENT_ID_BYTES); // the table holds that it is as long
    link->event_time_us = pg_i64(rows, row, 7);
    link->position = pg_i64(rows, row, 8);
    work->link = link;
    return 0;
}

// The work has a copy of its own: who asked for it may be gone before the writer is done with it.
static int begin(Actor *actor, WorkKind kind, Advance *advance) {
    Work *work = actor->work;
    advance->from = advance->to;
    advance->rows = 0;
    work_reset(work);
    work->kind = kind;
    work->advance = arena_alloc(work->arena, sizeof *advance);
    if (work->advance == NULL)
        return error_fail(ERROR_MEMORY, "a place among records does not fit");
    *work->advance = *advance;
    return 0;
}

static int store(Actor *actor, Advance *advance, const char *failed) {
    Work *work = actor->work;
    work->mark = arena_mark(work->arena);
    int result = redecide_store(actor);
    if (result < 0)
        return result;
    *advance = *work->advance;
    if (work->outcome == OUTCOME_REFUSED || work->outcome == OUTCOME_ERROR) {
        log_error("%s, and are tried again later", failed);
        return REDECIDE_CANNOT;
    }
    return 0;
}

int redecide_advance(Actor *actor, WorkKind kind, Advance *advance, const char *failed) {
    int result = begin(actor, kind, advance);
    return result < 0 ? result : store(actor, advance, failed);
}

static int move_some(Actor *actor, const PGresult *rows, int row, Advance *advance) {
    int result = begin(actor, WORK_MOVE, advance);
    if (result == 0)
        result = fill_link(actor->work, rows, row);
    return result < 0 ? result : store(actor, advance, "records of a merged person cannot be moved");
}

// Until a work finds none left, which says so in the database.
static int move_all(Actor *actor, const PGresult *rows, int row) {
    Advance *advance = zmalloc(sizeof *advance);
    int result = 0;
    do {
        result = move_some(actor, rows, row, advance);
    } while (result == 0 && advance->rows > 0);
    free(advance);
    return result < 0 ? result : 0;
}

static int move_links(Actor *actor) {
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
            if (pg_bool(rows, row, 9))
                n = 0; // the next round goes on from here
            if (n == 0)
                break;
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

// ---- told again ----------------------------------------------------------------------------------------------------

// In the order of events, for one person's may be of several agencies.
static const PgStatement TELLER = {
    "retell-agency",
    "SELECT coalesce(agency, 0) FROM exchange.retelling WHERE NOT told ORDER BY position, cause LIMIT 1", 0, NULL};

static const Oid FAILED_TYPES[] = {OID_INT4, OID_INT4};
static const PgStatement FAILED = {
    "retell-failed",
    "UPDATE exchange.retelling r SET tries = r.tries + 1, told = r.tries + 1 >= $2, "
    "failed = CASE WHEN r.tries + 1 >= $2 THEN 'a broker could not tell them, and its log says why' END "
    "FROM (SELECT f.position, f.cause FROM exchange.retelling f WHERE NOT f.told AND coalesce(f.agency, 0) = $1 "
    "ORDER BY f.position, f.cause LIMIT 1) f WHERE r.position = f.position AND r.cause = f.cause "
    "RETURNING r.position, r.told",
    2, FAILED_TYPES};

// The agency's first. What fails time and again is let go, or all behind it would wait for ever.
static int note_failed(Actor *actor, uint32_t agency) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i32(&params, (int32_t)agency);
    pg_param_i32(&params, RETELL_TRIES);
    int result = pg_run(prepare_exchange(actor->prepare), &FAILED, &params, &rows);
    pg_params_free(&params);
    bool gone = result == 0 && PQntuples(rows) == 1 && pg_bool(rows, 0, 1);
    if (gone)
        log_error("records of the person of the event at position %lld are not told again, for it failed %d times",
                  (long long)pg_i64(rows, 0, 0), RETELL_TRIES);
    PQclear(rows);
    return result < 0 || gone ? result : REDECIDE_CANNOT;
}

// Where some together cannot be told, the one that is at fault is found by telling one after the other.
static int retell_all(Actor *actor, uint32_t agency) {
    Advance *advance = zmalloc(sizeof *advance);
    int result = 0;
    advance->agency = agency;
    do {
        result = redecide_advance(actor, WORK_RETELL, advance, "records cannot be told again");
        if (result == REDECIDE_CANNOT && !advance->alone) {
            *advance = (Advance){.agency = agency, .alone = true, .rows = 1};
            result = 0;
        }
    } while (result == 0 && advance->rows > 0);
    free(advance);
    return result == REDECIDE_CANNOT ? note_failed(actor, agency) : result;
}

static int retell(Actor *actor) {
    for (;;) {
        PGresult *rows = NULL;
        int result = pg_run(prepare_exchange(actor->prepare), &TELLER, NULL, &rows);
        bool any = result == 0 && PQntuples(rows) > 0;
        if (any)
            result = retell_all(actor, (uint32_t)pg_i32(rows, 0, 0));
        PQclear(rows);
        if (result != 0 || !any)
            return result < 0 ? result : 0;
    }
}

// ---- erased --------------------------------------------------------------------------------------------------------

static const PgStatement ERASED = {
    "erasures-waiting",
    "SELECT EXISTS (SELECT FROM exchange.erasure WHERE logged_position IS NULL AND refused IS NULL)", 0, NULL};

int redecide_erasures(Actor *actor) {
    PGresult *rows = NULL;
    int result = pg_run(prepare_exchange(actor->prepare), &ERASED, NULL, &rows);
    bool any = result == 0 && pg_bool(rows, 0, 0);
    PQclear(rows);
    Advance *advance = any ? zmalloc(sizeof *advance) : NULL;
    while (result == 0 && any) {
        result = redecide_advance(actor, WORK_ERASE, advance, "erasures cannot be logged");
        any = advance->rows > 0;
        if (result == REDECIDE_CANNOT && advance->to.position > advance->from.position) {
            any = true; // others need not wait for that one
            result = 0;
        }
    }
    free(advance);
    return result < 0 ? result : 0;
}

// Before what follows from them, and from who was merged.
static int see_to_homes(Actor *actor) {
    bool any = false;
    int result = homes_wait(actor->prepare, &any);
    Advance *advance = any ? zmalloc(sizeof *advance) : NULL;
    while (result == 0 && any) {
        result = redecide_advance(actor, WORK_HOME, advance, "persons who moved cannot be logged");
        any = advance->rows > 0;
    }
    free(advance);
    return result < 0 ? result : 0;
}

int redecide_moves(Actor *actor) {
    int result = see_to_homes(actor);
    if (result == 0)
        result = retell(actor);
    return result < 0 ? result : move_links(actor);
}
