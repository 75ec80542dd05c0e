// SPDX-License-Identifier: Apache-2.0
//
// One read-only snapshot: the log in pages, the exceptions as counts, the records through a cursor in key order, where
// the last version of a key that is not superseded is the current one.
#include "operators/tally.h"
#include "broker/search.h"
#include "broker/segment.h"
#include "operators/result.h"
#include "proto/base/arena.h"
#include "proto/reason.h"
#include "store.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TALLY_ARENA_BYTES ((size_t)128 * 1024 * 1024)

static const PgStatement SEGMENTS = {
    "tally_segments",
    "SELECT first_position, format, kind, summary FROM exchange.segment WHERE first_position > $1 AND kind IN (1, 2) "
    "ORDER BY first_position LIMIT 200",
    1, NULL};
static const PgStatement DECIDED = {"tally_decided",
                                    "SELECT domain, first_verdict, verdict, count(*) FROM exchange.exception "
                                    "WHERE verdict <> first_verdict GROUP BY domain, first_verdict, verdict",
                                    0, NULL};
// Known as in operators/likely.h.
static const PgStatement LIKELY = {
    "tally_likely",
    "SELECT count(*), count(*) FILTER (WHERE known), count(*) FILTER (WHERE NOT known AND likely_posterior > 0) "
    "FROM exchange.seen_exception CROSS JOIN LATERAL (SELECT coalesce(likely_posterior, 0) >= $1 "
    "AND coalesce(candidates->>'too_large', '') <> 'true' AS known) k WHERE open AND verdict = 4",
    1, NULL};
static const PgStatement MAY_READ = {
    "tally_may_read", "SELECT has_function_privilege('exchange.look_at_all(text,text)', 'EXECUTE')", 0, NULL};
static const PgStatement FETCH = {"tally_fetch", "FETCH 5000 FROM tally_records", 0, NULL};

void tally_named_add(TallyNamed *named, const char *name) {
    int i = 0;
    while (i < named->n && strcmp(named->list[i].name, name) != 0)
        i++;
    if (i == named->n && i == TALLY_NAMES)
        i = TALLY_NAMES - 1;
    else if (i == named->n)
        snprintf(named->list[named->n++].name, sizeof named->list[i].name, "%s", i == TALLY_NAMES - 1 ? "other" : name);
    named->list[i].count++;
}

static int greatest_first(const void *a, const void *b) {
    typedef __typeof__(((TallyNamed *)0)->list[0]) Place;
    const Place *one = a, *other = b;
    if (one->count != other->count)
        return one->count < other->count ? 1 : -1;
    return strcmp(one->name, other->name);
}

void tally_named_sort(TallyNamed *named) {
    qsort(named->list, (size_t)named->n, sizeof named->list[0], greatest_first);
}

uint64_t tally_named_total(const TallyNamed *named) {
    uint64_t total = 0;
    for (int i = 0; i < named->n; i++)
        total += named->list[i].count;
    return total;
}

static size_t bounded(int value, size_t n) {
    return value > 0 && (size_t)value < n ? (size_t)value : 0;
}

static size_t reason_place(int code) {
    int n = 0;
    size_t place = (size_t)(reason_find(code) - reason_table(&n));
    return place < TALLY_REASONS ? place : 0;
}

static void add_line(Tally *tally, const Dongbo__SummaryLine *line) {
    if (line->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION)
        tally->decisions++;
    if (line->kind != DONGBO__ENTRY_KIND__ENTRY_EVENT)
        return;
    size_t domain = bounded((int)line->domain, DOMAIN_MAX + 1), verdict = bounded((int)line->verdict, TALLY_VERDICTS);
    tally->events++;
    tally->first[domain][verdict]++;
    tally->present[domain][verdict]++;
    for (size_t i = 0; i < line->n_reasons; i++)
        tally->reasons[domain][verdict][reason_place((int)line->reasons[i]->code)]++;
}

static int add_segments(Tally *tally, const PGresult *page, Arena *arena) {
    for (int row = 0; row < PQntuples(page); row++) {
        size_t n = 0;
        const uint8_t *bytes = pg_bytes(page, row, 3, &n);
        Dongbo__SegmentSummary *summary = NULL;
        arena_reset(arena);
        if (segment_decode_summary(bytes, n, pg_i16(page, row, 1), arena, &summary) != 0)
            return error_fail(ERROR_DATABASE, "the segment at position %" PRId64 " cannot be read",
                              pg_i64(page, row, 0));
        for (size_t i = 0; i < summary->n_lines; i++)
            add_line(tally, summary->lines[i]);
    }
    return 0;
}

static int read_log(Tally *tally, Pg *exchange, Arena *arena) {
    int64_t position = 0;
    for (int rows = 1; rows > 0;) {
        RESULT page = NULL;
        PgParams params = {0};
        pg_param_i64(&params, position);
        int r = pg_run(exchange, &SEGMENTS, &params, &page);
        pg_params_free(&params);
        if (r == 0)
            r = add_segments(tally, page, arena);
        if (r < 0)
            return r;
        rows = PQntuples(page);
        if (rows)
            position = pg_i64(page, rows - 1, 0);
    }
    return 0;
}

// An event decided again counts under its present verdict once, and under its first once.
static int read_decided(Tally *tally, Pg *exchange) {
    RESULT decided = NULL;
    int r = pg_run(exchange, &DECIDED, NULL, &decided);
    for (int row = 0; r == 0 && row < PQntuples(decided); row++) {
        size_t domain = bounded(pg_i16(decided, row, 0), DOMAIN_MAX + 1);
        uint64_t n = (uint64_t)pg_i64(decided, row, 3);
        tally->present[domain][bounded(pg_i16(decided, row, 1), TALLY_VERDICTS)] -= n;
        tally->present[domain][bounded(pg_i16(decided, row, 2), TALLY_VERDICTS)] += n;
    }
    return r;
}

static void add_residence(Tally *tally, const Dongbo__ResidencePeriod *period) {
    if (strcmp(period->kind, "short-stay") == 0)
        tally_named_add(&tally->temporary_stay_by_reporter, period->reporter_kind);
    bool asked = strcmp(period->status, "applied") == 0 || strcmp(period->status, "granted") == 0;
    if (strcmp(period->kind, "temporary") == 0 && asked)
        tally_named_add(&tally->temporary_residence_by_status, period->status);
}

static int add_record(Tally *tally, int domain, const uint8_t *bytes, size_t n, Arena *arena) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    arena_reset(arena);
    ProtobufCAllocator *allocator = arena_protobuf(arena);
    Dongbo__Record *record = dongbo__record__unpack(allocator, n, bytes);
    if (!record || !descriptor)
        return 1;
    if (record->retracted)
        return 0;
    ProtobufCMessage *body = protobuf_c_message_unpack(descriptor, allocator, record->body.len, record->body.data);
    if (!body)
        return 1;
    tally->records[domain]++;
    if (domain == DONGBO__DOMAIN__E_ID)
        tally_named_add(&tally->e_id_by_province, ((const Dongbo__EidAccount *)body)->province_code);
    else if (domain == DONGBO__DOMAIN__ELECTRICITY)
        tally_named_add(&tally->electricity_by_status, ((const Dongbo__ElectricityContract *)body)->status);
    else if (domain == DONGBO__DOMAIN__RESIDENCE)
        add_residence(tally, (const Dongbo__ResidencePeriod *)body);
    return 0;
}

// The version that may still be overtaken by a later one of its key, kept over the pages' ends.
typedef struct Pending {
    int64_t person;
    int domain;
    Bytes key; // closed by 0
    Bytes record;
    bool has;
} Pending;

static bool same_key(const Pending *pending, const PGresult *page, int row) {
    return pending->has && pending->person == pg_i64(page, row, 0) && pending->domain == pg_i16(page, row, 1) &&
           strcmp((const char *)pending->key.data, pg_text(page, row, 2)) == 0;
}

static int settle(Tally *tally, Pending *pending, Arena *arena) {
    if (!pending->has)
        return 0;
    if (pending->key.failed || pending->record.failed)
        return error_fail(ERROR_MEMORY, "no memory for a record");
    if (add_record(tally, pending->domain, pending->record.data, pending->record.n, arena) != 0)
        return error_fail(ERROR_DATABASE, "a record of domain %d cannot be read", pending->domain);
    pending->has = false;
    return 0;
}

static int add_page(Tally *tally, Pending *pending, const PGresult *page, Arena *arena) {
    int r = 0;
    for (int row = 0; r == 0 && row < PQntuples(page); row++) {
        size_t n = 0;
        if (!same_key(pending, page, row))
            r = settle(tally, pending, arena);
        const uint8_t *record = pg_bytes(page, row, 3, &n);
        pending->person = pg_i64(page, row, 0);
        pending->domain = pg_i16(page, row, 1);
        pending->has = true;
        bytes_clear(&pending->key);
        bytes_append(&pending->key, pg_text(page, row, 2), strlen(pg_text(page, row, 2)) + 1);
        bytes_clear(&pending->record);
        bytes_append(&pending->record, record, n);
    }
    return r;
}

static int read_records(Tally *tally, Pg *exchange, Arena *arena) {
    Pending pending = {0};
    int r = pg_command(exchange, "DECLARE tally_records NO SCROLL CURSOR FOR "
                                 "SELECT person, domain, record_key, record FROM exchange.seen_version "
                                 "WHERE NOT superseded ORDER BY person, domain, record_key, position");
    for (int rows = 1; r == 0 && rows > 0;) {
        RESULT page = NULL;
        r = pg_run(exchange, &FETCH, NULL, &page);
        rows = PQntuples(page);
        if (r == 0)
            r = add_page(tally, &pending, page, arena);
    }
    if (r == 0)
        r = settle(tally, &pending, arena);
    bytes_free(&pending.key);
    bytes_free(&pending.record);
    return r;
}

static int read_likely(Tally *tally, Pg *exchange) {
    RESULT likely = NULL;
    PgParams params = {0};
    pg_param_i32(&params, SEARCH_SURE);
    int r = pg_run(exchange, &LIKELY, &params, &likely);
    pg_params_free(&params);
    if (r < 0)
        return r;
    tally->mismatches = (uint64_t)pg_i64(likely, 0, 0);
    tally->likely_known = (uint64_t)pg_i64(likely, 0, 1);
    tally->likely_possible = (uint64_t)pg_i64(likely, 0, 2);
    return 0;
}

// What the records say can be counted only by who may read them.
static int check_rights(Pg *exchange) {
    RESULT may = NULL;
    int r = pg_run(exchange, &MAY_READ, NULL, &may);
    if (r == 0 && !pg_bool(may, 0, 0))
        r = error_fail(ERROR_CONFIG, "this role may not read records, which the report is counted from: use an "
                                     "operator's, or dongbo status");
    return r;
}

int tally_read(Tally **ret, Pg *exchange) {
    CLEANUP(arena_destroy) Arena *arena = NULL;
    Tally *tally = calloc(1, sizeof *tally);
    if (!tally)
        return error_fail(ERROR_MEMORY, "no memory for counts");
    int r = arena_new(&arena, TALLY_ARENA_BYTES);
    if (r == 0)
        r = check_rights(exchange);
    if (r == 0)
        r = pg_command(exchange, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    if (r == 0)
        r = read_log(tally, exchange, arena);
    if (r == 0)
        r = read_decided(tally, exchange);
    if (r == 0)
        r = read_likely(tally, exchange);
    if (r == 0)
        r = read_records(tally, exchange, arena);
    if (r == 0)
        r = pg_command(exchange, "COMMIT");
    if (r < 0) {
        free(tally);
        return r;
    }
    tally_named_sort(&tally->e_id_by_province);
    tally_named_sort(&tally->electricity_by_status);
    tally_named_sort(&tally->temporary_stay_by_reporter);
    tally_named_sort(&tally->temporary_residence_by_status);
    *ret = tally;
    return 0;
}
