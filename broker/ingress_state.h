// SPDX-License-Identifier: Apache-2.0
//
// What the ingress's files share; all of it belongs to its one thread.
//   ingress.c         the thread: waits, receives, ticks
//   ingress_hear.c    what agents say
//   ingress_batch.c   batches on their way to the workers and back
//   ingress_prove.c   proofs that batches are in the log
//   ingress_say.c     what is said to agents
#pragma once

#include "broker/ingress.h"
#include "broker/queue.h"
#include "broker/quota.h"
#include "broker/session.h"
#include "proto/base/allowance.h"
#include "proto/frame.h"
#include "proto/next_keys.h"

typedef struct IngressState {
    const Keys *keys;
    NextKeys *next_keys; // NULL: none are announced
    Signer *signer;
    const Clock *clock;
    Stats *stats;
    zsock_t *router, *inbox, *greeter, *prover;
    zsock_t *workers[WORKERS_MAX];
    size_t n_workers, next_worker;
    Agencies *agencies;
    Sessions *sessions;
    Work *free_works[WORKS_MAX];
    size_t n_free;
    LIST_HEAD(, Greeting) greetings; // the greeter has, also those of sessions that are over
    size_t n_greetings;
    LIST_HEAD(, Proving) provings; // the prover has, likewise
    uint64_t signed_position;      // up to where a head was signed, as far as is known here
    uint64_t next_ticket;
    Queue *queue; // of batches that wait for a work
    Arena *arena; // of the frame at hand
    Bytes out;
    Quota quota; // of lines about agents
    Allowance *hellos;
} IngressState;

typedef struct IngressPeer {
    const zframe_t *route;
    const char *user;           // ZAP's; "" when it was not asked
    const DenialAsked *denials; // NULL: no signature was asked for
} IngressPeer;

// ---- hear
void ingress_hear(IngressState *state, zframe_t *route, zframe_t **frame, const char *user);
void ingress_hear_multipart(IngressState *state, zframe_t *route);
void ingress_greeted(IngressState *state, Greeting *greeting);
// Asks for verdicts that this session has not been sent, if that is due and nothing stands in the way.
void ingress_look_for_verdicts(IngressState *state, Session *session);

// ---- prove
// Asks for proofs that this session has not been sent, likewise.
void ingress_look_for_proofs(IngressState *state, Session *session);
// Of a batch that ends there a receipt is said now.
void ingress_has_receipt(const IngressState *state, Session *session, uint64_t sequence, uint64_t position);
void ingress_head_signed(IngressState *state, uint64_t *position); // frees it
void ingress_proved(IngressState *state, Proving *proving);

// ---- batch
void ingress_batch(IngressState *state, Session *session, const Frame *frame, zframe_t **owned);
void ingress_work_back(IngressState *state, Work *work);
void ingress_dispatch(IngressState *state);

// ---- say
// A line of the log that an agent causes; "" is one that is not known. Not all of many are written.
void ingress_note(IngressState *state, const char *user, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// Each ends the session when the peer cannot take it, or has too much unread; *session is then gone: 1.
int ingress_say(IngressState *state, Session *session, FrameType type, const ProtobufCMessage *message);
int ingress_refuse(IngressState *state, Session *session, int code, uint64_t expected_sequence, const char *text);
// A Ping behind all that was sent: its Pong tells that it was read.
int ingress_ask(IngressState *state, Session *session);
// An Error, and the session is over.
void ingress_end(IngressState *state, Session *session, int code, const char *text);
// Counted by its connection as what sessions are said; what would be too much is not said.
void ingress_say_error_to(IngressState *state, const IngressPeer *peer, uint64_t session, int code, const char *text);
// Whether nobody is there any more; whoever is gets a Ping of no session.
bool ingress_is_gone(IngressState *state, const zframe_t *route);
// The limit to tell this session now; never less than it was told.
uint64_t ingress_credit(IngressState *state, Session *session);
