// SPDX-License-Identifier: Apache-2.0
//
// A step: which records come next, where their persons live, which of them may be seen, and these records themselves.
// What is not granted is not read. Steps follow until the chunk is full, or has taken long enough.
#include "broker/snapshot_read.h"

#include "broker/feed_store.h"
#include "broker/lookup.h"
#include "broker/origins.h"
#include "proto/base/error.h"
#include "proto/walk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MS 250 // then it is sent, however little it holds
#define PATIENCE_MS 60000
#define STEP_ARENA_BYTES (64 * 1024 * 1024)

enum { OID_INT2 = 21, OID_INT4 = 23, OID_INT8 = 20, OID_TEXT = 25 };
enum { OID_INT2_ARRAY = 1005, OID_INT8_ARRAY = 1016, OID_TEXT_ARRAY = 1009 };

// Also the keys that persons have, for how far it is.
static const PgStatement HEAD = {
    "snapshot_head",
    "SELECT s.epoch, s.last_position, s.hash, " FEED_STORE_POLICY_STAMP ","
    " (SELECT r.person FROM exchange.record_version r ORDER BY r.person LIMIT 1),"
    " (SELECT r.person FROM exchange.record_version r ORDER BY r.person DESC LIMIT 1),"
    " s.population_position"
    " FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT epoch, last_position, hash, population_position FROM exchange.segment"
    "  ORDER BY first_position DESC LIMIT 1) s ON true",
    0, NULL};
static const PgStatement AGENCIES = {"snapshot_agencies", "SELECT agency, code FROM exchange.agency", 0, NULL};
// By the primary key, so many versions at once however few records they are of: a step is short.
static const Oid NEXT_TYPES[] = {OID_INT8, OID_INT2, OID_TEXT, OID_INT4};
static const PgStatement NEXT = {
    "snapshot_next",
    "SELECT person, domain, record_key FROM (SELECT person, domain, record_key FROM exchange.record_version"
    "  WHERE (person, domain, record_key) > ($1, $2, $3) ORDER BY person, domain, record_key LIMIT $4) v"
    " GROUP BY person, domain, record_key ORDER BY person, domain, record_key",
    4, NEXT_TYPES};
// The same of those only who are followed at the chunk's head, however many others there are. Of whom nothing is left
// there is a row without a key, so that a step moves on. Row comparisons, which only the index of lists can answer in
// order, whatever was planned when there were no lists.
static const Oid NEXT_FOLLOWED_TYPES[] = {OID_INT8, OID_INT2, OID_TEXT, OID_INT4, OID_INT4, OID_INT8};
static const PgStatement NEXT_FOLLOWED = {
    "snapshot_next_followed",
    "SELECT person, domain, record_key FROM (SELECT f.person, v.domain, v.record_key FROM (SELECT l.subscription, l.person"
    "   FROM exchange.followed l WHERE (l.subscription, l.person) >= ($5, $1)"
    "   AND (l.subscription, l.person) <= ($5, 9223372036854775807) AND l.from_position <= $6"
    "   AND (l.to_position IS NULL OR l.to_position > $6) ORDER BY l.subscription, l.person LIMIT $4) f"
    "  LEFT JOIN LATERAL (SELECT r.domain, r.record_key FROM exchange.record_version r WHERE r.person = f.person"
    "   AND (r.domain, r.record_key) > (CASE WHEN f.person = $1 THEN $2 ELSE 0::smallint END,"
    "    CASE WHEN f.person = $1 THEN $3 ELSE '' END) ORDER BY r.domain, r.record_key LIMIT $4) v ON true"
    "  ORDER BY f.subscription, f.person, v.domain, v.record_key LIMIT $4) n"
    " GROUP BY person, domain, record_key ORDER BY person, domain, record_key",
    6, NEXT_FOLLOWED_TYPES};
static const Oid PERSONS_TYPES[] = {OID_INT8_ARRAY};
static const PgStatement PERSONS = {"snapshot_persons",
                                    "SELECT person, rtrim(citizen_number, '-'), residence_province,"
                                    " residence_province63 FROM population.citizen WHERE person = ANY ($1)"
                                    " ORDER BY person",
                                    1, PERSONS_TYPES};
// Who was merged into another, and whose records have not gone over yet.
static const PgStatement WENT = {"snapshot_went",
                                 "SELECT person, number, province, province63 FROM exchange.person_link"
                                 " WHERE person = ANY ($1) ORDER BY person",
                                 1, PERSONS_TYPES};
static const Oid RECORDS_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY, OID_TEXT_ARRAY, OID_INT8};
static const PgStatement RECORDS = {
    "snapshot_records",
    "SELECT n.i, v.record FROM unnest($1::bigint[], $2::smallint[], $3::text[]) WITH ORDINALITY"
    " AS n(person, domain, record_key, i) CROSS JOIN LATERAL (SELECT r.record FROM exchange.record_version r"
    " WHERE r.person = n.person AND r.domain = n.domain AND r.record_key = n.record_key AND NOT r.superseded"
    " AND r.position <= $4 ORDER BY r.position DESC LIMIT 1) v ORDER BY n.i",
    4, RECORDS_TYPES};

// One record of a step.
typedef struct Key {
    int64_t person;
    int domain; // 0: nothing is left of this person
    const char *record_key;
    bool wanted;
    const char *citizen_number, *province, *province63;
} Key;

typedef struct Step {
    PGresult *next, *persons, *went, *records; // their texts are the keys'
    Key keys[SNAPSHOT_STEP];
    int n, n_wanted;
    bool full; // the chunk is
} Step;

struct SnapshotReader {
    Pg *exchange, *population;
    const Clock *clock;
    PolicySet *agencies; // their codes
    Arena *arena;        // of one record
    Projector *projector;
    Step step;
    int64_t first_person, last_person;
    int64_t known; // the population store's change by which the head was decided
};

int snapshot_reader_new(SnapshotReader **ret, const SnapshotOptions *options) {
    SnapshotReader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_fail(ERROR_MEMORY, "no memory for snapshots");
    reader->clock = options->clock;
    int r = pg_new(&reader->exchange, options->exchange, "dongbo snapshot");
    if (r == 0)
        r = pg_new(&reader->population, options->population, "dongbo snapshot");
    if (r == 0)
        r = arena_new(&reader->arena, STEP_ARENA_BYTES);
    if (r < 0) {
        snapshot_reader_destroy(&reader);
        return r;
    }
    pg_set_patience(reader->exchange, PATIENCE_MS);
    pg_set_patience(reader->population, PATIENCE_MS);
    *ret = reader;
    return 0;
}

static void step_clear(Step *step) {
    PQclear(step->next);
    PQclear(step->persons);
    PQclear(step->went);
    PQclear(step->records);
    step->next = step->persons = step->went = step->records = NULL;
    step->n = step->n_wanted = 0;
    step->full = false;
}

void snapshot_reader_destroy(SnapshotReader **reader) {
    if (!*reader)
        return;
    step_clear(&(*reader)->step);
    pg_destroy(&(*reader)->exchange);
    pg_destroy(&(*reader)->population);
    policy_set_destroy(&(*reader)->agencies);
    projector_destroy(&(*reader)->projector);
    arena_destroy(&(*reader)->arena);
    free(*reader);
    *reader = NULL;
}

void snapshot_reader_disconnect(SnapshotReader *reader) {
    step_clear(&reader->step);
    pg_disconnect(reader->exchange);
    pg_disconnect(reader->population);
}

// ---- before a chunk ------------------------------------------------------------------------------------------------

static int head_read(SnapshotReader *reader, SnapshotWork *work) {
    PGresult *result;
    int r = pg_run(reader->exchange, &HEAD, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    size_t n;
    const uint8_t *hash = pg_bytes(result, 0, 2, &n);
    work->head = (FeedPlace){.epoch = (uint32_t)pg_i32(result, 0, 0), .position = (uint64_t)pg_i64(result, 0, 1)};
    if (n == HASH_BYTES)
        memcpy(work->head.hash, hash, n);
    work->policy_stamp = pg_i64(result, 0, 3);
    reader->first_person = pg_i64(result, 0, 4);
    reader->last_person = pg_i64(result, 0, 5);
    reader->known = pg_i64(result, 0, 6);
    PQclear(result);
    if (!work->begins)
        return 0;
    work->begins = false;
    work->place = (SnapshotPlace){.first = work->head, .policy_version = work->version.version, .person = INT64_MIN};
    return 0;
}

// Where it was set back alone it may have persons where they lived before, or not at all: whose records may be seen is
// not known then. The log itself is read on, for it says of each event where its person lived. 1 with an error's text.
static int population_check(SnapshotReader *reader) {
    Place place;
    int r = lookup_population_position(reader->population, &place);
    if (r < 0 || place.position >= reader->known)
        return r;
    error_fail(ERROR_DATABASE,
               "the population store is at its change %" PRId64 ", and the log was decided by its change %" PRId64
               ": it was set back alone, or is a standby that lags. No snapshot is read until it has that "
               "(deploy/RESTORE.md)",
               place.position, reader->known);
    return 1;
}

static int codes_read(SnapshotReader *reader) {
    PGresult *result;
    policy_set_destroy(&reader->agencies);
    int r = policy_set_new(&reader->agencies);
    if (r < 0 || (r = pg_run(reader->exchange, &AGENCIES, &(PgParams){0}, &result)) < 0)
        return r;
    for (int row = 0; row < PQntuples(result) && r == 0; row++)
        r = policy_set_add_agency(reader->agencies, pg_i32(result, row, 0), pg_text(result, row, 1));
    PQclear(result);
    return r;
}

// ---- which records, and whose --------------------------------------------------------------------------------------

static int next_read(SnapshotReader *reader, const SnapshotWork *work) {
    Step *step = &reader->step;
    const SnapshotPlace *place = &work->place;
    PgParams params = {0};
    pg_param_i64(&params, place->person);
    pg_param_i16(&params, (int16_t)place->domain);
    pg_param_text(&params, place->record_key);
    pg_param_i32(&params, SNAPSHOT_STEP);
    if (work->version.followed_only) {
        pg_param_i32(&params, work->asked.subscription);
        pg_param_i64(&params, (int64_t)work->head.position);
    }
    int r = pg_run(reader->exchange, work->version.followed_only ? &NEXT_FOLLOWED : &NEXT, &params, &step->next);
    pg_params_free(&params);
    if (r < 0)
        return r;
    step->n = PQntuples(step->next);
    assert(step->n <= SNAPSHOT_STEP);
    for (int i = 0; i < step->n; i++)
        step->keys[i] = (Key){.person = pg_i64(step->next, i, 0),
                              .domain = pg_is_null(step->next, i, 1) ? 0 : pg_i16(step->next, i, 1),
                              .record_key = pg_text(step->next, i, 2),
                              .citizen_number = "",
                              .province = "",
                              .province63 = ""};
    return 0;
}

static int persons_count(const Step *step) {
    int n = 0;
    for (int i = 0; i < step->n; i++)
        n += i == 0 || step->keys[i].person != step->keys[i - 1].person;
    return n;
}

static void persons_bind(PgParams *params, const Step *step) {
    pg_param_array_begin(params, OID_INT8, persons_count(step));
    for (int i = 0; i < step->n; i++)
        if (i == 0 || step->keys[i].person != step->keys[i - 1].person)
            pg_array_i64(params, step->keys[i].person);
}

static int persons_query(Pg *pg, const PgStatement *statement, const Step *step, PGresult **ret) {
    PgParams params = {0};
    persons_bind(&params, step);
    int r = pg_run(pg, statement, &params, ret);
    pg_params_free(&params);
    return r;
}

// Both are in the order of persons.
static void persons_join(Step *step, const PGresult *persons) {
    int row = 0, n = PQntuples(persons);
    for (int i = 0; i < step->n; i++) {
        Key *key = &step->keys[i];
        while (row < n && pg_i64(persons, row, 0) < key->person)
            row++;
        if (row == n || pg_i64(persons, row, 0) != key->person)
            continue;
        key->citizen_number = pg_text(persons, row, 1);
        key->province = pg_text(persons, row, 2);
        key->province63 = pg_text(persons, row, 3);
    }
}

static int persons_read(SnapshotReader *reader) {
    Step *step = &reader->step;
    int r = persons_query(reader->population, &PERSONS, step, &step->persons);
    if (r == 0 && PQntuples(step->persons) < persons_count(step)) {
        r = persons_query(reader->exchange, &WENT, step, &step->went);
        if (r == 0)
            persons_join(step, step->went);
    }
    if (r == 0)
        persons_join(step, step->persons);
    return r;
}

// ---- what may be seen of them --------------------------------------------------------------------------------------

static Dongbo__Entry entry_of(const Key *key) {
    Dongbo__Entry entry = DONGBO__ENTRY__INIT;
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    entry.verdict = DONGBO__VERDICT__ACCEPTED;
    entry.domain = (Dongbo__Domain)key->domain;
    entry.person = key->person;
    entry.record_key = (char *)key->record_key;
    entry.citizen_number = (char *)key->citizen_number;
    entry.province_before = entry.province_after = (char *)key->province;
    entry.province63_before = entry.province63_after = (char *)key->province63;
    return entry;
}

// 1 when the record is asked for and may be seen.
static int key_wanted(SnapshotReader *reader, const SnapshotWork *work, const Key *key, int32_t today) {
    Dongbo__Entry entry = entry_of(key);
    if (key->domain == 0 || policy_admits(&work->version, &entry, today) != POLICY_STAYS ||
        !(work->version.fields[key->domain] & ~1u))
        return 0;
    if (!work->asked.of_buckets)
        return 1;
    uint8_t id[RECORD_ID_BYTES];
    int r = projector_record_id(reader->projector, &entry, id);
    return r < 0 ? r : buckets_has(work->asked.buckets, buckets_of(id));
}

static int keys_choose(SnapshotReader *reader, const SnapshotWork *work) {
    Step *step = &reader->step;
    int32_t today = policy_day(clock_now_us(reader->clock));
    for (int i = 0; i < step->n; i++) {
        int r = key_wanted(reader, work, &step->keys[i], today);
        if (r < 0)
            return r;
        step->keys[i].wanted = r == 1;
        step->n_wanted += r;
    }
    return 0;
}

static int records_read(SnapshotReader *reader, uint64_t head) {
    Step *step = &reader->step;
    if (step->n_wanted == 0)
        return 0;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, step->n_wanted);
    for (int i = 0; i < step->n; i++)
        if (step->keys[i].wanted)
            pg_array_i64(&params, step->keys[i].person);
    pg_param_array_begin(&params, OID_INT2, step->n_wanted);
    for (int i = 0; i < step->n; i++)
        if (step->keys[i].wanted)
            pg_array_i16(&params, (int16_t)step->keys[i].domain);
    pg_param_array_begin(&params, OID_TEXT, step->n_wanted);
    for (int i = 0; i < step->n; i++)
        if (step->keys[i].wanted)
            pg_array_text(&params, step->keys[i].record_key, strlen(step->keys[i].record_key));
    pg_param_i64(&params, (int64_t)head);
    int r = pg_run(reader->exchange, &RECORDS, &params, &step->records);
    pg_params_free(&params);
    return r;
}

// ---- into the chunk ------------------------------------------------------------------------------------------------

// Whether any of these fields has a value.
static bool any_said(const ProtobufCBinaryData *body, uint32_t granted) {
    const uint8_t *at = body->data, *end = body->data + body->len;
    WalkField field;
    while (walk_next(&at, end, &field) == 0)
        if (field.number <= DOMAIN_FIELDS_MAX && granted >> field.number & 1)
            return true;
    return false;
}

// Whether nobody but the subscriber's own agency said anything of it.
static bool is_own(const Dongbo__Record *record, uint32_t agency) {
    for (size_t i = 0; agency != 0 && i < record->n_origins; i++)
        if (record->origins[i]->agency != agency)
            return false;
    return agency != 0;
}

static int sums_add(SnapshotReader *reader, SnapshotWork *work, const Dongbo__Entry *entry) {
    uint8_t id[RECORD_ID_BYTES];
    int r = projector_record_id(reader->projector, entry, id);
    if (r < 0)
        return r;
    return buckets_add(work->sums,
                       &(BucketsRecord){.id = id,
                                        .domain = (int)entry->domain,
                                        .citizen_number = work->version.citizen_number ? entry->citizen_number : "",
                                        .body = entry->body.data,
                                        .body_n = entry->body.len,
                                        .granted = work->version.fields[entry->domain] & ~1u});
}

static int projection_add(SnapshotReader *reader, SnapshotWork *work, Dongbo__Entry *entry) {
    entry->kind = DONGBO__ENTRY_KIND__ENTRY_RETOLD; // told as it stands, not as a change of it
    Projection projection = {.version = &work->version,
                             .entry = entry,
                             .passage = POLICY_STAYS,
                             .position = work->head.position,
                             .agency = policy_set_agency(reader->agencies, entry->agency)};
    size_t before = work->records.n;
    int r = projector_append(reader->projector, &projection, &work->records);
    if (r == 1)
        return 0;
    if (r != 0)
        return r;
    if (work->n > 0 && (work->records.n > SNAPSHOT_CHUNK_BYTES || work->n == SNAPSHOT_RECORDS_MAX)) {
        work->records.n = before;
        reader->step.full = true;
        return 0;
    }
    work->sizes[work->n++] = work->records.n - before;
    return 0;
}

static int record_add(SnapshotReader *reader, SnapshotWork *work, const Key *key, int row) {
    size_t n;
    const uint8_t *bytes = pg_bytes(reader->step.records, row, 1, &n);
    arena_reset(reader->arena);
    Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(reader->arena), n, bytes);
    int r = record ? 0 : 2;
    if (record && !record->retracted && !is_own(record, work->version.own_agency) &&
        any_said(&record->body, work->version.fields[key->domain] & ~1u)) {
        Dongbo__Entry entry = entry_of(key);
        const Dongbo__Origin *origin = origins_newest(record);
        entry.body = record->body;
        entry.event_time_us = origin ? origin->event_time_us : 0;
        entry.agency = origin ? origin->agency : 0;
        work->tells = true;
        r = work->asked.digests ? sums_add(reader, work, &entry) : projection_add(reader, work, &entry);
    }
    return r > 0 ? error_fail(ERROR_DATA, "a stored record cannot be read") : r;
}

static void place_move(SnapshotPlace *place, const Key *key) {
    bool over = key->domain == 0;
    place->persons += !over && (place->domain == 0 || place->person != key->person);
    place->person = key->person + over; // behind the person is before the next
    place->domain = key->domain;
    snprintf(place->record_key, sizeof place->record_key, "%s", key->record_key);
}

static int step_add(SnapshotReader *reader, SnapshotWork *work) {
    Step *step = &reader->step;
    int row = 0, wanted = 0, n = step->records ? PQntuples(step->records) : 0;
    for (int i = 0; i < step->n; i++) {
        const Key *key = &step->keys[i];
        wanted += key->wanted;
        if (key->wanted && row < n && pg_i64(step->records, row, 0) == wanted) {
            int r = record_add(reader, work, key, row++);
            if (r < 0 || step->full)
                return r;
        }
        place_move(&work->place, key);
    }
    return 0;
}

static int step_run(SnapshotReader *reader, SnapshotWork *work) {
    step_clear(&reader->step);
    int r = next_read(reader, work);
    if (r < 0)
        return r;
    work->done = reader->step.n == 0;
    if (work->done)
        return 0;
    r = persons_read(reader);
    if (r == 0)
        r = keys_choose(reader, work);
    if (r == 0)
        r = records_read(reader, work->head.position);
    return r == 0 ? step_add(reader, work) : r;
}

// By how far it is among the persons' keys; exact in the end.
static uint64_t total_guess(const SnapshotReader *reader, const SnapshotWork *work) {
    double begun = (double)work->place.person - (double)reader->first_person + 1;
    double left = (double)reader->last_person - (double)work->place.person;
    if (work->done || work->place.persons == 0 || left <= 0 || begun <= 0)
        return work->place.persons;
    return work->place.persons + (uint64_t)((double)work->place.persons * (left / begun));
}

static int chunk_begin(SnapshotReader *reader, SnapshotWork *work) {
    int r = lookup_connect(reader->exchange);
    if (r == 0)
        r = lookup_connect(reader->population);
    projector_destroy(&reader->projector);
    if (r == 0)
        r = projector_new(&reader->projector, work->asked.secret);
    if (r == 0)
        r = head_read(reader, work);
    if (r == 0)
        r = population_check(reader);
    return r == 0 ? codes_read(reader) : r;
}

int snapshot_read(SnapshotReader *reader, SnapshotWork *work) {
    int64_t until_ms = clock_monotonic_ms(reader->clock) + CHUNK_MS;
    int r = chunk_begin(reader, work);
    bool more = true;
    while (r == 0 && more) {
        r = step_run(reader, work);
        // Another step of small records would hardly fit.
        more = !work->done && !reader->step.full && work->records.n < SNAPSHOT_CHUNK_BYTES / 2 &&
               work->n <= SNAPSHOT_RECORDS_MAX / 2 && clock_monotonic_ms(reader->clock) < until_ms;
    }
    work->persons_total = total_guess(reader, work);
    step_clear(&reader->step);
    return r;
}
