// SPDX-License-Identifier: Apache-2.0
//
// The look-ups' SQL. Never one query per event, never a write.
#include "broker/lookup.h"

#include "proto/base/error.h"

#include <string.h>

#define OID_INT8 20
#define OID_INT2_ARRAY 1005
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009
#define OID_INT2 21
#define OID_TEXT 25

static const Oid TEXTS[] = {OID_TEXT_ARRAY};

#define PERSON_COLUMNS                                                                                                 \
    "n.i, c.person, c.citizen_number, c.full_name, c.birth_date, c.sex, "                                              \
    "c.residence_province, c.residence_province63, c.died_on "

static const PgStatement PERSONS = {"persons",
                                    "SELECT " PERSON_COLUMNS "FROM unnest($1::text[]) WITH ORDINALITY AS n(number, i) "
                                    "JOIN population.citizen c ON c.citizen_number = n.number",
                                    1, TEXTS};

static const PgStatement ALIASES = {
    "aliases",
    "SELECT " PERSON_COLUMNS "FROM unnest($1::text[]) WITH ORDINALITY AS n(number, i) "
    "CROSS JOIN LATERAL (SELECT min(a.person) AS person FROM population.number_alias a "
    "WHERE a.number = n.number AND a.kind = 'cccd') a JOIN population.citizen c ON c.person = a.person",
    1, TEXTS};

static const Oid RECORD_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY, OID_TEXT_ARRAY};
static const PgStatement RECORDS = {
    "records",
    "SELECT n.i, v.record FROM unnest($1::bigint[], $2::smallint[], $3::text[]) WITH ORDINALITY "
    "AS n(person, domain, record_key, i) CROSS JOIN LATERAL (SELECT r.record FROM exchange.record_version r "
    "WHERE r.person = n.person AND r.domain = n.domain AND r.record_key = n.record_key AND NOT r.superseded "
    "ORDER BY r.position DESC LIMIT 1) v",
    3, RECORD_TYPES};

#define LIFE_COLUMN                                                                                                    \
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint # "                                            \
    "((SELECT oid FROM pg_database WHERE datname = current_database())::bigint << 32)"
static const PgStatement POPULATION = {
    "population-position", "SELECT " LIFE_COLUMN ", coalesce((SELECT position FROM population.state), 0)", 0, NULL};
static const PgStatement HEAD = {"head-position",
                                 "SELECT " LIFE_COLUMN ", coalesce((SELECT last_position FROM exchange.segment "
                                 "ORDER BY first_position DESC LIMIT 1), 0)",
                                 0, NULL};

// The items wanted, in order: what a row's ordinality means.
typedef struct Wanted {
    Item **items;
    size_t n;
} Wanted;

static int wanted_collect(Wanted *wanted, Work *work) {
    *wanted = (Wanted){.items = arena_alloc(work->arena, work->n_items * sizeof(Item *))};
    if (wanted->items == NULL)
        return error_fail(ERROR_MEMORY, "the batch's look-ups do not fit");
    for (size_t i = 0; i < work->n_items; i++) {
        if (work->items[i].wanted)
            wanted->items[wanted->n++] = &work->items[i];
    }
    return 0;
}

static const char *copy_text(Arena *arena, const PGresult *rows, int row, int column, bool *failed) {
    const char *text = pg_text(rows, row, column);
    if (text[0] == '\0')
        return "";
    char *copy = arena_strndup(arena, text, strlen(text));
    if (copy == NULL)
        *failed = true;
    return copy;
}

static const Person *person_read(Arena *arena, const PGresult *rows, int row, bool by_alias) {
    Person *person = arena_alloc(arena, sizeof *person);
    if (person == NULL)
        return NULL;
    bool failed = false;
    *person = (Person){
        .key = pg_i64(rows, row, 1),
        .citizen_number = copy_text(arena, rows, row, 2, &failed),
        .full_name = copy_text(arena, rows, row, 3, &failed),
        .birth_date = copy_text(arena, rows, row, 4, &failed),
        .sex = copy_text(arena, rows, row, 5, &failed),
        .residence_province = copy_text(arena, rows, row, 6, &failed),
        .residence_province63 = copy_text(arena, rows, row, 7, &failed),
        .died_on = copy_text(arena, rows, row, 8, &failed),
        .by_alias = by_alias,
    };
    return failed ? NULL : person;
}

static int query_persons(Pg *population, const PgStatement *statement, Arena *arena, const Wanted *wanted) {
    if (wanted->n == 0)
        return 0;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_TEXT, (int)wanted->n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_text(&params, wanted->items[i]->claimed_number, strlen(wanted->items[i]->claimed_number));
    PGresult *rows = NULL;
    int result = pg_run(population, statement, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        Item *item = wanted->items[pg_i64(rows, row, 0) - 1];
        item->person = person_read(arena, rows, row, statement == &ALIASES);
        if (item->person == NULL)
            result = error_fail(ERROR_MEMORY, "the batch's persons do not fit");
    }
    PQclear(rows);
    return result;
}

int lookup_persons(Pg *population, Work *work) {
    Wanted wanted;
    int result = wanted_collect(&wanted, work);
    if (result < 0)
        return result;
    for (size_t i = 0; i < wanted.n; i++)
        wanted.items[i]->person = NULL;
    result = query_persons(population, &PERSONS, work->arena, &wanted);
    if (result < 0)
        return result;
    size_t n = 0;
    for (size_t i = 0; i < wanted.n; i++) {
        if (wanted.items[i]->person == NULL)
            wanted.items[n++] = wanted.items[i];
    }
    wanted.n = n;
    return query_persons(population, &ALIASES, work->arena, &wanted);
}

static void record_params(PgParams *params, const Wanted *wanted) {
    int n = (int)wanted->n;
    pg_param_array_begin(params, OID_INT8, n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_i64(params, wanted->items[i]->person->key);
    pg_param_array_begin(params, OID_INT2, n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_i16(params, (int16_t)wanted->items[i]->domain);
    pg_param_array_begin(params, OID_TEXT, n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_text(params, wanted->items[i]->record_key, strlen(wanted->items[i]->record_key));
}

int lookup_records(Pg *exchange, Work *work) {
    Wanted wanted;
    int result = wanted_collect(&wanted, work);
    if (result < 0 || wanted.n == 0)
        return result;
    for (size_t i = 0; i < wanted.n; i++)
        wanted.items[i]->read = NULL;
    PgParams params = {0};
    record_params(&params, &wanted);
    PGresult *rows = NULL;
    result = pg_run(exchange, &RECORDS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        size_t n = 0;
        const uint8_t *data = pg_bytes(rows, row, 1, &n);
        Item *item = wanted.items[pg_i64(rows, row, 0) - 1];
        item->read = dongbo__record__unpack(arena_protobuf(work->arena), n, data);
        if (item->read == NULL)
            result = error_fail(ERROR_MEMORY, "the batch's record versions do not fit or do not decode");
    }
    PQclear(rows);
    return result;
}

static int query_place(Pg *pg, const PgStatement *statement, Place *ret) {
    PGresult *rows = NULL;
    int result = pg_run(pg, statement, NULL, &rows);
    if (result == 0)
        *ret = (Place){.life = pg_i64(rows, 0, 0), .position = pg_i64(rows, 0, 1)};
    PQclear(rows);
    return result;
}

int lookup_population_position(Pg *population, Place *ret) {
    return query_place(population, &POPULATION, ret);
}

int lookup_head_position(Pg *exchange, Place *ret) {
    return query_place(exchange, &HEAD, ret);
}

int lookup_connect(Pg *pg) {
    if (pg_connected(pg))
        return 0;
    int result = pg_connect(pg);
    return result < 0 ? result
                      : pg_command(pg, "SET enable_seqscan = off; SET enable_hashjoin = off; "
                                       "SET enable_mergejoin = off; SET jit = off");
}
