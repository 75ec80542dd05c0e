// SPDX-License-Identifier: Apache-2.0
//
// Proofs that batches are in the log, against an exchange whose whole log stands here: the true ones are taken and
// kept, no other bit is, and what the exchange cannot have meant honestly is told from what is a fault.
#include "agents/proof_store.h"
#include "agents/proofs.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "proto/batch.h"
#include "proto/frame.h"
#include "proto/head.h"
#include "proto/inclusion.h"
#include "tests/unit/publish-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LEAVES_MAX 16
#define BATCHES_MAX 4
#define FALSE 1

typedef struct Known { // a segment of this agency's
    InclusionRow row;
    size_t leaf;
    uint8_t previous[HASH_BYTES], hash[HASH_BYTES], root[HASH_BYTES];
    uint8_t origin[512];
} Known;

static struct {
    PublishCase *test;
    SpoolStream stream;
    Keys exchange;
    Signer *signer;
    Merkle *merkle;
    Arena *arena;
    Proofs *proofs;
    uint8_t leaves[LEAVES_MAX][HASH_BYTES], hash[HASH_BYTES], entries[HASH_BYTES];
    uint64_t positions; // so many in the log
    size_t n, n_batches;
    Known batches[BATCHES_MAX];
    uint32_t epoch;
    uint64_t number;
    bool is_unsigned; // what is taken
    Bytes body, frame;
    uint8_t signature[SIGNATURE_BYTES];
} f;

static void open_proofs(void) {
    const uint8_t *const keys[2] = {f.exchange.sign_public, NULL};
    assert_int_equal(proofs_new(&f.proofs, f.test->spool, keys), 0);
}

static int setup(void **state) {
    memset(&f, 0, sizeof f);
    assert_int_equal(publish_case_setup((void **)&f.test), 0);
    assert_int_equal(keys_generate(&f.exchange), 0);
    assert_int_equal(signer_new(&f.signer, f.exchange.sign_secret), 0);
    assert_int_equal(merkle_new(&f.merkle), 0);
    assert_int_equal(arena_new(&f.arena, 1 << 22), 0);
    memset(f.entries, 7, HASH_BYTES);
    f.epoch = 1;
    open_proofs();
    return 0;
}

static int teardown(void **state) {
    proofs_destroy(&f.proofs);
    signer_destroy(&f.signer);
    merkle_destroy(&f.merkle);
    arena_destroy(&f.arena);
    bytes_free(&f.body);
    bytes_free(&f.frame);
    return publish_case_teardown((void **)&f.test);
}

// ---- the exchange --------------------------------------------------------------------------------------------------

static void add_leaf(const uint8_t leaf[HASH_BYTES]) {
    assert_true(f.n < LEAVES_MAX);
    memcpy(f.leaves[f.n++], leaf, HASH_BYTES);
    inclusion_link(f.merkle, f.hash, leaf, f.hash);
}

// Others' segments, of ten positions each.
static void store_others(size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t leaf[HASH_BYTES];
        memset(leaf, (int)(100 + f.n), HASH_BYTES);
        f.positions += 10;
        add_leaf(leaf);
    }
}

static void give_receipt(const Known *known, const SpoolBatch *batch) {
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    uint8_t signature[SIGNATURE_BYTES] = {0};
    Bytes packed = {0};
    body.stream = (ProtobufCBinaryData){STREAM_BYTES, f.stream.stream};
    body.first_sequence = known->row.first_sequence;
    body.last_sequence = known->row.last_sequence;
    body.batch_root = (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)known->root};
    body.first_position = known->row.first_position;
    body.last_position = known->row.last_position;
    body.epoch = known->row.epoch;
    body.stored_at_us = known->row.stored_at_us;
    body.segment_hash = (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)known->hash};
    bytes_append_message(&packed, &body.base);
    bytes_append(&packed, signature, SIGNATURE_BYTES);
    assert_int_equal(spool_begin(f.test->spool), 0);
    assert_int_equal(spool_ack(f.test->spool, batch, &packed), 0);
    assert_int_equal(spool_commit(f.test->spool), 0);
    bytes_free(&packed);
}

// The next batch of n events, sealed here and stored there; with its receipt.
static Known *store_batch(int n) {
    Known *known = &f.batches[f.n_batches++];
    SpoolBatch batch;
    ProtobufCBinaryData header, signature;
    publish_case_add(f.test, n);
    f.stream = publish_case_stream(f.test);
    assert_int_equal(spool_next(f.test->spool, f.stream.id, f.stream.last_sequence - (uint64_t)n + 1, &batch), 0);
    assert_int_equal(batch_origin(batch.sealed, batch.sealed_bytes, &header, &signature), 0);
    memcpy(known->origin, header.data, header.len);
    memcpy(known->origin + header.len, signature.data, SIGNATURE_BYTES);
    memcpy(known->root, batch.root, HASH_BYTES);
    memcpy(known->previous, f.hash, HASH_BYTES);
    known->row = (InclusionRow){.epoch = f.epoch,
                                .first_position = f.positions + 1,
                                .last_position = f.positions + (uint64_t)n,
                                .kind = INCLUSION_KIND_BATCH,
                                .agency = 3,
                                .stream = f.stream.stream,
                                .first_sequence = batch.first_sequence,
                                .last_sequence = batch.last_sequence,
                                .batch_root = known->root,
                                .header = {header.len, known->origin},
                                .signature = known->origin + header.len,
                                .stored_at_us = 1700000001000000,
                                .population_position = 12};
    f.positions += (uint64_t)n;
    known->leaf = f.n;
    uint8_t leaf[HASH_BYTES];
    inclusion_leaf(f.merkle, &known->row, f.entries, leaf);
    add_leaf(leaf);
    memcpy(known->hash, f.hash, HASH_BYTES);
    give_receipt(known, &batch);
    return known;
}

static void range_root(ProofRange range, uint8_t out[HASH_BYTES]) {
    uint8_t leaves[LEAVES_MAX][HASH_BYTES];
    size_t n = (size_t)(range.end - range.first);
    memcpy(leaves, f.leaves + range.first, n * HASH_BYTES);
    merkle_root(f.merkle, leaves[0], n, out);
}

static ProtobufCBinaryData *path_of(const ProofRange *ranges, size_t n) {
    ProtobufCBinaryData *path = arena_alloc(f.arena, (n + 1) * sizeof *path);
    for (size_t i = 0; i < n; i++) {
        path[i] = (ProtobufCBinaryData){HASH_BYTES, arena_alloc(f.arena, HASH_BYTES)};
        range_root(ranges[i], path[i].data);
    }
    return path;
}

static Dongbo__SignedHead *sign_head(void) {
    uint8_t root[HASH_BYTES], previous[HASH_BYTES] = {9};
    char key_id[KEY_ID_TEXT_BYTES];
    Dongbo__TreeHead head = DONGBO__TREE_HEAD__INIT;
    Dongbo__SignedHead *made = arena_alloc(f.arena, sizeof *made);
    range_root((ProofRange){0, f.n}, root);
    keys_id(f.exchange.sign_public, key_id);
    head.number = ++f.number;
    head.size = f.n;
    head.root = (ProtobufCBinaryData){HASH_BYTES, root};
    head.last_position = f.positions;
    head.epoch = f.epoch;
    head.signed_at_us = 1700000002000000;
    head.previous = (ProtobufCBinaryData){head.number > 1 ? HASH_BYTES : 0, previous};
    head.key_id = key_id;
    head.segment_hash = (ProtobufCBinaryData){HASH_BYTES, f.hash};
    assert_int_equal(head_sign(&head, f.signer, &f.body, f.signature), 0);
    dongbo__signed_head__init(made);
    made->head = (ProtobufCBinaryData){f.body.n, arena_alloc(f.arena, f.body.n)};
    memcpy(made->head.data, f.body.data, f.body.n);
    made->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, arena_alloc(f.arena, SIGNATURE_BYTES)};
    memcpy(made->signature.data, f.signature, SIGNATURE_BYTES);
    return made;
}

static Dongbo__BatchProof *prove_batch(const Known *known) {
    Dongbo__BatchProof *proof = arena_alloc(f.arena, sizeof *proof);
    ProofRange ranges[PROOF_MAX];
    dongbo__batch_proof__init(proof);
    proof->first_sequence = known->row.first_sequence;
    proof->last_sequence = known->row.last_sequence;
    proof->first_position = known->row.first_position;
    proof->last_position = known->row.last_position;
    proof->epoch = known->row.epoch;
    proof->agency = known->row.agency;
    proof->stored_at_us = known->row.stored_at_us;
    proof->population_position = known->row.population_position;
    proof->leaf_index = known->leaf;
    proof->entries_root = (ProtobufCBinaryData){HASH_BYTES, f.entries};
    proof->previous_hash = (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)known->previous};
    proof->n_path = proof_inclusion(known->leaf, f.n, ranges);
    proof->path = path_of(ranges, proof->n_path);
    return proof;
}

// Of batches from..to, by a head of now; `older` is the size that the head held here has, 0: none.
static Dongbo__Proofs *prove(size_t from, size_t to, uint64_t older) {
    Dongbo__Proofs *proofs = arena_alloc(f.arena, sizeof *proofs);
    ProofRange ranges[PROOF_MAX];
    dongbo__proofs__init(proofs);
    proofs->batches = arena_alloc(f.arena, BATCHES_MAX * sizeof *proofs->batches);
    if (older != 0) {
        proofs->older = f.number;
        proofs->n_consistency = proof_consistency(older, f.n, ranges);
        proofs->consistency = path_of(ranges, proofs->n_consistency);
    }
    for (size_t i = from; i < to; i++)
        proofs->batches[proofs->n_batches++] = prove_batch(&f.batches[i]);
    proofs->head = sign_head();
    return proofs;
}

static int take(const Dongbo__Proofs *proofs) {
    f.stream = publish_case_stream(f.test);
    return proofs_take(f.proofs, &f.stream, &(ProofsSaid){proofs, !f.is_unsigned});
}

static uint64_t proven(void) {
    return publish_case_stream(f.test).proven_sequence;
}

static int64_t count(const char *sql) {
    int64_t n = -1;
    assert_int_equal(lite_number(spool_lite(f.test->spool), sql, 0, &n, ""), 0);
    return n;
}

static const char PROOFS[] = "SELECT count(*) FROM proof", HEADS[] = "SELECT count(*) FROM proof_head",
                  FALSES[] = "SELECT count(*) FROM false_proof";

// ---- tests ---------------------------------------------------------------------------------------------------------

static void test_true_ones_are_kept(void **state) {
    store_others(2);
    store_batch(3);
    store_others(1);
    store_batch(2);
    size_t before = f.n;
    assert_int_equal(take(prove(0, 2, 0)), 0);
    assert_int_equal(proven(), 5);
    assert_int_equal(count(PROOFS), 2);
    store_others(3);
    store_batch(1);
    assert_int_equal(take(prove(2, 3, before)), 0);
    assert_int_equal(proven(), 6);
    assert_int_equal(count(PROOFS), 3);
    assert_int_equal(count(HEADS), 1);
    assert_int_equal(count(FALSES), 0);
}

static Dongbo__HelloPublish begin_session(void) {
    Dongbo__HelloPublish hello = DONGBO__HELLO_PUBLISH__INIT;
    f.stream = publish_case_stream(f.test);
    assert_int_equal(proofs_begin(f.proofs, &f.stream, &hello), 0);
    assert_true(hello.proofs);
    return hello;
}

// What comes to be of one changed bit, as it would over the wire.
static void take_flipped(size_t bit) {
    ProtobufCMessage *message = NULL;
    f.frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    Frame frame = {.type = FRAME_PROOFS, .body = f.frame.data, .body_bytes = f.frame.n};
    ArenaMark mark = arena_mark(f.arena);
    int r = frame_decode(&frame, &dongbo__proofs__descriptor, arena_protobuf(f.arena), &message) != 0
                ? ERROR_PEER
                : proofs_take(f.proofs, &f.stream, &(ProofsSaid){(Dongbo__Proofs *)message, true});
    if (r == 0) // by a key of another name, it is left
        assert_int_equal(begin_session().proven_sequence, 3);
    arena_rewind(f.arena, &mark);
    f.frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void test_every_bit_counts(void **state) {
    store_others(2);
    store_batch(3);
    size_t before = f.n;
    assert_int_equal(take(prove(0, 1, 0)), 0);
    store_others(2);
    store_batch(2);
    Dongbo__Proofs *proofs = prove(1, 2, before);
    bytes_append_message(&f.frame, &proofs->base);
    f.stream = publish_case_stream(f.test);
    for (size_t bit = 0; bit < 8 * f.frame.n; bit++)
        take_flipped(bit);
    assert_int_equal(proven(), 3);
    assert_int_equal(count(PROOFS), 1);
    assert_int_equal(take(proofs), 0);
    assert_int_equal(proven(), 5);
}

static void expect_false(const Dongbo__Proofs *proofs, const char *why) {
    uint64_t before = proven();
    int64_t kept = count(FALSES);
    ProtobufCBinaryData said = {4, (uint8_t *)"said"};
    assert_int_equal(take(proofs), FALSE);
    assert_int_equal(proofs_keep_false(f.proofs, &f.stream, said), ERROR_PEER);
    if (strstr(error_text(), why) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", error_text(), why);
    assert_int_equal(proven(), before);
    assert_int_equal(count(FALSES), kept + 1);
}

static void test_what_is_false_is_kept(void **state) {
    store_others(2);
    Known *known = store_batch(3);
    Dongbo__Proofs *proofs = prove(0, 1, 0);
    proofs->batches[0]->agency = 4;
    expect_false(proofs, "is not in the log");
    proofs = prove(0, 1, 0);
    proofs->batches[0]->last_sequence = 2;
    expect_false(proofs, "another range");
    proofs = prove(0, 1, 0);
    proofs->batches[0]->last_position += 1;
    expect_false(proofs, "cannot stand");
    proofs = prove(0, 1, 0);
    known->previous[0] ^= 1;
    proofs->batches[0]->previous_hash.data = known->previous;
    expect_false(proofs, "names another segment");
    known->previous[0] ^= 1;
    assert_int_equal(count(PROOFS), 0);
}

static void expect_fault(const Dongbo__Proofs *proofs) {
    int64_t kept = count(PROOFS);
    assert_int_equal(take(proofs), ERROR_PEER);
    assert_int_equal(count(PROOFS), kept);
}

// Whoever has the transport key alone can say what nobody signed: it is taken where it holds, and proves nothing where
// it does not.
static void test_what_is_not_signed_is_no_evidence(void **state) {
    f.is_unsigned = true;
    store_others(2);
    store_batch(3);
    Dongbo__Proofs *proofs = prove(0, 1, 0);
    proofs->batches[0]->agency = 4;
    expect_fault(proofs);
    proofs->batches[0]->agency = 3;
    assert_int_equal(take(proofs), 0);
    size_t before = f.n;
    store_batch(1);
    proofs = prove(1, 2, before);
    proofs->consistency[0].data[0] ^= 1;
    expect_fault(proofs);
    f.epoch = 0; // a head of long ago
    expect_fault(prove(1, 2, 0));
    assert_int_equal(count(FALSES), 0);
}

// ... but heads are, and two that contradict each other need nothing else.
static void test_signed_heads_are_evidence(void **state) {
    store_others(2);
    store_batch(3);
    assert_int_equal(take(prove(0, 1, 0)), 0);
    store_batch(1);
    f.number = 0;
    f.is_unsigned = true;
    expect_false(prove(1, 2, 0), "another one of the same number");
}

static void test_so_much_evidence_is_kept(void **state) {
    store_batch(3);
    Dongbo__Proofs *proofs = prove(0, 1, 0);
    proofs->batches[0]->agency = 4;
    for (int i = 0; i < PROOF_FALSE_MAX; i++)
        expect_false(proofs, "is not in the log");
    assert_int_equal(take(proofs), FALSE);
    assert_int_equal(proofs_keep_false(f.proofs, &f.stream, (ProtobufCBinaryData){4, (uint8_t *)"said"}), ERROR_PEER);
    assert_int_equal(count(FALSES), PROOF_FALSE_MAX);
}

// Signed, whole and of this very batch, and yet another log than before.
static void test_another_log(void **state) {
    store_others(2);
    store_batch(3);
    size_t before = f.n;
    assert_int_equal(take(prove(0, 1, 0)), 0);
    store_batch(1);
    memset(f.leaves[0], 1, HASH_BYTES); // what was there is another thing now
    expect_false(prove(1, 2, before), "does not begin with");
    f.number = 0; // ... and the very number again
    expect_false(prove(1, 2, 0), "another one of the same number");
    f.epoch = 0;
    expect_false(prove(1, 2, 0), "an epoch that was over");
}

static void test_an_epoch_may_have_forgotten(void **state) {
    store_batch(3);
    store_others(5);
    assert_int_equal(take(prove(0, 1, 0)), 0);
    f.n = 1; // restored: only the batch is left
    f.positions = 3;
    memcpy(f.hash, f.batches[0].hash, HASH_BYTES);
    f.epoch = 2;
    store_batch(2);
    assert_int_equal(take(prove(1, 2, 0)), 0);
    assert_int_equal(proven(), 5);
    assert_int_equal(count(HEADS), 2);
}

// The batch stands elsewhere in the log, in this epoch; the receipt is of before.
static void store_again(Known *known) {
    uint64_t n = known->row.last_sequence - known->row.first_sequence + 1;
    memcpy(known->previous, f.hash, HASH_BYTES);
    known->row.epoch = f.epoch;
    known->row.first_position = f.positions + 1;
    known->row.last_position = f.positions += n;
    known->leaf = f.n;
    uint8_t leaf[HASH_BYTES];
    inclusion_leaf(f.merkle, &known->row, f.entries, leaf);
    add_leaf(leaf);
}

static void test_an_epoch_may_have_got_it_again(void **state) {
    Known *known = store_batch(3);
    f.n = f.positions = 0;
    memset(f.hash, 0, HASH_BYTES);
    store_others(4);
    store_again(known);
    expect_false(prove(0, 1, 0), "names another segment"); // nobody has said that the database was restored
    f.n = f.positions = 0;
    memset(f.hash, 0, HASH_BYTES);
    f.epoch = 2;
    store_others(4);
    store_again(known);
    assert_int_equal(take(prove(0, 1, 0)), 0);
    assert_int_equal(proven(), 3);
}

static void test_faults_are_no_evidence(void **state) {
    store_others(1);
    store_batch(3);
    store_batch(2);
    Dongbo__Proofs *proofs = prove(0, 2, 0);
    proofs->head->signature.data[3] ^= 1;
    expect_fault(proofs);
    proofs->head = NULL;
    expect_fault(proofs);
    expect_fault(prove(1, 2, 0)); // a hole
    f.number = 0;
    size_t before = f.n;
    assert_int_equal(take(prove(0, 1, 0)), 0);
    store_others(1);
    expect_fault(prove(0, 1, before)); // again
    f.number = 1;
    expect_fault(prove(1, 2, 0)); // nothing that joins the head held here
    f.number = 1;
    assert_int_equal(take(prove(1, 2, before)), 0);
    assert_int_equal(count(FALSES), 0);
}

// Nobody can judge that here: it is left, and so is what comes behind it, until the next session.
static void test_an_unknown_key_is_left(void **state) {
    Keys other;
    store_batch(3);
    Dongbo__Proofs *good = prove(0, 1, 0);
    Keys exchange = f.exchange;
    assert_int_equal(keys_generate(&other), 0);
    f.exchange = other;
    assert_int_equal(take(prove(0, 1, 0)), 0);
    f.exchange = exchange;
    assert_int_equal(take(good), 0);
    assert_int_equal(proven(), 0);
    assert_int_equal(begin_session().proven_head, 0);
    assert_int_equal(take(good), 0);
    assert_int_equal(proven(), 3);
    assert_int_equal(begin_session().proven_sequence, 3);
    assert_int_equal(begin_session().proven_head, 1);
}

// A spool set back to an older copy seals others under the same sequences: that is no fault of the exchange's.
static void test_what_has_no_receipt_is_not_judged(void **state) {
    int64_t n = 0;
    store_batch(3);
    assert_int_equal(begin_session().receipt_sequence, 3);
    assert_int_equal(spool_begin(f.test->spool), 0);
    assert_int_equal(spool_unack(f.test->spool, f.stream.id, 0, &n), 0);
    assert_int_equal(spool_commit(f.test->spool), 0);
    assert_int_equal(begin_session().receipt_sequence, 0);
    f.batches[0].row.agency = 4;
    expect_fault(prove(0, 1, 0));
    assert_int_equal(count(FALSES), 0);
}

static void test_what_is_forgotten_is_proved_no_more(void **state) {
    store_batch(3);
    store_batch(2);
    assert_int_equal(take(prove(0, 2, 0)), 0);
    int64_t n = 0;
    assert_int_equal(spool_begin(f.test->spool), 0);
    assert_int_equal(spool_unack(f.test->spool, f.stream.id, 3, &n), 0);
    assert_int_equal(spool_commit(f.test->spool), 0);
    assert_int_equal(proven(), 3);
    assert_int_equal(count(PROOFS), 1);
}

static void test_what_is_let_go_needs_no_proof(void **state) {
    store_batch(3);
    store_batch(2);
    f.test->now_us += 8LL * 24 * 3600 * 1000000;
    assert_int_equal(spool_begin(f.test->spool), 0);
    assert_int_equal(spool_trim(f.test->spool), 0);
    assert_int_equal(spool_commit(f.test->spool), 0);
    assert_int_equal(begin_session().proven_sequence, 5);
    store_batch(1);
    assert_int_equal(take(prove(2, 3, 0)), 0);
    assert_int_equal(proven(), 6);
}

// While the session is on: nothing of the others follows from that.
static void test_what_is_let_go_hides_nothing_else(void **state) {
    store_batch(3);
    begin_session();
    f.test->now_us += 8LL * 24 * 3600 * 1000000;
    store_batch(2);
    assert_int_equal(spool_begin(f.test->spool), 0);
    assert_int_equal(spool_trim(f.test->spool), 0);
    assert_int_equal(spool_commit(f.test->spool), 0);
    Dongbo__Proofs *proofs = prove(0, 1, 0);
    proofs->batches[0]->last_sequence = 5;
    expect_fault(proofs);
    assert_int_equal(proven(), 0);
    f.number = 0;
    assert_int_equal(take(prove(0, 2, 0)), 0);
    assert_int_equal(proven(), 5);
    assert_int_equal(count(PROOFS), 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_true_ones_are_kept),
        TEST(test_every_bit_counts),
        TEST(test_what_is_false_is_kept),
        TEST(test_so_much_evidence_is_kept),
        TEST(test_what_is_not_signed_is_no_evidence),
        TEST(test_signed_heads_are_evidence),
        TEST(test_another_log),
        TEST(test_an_epoch_may_have_forgotten),
        TEST(test_an_epoch_may_have_got_it_again),
        TEST(test_faults_are_no_evidence),
        TEST(test_an_unknown_key_is_left),
        TEST(test_what_has_no_receipt_is_not_judged),
        TEST(test_what_is_forgotten_is_proved_no_more),
        TEST(test_what_is_let_go_needs_no_proof),
        TEST(test_what_is_let_go_hides_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
