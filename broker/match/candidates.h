// SPDX-License-Identifier: Apache-2.0
//
// Pairs with their comparisons, kept as columns: what learning goes through again and again.
#pragma once

#include "broker/match/model.h"

typedef struct Candidates {
    int n_components;
    bool many_to_one;
    size_t n, size;
    uint32_t *a, *b; // a < b
    int32_t *bits;   // evidence without prior, by the latest candidates_score()
    uint8_t *level;  // n * n_components
    uint16_t *rarity;
} Candidates;

void candidates_free(Candidates *candidates);
// ERROR_MEMORY.
int candidates_add(Candidates *candidates, uint32_t a, uint32_t b, const Comparison *comparison, int32_t bits);
// Over what stands at `at`.
void candidates_put(Candidates *candidates, size_t at, uint32_t a, uint32_t b, const Comparison *comparison,
                    int32_t bits);
void candidates_score(Candidates *candidates, const Model *model);
void candidates_get(const Candidates *candidates, size_t at, Comparison *ret);

// What each pair's probability is, in millionths, by bits and prior (log2 of the odds that any two records match).
// Of two lists each record has one partner or none, so that a partner found elsewhere speaks against a pair and the
// few that are left over for it; with many_to_one only the left record's candidates share. In one list each pair stands
// alone. ERROR_MEMORY.
#define PROBABILITY_ONE 1000000
uint32_t candidates_probability(int32_t bits); // of one pair that stands alone, the prior included
int candidates_posterior(const Candidates *candidates, const Roster *roster, int32_t prior, uint32_t *ret);
