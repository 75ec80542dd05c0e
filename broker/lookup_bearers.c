// SPDX-License-Identifier: Apache-2.0
//
// What events themselves have taught of insurance numbers stands in the exchange (exchange.person_alias, by
// broker/store.c), all that was loaded in the population store. A pair that is known already ends the question with one
// look into the first.
#include "broker/lookup_bearers.h"

#include "broker/decide.h"
#include "broker/lookup.h"
#include "proto/base/error.h"

#include <string.h>

#define OID_INT8 20
#define OID_INT8_ARRAY 1016
#define OID_TEXT 25
#define OID_TEXT_ARRAY 1009

// The event's own person first, so that however many others were taught the number, theirs stays theirs.
static const Oid INSURED_TYPES[] = {OID_TEXT_ARRAY, OID_INT8_ARRAY};
static const PgStatement INSURED = {
    "insured",
    "SELECT n.i, a.person FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS n(number, person, i) "
    "CROSS JOIN LATERAL (SELECT o.person FROM exchange.person_alias o WHERE o.number = n.number "
    "AND o.kind = '" BEARER_INSURANCE "' AND o.person = n.person UNION ALL "
    "(SELECT t.person FROM exchange.person_alias t WHERE t.number = n.number AND t.kind = '" BEARER_INSURANCE "' "
    "AND t.person <> n.person ORDER BY t.person LIMIT 8)) a ORDER BY n.i, a.person <> n.person, a.person",
    2, INSURED_TYPES};

static const Oid ASK_TYPES[] = {OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_INT8_ARRAY};
static const PgStatement BEARERS = {
    "bearers",
    "SELECT n.i, " LOOKUP_PERSON_COLUMNS ", b.valid_from, b.valid_to "
    "FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS n(number, kind, person, i) "
    "CROSS JOIN LATERAL ((SELECT a.person, a.valid_from, a.valid_to FROM population.number_alias a "
    "WHERE a.number = n.number AND a.kind = n.kind ORDER BY a.person LIMIT 8) "
    "UNION ALL SELECT o.person, '', '' FROM population.citizen o WHERE o.citizen_number = n.number "
    "UNION ALL SELECT n.person, '', '' WHERE n.person <> 0) b "
    "JOIN population.citizen c ON c.person = b.person ORDER BY n.i, c.person",
    3, ASK_TYPES};

// A number of a kind, or a person who is known to bear one, and what the answer is for.
typedef struct Ask {
    Bearers **to;
    const char *number, *kind;
    int64_t person;
} Ask;

typedef struct Asks {
    Ask *list;
    size_t n;
} Asks;

static int query_insured(Pg *exchange, Item **items, size_t n, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_TEXT, (int)n);
    for (size_t i = 0; i < n; i++) {
        const char *number = bearers_insurance(items[i]->event, items[i]->claimed_number);
        pg_array_text(&params, number, strlen(number));
    }
    pg_param_array_begin(&params, OID_INT8, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(&params, items[i]->person == NULL ? 0 : items[i]->person->key);
    int result = pg_run(exchange, &INSURED, &params, ret);
    pg_params_free(&params);
    return result;
}

// What is left to ask of the items that say an insurance number, when the exchange has answered in `rows`.
static void ask_insured(Asks *asks, Item **items, size_t n, const PGresult *rows) {
    int row = 0, n_rows = rows == NULL ? 0 : PQntuples(rows);
    for (size_t i = 0; i < n; i++) {
        Item *item = items[i];
        size_t before = asks->n;
        // What was loaded before what events taught, for it is who may not be left out where they are too many.
        const char *number = bearers_insurance(item->event, item->claimed_number), *kind = bearers_kind(number);
        asks->list[asks->n++] =
            (Ask){.to = &item->insured, .number = number, .kind = kind == NULL ? BEARER_INSURANCE : kind};
        for (; row < n_rows && pg_i64(rows, row, 0) == (int64_t)i + 1; row++) {
            int64_t person = pg_i64(rows, row, 1);
            item->pair_is_known = item->pair_is_known || (item->person != NULL && item->person->key == person);
            asks->list[asks->n++] = (Ask){.to = &item->insured, .number = "", .kind = "", .person = person};
        }
        if (item->pair_is_known)
            asks->n = before;
    }
}

static bool wants_insured(const Item *item) {
    return item->wanted && bearers_insurance(item->event, item->claimed_number)[0] != '\0';
}

static bool wants_bearers(const Item *item) {
    return item->wanted && item->person == NULL && bearers_kind(item->claimed_number) != NULL;
}

static void ask_bearers(Asks *asks, Work *work) {
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        const char *number = item->claimed_number;
        if (wants_bearers(item))
            asks->list[asks->n++] = (Ask){.to = &item->bearers, .number = number, .kind = bearers_kind(number)};
    }
}

static int collect(Pg *exchange, Work *work, Asks *asks) {
    Item **insured = arena_alloc(work->arena, work->n_items * sizeof *insured);
    size_t n = 0, n_aliases = 0;
    PGresult *rows = NULL;
    if (insured == NULL)
        return error_fail(ERROR_MEMORY, "the batch's look-ups do not fit");
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!item->wanted)
            continue;
        item->bearers = item->insured = NULL;
        item->pair_is_known = false;
        n_aliases += wants_bearers(item);
        if (wants_insured(item))
            insured[n++] = item;
    }
    int result = n == 0 ? 0 : query_insured(exchange, insured, n, &rows);
    size_t size = n_aliases + n + (rows == NULL ? 0 : (size_t)PQntuples(rows));
    if (result == 0 && size > 0 && (asks->list = arena_alloc(work->arena, size * sizeof(Ask))) == NULL)
        result = error_fail(ERROR_MEMORY, "the batch's look-ups do not fit");
    if (result == 0)
        ask_insured(asks, insured, n, rows);
    PQclear(rows);
    if (result == 0 && n_aliases > 0)
        ask_bearers(asks, work);
    return result;
}

static int read_bearer(Arena *arena, const Ask *ask, const PGresult *rows, int row) {
    Bearer bearer;
    if (*ask->to == NULL && (*ask->to = arena_zalloc(arena, sizeof(Bearers))) == NULL)
        return error_fail(ERROR_MEMORY, "the batch's persons do not fit");
    int result = lookup_read_person(arena, rows, row, &bearer.person);
    bearer.from = lookup_read_text(arena, rows, row, 10);
    bearer.to = lookup_read_text(arena, rows, row, 11);
    if (result < 0 || bearer.from == NULL || bearer.to == NULL)
        return error_fail(ERROR_MEMORY, "the batch's persons do not fit");
    bearers_add(*ask->to, &bearer);
    return 0;
}

static int query_bearers(Pg *population, Arena *arena, const Asks *asks) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_TEXT, (int)asks->n);
    for (size_t i = 0; i < asks->n; i++)
        pg_array_text(&params, asks->list[i].number, strlen(asks->list[i].number));
    pg_param_array_begin(&params, OID_TEXT, (int)asks->n);
    for (size_t i = 0; i < asks->n; i++)
        pg_array_text(&params, asks->list[i].kind, strlen(asks->list[i].kind));
    pg_param_array_begin(&params, OID_INT8, (int)asks->n);
    for (size_t i = 0; i < asks->n; i++)
        pg_array_i64(&params, asks->list[i].person);
    PGresult *rows = NULL;
    int result = pg_run(population, &BEARERS, &params, &rows);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        result = read_bearer(arena, &asks->list[pg_i64(rows, row, 0) - 1], rows, row);
    PQclear(rows);
    return result;
}

int lookup_bearers(Pg *exchange, Pg *population, Work *work) {
    Asks asks = {0};
    int result = collect(exchange, work, &asks);
    if (result == 0 && asks.n > 0)
        result = query_bearers(population, work->arena, &asks);
    for (size_t i = 0; result == 0 && i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!item->wanted)
            continue;
        decide_bearer(item);
        item->pair_is_known =
            item->pair_is_known || (item->person != NULL && bearers_have(item->insured, item->person->key));
    }
    return result;
}
