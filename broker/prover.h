// SPDX-License-Identifier: Apache-2.0
//
// Makes the proofs that agents are sent: that batches of theirs are in the log of the newest signed head. A thread of
// its own with one exchange session, which reads rows that are there anyway; a few batches at a time, so that the
// sessions take turns. Believes no row, and neither does who is sent the proof: it is signed, so that a false one is
// the exchange's word and nobody else's.
#pragma once

#include "proto/base/bytes.h"
#include "proto/bounds.h"
#include "proto/keys.h"

#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

// Lent to the prover, which does not free it: the ingress, which outlives it, keeps those that are out.
typedef struct Proving {
    LIST_ENTRY(Proving) out;
    uint64_t session; // to answer to
    uint32_t agency;
    uint8_t stream[STREAM_BYTES];
    bool signs; // for this challenge; else they are not signed
    uint8_t challenge[PROOFS_CHALLENGE_BYTES];
    uint64_t after, upto; // sequences; after becomes the last one that is proved
    uint64_t head;        // number of the head that the agent has; becomes that of the proofs' head
    bool failed;          // answer
    Bytes proofs;         // answer: packed Proofs
    size_t n;             // answer: batches in it
    bool more;            // answer: not all were proved
} Proving;

void proving_destroy(Proving **proving);

typedef struct ProverOptions {
    const char *exchange; // conninfo
    const char *inbox;    // bound here
    const char *ingress;
    const Keys *keys; // the exchange's
} ProverOptions;
// zactor_destroy() ends it.
int prover_new(zactor_t **ret, const ProverOptions *options);
