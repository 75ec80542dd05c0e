// SPDX-License-Identifier: Apache-2.0
//
// Every version of the person's records is fetched at once, sorted by record; each record's are decoded when it is
// asked for. Refuses a record that cannot be read: part of an answer would pass for all of it.
#include "operators/dossier.h"
#include "broker/history.h"
#include "operators/result.h"
#include "operators/since.h"
#include "proto/domain.h"

#include <inttypes.h>
#include <string.h>

#define DOSSIER_ARENA_BYTES ((size_t)64 * 1024 * 1024)

// What rows are kept back from is looked up by OFFSET 0: a join's condition would not reach its index.
// Of the person, and of those who were merged into them by then, up to when they were: later versions are the deletions
// by which their records went. Under the number of somebody who only went later, of that one.
static const Oid VERSION_TYPES[] = {OID_INT8, OID_TEXT, OID_INT8};
static const PgStatement VERSIONS = {
    "dossier_versions",
    "WITH RECURSIVE part(person, upto, whole) AS (SELECT coalesce(w.person, n.person), coalesce(w.position, n.upto), true "
    "FROM (SELECT $1::bigint AS person, 9223372036854775807 AS upto) n LEFT JOIN LATERAL (SELECT l.person, l.position "
    "FROM exchange.seen_link l WHERE l.number = $2 AND l.position > $3 ORDER BY l.position LIMIT 1) w ON true "
    "UNION ALL SELECT l.person, l.position, false FROM part p CROSS JOIN LATERAL (SELECT s.* "
    "FROM exchange.seen_link s WHERE s.merged_into = p.person AND s.position <= $3 OFFSET 0) l) "
    "SELECT v.domain, v.record_key, v.position, v.superseded, v.record FROM part p CROSS JOIN LATERAL (SELECT s.* "
    "FROM exchange.seen_version s WHERE s.person = p.person AND s.position <= p.upto OFFSET 0) v "
    "ORDER BY v.domain, v.record_key, p.whole, v.position",
    3, VERSION_TYPES};
static const PgStatement EXCEPTIONS = {
    "dossier_exceptions",
    "SELECT position, agency, domain, first_verdict, verdict, open, reasons, at, coalesce(decided_position, 0), "
    "sequence, candidates::text FROM exchange.seen_exception WHERE (citizen_number = ANY($1) OR (person = $2 AND $2 <> 0) OR "
    "(likely_person = $2 AND open)) AND position <= $3 ORDER BY position",
    3, NULL};

enum { DOMAIN, KEY, POSITION, SUPERSEDED, RECORD };

static int read_versions(Dossier *dossier, Pg *exchange) {
    PgParams params = {0};
    pg_param_i64(&params, dossier->identity->person);
    pg_param_text(&params, dossier->identity->number);
    pg_param_i64(&params, dossier->known_position);
    int r = pg_run(exchange, &VERSIONS, &params, &dossier->versions);
    pg_params_free(&params);
    return r;
}

static int read_exceptions(Dossier *dossier, Pg *exchange) {
    const Identity *identity = dossier->identity;
    PgParams params = {0};
    int n = PQntuples(identity->numbers);
    pg_param_array_begin(&params, OID_TEXT, n + 1);
    pg_array_text(&params, identity->number, strlen(identity->number));
    for (int row = 0; row < n; row++) {
        const char *number = pg_text(identity->numbers, row, 0);
        pg_array_text(&params, number, strlen(number));
    }
    pg_param_i64(&params, identity->person);
    pg_param_i64(&params, dossier->known_position);
    int r = pg_run(exchange, &EXCEPTIONS, &params, &dossier->exceptions);
    pg_params_free(&params);
    return r;
}

int dossier_read(Dossier *dossier, Pg *exchange) {
    int r = arena_new(&dossier->arena, DOSSIER_ARENA_BYTES);
    if (r == 0)
        r = since_stored_by(exchange, dossier->known_at_us, &dossier->known_position);
    if (r == 0)
        r = read_versions(dossier, exchange);
    if (r == 0)
        r = read_exceptions(dossier, exchange);
    return r;
}

void dossier_free(Dossier *dossier) {
    PQclear(dossier->versions);
    PQclear(dossier->exceptions);
    arena_destroy(&dossier->arena);
    *dossier = (Dossier){0};
}

bool dossier_is_superseded(const Dossier *dossier, int row) {
    return pg_bool(dossier->versions, row, SUPERSEDED);
}

int64_t dossier_position(const Dossier *dossier, int row) {
    return pg_i64(dossier->versions, row, POSITION);
}

// ---- records --------------------------------------------------------------------------------------------------------

static int unreadable(const Dossier *dossier, int row) {
    return error_fail(ERROR_DATABASE, "the record at position %" PRId64 " cannot be read",
                      dossier_position(dossier, row));
}

static int read_record(const Dossier *dossier, int row, const Dongbo__Record **ret) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(dossier->versions, row, RECORD, &n);
    *ret = dongbo__record__unpack(arena_protobuf(dossier->arena), n, bytes);
    return *ret ? 0 : unreadable(dossier, row);
}

// The record as its current version has it. Without one there is nothing: an older event alone is no record.
static int read_held(const Dossier *dossier, int row, HistoryAnswer *ret) {
    const Dongbo__Record *record = NULL;
    *ret = (HistoryAnswer){0};
    if (row < 0)
        return 0;
    int r = read_record(dossier, row, &record);
    if (r < 0)
        return r;
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(pg_i16(dossier->versions, row, DOMAIN));
    *ret = (HistoryAnswer){record, protobuf_c_message_unpack(descriptor, arena_protobuf(dossier->arena),
                                                             record->body.len, record->body.data)};
    return ret->body ? 0 : unreadable(dossier, row);
}

static int current_row(const Dossier *dossier, int first, int last) {
    while (last >= first && dossier_is_superseded(dossier, last))
        last--;
    return last >= first ? last : -1;
}

// What rows first to last say.
static int answer(const Dossier *dossier, const DomainRules *rules, int first, int last, HistoryAnswer *ret) {
    *ret = (HistoryAnswer){0};
    if (!dossier->is_as_of)
        return read_held(dossier, current_row(dossier, first, last), ret);
    size_t n = (size_t)(last - first + 1);
    const Dongbo__Record **versions = arena_alloc(dossier->arena, n * sizeof *versions + 1);
    if (!versions)
        return error_fail(ERROR_MEMORY, "a record's history takes more memory than there is for it");
    for (size_t i = 0; i < n; i++) {
        int r = read_record(dossier, first + (int)i, &versions[i]);
        if (r < 0)
            return r;
    }
    const HistoryQuestion question = {rules, dossier->arena, versions, n, dossier->as_of_us};
    int r = n ? history_read(&question, ret) : 0;
    return r > 0 ? unreadable(dossier, last) : r;
}

static bool same_record(const PGresult *versions, int a, int b) {
    return pg_i16(versions, a, DOMAIN) == pg_i16(versions, b, DOMAIN) &&
           strcmp(pg_text(versions, a, KEY), pg_text(versions, b, KEY)) == 0;
}

// Rows first to last_now are one record's; those up to `last` were known.
static int read_answers(const Dossier *dossier, DossierRecord *record, int last_now) {
    HistoryAnswer then, now = {0};
    int r = answer(dossier, record->rules, record->first, record->last, &then);
    if (r == 0 && then.record && last_now > record->last)
        r = answer(dossier, record->rules, record->first, last_now, &now);
    record->record = then.record;
    record->body = then.body;
    record->later = now.record;
    record->later_body = now.body;
    return r;
}

int dossier_next(Dossier *dossier, DossierRecord *ret) {
    const PGresult *versions = dossier->versions;
    int n = PQntuples(versions), r = 0;
    *ret = (DossierRecord){0};
    while (r == 0 && !ret->record && dossier->next < n) {
        int first = dossier->next, last_now = first, last;
        while (last_now + 1 < n && same_record(versions, first, last_now + 1))
            last_now++;
        for (last = last_now; last >= first && dossier_position(dossier, last) > dossier->known_position;)
            last--;
        dossier->next = last_now + 1;
        arena_reset(dossier->arena);
        *ret = (DossierRecord){.domain = pg_i16(versions, first, DOMAIN),
                               .key = pg_text(versions, first, KEY),
                               .first = first,
                               .last = last,
                               .current = current_row(dossier, first, last)};
        ret->rules = rules_domain(dossier->rules, ret->domain);
        if (!ret->rules)
            return unreadable(dossier, first);
        r = read_answers(dossier, ret, last_now);
    }
    return r < 0 ? r : ret->record ? 0 : 1;
}

static void find_since(const DossierRecord *record, DossierField *ret) {
    bool cleared = false;
    const Dongbo__Origin *later = history_origin(record->later, ret->field->number, &cleared);
    ret->since_value = field_text(record->later_body, ret->field->number, ret->since_number);
    if (cleared == ret->cleared && !later == !ret->origin && strcmp(ret->since_value, ret->value) == 0)
        return;
    Dongbo__Nature nature = later ? later->nature : DONGBO__NATURE__NATURE_CHANGE;
    ret->since = nature == DONGBO__NATURE__NATURE_RETRACTION   ? SINCE_WITHDRAWN
                 : nature == DONGBO__NATURE__NATURE_CORRECTION ? SINCE_CORRECTED
                                                               : SINCE_OTHERWISE;
}

int dossier_field(const DossierRecord *record, const RuleField *field, DossierField *ret) {
    *ret = (DossierField){.field = field};
    ret->origin = history_origin(record->record, field->number, &ret->cleared);
    ret->value = field_text(record->body, field->number, ret->number);
    if (record->later)
        find_since(record, ret);
    return ret->origin || *ret->value || ret->since ? 0 : 1;
}

// ---- events in question ---------------------------------------------------------------------------------------------

int dossier_exception_count(const Dossier *dossier) {
    return PQntuples(dossier->exceptions);
}

int dossier_exception(Dossier *dossier, int row, DossierException *ret) {
    const PGresult *rows = dossier->exceptions;
    *ret = (DossierException){.position = pg_i64(rows, row, 0),
                              .agency = (uint32_t)pg_i32(rows, row, 1),
                              .domain = pg_i16(rows, row, 2),
                              .first_verdict = pg_i16(rows, row, 3),
                              .verdict = pg_i16(rows, row, 4),
                              .open = pg_bool(rows, row, 5),
                              .at_us = pg_us(rows, row, 7),
                              .candidates = "",
                              .decided_position = pg_i64(rows, row, 8),
                              .sequence = pg_i64(rows, row, 9)};
    if (ret->decided_position > dossier->known_position) { // only the last decision is kept, and that came later
        ret->decided_position = 0;
        ret->verdict = ret->first_verdict;
        ret->open = verdict_is_open(ret->first_verdict);
        return 0;
    }
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, 6, &n);
    ret->candidates = pg_text(rows, row, 10);
    arena_reset(dossier->arena);
    ret->reasons = dongbo__event_verdict__unpack(arena_protobuf(dossier->arena), n, bytes);
    if (!ret->reasons)
        return error_fail(ERROR_DATABASE, "the reasons at position %" PRId64 " cannot be read", ret->position);
    return 0;
}
