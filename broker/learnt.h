// SPDX-License-Identifier: Apache-2.0
//
// The learnt weights as the exchange keeps them: the newest model of this program's version, by agency. Only reads.
#pragma once

#include "broker/search.h"
#include "proto/base/arena.h"
#include "proto/base/pg.h"

typedef struct LearntAgency {
    uint32_t agency;
    SearchWeights weights;
} LearntAgency;

typedef struct Learnt {
    const LearntAgency *list; // by agency; in the arena
    size_t n;
} Learnt;

// ERROR_DATA when it holds what no program of this version writes; ERROR_DATABASE, ERROR_MEMORY.
int learnt_read(Pg *exchange, Arena *arena, Learnt *ret);
// NULL where nothing was learnt of it: the shipped weights hold.
const SearchWeights *learnt_find(const Learnt *learnt, uint32_t agency);
