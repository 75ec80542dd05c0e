// SPDX-License-Identifier: Apache-2.0
//
// A segment row's bytes: entries to payload and summary (format 1: zstd over store.proto), its leaf and its chained
// hash. Pure. The hash commits to leaf hashes and verdicts, never to payloads, so that erasure keeps proofs valid:
//   leaf = H(0x00 ‖ "dongbo segment 1" 0x00 ‖ epoch u32 ‖ first u64 ‖ last u64 ‖ kind u8 ‖ stream 16 (zeros when none)
//            ‖ first_sequence u64 ‖ last_sequence u64 ‖ batch_root 32 (zeros) ‖ stored_at_us u64 ‖ population u64
//            ‖ per entry: leaf 32 (zeros when none), domain u8, verdict u8, n_reasons u8, codes u16 each)
//   hash = H(0x02 ‖ previous hash ‖ leaf); the first segment's previous hash is 32 zeros. Integers big-endian.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/merkle.h"
#include "store.pb-c.h"
#include "wire.pb-c.h"

#include <zstd.h>

typedef struct SegmentHead { // the last segment row
    uint32_t epoch;
    uint64_t last_position; // 0: empty log
    uint64_t leaf_index;    // of the next leaf
    int64_t stored_at_us;
    int64_t population_position;
    uint8_t hash[HASH_BYTES];
    Frontier frontier;
} SegmentHead;

typedef struct Segment {
    uint64_t first_position, last_position;
    uint32_t epoch;
    int kind;
    uint32_t agency;       // 0: none
    const uint8_t *stream; // NULL: none
    uint64_t first_sequence, last_sequence;
    const uint8_t *batch_root; // NULL: none
    int64_t stored_at_us, population_position;
    const Dongbo__Entry *const *entries;
    size_t n_entries;
    const uint8_t *const *leaves; // per entry, 32 bytes or NULL
    const char *const *masked;    // per entry, citizen masked, or NULL
} Segment;

// Packs and compresses entries into payload and summary. Needs no position, so it runs before the writer's lock.
// `compressor` is used again and again, for making one costs more than a small batch; NULL: one is made for this call.
// ERROR_MEMORY.
int segment_encode(ZSTD_CCtx *compressor, const Segment *segment, Bytes *summary, Bytes *payload);
// Under the lock, with every field of `segment` final: computes leaf and hash and advances `head` over it.
// ERROR_MEMORY; `head` is as before then.
int segment_chain(const Segment *segment, Merkle *merkle, SegmentHead *head);
// 1 when they do not decode, or decode to more than 64 MiB.
int segment_decode_payload(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentPayload **ret);
int segment_decode_summary(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentSummary **ret);
// The batch as it was signed, in the arena. NULL: it was erased (n is 0), it cannot be read, or it holds another number
// of events than the segment has positions, as one may that was stored unread.
const Dongbo__SealedBatch *segment_decode_batch(const uint8_t *data, size_t n, uint64_t n_events, Arena *arena);
