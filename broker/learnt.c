// SPDX-License-Identifier: Apache-2.0
//
// Rows to weights. A level that has no row keeps its shipped weight.
#include "broker/learnt.h"

#include "proto/base/error.h"

#define OID_INT4 23

static const Oid TYPES[] = {OID_INT4};
static const PgStatement WEIGHTS = {
    "weights",
    "SELECT w.agency, w.field, w.level, w.bits, w.model FROM exchange.weight w WHERE w.model = "
    "(SELECT max(m.model) FROM exchange.weight_model m WHERE m.version = $1) ORDER BY w.agency",
    1, TYPES};

// Adds a row to its agency, which is the last one of the list or a new one.
static int take_row(LearntAgency *list, size_t *n, const PGresult *rows, int row) {
    uint32_t agency = (uint32_t)pg_i32(rows, row, 0);
    int field = pg_i16(rows, row, 1), level = pg_i16(rows, row, 2);
    int32_t bits = pg_i32(rows, row, 3);
    if (field < 0 || field >= SEARCH_FIELDS || level <= SEARCH_MISSING || level >= SEARCH_LEVELS || bits > 0)
        return error_fail(ERROR_DATA, "model %lld holds weights of another version", (long long)pg_i64(rows, row, 4));
    if (*n == 0 || list[*n - 1].agency != agency) {
        LearntAgency *added = &list[(*n)++];
        added->agency = agency;
        added->weights = *search_shipped();
        added->weights.learnt = pg_i64(rows, row, 4);
    }
    list[*n - 1].weights.m[field][level] = bits;
    return 0;
}

static size_t count_agencies(const PGresult *rows) {
    size_t n = 0;
    for (int row = 0; row < PQntuples(rows); row++)
        n += row == 0 || pg_i32(rows, row, 0) != pg_i32(rows, row - 1, 0);
    return n;
}

int learnt_read(Pg *exchange, Arena *arena, Learnt *ret) {
    PGresult *rows = NULL;
    PgParams params = {0};
    *ret = (Learnt){0};
    pg_param_i32(&params, SEARCH_VERSION);
    int result = pg_run(exchange, &WEIGHTS, &params, &rows);
    pg_params_free(&params);
    LearntAgency *list = result == 0 ? arena_alloc(arena, count_agencies(rows) * sizeof *list + 1) : NULL;
    if (result == 0 && list == NULL)
        result = error_fail(ERROR_MEMORY, "the learnt weights do not fit");
    for (int row = 0; result == 0 && row < PQntuples(rows); row++)
        result = take_row(list, &ret->n, rows, row);
    PQclear(rows);
    ret->list = list;
    return result;
}

const SearchWeights *learnt_find(const Learnt *learnt, uint32_t agency) {
    for (size_t i = 0; i < learnt->n; i++)
        if (learnt->list[i].agency == agency)
            return &learnt->list[i].weights;
    return NULL;
}
