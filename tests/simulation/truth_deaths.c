// SPDX-License-Identifier: Apache-2.0
//
// Who is dead, and what that contradicts: a dose of a later day is an officer's to look at, in whatever order death and
// dose came. What was taken before stays in its record as long as nobody has looked, and what came behind stays out.
#include "truth_state.h"

const char *truth_died_on(int person) {
    const Saying *died = truth.log.died[person];
    return died == NULL || died->kind == SAID_NO_DEATH ? "" : died->day;
}

static bool contradicts(const Saying *dose, const char *died_on) {
    return died_on[0] != '\0' && strcmp(dose->day, died_on) > 0;
}

bool truth_is_dead(const Saying *dose) {
    return contradicts(dose, truth_died_on(dose->person));
}

bool truth_was_dead(const Saying *dose, bool dead, int64_t since) {
    const char *number = truth_number(dose->person), *died_on = "";
    for (size_t i = 0; i < base_changes.n; i++) { // in the order of positions
        const BaseChange *change = table_committed(&base_changes, i);
        if (change == NULL || strcmp(change->number, number) != 0)
            continue;
        if (change->position > since && contradicts(dose, died_on) == dead)
            return true;
        died_on = change->died_on;
    }
    return contradicts(dose, died_on) == dead;
}

// ---- what is open --------------------------------------------------------------------------------------------------

TruthOpen *truth_open_of(const Saying *saying, const uint8_t *stream, uint64_t sequence) {
    SayingLog *log = truth_log_of(saying);
    for (int i = 0; i < log->n_open; i++) {
        if (log->open[i].sequence == sequence && memcmp(log->open[i].stream, stream, STREAM_BYTES) == 0)
            return &log->open[i];
    }
    return NULL;
}

void truth_open_add(const Saying *saying, const TruthOpen *open) {
    SayingLog *log = truth_log_of(saying);
    assert(log->n_open < TRUTH_OPEN_MAX);
    log->open[log->n_open++] = *open;
}

void truth_open_close(const Saying *saying, TruthOpen *open) {
    SayingLog *log = truth_log_of(saying);
    *open = log->open[--log->n_open];
}

// ---- the end -------------------------------------------------------------------------------------------------------

static bool any_open(const SayingLog *log, int verdict, bool stands) {
    for (int i = 0; i < log->n_open; i++) {
        if (log->open[i].verdict == verdict && log->open[i].stands == stands)
            return true;
    }
    return false;
}

// Words that lost to others need not be asked of while those stand.
const char *truth_dose_missing(const Saying *dose) {
    const SayingLog *log = truth_log_of(dose);
    bool dead = truth_is_dead(dose), stands = truth.log.winner[dose->person][dose->group] == dose;
    if (any_open(log, DONGBO__VERDICT__DEFERRED, false))
        return "is open, and its person is known";
    if (!dead && log->n_open > 0)
        return "is in question, and its person was alive then";
    if (!dead && !log->applied)
        return "is not taken, and its person was alive then";
    if (dead && !log->applied && log->n_open == 0)
        return "is closed without being taken, and nobody has looked at it";
    if (dead && stands && !any_open(log, DONGBO__VERDICT__MISMATCH, true))
        return "stands in the record of who was dead then, and is not in question";
    return NULL;
}

void truth_judge_deaths(void) {
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *citizen = table_committed(&base_citizens, i);
        for (int person = 0; citizen != NULL && person < TRUTH_PERSONS; person++) {
            if (strcmp(citizen->number, truth_number(person)) == 0 &&
                strcmp(citizen->died_on, truth_died_on(person)) != 0)
                world_fail("the population store says that %s died on '%s', and must say '%s'", citizen->number,
                           citizen->died_on, truth_died_on(person));
        }
    }
}
