// SPDX-License-Identifier: Apache-2.0
//
// Asks brokers to change a subscription's list of followed persons, or for the list (proto/PROTOCOL.md, Followed
// persons). A few requests are under way at once and are kept until they are answered, so that memory is bounded and
// the next broker of the list of endpoints goes on where one was lost. It opens no session, and ends nobody's. Changes
// are in order, so that none that comes late undoes a later one; but those under way at once may be taken in any:
// whoever contradicts waits for what was said before (follow_peer_finish()).
#pragma once

#include "agents/asker.h"
#include "proto/bounds.h"

#define FOLLOW_NUMBER_BYTES 16

// What one request is about.
typedef struct FollowAsk {
    enum { FOLLOW_ADD, FOLLOW_REMOVE, FOLLOW_LIST } kind;
    char numbers[FOLLOW_NUMBERS_MAX][FOLLOW_NUMBER_BYTES]; // to be listed: the first one is the one to go on behind
    uint64_t lines[FOLLOW_NUMBERS_MAX];                    // where they came from; the caller's own
    size_t n;
} FollowAsk;

typedef struct FollowPeerOptions {
    AskerOptions asker;
    // Called once for each answer; what it returns, when negative, is returned to the caller.
    int (*answered)(void *self, const FollowAsk *ask, const Dongbo__Followed *answer);
    void *self;
} FollowPeerOptions;

typedef struct FollowPeer FollowPeer;

int follow_peer_new(FollowPeer **ret, const FollowPeerOptions *options); // ERROR_MEMORY
void follow_peer_destroy(FollowPeer **peer);
// A request to be filled in and given to follow_peer_send(); waits for answers until there is room for one. 0; 1 the
// exchange refuses, as follow_peer_text() says; ERROR_PEER nobody answers for so long; ERROR_STOPPED; what answered()
// returned.
int follow_peer_room(FollowPeer *peer, FollowAsk **ret);
void follow_peer_send(FollowPeer *peer, FollowAsk *ask);
int follow_peer_finish(FollowPeer *peer); // waits for all answers; returns as follow_peer_room()
const char *follow_peer_text(const FollowPeer *peer);
