// SPDX-License-Identifier: Apache-2.0
//
// Walks the log from its beginning, then the records. Judges by the truth only.

#include "tests/country/ledger.h"

#include "broker/segment.h"
#include "proto/base/error.h"
#include "proto/domain.h"
#include "proto/reason.h"
#include "wire.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_AT_ONCE "64"
#define ARENA_BYTES (256U << 20)
#define TOLD_MAX 20 // differences printed

static const PgStatement NEXT_SEGMENTS = {
    "score_segments",
    "SELECT first_position, last_position, kind, format, first_sequence, payload, "
    "batch FROM exchange.segment WHERE first_position > $1 "
    "ORDER BY first_position LIMIT " SEGMENTS_AT_ONCE,
    1, NULL};
static const PgStatement PERSONS = {"score_persons", "SELECT person, citizen_number FROM population.citizen ORDER BY 1",
                                    0, NULL};
static const PgStatement RECORDS = {
    "score_records",
    "SELECT DISTINCT ON (person, domain, record_key) person, domain, record "
    "FROM exchange.record_version WHERE NOT superseded AND domain <> 1 AND person >= $1 "
    "AND person < $1 + 20000 ORDER BY person, domain, record_key, position DESC",
    1, NULL};

typedef struct PersonKey {
    int64_t key;
    uint64_t number;
} PersonKey;

typedef struct Reading {
    Ledger *ledger;
    Truth *truth;
    Arena *arena;
    PersonKey *persons;
    size_t n_persons;
    uint64_t *ids; // first eight bytes of an event's id; 0 is free
    uint32_t *id_rows;
    size_t id_mask;
    int told;
} Reading;

static void tell(Reading *reading, const TruthRow *row, const char *what, const char *detail) {
    if (reading->told++ < TOLD_MAX)
        fprintf(stderr, "score: %s %.12s: %s%s\n", CLAIM_TRUTHS[row->kind].name, row->line, what, detail);
}

static int by_key(const void *a, const void *b) {
    const int64_t x = ((const PersonKey *)a)->key, y = ((const PersonKey *)b)->key;
    return x < y ? -1 : x > y;
}

static uint64_t number_of(const Reading *reading, int64_t person) {
    const PersonKey key = {.key = person};
    const PersonKey *found = bsearch(&key, reading->persons, reading->n_persons, sizeof key, by_key);
    return found ? found->number : 0;
}

static int read_persons(Reading *reading, Pg *population) {
    PGresult *result = NULL;
    const int r = pg_run(population, &PERSONS, NULL, &result);
    if (r < 0)
        return r;
    reading->n_persons = (size_t)PQntuples(result);
    reading->persons = calloc(reading->n_persons + 1, sizeof *reading->persons);
    for (size_t i = 0; reading->persons && i < reading->n_persons; i++)
        reading->persons[i] =
            (PersonKey){.key = pg_i64(result, (int)i, 0), .number = strtoull(pg_text(result, (int)i, 1), NULL, 10)};
    PQclear(result);
    return reading->persons ? 0 : error_fail(ERROR_MEMORY, "no memory for %zu persons", reading->n_persons);
}

// The slot of this event id: its own, or a free one.
static size_t id_slot(const Reading *reading, ProtobufCBinaryData id, uint64_t *ret_key) {
    uint64_t key = 1;
    if (id.len >= sizeof key)
        memcpy(&key, id.data, sizeof key);
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15ULL >> 24) & reading->id_mask;
    while (reading->ids[at] != 0 && reading->ids[at] != key)
        at = (at + 1) & reading->id_mask;
    *ret_key = key;
    return at;
}

static bool has_reason(const Dongbo__Entry *entry, const char *name) {
    for (size_t i = 0; i < entry->n_reasons; i++)
        if (strcmp(reason_find(entry->reasons[i]->code)->name, name) == 0)
            return true;
    return false;
}

static bool is_taken(int verdict) {
    return verdict == DONGBO__VERDICT__ACCEPTED || verdict == DONGBO__VERDICT__UNCHANGED ||
           verdict == DONGBO__VERDICT__SUPERSEDED;
}

static void note_verdict(Reading *reading, TruthRow *row, const Dongbo__Entry *entry, bool first) {
    const ClaimTruth *truth = &CLAIM_TRUTHS[row->kind];
    if (first && row->seen++ == 0) {
        row->first = (uint8_t)entry->verdict;
        row->reason_seen =
            !truth->reason || has_reason(entry, truth->reason) || (truth->or_else && has_reason(entry, truth->or_else));
        row->excused = reading->truth->lenient && entry->verdict == DONGBO__VERDICT__ACCEPTED && truth->excuse &&
                       has_reason(entry, truth->excuse);
    }
    row->present = (uint8_t)entry->verdict;
    row->another = is_taken((int)entry->verdict) && number_of(reading, entry->person) != row->person->number;
}

static int read_event(Reading *reading, const Dongbo__Entry *entry, ProtobufCBinaryData bytes) {
    Dongbo__ChangeEvent *event = dongbo__change_event__unpack(arena_protobuf(reading->arena), bytes.len, bytes.data);
    TruthRow *row = event ? truth_find(reading->truth, event->source_key) : NULL;
    reading->ledger->events++;
    if (!row) {
        reading->ledger->strange++;
        return 0;
    }
    uint64_t key;
    const size_t at = id_slot(reading, entry->event_id, &key);
    reading->ids[at] = key;
    reading->id_rows[at] = (uint32_t)(row - reading->truth->rows);
    note_verdict(reading, row, entry, true);
    return 0;
}

static void read_decision(Reading *reading, const Dongbo__Entry *entry) {
    uint64_t key;
    const size_t at = id_slot(reading, entry->event_id, &key);
    if (reading->ids[at] == 0)
        reading->ledger->strange++;
    else
        note_verdict(reading, &reading->truth->rows[reading->id_rows[at]], entry, false);
}

static int read_segment(Reading *reading, const PGresult *result, int i) {
    size_t n = 0, batch_n = 0;
    const uint8_t *payload = pg_bytes(result, i, 5, &n), *batch = pg_bytes(result, i, 6, &batch_n);
    const uint64_t first_sequence = (uint64_t)pg_i64(result, i, 4);
    Dongbo__SegmentPayload *entries = NULL;
    Dongbo__SealedBatch *sealed = NULL;
    arena_reset(reading->arena);
    reading->ledger->head = (uint64_t)pg_i64(result, i, 1);
    if (segment_decode_payload(payload, n, pg_i16(result, i, 3), reading->arena, &entries) != 0)
        return error_fail(ERROR_DATA, "the segment at %" PRId64 " does not decode", pg_i64(result, i, 0));
    if (batch_n)
        sealed = dongbo__sealed_batch__unpack(arena_protobuf(reading->arena), batch_n, batch);
    for (size_t k = 0; k < entries->n_entries; k++) {
        const Dongbo__Entry *entry = entries->entries[k];
        if (entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION) {
            read_decision(reading, entry);
        } else if (entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT) {
            const uint64_t index = entry->sequence - first_sequence;
            if (!sealed || index >= sealed->n_events)
                return error_fail(ERROR_DATA, "the entry of sequence %" PRIu64 " has no event", entry->sequence);
            const int r = read_event(reading, entry, sealed->events[index]);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int read_log(Reading *reading, Pg *exchange) {
    int64_t after = 0;
    for (int rows = 1; rows > 0;) {
        PgParams params = {0};
        PGresult *result = NULL;
        pg_param_i64(&params, after);
        int r = pg_run(exchange, &NEXT_SEGMENTS, &params, &result);
        pg_params_free(&params);
        if (r < 0)
            return r;
        rows = PQntuples(result);
        for (int i = 0; r == 0 && i < rows; i++) {
            after = pg_i64(result, i, 0);
            r = read_segment(reading, result, i);
        }
        PQclear(result);
        if (r < 0)
            return r;
    }
    return 0;
}

static void judge_row(Reading *reading, const TruthRow *row) {
    Ledger *ledger = reading->ledger;
    const ClaimTruth *truth = &CLAIM_TRUTHS[row->kind];
    const int domain = domain_by_name(SHEET_TABLE[row->sheet].domain);
    if (row->seen == 0) {
        ledger->lost++;
        tell(reading, row, "not in the log", "");
        return;
    }
    ledger->doubled += row->seen > 1;
    ledger->present[domain][row->present < LEDGER_VERDICTS ? row->present : 0]++;
    if (row->another || (is_taken(row->present) && !row->excused && !is_taken(verdict_by_name(truth->final)))) {
        ledger->wrongly_accepted++;
        tell(reading, row, "taken though it is wrong", "");
    }
    const int first = row->excused ? DONGBO__VERDICT__ACCEPTED : verdict_by_name(truth->first);
    if (row->first != first || row->present != (row->excused ? first : verdict_by_name(truth->final))) {
        char verdicts[64];
        snprintf(verdicts, sizeof verdicts, "%s, then %s", verdict_name(row->first), verdict_name(row->present));
        ledger->verdicts_wrong++;
        tell(reading, row, "verdict is ", verdicts);
    } else if (!row->reason_seen) {
        ledger->reasons_wrong++;
        tell(reading, row, "has not the reason ", truth->reason);
    }
}

static void add_field(void *self, const char *name, const char *value) {
    digest_add(self, name, value);
}

// What should be held: each row that was to be taken as news, unless the next row (about the same record) took its
// place.
static int expect_records(Reading *reading, DigestBag *bag) {
    const Truth *truth = reading->truth;
    for (size_t i = 0; i < truth->n; i++) {
        const TruthRow *row = &truth->rows[i], *next = i + 1 < truth->n ? row + 1 : NULL;
        const bool replaced = next && (next->kind == CLAIM_UPDATED || next->kind == CLAIM_RETRACTED);
        if (!truth_is_held(row) || row->kind == CLAIM_RETRACTED || replaced || row->sheet == SHEET_POPULATION_LATER)
            continue;
        char number[24];
        snprintf(number, sizeof number, "%" PRIu64, row->person->number);
        Digest digest = digest_begin(SHEET_TABLE[row->sheet].domain, number);
        truth_fields(row, add_field, &digest);
        const int r = digest_bag_add(bag, digest);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_record(Reading *reading, DigestBag *bag, const PGresult *result, int i) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(result, i, 2, &n);
    const int domain = pg_i16(result, i, 1);
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(reading->arena), n, bytes);
    ProtobufCMessage *body =
        record && descriptor
            ? protobuf_c_message_unpack(descriptor, arena_protobuf(reading->arena), record->body.len, record->body.data)
            : NULL;
    if (!body)
        return error_fail(ERROR_DATA, "a record of person %" PRId64 " does not decode", pg_i64(result, i, 0));
    if (record->retracted)
        return 0;
    char number[24], buffer[12];
    snprintf(number, sizeof number, "%" PRIu64, number_of(reading, pg_i64(result, i, 0)));
    Digest digest = digest_begin(domain_name(domain), number);
    for (unsigned f = 0; f < descriptor->n_fields; f++)
        if (field_is_said(body, descriptor->fields[f].id))
            digest_add(&digest, descriptor->fields[f].name, field_text(body, descriptor->fields[f].id, buffer));
    reading->ledger->records++;
    return digest_bag_add(bag, digest);
}

static int find_records(Reading *reading, Pg *exchange, DigestBag *bag) {
    const int64_t last = reading->n_persons ? reading->persons[reading->n_persons - 1].key : 0;
    for (int64_t from = 0; from <= last; from += 20000) {
        PgParams params = {0};
        PGresult *result = NULL;
        pg_param_i64(&params, from);
        int r = pg_run(exchange, &RECORDS, &params, &result);
        pg_params_free(&params);
        arena_reset(reading->arena);
        for (int i = 0; r == 0 && i < PQntuples(result); i++)
            r = add_record(reading, bag, result, i);
        PQclear(result);
        if (r < 0)
            return r;
    }
    return 0;
}

static int judge(Reading *reading, Pg *exchange) {
    DigestBag expected = {0}, found = {0};
    for (size_t i = 0; i < reading->truth->n; i++)
        judge_row(reading, &reading->truth->rows[i]);
    int r = expect_records(reading, &expected);
    if (r == 0)
        r = find_records(reading, exchange, &found);
    size_t missing = 0, beyond = 0;
    if (r == 0)
        digest_bag_compare(&expected, &found, &missing, &beyond);
    reading->ledger->records_missing = missing;
    reading->ledger->records_beyond = beyond;
    digest_bag_free(&expected);
    digest_bag_free(&found);
    return r;
}

int ledger_read(Ledger *ledger, Truth *truth, Pg *exchange, Pg *population) {
    *ledger = (Ledger){0};
    Reading reading = {.ledger = ledger, .truth = truth, .id_mask = 1023};
    while (reading.id_mask < truth->n * 2)
        reading.id_mask = reading.id_mask * 2 + 1;
    reading.ids = calloc(reading.id_mask + 1, sizeof *reading.ids);
    reading.id_rows = calloc(reading.id_mask + 1, sizeof *reading.id_rows);
    int r = reading.ids && reading.id_rows ? arena_new(&reading.arena, ARENA_BYTES)
                                           : error_fail(ERROR_MEMORY, "no memory for %zu event ids", truth->n);
    if (r == 0)
        r = read_persons(&reading, population);
    if (r == 0)
        r = read_log(&reading, exchange);
    if (r == 0)
        r = judge(&reading, exchange);
    arena_destroy(&reading.arena);
    free(reading.persons);
    free(reading.ids);
    free(reading.id_rows);
    return r;
}
