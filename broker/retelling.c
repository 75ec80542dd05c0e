// SPDX-License-Identifier: Apache-2.0
//
// One query for the records, one for their persons, one to say that they are done with.
#include "broker/retelling.h"

#include "broker/lookup.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <string.h>

#define OID_INT4 23
#define OID_INT8 20
#define OID_TEXT 25

enum {
    POSITION,
    CAUSE,
    PERSON,
    PROVINCE_BEFORE,
    PROVINCE63_BEFORE,
    PROVINCE_AFTER,
    PROVINCE63_AFTER,
    EVENT_ID,
    EVENT_TIME,
    DOMAIN,
    RECORD_KEY,
    RECORD,
    NUMBER_WENT // of somebody who was merged into another since
};
static const Oid NEXT_TYPES[] = {OID_INT4, OID_INT4, OID_INT8, OID_INT8, OID_INT4, OID_TEXT, OID_INT4};
// A person without records, or with none behind that place, is one row without a record.
static const PgStatement NEXT = {
    "retell-next",
    "SELECT t.position, t.cause::bigint, t.person, t.province_before, t.province63_before, t.province_after, "
    "t.province63_after, t.event_id, t.event_time_us, r.domain, r.record_key, r.record, l.number "
    "FROM (SELECT * FROM exchange.retelling WHERE NOT told AND agency = $1 AND position < coalesce((SELECT o.position "
    "FROM exchange.retelling o WHERE NOT o.told AND o.agency <> $1 ORDER BY o.position LIMIT 1), 9223372036854775807) "
    "ORDER BY position, cause LIMIT $2) t "
    "LEFT JOIN LATERAL (SELECT DISTINCT ON (v.domain, v.record_key) v.domain, v.record_key, v.record "
    "FROM exchange.record_version v WHERE v.person = t.person AND v.domain <> 1 AND NOT v.superseded "
    "ORDER BY v.domain, v.record_key, v.position DESC) r "
    "ON (t.position, t.cause::bigint, r.domain::integer, r.record_key) > ($3, $4, $5, $6) "
    "LEFT JOIN exchange.person_link l ON l.person = t.person "
    "ORDER BY t.position, t.cause, r.domain, r.record_key LIMIT $7",
    7, NEXT_TYPES};
static const Oid TOLD_TYPES[] = {OID_INT4, OID_INT8, OID_INT8, OID_INT8, OID_INT8};
static const PgStatement TOLD = {"retold",
                                 "UPDATE exchange.retelling SET told = (position, cause::bigint) <= ($2, $4), "
                                 "told_position = $5 "
                                 "WHERE NOT told AND agency = $1 AND (position, cause::bigint) <= ($2, $3)",
                                 5, TOLD_TYPES};

typedef struct Persons {
    Person *list;
    size_t n;
} Persons;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "the records to be told again do not fit");
}

static int query_next(Pg *exchange, const Advance *advance, PGresult **ret) {
    const AdvancePlace *from = &advance->from;
    PgParams params = {0};
    pg_param_i32(&params, (int32_t)advance->agency);
    pg_param_i32(&params, RETELLING_PERSONS_MAX);
    pg_param_i64(&params, from->position);
    pg_param_i64(&params, from->cause);
    pg_param_i32(&params, from->domain);
    pg_param_text(&params, from->record_key);
    pg_param_i32(&params, RETELLING_RECORDS_MAX);
    int result = pg_run(exchange, &NEXT, &params, ret);
    pg_params_free(&params);
    return result;
}

static int find_persons(Pg *population, Arena *arena, const PGresult *rows, Persons *ret) {
    size_t n = (size_t)PQntuples(rows);
    int64_t *keys = arena_alloc(arena, n * sizeof *keys + 1);
    *ret = (Persons){0};
    if (keys == NULL)
        return no_memory();
    for (size_t row = 0; row < n; row++)
        keys[row] = pg_i64(rows, (int)row, PERSON);
    return lookup_keys(population, arena, &(LookupKeys){keys, n}, &ret->list, &ret->n);
}

// Whoever was merged into another meanwhile is not in the store any more, and has the number that they went with. NULL
// for want of memory.
static const Person *person_of(Arena *arena, const Persons *persons, const PGresult *rows, int row) {
    int64_t key = pg_i64(rows, row, PERSON);
    for (size_t i = 0; i < persons->n; i++) {
        if (persons->list[i].key == key)
            return &persons->list[i];
    }
    Person *went = arena_zalloc(arena, sizeof *went);
    if (went == NULL)
        return NULL;
    went->key = key;
    went->citizen_number = pg_is_null(rows, row, NUMBER_WENT) ? "" : lookup_read_text(arena, rows, row, NUMBER_WENT);
    return went->citizen_number == NULL ? NULL : went;
}

// One that was withdrawn is told to those only who are to let it go: where the person lived before, it may have been
// withdrawn when they lived there no longer.
static int read_record(Arena *arena, const PGresult *rows, int row, Item *item) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, RECORD, &n);
    Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(arena), n, bytes);
    if (record == NULL && arena_failed(arena))
        return no_memory();
    item->dropped = record == NULL || (record->retracted && pg_i64(rows, row, CAUSE) == RETELLING_NUMBER);
    item->merged = (Merged){.verdict = DONGBO__VERDICT__ACCEPTED, .record = record};
    item->merged.deleted = record != NULL && record->retracted;
    return record == NULL ? 0 : work_told_by(arena, record, item);
}

static int fill(Work *work, const PGresult *rows, int row, const Person *person) {
    Arena *arena = work->arena;
    Item *item = &work->items[work->n_items++];
    item->domain = pg_i16(rows, row, DOMAIN);
    size_t n = 0;
    const uint8_t *event_id = pg_bytes(rows, row, EVENT_ID, &n); // the table holds that it is as long
    item->event = work_cause(arena, event_id, pg_i64(rows, row, EVENT_TIME));
    item->person = person;
    item->claimed_number = person->citizen_number;
    item->record_key = lookup_read_text(arena, rows, row, RECORD_KEY);
    item->province_before = lookup_read_text(arena, rows, row, PROVINCE_BEFORE);
    item->province63_before = lookup_read_text(arena, rows, row, PROVINCE63_BEFORE);
    item->province_after = lookup_read_text(arena, rows, row, PROVINCE_AFTER);
    item->province63_after = lookup_read_text(arena, rows, row, PROVINCE63_AFTER);
    if (item->event == NULL || item->record_key == NULL || item->province_before == NULL ||
        item->province63_before == NULL || item->province_after == NULL || item->province63_after == NULL)
        return no_memory();
    item->record_hash = record_hash(person->key, item->domain, item->record_key);
    return read_record(arena, rows, row, item);
}

// ---- places --------------------------------------------------------------------------------------------------------

static void set_place(const PGresult *rows, int row, AdvancePlace *ret) {
    *ret = (AdvancePlace){.position = pg_i64(rows, row, POSITION), .cause = pg_i64(rows, row, CAUSE)};
    if (pg_is_null(rows, row, DOMAIN))
        return;
    const char *key = pg_text(rows, row, RECORD_KEY);
    ret->domain = pg_i16(rows, row, DOMAIN);
    snprintf(ret->record_key, sizeof ret->record_key, "%s", key); // cut: some are told twice, and none is left out
}

int retelling_build(Prepare *prepare, Pg *exchange, Work *work) {
    Advance *advance = work->advance;
    PGresult *rows = NULL;
    Persons persons = {0};
    work_rewind(work);
    int result = query_next(exchange, advance, &rows);
    advance->rows = result == 0 ? PQntuples(rows) : 0;
    if (advance->rows > 0)
        result = find_persons(prepare_population(prepare), work->arena, rows, &persons);
    work->items = result == 0 ? decide_items_new(work, (size_t)advance->rows + 1) : NULL;
    if (result == 0 && work->items == NULL)
        result = no_memory();
    for (int row = 0; result == 0 && row < advance->rows; row++) {
        const Person *person = person_of(work->arena, &persons, rows, row);
        if (person == NULL)
            result = no_memory();
        else if (!pg_is_null(rows, row, RECORD))
            result = fill(work, rows, row, person);
    }
    if (result == 0 && advance->rows > 0)
        set_place(rows, advance->rows - 1, &advance->to);
    PQclear(rows);
    return result;
}

int retelling_done(Pg *exchange, Work *work, uint64_t last_position) {
    Advance *advance = work->advance;
    bool all = advance->rows < RETELLING_RECORDS_MAX; // of the last event's too
    PgParams params = {0};
    pg_param_i32(&params, (int32_t)advance->agency);
    pg_param_i64(&params, advance->to.position);
    pg_param_i64(&params, advance->to.cause);
    pg_param_i64(&params, all ? advance->to.cause : advance->to.cause - 1);
    pg_param_i64(&params, (int64_t)last_position + advance->rows);
    int result = pg_run(exchange, &TOLD, &params, NULL);
    pg_params_free(&params);
    if (all)
        advance->to = (AdvancePlace){0};
    return result;
}
