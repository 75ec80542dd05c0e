// SPDX-License-Identifier: Apache-2.0
//
// Proofs that an agency said an event: each of every small batch holds, with its content and without, and nothing that
// was changed in any bit does.
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/batch.h"
#include "proto/origin.h"
#include "proto/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define N 21

static Keys keys;
static Signer *signer;
static Verifier *verifier, *stranger;
static Merkle *merkle;
static Arena *arena;

static int set_up(void **state) {
    Keys other;
    return keys_generate(&keys) | keys_generate(&other) | signer_new(&signer, keys.sign_secret) |
           verifier_new(&verifier, keys.sign_public) | verifier_new(&stranger, other.sign_public) |
           merkle_new(&merkle) | arena_new(&arena, BATCH_ARENA_BYTES);
}

static int tear_down(void **state) {
    signer_destroy(&signer);
    verifier_destroy(&verifier);
    verifier_destroy(&stranger);
    merkle_destroy(&merkle);
    arena_destroy(&arena);
    return 0;
}

// A batch of n events, and where header and signature end in it.
typedef struct Made {
    Bytes bytes;
    Batch batch;
    ProtobufCBinaryData origin;
} Made;

static void seal(size_t n, Made *ret) {
    static char texts[N][16];
    char key_id[KEY_ID_TEXT_BYTES];
    ProtobufCBinaryData events[N];
    uint8_t stream[STREAM_BYTES] = {1, 2, 3};
    for (size_t i = 0; i < n; i++)
        events[i] = (ProtobufCBinaryData){.len = (size_t)snprintf(texts[i], sizeof texts[i], "event %zu", i),
                                          .data = (uint8_t *)texts[i]};
    keys_id(keys.sign_public, key_id);
    const BatchSeal parts = {.stream = stream,
                             .first_sequence = 7,
                             .events = events,
                             .n_events = n,
                             .key_id = key_id,
                             .signer = signer,
                             .clock = clock_system(),
                             .merkle = merkle};
    arena_reset(arena);
    *ret = (Made){0};
    assert_int_equal(batch_seal(&parts, &ret->bytes), 0);
    assert_int_equal(batch_open(ret->bytes.data, ret->bytes.n, verifier, merkle, arena, &ret->batch), BATCH_OK);
    ret->origin = (ProtobufCBinaryData){.len = ret->batch.origin_n, .data = ret->bytes.data};
}

static void prove(const Made *made, size_t n, size_t index, ProofPath *path, ProtobufCBinaryData *hashes,
                  Dongbo__OriginProof *ret) {
    proof_path(merkle, (const uint8_t(*)[HASH_BYTES])made->batch.leaves, n, index, path);
    for (size_t i = 0; i < path->n; i++)
        hashes[i] = (ProtobufCBinaryData){.len = HASH_BYTES, .data = path->hashes[i]};
    dongbo__origin_proof__init(ret);
    ret->index = (uint32_t)index;
    ret->leaf = (ProtobufCBinaryData){.len = HASH_BYTES, .data = (uint8_t *)made->batch.leaves + index * HASH_BYTES};
    ret->n_path = path->n;
    ret->path = hashes;
    ret->salt = (ProtobufCBinaryData){.len = SALT_BYTES, .data = made->batch.sealed->salts.data + index * SALT_BYTES};
    ret->event = made->batch.sealed->events[index];
}

static void assert_no_bit_may_change(const OriginBatch *batch, const Dongbo__OriginProof *proof,
                                     ProtobufCBinaryData bytes) {
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(origin_check(merkle, batch, proof));
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_null(origin_check(merkle, batch, proof));
}

static void test_every_proof_holds_and_no_changed_one(void **state) {
    for (size_t n = 1; n <= N; n++) {
        Made made;
        OriginBatch batch;
        seal(n, &made);
        assert_int_equal(origin_read_batch(made.origin, arena, &batch), 0);
        assert_int_equal(origin_check_signature(&batch, verifier), 0);
        assert_int_equal(origin_check_signature(&batch, stranger), 1);
        for (size_t index = 0; index < n; index++) {
            ProofPath path;
            ProtobufCBinaryData hashes[PROOF_MAX];
            Dongbo__OriginProof proof;
            prove(&made, n, index, &path, hashes, &proof);
            assert_null(origin_check(merkle, &batch, &proof));
            assert_no_bit_may_change(&batch, &proof, proof.leaf);
            assert_no_bit_may_change(&batch, &proof, proof.salt);
            assert_no_bit_may_change(&batch, &proof, proof.event);
            for (size_t i = 0; i < proof.n_path; i++)
                assert_no_bit_may_change(&batch, &proof, hashes[i]);
            for (proof.index = 0; proof.index < n + 2; proof.index++)
                assert_true((proof.index == index) == (origin_check(merkle, &batch, &proof) == NULL));
        }
        bytes_free(&made.bytes);
    }
}

static void test_what_is_told_of_the_content(void **state) {
    Made made;
    OriginBatch batch;
    ProofPath path;
    ProtobufCBinaryData hashes[PROOF_MAX];
    Dongbo__OriginProof proof;
    seal(5, &made);
    assert_int_equal(origin_read_batch(made.origin, arena, &batch), 0);
    prove(&made, 5, 3, &path, hashes, &proof);
    Dongbo__OriginProof other = proof;
    other.salt = other.event = (ProtobufCBinaryData){0};
    assert_null(origin_check(merkle, &batch, &other));
    other.salt = proof.salt;
    assert_non_null(origin_check(merkle, &batch, &other));
    other.salt.len = 0;
    other.event = proof.event;
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    other.salt.len--;
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    other.event = made.batch.sealed->events[2];
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    other.leaf.len--;
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    hashes[0].len--;
    assert_non_null(origin_check(merkle, &batch, &other));
    hashes[0].len++;
    other.n_path--;
    assert_non_null(origin_check(merkle, &batch, &other));
    bytes_free(&made.bytes);
}

// Each flipped bit of header and signature is no such batch, or is not signed by this key.
static void test_every_bit_of_a_batch_counts(void **state) {
    Made made;
    OriginBatch batch;
    seal(5, &made);
    for (size_t bit = 0; bit < 8 * made.origin.len; bit++) {
        made.origin.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int r = origin_read_batch(made.origin, arena, &batch);
        assert_true(r == 1 || (r == 0 && origin_check_signature(&batch, verifier) == 1));
        made.origin.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < made.origin.len; n++)
        assert_int_equal(origin_read_batch((ProtobufCBinaryData){.len = n, .data = made.origin.data}, arena, &batch),
                         1);
    assert_int_equal(origin_read_batch((ProtobufCBinaryData){0}, arena, &batch), 1);
    ProtobufCBinaryData whole = {.len = made.bytes.n, .data = made.bytes.data};
    assert_int_equal(origin_read_batch(whole, arena, &batch), 1); // with its events
    bytes_free(&made.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_proof_holds_and_no_changed_one),
                                       cmocka_unit_test(test_what_is_told_of_the_content),
                                       cmocka_unit_test(test_every_bit_of_a_batch_counts)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
