// SPDX-License-Identifier: Apache-2.0
//
// The open cases of the review queue, in order, a page at a time, however many there are: what is read is in proportion
// to what is shown. A case is what a person must look at; what waits by itself (DEFERRED) is none.
#pragma once

#include "operators/desk.h"
#include "operators/names.h"
#include "verdict.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

// Cases read for one answer. Who has claimed one stands in no index of theirs: who asks for rare ones gets what is
// among these, and is told where to go on.
#define REVIEW_QUEUE_READ_MAX 20000

typedef struct ReviewFilter {
    const char *agency_code, *domain_name, *reason_name; // as asked for; NULL: all
    bool mine;                                           // claimed by whoever asks
    bool unclaimed;                                      // by nobody, and no decision waits
    bool likely;                                         // a person is beyond doubt
    bool newest;                                         // first, instead of the oldest
    long long after;                                     // beyond this case, in the order asked for; 0: from the start
} ReviewFilter;

typedef struct ReviewQueueCase {
    int64_t number, since_us;
    uint32_t agency;
    int domain;
    const char *citizen_number;          // as claimed
    const Dongbo__EventVerdict *verdict; // NULL where it cannot be read
    int64_t n_events;                    // REVIEW_EVENTS_COUNTED: so many or more
    int64_t likely_posterior;            // millionths; 0 for nobody
    bool is_likely;                      // beyond doubt
    const char *officer;                 // "" for nobody
    int64_t until_us;
    const char *decision; // that waits to be carried out, "" for none
} ReviewQueueCase;
#define REVIEW_EVENTS_COUNTED 1000

typedef struct ReviewQueue ReviewQueue;

// ERROR_CONFIG where the filter names what there is not. `names` are an operator's; both must outlive the queue.
int review_queue_new(ReviewQueue **ret, Pg *exchange, const Names *names, const ReviewFilter *filter);
void review_queue_destroy(ReviewQueue **queue);
// The next case; what it points to is good until the next call. 1: there are no more. 2: REVIEW_QUEUE_READ_MAX were
// read. ERROR_DATABASE, ERROR_MEMORY.
int review_queue_next(ReviewQueue *queue, ReviewQueueCase *ret);
// The last case that was read, whether it was given or not.
int64_t review_queue_at(const ReviewQueue *queue);
// Has this session read open cases by index, whatever the planner believes of the table. ERROR_DATABASE.
int review_queue_by_index(Pg *exchange);
