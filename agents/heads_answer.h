// SPDX-License-Identifier: Apache-2.0
//
// What an answer to AskHeads says, and whether the exchange has signed it for that very question (PROTOCOL.md,
// Witnesses). Does not judge the heads.
#pragma once

#include "agents/chain.h"
#include "proto/base/arena.h"

typedef struct HeadsQuestion {
    uint64_t after, size;
    const uint8_t *challenge; // DENIAL_CHALLENGE_BYTES
} HeadsQuestion;
// *ret points into answer and arena. 0: it is signed, by a key that the chain knows; 1: it is not; 2: it cannot be
// read.
int heads_answer_open(const HeadsQuestion *question, const Chain *chain, const Dongbo__Heads *answer, Arena *arena,
                      Dongbo__Heads *ret);
