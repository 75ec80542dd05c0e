// SPDX-License-Identifier: Apache-2.0
//
// The proof of whose word a record is, after it was judged (origin_judge.h), as sinks hand it on.
#pragma once

#include "proto/base/bytes.h"
#include "proto/bounds.h"
#include "proto/keys.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

typedef struct RecordOrigin {
    ProtobufCBinaryData proof; // what `dongbo log check` takes as a file (PROTOCOL.md, Proofs)
    const char *key_id;        // of the agency's signing key
    const uint8_t *stream;     // STREAM_BYTES: the event's, and its place in it
    uint64_t sequence;
    int64_t sealed_at_us;
    const uint8_t *leaf; // HASH_BYTES
    bool has_event;      // the proof tells what the event says
    uint64_t erased;     // position of the event's tombstone, as the exchange says; 0: it was not erased
} RecordOrigin;

// Appends {"key":"<id>","stream":"<hex>","sequence":N,"sealed_at":"…Z","leaf":"<hex>","event":true,"erased":N,
// "proof":"<base64>"}; `erased` only where it was.
void record_origin_append_json(const RecordOrigin *origin, Bytes *out);
