// SPDX-License-Identifier: Apache-2.0
//
// One query for the records, one for their persons, one to say that they are done with.
#include "broker/retelling.h"

#include "broker/decide.h"
#include "broker/lookup.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <string.h>

#define OID_INT4 23
#define OID_INT8 20
#define OID_TEXT 25
#define OID_BYTEA 17
#define OID_BYTEA_ARRAY 1001
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

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
    "FROM (SELECT * FROM exchange.retelling WHERE NOT told AND coalesce(agency, 0) = $1 AND position < coalesce((SELECT "
    "o.position FROM exchange.retelling o WHERE NOT o.told AND coalesce(o.agency, 0) <> $1 ORDER BY o.position LIMIT 1), 9223372036854775807) "
    "ORDER BY position, cause LIMIT $2) t "
    "LEFT JOIN LATERAL (SELECT DISTINCT ON (v.domain, v.record_key) v.domain, v.record_key, v.record "
    "FROM exchange.record_version v WHERE v.person = t.person AND (v.domain <> 1 OR t.cause = 3) AND NOT v.superseded "
    "ORDER BY v.domain, v.record_key, v.position DESC) r "
    "ON (t.position, t.cause::bigint, r.domain::integer, r.record_key) > ($3, $4, $5, $6) "
    "LEFT JOIN exchange.person_link l ON l.person = t.person "
    "ORDER BY t.position, t.cause, r.domain, r.record_key LIMIT $7",
    7, NEXT_TYPES};
static const Oid TOLD_TYPES[] = {OID_INT4, OID_INT8, OID_INT8, OID_INT8, OID_INT8};
static const PgStatement TOLD = {
    "retold",
    "UPDATE exchange.retelling SET told = (position, cause::bigint) <= ($2, $4), "
    "told_position = $5 "
    "WHERE NOT told AND coalesce(agency, 0) = $1 AND (position, cause::bigint) <= ($2, $3)",
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
    pg_param_i32(&params, advance->alone ? 1 : RETELLING_PERSONS_MAX);
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

// They may have gone on since. The entries of that move told of who they are, and had it let go where they had been:
// told there now it would stay for good. What was withdrawn on their way is let go where they set out, also if that is
// where they live again: no entry did so.
static void set_home(const PGresult *rows, int row, const Person *person, Item *item) {
    if (pg_i64(rows, row, CAUSE) != RETELLING_HOME || person->residence_province == NULL || item->merged.deleted)
        return;
    item->province_after = person->residence_province;
    item->province63_after = person->residence_province63;
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
    int result = read_record(arena, rows, row, item);
    if (result == 0)
        set_home(rows, row, person, item);
    return result;
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

// ---- noting --------------------------------------------------------------------------------------------------------

#define NUMBER_BIT (1u << 2)

static const Oid NOTE_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                                 OID_TEXT_ARRAY, OID_INT4,       OID_BYTEA_ARRAY, OID_INT8_ARRAY, OID_INT4};
static const PgStatement NOTE = {
    "retelling-note",
    "INSERT INTO exchange.retelling (position, person, province_before, province63_before, province_after, "
    "province63_after, agency, event_id, event_time_us, cause) SELECT s.position, s.person, s.province_before, "
    "s.province63_before, s.province_after, s.province63_after, $7, s.event_id, s.event_time_us, $10 "
    "FROM unnest($1, $2, $3, $4, $5, $6, $8, $9) AS s(position, person, province_before, province63_before, "
    "province_after, province63_after, event_id, event_time_us)",
    10, NOTE_TYPES};

static bool changes_person(const Item *item) {
    return item->domain == DONGBO__DOMAIN__POPULATION && item->event != NULL && item->person != NULL &&
           item->decision.verdict == DONGBO__VERDICT__ACCEPTED;
}

static bool has_another_number(const Item *item) {
    return changes_person(item) && (item->merged.won & NUMBER_BIT) != 0 &&
           population_is_reissue(item->event->population);
}

// In either code set. Whoever only now comes in has no records yet.
bool retelling_moves(const Item *item) {
    bool moved = strcmp(item->province_before, item->province_after) != 0 ||
                 strcmp(item->province63_before, item->province63_after) != 0;
    return changes_person(item) && moved && (item->province_before[0] != '\0' || !decide_brings_person(item));
}

typedef const char *PlaceOf(const Item *item, bool moved);

static const char *before(const Item *item, bool moved) {
    return moved ? item->province_before : item->province_after;
}

static const char *before63(const Item *item, bool moved) {
    return moved ? item->province63_before : item->province63_after;
}

static const char *now(const Item *item, bool moved) {
    (void)moved;
    return item->province_after;
}

static const char *now63(const Item *item, bool moved) {
    (void)moved;
    return item->province63_after;
}

static void place_params(PgParams *params, const Item **items, int n, bool moved) {
    static PlaceOf *const PLACES[] = {before, before63, now, now63};
    for (size_t place = 0; place < sizeof PLACES / sizeof *PLACES; place++) {
        pg_param_array_begin(params, OID_TEXT, n);
        for (int i = 0; i < n; i++) {
            const char *text = PLACES[place](items[i], moved);
            pg_array_text(params, text, strlen(text));
        }
    }
}

typedef bool IsWanted(const Item *item);

// Of the work's entries; NULL where there are none. ERROR_MEMORY.
static int pick(const Work *work, IsWanted *is_wanted, const Item ***ret, int *ret_n) {
    *ret = NULL;
    *ret_n = 0;
    for (size_t i = 0; i < work->n_entries; i++) {
        if (!is_wanted(work->entry_items[i]))
            continue;
        if (*ret == NULL && (*ret = arena_alloc(work->arena, work->n_entries * sizeof **ret)) == NULL)
            return no_memory();
        (*ret)[(*ret_n)++] = work->entry_items[i];
    }
    return 0;
}

void retelling_param_events(PgParams *params, const Item **items, int n) {
    pg_param_array_begin(params, OID_BYTEA, n);
    for (int i = 0; i < n; i++)
        pg_array_bytes(params, items[i]->event->event_id.data, items[i]->event->event_id.len);
    pg_param_array_begin(params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(params, items[i]->event->event_time_us);
}

static int note(Pg *exchange, const Work *work, IsWanted *is_wanted, int cause) {
    const Item **items = NULL;
    int n = 0, result = pick(work, is_wanted, &items, &n);
    if (result < 0 || n == 0)
        return result;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)items[i]->position);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, items[i]->person->key);
    place_params(&params, items, n, cause == RETELLING_RESIDENCE);
    pg_param_i32(&params, (int32_t)work->agency->grants.agency);
    retelling_param_events(&params, items, n);
    pg_param_i32(&params, cause);
    result = pg_run(exchange, &NOTE, &params, NULL);
    pg_params_free(&params);
    return result;
}

int retelling_note(Pg *exchange, const Work *work) {
    int result = note(exchange, work, has_another_number, RETELLING_NUMBER);
    return result < 0 ? result : note(exchange, work, retelling_moves, RETELLING_RESIDENCE);
}
