// SPDX-License-Identifier: Apache-2.0
//
// A segment row's bytes: entries to payload and summary (zstd over store.proto), its leaf in the log's Merkle tree and
// its chained hash. Pure. What is hashed is all that somebody could profit from changing (who said it, when, what was
// decided, by whom, and every entry's content), but content only behind a salt of its own, which is erased with it: so
// proofs hold over erasure. H = SHA-256, integers big-endian, 0 a zero byte, ZEROS 32 of them. Format 2:
//   commitment  = H(0x00 ‖ salt 16 ‖ the entry as it is packed in the payload)
//   said        = H("dongbo said 1" 0 ‖ decided_by ‖ 0 ‖ text), ZEROS where both are empty
//   entry leaf  = H(0x00 ‖ kind u8 ‖ domain u8 ‖ verdict u8 ‖ sequence u64 ‖ the event's leaf 32 (ZEROS when none)
//                   ‖ commitment 32 ‖ said 32 ‖ n_reasons u8 ‖ per reason: code u16, field's length u8, field)
//   origin      = H(the batch's header ‖ its signature 64), ZEROS when it is no batch
//   leaf        = H(0x00 ‖ "dongbo segment 2" 0 ‖ epoch u32 ‖ first u64 ‖ last u64 ‖ kind u8 ‖ agency u32 ‖ stream 16
//                   (zeros when none) ‖ first_sequence u64 ‖ last_sequence u64 ‖ batch_root 32 (ZEROS) ‖ origin 32
//                   ‖ stored_at_us u64 ‖ population u64 ‖ root over the entry leaves 32)
//   hash        = H(0x02 ‖ previous hash ‖ leaf); the first segment's previous hash is ZEROS.
// Roots are RFC 6962's (proto/merkle.h); that of no entries is H of nothing. Format 1, not written any more, had no
// commitments, agency or origin; its leaf was
//   leaf = H(0x00 ‖ "dongbo segment 1" 0 ‖ epoch u32 ‖ first u64 ‖ last u64 ‖ kind u8 ‖ stream 16 ‖ first_sequence u64
//            ‖ last_sequence u64 ‖ batch_root 32 ‖ stored_at_us u64 ‖ population u64
//            ‖ per entry: the event's leaf 32, domain u8, verdict u8, n_reasons u8, codes u16 each)
#pragma once

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/merkle.h"
#include "store.pb-c.h"
#include "wire.pb-c.h"

typedef struct SegmentHead { // the last segment row
    uint32_t epoch;
    uint64_t last_position; // 0: empty log
    uint64_t leaf_index;    // of the next leaf
    int64_t stored_at_us;
    int64_t population_position;
    uint8_t hash[HASH_BYTES];
    uint8_t leaf[HASH_BYTES]; // the last one; only after segment_chain()
    Frontier frontier;
} SegmentHead;

typedef struct Segment {
    int format; // of a stored one that is looked at; what is written is SEGMENT_FORMAT whatever this says
    uint64_t first_position, last_position;
    uint32_t epoch;
    int kind;
    uint32_t agency;       // 0: none
    const uint8_t *stream; // NULL: none
    uint64_t first_sequence, last_sequence;
    const uint8_t *batch_root;  // NULL: none
    ProtobufCBinaryData header; // of the batch, as signed; empty: none
    const uint8_t *signature;   // ... 64 bytes
    int64_t stored_at_us, population_position;
    // For segment_encode():
    const Dongbo__Entry *const *entries;
    size_t n_entries;
    const uint8_t *const *leaves; // per entry, 32 bytes or NULL
    const char *const *masked;    // per entry, citizen masked, or NULL
} Segment;

// What packing needs, used again and again, for making it costs more than a small batch. One per thread.
typedef struct SegmentCoder SegmentCoder;
int segment_coder_new(SegmentCoder **ret, const Clock *clock); // the clock is for salts. ERROR_MEMORY, ERROR_CRYPTO
void segment_coder_destroy(SegmentCoder **coder);

typedef struct SegmentPack {
    Bytes summary, payload;
    Bytes about; // of whom the entries are (about.h)
    uint8_t entries_root[HASH_BYTES];
} SegmentPack;
void segment_pack_free(SegmentPack *pack);  // contents only
void segment_pack_clear(SegmentPack *pack); // keeps the memory

// Packs, salts, hashes and compresses entries, appending to `pack`. Needs no position, so it runs before the writer's
// lock. `coder` NULL: one is made for this call. ERROR_MEMORY, ERROR_CRYPTO.
int segment_encode(SegmentCoder *coder, const Segment *segment, SegmentPack *pack);
// Under the lock, with every field of `segment` final: computes the leaf and advances `head`, hash and tree, over it.
void segment_chain(const Segment *segment, const uint8_t entries_root[HASH_BYTES], Merkle *merkle, SegmentHead *head);
// 1 when they do not decode, or decode to more than 64 MiB or than the arena may hold. ERROR_MEMORY when it is the
// machine that has no memory: they are whole, as far as is known.
int segment_decode_payload(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentPayload **ret);
int segment_decode_summary(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentSummary **ret);
// The batch as it was signed, in the arena. NULL: it was erased (n is 0), it cannot be read, or it holds another number
// of events than the segment has positions, as one may that was stored unread.
const Dongbo__SealedBatch *segment_decode_batch(const uint8_t *data, size_t n, uint64_t n_events, Arena *arena);

// ---- checking what is stored -------------------------------------------------------------------------------------

// One summary line's leaf in its segment's tree of entries (format 2). 1 when it says what no line may: such a leaf
// could stand for another line.
int segment_entry_leaf(Merkle *merkle, const Dongbo__SummaryLine *line, uint8_t out[HASH_BYTES]);
// The root over all lines' leaves. 1 when one of them has none.
int segment_entries_root(Merkle *merkle, const Dongbo__SegmentSummary *summary, uint8_t out[HASH_BYTES]);
// The leaf that a stored segment of either format has by its row and summary. 1 as above, and for another format.
int segment_leaf(const Segment *segment, const Dongbo__SegmentSummary *summary, Merkle *merkle,
                 uint8_t out[HASH_BYTES]);
typedef struct SegmentCheck {
    size_t n_whole, n_erased; // entries as they were committed to, and erased ones
    size_t broken;            // with 2: the first entry that is neither, from 0
} SegmentCheck;
// Holds the payload of a segment of format 2 against its summary's commitments. 1 when it does not decode or has
// another number of entries, 2 when an entry is not the one that was committed to.
int segment_check_payload(const uint8_t *data, size_t n, const Dongbo__SegmentSummary *summary, Merkle *merkle,
                          SegmentCheck *ret);
