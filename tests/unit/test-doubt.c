// SPDX-License-Identifier: Apache-2.0
//
// How long somebody waits whom nobody's word would have ended: longer each time, never for ever, and said once.
#include "agents/doubt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct {
    int64_t now_ms;
    Clock clock;
} f;

static int64_t now_ms(void *self) {
    return f.now_ms;
}

static int random_bytes(void *self, uint8_t *out, size_t n) {
    memset(out, 128, n);
    return 0;
}

static int64_t again(Doubt *doubt) {
    assert_int_equal(doubt_begin(doubt, &f.clock), 0);
    int64_t pause_ms = doubt_pause_ms(doubt);
    assert_int_equal(doubt_pause_ms(doubt), 0);
    f.now_ms += pause_ms;
    return pause_ms;
}

static void test_waits_longer_each_time(void **state) {
    Doubt doubt = {0};
    assert_int_equal(doubt_pause_ms(&doubt), 0);
    int64_t first = again(&doubt), before = first;
    assert_true(first >= 2000);
    for (int i = 0; i < 6; i++) {
        int64_t next = again(&doubt);
        assert_int_equal(next, 2 * before);
        before = next;
    }
    assert_int_equal(again(&doubt), before);
    assert_true(before <= 600000);
    f.now_ms += 3000000; // whoever takes turns with another waits as long for them
    assert_int_equal(again(&doubt), before);
    f.now_ms += 4000000; // an hour without any
    assert_int_equal(again(&doubt), first);
}

static void test_asks_by_a_challenge(void **state) {
    Doubt doubt = {0};
    ProtobufCBinaryData challenge;
    assert_int_equal(doubt_ask(&doubt, &f.clock, &challenge), 0);
    assert_int_equal(challenge.len, DENIAL_CHALLENGE_BYTES);
    assert_int_equal(challenge.data[3], 128);
    assert_true(doubt.asked.asked);
}

int main(void) {
    f.now_ms = 5000000;
    f.clock = (Clock){.monotonic_ms = now_ms, .random = random_bytes};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_longer_each_time),
        cmocka_unit_test(test_asks_by_a_challenge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
