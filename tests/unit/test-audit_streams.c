// SPDX-License-Identifier: Apache-2.0
//
// Streams that go on, leave something out or repeat it, however many there are.
#include "broker/audit_streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static AuditStreams *streams;

static int set_up(void **state) {
    assert_int_equal(audit_streams_new(&streams), 0);
    return 0;
}

static int tear_down(void **state) {
    audit_streams_destroy(&streams);
    return 0;
}

static uint64_t should;

static int take(uint64_t stream, uint64_t first, uint64_t last, bool whole) {
    uint8_t id[STREAM_BYTES] = {0};
    memcpy(id + 8, &stream, sizeof stream); // streams that differ in few bits
    return audit_streams_take(streams, &(AuditRange){id, first, last}, whole, &should);
}

static void test_goes_on(void **state) {
    assert_int_equal(take(1, 1, 10, true), 0);
    assert_int_equal(take(2, 1, 1, true), 0);
    assert_int_equal(take(1, 11, 11, true), 0);
    assert_int_equal(take(2, 2, 900, true), 0);
    assert_int_equal(audit_streams_count(streams), 2);
}

static void test_holes_and_repetitions(void **state) {
    assert_int_equal(take(1, 2, 10, true), 1); // its beginning is missing
    assert_int_equal(should, 1);
    assert_int_equal(take(1, 12, 20, true), 1);
    assert_int_equal(should, 11);
    assert_int_equal(take(1, 12, 20, true), 1); // what stands there is gone on from
    assert_int_equal(should, 21);
    assert_int_equal(take(1, 21, 30, true), 0);
    assert_int_equal(take(1, 30, 31, true), 1);
}

static void test_from_the_middle(void **state) {
    assert_int_equal(take(1, 50, 60, false), 0); // nothing is known of what was before
    assert_int_equal(take(1, 62, 70, false), 1);
    assert_int_equal(should, 61);
}

static void test_many(void **state) {
    for (uint64_t round = 0; round < 3; round++)
        for (uint64_t stream = 0; stream < 50000; stream++)
            assert_int_equal(take(stream, 10 * round + 1, 10 * round + 10, true), 0);
    assert_int_equal(audit_streams_count(streams), 50000);
    assert_int_equal(take(31415, 32, 40, true), 1);
    assert_int_equal(should, 31);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_holes_and_repetitions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_from_the_middle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
