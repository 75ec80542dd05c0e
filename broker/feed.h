// SPDX-License-Identifier: Apache-2.0
//
// The subscribe side of the broker: an actor with the ROUTER that subscribers connect to and a PostgreSQL session of
// its own. Reads segments in order from each subscriber's own position and sends what its policy grants, as far as its
// credit goes. Keeps no more of a slow subscriber than a cursor. Never decides and never writes the log.
#pragma once

#include "broker/stats.h"
#include "proto/base/clock.h"
#include "proto/keys.h"

#include <czmq.h>

// All texts are copied; keys and clock must outlive the feed.
typedef struct FeedOptions {
    const char *exchange;   // conninfo
    const char *population; // ... of a role that reads
    const char *endpoint;   // tcp://127.0.0.1:7702, or ending in ":*"; a ZAP handler must be running
    const char *commits;    // inproc://… that the feed binds a PULL to, so it must exist before the pushers send.
                            // A frame of 8 bytes, big-endian, is the new head's position. A hint, never trusted: it may
                            // be dropped (LISTEN dongbo_commit and a look once a second find what was missed).
    const Keys *keys;       // the broker's
    const Keys *next_keys;  // that it announces; NULL: none
    const Clock *clock;
    Stats *stats; // NULL: nothing is counted
} FeedOptions;

// Starts the actor. Returns once the socket is bound (*ret_port as of socket_bind()); the database may be away and is
// then tried again by itself, as after any later failure. zactor_destroy() lets it say goodbye to its sessions, store
// their acknowledged positions and end. ERROR_CONFIG, ERROR_MEMORY, ERROR_PEER.
int feed_new(zactor_t **ret, const FeedOptions *options, int *ret_port);
