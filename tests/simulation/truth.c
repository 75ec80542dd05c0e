// SPDX-License-Identifier: Apache-2.0
//
// Judges the log as it is committed, entry by entry. A dose is about one of a few persons and diseases and says all of
// its fields, each time others: so the greatest (event time, event id) that was applied is what the record must say.
#include "truth.h"

#include "truth_chain.h"
#include "wire.h"

#include "broker/segment.h"
#include "proto/base/error.h"
#include "proto/domain.h"
#include "proto/frame.h"
#include "proto/reason.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX 64
#define RECEPTIONS_MAX 8192
#define SESSIONS_MAX_KEPT 4096
#define ARENA_BYTES (16 * 1024 * 1024)
#define FIRST_TIME_US 1761955200000000LL // 2025-11-01

typedef struct Session {
    uint64_t number;
    uint32_t epoch;
} Session;

typedef struct Reception {
    uint64_t first_sequence;
    uint8_t root_of[8]; // of the stream
    uint32_t epoch;
} Reception;

static struct Truth {
    Saying sayings[TRUTH_SAYINGS_MAX];
    size_t n;
    int n_of[TRUTH_AGENTS_MAX];
    int64_t last_position, last_leaf, last_stored_us, last_population;
    int32_t last_epoch;
    uint8_t last_hash[HASH_BYTES];
    struct {
        uint8_t stream[STREAM_BYTES];
        int64_t last_sequence;
    } streams[STREAMS_MAX];
    int n_streams;
    Session sessions[SESSIONS_MAX_KEPT];
    size_t n_sessions;
    Reception receptions[RECEPTIONS_MAX];
    size_t n_receptions;
    const Saying *winner[TRUTH_PERSONS][TRUTH_GROUPS];
    bool told;
    Arena *arena;
} truth;
static TruthCounts counts;

// ---- the world that is spoken of -----------------------------------------------------------------------------------

const char *truth_number(int person) {
    static char numbers[TRUTH_PERSONS][32];
    bool unborn = person >= TRUTH_PERSONS - TRUTH_UNBORN;
    snprintf(numbers[person], sizeof numbers[0], "0012%s%06d", unborn ? "25" : "00", (person + 1) % 100);
    return numbers[person];
}

const char *truth_birth_date(int person) {
    static char dates[TRUTH_PERSONS][32];
    bool unborn = person >= TRUTH_PERSONS - TRUTH_UNBORN;
    snprintf(dates[person], sizeof dates[0], "%s-%02d", unborn ? "2025-03" : "2000-01", (person + 1) % 28);
    return dates[person];
}

const char *truth_group(int group) {
    static const char *const GROUPS[TRUTH_GROUPS] = {"covid-19", "hpv", "measles", "rabies"};
    return GROUPS[group];
}

Saying *truth_say(int agent, bool births) {
    if (truth.n == TRUTH_SAYINGS_MAX)
        return NULL;
    Saying *saying = &truth.sayings[truth.n];
    *saying = (Saying){.agent = agent, .group = -1, .person = (int)world_dice(TRUTH_PERSONS)};
    snprintf(saying->key, sizeof saying->key, "a%d-%d", agent, truth.n_of[agent]++);
    if (births)
        saying->person = TRUTH_PERSONS - TRUTH_UNBORN + (int)world_dice(TRUTH_UNBORN);
    else
        saying->group = (int)world_dice(TRUTH_GROUPS);
    saying->event_time_us = FIRST_TIME_US + (int64_t)world_dice(1000) * 1000000;
    snprintf(saying->lot, sizeof saying->lot, "L%zu", truth.n);
    snprintf(saying->facility, sizeof saying->facility, "F%zu", truth.n % 7);
    truth.n++;
    return saying;
}

size_t truth_sayings(const Saying **ret) {
    *ret = truth.sayings;
    return truth.n;
}

void truth_promise(Saying *saying) {
    saying->promised = true;
}

static Saying *find_saying(const char *key) {
    for (size_t i = 0; i < truth.n; i++) {
        if (strcmp(truth.sayings[i].key, key) == 0)
            return &truth.sayings[i];
    }
    return NULL;
}

void truth_acknowledged(Saying *saying) {
    counts.acknowledged += !saying->acknowledged;
    saying->acknowledged = true;
    if (saying->n_logged > 0)
        return;
    counts.lost++;
    world_fail("%s was acknowledged and is not in the log", saying->key);
}

void truth_told(int agent, const char *key, const char *verdict, uint64_t position) {
    Saying *saying = find_saying(key);
    if (saying == NULL || saying->agent != agent) {
        world_fail("agent %d was told of %s, which it did not say", agent, key);
        return;
    }
    if (position < saying->told_position)
        return;
    saying->told_position = position;
    for (int i = 0; i < 8; i++) {
        if (strcmp(verdict_name(i), verdict) == 0)
            saying->told_verdict = i;
    }
}

void truth_back_up(int agent) {
    for (size_t i = 0; i < truth.n; i++) {
        Saying *saying = &truth.sayings[i];
        if (saying->agent != agent)
            continue;
        saying->backup_position = saying->told_position;
        saying->backup_verdict = saying->told_verdict;
    }
}

void truth_set_back(int agent) {
    for (size_t i = 0; i < truth.n; i++) {
        Saying *saying = &truth.sayings[i];
        if (saying->agent != agent)
            continue;
        saying->told_position = saying->backup_position;
        saying->told_verdict = saying->backup_verdict;
    }
}

const char *truth_lot(int person, int group) {
    const Saying *winner = truth.winner[person][group];
    return winner == NULL ? NULL : winner->lot;
}

// ---- frames --------------------------------------------------------------------------------------------------------

static void note_welcome(const Frame *frame) {
    Dongbo__WelcomePublish *welcome = dongbo__welcome_publish__unpack(NULL, frame->body_bytes, frame->body);
    if (welcome != NULL && truth.n_sessions < SESSIONS_MAX_KEPT)
        truth.sessions[truth.n_sessions++] =
            (Session){welcome->session != 0 ? welcome->session : frame->session, welcome->session_epoch};
    if (welcome != NULL)
        dongbo__welcome_publish__free_unpacked(welcome, NULL);
}

static const BaseSegment *find_segment(const ProtobufCBinaryData *stream, uint64_t first_sequence) {
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *segment = table_committed(&base_segments, i);
        if (segment != NULL && !segment->batch_root.null && segment->first_sequence == (int64_t)first_sequence &&
            value_is(segment->stream, stream->data, stream->len))
            return segment;
    }
    return NULL;
}

// What a broker says is stored must be.
static void judge_receipt(const Frame *frame) {
    Dongbo__Receipt *receipt = dongbo__receipt__unpack(NULL, frame->body_bytes, frame->body);
    Dongbo__ReceiptBody *body =
        receipt == NULL ? NULL : dongbo__receipt_body__unpack(NULL, receipt->body.len, receipt->body.data);
    if (body != NULL) {
        const BaseSegment *segment = find_segment(&body->stream, body->first_sequence);
        bool same = segment != NULL && segment->last_sequence == (int64_t)body->last_sequence &&
                    value_is(segment->batch_root, body->batch_root.data, body->batch_root.len);
        counts.lost += same ? 0 : body->last_sequence - body->first_sequence + 1;
        if (segment == NULL)
            world_fail("a receipt for events from %" PRIu64 " on went out, and they are not stored",
                       body->first_sequence);
        else if (!same)
            world_fail("a receipt for events from %" PRIu64 " on went out, and others are stored under their numbers",
                       body->first_sequence);
        dongbo__receipt_body__free_unpacked(body, NULL);
    }
    if (receipt != NULL)
        dongbo__receipt__free_unpacked(receipt, NULL);
}

static void note_batch(const Frame *frame) {
    uint32_t epoch = 0;
    for (size_t i = 0; i < truth.n_sessions; i++) {
        if (truth.sessions[i].number == frame->session)
            epoch = truth.sessions[i].epoch;
    }
    Dongbo__SealedBatch *batch = dongbo__sealed_batch__unpack(NULL, frame->body_bytes, frame->body);
    Dongbo__BatchHeader *header =
        batch == NULL ? NULL : dongbo__batch_header__unpack(NULL, batch->header.len, batch->header.data);
    if (header != NULL && header->stream.len == STREAM_BYTES && epoch != 0) {
        Reception *reception = &truth.receptions[truth.n_receptions++ % RECEPTIONS_MAX];
        *reception = (Reception){.first_sequence = header->first_sequence, .epoch = epoch};
        memcpy(reception->root_of, header->stream.data, sizeof reception->root_of);
    }
    if (header != NULL)
        dongbo__batch_header__free_unpacked(header, NULL);
    if (batch != NULL)
        dongbo__sealed_batch__free_unpacked(batch, NULL);
}

static void hear(Process *process, bool sent, const uint8_t *data, size_t n) {
    Frame frame;
    if (frame_read(data, n, &frame) != 0) {
        world_fail("%s handles a frame that is none", process->name);
        return;
    }
    world_trace(frame_type_name(frame.type), sent, (int64_t)frame.sequence);
    if (sent && frame.type == FRAME_WELCOME_PUBLISH)
        note_welcome(&frame);
    if (sent && frame.type == FRAME_RECEIPT)
        judge_receipt(&frame);
    if (!sent && frame.type == FRAME_BATCH)
        note_batch(&frame);
}

// ---- the log -------------------------------------------------------------------------------------------------------

// Position at which the population store learnt of them; 0: from the start; -1: not yet.
static int64_t known_at(int person) {
    if (person < TRUTH_PERSONS - TRUTH_UNBORN)
        return 0;
    for (size_t i = 0; i < base_changes.n; i++) {
        const BaseChange *change = table_committed(&base_changes, i);
        if (change != NULL && strcmp(change->number, truth_number(person)) == 0)
            return change->position;
    }
    return -1;
}

static void judge_chain(const BaseSegment *segment) {
    if (segment->first_position != truth.last_position + 1)
        world_fail("position %" PRId64 " follows %" PRId64, segment->first_position, truth.last_position);
    if (segment->leaf_index != truth.last_leaf + 1)
        world_fail("leaf %" PRId64 " follows %" PRId64, segment->leaf_index, truth.last_leaf);
    if (segment->epoch < truth.last_epoch)
        world_fail("epoch %d follows %d", segment->epoch, truth.last_epoch);
    if (segment->stored_at_us < truth.last_stored_us)
        world_fail("the log's time goes back at position %" PRId64, segment->first_position);
    if (segment->population_position < truth.last_population && segment->kind == 1)
        world_fail("the population store's position goes back at position %" PRId64, segment->first_position);
    truth.last_position = segment->last_position;
    truth.last_leaf = segment->leaf_index;
    truth.last_epoch = segment->epoch;
    truth.last_stored_us = segment->stored_at_us;
    if (segment->kind == 1)
        truth.last_population = segment->population_position;
}

static void judge_stream(const BaseSegment *segment) {
    int i = 0;
    while (i < truth.n_streams && memcmp(truth.streams[i].stream, segment->stream.data, STREAM_BYTES) != 0)
        i++;
    assert(i < STREAMS_MAX);
    if (i == truth.n_streams) {
        memcpy(truth.streams[truth.n_streams].stream, segment->stream.data, STREAM_BYTES);
        truth.streams[truth.n_streams++].last_sequence = 0;
    }
    if (segment->first_sequence <= truth.streams[i].last_sequence)
        counts.doubled += (uint64_t)(segment->last_sequence - segment->first_sequence + 1);
    if (segment->first_sequence != truth.streams[i].last_sequence + 1)
        world_fail("a stream's event %" PRId64 " follows %" PRId64, segment->first_sequence,
                   truth.streams[i].last_sequence);
    truth.streams[i].last_sequence = segment->last_sequence;
}

// A batch is stored for the stream's newest session only: it must have come in that one.
static void judge_session(const BaseSegment *segment) {
    const BaseStream *stream = NULL;
    for (size_t i = 0; i < base_streams.n && stream == NULL; i++) {
        const BaseStream *row = table_committed(&base_streams, i);
        if (row != NULL && value_is(row->stream, segment->stream.data, segment->stream.n))
            stream = row;
    }
    if (stream == NULL) {
        world_fail("a batch of a stream that was never opened is stored");
        return;
    }
    for (size_t i = 0; i < truth.n_receptions && i < RECEPTIONS_MAX; i++) {
        const Reception *reception = &truth.receptions[i];
        if (reception->first_sequence == (uint64_t)segment->first_sequence &&
            reception->epoch == (uint32_t)stream->session_epoch &&
            memcmp(reception->root_of, segment->stream.data, sizeof reception->root_of) == 0)
            return;
    }
    world_fail("events from %" PRId64 " on are stored, and did not come in the stream's newest session (%d)",
               segment->first_sequence, stream->session_epoch);
}

static bool is_greater(const Saying *saying, const Saying *other) {
    if (saying->event_time_us != other->event_time_us)
        return saying->event_time_us > other->event_time_us;
    return memcmp(saying->event_id, other->event_id, EVENT_ID_BYTES) > 0;
}

// The verdict on what is applied now, and what the record says then.
static int apply(Saying *saying) {
    if (saying->applied)
        return DONGBO__VERDICT__UNCHANGED;
    saying->applied = true;
    const Saying **winner = &truth.winner[saying->person][saying->group];
    if (*winner != NULL && !is_greater(saying, *winner))
        return DONGBO__VERDICT__SUPERSEDED;
    *winner = saying;
    return DONGBO__VERDICT__ACCEPTED;
}

static void judge_verdict(Saying *saying, const Dongbo__Entry *entry, int64_t locked_population) {
    bool later = entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION, birth = saying->group < 0;
    int64_t known = known_at(saying->person), verdict = (int)entry->verdict;
    if (verdict == DONGBO__VERDICT__DEFERRED) {
        if (later || birth)
            world_fail("%s is deferred by a decision, or a birth is", saying->key);
        else if (known >= 0 && known <= locked_population)
            world_fail("%s is deferred, and its person was known at %" PRId64 " before the log was locked at %" PRId64,
                       saying->key, known, locked_population);
        saying->n_open++;
        return;
    }
    if (known < 0)
        world_fail("%s is decided as %s, and its person is not known", saying->key, verdict_name((int)verdict));
    if (later && saying->n_open == 0)
        world_fail("%s is decided again, and was not open", saying->key);
    // What a birth is depends on the other words on that person; it is the doses that are judged.
    bool again = saying->applied;
    int expected = birth ? (int)verdict : apply(saying);
    if (later && again && verdict == DONGBO__VERDICT__SUPERSEDED) // by the same row, which came again and was taken
        expected = DONGBO__VERDICT__SUPERSEDED;
    counts.doubled += !birth && again && verdict == DONGBO__VERDICT__ACCEPTED;
    if (verdict != expected || verdict == DONGBO__VERDICT__REJECTED || verdict == DONGBO__VERDICT__MISMATCH)
        world_fail("%s is %s, and must be %s", saying->key, verdict_name((int)verdict), verdict_name(expected));
    if (later)
        saying->n_open--;
}

// An entry and where it stands.
typedef struct Placed {
    const Dongbo__Entry *entry;
    const uint8_t *stream;
    uint64_t position;
    int64_t locked_population;
} Placed;

static void judge_entry(const Placed *placed, const char *key) {
    const Dongbo__Entry *entry = placed->entry;
    Saying *saying = find_saying(key);
    if (saying == NULL) {
        world_fail("the log has an event that nobody said: %s", key);
        return;
    }
    if (entry->event_id.len == EVENT_ID_BYTES)
        memcpy(saying->event_id, entry->event_id.data, EVENT_ID_BYTES);
    judge_verdict(saying, entry, placed->locked_population);
    saying->n_logged++;
    if (entry->kind != DONGBO__ENTRY_KIND__ENTRY_DECISION) {
        saying->last_logged = placed->position;
        saying->last_deferred = entry->verdict == DONGBO__VERDICT__DEFERRED;
        return;
    }
    assert(saying->n_decisions < TRUTH_DECISIONS_MAX);
    saying->decisions[saying->n_decisions].position = placed->position;
    saying->decisions[saying->n_decisions].verdict = (int)entry->verdict;
    memcpy(saying->decisions[saying->n_decisions++].stream, placed->stream, STREAM_BYTES);
}

static void judge_batch(const BaseSegment *segment, const Dongbo__SegmentPayload *payload, int64_t locked_population) {
    const Dongbo__SealedBatch *batch =
        segment_decode_batch(segment->batch.data, segment->batch.n, payload->n_entries, truth.arena);
    if (batch == NULL) {
        world_fail("a stored batch does not decode");
        return;
    }
    judge_stream(segment);
    judge_session(segment);
    for (size_t i = 0; i < payload->n_entries; i++) {
        Dongbo__ChangeEvent *event =
            dongbo__change_event__unpack(arena_protobuf(truth.arena), batch->events[i].len, batch->events[i].data);
        assert(event != NULL);
        judge_entry(&(Placed){payload->entries[i], segment->stream.data, (uint64_t)segment->first_position + i,
                              locked_population},
                    event->source_key);
    }
}

static void judge_decisions(const BaseSegment *segment, const Dongbo__SegmentPayload *payload,
                            int64_t locked_population) {
    for (size_t i = 0; i < payload->n_entries; i++) {
        const Dongbo__Entry *entry = payload->entries[i];
        Saying *saying = NULL;
        for (size_t k = 0; k < truth.n; k++) {
            if (truth.sayings[k].n_logged > 0 && entry->event_id.len == EVENT_ID_BYTES &&
                memcmp(truth.sayings[k].event_id, entry->event_id.data, EVENT_ID_BYTES) == 0)
                saying = &truth.sayings[k];
        }
        if (saying == NULL)
            world_fail("a decision at %" PRId64 " is about no event of the log", segment->first_position);
        else
            judge_entry(
                &(Placed){entry, segment->stream.data, (uint64_t)segment->first_position + i, locked_population},
                saying->key);
    }
}

static void judge_segment(const BaseSegment *segment, int64_t locked_population) {
    world_trace("segment", segment->first_position, segment->last_position);
    world_trace_bytes(segment->hash.data, segment->hash.n);
    judge_chain(segment);
    truth_chain_judge(segment);
    if (locked_population < 0)
        world_fail("position %" PRId64 " was stored without the log's lock", segment->first_position);
    if (segment->kind != DONGBO__ENTRY_KIND__ENTRY_EVENT && segment->kind != DONGBO__ENTRY_KIND__ENTRY_DECISION)
        return;
    arena_reset(truth.arena);
    Dongbo__SegmentPayload *payload = NULL;
    if (segment_decode_payload(segment->payload.data, segment->payload.n, segment->format, truth.arena, &payload) !=
            0 ||
        payload->n_entries != (size_t)(segment->last_position - segment->first_position + 1)) {
        world_fail("a stored segment does not decode");
        return;
    }
    if (segment->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT)
        judge_batch(segment, payload, locked_population);
    else
        judge_decisions(segment, payload, locked_population);
}

// ---- the end -------------------------------------------------------------------------------------------------------

static const BaseStream *stream_of(const void *id, size_t n) {
    for (size_t i = 0; i < base_streams.n; i++) {
        const BaseStream *row = table_committed(&base_streams, i);
        if (row != NULL && n == STREAM_BYTES && value_is(row->stream, id, n))
            return row;
    }
    return NULL;
}

// The stream that an agent's spool has now: one whose spool is lost is nobody's any more.
static const BaseStream *present_stream(int agent) {
    char name[32];
    const BaseStream *found = NULL;
    snprintf(name, sizeof name, "agent-%d", agent + 1);
    for (size_t i = 0; i < base_streams.n; i++) {
        const BaseStream *row = table_committed(&base_streams, i);
        if (row != NULL && strcmp(row->agent, name) == 0 && (found == NULL || row->greeted_us > found->greeted_us))
            found = row;
    }
    return found;
}

// Whether what is decided on this stream is told to whoever has that one: it is the same, or one that it replaced.
static bool is_heard(const BaseStream *present, const uint8_t *stream) {
    for (int depth = 0; present != NULL && depth <= 8; depth++) {
        if (value_is(present->stream, stream, STREAM_BYTES))
            return true;
        present = stream_of(present->replaces.data, present->replaces.null ? 0 : present->replaces.n);
    }
    return false;
}

// The first later decision that its agent must have been told: behind its last answer, on a stream that it has. What is
// decided once more of the same event, on a stream that this one replaced, finds nobody who waits for it. -1: none.
static int owed_decision(const Saying *saying) {
    const BaseStream *present = present_stream(saying->agent);
    for (int i = 0; truth.told && saying->last_deferred && i < saying->n_decisions; i++) {
        if (saying->decisions[i].position > saying->last_logged && is_heard(present, saying->decisions[i].stream))
            return i;
    }
    return -1;
}

static const char *missing_of(const Saying *saying) {
    static char text[160];
    int owed = owed_decision(saying);
    if (saying->n_logged == 0)
        snprintf(text, sizeof text, "%s is promised and not in the log", saying->key);
    else if (saying->n_open > 0 && known_at(saying->person) >= 0)
        snprintf(text, sizeof text, "%s is open, and its person is known", saying->key);
    else if (owed >= 0 && saying->told_position < saying->decisions[owed].position)
        snprintf(text, sizeof text, "%s was decided at %" PRIu64 ", and its agent told up to %" PRIu64, saying->key,
                 saying->decisions[owed].position, saying->told_position);
    else
        return NULL;
    return text;
}

const char *truth_missing(void) {
    for (size_t i = 0; i < truth.n; i++) {
        const Saying *saying = &truth.sayings[i];
        const char *missing = saying->promised ? missing_of(saying) : NULL;
        if (missing != NULL)
            return missing;
    }
    return NULL;
}

static const BaseVersion *current_version(int64_t person, const char *record_key) {
    const BaseVersion *found = NULL;
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *row = table_committed(&base_versions, i);
        if (row != NULL && row->person == person && row->domain == DONGBO__DOMAIN__HEALTH && !row->superseded &&
            strstr(row->record_key, record_key) != NULL && (found == NULL || row->position > found->position))
            found = row;
    }
    return found;
}

static int64_t key_of(int person) {
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *citizen = table_committed(&base_citizens, i);
        if (citizen != NULL && strcmp(citizen->number, truth_number(person)) == 0)
            return citizen->person;
    }
    return 0;
}

static void judge_record(int person, int group) {
    const char *lot = truth_lot(person, group);
    int64_t key = key_of(person);
    const BaseVersion *version = key == 0 ? NULL : current_version(key, truth_group(group));
    if (version == NULL) {
        if (lot != NULL)
            world_fail("%s has no record of %s", truth_number(person), truth_group(group));
        return;
    }
    Dongbo__Record *record = dongbo__record__unpack(NULL, version->record.n, version->record.data);
    Dongbo__Vaccination *body =
        record == NULL ? NULL : dongbo__vaccination__unpack(NULL, record->body.len, record->body.data);
    if (body == NULL || lot == NULL || strcmp(body->lot_number, lot) != 0)
        world_fail("the record of %s on %s says lot %s, and must say %s", truth_number(person), truth_group(group),
                   body == NULL ? "?" : body->lot_number, lot == NULL ? "nothing" : lot);
    if (body != NULL)
        dongbo__vaccination__free_unpacked(body, NULL);
    if (record != NULL)
        dongbo__record__free_unpacked(record, NULL);
}

void truth_judge(void) {
    const char *missing = truth_missing();
    if (missing != NULL)
        world_fail("%s", missing);
    for (size_t i = 0; i < truth.n; i++) {
        const Saying *saying = &truth.sayings[i];
        for (int k = 0; k < saying->n_decisions; k++) {
            if (saying->decisions[k].position == saying->told_position &&
                saying->decisions[k].verdict != saying->told_verdict)
                world_fail("the agent of %s was told %s, and the log says %s", saying->key,
                           verdict_name(saying->told_verdict), verdict_name(saying->decisions[k].verdict));
        }
    }
    for (int person = 0; person < TRUTH_PERSONS; person++) {
        for (int group = 0; group < TRUTH_GROUPS; group++)
            judge_record(person, group);
    }
}

TruthCounts truth_counts(void) {
    return counts;
}

void truth_print(void) {
    for (size_t i = 0; i < base_streams.n; i++) {
        const BaseStream *row = table_committed(&base_streams, i);
        if (row != NULL)
            fprintf(stderr, "  stream %02x%02x of %s, up to %" PRId64 ", session %d, replaces %02x\n",
                    row->stream.data[0], row->stream.data[1], row->agent, row->last_sequence, row->session_epoch,
                    row->replaces.null ? 0 : row->replaces.data[0]);
    }
    for (size_t i = 0; i < truth.n; i++) {
        const Saying *saying = &truth.sayings[i];
        fprintf(stderr, "  %s of person %d%s, logged %d times, open %d times, told at %" PRIu64, saying->key,
                saying->person, saying->promised ? "" : ", not promised", saying->n_logged, saying->n_open,
                saying->told_position);
        for (int k = 0; k < saying->n_decisions; k++)
            fprintf(stderr, "; decided at %" PRIu64 " of %02x%02x", saying->decisions[k].position,
                    saying->decisions[k].stream[0], saying->decisions[k].stream[1]);
        fputc('\n', stderr);
    }
}

void truth_open(void) {
    truth_chain_open();
    if (arena_new(&truth.arena, ARENA_BYTES) < 0)
        abort();
}

void truth_close(void) {
    truth_chain_close();
    arena_destroy(&truth.arena);
}

void truth_begin(bool told) {
    Arena *arena = truth.arena;
    truth = (struct Truth){.arena = arena, .last_leaf = -1, .told = told};
    truth_chain_begin();
    base_observe(judge_segment);
    wire_listen(hear);
    for (int person = 0; person < TRUTH_PERSONS - TRUTH_UNBORN; person++)
        base_add_citizen(&(BaseCitizen){.person = person + 1,
                                        .number = truth_number(person),
                                        .name = "Nguyễn Văn An",
                                        .birth_date = truth_birth_date(person),
                                        .sex = "male",
                                        .mother = "",
                                        .province = "",
                                        .province63 = "",
                                        .died_on = ""});
}

void truth_end(void) {
    base_observe(NULL);
    wire_listen(NULL);
}
