// SPDX-License-Identifier: Apache-2.0
//
// Which pairs are worth comparing: those that share a key and whose key is not shared by too many. Keys are 64-bit
// hashes of parts of fields; records are sorted by key. A block that is too large is split by each other key that its
// records have; what is still too large then is left out and counted, never cut.
#pragma once

#include "broker/match/roster.h"

typedef struct Blocks {
    uint64_t *pairs; // a << 32 | b, a < b, sorted, each once
    size_t n, size;
    size_t n_too_large;   // blocks left out
    size_t n_not_covered; // records all of whose blocks were left out: not enough data to find anybody
    size_t limit;         // records of one list in a block
} Blocks;

// ERROR_MEMORY.
int blocks_find(const Roster *roster, Blocks *ret);
void blocks_free(Blocks *blocks);

// Ascending.
int blocks_sort(uint64_t *items, size_t n);
