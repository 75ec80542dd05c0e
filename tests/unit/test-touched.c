// SPDX-License-Identifier: Apache-2.0
//
// What was touched is never forgotten in silence: either it is known, or everything read before counts as touched.
#include "broker/touched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define N_MAX 100

static int make(void **state) {
    Touched *touched = NULL;
    assert_int_equal(touched_new(&touched, N_MAX), 0);
    touched_restart(touched, 1000);
    *state = touched;
    return 0;
}

static int unmake(void **state) {
    touched_destroy((Touched **)state);
    assert_null(*state);
    return 0;
}

static void test_nothing_is_known_of_before(void **state) {
    const Touched *touched = *state;
    assert_true(touched_since(touched, 7, 999));
    assert_false(touched_since(touched, 7, 1000));
}

static void test_only_what_moved_later(void **state) {
    Touched *touched = *state;
    touched_add(touched, 7, 1005);
    assert_true(touched_since(touched, 7, 1004));
    assert_false(touched_since(touched, 7, 1005));
    assert_false(touched_since(touched, 8, 1000));
    touched_add(touched, 7, 1003); // an older one does not take the newer back
    assert_true(touched_since(touched, 7, 1004));
    assert_int_equal(touched_last(touched, 7), 1005);
    assert_int_equal(touched_last(touched, 8), 0);
}

static void test_things_that_share_a_slot(void **state) {
    Touched *touched = *state;
    uint64_t step = (uint64_t)1 << 32;
    for (uint64_t i = 1; i <= 20; i++)
        touched_add(touched, 7 + i * step, 1000 + i);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_true(touched_since(touched, 7 + i * step, 1000 + i - 1));
        assert_false(touched_since(touched, 7 + i * step, 1000 + i));
    }
    assert_false(touched_since(touched, 7, 1000));
}

// However much is added: a thing that moved after a position is always said to have moved after it.
static void test_forgetting_is_on_the_safe_side(void **state) {
    Touched *touched = *state;
    for (uint64_t i = 1; i <= 10 * N_MAX; i++) {
        touched_add(touched, i, 1000 + i);
        for (uint64_t back = 0; back < i && back < 3 * N_MAX; back += 17)
            assert_true(touched_since(touched, i - back, 1000 + i - back - 1));
        // The last generation is always known exactly.
        if (i > N_MAX)
            assert_false(touched_since(touched, i, 1000 + i));
        assert_int_equal(touched_last(touched, i), 1000 + i);
        assert_false(touched_since(touched, 99999, 1000 + i));
    }
}

static void test_covered_only_grows(void **state) {
    Touched *touched = *state;
    assert_int_equal(touched_covered(touched), 1000);
    touched_cover(touched, 1010);
    touched_cover(touched, 1005);
    assert_int_equal(touched_covered(touched), 1010);
    touched_add(touched, 5, 1011);
    touched_restart(touched, 2000);
    assert_int_equal(touched_covered(touched), 2000);
    assert_false(touched_since(touched, 5, 2000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_known_of_before, make, unmake),
        cmocka_unit_test_setup_teardown(test_only_what_moved_later, make, unmake),
        cmocka_unit_test_setup_teardown(test_things_that_share_a_slot, make, unmake),
        cmocka_unit_test_setup_teardown(test_forgetting_is_on_the_safe_side, make, unmake),
        cmocka_unit_test_setup_teardown(test_covered_only_grows, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
