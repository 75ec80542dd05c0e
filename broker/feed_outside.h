// SPDX-License-Identifier: Apache-2.0
//
// What is said to subscribers outside of sessions: answers to their questions, errors. A peer that reads none of it
// holds our memory, so it is counted as within sessions (connection.h), and what would be too much is not said:
// UNREAD_BYTES over one connection, UNREAD_AGENCY_BYTES over all of a subscription's; who reads is told why. A Ping
// behind it tells that it was read, of the session where the connection has one, and else of none.
#pragma once

#include "broker/feed_place.h"

#define FEED_NOT_READ                                                                                                  \
    "What was sent over this connection, or over others of this subscription, was not read: close those, connect again."

typedef struct FeedPeer {
    const zframe_t *route;
    uint32_t party;
    const char *user; // ZAP's
} FeedPeer;
FeedPeer feed_peer(const zframe_t *route, const char *user);

// Whether another question of this peer's may be answered.
bool feed_outside_has_room(FeedState *state, const FeedPeer *peer);
// A whole frame. That it may not arrive is no harm: the peer asks again.
void feed_outside_say(FeedState *state, const FeedPeer *peer, const Bytes *frame);
// An Error, which answers this frame (NULL: what is none), signed where that asks for it. Overwrites the arena.
void feed_outside_deny(FeedState *state, const FeedPeer *peer, const Frame *frame, const FeedAnswer *answer);
// A Pong of no session.
void feed_outside_pong(FeedState *state, const FeedPeer *peer, const Frame *frame);
// Once a second. Connections without a session hold what was sent over them for as long as they are there.
void feed_outside_tick(FeedState *state, int64_t now_ms);
