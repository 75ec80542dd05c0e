// SPDX-License-Identifier: Apache-2.0
//
// What the ingress needs of the database and must not wait for: a stream's session is opened (newer fences older), and
// verdicts that an agent missed are read. A thread of its own, with one exchange session. A greeting has a deadline: an
// agent that was not welcomed in time has gone elsewhere, and opening its session then would fence the one that it has.
#pragma once

#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/pg.h"
#include "proto/bounds.h"
#include "proto/keys.h"

#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

typedef enum GreetingKind { GREETING_HELLO, GREETING_VERDICTS } GreetingKind;

// Lent to the greeter, which does not free it: the ingress, which outlives it, keeps those that are out.
typedef struct Greeting {
    LIST_ENTRY(Greeting) out;
    uint64_t session;    // to answer to
    int64_t deadline_ms; // monotonic
    bool late;           // answer: the deadline passed, and nothing was done
    bool failed;         // answer: for a reason that trying again does not mend
    GreetingKind kind;
    uint8_t stream[STREAM_BYTES];
    // Hello.
    uint32_t agency;
    char agent[64], stream_kind[8];
    uint8_t replaces[STREAM_BYTES];
    uint32_t verdict_epoch; // of `after`, which is then where verdicts go on
    bool has_replaces;
    const char *refusal;    // answer: why this stream is not opened, whenever it is asked for; else NULL
    uint32_t session_epoch; // answer
    uint64_t last_sequence; // answer
    uint32_t epoch;         // answer: the exchange's
    // Verdicts.
    uint64_t after;      // position; becomes the one up to which all has been read
    bool signs;          // what is told is to be signed
    bool decisions_only; // later decisions; else the batches' own verdicts too
    Bytes verdicts;      // answer: packed Verdicts
    size_t n_verdicts;   // answer
    bool more;           // answer: not all was read
} Greeting;

typedef struct GreeterOptions {
    const char *exchange; // conninfo
    const char *inbox;    // bound here
    const char *ingress, *writer;
    const Keys *keys;
    const Clock *clock;
} GreeterOptions;

void greeting_destroy(Greeting **greeting);
// Opens a session: stream, agency, agent, kind, replaces, deadline (timestamptz), streams a day at most. A row with the
// session's epoch, the stream's last sequence and the exchange's epoch; none where it is not opened.
extern const PgStatement GREETING_OPEN;

// zactor_destroy() ends it.
int greeter_new(zactor_t **ret, const GreeterOptions *options);
