// SPDX-License-Identifier: Apache-2.0
//
// The model from the lists alone: u from pairs drawn by a fixed seed from the records sorted by content, m and the
// prior by expectation–maximisation over all pairs, of which those that share no key count as no match. Learns from no
// label; draws nothing from a clock.
#pragma once

#include "broker/match/candidates.h"

typedef struct Learner {
    const Roster *roster;
    Model *model;
    struct Tally *chance; // any two records that are surely not one person, counted once
    Candidates sample;    // the others that were drawn
} Learner;

// The sample, and a first u from it. ERROR_MEMORY.
int learner_start(Learner *learner, const Roster *roster, Model *model);
void learner_free(Learner *learner);
// Rounds of EM; candidates are scored and probability (of each, in millionths) is filled by the final model.
int learner_run(Learner *learner, Candidates *candidates, uint32_t *probability);
