// SPDX-License-Identifier: Apache-2.0
//
// Delivers one stream: a session with one endpoint of the list at a time, batches in order under the exchange's credit,
// receipts checked and stored before anything is let go. Lives through an exchange that is away for days. Owned by one
// thread; never blocks. What only people can mend (a newer session of the same spool, keys that do not fit) ends it
// with ERROR_PEER and a sentence that says what to do.
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
    const Keys *keys;   // ours
    const Keys *broker; // its public half
    char *const *endpoints;
    unsigned n_endpoints;
    const Clock *clock;
} PushOptions;

int push_new(Push **ret, const PushOptions *options);
void push_destroy(Push **push); // says goodbye when a session is open

// Receives what is there, sends what may be sent, keeps the session alive. Call when the socket is readable (or
// writable while push_wants_write()), when batches were added, and when push_wait_ms() is over. ERROR_PEER,
// ERROR_SYSTEM.
int push_step(Push *push);
zsock_t *push_socket(Push *push); // NULL between sessions
bool push_wants_write(const Push *push);
int push_wait_ms(const Push *push);

bool push_is_open(const Push *push);     // the exchange has welcomed this session
int64_t push_heard_ms(const Push *push); // when it last answered with something new (monotonic), 0 never
bool push_took_receipts(Push *push);     // true once after receipts or verdicts were stored
const char *push_endpoint(const Push *push);
// *ret 1 while a batch of the stream has no receipt yet.
int push_waiting(Push *push, int64_t *ret);
// True once this session has brought all that the exchange had to say when it began.
bool push_is_up_to_date(const Push *push);
