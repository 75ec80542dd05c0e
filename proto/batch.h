// SPDX-License-Identifier: Apache-2.0
//
// Sealing at the agent, opening at the broker. A sealed batch is bytes: it is stored, sent and sent again verbatim.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/keys.h"
#include "proto/merkle.h"
#include "store.pb-c.h"
#include "wire.pb-c.h"

typedef struct BatchSeal {
    const uint8_t *stream;      // 16 bytes
    uint64_t first_sequence;
    const ProtobufCBinaryData *events;  // packed ChangeEvents
    size_t n_events;
    const char *key_id;
    Signer *signer;
    const Clock *clock;
    Merkle *merkle;
} BatchSeal;
// Appends the packed SealedBatch. ERROR_CRYPTO, ERROR_MEMORY.
int batch_seal(const BatchSeal *seal, Bytes *out);

typedef struct Batch {
    const Dongbo__BatchHeader *header;
    const Dongbo__SealedBatch *sealed;
    const uint8_t *leaves;   // count × 32
} Batch;
typedef enum BatchFault { BATCH_OK = 0, BATCH_UNREADABLE = 1, BATCH_ROOT_WRONG = 2, BATCH_UNSIGNED = 3 } BatchFault;
// Decodes into the arena (bounded), recomputes leaves and root, checks the signature and the counts.
// A BatchFault; negative only for ERROR_MEMORY beyond the arena's limit when even the header could not be read.
// With BATCH_UNREADABLE, ret->header is set when at least the header was readable, so its range can be consumed.
int batch_open(const uint8_t *data, size_t n, Verifier *verifier, Merkle *merkle, Arena *arena, Batch *ret);
