// SPDX-License-Identifier: Apache-2.0
//
// What a spool keeps of the exchange's proofs that batches are in its log: of each batch one, as long as its receipt;
// the newest signed head; and what proved to be false. Changes only inside the spool's transactions.
#pragma once

#include "agents/spool.h"
#include "wire.pb-c.h"

// In a spool that has none yet: tables. ERROR_SYSTEM.
int proof_store_open(Lite *lite);

typedef struct ProofBatch { // points into the spool's row until its next call
    int64_t id;
    uint64_t last_sequence;
    const uint8_t *root, *sealed, *receipt; // receipt NULL: there is none that holds
    size_t sealed_n, receipt_n;
} ProofBatch;
// The batch that begins there. 1 when the spool has none.
int proof_store_batch(Spool *spool, int64_t stream, uint64_t first_sequence, ProofBatch *ret);
int proof_store_put(Spool *spool, int64_t batch, const uint8_t segment_hash[HASH_BYTES], const Bytes *proof);
// Every batch up to here has a receipt.
int proof_store_received(Spool *spool, const SpoolStream *stream, uint64_t *ret);
// All up to here has been heard of.
int proof_store_proven(Spool *spool, int64_t stream, uint64_t sequence);
// The newest head of the newest epoch: TreeHead, as signed, until the spool's next call. 1 when there is none.
int proof_store_head(Spool *spool, int64_t stream, const uint8_t **ret, size_t *ret_n);
int proof_store_head_put(Spool *spool, int64_t stream, const Dongbo__TreeHead *head,
                         const Dongbo__SignedHead *signed_head);

// *ret 1 while a batch of an open stream has a receipt and no proof.
int proof_store_unproved(Spool *spool, int64_t *ret);
// *ret 0 when this spool had receipts before `us` and has never had a proof: its exchange may know none.
int proof_store_hopes(Spool *spool, int64_t us, int64_t *ret);
// All events of this stream up to here are proved, or kept no longer.
int proof_store_proved(Spool *spool, const SpoolStream *stream, uint64_t *ret);

typedef struct ProofFalse {
    int64_t stream;
    uint64_t first_sequence; // 0: of no batch
    const char *why;
    ProtobufCBinaryData said; // Proofs, as they came
} ProofFalse;
// The first PROOF_FALSE_MAX are kept: an agent that is started again and again is told the same.
#define PROOF_FALSE_MAX 32
int proof_store_false(Spool *spool, const ProofFalse *proof);

typedef struct ProofState { // of one open stream
    SpoolStream stream;
    uint64_t received; // every batch up to here has a receipt
    int64_t unproven;  // batches that have a receipt and no proof
    int64_t since_us;  // the oldest of them has its receipt; 0: there is none
} ProofState;
typedef int (*ProofEachState)(void *self, const ProofState *state);
int proof_store_states(Spool *spool, ProofEachState each, void *self);

typedef struct ProofKept {
    ProofBatch batch;
    const uint8_t *proof; // InclusionProof; NULL: there is none yet
    size_t proof_n;
} ProofKept;
// The batch of the open stream of this kind that holds the sequence. 1 when the spool has none.
int proof_store_kept(Spool *spool, const SpoolStream *stream, uint64_t sequence, ProofKept *ret);
// In which batch an event is: calls each() for the kept batches of this stream, the newest first, until it gives 1.
typedef int (*ProofEachBatch)(void *self, uint64_t first_sequence, const uint8_t *sealed, size_t n);
int proof_store_search(Spool *spool, const SpoolStream *stream, ProofEachBatch each, void *self);
typedef int (*ProofEachFalse)(void *self, const ProofFalse *proof, int64_t at_us);
int proof_store_falses(Spool *spool, ProofEachFalse each, void *self);
