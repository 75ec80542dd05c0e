// SPDX-License-Identifier: Apache-2.0
//
// See proofs.h. A head by a key that is not known here can be judged by nobody here: its proofs are left until another
// session, and said so.
#include "agents/proofs.h"

#include "agents/proof_store.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/batch.h"
#include "proto/head.h"
#include "proto/inclusion.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (4 * 1024 * 1024)
#define COMPLAIN_MS (60 * 60 * 1000)

struct Proofs {
    Spool *spool;
    HeadKeys *keys;
    Merkle *merkle;
    Arena *arena;
    Bytes packed;
    uint8_t challenge[PROOFS_CHALLENGE_BYTES];
    bool is_signed; // what is at hand
    bool skips;     // a proof of this session was left
    int64_t complained_ms;
    char why[160]; // what is false
    uint64_t false_sequence;
};

int proofs_new(Proofs **ret, Spool *spool, const uint8_t *const sign_keys[2]) {
    Proofs *proofs = calloc(1, sizeof *proofs);
    if (proofs == NULL)
        return error_fail(ERROR_MEMORY, "no memory for proofs");
    proofs->spool = spool;
    int r = head_keys_new(&proofs->keys, sign_keys);
    if (r == 0)
        r = merkle_new(&proofs->merkle);
    if (r == 0)
        r = arena_new(&proofs->arena, ARENA_BYTES);
    if (r < 0) {
        proofs_destroy(&proofs);
        return r;
    }
    *ret = proofs;
    return 0;
}

int proofs_keys(Proofs *proofs, const uint8_t *const sign_keys[2]) {
    HeadKeys *keys = NULL;
    int r = head_keys_new(&keys, sign_keys);
    if (r < 0)
        return r;
    head_keys_destroy(&proofs->keys);
    proofs->keys = keys;
    return 0;
}

void proofs_destroy(Proofs **pointer) {
    Proofs *proofs = *pointer;
    if (proofs == NULL)
        return;
    head_keys_destroy(&proofs->keys);
    merkle_destroy(&proofs->merkle);
    arena_destroy(&proofs->arena);
    bytes_free(&proofs->packed);
    free(proofs);
    *pointer = NULL;
}

// ---- what is false -------------------------------------------------------------------------------------------------

static int is_false(Proofs *proofs, uint64_t first_sequence, const char *what, const char *wrong) {
    snprintf(proofs->why, sizeof proofs->why, "%s%s", what, wrong);
    proofs->false_sequence = first_sequence;
    return proofs->is_signed ? 1
                             : error_fail(ERROR_PEER,
                                          "the exchange's proofs do not hold: %s. They are not signed, so nobody "
                                          "answers for that",
                                          proofs->why);
}

int proofs_keep_false(Proofs *proofs, const SpoolStream *stream, ProtobufCBinaryData said) {
    ProofFalse proof = {
        .stream = stream->id, .first_sequence = proofs->false_sequence, .why = proofs->why, .said = said};
    int r = spool_begin(proofs->spool);
    if (r == 0)
        r = proof_store_false(proofs->spool, &proof);
    r = spool_end(proofs->spool, r);
    if (r < 0)
        return r;
    return error_fail(
        ERROR_PEER,
        "the exchange proves something false of its log: %s (%s stream, behind event %" PRIu64
        "). Nothing more is sent. "
        "Keep the spool: the evidence is in it (dongbo-agent proof --false). Ask the exchange's operators: if its database "
        "was restored, they declare that (dongbo epoch new); then start this agent again, and it sends what is lacking. "
        "Else show it to whoever supervises them, and do not start it",
        proofs->why, stream->kind, stream->proven_sequence);
}

static int no_proof(const char *why) {
    return error_fail(ERROR_PEER, "the exchange's proofs %s", why);
}

// ---- heads ---------------------------------------------------------------------------------------------------------

// *ret is NULL when the head is left.
static int open_head(Proofs *proofs, const Dongbo__SignedHead *signed_head, const Dongbo__TreeHead **ret) {
    *ret = NULL;
    int r = signed_head == NULL ? 1 : head_keys_open(proofs->keys, signed_head, proofs->arena, ret);
    if (r < 0 || r == 0)
        return r;
    if (r == 1)
        return no_proof("have no head of the log");
    if (r == 2)
        return no_proof("have a head that is not signed by the exchange's key");
    int64_t now = clock_monotonic_ms(spool_clock(proofs->spool));
    if (proofs->complained_ms == 0 || now - proofs->complained_ms >= COMPLAIN_MS) {
        log_warn(
            "heads of the exchange's log are signed with key %s, which is not known here: what is in the log cannot "
            "be proved by them. Get the exchange's present public key file from its operators",
            (*ret)->key_id);
        proofs->complained_ms = now;
    }
    proofs->skips = true;
    *ret = NULL;
    return 0;
}

// The head that the agent has. *ret NULL: none.
static int read_head(Proofs *proofs, const SpoolStream *stream, const Dongbo__TreeHead **ret) {
    const uint8_t *bytes = NULL;
    size_t n = 0;
    *ret = NULL;
    int r = proof_store_head(proofs->spool, stream->id, &bytes, &n);
    if (r != 0)
        return r < 0 ? r : 0;
    r = head_read(bytes, n, proofs->arena, ret);
    spool_hold(proofs->spool, NULL);
    return r == 0 ? 0 : error_fail(ERROR_SYSTEM, "the spool holds a signed head that cannot be read");
}

static int judge_head(Proofs *proofs, const SpoolStream *stream, const Dongbo__Proofs *message,
                      const Dongbo__TreeHead *head) {
    const Dongbo__TreeHead *before = NULL;
    ProofPath path;
    int r = read_head(proofs, stream, &before);
    if (r < 0 || before == NULL)
        return r;
    const char *wrong = head_compare(before, head);
    if (wrong != NULL) {
        // Two heads that contradict each other are signed, whoever shows them; an old one alone is nothing.
        proofs->is_signed = proofs->is_signed || before->epoch == head->epoch;
        return is_false(proofs, 0, "the signed head ", wrong);
    }
    if (before->epoch != head->epoch) // a restored exchange may have forgotten what it signed
        return 0;
    if (message->older != before->number || head->number < before->number ||
        proof_path_read(message->consistency, message->n_consistency, &path) != 0)
        return no_proof("do not go on from the signed head that is held here");
    wrong = inclusion_follows(proofs->merkle, before, head, &path);
    return wrong == NULL ? 0 : is_false(proofs, 0, "", wrong);
}

// ---- batches -------------------------------------------------------------------------------------------------------

static const char *compare_receipt(const Dongbo__BatchProof *proof, const Dongbo__ReceiptBody *body,
                                   const uint8_t hash[HASH_BYTES]) {
    if (body->segment_hash.len != HASH_BYTES || memcmp(body->segment_hash.data, hash, HASH_BYTES) != 0)
        return "the receipt names another segment than the one that is proved";
    if (body->epoch != proof->epoch || body->stored_at_us != proof->stored_at_us ||
        (!body->duplicate &&
         (body->first_position != proof->first_position || body->last_position != proof->last_position)))
        return "the receipt says another place or time than the segment that is proved";
    return NULL;
}

static int judge_receipt(Proofs *proofs, const ProofBatch *batch, const Dongbo__BatchProof *proof,
                         const uint8_t hash[HASH_BYTES]) {
    const Dongbo__ReceiptBody *body = NULL;
    if (batch->receipt_n > SIGNATURE_BYTES)
        body = dongbo__receipt_body__unpack(arena_protobuf(proofs->arena), batch->receipt_n - SIGNATURE_BYTES,
                                            batch->receipt);
    if (body == NULL)
        return error_fail(ERROR_SYSTEM, "the spool holds a receipt that cannot be read");
    // A restored exchange may have forgotten what it gave the receipt for, and got it again: from here, before this
    // spool was set back to when it had the receipt.
    const char *wrong = body->epoch < proof->epoch ? NULL : compare_receipt(proof, body, hash);
    return wrong == NULL ? 0 : is_false(proofs, proof->first_sequence, "", wrong);
}

static int keep(Proofs *proofs, int64_t batch, Dongbo__BatchProof *proof, Dongbo__SignedHead *head,
                const uint8_t hash[HASH_BYTES]) {
    Dongbo__InclusionProof kept = DONGBO__INCLUSION_PROOF__INIT;
    kept.proof = proof;
    kept.head = head;
    bytes_clear(&proofs->packed);
    bytes_append_message(&proofs->packed, &kept.base);
    if (proofs->packed.failed)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    return proof_store_put(proofs->spool, batch, hash, &proofs->packed);
}

// The spool has let it go: there is nothing left to hold it against. It says nothing of those that are still there.
static int pass_batch(Proofs *proofs, const SpoolStream *stream, const Dongbo__BatchProof *proof) {
    uint64_t oldest = 0;
    int r = spool_oldest(proofs->spool, stream->id, &oldest);
    if (r == 0 && oldest != 0 && proof->last_sequence >= oldest)
        return no_proof("are of another range of events than the batch had");
    return r;
}

static int take_batch(Proofs *proofs, const SpoolStream *stream, Dongbo__BatchProof *proof,
                      const Dongbo__Proofs *message, const Dongbo__TreeHead *head) {
    ProofBatch batch;
    uint8_t hash[HASH_BYTES];
    ProtobufCBinaryData header, signature;
    ArenaMark mark = arena_mark(proofs->arena);
    int r = proof_store_batch(proofs->spool, stream->id, proof->first_sequence, &batch);
    if (r != 0)
        return r < 0 ? r : pass_batch(proofs, stream, proof);
    if (batch.receipt == NULL)
        return no_proof("are of a batch that has no receipt");
    if (batch_origin(batch.sealed, batch.sealed_n, &header, &signature) != 0 || signature.len != SIGNATURE_BYTES)
        return error_fail(ERROR_SYSTEM, "the spool holds a batch that cannot be read");
    InclusionBatch sealed = {.stream = stream->stream,
                             .root = batch.root,
                             .first_sequence = proof->first_sequence,
                             .last_sequence = batch.last_sequence,
                             .header = header,
                             .signature = signature.data};
    const char *wrong = inclusion_check(proofs->merkle, proof, &sealed, head, hash);
    r = wrong == NULL ? judge_receipt(proofs, &batch, proof, hash) : is_false(proofs, proof->first_sequence, "", wrong);
    spool_hold(proofs->spool, NULL);
    arena_rewind(proofs->arena, &mark);
    return r != 0 ? r : keep(proofs, batch.id, proof, message->head, hash);
}

static int take_batches(Proofs *proofs, const SpoolStream *stream, const Dongbo__Proofs *message,
                        const Dongbo__TreeHead *head) {
    uint64_t proven = stream->proven_sequence;
    int r = 0;
    if (message->n_batches == 0 || message->n_batches > PROOF_BATCHES_MAX)
        return no_proof("are of no batch, or of too many");
    for (size_t i = 0; r == 0 && i < message->n_batches; i++) {
        Dongbo__BatchProof *proof = message->batches[i];
        if (proof->first_sequence != proven + 1 || proof->last_sequence < proof->first_sequence ||
            proof->last_sequence > stream->last_sequence)
            return no_proof("are not of the batches that come next");
        r = take_batch(proofs, stream, proof, message, head);
        proven = proof->last_sequence;
    }
    return r != 0 ? r : proof_store_proven(proofs->spool, stream->id, proven);
}

int proofs_take(Proofs *proofs, const SpoolStream *stream, const ProofsSaid *said) {
    const Dongbo__TreeHead *head = NULL;
    const Dongbo__Proofs *message = said->message;
    proofs->is_signed = said->is_signed;
    arena_reset(proofs->arena);
    int r = proofs->skips ? 0 : open_head(proofs, message->head, &head);
    if (r < 0 || head == NULL)
        return r;
    r = spool_begin(proofs->spool);
    if (r == 0)
        r = judge_head(proofs, stream, message, head);
    if (r == 0)
        r = take_batches(proofs, stream, message, head);
    if (r == 0)
        r = proof_store_head_put(proofs->spool, stream->id, head, message->head);
    return spool_end(proofs->spool, r);
}

// ---- a session's beginning -----------------------------------------------------------------------------------------

static int pass_over(Proofs *proofs, SpoolStream *stream) {
    uint64_t oldest = 0;
    int r = spool_oldest(proofs->spool, stream->id, &oldest);
    uint64_t gone = oldest > 0 ? oldest - 1 : stream->last_sequence;
    if (r < 0 || gone <= stream->proven_sequence)
        return r;
    stream->proven_sequence = gone;
    return proof_store_proven(proofs->spool, stream->id, gone);
}

const uint8_t *proofs_challenge(const Proofs *proofs) {
    return proofs->challenge;
}

int proofs_begin(Proofs *proofs, SpoolStream *stream, Dongbo__HelloPublish *hello) {
    const Dongbo__TreeHead *head = NULL;
    uint64_t received = 0;
    proofs->skips = false;
    arena_reset(proofs->arena);
    int r = clock_random(spool_clock(proofs->spool), proofs->challenge, sizeof proofs->challenge);
    if (r < 0)
        return r;
    r = spool_begin(proofs->spool);
    if (r == 0)
        r = pass_over(proofs, stream);
    if (r == 0)
        r = proof_store_received(proofs->spool, stream, &received);
    if (r == 0)
        r = read_head(proofs, stream, &head);
    r = spool_end(proofs->spool, r);
    hello->proofs = true;
    hello->proofs_challenge = (ProtobufCBinaryData){PROOFS_CHALLENGE_BYTES, proofs->challenge};
    hello->proven_sequence = stream->proven_sequence;
    hello->receipt_sequence = received;
    hello->proven_head = head != NULL ? head->number : 0;
    return r;
}
