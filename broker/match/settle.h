// SPDX-License-Identifier: Apache-2.0
//
// From probabilities of pairs to one consistent answer. Two lists: each record at most one partner, the likeliest
// first. One list: groups, grown along the likeliest pairs, and joined only if all pairs between them speak for it on
// the whole; one false bridge does not pull two persons together.
#pragma once

#include "broker/match/candidates.h"
#include "broker/match/engine.h"

typedef struct Settlement {
    const Roster *roster;
    const Candidates *candidates;
    const uint32_t *probability;
    MatchResult *result; // its model scores pairs that share no key
} Settlement;

// Adds to result->links. ERROR_MEMORY.
int settle_partners(const Settlement *settlement, bool many_to_one);
int settle_groups(const Settlement *settlement);
int settle_add(MatchResult *result, MatchLink link);
