// SPDX-License-Identifier: Apache-2.0
//
// Two statements: whether there is anybody whom all events of the agency must be held against, which is seldom, and
// what it was told of.
#include "broker/lookup_guesses.h"

#include "broker/guesses.h"
#include "proto/base/error.h"

#include <string.h>

#define OID_INT4 23
#define OID_INT8 20
#define OID_INT8_ARRAY 1016

static const Oid TYPES[] = {OID_INT4, OID_INT4, OID_INT8_ARRAY};
static const PgStatement ANYBODY = {"guesses-anybody",
                                    "SELECT EXISTS (SELECT FROM exchange.guess g WHERE g.agency = $1 AND g.last "
                                    "AND g.at > now() - make_interval(days => $2))",
                                    2, TYPES};
static const PgStatement GUESSES = {
    "guesses",
    "SELECT n.i, g.guess FROM unnest($3::bigint[]) WITH ORDINALITY AS n(person, i) JOIN exchange.guess g "
    "ON g.agency = $1 AND g.person = n.person AND g.at > now() - make_interval(days => $2) ORDER BY n.i",
    3, TYPES};

static void agency_params(PgParams *params, const Work *work) {
    pg_param_i32(params, (int32_t)work->agency->grants.agency);
    pg_param_i32(params, GUESSES_DAYS);
}

static int find_anybody(Pg *exchange, const Work *work, bool *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    agency_params(&params, work);
    int result = pg_run(exchange, &ANYBODY, &params, &rows);
    pg_params_free(&params);
    *ret = result == 0 && pg_bool(rows, 0, 0);
    PQclear(rows);
    return result;
}

typedef struct Wanted {
    Item **items;
    size_t n;
} Wanted;

static int collect(Pg *exchange, Work *work, Wanted *wanted) {
    size_t n = 0;
    bool all = false;
    *wanted = (Wanted){.items = arena_alloc(work->arena, work->n_items * sizeof *wanted->items)};
    if (wanted->items == NULL)
        return error_fail(ERROR_MEMORY, "the batch's guesses do not fit");
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!item->stale_person)
            continue;
        item->n_guesses = 0;
        if (guesses_concern(work, item))
            wanted->items[n++] = item;
    }
    int result = n == 0 ? 0 : find_anybody(exchange, work, &all);
    for (size_t i = 0; i < n; i++) {
        if (all || wanted->items[i]->decision.verdict == DONGBO__VERDICT__MISMATCH)
            wanted->items[wanted->n++] = wanted->items[i];
    }
    return result;
}

// One item's rows, from `row` on; returns the first that is not, or an error.
static int read_guesses(Arena *arena, Item *item, const PGresult *rows, int row) {
    int64_t place = pg_i64(rows, row, 0);
    int end = row;
    while (end < PQntuples(rows) && pg_i64(rows, end, 0) == place)
        end++;
    uint8_t *guesses = arena_alloc(arena, (size_t)(end - row) * GUESS_BYTES);
    if (guesses == NULL)
        return error_fail(ERROR_MEMORY, "the batch's guesses do not fit");
    item->guesses = guesses;
    for (; row < end; row++) {
        size_t n = 0;
        const uint8_t *guess = pg_bytes(rows, row, 1, &n);
        if (n == GUESS_BYTES)
            memcpy(guesses + item->n_guesses++ * GUESS_BYTES, guess, n);
    }
    return end;
}

int lookup_guesses(Pg *exchange, Work *work) {
    Wanted wanted;
    int result = collect(exchange, work, &wanted);
    if (result < 0 || wanted.n == 0)
        return result;
    PgParams params = {0};
    PGresult *rows = NULL;
    agency_params(&params, work);
    pg_param_array_begin(&params, OID_INT8, (int)wanted.n);
    for (size_t i = 0; i < wanted.n; i++)
        pg_array_i64(&params, wanted.items[i]->person->key);
    result = pg_run(exchange, &GUESSES, &params, &rows);
    pg_params_free(&params);
    int row = 0;
    while (result == 0 && row >= 0 && row < PQntuples(rows))
        row = read_guesses(work->arena, wanted.items[pg_i64(rows, row, 0) - 1], rows, row);
    PQclear(rows);
    return row < 0 ? row : result;
}
