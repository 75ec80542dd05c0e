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

#define BATCH_DOMAIN "dongbo batch 1" // of its signature

typedef struct BatchSeal {
    const uint8_t *stream; // 16 bytes
    uint64_t first_sequence;
    const ProtobufCBinaryData *events; // packed ChangeEvents
    size_t n_events;
    const char *key_id;
    Signer *signer;
    const Clock *clock;
    Merkle *merkle;
} BatchSeal;
// Appends the packed SealedBatch. ERROR_CRYPTO, ERROR_MEMORY. n_events from 1 to BATCH_EVENTS_MAX.
int batch_seal(const BatchSeal *seal, Bytes *out);
// No sealed batch of so many events with so many bytes in all is longer than this: to stop at a goal in time.
size_t batch_bytes_bound(size_t n_events, size_t event_bytes);

// All of it points into the batch's own bytes and into the arena: both must outlive it.
typedef struct Batch {
    const Dongbo__BatchHeader *header;
    const Dongbo__SealedBatch *sealed;
    const uint8_t *leaves;                       // count × 32
    ProtobufCBinaryData header_bytes, signature; // as signed: these bytes
    size_t origin_n;                             // of the batch's bytes that hold header and signature
} Batch;
typedef enum BatchFault {
    BATCH_OK = 0,
    BATCH_UNREADABLE = 1, // signed, but what follows the signature does not decode, or not as the header says
    BATCH_ROOT_WRONG = 2, // signed and readable, but these are not the events and salts that were signed
    BATCH_UNSIGNED = 3,   // nothing in it can be held against anybody
} BatchFault;

// The header alone, before it is known whose key signed it: to find the Verifier by its key_id, and the range.
// 1 when it is unreadable or says what no agent may (stream not 16 bytes, count 0 or more than fit into a batch,
// sequences that start at 0 or overflow, root not 32 bytes). Whether it has more than BATCH_EVENTS_MAX events, or one
// beyond EVENT_BYTES_MAX, is for the caller to judge. ERROR_MEMORY when the arena cannot hold it.
int batch_read_header(const uint8_t *data, size_t n, Arena *arena, const Dongbo__BatchHeader **ret);

// Header and signature as they stand in a sealed batch, whatever comes behind them. 1 when they do not.
int batch_origin(const uint8_t *data, size_t n, ProtobufCBinaryData *ret_header, ProtobufCBinaryData *ret_signature);
// Of a batch without its events (segment.origin): header and signature, and nothing behind them. 1 when it is none.
int batch_read_origin(const uint8_t *data, size_t n, ProtobufCBinaryData *ret_header,
                      ProtobufCBinaryData *ret_signature);

// Reads header and signature first, then the rest, bounded; recomputes leaves and root. verifier NULL: no key is known.
// A BatchFault; ERROR_MEMORY when the arena cannot hold it; ERROR_CRYPTO.
// ret->header is NULL only with BATCH_UNREADABLE, when not even the header can be read: then nothing is known of its
// range. In all other cases but BATCH_UNSIGNED the header is signed by that key, so its range may be consumed.
// header_bytes, signature and origin_n are set with it then. ret->sealed and ret->leaves are set with BATCH_OK and
// BATCH_ROOT_WRONG. The events themselves are not decoded.
int batch_open(const uint8_t *data, size_t n, Verifier *verifier, Merkle *merkle, Arena *arena, Batch *ret);
