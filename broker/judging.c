// SPDX-License-Identifier: Apache-2.0
//
// A record is judged as an event that says all of it would be; what is found so is judged once more by the event
// itself, under the log's lock. What contradicted the life without the death as well is no news.
#include "broker/judging.h"

#include "broker/decide_standing.h"
#include "broker/lookup.h"
#include "broker/origins.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIED_ON_BIT (1u << 10)
#define OID_INT4 23
#define OID_INT8 20
#define OID_TEXT 25
#define OID_INT8_ARRAY 1016

static const Oid NOTE_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement NOTE = {"judging-note",
                                 "INSERT INTO exchange.judging (position, person, since) "
                                 "SELECT * FROM unnest($1, $2, $3)",
                                 3, NOTE_TYPES};
static const Oid LIMIT_TYPES[] = {OID_INT4};
// Not while records go over by the event's word: then it is to be judged once more, and to be done with it now could
// take that back.
static const PgStatement WAITING = {"judging-waiting",
                                    "SELECT position, person, since FROM exchange.judging j WHERE NOT done "
                                    "AND NOT EXISTS (SELECT FROM exchange.person_link l WHERE l.position = j.position "
                                    "AND NOT l.moved) ORDER BY position, person LIMIT $1",
                                    1, LIMIT_TYPES};
static const Oid PERSONS_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement PERSONS = {"judging-persons",
                                    "SELECT n.i, " LOOKUP_PERSON_COLUMNS
                                    " FROM unnest($1::bigint[]) WITH ORDINALITY AS n(person, i) "
                                    "JOIN population.citizen c ON c.person = n.person WHERE c.died_on <> ''",
                                    1, PERSONS_TYPES};
enum { INDEX, DOMAIN, RECORD_KEY, RECORD };
static const Oid RECORDS_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY, OID_INT8, OID_INT4, OID_TEXT, OID_INT4};
static const PgStatement RECORDS = {
    "judging-records",
    "SELECT n.i, r.domain, r.record_key, r.record FROM unnest($1, $2) WITH ORDINALITY AS n(person, since, i) "
    "CROSS JOIN LATERAL (SELECT DISTINCT ON (v.domain, v.record_key) v.domain, v.record_key, v.position, v.record "
    "FROM exchange.record_version v WHERE v.person = n.person AND v.domain <> 1 AND NOT v.superseded "
    "ORDER BY v.domain, v.record_key, v.position DESC) r WHERE r.position > n.since "
    "AND (n.i, r.domain::integer, r.record_key) > ($3, $4, $5) ORDER BY n.i, r.domain, r.record_key LIMIT $6",
    6, RECORDS_TYPES};
static const Oid DONE_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement DONE = {"judging-done",
                                 "UPDATE exchange.judging j SET done = true FROM unnest($1, $2) AS n(position, person) "
                                 "WHERE j.position = n.position AND j.person = n.person",
                                 2, DONE_TYPES};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "the records to be judged do not fit");
}

// ---- who is to be judged -------------------------------------------------------------------------------------------

// So is a record that goes on without an event: what had lost to that one's word may be no better.
static bool goes_on_without(const Work *work, const Item *item) {
    return decide_withdraws(work, item) && item->merged.store && !item->merged.deleted && item->person != NULL;
}

static bool brings_death(const Item *item) {
    return item->domain == DONGBO__DOMAIN__POPULATION && item->event != NULL && item->person != NULL &&
           item->decision.verdict == DONGBO__VERDICT__ACCEPTED && (item->merged.won & DIED_ON_BIT) != 0;
}

static bool is_noted(const Work *work, const Item *item) {
    return brings_death(item) || goes_on_without(work, item);
}

int judging_note(Pg *exchange, const Work *work) {
    PgParams params = {0};
    int n = 0;
    for (size_t i = 0; i < work->n_entries; i++)
        n += is_noted(work, work->entry_items[i]);
    if (n == 0)
        return 0;
    for (int column = 0; column < 3; column++) {
        pg_param_array_begin(&params, OID_INT8, n);
        for (size_t i = 0; i < work->n_entries; i++) {
            const Item *item = work->entry_items[i];
            int64_t position = (int64_t)item->position;
            const int64_t values[] = {position, item->person == NULL ? 0 : item->person->key,
                                      brings_death(item) ? 0 : position - 1};
            if (is_noted(work, item))
                pg_array_i64(&params, values[column]);
        }
    }
    int result = pg_run(exchange, &NOTE, &params, NULL);
    pg_params_free(&params);
    return result;
}

int judging_begin(Judging *judging) {
    PgParams params = {0};
    pg_param_i32(&params, JUDGING_PERSONS_MAX);
    int result = pg_run(prepare_exchange(judging->prepare), &WAITING, &params, &judging->waiting);
    pg_params_free(&params);
    judging->at = judging->domain = 0;
    judging->record_key[0] = '\0';
    return result == 0 && PQntuples(judging->waiting) == 0 ? 1 : result;
}

void judging_end(Judging *judging) {
    PQclear(judging->waiting);
    judging->waiting = NULL;
}

static void waiting_param(const Judging *judging, PgParams *params, int column) {
    int n = PQntuples(judging->waiting);
    pg_param_array_begin(params, OID_INT8, n);
    for (int row = 0; row < n; row++)
        pg_array_i64(params, pg_i64(judging->waiting, row, column));
}

int judging_done(Judging *judging) {
    PgParams params = {0};
    waiting_param(judging, &params, 0);
    waiting_param(judging, &params, 1);
    int result = pg_run(prepare_exchange(judging->prepare), &DONE, &params, NULL);
    pg_params_free(&params);
    return result;
}

// ---- their records -------------------------------------------------------------------------------------------------

// Of the waiting, those who are dead: the others' place is NULL.
static int find_persons(Judging *judging, Person ***ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    waiting_param(judging, &params, 1);
    int result = pg_run(prepare_population(judging->prepare), &PERSONS, &params, &rows);
    pg_params_free(&params);
    *ret = arena_zalloc(judging->arena, (size_t)PQntuples(judging->waiting) * sizeof **ret);
    if (result == 0 && *ret == NULL)
        result = no_memory();
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        Person *person = arena_zalloc(judging->arena, sizeof *person);
        result = person == NULL ? no_memory() : lookup_read_person(judging->arena, rows, row, person);
        (*ret)[pg_i64(rows, row, 0) - 1] = person;
    }
    PQclear(rows);
    return result;
}

static int query_records(Judging *judging, Person *const *persons, int most, PGresult **ret) {
    PgParams params = {0};
    int n = PQntuples(judging->waiting);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, persons[i] == NULL ? 0 : persons[i]->key);
    waiting_param(judging, &params, 2);
    pg_param_i64(&params, judging->at);
    pg_param_i32(&params, judging->domain);
    pg_param_text(&params, judging->record_key);
    pg_param_i32(&params, most);
    int result = pg_run(prepare_exchange(judging->prepare), &RECORDS, &params, ret);
    pg_params_free(&params);
    return result;
}

// ---- what contradicts a life ---------------------------------------------------------------------------------------

typedef struct Judged {
    VerifyContext context;
    const Person *person;
    Dongbo__ChangeEvent event; // that says all of the record
    const Dongbo__Record *record;
    Contradiction *list;
    size_t n;
} Judged;

static void add(Judged *judged, const Contradiction *like, const Dongbo__Origin *origin) {
    if (origin->event_id.len != EVENT_ID_BYTES)
        return;
    size_t words = 0;
    for (size_t i = judged->n; i > 0 && judged->list[i - 1].by.record_key == like->by.record_key; i--, words++) {
        if (memcmp(judged->list[i - 1].by.event_id, origin->event_id.data, EVENT_ID_BYTES) == 0)
            return;
    }
    if (words == JUDGING_WORDS_MAX)
        return;
    judged->list[judged->n] = *like;
    judged->list[judged->n++].by.event_id = origin->event_id.data;
}

static bool is_one_events(const Dongbo__Record *record) {
    for (size_t i = 1; i < record->n_origins; i++) {
        const ProtobufCBinaryData *id = &record->origins[i]->event_id, *first = &record->origins[0]->event_id;
        if (id->len != first->len || memcmp(id->data, first->data, id->len) != 0)
            return false;
    }
    return true;
}

// A record of one event says what the event said. Of several it need not: each is looked at by itself.
static void judge(Judged *judged, const Contradiction *like) {
    static const Grants NOBODY = {.code = ""};
    Decision decision = {.verdict = DONGBO__VERDICT__ACCEPTED};
    if (is_one_events(judged->record))
        verify_life(&judged->context, &NOBODY, &judged->event, judged->person, &decision);
    if (is_one_events(judged->record) && decision.n_reasons == 0)
        return;
    for (size_t i = 0; i < judged->record->n_origins; i++)
        add(judged, like, judged->record->origins[i]);
}

// What cannot be read says nothing.
static int judge_row(Judged *judged, Arena *arena, const PGresult *rows, int row) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, RECORD, &n);
    Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(arena), n, bytes);
    Contradiction like = {.by = {.person = judged->person->key, .domain = pg_i16(rows, row, DOMAIN)},
                          .person = judged->person,
                          .record = record};
    ProtobufCMessage *body = record == NULL || domain_descriptor(like.by.domain) == NULL
                                 ? NULL
                                 : protobuf_c_message_unpack(domain_descriptor(like.by.domain), arena_protobuf(arena),
                                                             record->body.len, record->body.data);
    like.by.record_key = lookup_read_text(arena, rows, row, RECORD_KEY);
    if (like.by.record_key == NULL || (body == NULL && arena_failed(arena)))
        return no_memory();
    if (body == NULL || record->retracted || record->n_origins == 0)
        return 0;
    judged->record = record;
    dongbo__change_event__init(&judged->event);
    judged->event.operation = DONGBO__OPERATION__UPSERT;
    judged->event.event_time_us = origins_newest(record)->event_time_us;
    event_set_body(&judged->event, like.by.domain, body);
    judge(judged, &like);
    return 0;
}

static void set_place(Judging *judging, const PGresult *rows, int row) {
    judging->at = pg_i64(rows, row, INDEX);
    judging->domain = pg_i16(rows, row, DOMAIN);
    snprintf(judging->record_key, sizeof judging->record_key, "%s", pg_text(rows, row, RECORD_KEY));
}

static int judge_rows(Judging *judging, Person *const *persons, const PGresult *rows, Judged *judged) {
    int n = PQntuples(rows), result = 0;
    judged->list = arena_alloc(judging->arena, (size_t)n * JUDGING_WORDS_MAX * sizeof *judged->list);
    if (judged->list == NULL)
        return no_memory();
    for (int row = 0; result == 0 && row < n; row++) {
        int64_t index = pg_i64(rows, row, INDEX) - 1;
        size_t before = judged->n;
        judged->person = persons[index];
        result = judge_row(judged, judging->arena, rows, row);
        for (size_t i = before; i < judged->n; i++)
            judged->list[i].because = pg_i64(judging->waiting, (int)index, 0);
    }
    return result;
}

// What is not kept any more is said as the record has it, of its person as they are: an officer needs no more.
static int make_event(Arena *arena, const Contradiction *of, Testimony *ret) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    ProtobufCMessage *body = protobuf_c_message_unpack(domain_descriptor(ret->domain), arena_protobuf(arena),
                                                       of->record->body.len, of->record->body.data);
    if (body == NULL)
        return arena_failed(arena) ? no_memory() : 0;
    event.schema_version = SCHEMA_VERSION;
    event.event_id = (ProtobufCBinaryData){.data = (uint8_t *)ret->event_id, .len = EVENT_ID_BYTES};
    event.operation = DONGBO__OPERATION__UPSERT;
    for (size_t i = 0; i < of->record->n_origins; i++) {
        if (of->record->origins[i]->event_id.data == ret->event_id)
            event.event_time_us = of->record->origins[i]->event_time_us;
    }
    subject.citizen_number = (char *)of->person->citizen_number;
    subject.full_name = (char *)of->person->full_name;
    subject.birth_date = (char *)of->person->birth_date;
    subject.sex = (char *)of->person->sex;
    event.subject = &subject;
    event_set_body(&event, ret->domain, body);
    size_t n = dongbo__change_event__get_packed_size(&event);
    ret->bytes = (ProtobufCBinaryData){.data = arena_alloc(arena, n), .len = n};
    if (ret->bytes.data == NULL)
        return no_memory();
    dongbo__change_event__pack(&event, ret->bytes.data);
    ret->found = true;
    return 0;
}

// The event of each, as far as it is known where it came from.
static int find_events(Judging *judging, Judged *judged) {
    Testimony *asked = arena_alloc(judging->arena, judged->n * sizeof *asked + 1);
    if (asked == NULL)
        return no_memory();
    for (size_t i = 0; i < judged->n; i++)
        asked[i] = judged->list[i].by;
    int result = testimony_find(prepare_exchange(judging->prepare), judging->arena, asked, judged->n);
    size_t n = 0;
    for (size_t i = 0; result == 0 && i < judged->n; i++) {
        Contradiction *at = &judged->list[i];
        if (!asked[i].found && asked[i].known)
            result = make_event(judging->arena, at, &asked[i]);
        at->by = asked[i];
        if (!asked[i].found)
            log_warn(
                "a record of a person who died before cannot be judged: where it comes from is not known any more");
        else
            judged->list[n++] = *at;
    }
    judged->n = n;
    return result;
}

// A page of so many records at most. *ret_rows for the caller in any case.
static int read_page(Judging *judging, int most, Judged *judged, PGresult **ret_rows) {
    Person **persons = NULL;
    arena_reset(judging->arena);
    *judged = (Judged){.context = {.rules = prepare_rules(judging->prepare), .arena = judging->arena}};
    *ret_rows = NULL;
    int result = find_persons(judging, &persons);
    if (result == 0)
        result = query_records(judging, persons, most, ret_rows);
    if (result == 0 && PQntuples(*ret_rows) > 0)
        result = judge_rows(judging, persons, *ret_rows, judged);
    if (result == 0 && judged->n > 0)
        result = find_events(judging, judged);
    return result;
}

// One that does not fit even alone is passed over: the others must not wait for it.
static void let_go(const Judging *judging, const PGresult *rows) {
    int64_t person = pg_i64(judging->waiting, (int)pg_i64(rows, 0, INDEX) - 1, 1);
    log_error("a record of domain %d of person %lld, who died before, cannot be judged and stays as it is: it and the "
              "events that it is by do not fit into %d MiB",
              pg_i16(rows, 0, DOMAIN), (long long)person, WORK_ARENA_BYTES / (1024 * 1024));
}

int judging_next(Judging *judging, Contradiction **ret, size_t *ret_n) {
    PGresult *rows = NULL;
    Judged judged;
    int most = JUDGING_RECORDS_MAX, n, result;
    bool full;
    do {
        PQclear(rows);
        result = read_page(judging, most, &judged, &rows);
        n = PQntuples(rows);
        full = result < 0 && n > 0 && arena_failed(judging->arena);
        most = n / 2;
    } while (full && n > 1);
    if (full) {
        let_go(judging, rows);
        result = 0;
        judged.n = 0;
    }
    if (n > 0)
        set_place(judging, rows, n - 1);
    PQclear(rows);
    *ret = judged.list;
    *ret_n = judged.n;
    return result < 0 ? result : n == 0;
}
