// SPDX-License-Identifier: Apache-2.0
//
// The publish sessions that the ingress keeps: one per stream and connection, with its credit and its place in the
// verdict feed. A table of bounded size, with the connections that they came over. Knows no socket and no database.
#pragma once

#include "broker/connection.h"
#include "broker/greeting.h"
#include "broker/prover.h"
#include "proto/denial.h"
#include "proto/next_keys.h"

#include <czmq.h>

typedef struct Session {
    uint64_t number; // random, not 0
    Connection *connection;
    zframe_t *route;              // the connection's
    char user[64];                // ZAP's: who speaks
    uint8_t transport[KEY_BYTES]; // by this key
    uint32_t agency;
    uint8_t stream[STREAM_BYTES];
    bool asks_next; // which keys the exchange will go over to, for this challenge
    uint8_t challenge[NEXT_KEYS_CHALLENGE_BYTES];
    DenialAsked denials; // signatures of what ends it
    bool bulk;           // its stream is a backlog
    bool open;           // welcomed
    uint32_t session_epoch;
    uint64_t sent;           // frames, for their counter
    uint64_t received_bytes; // of batches, in all
    uint64_t finished_bytes; // of batches that were answered
    uint64_t credit_bytes;   // told
    int64_t heard_ms, pinged_ms;
    Greeting *greeting;        // at hand; NULL while the greeter has it
    uint64_t verdict_position; // up to here the agent has been sent what concerns it
    uint64_t told_position;    // ... and told so
    bool history;              // still catching up
    bool wanted;               // there may be later decisions
    uint64_t nonce;            // of the ping that is outstanding, random; 0: none is
    uint64_t pinged_bytes;     // what had been sent over the connection when that ping was
    int64_t looked_ms;         // when decisions were last looked for
    Proving *proving;          // at hand; NULL while the prover has it
    bool wants_proofs, proofs_due;
    bool signs_proofs; // for this challenge
    uint8_t proofs_challenge[PROOFS_CHALLENGE_BYTES];
    uint64_t receipt_sequence; // the agent has receipts up to here, as far as this session knows
    uint64_t proved_sequence;  // up to here the agent has been sent proofs
    uint64_t proved_head;      // ... the last by this signed head
    int64_t proofs_failed_ms;  // 0: the last time they did not
} Session;

typedef struct Sessions Sessions;
int sessions_new(Sessions **ret);
void sessions_destroy(Sessions **sessions);
size_t sessions_n(const Sessions *sessions);
size_t sessions_n_of(const Sessions *sessions, uint32_t agency);
// `number` must be new; the route is duplicated. NULL when there are too many, when the peer has left too much unread
// (connections_join()), or no memory.
Session *sessions_add(Sessions *sessions, uint64_t number, const zframe_t *route, uint32_t agency);
Connections *sessions_connections(Sessions *sessions);
Session *sessions_find(const Sessions *sessions, uint64_t number);
void sessions_remove(Sessions *sessions, Session *session);
// Every session in turn; NULL ends. The one that was returned last may be removed.
Session *sessions_first(Sessions *sessions);
Session *sessions_next(Sessions *sessions);
