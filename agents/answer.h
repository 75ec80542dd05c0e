// SPDX-License-Identifier: Apache-2.0
//
// What the exchange signed for an agency, held against its key and then decoded: nothing else of such an answer is
// believed.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "wire.pb-c.h"

#define PROOFS_DOMAIN "dongbo proofs 1" // of the signature of Proofs

// Of the frames that an exchange sends to an agent. NULL: it has no body, or is none of these.
const ProtobufCMessageDescriptor *answer_descriptor(FrameType type);
// ERROR_CONFIG: who says this at `endpoint` signs with another key.
int answer_welcome(const Dongbo__WelcomePublish *welcome, const uint8_t sign_public[KEY_BYTES], const char *endpoint);
// *ret is in the arena; `raw` becomes body and signature, which prove it. ERROR_PEER: it is not signed by this key, or
// cannot be read. ERROR_MEMORY.
int answer_receipt(Verifier *verifier, const Dongbo__Receipt *receipt, Arena *arena, Bytes *raw,
                   const Dongbo__ReceiptBody **ret);
typedef struct AnswerTo {
    const uint8_t *stream;
    uint32_t epoch;           // of this session's Welcome
    bool signed_before;       // this exchange has signed verdicts: it is not older than that, whoever says so
    const uint8_t *challenge; // PROOFS_CHALLENGE_BYTES of this session's Hello
} AnswerTo;
// *ret is what they say, signed or not, and points into message and arena. 1 when they are not signed. ERROR_PEER: no
// exchange says this, or not to this stream.
int answer_verdicts(Verifier *verifier, const AnswerTo *to, const Dongbo__Verdicts *message, Arena *arena,
                    Dongbo__Verdicts *ret);
// Likewise; ERROR_PEER also when they were signed for another session.
int answer_proofs(Verifier *verifier, const AnswerTo *to, const Dongbo__Proofs *message, Arena *arena,
                  Dongbo__Proofs *ret);
