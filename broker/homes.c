// SPDX-License-Identifier: Apache-2.0
//
// Records may have been told wherever their person lived by the store's word meanwhile: who moved on from there is told
// again from each of these places, and to where they live now. What is told once too often does no harm.
#include "broker/homes.h"

#include "broker/lookup.h"
#include "broker/retelling.h"
#include "proto/base/error.h"
#include "proto/base/mistake.h"

#include <string.h>

#define OID_INT8 20
#define OID_TEXT 25
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

enum { PLACE, PERSON, BEFORE, BEFORE63, AFTER, AFTER63, NOW, NOW63 };
static const PgStatement READ = {"homes-read", "SELECT place FROM exchange.residence_read", 0, NULL};
static const Oid BEHIND_TYPES[] = {OID_INT8, OID_INT8};
// Who was merged into another lives nowhere; their records leave from where they lived last.
static const PgStatement BEHIND = {
    "homes-behind",
    "SELECT r.place, r.person, r.province_before, r.province63_before, r.province_after, r.province63_after, "
    "coalesce(c.residence_province, m.province, r.province_after), "
    "coalesce(c.residence_province63, m.province63, r.province63_after) FROM population.residence r "
    "LEFT JOIN population.citizen c ON c.person = r.person LEFT JOIN population.merger m ON m.goes = r.person "
    "WHERE r.place > $1 ORDER BY r.place LIMIT $2",
    2, BEHIND_TYPES};
static const PgStatement SEEN = {"homes-seen", "UPDATE exchange.residence_read SET place = $1", 1, BEHIND_TYPES};
static const Oid NOTE_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY, OID_TEXT_ARRAY,
                                 OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY};
static const PgStatement NOTE = {
    "homes-note",
    "INSERT INTO exchange.retelling (position, person, province_before, province63_before, province_after, "
    "province63_after, event_id, event_time_us, cause) SELECT s.position, s.person, s.province_before, "
    "s.province63_before, s.province_after, s.province63_after, decode(repeat('00', 16), 'hex'), 0, 3 "
    "FROM unnest($1, $2, $3, $4, $5, $6) AS s(position, person, province_before, province63_before, province_after, "
    "province63_after)",
    6, NOTE_TYPES};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "persons who moved do not fit");
}

static int query_behind(Prepare *prepare, Pg *exchange, size_t n_max, PGresult **ret) {
    PGresult *read = NULL;
    *ret = NULL;
    int result = pg_run(exchange, &READ, NULL, &read);
    if (result < 0)
        return result;
    PgParams params = {0};
    pg_param_i64(&params, pg_i64(read, 0, 0));
    pg_param_i64(&params, (int64_t)n_max);
    result = pg_run(prepare_population(prepare), &BEHIND, &params, ret);
    pg_params_free(&params);
    PQclear(read);
    return result;
}

static int seen(Pg *exchange, int64_t place) {
    PgParams params = {0};
    pg_param_i64(&params, place);
    int result = pg_run(exchange, &SEEN, &params, NULL);
    pg_params_free(&params);
    return result;
}

int homes_wait(Prepare *prepare, bool *ret) {
    PGresult *rows = NULL;
    int result = query_behind(prepare, prepare_exchange(prepare), 1, &rows);
    *ret = result == 0 && PQntuples(rows) > 0 && !MISTAKE(HOMES_UNTOLD);
    PQclear(rows);
    return result;
}

static bool is_told(const Work *work, const Item *item) {
    if (strcmp(item->province_before, item->province_after) == 0 &&
        strcmp(item->province63_before, item->province63_after) == 0)
        return true;
    for (const Item *other = work->items; other < item; other++) {
        if (other->applied_to == item->applied_to && strcmp(other->province_before, item->province_before) == 0 &&
            strcmp(other->province63_before, item->province63_before) == 0)
            return true;
    }
    return false;
}

static int fill(Work *work, const PGresult *rows, int row) {
    Item *item = &work->items[work->n_items];
    item->decision.verdict = DONGBO__VERDICT__VERDICT_UNSPECIFIED; // nobody's event
    item->applied_to = pg_i64(rows, row, PERSON);
    item->province_before = lookup_read_text(work->arena, rows, row, BEFORE);
    item->province63_before = lookup_read_text(work->arena, rows, row, BEFORE63);
    item->province_after = lookup_read_text(work->arena, rows, row, NOW);
    item->province63_after = lookup_read_text(work->arena, rows, row, NOW63);
    if (item->province_before == NULL || item->province63_before == NULL || item->province_after == NULL ||
        item->province63_after == NULL)
        return no_memory();
    work->n_items += !is_told(work, item);
    return 0;
}

int homes_build(Prepare *prepare, Pg *exchange, Work *work) {
    PGresult *rows = NULL;
    work_rewind(work);
    int result = query_behind(prepare, exchange, HOMES_MAX, &rows);
    int n = result == 0 ? PQntuples(rows) : 0;
    work->advance->rows = n;
    work->items = n == 0 ? NULL : decide_items_new(work, (size_t)n);
    if (n > 0 && work->items == NULL)
        result = no_memory();
    for (int row = 0; result == 0 && row < n; row++)
        result = fill(work, rows, row);
    if (result == 0 && n > 0)
        work->advance->to.position = pg_i64(rows, n - 1, PLACE);
    PQclear(rows);
    return result;
}

static int note(Pg *exchange, const Work *work) {
    PgParams params = {0};
    int n = (int)work->n_entries;
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)work->entry_items[i]->position);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, work->entry_items[i]->applied_to);
    for (int place = 0; place < 4; place++) {
        pg_param_array_begin(&params, OID_TEXT, n);
        for (int i = 0; i < n; i++) {
            const Item *item = work->entry_items[i];
            const char *const places[] = {item->province_before, item->province63_before, item->province_after,
                                          item->province63_after};
            pg_array_text(&params, places[place], strlen(places[place]));
        }
    }
    int result = pg_run(exchange, &NOTE, &params, NULL);
    pg_params_free(&params);
    return result;
}

int homes_done(Pg *exchange, const Work *work) {
    int result = work->n_entries == 0 ? 0 : note(exchange, work);
    if (result == 0 && work->advance->rows > 0)
        result = seen(exchange, work->advance->to.position);
    return result;
}

// By an event of the work, that has its person's records told again. They are mostly in the same order: *from is where
// the last one was found.
static bool tells(const Work *work, const PGresult *rows, int row, size_t *from) {
    for (size_t i = 0; i < work->n_entries; i++) {
        size_t at = (*from + i) % work->n_entries;
        const Item *item = work->entry_items[at];
        *from = at; // kept by what returns
        if (item->applied_to == pg_i64(rows, row, PERSON) && retelling_moves(item) &&
            strcmp(item->province_before, pg_text(rows, row, BEFORE)) == 0 &&
            strcmp(item->province63_before, pg_text(rows, row, BEFORE63)) == 0 &&
            strcmp(item->province_after, pg_text(rows, row, AFTER)) == 0 &&
            strcmp(item->province63_after, pg_text(rows, row, AFTER63)) == 0)
            return true;
    }
    return false;
}

int homes_told(Prepare *prepare, Pg *exchange, const Work *work) {
    PGresult *rows = NULL;
    if (!work->population_moved)
        return 0;
    int result = query_behind(prepare, exchange, work->n_entries + 1, &rows);
    int n = result == 0 ? PQntuples(rows) : 0;
    size_t from = 0;
    bool all = n > 0 && (size_t)n <= work->n_entries;
    for (int row = 0; all && row < n; row++)
        all = tells(work, rows, row, &from);
    if (all)
        result = seen(exchange, pg_i64(rows, n - 1, PLACE));
    PQclear(rows);
    return result;
}
