// SPDX-License-Identifier: Apache-2.0
//
// Where in the log a subscriber's session begins (PROTOCOL.md, HelloSubscribe), and the answer where it cannot.
#pragma once

#include "broker/feed_state.h"
#include "wire.pb-c.h"

// An Error for a peer.
typedef struct FeedAnswer {
    Dongbo__Error__Code code; // 0: none
    char text[400];
} FeedAnswer;
void feed_answer(FeedAnswer *answer, Dongbo__Error__Code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void feed_answer_gone(const FeedState *state, uint64_t position, FeedAnswer *answer); // it is no longer kept

#define FEED_NO_SUBSCRIPTION "This key belongs to no subscription. Use the subscriber's key, not an agency's."
#define FEED_CANNOT_SERVE "The exchange cannot serve this session now. Try again, another endpoint first."

// Both return 0; 1 with an answer when the log does not go on from there; ERROR_DATABASE.
// Fills hash and epoch of place->position from the log.
int feed_place_find(FeedState *state, FeedPlace *place, FeedAnswer *answer);
// What a Hello without a snapshot asks for, `stored` being what is known of its share.
int feed_place_begin(FeedState *state, const Dongbo__HelloSubscribe *hello, const StoredPosition *stored,
                     FeedPlace *place, FeedAnswer *answer);
