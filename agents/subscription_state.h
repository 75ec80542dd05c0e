// SPDX-License-Identifier: Apache-2.0
//
// What the parts of a subscription's receiving end share: subscription.c runs sessions and takes the feed in,
// subscription_snapshot.c takes snapshots and compares copies.
#pragma once

#include "agents/doubt.h"
#include "agents/head_watch.h"
#include "agents/subscription.h"
#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/frame.h"
#include "proto/socket.h"

enum { GO_ON = 0, LOST = 1, REFUSED = 2, DONE = SUBSCRIPTION_DONE, AGAIN = 4 };

typedef enum SubscriptionPhase {
    PHASE_FEED,
    PHASE_SNAPSHOT, // of everything
    PHASE_DIGESTS,  // of their copy
    PHASE_REPAIR,   // a snapshot of what differs
} SubscriptionPhase;

struct Subscription {
    SubscriptionOptions options;
    char text[512];
    Arena *arena;
    Bytes out;
    int64_t served_ms;
    uint64_t records; // stored, over all sessions
    uint64_t moves;   // of what is durable, over all sessions
    bool began;       // something was committed by this program
    uint64_t goal;    // the head of the first Welcome
    bool has_goal;
    HeadWatch *heads;     // NULL: signed heads are not judged
    OriginJudge *origins; // NULL: no proofs of origin are asked for
    Doubt doubt;          // of what would end it
    bool head_known;      // what the sink kept of them was read
    int64_t head_kept_ms;

    // of the present session
    const char *endpoint;
    zsock_t *socket, *monitor;
    SocketNews news;
    int64_t news_ms, reach_ms;
    bool said;        // Hello
    bool gone;        // refused, for what comes next is no longer kept
    uint64_t session; // 0: before Welcome
    uint64_t sequence_out, sequence_in;
    SinkPlace place, stored; // received, and durable
    bool has_place;          // the sink had one: it went into Hello
    bool dealt;              // ... and goes back, for the persons were dealt anew
    uint64_t held;           // ... which was this, and it is to go back
    uint64_t complete;       // up to here all is in the sink although it comes again: nothing of it is written
    SubscriptionFrom from;   // FROM_SINK: from that place
    uint64_t previous;       // last position delivered
    uint64_t head;
    uint64_t pending; // records written and not committed
    uint64_t group_bytes, received_bytes, credit;
    bool owes_answer; // Ack and Credit
    int64_t heard_ms, pinged_ms, committed_ms;
    uint32_t policy_version; // as Welcome told it

    // snapshots
    SubscriptionPhase phase;
    SinkSnapshot snapshot; // that is being taken
    bool filling;          // the sink was told of it in this session
    bool asked, owes_ask;  // for a chunk; it could not be sent yet
    bool owes_part;        // the sink has not stored a chunk yet
    bool last_part;        // ... that is the last one
    uint64_t persons, persons_total;
    uint64_t n_snapshot;     // records of it in this session ...
    uint64_t snapshot_bytes; // ... and bytes of chunks
    Buckets *theirs, *ours;
    SinkCount count;                    // of ours
    bool counting, waits;               // there is more to count; it is what the next request waits for
    uint8_t buckets[BUCKETS_MAP_BYTES]; // that differ
    bool compared;                      // as was asked, and repaired
    SinkTally tally;
};

// Keeps the sentence for subscription_text() and returns `result`.
int subscription_say(Subscription *s, int result, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// 1 when it cannot be sent now.
int subscription_send(Subscription *s, FrameType type, const ProtobufCMessage *message);
int subscription_answer(Subscription *s);
// ---- subscription_error.c
int subscription_error(Subscription *s, const ProtobufCMessage *message);
// ----
int subscription_commit(Subscription *s);
bool subscription_token_fits(const Dongbo__ResumeToken *token);
void subscription_place(SinkPlace *place, const Dongbo__ResumeToken *token);
void subscription_progress(Subscription *s);
// Decodes a record into the arena. NULL when it is none.
Dongbo__FeedRecord *subscription_record(Subscription *s, const ProtobufCBinaryData *bytes);

// ---- subscription_head.c

// The newest signed head, where it is another than the sink has, to the sink; now, or when enough time has passed.
int subscription_head_keep(Subscription *s, bool now);
// What the sink has, once: the next head is held against it.
int subscription_head_resume(Subscription *s);

// ---- subscription_snapshot.c

// When a session begins: whether it goes on with a snapshot, or takes one. ERROR_CONFIG when the sink takes none.
int subscription_snapshot_begin(Subscription *s);
// Whether the sink takes a snapshot by itself when other rights hold: what came before is replaced then, and nobody but
// this receiver fills it.
bool subscription_snapshot_itself(const Subscription *s);
// The next session takes one, whatever the sink holds.
void subscription_snapshot_want(Subscription *s);
// After each Welcome: asks, if there is something to ask for.
int subscription_snapshot_welcome(Subscription *s);
int subscription_chunk_receive(Subscription *s, const ProtobufCMessage *message);
// The cursor leads nowhere: the next session begins the snapshot again.
int subscription_snapshot_forget(Subscription *s);
// Caught up: compares, if that was asked for and is not done. 1 when there is nothing left to do.
int subscription_compare(Subscription *s);
// A part of what is held is counted. GO_ON; nothing when there is nothing to count.
int subscription_count(Subscription *s);
// The sink is asked once more to store a chunk. GO_ON also when it has not.
int subscription_part_again(Subscription *s);
// What could not be sent before.
int subscription_ask_again(Subscription *s);
