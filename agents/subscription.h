// SPDX-License-Identifier: Apache-2.0
//
// The receiving end of a subscription: one session with one broker at a time, from Hello to the last Ack. Writes into a
// sink, acknowledges and asks for more only when that is durable. Does not choose brokers and does not wait to try
// again.
#pragma once

#include "agents/origin_judge.h"
#include "agents/sink.h"
#include "agents/successor.h"
#include "proto/base/clock.h"
#include "proto/keys.h"

#include <stdbool.h>

typedef struct SubscriptionProgress {
    uint64_t position;               // durable
    uint64_t head;                   // as last heard of
    uint64_t records;                // stored by this program so far
    bool rights_changed;             // see subscription_rights_changed()
    uint64_t persons, persons_total; // in a snapshot: told of so far, and about how many there are
} SubscriptionProgress;

// Where the first session begins. A sink that holds records goes on behind them (or with the snapshot that it was
// taking), an empty one begins at the start, unless this is said; and then the sink must be empty, or, for FROM_START
// and FROM_TIME, one whose records replace themselves; it never goes forward by that.
typedef enum SubscriptionFrom {
    FROM_SINK,
    FROM_START,
    FROM_HEAD,     // only what comes from now on
    FROM_ACKED,    // behind what the exchange knows to have been received by this subscription, wherever that is
    FROM_POSITION, // behind from_position
    FROM_TIME,     // what the exchange stored from from_time_us on
    FROM_SNAPSHOT, // with a snapshot, whatever the sink holds
} SubscriptionFrom;

// Pointers must outlive the subscription.
typedef struct SubscriptionOptions {
    const char *name;
    int share, shares;            // which of how many, from 1; 0 of 0: everything
    const Keys *keys;             // the subscriber's
    const uint8_t *broker_key;    // KEY_BYTES
    Successor *successor;         // learns what follows these; may be NULL
    const uint8_t *sign_keys[2];  // the exchange's and its next one, to judge its signed heads by, and what would
                                  // end this; NULL: they are not judged
    const OriginKey *agency_keys; // n_agency_keys, not 0: proofs of origin are asked for, and judged by these; copied
    size_t n_agency_keys;
    Sink *sink;
    const Clock *clock;
    SubscriptionFrom from;
    uint64_t from_position;
    int64_t from_time_us;
    bool until_head;    // done at the head that the first Welcome told, or where a snapshot came to
    bool reconcile;     // with until_head: then compares what the sink holds and repairs it ...
    bool dry;           // ... or only counts
    bool accept_rights; // what the sink holds is right by what is granted when it is first welcomed
    int64_t timeout_ms; // lost when no broker has served us for so long; 0: as long as it takes
    void (*progress)(void *self, const SubscriptionProgress *progress); // after each commit; may be NULL
    void *progress_self;
} SubscriptionOptions;

typedef struct Subscription Subscription;

int subscription_new(Subscription **ret, const SubscriptionOptions *options);
void subscription_destroy(Subscription **subscription);

// Runs a session to its end, giving the endpoint reach_ms to take the connection. 0: caught up, or asked to stop
// (zsys_interrupted); 1: lost or never had, another try may do; 2: refused, a person must act. subscription_text() says
// why for 1 and 2. Negative: the sink's or our own failure; ERROR_CONFIG when the sink holds what `from` does not
// allow.
int subscription_run(Subscription *subscription, const char *endpoint, int64_t reach_ms);

// The same by steps, for who has other things to do: begins a session when there is none, then takes what is there, and
// waits at most wait_ms for more. 0: call again; 1, 2 and negative as above, and SUBSCRIPTION_DONE when caught up or
// asked to stop: the session is over, and the next step begins another.
#define SUBSCRIPTION_DONE 3
typedef struct SubscriptionStep {
    const char *endpoint;
    int64_t reach_ms, wait_ms;
} SubscriptionStep;
int subscription_step(Subscription *subscription, const SubscriptionStep *options);
// The session is over, and the next one takes a snapshot, or goes on with the one that was begun. Only for sinks that
// take snapshots.
void subscription_take_snapshot(Subscription *subscription);
// Refused (2) because what comes next is no longer kept: only a snapshot leads on.
bool subscription_is_gone(const Subscription *subscription);
// Nothing more is taken before the sink has committed.
bool subscription_is_full(const Subscription *subscription);
// What was found to differ, and repaired unless `dry`. What changes meanwhile may be counted, too.
void subscription_tally(const Subscription *subscription, SinkTally *ret);
// Whether what is held came, or will come, by other rights than those that hold now, and the sink takes no snapshot by
// itself. That stays so until it has taken one, or it is said that this is right: durable with the next commit. The
// version of the rights by which it is, or 0 when that is the next Welcome's.
bool subscription_rights_changed(const Subscription *subscription);
uint32_t subscription_accept_rights(Subscription *subscription);
const char *subscription_text(const Subscription *subscription);
// With this key of the exchange's from the next session on; outlives it.
void subscription_set_broker(Subscription *subscription, const uint8_t key[KEY_BYTES]);
// What was lost (1) was lost by what nobody signed: so long the next one is to wait, said once. 0: it is not to wait.
int64_t subscription_doubt_ms(Subscription *subscription);
// Whether the session that is over got through the handshake.
bool subscription_was_secured(const Subscription *subscription);
// How often something new became durable, or a session began with nothing new to be had: what makes one worth having
// begun, whatever else came of it.
uint64_t subscription_moves(const Subscription *subscription);
// When a broker last served us (monotonic); when it was made, if none ever did.
int64_t subscription_served_ms(const Subscription *subscription);
