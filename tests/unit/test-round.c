// SPDX-License-Identifier: Apache-2.0
// By which of the exchange's keys an agent tries its brokers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agents/round.h"

static const Keys PRESENT = {.curve_public = {1}}, NEXT = {.curve_public = {2}};

static void test_a_round_that_gets_nowhere_goes_over(void **state) {
    Round round;
    round_begin(&round, &PRESENT, &NEXT);
    assert_ptr_equal(round_keys(&round), &PRESENT);
    round_over(&round);
    assert_ptr_equal(round_keys(&round), &NEXT);
    round_over(&round);
    assert_ptr_equal(round_keys(&round), &PRESENT);
}

static void test_one_endpoint_that_has_the_key_is_enough(void **state) {
    Round round;
    round_begin(&round, &PRESENT, &NEXT);
    round_secured(&round);
    round_over(&round);
    assert_ptr_equal(round_keys(&round), &PRESENT);
    round_over(&round); // that was said of the round before
    assert_ptr_equal(round_keys(&round), &NEXT);
    round_secured(&round);
    round_over(&round);
    assert_ptr_equal(round_keys(&round), &NEXT);
}

static void test_without_a_next_key_it_stays(void **state) {
    Round round;
    round_begin(&round, &PRESENT, NULL);
    round_over(&round);
    assert_ptr_equal(round_keys(&round), &PRESENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_round_that_gets_nowhere_goes_over),
        cmocka_unit_test(test_one_endpoint_that_has_the_key_is_enough),
        cmocka_unit_test(test_without_a_next_key_it_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
