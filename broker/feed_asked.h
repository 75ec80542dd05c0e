// SPDX-License-Identifier: Apache-2.0
//
// Frames of no session (PROTOCOL.md, Followed persons, Witnesses): the key says whose list it is, and who may ask for
// signed heads. Who may is decided here, all else by the follower's thread.
#pragma once

#include "broker/feed_place.h"

typedef struct FeedAsked {
    const zframe_t *route;
    const char *user;
    const Frame *frame; // FRAME_FOLLOW or FRAME_ASK_HEADS
} FeedAsked;
// 0: it will be answered; 1 with an answer. ERROR_DATABASE.
int feed_asked(FeedState *state, const FeedAsked *asked, FeedAnswer *answer);
