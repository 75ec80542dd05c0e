// SPDX-License-Identifier: Apache-2.0
//
// What an agent believes of an exchange: what it signed, for this stream and this epoch, or this session.
#include "agents/answer.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct {
    Keys keys;
    Signer *signer;
    Verifier *verifier;
    Arena *arena;
    Bytes body;
    uint8_t stream[STREAM_BYTES], challenge[PROOFS_CHALLENGE_BYTES], signature[SIGNATURE_BYTES];
    Dongbo__EventVerdict verdict;
    Dongbo__EventVerdict *verdicts[1];
    Dongbo__VerdictsBody said;
    Dongbo__Verdicts message, told;
    AnswerTo to;
} f;

static int setup(void **state) {
    memset(&f, 0, sizeof f);
    assert_int_equal(keys_generate(&f.keys), 0);
    assert_int_equal(signer_new(&f.signer, f.keys.sign_secret), 0);
    assert_int_equal(verifier_new(&f.verifier, f.keys.sign_public), 0);
    assert_int_equal(arena_new(&f.arena, 1 << 20), 0);
    memset(f.stream, 5, STREAM_BYTES);
    dongbo__event_verdict__init(&f.verdict);
    f.verdict.sequence = 3;
    f.verdict.verdict = DONGBO__VERDICT__REJECTED;
    f.verdict.position = 77;
    f.verdicts[0] = &f.verdict;
    dongbo__verdicts_body__init(&f.said);
    f.said.stream = (ProtobufCBinaryData){STREAM_BYTES, f.stream};
    f.said.epoch = 2;
    f.said.last_position = 80;
    f.said.n_verdicts = 1;
    f.said.verdicts = f.verdicts;
    memset(f.challenge, 6, PROOFS_CHALLENGE_BYTES);
    f.to = (AnswerTo){f.stream, 2, false, f.challenge};
    return 0;
}

static int teardown(void **state) {
    signer_destroy(&f.signer);
    verifier_destroy(&f.verifier);
    arena_destroy(&f.arena);
    bytes_free(&f.body);
    return 0;
}

static void sign(const char *domain) {
    bytes_clear(&f.body);
    bytes_append_message(&f.body, &f.said.base);
    assert_int_equal(signer_sign(f.signer, domain, f.body.data, f.body.n, f.signature), 0);
    dongbo__verdicts__init(&f.message);
    f.message.body = (ProtobufCBinaryData){f.body.n, f.body.data};
    f.message.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, f.signature};
}

static int answer(void) {
    arena_reset(f.arena);
    return answer_verdicts(f.verifier, &f.to, &f.message, f.arena, &f.told);
}

static void expect_refused(const char *why) {
    assert_int_equal(answer(), ERROR_PEER);
    if (strstr(error_text(), why) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", error_text(), why);
}

static void test_what_is_signed_is_told(void **state) {
    sign("dongbo verdicts 1");
    assert_int_equal(answer(), 0);
    assert_int_equal(f.told.last_position, 80);
    assert_int_equal(f.told.n_verdicts, 1);
    assert_int_equal(f.told.verdicts[0]->position, 77);
    assert_false(f.told.more);
    f.to.signed_before = true;
    assert_int_equal(answer(), 0);
}

static void test_every_bit_counts(void **state) {
    sign("dongbo verdicts 1");
    for (size_t bit = 0; bit < 8 * f.body.n; bit++) {
        f.body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_refused("not signed by the exchange's key");
        f.body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < sizeof f.signature * 8; bit++) {
        f.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_refused("not signed by the exchange's key");
        f.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(answer(), 0);
}

static void test_signed_as_something_else(void **state) {
    sign("dongbo receipt 1");
    expect_refused("not signed by the exchange's key");
    f.message.signature.len = 0;
    expect_refused("not signed by the exchange's key");
}

static void test_of_another_stream_or_epoch(void **state) {
    f.said.epoch = 3;
    sign("dongbo verdicts 1");
    expect_refused("another stream, or in another epoch");
    f.said.epoch = 2;
    uint8_t other[STREAM_BYTES] = {1};
    f.said.stream.data = other;
    sign("dongbo verdicts 1");
    expect_refused("another stream, or in another epoch");
    f.said.stream.len = 0;
    sign("dongbo verdicts 1");
    expect_refused("another stream, or in another epoch");
}

static void test_positions_that_cannot_be(void **state) {
    f.said.last_position = UINT64_MAX;
    sign("dongbo verdicts 1");
    expect_refused("positions that cannot be");
    f.said.last_position = 80;
    f.verdict.position = UINT64_MAX;
    sign("dongbo verdicts 1");
    expect_refused("positions that cannot be");
}

// An exchange that is older than signatures may say so; one that has signed may not.
static void test_unsigned_ones_until_some_were_signed(void **state) {
    dongbo__verdicts__init(&f.message);
    f.message.last_position = 9;
    assert_int_equal(answer(), 1);
    assert_int_equal(f.told.last_position, 9);
    f.to.signed_before = true;
    expect_refused("this exchange signs them");
}

// ---- proofs --------------------------------------------------------------------------------------------------------

typedef struct SaidProofs {
    Dongbo__ProofsBody body;
    Dongbo__Proofs message, told;
} SaidProofs;

static SaidProofs prove(const uint8_t *stream, const uint8_t *challenge, const char *domain) {
    SaidProofs said = {.message = DONGBO__PROOFS__INIT};
    dongbo__proofs_body__init(&said.body);
    said.body.stream = (ProtobufCBinaryData){STREAM_BYTES, (uint8_t *)stream};
    said.body.challenge = (ProtobufCBinaryData){PROOFS_CHALLENGE_BYTES, (uint8_t *)challenge};
    said.body.older = 7;
    bytes_clear(&f.body);
    bytes_append_message(&f.body, &said.body.base);
    assert_int_equal(signer_sign(f.signer, domain, f.body.data, f.body.n, f.signature), 0);
    said.message.body = (ProtobufCBinaryData){f.body.n, f.body.data};
    said.message.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, f.signature};
    return said;
}

static int answer_said(SaidProofs *said) {
    arena_reset(f.arena);
    return answer_proofs(f.verifier, &f.to, &said->message, f.arena, &said->told);
}

static void test_proofs_are_of_this_session(void **state) {
    static const uint8_t OTHER[STREAM_BYTES] = {1};
    SaidProofs said = prove(f.stream, f.challenge, "dongbo proofs 1");
    assert_int_equal(answer_said(&said), 0);
    assert_int_equal(said.told.older, 7);
    said = prove(OTHER, f.challenge, "dongbo proofs 1");
    assert_int_equal(answer_said(&said), ERROR_PEER);
    said = prove(f.stream, OTHER, "dongbo proofs 1");
    assert_int_equal(answer_said(&said), ERROR_PEER);
    said = prove(f.stream, f.challenge, "dongbo verdicts 1");
    assert_int_equal(answer_said(&said), ERROR_PEER);
}

static void test_every_bit_of_proofs_counts(void **state) {
    SaidProofs said = prove(f.stream, f.challenge, "dongbo proofs 1");
    for (size_t bit = 0; bit < 8 * f.body.n; bit++) {
        f.body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(answer_said(&said), ERROR_PEER);
        f.body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    said.message.signature.len--;
    assert_int_equal(answer_said(&said), ERROR_PEER);
}

// Beside the signed ones nothing counts; without any they are said to be so.
static void test_unsigned_proofs(void **state) {
    SaidProofs said = prove(f.stream, f.challenge, "dongbo proofs 1");
    said.message.older = 9;
    assert_int_equal(answer_said(&said), 0);
    assert_int_equal(said.told.older, 7);
    said.message.body.len = 0;
    assert_int_equal(answer_said(&said), 1);
    assert_int_equal(said.told.older, 9);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_signed_is_told),
        TEST(test_every_bit_counts),
        TEST(test_signed_as_something_else),
        TEST(test_of_another_stream_or_epoch),
        TEST(test_positions_that_cannot_be),
        TEST(test_unsigned_ones_until_some_were_signed),
        TEST(test_proofs_are_of_this_session),
        TEST(test_every_bit_of_proofs_counts),
        TEST(test_unsigned_proofs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
