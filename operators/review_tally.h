// SPDX-License-Identifier: Apache-2.0
//
// The review queue counted: what is open, of whom, why and how long; who decided how much, and how often the likeliest
// person was chosen. Reads every open case once, in pages: for a report, not for a screen that is refreshed.
#pragma once

#include "proto/base/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REVIEW_TALLY_REASONS 128 // at least as many as the table has

typedef struct ReviewTallyGroup {
    uint32_t agency;
    int domain;
    int64_t cases, oldest_us;
} ReviewTallyGroup;

typedef struct ReviewTally {
    int64_t cases, known, possible;   // a person is likely beyond doubt; some are likely
    int64_t events, claimed, waiting; // with repeats; claimed now; decided, not carried out
    int64_t oldest_us, median_us;     // when asked for the first time; 0 where there is no case
    ReviewTallyGroup *groups;         // by agency and domain
    size_t n_groups;
    int64_t reasons[REVIEW_TALLY_REASONS]; // cases with the reason at this place of reason_table()
    PGresult *decided;                     // by day, the latest first, and officer: ReviewTallyColumn
} ReviewTally;

typedef enum ReviewTallyColumn {
    REVIEW_TALLY_DAY, // in Asia/Ho_Chi_Minh
    REVIEW_TALLY_OFFICER,
    REVIEW_TALLY_ACCEPTED,
    REVIEW_TALLY_LINKED,
    REVIEW_TALLY_REFUSED,
    REVIEW_TALLY_FAILED, // came to nothing
    // Of those carried out: where somebody was likely, and where the event was taken as theirs; the same where they
    // were known beyond doubt.
    REVIEW_TALLY_LIKELY,
    REVIEW_TALLY_CHOSEN,
    REVIEW_TALLY_KNOWN,
    REVIEW_TALLY_KNOWN_CHOSEN,
} ReviewTallyColumn;

// Decisions from since_us on. ERROR_DATABASE, ERROR_MEMORY.
int review_tally_read(Pg *exchange, int64_t since_us, ReviewTally *ret);
void review_tally_free(ReviewTally *tally);
// The sum of a column of `decided`.
int64_t review_tally_sum(const ReviewTally *tally, ReviewTallyColumn column);
