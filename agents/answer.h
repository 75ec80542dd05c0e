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

// Of the frames that an exchange sends to an agent. NULL: it has no body, or is none of these.
const ProtobufCMessageDescriptor *answer_descriptor(FrameType type);
// *ret is in the arena; `raw` becomes body and signature, which prove it. ERROR_PEER: it is not signed by this key, or
// cannot be read. ERROR_MEMORY.
int answer_receipt(Verifier *verifier, const Dongbo__Receipt *receipt, Arena *arena, Bytes *raw,
                   const Dongbo__ReceiptBody **ret);
int answer_verdicts(const Dongbo__Verdicts *verdicts); // ERROR_PEER: no exchange says this
