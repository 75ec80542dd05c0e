// SPDX-License-Identifier: Apache-2.0
//
// Judges the log as it is committed, entry by entry. A dose is about one of a few persons and diseases and says all of
// its fields, each time others: so the greatest (event time, event id) that was applied is what the record must say.
#include "truth_state.h"

// ---- the log -------------------------------------------------------------------------------------------------------

int64_t truth_known_at(int person) {
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
    if (segment->first_position != truth.log.last_position + 1)
        world_fail("position %" PRId64 " follows %" PRId64, segment->first_position, truth.log.last_position);
    if (segment->leaf_index != truth.log.last_leaf + 1)
        world_fail("leaf %" PRId64 " follows %" PRId64, segment->leaf_index, truth.log.last_leaf);
    if (segment->epoch < truth.log.last_epoch)
        world_fail("epoch %d follows %d", segment->epoch, truth.log.last_epoch);
    if (segment->stored_at_us < truth.log.last_stored_us)
        world_fail("the log's time goes back at position %" PRId64, segment->first_position);
    if (segment->population_position < truth.log.last_population && segment->kind == 1)
        world_fail("the population store's position goes back at position %" PRId64, segment->first_position);
    truth.log.last_position = segment->last_position;
    truth.log.last_leaf = segment->leaf_index;
    truth.log.last_epoch = segment->epoch;
    truth.log.last_stored_us = segment->stored_at_us;
    if (segment->kind == 1)
        truth.log.last_population = segment->population_position;
}

static void judge_stream(const BaseSegment *segment) {
    int i = 0;
    while (i < truth.log.n_streams && memcmp(truth.log.streams[i].stream, segment->stream.data, STREAM_BYTES) != 0)
        i++;
    assert(i < STREAMS_MAX);
    if (i == truth.log.n_streams) {
        memcpy(truth.log.streams[truth.log.n_streams].stream, segment->stream.data, STREAM_BYTES);
        truth.log.streams[truth.log.n_streams++].last_sequence = 0;
    }
    if (segment->first_sequence <= truth.log.streams[i].last_sequence)
        truth_counted.doubled += (uint64_t)(segment->last_sequence - segment->first_sequence + 1);
    if (segment->first_sequence != truth.log.streams[i].last_sequence + 1)
        world_fail("a stream's event %" PRId64 " follows %" PRId64, segment->first_sequence,
                   truth.log.streams[i].last_sequence);
    truth.log.streams[i].last_sequence = segment->last_sequence;
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

bool truth_is_greater(const Saying *saying, const Saying *other) {
    if (saying->event_time_us != other->event_time_us)
        return saying->event_time_us > other->event_time_us;
    return memcmp(truth_log_of(saying)->event_id, truth_log_of(other)->event_id, EVENT_ID_BYTES) > 0;
}

// The verdict on what is applied now, and what the record says then.
static int apply(const Saying *saying) {
    if (truth_log_of(saying)->applied)
        return DONGBO__VERDICT__UNCHANGED;
    truth_log_of(saying)->applied = true;
    const Saying **winner = &truth.log.winner[saying->person][saying->group];
    if (*winner != NULL && !truth_is_greater(saying, *winner))
        return DONGBO__VERDICT__SUPERSEDED;
    *winner = saying;
    return DONGBO__VERDICT__ACCEPTED;
}

// An entry and where it stands.
typedef struct Placed {
    const Dongbo__Entry *entry;
    const uint8_t *stream;
    uint64_t position;
    int64_t locked_population;
} Placed;

static bool is_later(const Placed *placed) {
    return placed->entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION;
}

static TruthOpen open_now(const Placed *placed, bool stands) {
    TruthOpen open = {.sequence = placed->entry->sequence, .verdict = (int)placed->entry->verdict, .stands = stands};
    memcpy(open.stream, placed->stream, STREAM_BYTES);
    return open;
}

static void judge_deferred(const Saying *saying, const Placed *placed) {
    int64_t known = truth_known_at(saying->person);
    if (is_later(placed) || saying->kind == SAID_BIRTH)
        world_fail("%s is deferred by a decision, or a birth is", saying->key);
    else if (known >= 0 && known <= placed->locked_population)
        world_fail("%s is deferred, and its person was known at %" PRId64 " before the log was locked at %" PRId64,
                   saying->key, known, placed->locked_population);
    TruthOpen open = open_now(placed, false);
    truth_open_add(saying, &open);
}

// It is in question: as it comes, once its person is known, or although it was taken.
static void judge_question(const Saying *dose, const Placed *placed, TruthOpen *open) {
    bool again = is_later(placed) && open == NULL;
    if (!truth_was_dead(dose, true, placed->locked_population))
        world_fail("%s is in question, and its person was alive", dose->key);
    if (again && truth.log.winner[dose->person][dose->group] != dose)
        world_fail("%s is in question again, and stands in no record", dose->key);
    if (open != NULL && open->verdict == DONGBO__VERDICT__MISMATCH)
        world_fail("%s is in question, and was already", dose->key);
    TruthOpen now = open_now(placed, again);
    if (open != NULL)
        *open = now;
    else
        truth_open_add(dose, &now);
}

// What was in question and stands in its record all the same stays there.
static int expected_of(const Saying *dose, const TruthOpen *open) {
    return open != NULL && open->stands ? DONGBO__VERDICT__UNCHANGED : apply(dose);
}

static void judge_dose(const Saying *dose, const Placed *placed, TruthOpen *open) {
    bool again = truth_log_of(dose)->applied;
    int verdict = (int)placed->entry->verdict, expected = expected_of(dose, open);
    bool lost = open != NULL && open->stands && truth.log.winner[dose->person][dose->group] != dose;
    // By the same row, which came again and was taken: it says the same.
    bool replaced = is_later(placed) && again && verdict == DONGBO__VERDICT__SUPERSEDED;
    if (replaced && open->stands)
        world_fail("%s is taken out of the record in which it stands, for it came again", dose->key);
    if (!lost && !replaced && !truth_was_dead(dose, false, placed->locked_population))
        world_fail("%s is %s, and its person was dead", dose->key, verdict_name(verdict));
    if (replaced)
        expected = verdict;
    truth_counted.doubled += again && verdict == DONGBO__VERDICT__ACCEPTED;
    if (verdict != expected)
        world_fail("%s is %s, and must be %s", dose->key, verdict_name(verdict), verdict_name(expected));
}

static void keep_greatest(const Saying **held, const Saying *saying) {
    if (*held == NULL || truth_is_greater(saying, *held))
        *held = saying;
}

// What that is depends on the other words on that person; it is the doses that are judged.
static void judge_person(const Saying *saying, const Placed *placed) {
    int verdict = (int)placed->entry->verdict;
    if (verdict == DONGBO__VERDICT__REJECTED || verdict == DONGBO__VERDICT__MISMATCH)
        world_fail("%s is %s", saying->key, verdict_name(verdict));
    if (saying->kind == SAID_MOVE)
        keep_greatest(&truth.log.moved[saying->person], saying);
    if (saying->kind == SAID_DEATH || saying->kind == SAID_NO_DEATH)
        keep_greatest(&truth.log.died[saying->person], saying);
}

static void judge_verdict(const Saying *saying, const Placed *placed) {
    int verdict = (int)placed->entry->verdict;
    TruthOpen *open = is_later(placed) ? truth_open_of(saying, placed->stream, placed->entry->sequence) : NULL;
    if (placed->entry->kind == DONGBO__ENTRY_KIND__ENTRY_MERGER)
        world_fail("%s leaves a record, and nobody asked for that", saying->key);
    if (verdict == DONGBO__VERDICT__DEFERRED) {
        judge_deferred(saying, placed);
        return;
    }
    if (truth_known_at(saying->person) < 0)
        world_fail("%s is decided as %s, and its person is not known", saying->key, verdict_name(verdict));
    if (saying->kind == SAID_DOSE && verdict == DONGBO__VERDICT__MISMATCH) {
        judge_question(saying, placed, open);
        return;
    }
    if (is_later(placed) && open == NULL)
        world_fail("%s is decided again, and was not open", saying->key);
    if (saying->kind == SAID_DOSE)
        judge_dose(saying, placed, open);
    else
        judge_person(saying, placed);
    if (open != NULL)
        truth_open_close(saying, open);
}

static void judge_entry(const Placed *placed, const char *key) {
    const Dongbo__Entry *entry = placed->entry;
    const Saying *saying = truth_find(key);
    if (saying == NULL) {
        world_fail("the log has an event that nobody said: %s", key);
        return;
    }
    SayingLog *log = truth_log_of(saying);
    if (entry->event_id.len == EVENT_ID_BYTES)
        memcpy(log->event_id, entry->event_id.data, EVENT_ID_BYTES);
    judge_verdict(saying, placed);
    log->n_logged++;
    if (entry->kind != DONGBO__ENTRY_KIND__ENTRY_DECISION) {
        log->last_logged = placed->position;
        log->last_deferred = entry->verdict == DONGBO__VERDICT__DEFERRED;
        return;
    }
    assert(log->n_decisions < TRUTH_DECISIONS_MAX);
    log->decisions[log->n_decisions].position = placed->position;
    log->decisions[log->n_decisions].verdict = (int)entry->verdict;
    memcpy(log->decisions[log->n_decisions++].stream, placed->stream, STREAM_BYTES);
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
        const Saying *saying = NULL;
        for (size_t k = 0; k < truth.n; k++) {
            const SayingLog *log = &truth.log.sayings[k];
            if (log->n_logged > 0 && entry->event_id.len == EVENT_ID_BYTES &&
                memcmp(log->event_id, entry->event_id.data, EVENT_ID_BYTES) == 0)
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

void truth_segment(const BaseSegment *segment, int64_t locked_population) {
    world_trace("segment", segment->first_position, segment->last_position);
    world_trace_bytes(segment->hash.data, segment->hash.n);
    judge_chain(segment);
    truth_judge_epoch(segment);
    truth_chain_judge(&truth.log.chain, segment);
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
