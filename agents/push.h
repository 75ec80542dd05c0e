// SPDX-License-Identifier: Apache-2.0
//
// Delivers one stream: a session with one endpoint of the list at a time, batches in order under the exchange's credit,
// receipts checked and stored before anything is let go. Lives through an exchange that is away for days. Owned by one
// thread; never blocks. What only people can mend ends it with a sentence that says what to do: ERROR_PEER for a newer
// session of the same spool, ERROR_CONFIG for keys that do not fit, unless it is to go on (`patient`): then it says so
// once and asks again seldom.
#pragma once

#include "agents/sealer.h"
#include "agents/verdicts.h"

#include <czmq.h>
#include <stdbool.h>

typedef struct Push Push;

typedef struct PushOptions {
    Spool *spool;
    Sealer *sealer; // of the same kind, to seal again after FORK or TOO_BIG
    Verdicts *verdicts;
    const char *kind; // live | bulk
    const char *agent;
    const Keys *keys;        // ours
    Keys *broker;            // its public half; with broker_path two: then the next one is learnt, and changes here
    const Keys *broker_next; // the one that follows it, tried where that one gets nowhere; NULL: none
    const char *broker_path; // whose file FILE is, beside which FILE.next is kept; NULL: nothing is asked
    char *const *endpoints;
    unsigned n_endpoints;
    bool patient;
    const Clock *clock;
} PushOptions;

int push_new(Push **ret, const PushOptions *options);
void push_destroy(Push **push); // says goodbye when a session is open

// Receives what is there, sends what may be sent, keeps the session alive. Call when one of push_poll()'s items has
// something, when batches were added, and when push_wait_ms() is over. ERROR_PEER, ERROR_CONFIG, ERROR_SYSTEM.
int push_step(Push *push);
// Fills in what to wait on; how many items that is.
#define PUSH_POLL_ITEMS 2
int push_poll(const Push *push, zmq_pollitem_t items[PUSH_POLL_ITEMS]);
int push_wait_ms(const Push *push);

bool push_is_open(const Push *push);     // the exchange has welcomed this session
int64_t push_heard_ms(const Push *push); // when it last answered with something new (monotonic), 0 never
bool push_took_receipts(Push *push);     // true once after receipts or verdicts were stored
const char *push_endpoint(const Push *push);
const char *push_why(const Push *push); // the last endpoint was left; "" when none ever was
// *ret 1 while a batch of the stream has no receipt yet.
int push_waiting(Push *push, int64_t *ret);
// True once this session has brought all that the exchange had to say when it began.
bool push_is_up_to_date(const Push *push);
