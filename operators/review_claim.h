// SPDX-License-Identifier: Apache-2.0
//
// An officer's hold on a case, for some minutes: two do not work on one.
#pragma once

#include "operators/review.h"

#include <stdint.h>

#define REVIEW_CLAIM_MINUTES 15

// Claims it for whoever asks, or renews their claim; *ret_until_us is when it ends. 1, logged: another officer has it,
// or it is no open case.
int review_claim_ask(Pg *exchange, int64_t number, long long minutes, int64_t *ret_until_us);
// What `dongbo review next` does without options: claims the next open case that nobody has, and shows it. 1, logged:
// there is none.
int review_claim_next(Desk *desk, const ReviewShow *show);
