// SPDX-License-Identifier: Apache-2.0
//
// What two heads say of each other, in either order.
#include "proto/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

// The hash of a head is its one byte here, and so is what it calls the one before.
#define MARK(in_epoch, its_number, its_size, its_end, its_time, its_hash, its_previous)                                \
    {                                                                                                                  \
        .epoch = (in_epoch), .number = (its_number), .size = (its_size), .last_position = (its_end),                   \
        .signed_at_us = (its_time), .hash = {its_hash}, .previous = {                                                  \
            its_previous                                                                                               \
        }                                                                                                              \
    }

static const struct {
    HeadMark one, other;
    HeadRelation relation;
} CASES[] = {
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 5, 20, 200, 7, 'a', 'x'), HEAD_SAME},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 6, 21, 200, 7, 'b', 'a'), HEAD_GOES_ON},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(2, 6, 21, 201, 8, 'b', 'a'), HEAD_GOES_ON}, // over an epoch
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 7, 21, 200, 7, 'b', 'c'), HEAD_OPEN},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(2, 7, 21, 200, 7, 'b', 'c'), HEAD_OPEN},
    // Of one epoch.
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 5, 20, 200, 7, 'b', 'x'), HEAD_CONTRADICTS}, // two of one number
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 6, 21, 200, 7, 'b', 'c'), HEAD_CONTRADICTS}, // follows another
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 9, 20, 200, 7, 'b', 'c'), HEAD_CONTRADICTS}, // has not grown
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 9, 19, 200, 7, 'b', 'c'), HEAD_CONTRADICTS},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 9, 21, 199, 7, 'b', 'c'), HEAD_CONTRADICTS},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 9, 21, 200, 6, 'b', 'c'), HEAD_CONTRADICTS},
    // Whoever names a head cannot have less than it.
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(1, 6, 20, 200, 7, 'b', 'a'), HEAD_CONTRADICTS},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(2, 6, 19, 200, 7, 'b', 'a'), HEAD_CONTRADICTS},
    // Restored in between.
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(2, 6, 21, 200, 7, 'b', 'c'), HEAD_SET_BACK},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(2, 5, 21, 200, 7, 'b', 'c'), HEAD_SET_BACK},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(2, 3, 21, 200, 7, 'b', 'c'), HEAD_SET_BACK},
    {MARK(1, 5, 20, 200, 7, 'a', 'x'), MARK(2, 9, 20, 200, 7, 'b', 'c'), HEAD_SET_BACK},
};

static void test_relations(void **state) {
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *why = "unset", *again = "unset";
        if (head_relate(&CASES[i].one, &CASES[i].other, &why) != CASES[i].relation ||
            head_relate(&CASES[i].other, &CASES[i].one, &again) != CASES[i].relation)
            fail_msg("case %zu", i);
        assert_ptr_equal(why, again);
        assert_int_equal(why != NULL, CASES[i].relation == HEAD_CONTRADICTS);
    }
}

static void test_order(void **state) {
    const HeadMark first = MARK(1, 9, 0, 0, 0, 0, 0), second = MARK(2, 3, 0, 0, 0, 0, 0),
                   third = MARK(2, 4, 0, 0, 0, 0, 0);
    assert_true(head_order(&first, &second) < 0 && head_order(&second, &third) < 0 && head_order(&third, &first) > 0);
    assert_int_equal(head_order(&third, &third), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_relations), cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
