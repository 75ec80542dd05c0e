// SPDX-License-Identifier: Apache-2.0
//
// What is said of signed heads that do not go together, and that nothing is said of those that do.
#include "agents/head_watch.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

typedef struct Fixture {
    Keys keys, next;
    Signer *signer;
    HeadWatch *watch;
    Bytes body;
    uint8_t signature[SIGNATURE_BYTES], root[HASH_BYTES], hash[HASH_BYTES];
    char key_id[KEY_ID_TEXT_BYTES];
} Fixture;
static Fixture f;

static int set_up(void **state) {
    f = (Fixture){0};
    assert_int_equal(keys_generate(&f.keys), 0);
    assert_int_equal(signer_new(&f.signer, f.keys.sign_secret), 0);
    assert_int_equal(keys_generate(&f.next), 0);
    const uint8_t *const sign_keys[2] = {f.keys.sign_public, f.next.sign_public};
    assert_int_equal(head_watch_new(&f.watch, sign_keys, clock_system()), 0);
    keys_id(f.keys.sign_public, f.key_id);
    return 0;
}

static int tear_down(void **state) {
    signer_destroy(&f.signer);
    head_watch_destroy(&f.watch);
    bytes_free(&f.body);
    return 0;
}

// Of so many segments of ten entries each; the root is filled with `root`.
static Dongbo__SignedHead make(uint64_t number, uint64_t size, uint32_t epoch, uint8_t root) {
    static uint8_t previous[HASH_BYTES];
    Dongbo__TreeHead head = DONGBO__TREE_HEAD__INIT;
    Dongbo__SignedHead made = DONGBO__SIGNED_HEAD__INIT;
    memset(f.root, root, HASH_BYTES);
    memset(f.hash, root, HASH_BYTES);
    head.number = number;
    head.size = size;
    head.root = (ProtobufCBinaryData){HASH_BYTES, f.root};
    head.last_position = 10 * size;
    head.epoch = epoch;
    head.signed_at_us = 1;
    head.previous = (ProtobufCBinaryData){number == 1 ? 0 : HASH_BYTES, previous};
    head.key_id = f.key_id;
    head.segment_hash = (ProtobufCBinaryData){HASH_BYTES, f.hash};
    assert_int_equal(head_sign(&head, f.signer, &f.body, f.signature), 0);
    made.head = (ProtobufCBinaryData){f.body.n, f.body.data};
    made.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, f.signature};
    return made;
}

static const char *judge(uint64_t number, uint64_t size, uint32_t epoch, uint8_t root) {
    Dongbo__SignedHead head = make(number, size, epoch, root);
    return head_watch_judge(f.watch, &head, NULL);
}

static void test_a_log_that_grows(void **state) {
    assert_null(judge(1, 5, 1, 1));
    assert_null(judge(1, 5, 1, 1)); // told again
    assert_null(judge(4, 9, 1, 2));
    assert_null(judge(2, 6, 1, 3)); // from another broker, late
    assert_null(judge(3, 2, 2, 4)); // restored: another life
    assert_null(judge(5, 9, 2, 5));
}

static void test_two_logs(void **state) {
    assert_null(judge(4, 9, 2, 1));
    assert_string_equal(judge(4, 9, 2, 2), "is another one of the same number");
    assert_string_equal(judge(4, 10, 2, 1), "is another one of the same number");
    assert_string_equal(judge(5, 9, 2, 1), "is of a log that has shrunk");
    assert_string_equal(judge(5, 8, 2, 1), "is of a log that has shrunk");
    assert_string_equal(judge(3, 9, 2, 1), "is of a log that has shrunk");
    assert_string_equal(judge(5, 12, 1, 1), "is of an epoch that was over");
    assert_null(judge(5, 12, 2, 1)); // what was wrong is not what is gone on from
}

static void test_the_log_received_here(void **state) {
    SinkPlace place = {.epoch = 1, .position = 90};
    memset(place.hash, 1, HASH_BYTES);
    Dongbo__SignedHead head = make(1, 9, 1, 1);
    assert_null(head_watch_judge(f.watch, &head, &place));
    place.hash[0] = 2;
    assert_string_equal(head_watch_judge(f.watch, &head, &place), "is of another log than the one received here");
    place.position = 80; // not at the head: there is nothing to compare
    assert_null(head_watch_judge(f.watch, &head, &place));
}

static void test_signatures(void **state) {
    Dongbo__SignedHead head = make(1, 9, 1, 1);
    f.signature[7] ^= 1;
    assert_string_equal(head_watch_judge(f.watch, &head, NULL), "is not signed by the exchange's key");
    head.signature.len--;
    assert_string_equal(head_watch_judge(f.watch, &head, NULL), "cannot be read");
    head = make(1, 9, 1, 1);
    head.head.len--;
    assert_string_equal(head_watch_judge(f.watch, &head, NULL), "cannot be read");
    f.key_id[0] = f.key_id[0] == 'a' ? 'b' : 'a'; // by a key that is not known here
    head = make(1, 9, 1, 1);
    f.signature[7] ^= 1;
    assert_null(head_watch_judge(f.watch, &head, NULL));
    head_watch_take(f.watch, &head, NULL);
}

static void test_a_log_that_goes_on_under_the_next_key(void **state) {
    assert_null(judge(4, 9, 1, 1));
    signer_destroy(&f.signer);
    assert_int_equal(signer_new(&f.signer, f.next.sign_secret), 0);
    Dongbo__SignedHead head = make(5, 12, 1, 2);
    assert_string_equal(head_watch_judge(f.watch, &head, NULL), "is not signed by the exchange's key");
    keys_id(f.next.sign_public, f.key_id);
    assert_string_equal(judge(5, 8, 1, 2), "is of a log that has shrunk");
    assert_null(judge(5, 12, 1, 2));
}

// What is kept over a restart is enough to judge by.
static void test_a_watch_that_was_started_again(void **state) {
    Bytes line = {0};
    assert_null(judge(4, 9, 1, 1));
    assert_true(head_watch_is_fresh(f.watch));
    head_watch_line(f.watch, &line);
    assert_false(head_watch_is_fresh(f.watch));
    assert_null(judge(4, 9, 1, 1));
    assert_false(head_watch_is_fresh(f.watch));
    for (size_t n = 0; n <= line.n; n++) { // cut anywhere, it is none
        const uint8_t *const sign_keys[2] = {f.keys.sign_public, NULL};
        head_watch_destroy(&f.watch);
        assert_int_equal(head_watch_new(&f.watch, sign_keys, clock_system()), 0);
        head_watch_resume(f.watch, (const char *)line.data, n);
        assert_false(head_watch_is_fresh(f.watch));
        const char *wrong = judge(4, 9, 1, 2);
        if (n >= line.n - 2) // all but its end
            assert_string_equal(wrong, "is another one of the same number");
        else
            assert_null(wrong);
    }
    line.data[line.n - 20] ^= 1; // of its signature
    const uint8_t *const sign_keys[2] = {f.keys.sign_public, NULL};
    head_watch_destroy(&f.watch);
    assert_int_equal(head_watch_new(&f.watch, sign_keys, clock_system()), 0);
    head_watch_resume(f.watch, (const char *)line.data, line.n);
    assert_null(judge(4, 9, 1, 2));
    bytes_free(&line);
}

// The key changed while it was away, or long before: the heads of both keys are one chain.
static void test_a_kept_head_by_a_key_that_is_gone(void **state) {
    Bytes line = {0};
    assert_null(judge(4, 9, 1, 1));
    head_watch_line(f.watch, &line);
    for (int whole = 1; whole >= 0; whole--) {
        const uint8_t *const sign_keys[2] = {f.next.sign_public, NULL};
        head_watch_destroy(&f.watch);
        assert_int_equal(head_watch_new(&f.watch, sign_keys, clock_system()), 0);
        head_watch_resume(f.watch, (const char *)line.data, whole ? line.n : line.n / 2);
        assert_false(head_watch_is_fresh(f.watch));
        signer_destroy(&f.signer);
        assert_int_equal(signer_new(&f.signer, f.next.sign_secret), 0);
        keys_id(f.next.sign_public, f.key_id);
        const char *other = judge(4, 9, 1, 2), *shrunk = judge(5, 8, 1, 2);
        if (whole) {
            assert_string_equal(other, "is another one of the same number");
            assert_string_equal(shrunk, "is of a log that has shrunk");
            assert_null(judge(5, 12, 1, 2));
            assert_true(head_watch_is_fresh(f.watch));
        } else {
            assert_null(other);
        }
    }
    bytes_free(&line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_log_that_grows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_logs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_log_received_here, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signatures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_log_that_goes_on_under_the_next_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_kept_head_by_a_key_that_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_watch_that_was_started_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
