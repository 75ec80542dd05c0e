// SPDX-License-Identifier: Apache-2.0
//
// One frame's proofs that found no memory are no reason for the next ones to go without.
#include "broker/feed_origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static int append_nothing(OriginParts *parts) {
    return feed_origins_append(NULL, &(OriginAsk){.right = ORIGIN_NOT}, parts);
}

static void test_memory_comes_back(void **state) {
    OriginParts parts = {0};
    assert_int_equal(append_nothing(&parts), 0);
    assert_null(bytes_reserve(&parts.proofs.bytes, SIZE_MAX / 2));
    assert_null(bytes_reserve(&parts.batches.bytes, SIZE_MAX / 2));
    assert_true(append_nothing(&parts) < 0);
    origin_parts_clear(&parts);
    assert_int_equal(append_nothing(&parts), 0);
    assert_int_equal(parts.proofs.n, 1);
    assert_false(parts.batches.bytes.failed);
    origin_parts_free(&parts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
