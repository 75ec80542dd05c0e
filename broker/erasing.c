// SPDX-License-Identifier: Apache-2.0
//
// See erasing.h. One record a work, so that each is read as the one before left it.
#include "broker/erasing.h"

#include "broker/lookup.h"
#include "broker/withdraw.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <string.h>

#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23
#define OID_TEXT 25
#define OID_INT8_ARRAY 1016
#define ERASING_MAX 200

enum { POSITION, AGENCY, LEAF, ORDERED, REQUESTED_BY, PERSON, DOMAIN, RECORD_KEY, EVENT_ID, EVENT_TIME };
static const Oid WAITING_TYPES[] = {OID_INT4};
static const PgStatement WAITING = {
    "erasing-waiting",
    "SELECT position, agency, leaf, ordered, requested_by, coalesce(person, 0), coalesce(domain, 0::smallint), "
    "coalesce(record_key, ''), event_id, coalesce(event_time_us, 0) FROM exchange.erasure "
    "WHERE logged_position IS NULL ORDER BY position LIMIT $1",
    1, WAITING_TYPES};
static const Oid VERSIONS_TYPES[] = {OID_INT8, OID_INT2, OID_TEXT};
static const PgStatement VERSIONS = {
    "erasing-versions",
    "SELECT superseded, record FROM exchange.record_version WHERE person = $1 AND domain = $2 AND record_key = $3 "
    "ORDER BY position",
    3, VERSIONS_TYPES};
static const Oid DONE_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement DONE = {
    "erasing-done",
    "UPDATE exchange.erasure e SET logged_position = n.logged FROM unnest($1::bigint[], $2::bigint[]) "
    "AS n(position, logged) WHERE e.position = n.position",
    2, DONE_TYPES};

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "what is to be erased does not fit");
}

static const char *copy_text(Arena *arena, const PGresult *rows, int row, int column) {
    const char *text = pg_text(rows, row, column);
    return arena_strndup(arena, text, strlen(text));
}

static const uint8_t *copy_binary(Arena *arena, const PGresult *rows, int row, int column) {
    size_t n = 0;
    const uint8_t *data = pg_is_null(rows, row, column) ? NULL : pg_bytes(rows, row, column, &n);
    uint8_t *copy = data ? arena_alloc(arena, n ? n : 1) : NULL;
    if (copy)
        memcpy(copy, data, n);
    return copy;
}

static int fill(Work *work, const PGresult *rows, int row) {
    Item *item = &work->items[work->n_items++];
    const uint8_t *id = copy_binary(work->arena, rows, row, EVENT_ID);
    item->erases = pg_i64(rows, row, POSITION);
    item->note =
        arena_printf(work->arena, "erased position %lld: %s", (long long)item->erases, pg_text(rows, row, ORDERED));
    item->noted_by = copy_text(work->arena, rows, row, REQUESTED_BY);
    item->told_by = (uint32_t)pg_i32(rows, row, AGENCY);
    item->leaf = copy_binary(work->arena, rows, row, LEAF);
    item->claimed_number = "";
    item->record_key = "";
    item->domain = pg_i16(rows, row, DOMAIN);
    item->decision.verdict = DONGBO__VERDICT__ACCEPTED;
    if (item->note == NULL || item->noted_by == NULL)
        return no_memory();
    if (pg_i64(rows, row, PERSON) == 0 || id == NULL)
        return 0;
    item->stands = pg_i64(rows, row, PERSON);
    item->record_key = copy_text(work->arena, rows, row, RECORD_KEY);
    item->event = work_cause(work->arena, id, pg_i64(rows, row, EVENT_TIME));
    return item->record_key == NULL || item->event == NULL ? no_memory() : 0;
}

// ---- the record -----------------------------------------------------------------------------------------------------

static int find_person(Prepare *prepare, Work *work, Item *item) {
    Person *found = NULL, *person = arena_zalloc(work->arena, sizeof *person);
    size_t n = 0;
    int64_t *key = arena_alloc(work->arena, sizeof *key);
    if (person == NULL || key == NULL)
        return no_memory();
    *key = item->stands;
    int result = lookup_keys(prepare_population(prepare), work->arena, &(LookupKeys){key, 1}, &found, &n);
    person->key = item->stands; // the store may have them no more
    person->citizen_number = person->residence_province = person->residence_province63 = "";
    item->person = n == 1 ? found : person;
    item->claimed_number = item->person->citizen_number;
    item->province_before = item->province_after = item->person->residence_province;
    item->province63_before = item->province63_after = item->person->residence_province63;
    item->record_hash = record_hash(item->stands, item->domain, item->record_key);
    return result;
}

static int read_versions(Pg *exchange, Work *work, const Item *item, Withdraw *of) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i64(&params, item->stands);
    pg_param_i16(&params, (int16_t)item->domain);
    pg_param_text(&params, item->record_key);
    int result = pg_run(exchange, &VERSIONS, &params, &rows);
    pg_params_free(&params);
    int n = result == 0 ? PQntuples(rows) : 0;
    const Dongbo__Record **versions = arena_alloc(work->arena, (size_t)n * sizeof *versions + 1);
    if (result == 0 && versions == NULL)
        result = no_memory();
    for (int row = 0; result == 0 && row < n; row++) {
        size_t bytes = 0;
        const uint8_t *data = pg_bytes(rows, row, 1, &bytes);
        Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(work->arena), bytes, data);
        if (record == NULL && arena_failed(work->arena))
            result = no_memory();
        versions[row] = record == NULL ? &RECONCILE_UNREADABLE : record;
        if (!pg_bool(rows, row, 0))
            of->current = versions[row];
    }
    PQclear(rows);
    of->versions = versions;
    of->n = (size_t)n;
    return result;
}

// Of what the record was, nothing is kept beside what is left: not even that of the word that goes.
static int take_out(Prepare *prepare, Pg *exchange, Work *work, Item *item) {
    Withdraw of = {.rules = rules_domain(prepare_rules(prepare), item->domain),
                   .arena = work->arena,
                   .event = item->event,
                   .agency = item->told_by};
    int result = find_person(prepare, work, item);
    if (result == 0)
        result = read_versions(exchange, work, item, &of);
    if (result < 0 || !withdraw_stands(of.current, item->event))
        return result;
    result = withdraw(&of, &item->merged);
    if (result == 0 && item->merged.record->lost != NULL)
        item->merged.record->lost->body = (ProtobufCBinaryData){0};
    if (result > 0) {
        log_warn("a record that an erased event is in cannot be read, and stays as it is");
        item->merged = (Merged){0};
    }
    return result < 0 ? result : 0;
}

int erasing_build(Prepare *prepare, Pg *exchange, Work *work) {
    PgParams params = {0};
    PGresult *rows = NULL;
    work_rewind(work);
    work->advance->rows = 0;
    pg_param_i32(&params, ERASING_MAX);
    int result = pg_run(exchange, &WAITING, &params, &rows);
    pg_params_free(&params);
    int n = result == 0 ? PQntuples(rows) : 0;
    work->items = result == 0 ? decide_items_new(work, (size_t)n + 1) : NULL;
    if (result == 0 && work->items == NULL)
        result = no_memory();
    bool record = false;
    for (int row = 0; result == 0 && row < n && !record; row++) {
        result = fill(work, rows, row);
        record = work->items[work->n_items - 1].stands != 0;
    }
    PQclear(rows);
    if (result == 0 && record)
        result = take_out(prepare, exchange, work, &work->items[work->n_items - 1]);
    work->advance->rows = result == 0 ? (int)work->n_items : 0;
    return result;
}

int erasing_done(Pg *exchange, const Work *work) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, (int)work->n_items);
    for (size_t i = 0; i < work->n_items; i++)
        pg_array_i64(&params, work->items[i].erases);
    pg_param_array_begin(&params, OID_INT8, (int)work->n_items);
    for (size_t i = 0; i < work->n_items; i++)
        pg_array_i64(&params, (int64_t)work->items[i].position);
    int result = pg_run(exchange, &DONE, &params, NULL);
    pg_params_free(&params);
    return result;
}
