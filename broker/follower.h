// SPDX-License-Identifier: Apache-2.0
//
// Answers what subscribers ask outside of sessions, on a thread and database sessions of its own, so that no feed waits
// for it: their lists of followed persons (PROTOCOL.md, Followed persons) and signed heads (Witnesses). Keeps what is
// asked of a list (exchange.follow_request) and leaves it to the re-decider to carry it out. Whom a subscription's
// rights do not cover and who does not exist get one and the same answer.
#pragma once

#include "broker/policy.h"
#include "proto/frame.h"
#include "proto/keys.h"

#include <czmq.h>

typedef struct Follower Follower;

typedef struct FollowerOptions {
    const char *exchange, *population; // conninfo, copied
    const Keys *keys, *next_keys;      // the exchange's, and those that it will go over to; NULL: none
} FollowerOptions;
// ERROR_CONFIG, ERROR_MEMORY, ERROR_PEER, ERROR_CRYPTO.
int follower_new(Follower **ret, const FollowerOptions *options);
void follower_destroy(Follower **follower);

// All on the feed's thread:
// Takes a FRAME_FOLLOW or FRAME_ASK_HEADS of this peer's, by the policy's newest version. 1 when it is larger than one
// may be, or too many of the subscription's wait already; 2 when too many of all wait, or there is no memory for one
// more.
int follower_ask(Follower *follower, const zframe_t *route, const Policy *policy, const Frame *frame);
void *follower_socket(Follower *follower); // readable when there is something to answer
// What there is to answer, each frame in turn.
typedef void (*FollowerSay)(void *self, const zframe_t *route, int32_t subscription, const Bytes *frame);
void follower_answer(Follower *follower, FollowerSay say, void *self);
