// SPDX-License-Identifier: Apache-2.0
//
// See erase_decided.h. Exceptions keep the events, and whose each was decided to be.
#include "operators/erase_decided.h"

#include "operators/result.h"
#include "proto/walk.h"

#include <stdlib.h>
#include <string.h>

#define EVENT_ID_FIELD 1

static const PgStatement DECIDED = {
    "erase_decided",
    "SELECT x.event, x.owner = ANY ($1) FROM " ERASE_DECIDED "WHERE x.owner IS NOT NULL AND x.event <> ''", 2, NULL};

static void param_text(PgParams *params, const char *text) {
    pg_array_text(params, text, strlen(text));
}

// Those of the population store, and those under which somebody went.
static void param_numbers(const EraseFind *find, PgParams *params) {
    const PGresult *own = find->identity->numbers;
    pg_param_array_begin(params, OID_TEXT, 1 + PQntuples(own) + PQntuples(find->family));
    param_text(params, find->identity->number);
    for (int row = 0; row < PQntuples(own); row++)
        param_text(params, pg_text(own, row, 0));
    for (int row = 0; row < PQntuples(find->family); row++) // of who did not go it is the first again
        param_text(params, *pg_text(find->family, row, 1) ? pg_text(find->family, row, 1) : find->identity->number);
}

void erase_decided_param(const EraseFind *find, PgParams *params) {
    erase_find_param_family(find, params);
    param_numbers(find, params);
}

// Theirs first, where the same was said twice.
static int by_event(const void *a, const void *b) {
    const EraseDecided *left = a, *right = b;
    int order = memcmp(left->event_id, right->event_id, EVENT_ID_BYTES);
    return order ? order : right->theirs - left->theirs;
}

static const uint8_t *event_id(const uint8_t *event, size_t n) {
    const uint8_t *at = event, *end = walk_end(event, n), *id = NULL;
    WalkField field;
    while (walk_next(&at, end, &field) == 0)
        if (field.number == EVENT_ID_FIELD && field.type == 2 && field.n == EVENT_ID_BYTES)
            id = field.data;
    return id;
}

static void add(EraseFind *find, const PGresult *rows, int row) {
    size_t n = 0;
    const uint8_t *event = pg_bytes(rows, row, 0, &n), *id = event_id(event, n);
    if (!id) // could not be read when it came
        return;
    EraseDecided *one = &find->decided[find->n_decided++];
    memcpy(one->event_id, id, EVENT_ID_BYTES);
    one->theirs = pg_bool(rows, row, 1);
}

static void sort(EraseFind *find) {
    size_t n = 0;
    qsort(find->decided, find->n_decided, sizeof *find->decided, by_event);
    for (size_t i = 0; i < find->n_decided; i++)
        if (n == 0 || memcmp(find->decided[n - 1].event_id, find->decided[i].event_id, EVENT_ID_BYTES) != 0)
            find->decided[n++] = find->decided[i];
    find->n_decided = n;
}

int erase_decided_read(EraseFind *find) {
    PgParams params = {0};
    RESULT rows = NULL;
    erase_decided_param(find, &params);
    int r = pg_run(find->exchange, &DECIDED, &params, &rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    find->decided = calloc((size_t)PQntuples(rows) + 1, sizeof *find->decided);
    if (!find->decided)
        return error_fail(ERROR_MEMORY, "no memory for what was decided");
    for (int row = 0; row < PQntuples(rows); row++)
        add(find, rows, row);
    sort(find);
    return 0;
}

static int find_event(const void *a, const void *b) {
    return memcmp(a, ((const EraseDecided *)b)->event_id, EVENT_ID_BYTES);
}

const EraseDecided *erase_decided_on(const EraseFind *find, const ProtobufCBinaryData *event_id) {
    if (event_id->len != EVENT_ID_BYTES || find->n_decided == 0)
        return NULL;
    return bsearch(event_id->data, find->decided, find->n_decided, sizeof *find->decided, find_event);
}
