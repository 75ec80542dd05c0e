// SPDX-License-Identifier: Apache-2.0
//
// Every record leaves by a version of its own that withdraws it. One that was withdrawn before stays as it is, and is
// not taken over: it would withdraw the other's.
#include "broker/moving.h"

#include "broker/lookup.h"
#include "broker/unite.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <string.h>

#define OID_INT8 20
#define OID_INT4 23
#define OID_TEXT 25

// Whom they went to may have gone to a third meanwhile, with all records; until those have, theirs come with them.
static const Oid TARGET_TYPES[] = {OID_INT8};
static const PgStatement TARGET = {"move-target",
                                   "SELECT w.person, coalesce(g.number, ''), coalesce(g.province, ''), "
                                   "coalesce(g.province63, '') FROM exchange.went_to($1, true) AS w(person) "
                                   "LEFT JOIN exchange.person_link g ON g.person = w.person WHERE w.person IS NOT NULL",
                                   1, TARGET_TYPES};
static const PgStatement STAYS = {
    "move-stays", "SELECT 0::bigint, " LOOKUP_PERSON_COLUMNS " FROM population.citizen c WHERE c.person = $1", 1,
    TARGET_TYPES};
static const Oid LEFT_TYPES[] = {OID_INT8, OID_INT4, OID_TEXT, OID_INT4};
static const PgStatement LEFT = {
    "move-left",
    "SELECT DISTINCT ON (domain, record_key) domain, record_key, record FROM exchange.record_version "
    "WHERE person = $1 AND NOT superseded AND (domain::integer, record_key) > ($2, $3) "
    "ORDER BY domain, record_key, position DESC LIMIT $4",
    4, LEFT_TYPES};
// They are held against the life of who stays, too, and what is in question of them stands in their record now.
static const Oid DONE_TYPES[] = {OID_INT8, OID_INT8, OID_INT8};
static const PgStatement DONE = {
    "move-done",
    "WITH stays AS (SELECT exchange.went_to($2, false) AS person), "
    "likely AS (UPDATE exchange.exception e SET "
    "likely_person = CASE WHEN e.likely_person = $1 THEN s.person ELSE e.likely_person END, "
    "person = CASE WHEN e.person = $1 THEN s.person ELSE e.person END FROM stays s "
    "WHERE e.open AND (e.likely_person = $1 OR e.person = $1)), "
    "judged AS (INSERT INTO exchange.judging (position, person, since) SELECT $3, s.person, $3 FROM stays s "
    "ON CONFLICT (position, person) DO UPDATE SET done = false) "
    "UPDATE exchange.person_link SET moved = true WHERE person = $1",
    3, DONE_TYPES};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "a person's records do not fit");
}

static int query(Pg *pg, const PgStatement *statement, int64_t person, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, person);
    int result = pg_run(pg, statement, &params, ret);
    pg_params_free(&params);
    return result;
}

static int find_target(Prepare *prepare, Pg *exchange, Work *work, Person **ret) {
    PGresult *way = NULL, *rows = NULL;
    Person *person = arena_zalloc(work->arena, sizeof *person);
    *ret = NULL;
    int result = person == NULL ? no_memory() : query(exchange, &TARGET, work->link->went.into, &way);
    if (result == 0 && PQntuples(way) == 1)
        result = query(prepare_population(prepare), &STAYS, pg_i64(way, 0, 0), &rows);
    if (result == 0 && rows != NULL && PQntuples(rows) == 1) {
        result = lookup_read_person(work->arena, rows, 0, person);
        *ret = person;
    } else if (result == 0 && PQntuples(way) == 1 && pg_text(way, 0, 1)[0] != '\0') {
        person->key = pg_i64(way, 0, 0); // who goes on to a third, as they were
        result = lookup_read_gone(work->arena, way, 0, 1, person);
        *ret = person;
    }
    PQclear(way);
    PQclear(rows);
    return result;
}

// ---- items ---------------------------------------------------------------------------------------------------------

static void fill(Item *item, const Person *person, const Item *like) {
    item->domain = like->domain;
    item->record_key = like->record_key;
    item->event = like->event;
    item->person = person;
    item->claimed_number = person->citizen_number;
    item->province_before = item->province_after = person->residence_province;
    item->province63_before = item->province63_after = person->residence_province63;
    item->record_hash = record_hash(person->key, item->domain, item->record_key);
}

static int read_left(Work *work, const PGresult *rows, int row, Dongbo__ChangeEvent *event, const Person *stays) {
    Item *leaves = &work->items[2 * row], *comes = leaves + 1;
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, 2, &n);
    Item like = {
        .domain = pg_i16(rows, row, 0), .record_key = lookup_read_text(work->arena, rows, row, 1), .event = event};
    const Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(work->arena), n, bytes);
    if (like.record_key == NULL || (record == NULL && arena_failed(work->arena)))
        return no_memory();
    fill(leaves, &work->link->went.person, &like);
    fill(comes, stays, &like);
    leaves->read = record == NULL ? &RECONCILE_UNREADABLE : record;
    comes->wanted = true;
    return 0;
}

static int read_items(Work *work, const PGresult *rows, const Person *stays) {
    size_t n = (size_t)PQntuples(rows);
    // What the log says of where they come from: the event that said who is who.
    Dongbo__ChangeEvent *event = work_cause(work->arena, work->link->event_id, work->link->event_time_us);
    work->items = event == NULL ? NULL : decide_items_new(work, 2 * n);
    if (work->items == NULL)
        return no_memory();
    work->n_items = 2 * n;
    int result = 0;
    for (size_t row = 0; result == 0 && row < n; row++)
        result = read_left(work, rows, (int)row, event, stays);
    return result;
}

static void set_place(const PGresult *rows, int row, AdvancePlace *ret) {
    *ret = (AdvancePlace){.domain = pg_i16(rows, row, 0)};
    snprintf(ret->record_key, sizeof ret->record_key, "%s", pg_text(rows, row, 1));
}

static int look_up(Pg *exchange, Work *work, const Person *stays) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i64(&params, work->link->went.person.key);
    pg_param_i32(&params, work->advance->from.domain);
    pg_param_text(&params, work->advance->from.record_key);
    pg_param_i32(&params, MOVING_RECORDS_MAX);
    int result = pg_run(exchange, &LEFT, &params, &rows);
    pg_params_free(&params);
    work->advance->rows = result == 0 ? PQntuples(rows) : 0;
    if (work->advance->rows > 0) {
        set_place(rows, work->advance->rows - 1, &work->advance->to);
        result = read_items(work, rows, stays);
    }
    PQclear(rows);
    return result < 0 || work->n_items == 0 ? result : lookup_records(exchange, work);
}

// ---- what becomes of each ------------------------------------------------------------------------------------------

// The person who stays has their own population record, by the store's word.
static bool goes_over(const Item *leaves) {
    return leaves->domain != DONGBO__DOMAIN__POPULATION && leaves->read != &RECONCILE_UNREADABLE;
}

// A record that was withdrawn goes over as any does, for what was withdrawn of one was withdrawn of both; but there is
// nothing of it to take away. One that was cleared by going over has gone.
static bool withdrawn(const Item *leaves) {
    return leaves->read != &RECONCILE_UNREADABLE && leaves->read->retracted;
}

static bool has_gone(const Item *leaves) {
    const ProtobufCBinaryData *by = &leaves->event->event_id;
    for (size_t i = 0; withdrawn(leaves) && i < leaves->read->n_origins; i++) {
        const ProtobufCBinaryData *id = &leaves->read->origins[i]->event_id;
        if (id->len == by->len && memcmp(id->data, by->data, by->len) == 0)
            return true;
    }
    return false;
}

static int move(const Rules *rules, Work *work, Item *leaves, Item *comes) {
    Unite both = {.rules = rules_domain(rules, leaves->domain),
                  .arena = work->arena,
                  .into = comes->read == &RECONCILE_UNREADABLE ? NULL : comes->read,
                  .coming = leaves->read};
    Dongbo__Origin by = DONGBO__ORIGIN__INIT;
    by.event_id = leaves->event->event_id;
    by.event_time_us = leaves->event->event_time_us;
    by.agency = work->link->agency;
    by.nature = DONGBO__NATURE__NATURE_RETRACTION;
    leaves->dropped = withdrawn(leaves);
    comes->dropped = has_gone(leaves);
    if (comes->dropped)
        return 0;
    int result = leaves->dropped ? 0 : unite_leave(&both, &by, &leaves->merged);
    leaves->decision.verdict = DONGBO__VERDICT__ACCEPTED;
    if (result == 0 && goes_over(leaves))
        result = unite(&both, &comes->merged);
    if (result > 0) {
        log_warn("a record of a person who was merged into another cannot be read, and is not taken over");
        comes->merged = (Merged){0};
    }
    comes->dropped = !comes->merged.store;
    comes->decision.verdict = comes->merged.verdict;
    if (result >= 0 && !comes->dropped)
        result = work_told_by(work->arena, comes->merged.record, comes);
    return result < 0 ? result : 0;
}

int moving_build(Prepare *prepare, Pg *exchange, Work *work) {
    Person *stays = NULL;
    work_rewind(work);
    int result = find_target(prepare, exchange, work, &stays);
    if (result == 0 && stays == NULL)
        work_settle(work, OUTCOME_NOTHING, 0, "the person who stays is not in the population store");
    if (result == 0 && stays != NULL)
        result = look_up(exchange, work, stays);
    for (size_t i = 0; result == 0 && i < work->n_items; i += 2)
        result = move(prepare_rules(prepare), work, &work->items[i], &work->items[i + 1]);
    return result;
}

int moving_done(Pg *exchange, const Work *work) {
    PgParams params = {0};
    pg_param_i64(&params, work->link->went.person.key);
    pg_param_i64(&params, work->link->went.into);
    pg_param_i64(&params, work->link->position);
    int result = pg_run(exchange, &DONE, &params, NULL);
    pg_params_free(&params);
    return result;
}
