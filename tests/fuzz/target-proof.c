// SPDX-License-Identifier: Apache-2.0
//
// Files that prove something (dongbo log check): of entries, of heads, of events by themselves. What is good by the
// keys that were given has a signature by one of them; and what an event is proved to say is what its leaf commits to.
#include "operators/log_proof.h"
#include "proto/base/error.h"
#include "proto/batch.h"
#include "proto/bounds.h"
#include "proto/domain.h"
#include "proto/head.h"
#include "proto/origin.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

// RFC 8032's TEST 1.
static const char SIGN_SECRET[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
static const char SIGN_PUBLIC[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

static void check_good(const Dongbo__Proof *proof, const LogProofCheck *check) {
    FUZZ_ASSERT(check->wrong == NULL && (check->head == LOG_PROOF_GOOD || check->agency == LOG_PROOF_GOOD));
    if (!check->batch || !check->has_content)
        return;
    Merkle *merkle = NULL;
    uint8_t leaf[HASH_BYTES];
    const Dongbo__OriginProof *event = proof->event->proof;
    FUZZ_ASSERT(merkle_new(&merkle) == 0 && event->salt.len == SALT_BYTES && event->leaf.len == HASH_BYTES);
    merkle_salted_leaf(merkle, event->salt.data, event->event.data, event->event.len, leaf);
    FUZZ_ASSERT(memcmp(leaf, event->leaf.data, HASH_BYTES) == 0);
    merkle_destroy(&merkle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    uint8_t key[1][KEY_BYTES];
    const Dongbo__Proof *proof = NULL;
    LogProofKeys keys = {.keys = (const uint8_t(*)[KEY_BYTES])key, .n = 1};
    LogProofCheck check;
    Arena *arena = NULL;
    FUZZ_ASSERT(hex_decode(SIGN_PUBLIC, key[0], KEY_BYTES) == 0 && arena_new(&arena, BATCH_ARENA_BYTES) == 0);
    if (log_proof_parse(data, n, arena, &proof) == 0) {
        int r = log_proof_check(proof, &keys, arena, &check);
        FUZZ_ASSERT(r == 0 || r == ERROR_MEMORY);
        if (r == 0 && log_proof_is_good(&check))
            check_good(proof, &check);
    }
    arena_destroy(&arena);
    return 0;
}

// ---- seeds ----

static Signer *signer_make(char key_id[KEY_ID_TEXT_BYTES], uint8_t public[KEY_BYTES]) {
    uint8_t secret[KEY_BYTES];
    Signer *signer = NULL;
    FUZZ_ASSERT(hex_decode(SIGN_SECRET, secret, KEY_BYTES) == 0 && hex_decode(SIGN_PUBLIC, public, KEY_BYTES) == 0);
    keys_id(public, key_id);
    FUZZ_ASSERT(signer_new(&signer, secret) == 0);
    return signer;
}

static void seed_event(bool told) {
    char key_id[KEY_ID_TEXT_BYTES];
    uint8_t public[KEY_BYTES], stream[STREAM_BYTES] = {1};
    Signer *signer = signer_make(key_id, public);
    Merkle *merkle = NULL;
    Arena *arena = NULL;
    Verifier *verifier = NULL;
    Bytes event = {0}, sealed = {0}, out = {0};
    Batch batch;
    fuzz_event(DONGBO__DOMAIN__HEALTH, 1, &event);
    ProtobufCBinaryData events[] = {{event.n, event.data}, {event.n, event.data}};
    FUZZ_ASSERT(merkle_new(&merkle) == 0 && arena_new(&arena, BATCH_ARENA_BYTES) == 0);
    const BatchSeal seal = {stream, 1, events, 2, key_id, signer, fuzz_clock(), merkle};
    FUZZ_ASSERT(batch_seal(&seal, &sealed) == 0 && verifier_new(&verifier, public) == 0 &&
                batch_open(sealed.data, sealed.n, verifier, merkle, arena, &batch) == BATCH_OK);
    ProtobufCBinaryData path = {HASH_BYTES, (uint8_t *)batch.leaves};
    Dongbo__OriginProof proof = DONGBO__ORIGIN_PROOF__INIT;
    proof.index = 1;
    proof.leaf = (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)batch.leaves + HASH_BYTES};
    proof.n_path = 1;
    proof.path = &path;
    if (told) {
        proof.salt = (ProtobufCBinaryData){SALT_BYTES, batch.sealed->salts.data + SALT_BYTES};
        proof.event = events[1];
    }
    origin_append_file((ProtobufCBinaryData){batch.origin_n, sealed.data}, &proof, &out);
    fuzz_seed(told ? "event" : "leaf", out.data, out.n);
    bytes_free(&out);
    bytes_free(&sealed);
    bytes_free(&event);
    verifier_destroy(&verifier);
    arena_destroy(&arena);
    merkle_destroy(&merkle);
    signer_destroy(&signer);
}

// That a log of one segment is the beginning of itself.
static void seed_heads(void) {
    char key_id[KEY_ID_TEXT_BYTES];
    uint8_t public[KEY_BYTES], hash[HASH_BYTES] = {2}, signature[SIGNATURE_BYTES];
    Signer *signer = signer_make(key_id, public);
    Bytes packed = {0}, out = {0};
    Dongbo__TreeHead tree = DONGBO__TREE_HEAD__INIT;
    tree.number = tree.size = tree.last_position = 1;
    tree.root = tree.segment_hash = tree.previous = (ProtobufCBinaryData){HASH_BYTES, hash};
    tree.signed_at_us = FUZZ_NOW;
    tree.key_id = key_id;
    FUZZ_ASSERT(head_sign(&tree, signer, &packed, signature) == 0);
    Dongbo__SignedHead head = DONGBO__SIGNED_HEAD__INIT;
    head.head = (ProtobufCBinaryData){packed.n, packed.data};
    head.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    Dongbo__ConsistencyProof consistency = DONGBO__CONSISTENCY_PROOF__INIT;
    consistency.older = consistency.newer = &head;
    Dongbo__Proof proof = DONGBO__PROOF__INIT;
    proof.what_case = DONGBO__PROOF__WHAT_CONSISTENCY;
    proof.consistency = &consistency;
    bytes_append_text(&out, PROOF_MAGIC);
    bytes_append_message(&out, &proof.base);
    fuzz_seed("heads", out.data, out.n);
    bytes_free(&out);
    bytes_free(&packed);
    signer_destroy(&signer);
}

void fuzz_seeds(void) {
    seed_event(true);
    seed_event(false);
    seed_heads();
}
