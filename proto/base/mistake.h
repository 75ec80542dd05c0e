// SPDX-License-Identifier: Apache-2.0
//
// Deliberate mistakes, each of which the simulation must find (tests/simulation/run --mistakes). Only its own build of
// the files concerned has them: in the programs MISTAKE() is false when they are compiled.
#pragma once

#include <stdbool.h>

typedef enum Mistake {
    MISTAKE_NONE,
    MISTAKE_ACK_BEFORE_COMMIT,
    MISTAKE_POSITION_BEFORE_LOCK,
    MISTAKE_SEQUENCE_UNCHECKED,
    MISTAKE_ROOT_UNCHECKED,
    MISTAKE_EPOCH_UNCHECKED,
    MISTAKE_POPULATION_UNCHECKED,
    MISTAKE_CREDIT_KEPT,
    MISTAKE_EPOCH_KEPT,
    MISTAKE_LEFT_UNTOLD,
    MISTAKE_FIRST_HEAD_LATE,
    MISTAKE_DEATH_UNJUDGED,
    MISTAKE_UNFOLLOWED_UNTOLD,
    MISTAKE_HOMES_UNTOLD,
    MISTAKE_STALE_FOLLOWED,
    MISTAKES
} Mistake;

#ifdef DONGBO_MISTAKES
extern Mistake simulated_mistake;
#define MISTAKE(which) (simulated_mistake == MISTAKE_##which)
#else
#define MISTAKE(which) false
#endif
