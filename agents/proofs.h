// SPDX-License-Identifier: Apache-2.0
//
// Takes the exchange's proofs that batches are in its log (PROTOCOL.md, Proofs on the verdict feed): each is held
// against the batch as it was sealed, its receipt and the signed heads before, and kept. What is false is kept, too,
// and ends all: only people can tell what it means. That is what the exchange's signing key answers for; what does not
// hold and is not signed may be anybody's who has the transport key, and ends the session alone.
#pragma once

#include "agents/spool.h"
#include "proto/keys.h"
#include "wire.pb-c.h"

typedef struct Proofs Proofs;

// The exchange's signing keys: its present one, and the one that follows (the same again, or NULL).
int proofs_new(Proofs **ret, Spool *spool, const uint8_t *const sign_keys[2]);
void proofs_destroy(Proofs **proofs);
// By these from now on. As above; on failure nothing changes.
int proofs_keys(Proofs *proofs, const uint8_t *const sign_keys[2]);

// What a Hello says of this stream. Batches that the spool has let go need no proof any more. In a transaction of its
// own.
int proofs_begin(Proofs *proofs, SpoolStream *stream, Dongbo__HelloPublish *hello);
const uint8_t *proofs_challenge(const Proofs *proofs); // PROOFS_CHALLENGE_BYTES of that Hello
// One frame as answer_proofs() opened it, in a transaction of its own. 1: it is false, and nothing of it is taken.
// ERROR_PEER: it is no proof at all, or none that goes on from here, or false and not signed.
typedef struct ProofsSaid {
    const Dongbo__Proofs *message;
    bool is_signed; // for this session
} ProofsSaid;
int proofs_take(Proofs *proofs, const SpoolStream *stream, const ProofsSaid *said);
// Keeps what was false a moment ago, a frame's body, in a transaction of its own.
// ERROR_PEER always, with a sentence that says what and what to do; or that it could not be kept.
int proofs_keep_false(Proofs *proofs, const SpoolStream *stream, ProtobufCBinaryData said);
