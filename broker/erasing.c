// SPDX-License-Identifier: Apache-2.0
//
// See erasing.h. One record a work; what goes of it is taken out of it at once.
#include "broker/erasing.h"

#include "broker/claim.h"
#include "broker/erasing_fit.h"
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
#define ERASING_MAX 1000

// Of the record that the first one's word stands in all that wait, for a tombstone between two of them would tell what
// the other said; else those of no record. Whoever was merged into another since took their records along; while they
// are on their way, it waits. A record of which one stands up to $2 was tried before.
static const Oid WAITING_TYPES[] = {OID_INT4, OID_INT8};
static const PgStatement OF_RECORD = {
    "erasing-record",
    "WITH RECURSIVE first AS (SELECT h.holder, e.domain, e.record_key FROM exchange.erasure e CROSS JOIN LATERAL "
    "(SELECT exchange.went_to(e.person, true) AS holder) h WHERE e.logged_position IS NULL AND e.refused IS NULL AND "
    "e.person IS NOT NULL "
    "AND NOT EXISTS (SELECT FROM exchange.person_link l WHERE l.person = h.holder AND NOT l.moved) "
    "AND ($2 = 0 OR (e.position > $2 AND NOT EXISTS (SELECT FROM exchange.erasure b WHERE b.person = e.person "
    "AND b.domain = e.domain AND b.record_key = e.record_key AND b.position <= $2 AND b.logged_position IS NULL "
    "AND b.refused IS NULL))) ORDER BY e.position LIMIT 1), "
    "part(person) AS (SELECT holder FROM first UNION SELECT l.person FROM part p "
    "JOIN exchange.person_link l ON l.merged_into = p.person AND l.moved), "
    "logged AS MATERIALIZED (SELECT EXISTS (SELECT FROM first f CROSS JOIN part p JOIN exchange.erasure b "
    "ON b.person = p.person AND b.domain = f.domain AND b.record_key = f.record_key "
    "WHERE b.logged_position IS NOT NULL AND NOT b.done) AS untold) "
    "SELECT e.position, e.agency, e.leaf, e.ordered, e.requested_by, f.holder, e.domain, e.record_key, e.event_id, "
    "coalesce(e.event_time_us, 0), e.person, e.about, e.stream, e.sequence, logged.untold "
    "FROM logged CROSS JOIN first f CROSS JOIN part p JOIN exchange.erasure e ON e.person = p.person "
    "AND e.domain = f.domain AND e.record_key = f.record_key WHERE e.logged_position IS NULL AND e.refused IS NULL "
    "ORDER BY e.position LIMIT $1",
    2, WAITING_TYPES};
static const PgStatement OF_NONE = {
    "erasing-plain",
    "SELECT position, agency, leaf, ordered, requested_by, 0::bigint, 0::smallint, '', NULL::bytea, 0::bigint, "
    "NULL::bigint, about, stream, sequence, false FROM exchange.erasure WHERE logged_position IS NULL "
    "AND refused IS NULL AND person IS NULL AND position > $2 ORDER BY position LIMIT $1",
    2, WAITING_TYPES};
// As they were stored, those of persons who were merged into it first, as lookup_standing.c has them.
static const Oid VERSIONS_TYPES[] = {OID_INT8, OID_INT2, OID_TEXT};
static const PgStatement VERSIONS = {
    "erasing-versions",
    "WITH RECURSIVE part(person, upto, whole) AS (SELECT $1::bigint, 9223372036854775807, true UNION ALL "
    "SELECT l.person, l.position, false FROM part p JOIN exchange.person_link l ON l.merged_into = p.person AND l.moved) "
    "SELECT v.superseded OR NOT p.whole, v.record FROM part p JOIN exchange.record_version v ON v.person = p.person "
    "AND v.domain = $2 AND v.record_key = $3 AND v.position <= p.upto ORDER BY p.whole, v.position",
    3, VERSIONS_TYPES};
static const Oid DONE_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY};
// What was open is decided no more, as if its content were gone already: nothing is said of it behind its tombstone.
static const PgStatement DONE = {
    "erasing-done",
    "WITH logged AS (UPDATE exchange.erasure e SET logged_position = n.logged FROM unnest($1::bigint[], $2::bigint[]) "
    "AS n(position, logged) WHERE e.position = n.position RETURNING e.stream, e.sequence) "
    "UPDATE exchange.exception x SET open = false FROM logged l WHERE x.stream = l.stream AND x.sequence = l.sequence "
    "AND x.open",
    2, DONE_TYPES};

typedef struct Waiting {
    bool record; // they are of one
    bool more;   // of which there are others
    bool untold; // ... or were
} Waiting;

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
    const uint8_t *id = copy_binary(work->arena, rows, row, ERASING_EVENT_ID);
    item->erases = pg_i64(rows, row, ERASING_POSITION);
    item->note = arena_printf(work->arena, "erased position %lld: %s", (long long)item->erases,
                              pg_text(rows, row, ERASING_ORDERED));
    item->noted_by = copy_text(work->arena, rows, row, ERASING_REQUESTED_BY);
    item->told_by = (uint32_t)pg_i32(rows, row, ERASING_AGENCY);
    item->leaf = copy_binary(work->arena, rows, row, ERASING_LEAF);
    item->claimed_number = "";
    item->record_key = "";
    item->domain = pg_i16(rows, row, ERASING_DOMAIN);
    item->decision.verdict = DONGBO__VERDICT__ACCEPTED;
    if (item->note == NULL || item->noted_by == NULL)
        return no_memory();
    if (pg_i64(rows, row, ERASING_STANDS) == 0 || id == NULL)
        return 0;
    item->stands = pg_i64(rows, row, ERASING_STANDS);
    item->record_key = copy_text(work->arena, rows, row, ERASING_RECORD_KEY);
    item->event = work_cause(work->arena, id, pg_i64(rows, row, ERASING_EVENT_TIME));
    return item->record_key == NULL || item->event == NULL ? no_memory() : 0;
}

// ---- the record -----------------------------------------------------------------------------------------------------

static void place(Item *item, const Person *person) {
    item->person = person;
    item->province_before = item->province_after = person->residence_province;
    item->province63_before = item->province63_after = person->residence_province63;
    item->record_hash = record_hash(item->stands, item->domain, item->record_key);
}

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
    place(item, n == 1 ? found : person);
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
static int note_own(Arena *arena, const Merged *left, size_t nth, Item *item) {
    Dongbo__Record *record = arena_alloc(arena, sizeof *record);
    Dongbo__Lost *own = arena_alloc(arena, sizeof *own);
    if (record == NULL || own == NULL)
        return no_memory();
    dongbo__lost__init(own);
    own->origins = &left->record->lost->origins[nth];
    own->n_origins = 1;
    *record = *left->record;
    record->lost = own;
    item->merged = *left;
    item->merged.record = record;
    item->decision.verdict = DONGBO__VERDICT__UNCHANGED;
    return 0;
}

// Also those that do not stand, for what hides one may go later, and it would come to light. Each tombstone's version
// is without any of them.
static int take_out(Work *work, Withdraw *of, Merged *left) {
    WithdrawWord *words = arena_alloc(work->arena, work->n_items * sizeof *words);
    if (words == NULL)
        return no_memory();
    for (size_t i = 0; i < work->n_items; i++)
        words[i] = (WithdrawWord){work->items[i].event, work->items[i].told_by};
    of->words = words;
    of->n_words = work->n_items;
    int result = withdraw(of, left);
    if (result > 0) {
        log_warn("a record that an erased event is in cannot be read, and stays as it is");
        *left = (Merged){0};
    }
    for (size_t i = 0; result == 0 && left->store && i < work->n_items; i++)
        result = note_own(work->arena, left, i, &work->items[i]);
    return result < 0 ? result : 0;
}

static uint32_t all_fields(const DomainRules *rules, uint32_t changed) {
    for (const RuleField *field = rules->fields; field->number != 0; field++)
        changed |= field->key ? 0 : CLAIM_BIT(field->number);
    return changed;
}

// Only the last one's tombstone tells what is left, and all that has changed; none does while others wait.
static void tell_last(Work *work, const DomainRules *rules, const Merged *left, const Waiting *waiting) {
    Item *last = &work->items[work->n_items - 1];
    last->decision.verdict = DONGBO__VERDICT__ACCEPTED;
    if (waiting->untold)
        last->merged.changed = all_fields(rules, left->changed);
}

static int take_all_out(Prepare *prepare, Pg *exchange, Work *work, const Waiting *waiting) {
    Item *first = work->items;
    Withdraw of = {.rules = rules_domain(prepare_rules(prepare), first->domain), .arena = work->arena};
    Merged left = {0};
    int result = find_person(prepare, work, first);
    if (result == 0)
        result = read_versions(exchange, work, first, &of);
    bool stands = false;
    for (size_t i = 0; result == 0 && i < work->n_items; i++) {
        if (i > 0)
            place(&work->items[i], first->person);
        stands = stands || withdraw_stands(of.current, work->items[i].event);
    }
    if (result == 0)
        result = take_out(work, &of, &left);
    if (result == 0 && left.store && !waiting->more && (stands || waiting->untold || left.changed != 0))
        tell_last(work, of.rules, &left, waiting);
    return result;
}

static int read_waiting(Pg *exchange, const PgStatement *statement, int64_t after, PGresult **ret) {
    PgParams params = {0};
    pg_param_i32(&params, ERASING_MAX + 1);
    pg_param_i64(&params, after);
    int result = pg_run(exchange, statement, &params, ret);
    pg_params_free(&params);
    return result;
}

// Whoever looks for others, if it cannot be done, gets on.
static void note_tried(Advance *advance, int64_t position) {
    int64_t from = advance->from.position;
    advance->to.position = position > from ? position : from + 1;
}

// Those that fit. 1 when all that were read were refused, so that others are to be looked at.
static int read_items(Pg *exchange, Work *work, Waiting *ret) {
    PGresult *rows = NULL;
    const char **reasons = NULL;
    int result = read_waiting(exchange, &OF_RECORD, work->advance->from.position, &rows);
    ret->record = result == 0 && PQntuples(rows) > 0;
    if (result == 0 && !ret->record) {
        PQclear(rows);
        result = read_waiting(exchange, &OF_NONE, 0, &rows);
    }
    int n = result == 0 ? PQntuples(rows) : 0;
    ret->more = n > ERASING_MAX;
    ret->untold = n > 0 && pg_bool(rows, 0, ERASING_UNTOLD);
    if (ret->record)
        note_tried(work->advance, pg_i64(rows, 0, ERASING_POSITION));
    n -= ret->more;
    work->items = result == 0 ? decide_items_new(work, (size_t)n + 1) : NULL;
    work->n_items = 0;
    if (result == 0 && work->items == NULL)
        result = no_memory();
    if (result == 0)
        result = erasing_fit(exchange, work->arena, rows, n, &reasons);
    if (result == 0)
        result = erasing_refuse(exchange, rows, n, reasons);
    for (int row = 0; result == 0 && row < n; row++)
        if (reasons[row] == NULL)
            result = fill(work, rows, row);
    PQclear(rows);
    return result == 0 && n > 0 && work->n_items == 0 ? 1 : result;
}

int erasing_build(Prepare *prepare, Pg *exchange, Work *work) {
    Waiting waiting = {0};
    int result;
    work_rewind(work);
    work->advance->rows = 0;
    do
        result = read_items(exchange, work, &waiting);
    while (result == 1);
    if (result == 0 && waiting.record)
        result = take_all_out(prepare, exchange, work, &waiting);
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
    work->advance->to = work->advance->from; // it may have more
    return result;
}
