// SPDX-License-Identifier: Apache-2.0
//
// Collects what every version's origins claim of a field (a version repeats what it has from those before it, which
// does no harm: the greatest claim is the same), finds from when on each holds, and lets the greatest one stand.
// Refuses to know positions and clocks: those decide which versions are handed over.

#include "broker/history.h"

#include "broker/claim.h"
#include "proto/base/error.h"
#include "proto/bounds.h"

#include <stdlib.h>
#include <string.h>

#define ALWAYS INT64_MIN

typedef struct Statement {
    Claim claim;
    const Dongbo__Origin *origin;
    const ProtobufCMessage *body; // that has the value; NULL where the field is cleared
} Statement;

typedef struct Source {
    Dongbo__Origin *const *origins;
    size_t n_origins;
    size_t version; // whose it is
    const ProtobufCMessage *body;
} Source;

typedef struct TakenBack {
    const uint8_t *event_id;
    size_t version; // that says so
} TakenBack;

typedef struct Reading {
    const HistoryQuestion *question;
    TakenBack *taken_back; // by event, then version
    size_t n_taken_back;
    Source *sources;
    size_t n_sources;
    Statement *statements; // of one field
    size_t n_statements, n_origins;
    int64_t first_us; // when the record began: the first that was said in it and was no retraction
    Statement stands[DOMAIN_FIELDS_MAX + 1]; // without an origin: nothing does
    bool said;                               // something else than a retraction holds
} Reading;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "a record's history takes more memory than there is for it");
}

static bool is_retraction(const Dongbo__Origin *origin) {
    return origin->nature == DONGBO__NATURE__NATURE_RETRACTION;
}

bool history_takes_back(const Dongbo__Origin *origin) {
    return is_retraction(origin) && !origin->n_fields && !origin->n_cleared;
}

static int by_event(const void *a, const void *b) {
    const TakenBack *left = a, *right = b;
    int order = memcmp(left->event_id, right->event_id, EVENT_ID_BYTES);
    return order ? order : (left->version > right->version) - (left->version < right->version);
}

static void note_taken_back(Reading *reading, size_t version, const Dongbo__Lost *lost) {
    for (size_t i = 0; lost && i < lost->n_origins; i++) {
        const Dongbo__Origin *origin = lost->origins[i];
        if (history_takes_back(origin) && origin->event_id.len == EVENT_ID_BYTES)
            reading->taken_back[reading->n_taken_back++] = (TakenBack){origin->event_id.data, version};
    }
}

// Once, for a record may have very many versions.
static int find_taken_back(Reading *reading) {
    const HistoryQuestion *question = reading->question;
    size_t n = 0;
    for (size_t i = 0; i < question->n; i++)
        n += question->versions[i]->lost ? question->versions[i]->lost->n_origins : 0;
    reading->taken_back = arena_alloc(question->arena, n * sizeof *reading->taken_back + 1);
    if (!reading->taken_back)
        return no_memory();
    for (size_t i = 0; i < question->n; i++)
        note_taken_back(reading, i, question->versions[i]->lost);
    qsort(reading->taken_back, reading->n_taken_back, sizeof *reading->taken_back, by_event);
    return 0;
}

// By a later version. What comes again after that counts again.
static bool is_taken_back(const Reading *reading, const Source *source, const Dongbo__Origin *origin) {
    const TakenBack said = {origin->event_id.data, source->version};
    size_t from = 0, to = reading->n_taken_back;
    while (from < to) { // the first behind what was said
        size_t middle = from + (to - from) / 2;
        if (by_event(&reading->taken_back[middle], &said) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from < reading->n_taken_back &&
           memcmp(reading->taken_back[from].event_id, said.event_id, EVENT_ID_BYTES) == 0;
}

// 1 when it cannot be read.
static int add_source(Reading *reading, Source source, ProtobufCBinaryData bytes) {
    const HistoryQuestion *question = reading->question;
    source.body = protobuf_c_message_unpack(domain_descriptor(question->rules->domain), arena_protobuf(question->arena),
                                            bytes.len, bytes.data);
    if (!source.body)
        return arena_failed(question->arena) ? no_memory() : 1;
    for (size_t i = 0; i < source.n_origins; i++) {
        const Dongbo__Origin *origin = source.origins[i];
        if (origin->event_id.len != EVENT_ID_BYTES)
            return 1;
        if (!is_retraction(origin) && origin->event_time_us < reading->first_us &&
            !is_taken_back(reading, &source, origin))
            reading->first_us = origin->event_time_us;
    }
    reading->n_origins += source.n_origins;
    reading->sources[reading->n_sources++] = source;
    return 0;
}

static int add_version(Reading *reading, size_t at) {
    const Dongbo__Record *version = reading->question->versions[at];
    int r = add_source(reading, (Source){version->origins, version->n_origins, at, NULL}, version->body);
    const Dongbo__Lost *lost = version->lost;
    return r == 0 && lost ? add_source(reading, (Source){lost->origins, lost->n_origins, at, NULL}, lost->body) : r;
}

static int read_sources(Reading *reading) {
    const HistoryQuestion *question = reading->question;
    reading->first_us = INT64_MAX;
    reading->sources = arena_alloc(question->arena, 2 * question->n * sizeof *reading->sources + 1);
    if (!reading->sources)
        return no_memory();
    int r = find_taken_back(reading);
    for (size_t i = 0; r == 0 && i < question->n; i++)
        r = add_version(reading, i);
    if (r == 0) // an origin says one thing of a field at most
        reading->statements = arena_alloc(question->arena, reading->n_origins * sizeof *reading->statements + 1);
    return r == 0 && !reading->statements ? no_memory() : r;
}

static int by_time(const void *a, const void *b) {
    const Statement *left = a, *right = b;
    return claim_compare_time(&left->claim, &right->claim);
}

static void find_statements(Reading *reading, uint32_t field) {
    reading->n_statements = 0;
    for (size_t i = 0; i < reading->n_sources; i++) {
        const Source *source = &reading->sources[i];
        for (size_t j = 0; j < source->n_origins; j++) {
            const Dongbo__Origin *origin = source->origins[j];
            bool sets = claim_bits(origin->fields, origin->n_fields) & field;
            if ((sets || claim_bits(origin->cleared, origin->n_cleared) & field) &&
                !is_taken_back(reading, source, origin))
                reading->statements[reading->n_statements++] =
                    (Statement){claim_of(origin), origin, sets ? source->body : NULL};
        }
    }
    qsort(reading->statements, reading->n_statements, sizeof *reading->statements, by_time);
}

static int64_t holds_from(const Reading *reading, const Statement *statement, const Statement *corrected) {
    if (is_retraction(statement->origin))
        return ALWAYS;
    if (statement->origin->nature != DONGBO__NATURE__NATURE_CORRECTION)
        return statement->claim.event_time_us;
    if (corrected)
        return corrected->claim.event_time_us;
    return reading->question->rules->domain == DONGBO__DOMAIN__POPULATION ? ALWAYS : reading->first_us;
}

// A correction corrects what would have stood at its time without it, or another correction.
static void find_standing(Reading *reading, unsigned number) {
    const Statement *corrected = NULL;
    const Statement *stands = NULL;
    find_statements(reading, CLAIM_BIT(number));
    for (size_t i = 0; i < reading->n_statements; i++) {
        const Statement *statement = &reading->statements[i];
        if (statement->origin->nature == DONGBO__NATURE__NATURE_CHANGE &&
            (!corrected || claim_compare(&corrected->claim, &statement->claim) < 0))
            corrected = statement;
        if (holds_from(reading, statement, corrected) > reading->question->as_of_us)
            continue;
        reading->said |= !is_retraction(statement->origin);
        if (!stands || claim_compare(&stands->claim, &statement->claim) < 0)
            stands = statement;
    }
    reading->stands[number] = stands ? *stands : (Statement){0};
}

static int greatest_first(const void *a, const void *b) {
    Claim left = claim_of(*(Dongbo__Origin *const *)a), right = claim_of(*(Dongbo__Origin *const *)b);
    return -claim_compare(&left, &right);
}

// The record's origin of this event and weight, made if it has none yet.
static Dongbo__Origin *origin_for(const Reading *reading, Dongbo__Record *record, const Dongbo__Origin *like) {
    Claim claim = claim_of(like);
    for (size_t i = 0; i < record->n_origins; i++) {
        Claim other = claim_of(record->origins[i]);
        if (claim_compare(&claim, &other) == 0)
            return record->origins[i];
    }
    Arena *arena = reading->question->arena;
    Dongbo__Origin *origin = arena_alloc(arena, sizeof *origin);
    if (!origin)
        return NULL;
    *origin = *like;
    origin->n_fields = origin->n_cleared = 0;
    origin->fields = arena_alloc(arena, DOMAIN_FIELDS_MAX * sizeof *origin->fields);
    origin->cleared = arena_alloc(arena, DOMAIN_FIELDS_MAX * sizeof *origin->cleared);
    record->origins[record->n_origins++] = origin;
    return origin->fields && origin->cleared ? origin : NULL;
}

static int add_standing(const Reading *reading, Dongbo__Record *record, ProtobufCMessage *body, unsigned number) {
    const Statement *stands = &reading->stands[number];
    if (!stands->origin)
        return 0;
    Dongbo__Origin *origin = origin_for(reading, record, stands->origin);
    if (!origin)
        return no_memory();
    if (stands->body) {
        origin->fields[origin->n_fields++] = number;
        field_copy(body, stands->body, number);
        record->retracted = false;
    } else {
        origin->cleared[origin->n_cleared++] = number;
    }
    return 0;
}

static int make_record(const Reading *reading, HistoryAnswer *ret) {
    const HistoryQuestion *question = reading->question;
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(question->rules->domain);
    Dongbo__Record *record = arena_alloc(question->arena, sizeof *record);
    ProtobufCMessage *body = arena_alloc(question->arena, descriptor->sizeof_message);
    if (!record || !body)
        return no_memory();
    dongbo__record__init(record);
    protobuf_c_message_init(descriptor, body);
    record->retracted = true;
    record->origins = arena_alloc(question->arena, DOMAIN_FIELDS_MAX * sizeof *record->origins);
    int r = record->origins ? 0 : no_memory();
    for (unsigned number = 1; r == 0 && number <= DOMAIN_FIELDS_MAX; number++)
        r = add_standing(reading, record, body, number);
    if (r < 0)
        return r;
    for (size_t i = 0; i < question->rules->n_key; i++) // the record's identity, whatever was said of it
        field_copy(body, reading->sources[0].body, question->rules->key[i]->number);
    qsort(record->origins, record->n_origins, sizeof *record->origins, greatest_first);
    record->body.len = protobuf_c_message_get_packed_size(body);
    record->body.data = arena_alloc(question->arena, record->body.len + 1);
    if (!record->body.data)
        return no_memory();
    protobuf_c_message_pack(body, record->body.data);
    *ret = (HistoryAnswer){record, body};
    return 0;
}

static int read_standing(Reading *reading) {
    int r = read_sources(reading);
    for (unsigned number = 1; r == 0 && number <= DOMAIN_FIELDS_MAX; number++)
        find_standing(reading, number);
    return r;
}

int history_read(const HistoryQuestion *question, HistoryAnswer *ret) {
    Reading reading = {.question = question};
    *ret = (HistoryAnswer){0};
    int r = read_standing(&reading);
    return r == 0 && reading.said ? make_record(&reading, ret) : r;
}

int history_rest(const HistoryQuestion *question, HistoryAnswer *ret) {
    Reading reading = {.question = question};
    *ret = (HistoryAnswer){0};
    int r = read_standing(&reading);
    return r == 0 ? make_record(&reading, ret) : r;
}

const Dongbo__Origin *history_origin(const Dongbo__Record *record, unsigned field, bool *ret_cleared) {
    for (size_t i = 0; i < record->n_origins; i++) {
        const Dongbo__Origin *origin = record->origins[i];
        if (claim_bits(origin->fields, origin->n_fields) & CLAIM_BIT(field)) {
            *ret_cleared = false;
            return origin;
        }
        if (claim_bits(origin->cleared, origin->n_cleared) & CLAIM_BIT(field)) {
            *ret_cleared = true;
            return origin;
        }
    }
    *ret_cleared = false;
    return NULL;
}
