// SPDX-License-Identifier: Apache-2.0
//
// The sessions of the subscribe side, in a bounded table. A subscriber is a cursor, a credit and a few times; nothing
// that waits to be sent is kept here.
#pragma once

#include "broker/connection.h"
#include "broker/project.h"
#include "proto/base/clock.h"
#include "proto/bounds.h"
#include "proto/denial.h"

#include <czmq.h>

// A place in the feed: everything up to `position` has been read, and `hash` is that of the segment which holds it.
typedef struct FeedPlace {
    uint32_t epoch;
    uint64_t position; // 0: before the first entry
    uint8_t hash[HASH_BYTES];
} FeedPlace;

// Which persons of a subscription: those of share i of n, or all of them (0 of 0). Each has a position of its own.
typedef struct Share {
    int16_t i, n;
} Share;

typedef struct Subscriber {
    uint64_t session; // 0: a free slot
    int32_t subscription;
    Share share;
    int32_t number;         // of the session, among those of this share over all brokers: the newest holds
    char user[64];          // ZAP's: by which key
    DenialAsked denials;    // signatures of what ends it
    int32_t policy_version; // told in the last Welcome
    zframe_t *route;
    Connection *connection; // what was sent over it and is not known to have been read; NULL: no session yet
    Projector *projector;
    bool origins;                       // records with proofs of origin, as Hello asked
    uint64_t sequence;                  // of the last frame sent
    FeedPlace place;                    // sent or filtered up to here
    uint64_t began;                     // behind this place the session does
    uint64_t previous;                  // last position delivered in this session
    uint64_t credit, sent;              // bytes of Records bodies: may be sent, were sent
    uint64_t read;                      // ... are known to have been read
    uint64_t nonce;                     // of the ping that is outstanding, random; 0: none is
    uint64_t pinged_sent, pinged_bytes; // what had been sent when it was: of these bodies, over the connection
    uint64_t acked, acked_stored;
    uint64_t released;        // durable upper bound of what may have gone out in this session
    bool held;                // no records: a snapshot is under way
    bool owes_whole;          // ... and none before one of everything, as Hello asked
    uint64_t chunks;          // of it, sent in this session
    struct SnapshotAsk *ask;  // the request that waits for its chunk; plain memory
    bool starved;             // the next record does not fit into the credit
    int64_t blocked_until_ms; // the socket took nothing more, or a snapshot waits for the population store
    int64_t heard_ms, pinged_ms;
    int64_t kept_ms;        // when the database was last told that this session goes on
    int64_t told_ms;        // when the last Records or Watermark went out; 0 for never
    uint64_t told_position; // ... and how far it reached; the next one covers what follows
    bool told_head;         // ... and that this is the head
    uint64_t told_signed;   // number of the signed head that was told last
} Subscriber;

typedef struct Subscribers Subscribers;

int subscribers_new(Subscribers **ret, const Clock *clock);
void subscribers_destroy(Subscribers **subscribers);

// A new session for this peer; takes `route` and `projector` over. 1 when the table is full (nothing is taken);
// ERROR_CRYPTO.
int subscribers_open(Subscribers *subscribers, zframe_t *route, Projector *projector, Subscriber **ret);
void subscribers_close(Subscribers *subscribers, Subscriber *subscriber);
// NULL when there is no such session, or when it speaks from another connection than it was opened on.
Subscriber *subscribers_find(Subscribers *subscribers, uint64_t session, zframe_t *route);
// That sessions come over. One that is closed leaves its own.
Connections *subscribers_connections(Subscribers *subscribers);
// How many bytes of bodies may be sent now: what there is credit for, and SUBSCRIBE_CREDIT_BYTES beyond what was read.
uint64_t subscriber_room(const Subscriber *subscriber);
size_t subscribers_count(const Subscribers *subscribers);
// Walks over the open ones: *at starts at 0. The current one may be closed meanwhile. NULL at the end.
Subscriber *subscribers_next(Subscribers *subscribers, size_t *at);
