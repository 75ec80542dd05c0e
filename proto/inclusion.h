// SPDX-License-Identifier: Apache-2.0
//
// Where a batch stands in the log, and that it is there: the leaf of a segment's row, and what an agency has of its
// batch held against what the exchange tells of it (BatchProof). PROTOCOL.md, A segment and Proofs, is the
// specification. Pure.
#pragma once

#include "proto/merkle.h"
#include "proto/proof.h"
#include "store.pb-c.h"
#include "wire.pb-c.h"

#define INCLUSION_KIND_BATCH 1 // of a segment

typedef struct InclusionRow { // of a segment of format 2
    uint32_t epoch;
    uint64_t first_position, last_position;
    int kind;
    uint32_t agency;       // 0: none
    const uint8_t *stream; // NULL: none
    uint64_t first_sequence, last_sequence;
    const uint8_t *batch_root;  // NULL: none
    ProtobufCBinaryData header; // of the batch, as signed
    const uint8_t *signature;   // ... 64 bytes; NULL: no batch
    int64_t stored_at_us, population_position;
} InclusionRow;

// One line's leaf in its segment's tree of entries. 1 when it says what no line may: such a leaf could stand for
// another line.
int inclusion_line(Merkle *merkle, const Dongbo__SummaryLine *line, uint8_t out[HASH_BYTES]);
void inclusion_leaf(Merkle *merkle, const InclusionRow *row, const uint8_t entries_root[HASH_BYTES],
                    uint8_t out[HASH_BYTES]);
// A segment's hash, of that of the segment before and of its own leaf.
void inclusion_link(Merkle *merkle, const uint8_t previous[HASH_BYTES], const uint8_t leaf[HASH_BYTES],
                    uint8_t out[HASH_BYTES]);

typedef struct InclusionBatch { // what its agency sealed
    const uint8_t *stream, *root;
    uint64_t first_sequence, last_sequence;
    ProtobufCBinaryData header;
    const uint8_t *signature;
} InclusionBatch;
// NULL when the batch is in the tree of this head, and its segment's hash; else what does not fit.
const char *inclusion_check(Merkle *merkle, const Dongbo__BatchProof *proof, const InclusionBatch *batch,
                            const Dongbo__TreeHead *head, uint8_t ret_hash[HASH_BYTES]);
// NULL when the path shows that the newer head's log begins with that of the older; else what does not fit.
const char *inclusion_follows(Merkle *merkle, const Dongbo__TreeHead *older, const Dongbo__TreeHead *newer,
                              const ProofPath *path);
