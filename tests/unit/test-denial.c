// SPDX-License-Identifier: Apache-2.0
//
// What ends a peer is the exchange's word when it was signed for this peer, this challenge, and these words.
#include "proto/denial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct {
    Keys exchange, peer;
    Signer *signer;
    char name[DENIAL_PEER_BYTES];
    DenialAsked asked;
    Denial said;
    uint8_t buffer[SIGNATURE_BYTES];
    ProtobufCBinaryData signature;
} f;

static int set_up(void **state) {
    uint8_t challenge[DENIAL_CHALLENGE_BYTES] = {1, 2, 3};
    memset(&f, 0, sizeof f);
    assert_int_equal(keys_generate(&f.exchange), 0);
    assert_int_equal(keys_generate(&f.peer), 0);
    assert_int_equal(signer_new(&f.signer, f.exchange.sign_secret), 0);
    denial_peer_of_key(f.peer.curve_public, f.name);
    denial_ask(&f.asked, (ProtobufCBinaryData){sizeof challenge, challenge});
    f.said = (Denial){f.name, &f.asked, FRAME_ERROR, DONGBO__ERROR__CODE__SESSION_REPLACED, "Another one."};
    f.signature = denial_sign(f.signer, &f.said, f.buffer);
    return 0;
}

static int tear_down(void **state) {
    signer_destroy(&f.signer);
    return 0;
}

static bool holds(Denial said) {
    return denial_is_signed(&said, f.exchange.sign_public, f.signature);
}

static void test_what_is_signed_holds(void **state) {
    assert_int_equal(f.signature.len, SIGNATURE_BYTES);
    assert_true(holds(f.said));
    for (size_t bit = 0; bit < 8 * SIGNATURE_BYTES; bit++) {
        f.buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(holds(f.said));
        f.buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    f.signature.len = 0;
    assert_false(holds(f.said));
}

static void test_each_part_counts(void **state) {
    Denial said = f.said;
    said.peer = "0011223344556677";
    assert_false(holds(said));
    said = f.said;
    said.type = FRAME_REFUSAL;
    assert_false(holds(said));
    said = f.said;
    said.code = DONGBO__ERROR__CODE__BAD_VERSION;
    assert_false(holds(said));
    said = f.said;
    said.text = "Another one";
    assert_false(holds(said));
    for (size_t bit = 0; bit < 8 * DENIAL_CHALLENGE_BYTES; bit++) {
        f.asked.challenge[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(holds(f.said));
        f.asked.challenge[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(holds(f.said));
    assert_false(denial_is_signed(&f.said, f.peer.sign_public, f.signature));
    f.asked.asked = false;
    assert_false(holds(f.said));
}

// Nobody asked, it passes by itself, or the peer has no such name.
static void test_what_is_not_signed(void **state) {
    static const int PASSING[] = {DONGBO__ERROR__CODE__INTERNAL, DONGBO__ERROR__CODE__TOO_OFTEN,
                                  DONGBO__ERROR__CODE__NO_SESSION};
    Denial said = f.said;
    for (size_t i = 0; i < sizeof PASSING / sizeof *PASSING; i++) {
        said.code = PASSING[i];
        assert_int_equal(denial_sign(f.signer, &said, f.buffer).len, 0);
    }
    said.type = FRAME_REFUSAL;
    said.code = DONGBO__REFUSAL__CODE__OVERLOADED;
    assert_int_equal(denial_sign(f.signer, &said, f.buffer).len, 0);
    said.code = DONGBO__REFUSAL__CODE__FENCED;
    assert_int_equal(denial_sign(f.signer, &said, f.buffer).len, SIGNATURE_BYTES);
    said.peer = "";
    assert_int_equal(denial_sign(f.signer, &said, f.buffer).len, 0);
    denial_ask(&f.asked, (ProtobufCBinaryData){DENIAL_CHALLENGE_BYTES - 1, f.buffer});
    assert_int_equal(denial_sign(f.signer, &f.said, f.buffer).len, 0);
}

static void test_a_peer_by_its_user(void **state) {
    assert_string_equal(denial_peer_of_user("agency:3:0011223344556677"), "0011223344556677");
    assert_string_equal(denial_peer_of_user(""), "");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_signed_holds),
        TEST(test_each_part_counts),
        TEST(test_what_is_not_signed),
        TEST(test_a_peer_by_its_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
