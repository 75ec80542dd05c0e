// SPDX-License-Identifier: Apache-2.0
//
// An answer to AskHeads is the exchange's word when it signed it for this very question.
#include "agents/heads_answer.h"

#include "proto/denial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct {
    Keys keys, strange;
    Chain *chain;
    Arena *arena;
    uint8_t challenge[DENIAL_CHALLENGE_BYTES], signature[SIGNATURE_BYTES];
    HeadsQuestion question;
    Bytes body;
    Dongbo__Heads answer, said;
} f;

static int set_up(void **state) {
    memset(&f, 0, sizeof f);
    assert_int_equal(keys_generate(&f.keys), 0);
    assert_int_equal(keys_generate(&f.strange), 0);
    assert_int_equal(chain_new(&f.chain, (const uint8_t *const[2]){f.keys.sign_public, NULL}), 0);
    assert_int_equal(arena_new(&f.arena, 64 * 1024), 0);
    memset(f.challenge, 6, sizeof f.challenge);
    f.question = (HeadsQuestion){5, 70, f.challenge};
    return 0;
}

static int tear_down(void **state) {
    chain_destroy(&f.chain);
    arena_destroy(&f.arena);
    bytes_free(&f.body);
    return 0;
}

static void say(const Keys *by, const char *domain) {
    Signer *signer;
    Dongbo__HeadsBody body = DONGBO__HEADS_BODY__INIT;
    ProtobufCBinaryData hash = {6, (uint8_t *)"a hash"};
    body.challenge = (ProtobufCBinaryData){sizeof f.challenge, f.challenge};
    body.after = 5;
    body.size = 70;
    body.n_path = 1;
    body.path = &hash;
    bytes_clear(&f.body);
    bytes_append_message(&f.body, &body.base);
    assert_int_equal(signer_new(&signer, by->sign_secret), 0);
    assert_int_equal(signer_sign(signer, domain, f.body.data, f.body.n, f.signature), 0);
    signer_destroy(&signer);
    dongbo__heads__init(&f.answer);
    f.answer.body = (ProtobufCBinaryData){f.body.n, f.body.data};
    f.answer.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, f.signature};
}

static int open_it(void) {
    arena_reset(f.arena);
    return heads_answer_open(&f.question, f.chain, &f.answer, f.arena, &f.said);
}

static void test_what_is_signed_is_told(void **state) {
    say(&f.keys, "dongbo heads 1");
    f.answer.n_path = 0;
    assert_int_equal(open_it(), 0);
    assert_int_equal(f.said.n_path, 1);
    for (size_t bit = 0; bit < 8 * f.body.n; bit++) {
        f.body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(open_it(), 0);
        f.body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    f.answer.signature.len--;
    assert_int_equal(open_it(), 1);
}

static void test_of_another_question(void **state) {
    uint8_t other[DENIAL_CHALLENGE_BYTES] = {0};
    say(&f.keys, "dongbo heads 1");
    f.question.after = 6;
    assert_int_equal(open_it(), 1);
    f.question = (HeadsQuestion){5, 71, f.challenge};
    assert_int_equal(open_it(), 1);
    f.question = (HeadsQuestion){5, 70, other};
    assert_int_equal(open_it(), 1);
}

// It is told all the same: its heads may prove that the log announced the key.
static void test_by_somebody_else(void **state) {
    say(&f.strange, "dongbo heads 1");
    assert_int_equal(open_it(), 1);
    assert_int_equal(f.said.n_path, 1);
    assert_int_equal(chain_know(f.chain, f.strange.sign_public), 0);
    assert_int_equal(open_it(), 0);
    say(&f.keys, "dongbo proofs 1");
    assert_int_equal(open_it(), 1);
}

static void test_unsigned_and_unreadable(void **state) {
    uint8_t wrong[] = {0xff, 0xff};
    say(&f.keys, "dongbo heads 1");
    f.answer.body = (ProtobufCBinaryData){sizeof wrong, wrong};
    assert_int_equal(open_it(), 2);
    f.answer.body.len = 0;
    f.answer.announcement = (ProtobufCBinaryData){sizeof wrong, wrong};
    assert_int_equal(open_it(), 1);
    assert_int_equal(f.said.announcement.len, sizeof wrong);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_signed_is_told),
        TEST(test_of_another_question),
        TEST(test_by_somebody_else),
        TEST(test_unsigned_and_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
