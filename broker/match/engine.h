// SPDX-License-Identifier: Apache-2.0
//
// Matching from beginning to end: lists in, pairs out. Pure: no files, no clock, no randomness but a fixed seed.
#pragma once

#include "broker/match/model.h"

typedef struct MatchLink {
    uint32_t a, b;      // records; a of the left list
    int32_t bits;       // evidence without the prior, milli-bits
    uint32_t posterior; // millionths
    uint32_t through;   // one list: a third record that ties the two, or UINT32_MAX
} MatchLink;

typedef struct MatchOptions {
    bool all_pairs;   // every pair from `above`, instead of the best answer for each record
    uint32_t above;   // millionths
    bool many_to_one; // two lists: one right record may answer several left ones
} MatchOptions;

typedef struct MatchResult {
    Model model;
    MatchLink *links; // by a, then b
    size_t n, size;
    size_t n_compared, n_kept, n_blocks_too_large, n_not_covered, block_limit;
    size_t n_review; // records whose best candidate is between doubt and certainty (0.02 to 0.999)
} MatchResult;

#define MATCH_DECIDED 500000 // more likely than not

// ERROR_MEMORY. The roster is sealed.
int engine_run(const Roster *roster, const MatchOptions *options, MatchResult *ret);
void engine_free(MatchResult *result);
// "person exact/exact +18.2; birth a digit off +9.1": the reasons of one pair.
void engine_reasons(const Roster *roster, const Model *model, uint32_t a, uint32_t b, Bytes *out);
