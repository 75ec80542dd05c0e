// SPDX-License-Identifier: Apache-2.0
//
// What committees received, held against what they may have: for each, the records that its rights give it, worked out
// anew from the truth and the rights, against the JSONL files it wrote.
#pragma once

#include "proto/base/pg.h"
#include "tests/country/truth.h"

typedef struct Committee {
    const char *name;
    uint64_t records;     // received
    uint64_t missing;     // it should have them and does not
    uint64_t beyond;      // it has them and should not
    uint64_t undisclosed; // fields and numbers that it may not see
    uint64_t doubled;     // positions that come twice, or out of order
} Committee;

// Reads the rights of `committee->name` from the exchange and the *.jsonl files of the directory. ERROR_*.
int committee_check(Committee *committee, const Truth *truth, Pg *exchange, const char *directory);
