// SPDX-License-Identifier: Apache-2.0
//
// A log's heads as one chain: what goes on is taken over, and what was written anew, set back, or changed by a bit is
// not.
#include "agents/chain.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "proto/inclusion.h"
#include "proto/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define LEAVES 200

typedef struct Log { // what an exchange has, and what it may show of it
    uint8_t leaves[LEAVES][HASH_BYTES];
    uint32_t epoch;
    Keys *keys;
} Log;
typedef struct Made { // head
    Bytes body;
    uint8_t signature[SIGNATURE_BYTES];
    Dongbo__SignedHead head;
} Made;
typedef struct Fixture {
    Keys keys, next, strange;
    Merkle *merkle;
    Chain *chain;
    Log log;
    Made made[16];
    Dongbo__Heads answer;
    Dongbo__SignedHead *heads[16];
    ProofPath path;
    ProtobufCBinaryData pieces[PROOF_MAX];
    ChainJudgement judgement;
    Bytes announcement;
} Fixture;
static Fixture f;

static int set_up(void **state) {
    f = (Fixture){0};
    assert_int_equal(keys_generate(&f.keys), 0);
    assert_int_equal(keys_generate(&f.next), 0);
    assert_int_equal(keys_generate(&f.strange), 0);
    assert_int_equal(merkle_new(&f.merkle), 0);
    const uint8_t *const sign_keys[2] = {f.keys.sign_public, f.next.sign_public};
    assert_int_equal(chain_new(&f.chain, sign_keys), 0);
    f.log = (Log){.epoch = 1, .keys = &f.keys};
    for (int i = 0; i < LEAVES; i++)
        memset(f.log.leaves[i], i, HASH_BYTES);
    return 0;
}

static int tear_down(void **state) {
    for (size_t i = 0; i < sizeof f.made / sizeof *f.made; i++)
        bytes_free(&f.made[i].body);
    bytes_free(&f.announcement);
    chain_destroy(&f.chain);
    merkle_destroy(&f.merkle);
    return 0;
}

static void root_of(uint64_t first, uint64_t end, uint8_t out[HASH_BYTES]) {
    Frontier frontier = {0};
    for (uint64_t i = first; i < end; i++)
        frontier_add(f.merkle, &frontier, f.log.leaves[i]);
    frontier_root(f.merkle, &frontier, out);
}

// Of the log as it is, into slot i; `before` NULL: none is named.
static void make(int i, uint64_t number, uint64_t size, const Made *before) {
    Made *made = &f.made[i];
    Signer *signer = NULL;
    Dongbo__TreeHead head = DONGBO__TREE_HEAD__INIT;
    uint8_t root[HASH_BYTES], previous[HASH_BYTES] = {0};
    char key_id[KEY_ID_TEXT_BYTES];
    root_of(0, size, root);
    keys_id(f.log.keys->sign_public, key_id);
    if (before != NULL)
        head_hash(f.merkle, before->head.head, previous);
    head.number = number;
    head.size = size;
    head.root = head.segment_hash = (ProtobufCBinaryData){HASH_BYTES, root};
    head.last_position = 10 * size;
    head.epoch = f.log.epoch;
    head.signed_at_us = (int64_t)number;
    head.previous = (ProtobufCBinaryData){number == 1 ? 0 : HASH_BYTES, previous};
    head.key_id = key_id;
    assert_int_equal(signer_new(&signer, f.log.keys->sign_secret), 0);
    assert_int_equal(head_sign(&head, signer, &made->body, made->signature), 0);
    signer_destroy(&signer);
    dongbo__signed_head__init(&made->head);
    made->head.head = (ProtobufCBinaryData){made->body.n, made->body.data};
    made->head.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, made->signature};
}

// An answer with heads of these slots, [first, end), the last of which is also the newest, of `size` segments.
static void show(int first, int end, uint64_t size) {
    ProofRange ranges[PROOF_MAX];
    uint64_t number = 0, old = 0;
    chain_place(f.chain, &number, &old);
    dongbo__heads__init(&f.answer);
    for (int i = first; i < end; i++)
        f.heads[i - first] = &f.made[i].head;
    f.answer.heads = f.heads;
    f.answer.n_heads = (size_t)(end - first);
    f.answer.newest = &f.made[end - 1].head;
    f.path.n = old > 0 && old <= size && end > first ? proof_consistency(old, size, ranges) : 0;
    for (size_t i = 0; i < f.path.n; i++) {
        root_of(ranges[i].first, ranges[i].end, f.path.hashes[i]);
        f.pieces[i] = (ProtobufCBinaryData){HASH_BYTES, f.path.hashes[i]};
    }
    f.answer.path = f.pieces;
    f.answer.n_path = f.path.n;
}

static ChainVerdict take(void) {
    assert_int_equal(chain_take(f.chain, &f.answer, &f.judgement), 0);
    return f.judgement.verdict;
}

static void begin(void) {
    make(0, 7, 30, NULL);
    show(0, 0 + 1, 30);
    f.answer.n_heads = 0;
    assert_int_equal(take(), CHAIN_BEGINS);
}

static void assert_at(uint64_t number, uint64_t size) {
    uint64_t is = 0, of = 0;
    chain_place(f.chain, &is, &of);
    assert_int_equal(is, number);
    assert_int_equal(of, size);
}

static void assert_both(int older, int newer) {
    assert_memory_equal(f.judgement.older.head, f.made[older].body.data, f.judgement.older.head_n);
    assert_memory_equal(f.judgement.newer.head, f.made[newer].body.data, f.judgement.newer.head_n);
    assert_memory_equal(f.judgement.newer.signature, f.made[newer].signature, SIGNATURE_BYTES);
}

static void test_goes_on(void **state) {
    begin();
    assert_int_equal(take(), CHAIN_NOTHING);
    make(1, 8, 31, &f.made[0]);
    make(2, 9, 77, &f.made[1]);
    show(1, 3, 77);
    assert_int_equal(take(), CHAIN_GOES_ON);
    assert_false(f.judgement.more);
    assert_at(9, 77);
    make(3, 10, 100, &f.made[2]);
    make(4, 11, 101, &f.made[3]);
    show(3, 4, 100);
    f.answer.newest = &f.made[4].head;
    assert_int_equal(take(), CHAIN_GOES_ON);
    assert_true(f.judgement.more);
    f.log.epoch = 2; // failed over, and nothing was lost
    make(5, 11, 150, &f.made[3]);
    show(5, 6, 150);
    assert_int_equal(take(), CHAIN_GOES_ON);
    assert_at(11, 150);
}

static void test_nothing_was_signed_yet(void **state) {
    dongbo__heads__init(&f.answer);
    assert_int_equal(take(), CHAIN_NOTHING);
    assert_at(0, 0);
}

// Whatever is changed of an answer, by a bit or a hash, nothing is taken over.
static void test_every_bit(void **state) {
    begin();
    make(1, 8, 45, &f.made[0]);
    make(2, 9, 77, &f.made[1]);
    show(1, 3, 77);
    for (int i = 1; i < 3; i++) {
        for (size_t bit = 0; bit < 8 * f.made[i].body.n; bit++) {
            f.made[i].body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            ChainVerdict verdict = take();
            assert_true(verdict == CHAIN_NO_ANSWER || verdict == CHAIN_NO_KEY);
            f.made[i].body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * SIGNATURE_BYTES; bit++) {
            f.made[i].signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(take(), CHAIN_NO_ANSWER);
            f.made[i].signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    assert_true(f.path.n > 3);
    for (size_t bit = 0; bit < 8 * HASH_BYTES * f.path.n; bit++) {
        f.path.hashes[bit / 256][bit % 256 / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(take(), CHAIN_UNPROVEN);
        f.path.hashes[bit / 256][bit % 256 / 8] ^= (uint8_t)(1 << bit % 8);
    }
    f.answer.n_path--;
    assert_int_equal(take(), CHAIN_UNPROVEN);
    assert_both(0, 2);
    f.answer.n_path++;
    f.pieces[1].len--;
    assert_int_equal(take(), CHAIN_UNPROVEN);
    f.pieces[1].len++;
    assert_at(7, 30);
    assert_int_equal(take(), CHAIN_GOES_ON);
}

static void test_a_past_that_was_written_anew(void **state) {
    begin();
    memset(f.log.leaves[12], 99, HASH_BYTES);
    make(1, 7, 30, NULL); // its beginning now
    make(2, 8, 40, &f.made[1]);
    show(2, 3, 40);
    assert_int_equal(take(), CHAIN_BROKEN);
    assert_both(0, 2);
    show(1, 2, 30);
    f.answer.n_heads = 0;
    assert_int_equal(take(), CHAIN_BROKEN); // the same number
    assert_both(0, 1);
    make(3, 6, 35, NULL);
    show(3, 4, 35);
    f.answer.n_heads = 0;
    assert_int_equal(take(), CHAIN_BROKEN); // an earlier one of a longer log
    make(4, 8, 40, &f.made[0]);
    show(4, 5, 40);
    assert_int_equal(take(), CHAIN_UNPROVEN); // whoever signed it names the true head, of a log that is another
    assert_both(0, 4);
    make(5, 8, 29, &f.made[0]);
    show(5, 6, 29);
    assert_int_equal(take(), CHAIN_BROKEN); // and one that is shorter
    assert_at(7, 30);
}

static void test_set_back(void **state) {
    begin();
    f.log.epoch = 2;
    make(1, 5, 20, NULL);
    show(1, 2, 20);
    f.answer.n_heads = 0;
    assert_int_equal(take(), CHAIN_SET_BACK);
    assert_both(0, 1);
    memset(f.log.leaves[25], 99, HASH_BYTES);
    make(2, 7, 30, NULL);
    make(3, 8, 40, &f.made[2]);
    show(3, 4, 40);
    assert_int_equal(take(), CHAIN_SET_BACK);
    assert_at(7, 30);
    assert_int_equal(chain_begin(f.chain, &f.answer, &f.judgement), 0);
    assert_int_equal(f.judgement.verdict, CHAIN_BEGINS);
    assert_at(8, 40);
    f.log.epoch = 1; // the life that was over does not come again
    make(4, 9, 50, NULL);
    show(4, 5, 50);
    assert_int_equal(take(), CHAIN_NO_ANSWER);
    f.answer.n_heads = 0;
    assert_int_equal(take(), CHAIN_BEHIND);
}

static void test_what_lags(void **state) {
    make(1, 5, 20, NULL);
    begin();
    show(1, 2, 20);
    f.answer.n_heads = 0;
    assert_int_equal(take(), CHAIN_BEHIND); // nothing wrong with it, but for its being old
    assert_both(0, 1);
    make(2, 9, 40, NULL);
    show(2, 3, 40);
    assert_int_equal(take(), CHAIN_NO_ANSWER); // a head is left out
    f.answer.n_heads = 0;
    assert_int_equal(take(), CHAIN_BEHIND);
}

// ---- keys ----------------------------------------------------------------------------------------------------------

// The log's segment at this place, and the proof that it is in the tree of `size`, into f.announcement.
static void announce(uint64_t at, uint64_t size, const Keys *keys) {
    static char text[160];
    char hex[2 * KEY_BYTES + 1], id[KEY_ID_TEXT_BYTES];
    static uint8_t commitment[HASH_BYTES] = {7};
    uint8_t root[HASH_BYTES];
    hex_encode(keys->sign_public, KEY_BYTES, hex);
    keys_id(keys->sign_public, id);
    snprintf(text, sizeof text, "heads of the log are signed with key %s (id %s) from here on", hex, id);
    Dongbo__SummaryLine line = DONGBO__SUMMARY_LINE__INIT;
    Dongbo__LogSegment segment = DONGBO__LOG_SEGMENT__INIT;
    Dongbo__EntryProof proof = DONGBO__ENTRY_PROOF__INIT;
    line.kind = DONGBO__ENTRY_KIND__ENTRY_POLICY;
    line.text = text;
    line.commitment = (ProtobufCBinaryData){HASH_BYTES, commitment};
    segment.format = 2;
    segment.kind = DONGBO__ENTRY_KIND__ENTRY_POLICY;
    segment.first_position = segment.last_position = proof.position = 10 * at;
    segment.epoch = 1;
    segment.leaf_index = at;
    const InclusionRow row = {
        .epoch = 1, .first_position = 10 * at, .last_position = 10 * at, .kind = (int)segment.kind};
    assert_int_equal(inclusion_line(f.merkle, &line, root), 0);
    inclusion_leaf(f.merkle, &row, root, f.log.leaves[at]);
    ProofRange ranges[PROOF_MAX];
    ProofPath path;
    ProtobufCBinaryData pieces[PROOF_MAX];
    path.n = proof_inclusion(at, size, ranges);
    for (size_t i = 0; i < path.n; i++) {
        root_of(ranges[i].first, ranges[i].end, path.hashes[i]);
        pieces[i] = (ProtobufCBinaryData){HASH_BYTES, path.hashes[i]};
    }
    proof.line = &line;
    proof.segment = &segment;
    proof.segment_path = pieces;
    proof.n_segment_path = path.n;
    bytes_clear(&f.announcement);
    bytes_append_message(&f.announcement, &proof.base);
}

static void show_announced(int first, int end, uint64_t size) {
    show(first, end, size);
    f.answer.announcement = (ProtobufCBinaryData){f.announcement.n, f.announcement.data};
}

static void test_a_key_that_the_former_ones_log_announced(void **state) {
    announce(25, 30, &f.strange); // nobody handed it over
    begin();
    f.log.keys = &f.strange;
    make(1, 8, 40, &f.made[0]);
    for (size_t bit = 0; bit < 8 * f.announcement.n; bit++) {
        f.announcement.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        show_announced(1, 2, 40);
        assert_int_equal(take(), CHAIN_NO_KEY);
        f.announcement.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    show_announced(1, 2, 40);
    assert_int_equal(take(), CHAIN_GOES_ON);
    assert_at(8, 40);
    const Dongbo__TreeHead *tree = NULL;
    assert_memory_equal(chain_last(f.chain, &tree)->key, f.strange.sign_public, KEY_BYTES);
    make(2, 9, 50, &f.made[1]);
    show(2, 3, 50);
    assert_int_equal(take(), CHAIN_GOES_ON); // under the same one
}

static void test_a_key_that_was_handed_over(void **state) {
    begin();
    announce(35, 40, &f.next); // behind the former one's last head
    f.log.keys = &f.next;
    make(1, 8, 40, &f.made[0]);
    show(1, 2, 40);
    assert_int_equal(take(), CHAIN_NO_KEY); // it is known, but nothing announces it
    assert_at(7, 30);
    show_announced(1, 2, 40);
    assert_int_equal(take(), CHAIN_GOES_ON);
}

// By the exchange's present key, while it runs; and another one behind it.
static void test_a_key_that_was_learnt(void **state) {
    begin();
    announce(35, 40, &f.strange);
    f.log.keys = &f.strange;
    make(1, 8, 40, &f.made[0]);
    show_announced(1, 2, 40);
    assert_int_equal(take(), CHAIN_NO_KEY);
    assert_int_equal(chain_know(f.chain, f.strange.sign_public), 0);
    assert_int_equal(chain_know(f.chain, f.strange.sign_public), 0);
    show_announced(1, 2, 40);
    assert_int_equal(take(), CHAIN_GOES_ON);
    Keys third;
    assert_int_equal(keys_generate(&third), 0);
    assert_int_equal(chain_know(f.chain, third.sign_public), 0);
    make(2, 9, 50, &f.made[1]);
    show(2, 3, 50);
    assert_int_equal(take(), CHAIN_GOES_ON);
}

// Its own log may say what it likes.
static void test_a_key_that_announces_itself(void **state) {
    begin();
    announce(35, 40, &f.strange);
    f.log.keys = &f.strange;
    make(1, 8, 40, &f.made[0]);
    show_announced(1, 2, 40);
    assert_int_equal(take(), CHAIN_NO_KEY);
    char id[KEY_ID_TEXT_BYTES];
    keys_id(f.strange.sign_public, id);
    assert_string_equal(f.judgement.key_id, id);
    assert_at(7, 30);
}

// What is kept is enough to go on from; a line that was changed by a bit is not one's own.
static void test_resumed(void **state) {
    const Dongbo__TreeHead *tree = NULL;
    Bytes line = {0};
    Signer *signer = NULL;
    Verifier *verifier = NULL;
    Cosigned kept, read;
    Keys own;
    assert_int_equal(keys_generate(&own), 0);
    assert_int_equal(signer_new(&signer, own.sign_secret), 0);
    assert_int_equal(verifier_new(&verifier, own.sign_public), 0);
    begin();
    kept = *chain_last(f.chain, &tree);
    assert_int_equal(cosigned_check(&kept, verifier), 1);
    assert_int_equal(cosigned_sign(&kept, signer, own.sign_public, 12345), 0);
    cosigned_write(&kept, tree, "a \"note\"", &line);
    assert_int_equal(cosigned_read((char *)line.data, line.n, &read), 0);
    assert_memory_equal(&read, &kept, sizeof kept);
    size_t good = 0;
    for (size_t bit = 0; bit < 8 * line.n; bit++) {
        line.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (cosigned_read((char *)line.data, line.n, &read) == 0 && cosigned_check(&read, verifier) == 0) {
            good++; // what people read of it, or the case of a digit
            assert_memory_equal(read.head, kept.head, kept.head_n);
            assert_memory_equal(read.signature, kept.signature, SIGNATURE_BYTES);
            assert_int_equal(read.at_us, kept.at_us);
        }
        line.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(good < 4 * line.n);
    tear_down(NULL);
    Keys keys = f.keys;
    set_up(NULL);
    f.keys = keys;
    assert_int_equal(chain_resume(f.chain, &kept), 0); // by a key that its file has no more
    assert_at(7, 30);
    f.log.keys = &f.keys;
    make(1, 7, 30, NULL);
    make(2, 8, 40, &f.made[1]);
    show(2, 3, 40);
    assert_int_equal(take(), CHAIN_GOES_ON);
    bytes_free(&line);
    signer_destroy(&signer);
    verifier_destroy(&verifier);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_was_signed_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_past_that_was_written_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_lags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_that_the_former_ones_log_announced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_that_was_handed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_that_was_learnt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_that_announces_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resumed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
