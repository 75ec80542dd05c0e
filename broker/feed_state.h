// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the feed's actor share, all on its one thread: feed.c owns it and runs the loop, feed_session.c
// answers subscribers, feed_place.c finds where they begin, feed_pump.c sends records, feed_snapshot.c snapshots.
#pragma once

#include "broker/feed_account.h"
#include "broker/feed_origins.h"
#include "broker/followed.h"
#include "broker/follower.h"
#include "broker/quota.h"
#include "broker/reader.h"
#include "broker/snapshot.h"
#include "broker/stats.h"
#include "proto/base/allowance.h"
#include "proto/frame.h"
#include "proto/socket.h"
#include "proto/next_keys.h"

typedef struct FeedState {
    const Clock *clock;
    const Keys *keys;
    NextKeys *next_keys; // NULL: none are announced
    Signer *signer;
    Stats *stats;
    zsock_t *router;
    FeedStore *store;
    Reader *reader;
    FeedAccounts *accounts;
    FeedOrigins *origins;
    Followed *followed;
    Follower *follower;
    PolicySet *policies;               // NULL until read for the first time
    int64_t policy_stamp, policies_ms; // of them; when they were read
    int64_t turn, sure_ms;             // nothing was erased since that is in memory, as of then (feed_sure())
    uint64_t trimmed;                  // up to there the log is not kept, as of then
    Subscribers *subscribers;
    bool connected;               // to the database, and policies and head are known
    FeedPlace head;               // as last seen
    Bytes signed_head, signature; // the newest, as stored; empty: none yet
    uint64_t signed_number;
    Arena *arena;  // of the frame that is being answered
    Bytes out;     // the frame that is being written
    Bytes records; // FeedRecords for it, one after the other
    ProtobufCBinaryData *pieces;
    size_t pieces_size;
    OriginParts parts;          // proofs for these records, where they were asked for
    const Subscriber *far_slot; // of those far behind, who had the last turn; only compared
    uint64_t far;               // ... its session
    int far_turns;              // ... and how many in a row
    zactor_t *snapshots;
    SnapshotWork *snapshot; // theirs while `reading`
    bool reading;
    uint64_t snapshot_tickets; // given so far
    Quota quota;               // of lines about receivers
    Allowance *hellos, *asks;  // asks: of heads
} FeedState;

// Writes and sends one frame of this session. 1 when the socket does not take it now.
int feed_send(FeedState *state, Subscriber *subscriber, FrameType type, const ProtobufCMessage *message);
// Before anything of a record goes out: 0 when nothing that was read was erased since; 1 when something was, and what
// is at hand is not to be sent. ERROR_DATABASE.
int feed_sure(FeedState *state);
// This place as a token, which borrows its hash. At the log's beginning it has none.
void feed_token(Dongbo__ResumeToken *token, const FeedPlace *place);
