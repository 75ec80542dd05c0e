// SPDX-License-Identifier: Apache-2.0
//
// Two queries, each for all of the work's events.
#include "broker/lookup_standing.h"

#include "broker/decide_standing.h"
#include "broker/lookup.h"
#include "proto/base/error.h"

#include <string.h>

#define OID_INT8_ARRAY 1016
#define OID_INT8 20
#define OID_INT2 21
#define OID_INT2_ARRAY 1005
#define OID_TEXT 25
#define OID_TEXT_ARRAY 1009

static const Oid PERSONS_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement PERSONS = {"standing-persons",
                                    "SELECT n.i, " LOOKUP_PERSON_COLUMNS
                                    " FROM unnest($1::bigint[]) WITH ORDINALITY AS n(person, i) "
                                    "JOIN population.citizen c ON c.person = n.person",
                                    1, PERSONS_TYPES};
// As they were stored, those of persons who were merged into it first. What is stored of such a person behind their
// merger are the deletions by which their records went.
static const Oid VERSIONS_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY, OID_TEXT_ARRAY};
static const PgStatement VERSIONS = {
    "standing-versions",
    "WITH RECURSIVE part(i, domain, record_key, person, upto, whole) AS (SELECT n.i, n.domain, n.record_key, n.person, "
    "9223372036854775807, true FROM unnest($1::bigint[], $2::smallint[], $3::text[]) WITH ORDINALITY "
    "AS n(person, domain, record_key, i) UNION ALL SELECT p.i, p.domain, p.record_key, l.person, l.position, false "
    "FROM part p JOIN exchange.person_link l ON l.merged_into = p.person AND l.moved) "
    "SELECT p.i, v.record FROM part p JOIN exchange.record_version v ON v.person = p.person AND v.domain = p.domain "
    "AND v.record_key = p.record_key AND v.position <= p.upto ORDER BY p.i, p.whole, v.position",
    3, VERSIONS_TYPES};

typedef struct Wanted {
    Item **items;
    size_t n;
} Wanted;

typedef bool IsWanted(const Work *work, const Item *item);

static int collect(Work *work, IsWanted *is_wanted, Wanted *ret) {
    *ret = (Wanted){0};
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!is_wanted(work, item))
            continue;
        if (ret->items == NULL && (ret->items = arena_alloc(work->arena, work->n_items * sizeof(Item *))) == NULL)
            return error_fail(ERROR_MEMORY, "the look-ups do not fit");
        ret->items[ret->n++] = item;
    }
    return 0;
}

static bool wants_person(const Work *work, const Item *item) {
    (void)work;
    return item->stands != 0 && item->stale_person && !item->dropped && item->event != NULL;
}

static bool wants_versions(const Work *work, const Item *item) {
    return decide_withdraws(work, item) && item->record_hash != 0 && !item->dropped;
}

static int read_person(Arena *arena, Item *item, const PGresult *rows, int row) {
    Person *person = arena_zalloc(arena, sizeof *person);
    item->person = person;
    return person == NULL ? error_fail(ERROR_MEMORY, "the look-ups do not fit")
                          : lookup_read_person(arena, rows, row, person);
}

int lookup_standing(Pg *population, Work *work) {
    Wanted wanted;
    int result = collect(work, wants_person, &wanted);
    if (result < 0 || wanted.n == 0)
        return result;
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_array_begin(&params, OID_INT8, (int)wanted.n);
    for (size_t i = 0; i < wanted.n; i++) {
        wanted.items[i]->person = NULL;
        pg_array_i64(&params, wanted.items[i]->stands);
    }
    result = pg_run(population, &PERSONS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        result = read_person(work->arena, wanted.items[pg_i64(rows, row, 0) - 1], rows, row);
    PQclear(rows);
    return result;
}

static int query_versions(Pg *exchange, const Wanted *wanted, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, (int)wanted->n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_i64(&params, wanted->items[i]->person->key);
    pg_param_array_begin(&params, OID_INT2, (int)wanted->n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_i16(&params, (int16_t)wanted->items[i]->domain);
    pg_param_array_begin(&params, OID_TEXT, (int)wanted->n);
    for (size_t i = 0; i < wanted->n; i++)
        pg_array_text(&params, wanted->items[i]->record_key, strlen(wanted->items[i]->record_key));
    int result = pg_run(exchange, &VERSIONS, &params, ret);
    pg_params_free(&params);
    return result;
}

int lookup_versions(Pg *exchange, Work *work) {
    Wanted wanted;
    PGresult *rows = NULL;
    int result = collect(work, wants_versions, &wanted);
    if (result < 0 || wanted.n == 0)
        return result;
    result = query_versions(exchange, &wanted, &rows);
    int n = result == 0 ? PQntuples(rows) : 0;
    const Dongbo__Record **all = arena_alloc(work->arena, (size_t)n * sizeof *all + 1);
    if (result == 0 && all == NULL)
        result = error_fail(ERROR_MEMORY, "a record's versions do not fit");
    for (size_t i = 0; i < wanted.n; i++)
        wanted.items[i]->n_versions = 0;
    for (int row = 0; result == 0 && row < n; row++) {
        Item *item = wanted.items[pg_i64(rows, row, 0) - 1];
        size_t bytes = 0;
        const uint8_t *data = pg_bytes(rows, row, 1, &bytes);
        all[row] = dongbo__record__unpack(arena_protobuf(work->arena), bytes, data);
        if (all[row] == NULL && arena_failed(work->arena))
            result = error_fail(ERROR_MEMORY, "a record's versions do not fit");
        if (item->n_versions++ == 0)
            item->versions = &all[row];
        if (all[row] == NULL) // nothing can be said without it
            all[row] = item->read = &RECONCILE_UNREADABLE;
    }
    PQclear(rows);
    return result;
}
