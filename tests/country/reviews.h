// SPDX-License-Identifier: Apache-2.0
//
// Vaccinations with a wrong field or without a usable number, held against the truth: whether those that an agency's
// policy accepted are their person's, and whether the right person is attached to those that wait for a reviewer.
#pragma once

#include "proto/base/pg.h"
#include "tests/country/truth.h"

typedef enum ReviewGroup {
    REVIEW_WRONG,
    REVIEW_UNUSABLE,
    REVIEW_GROUPS
} ReviewGroup; // a wrong field; no usable number

typedef struct Reviews {
    uint64_t all;   // vaccinations
    uint64_t agree; // ... that are right as they were sent
    uint64_t right; // ... that are accepted now, and as the right person's
    uint64_t total[REVIEW_GROUPS];
    uint64_t accepted[REVIEW_GROUPS];
    uint64_t accepted_wrong[REVIEW_GROUPS]; // ... of somebody else
    uint64_t rows[REVIEW_GROUPS];           // open mismatches
    uint64_t known[REVIEW_GROUPS];          // of which the likeliest person is beyond doubt
    uint64_t known_wrong[REVIEW_GROUPS];    // ... and is another than is meant
    uint64_t first_right[REVIEW_GROUPS];    // the likeliest is the right one
    uint64_t listed_right[REVIEW_GROUPS];   // the right one is among those attached
    uint64_t by_number[REVIEW_GROUPS];      // nobody is attached, for the number leads to the right one
} Reviews;

// Of a run, after ledger_read(). ERROR_DATABASE, ERROR_DATA, ERROR_MEMORY.
int reviews_read(Reviews *reviews, Truth *truth, Pg *exchange);
// Of what `dongbo verify` said of vaccinations.csv. ERROR_SYSTEM, ERROR_DATA.
int reviews_read_verdicts(Reviews *reviews, Truth *truth, const char *path);
