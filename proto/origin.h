// SPDX-License-Identifier: Apache-2.0
//
// What proves that an agency said an event: its signature over a batch's header, and the way from the event's salted
// leaf to the root in it (PROTOCOL.md, Proofs of origin). Needs the agency's public key and nothing of the exchange's.
// A record that comes with it is held against what the event says. Pure.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/keys.h"
#include "proto/merkle.h"
#include "wire.pb-c.h"

// All of it points into the bytes and the arena.
typedef struct OriginBatch {
    const Dongbo__BatchHeader *header;
    ProtobufCBinaryData header_bytes, signature; // as signed
} OriginBatch;

// A SealedBatch with header and signature alone. 1 when it is none, or its header is none that an agency may sign.
// ERROR_MEMORY.
int origin_read_batch(ProtobufCBinaryData bytes, Arena *arena, OriginBatch *ret);
// 1 when this key did not sign it. ERROR_CRYPTO.
int origin_check_signature(const OriginBatch *batch, Verifier *verifier);
// Whether the event is of the batch, and is what is told of it, where it is told. NULL: it is; else what is wrong.
const char *origin_check(Merkle *merkle, const OriginBatch *batch, const Dongbo__OriginProof *proof);
// How a record goes with the event that its proof tells.
typedef struct OriginFit {
    const char *wrong; // what does not; NULL: all does, or no event is told
    const char *about; // what of the record's head is wrong, as a field of FeedRecord; NULL: nothing of it
    uint32_t lies;     // fields of the body that are wrong, as bits
    uint32_t others;   // ... that other events said, or the exchange made: this one neither proves nor belies them
} OriginFit;
// PROTOCOL.md, Proofs of origin, 3 and 4. Whoever receives records and whoever checks them later call this. The proof
// itself is origin_check()'s.
void origin_fit(const Dongbo__OriginProof *proof, const Dongbo__FeedRecord *record, Arena *arena, OriginFit *ret);
// Appends it as a file that proves itself (PROTOCOL.md, Proofs): an EventProof.
void origin_append_file(ProtobufCBinaryData batch, const Dongbo__OriginProof *proof, Bytes *out);
