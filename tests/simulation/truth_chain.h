// SPDX-License-Identifier: Apache-2.0
//
// The log's own hashes, computed anew from what is stored: each leaf, the chain, the tree, and that the payload is what
// its summary commits to.
#pragma once

#include "base_rows.h"

#include "broker/segment.h"

// Where the chain stands: behind the last segment.
typedef struct TruthChain {
    uint8_t hash[HASH_BYTES];
    Frontier frontier;
} TruthChain;

void truth_chain_open(void); // once
void truth_chain_close(void);
// The next segment that is committed; moves on behind it.
void truth_chain_judge(TruthChain *chain, const BaseSegment *row);
