// SPDX-License-Identifier: Apache-2.0
//
// A connection for questions that belong to no session, over a list of an exchange's endpoints: the next one when one
// is lost or does not answer, and after a round without success with growing pauses. What is asked, and what is to be
// asked again over another connection, is the caller's. It learns by the answers which keys the exchange will go over
// to (successor.h), and by them goes over, too.
#pragma once

#include "agents/doubt.h"
#include "agents/successor.h"
#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "proto/socket.h"
#include "wire.pb-c.h"

#include <stdbool.h>

typedef struct AskerOptions {
    char **endpoints;
    unsigned n_endpoints;
    const Keys *keys;          // outlive it, as the others here
    Keys *exchange;            // two: its present ones, and those that it may go over to; learnt here
    const char *exchange_path; // whose file FILE is, beside which FILE.next is kept
    const Clock *clock;
    int64_t timeout_ms; // without any answer; 0: none
} AskerOptions;

typedef struct Asker {
    AskerOptions options;
    Arena *arena; // of the frame that was taken last
    Bytes out;    // for a frame to be sent
    Bytes pong;
    zsock_t *socket, *monitor;
    SocketNews news;
    unsigned at, tried; // endpoints: which, and how many since one answered
    Round round;
    Successor successor;
    ProtobufCBinaryData challenge; // of this connection, for a question; empty once it was answered
    Doubt doubt;                   // where the question asks for signatures (doubt_ask())
    int64_t pause_ms;
    int64_t owed_ms;   // asked, answered in part, or connected: since when this one owes us something
    int64_t served_ms; // since when nobody has answered
    int64_t said_ms;
    int refused;    // the error by which the exchange refuses
    char text[512]; // ... and why
} Asker;

int asker_begin(Asker *asker, const AskerOptions *options); // ERROR_MEMORY
void asker_end(Asker *asker);

// Lets this broker go; the next one is tried at once, or after a while when all were. ERROR_PEER when nobody has
// answered for timeout_ms.
int asker_lose(Asker *asker, const char *why);
// 0; 1: over a new connection, on which nothing was asked; ERROR_STOPPED, ERROR_SYSTEM.
int asker_connect(Asker *asker);
// What stands in `out`. False when the socket does not take it now, or it is no whole frame (out.failed).
bool asker_send(Asker *asker);
// Until there is something to read, or also room to write. 0, also when this broker was let go; ERROR_PEER,
// ERROR_SYSTEM.
int asker_wait(Asker *asker, bool all_sent);
// The next frame that is of this type. 0: *ret is it, in the arena, or NULL when nothing more is there or this broker
// was let go; 1: the exchange refuses, as `text` says; ERROR_PEER.
int asker_take(Asker *asker, FrameType type, const ProtobufCMessageDescriptor *descriptor, const void **ret);
// What an answer says of the exchange's next keys; may be NULL. 1 when the keys are others than they were.
int asker_hear(Asker *asker, const Dongbo__NextKeys *said);
// A broker has answered.
void asker_served(Asker *asker);
// Something is asked while nothing was under way.
void asker_asked(Asker *asker);
