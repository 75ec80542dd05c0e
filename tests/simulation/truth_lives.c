// SPDX-License-Identifier: Apache-2.0
//
// The exchange's database is set back to what it was: what follows from the log goes back with it. What was committed
// meanwhile is lost, and still no position may name another segment in the same epoch.
#include "truth_state.h"

void truth_back_up_base(void) {
    truth.backup = truth.log;
    truth.backed_up = true;
}

static void lose(const BaseSegment *segment) {
    if (truth.n_lost < LOST_MAX)
        truth.lost[truth.n_lost++] = *segment;
}

// The last of the decisions that are still there and that the agent had been told of, with all before it.
// False when it was told of later ones.
static bool keep_told(const SayingLog *log, uint64_t *position, int *verdict) {
    uint64_t upto = *position;
    int told = *verdict;
    *position = 0;
    for (int i = 0; i < log->n_decisions; i++) {
        if (log->decisions[i].position > upto || log->decisions[i].position <= *position)
            continue;
        *position = log->decisions[i].position;
        *verdict = log->decisions[i].position == upto ? told : log->decisions[i].verdict;
    }
    return *position == upto;
}

void truth_set_back_base(void) {
    assert(truth.backed_up);
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *segment = table_committed(&base_segments, i);
        if (segment != NULL && segment->first_position > truth.backup.last_position)
            lose(segment);
    }
    for (size_t i = 0; i < truth.n; i++) {
        Saying *saying = &truth.sayings[i];
        const SayingLog *log = &truth.backup.sayings[i];
        saying->forgotten = saying->forgotten || truth.log.sayings[i].n_logged > log->n_logged;
        bool all = keep_told(log, &saying->told_position, &saying->told_verdict);
        all = keep_told(log, &saying->backup_position, &saying->backup_verdict) && all;
        saying->told_of_old = saying->told_of_old || !all;
    }
    truth.log = truth.backup;
    truth.n_lives++;
}

bool truth_is_lost(void) {
    return truth.n_lives > 0;
}

void truth_judge_epoch(const BaseSegment *segment) {
    for (size_t i = 0; i < truth.n_lost; i++) {
        const BaseSegment *lost = &truth.lost[i];
        if (lost->epoch == segment->epoch && lost->first_position <= segment->last_position &&
            segment->first_position <= lost->last_position)
            world_fail("position %" PRId64 " is given out again in epoch %d", segment->first_position, segment->epoch);
    }
}

bool truth_was_stored(const Dongbo__ReceiptBody *body) {
    for (size_t i = 0; i < truth.n_lost; i++) {
        const BaseSegment *lost = &truth.lost[i];
        if (!lost->batch_root.null && lost->first_sequence == (int64_t)body->first_sequence &&
            lost->last_sequence == (int64_t)body->last_sequence &&
            value_is(lost->stream, body->stream.data, body->stream.len) &&
            value_is(lost->batch_root, body->batch_root.data, body->batch_root.len))
            return true;
    }
    return false;
}

bool truth_has(uint64_t position, const uint8_t hash[HASH_BYTES]) {
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *segment = table_committed(&base_segments, i);
        if (segment != NULL && segment->first_position <= (int64_t)position &&
            (int64_t)position <= segment->last_position)
            return value_is(segment->hash, hash, HASH_BYTES);
    }
    return position == 0;
}
