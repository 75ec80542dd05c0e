// SPDX-License-Identifier: Apache-2.0
//
// Each peer may do so much at once and then so much a second, whatever the others do.
#include "proto/base/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static int setup(void **state) {
    return allowance_new((Allowance **)state, (AllowanceRate){.burst = 10, .per_second = 2});
}

static int teardown(void **state) {
    allowance_destroy((Allowance **)state);
    assert_null(*state);
    return 0;
}

static int taken(Allowance *allowance, const char *peer, int64_t now_ms, int tries) {
    int n = 0;
    for (int i = 0; i < tries; i++)
        n += allowance_take(allowance, peer, now_ms);
    return n;
}

static void test_a_burst_and_then_so_much_a_second(void **state) {
    assert_int_equal(taken(*state, "agency:1:ab", 1000, 100), 10);
    assert_int_equal(taken(*state, "agency:1:ab", 1499, 100), 0);
    assert_int_equal(taken(*state, "agency:1:ab", 1500, 100), 1);
    assert_int_equal(taken(*state, "agency:1:ab", 4000, 100), 5);
    assert_int_equal(taken(*state, "agency:1:ab", INT64_MAX / 2, 100), 10); // never more
    assert_int_equal(taken(*state, "agency:1:ab", 0, 100), 0);              // a clock that goes back gives nothing
}

// Whoever tries all the time gets what one gets who waits.
static void test_trying_costs_nothing(void **state) {
    int n = 0;
    for (int64_t ms = 0; ms < 10000; ms++)
        n += allowance_take(*state, "agency:1:ab", ms);
    assert_int_equal(n, 10 + 19);
}

static void test_further_keys_give_no_more(void **state) {
    assert_int_equal(taken(*state, "agency:1:ab", 0, 6), 6);
    assert_int_equal(taken(*state, "agency:1:cd", 0, 6), 4);
    assert_int_equal(taken(*state, "agency:11:ab", 0, 6), 6);
    assert_int_equal(taken(*state, "subscription:1:ab", 0, 6), 6);
    assert_int_equal(taken(*state, "", 0, 20), 10); // all who are not known are one
}

static void test_many_peers_each_have_theirs(void **state) {
    char name[64];
    for (int peer = 0; peer < 2000; peer++) {
        snprintf(name, sizeof name, "subscription:%d:ab", peer);
        assert_int_equal(taken(*state, name, 0, 20), 10);
    }
    for (int peer = 0; peer < 2000; peer++) {
        snprintf(name, sizeof name, "subscription:%d:cd", peer);
        assert_int_equal(taken(*state, name, 400, 20), 0);
    }
}

// More than there is room for: nobody is refused for it, and nothing is taken beyond its end.
static void test_more_peers_than_places(void **state) {
    char name[64];
    for (int peer = 0; peer < 100000; peer++) {
        snprintf(name, sizeof name, "agency:%d", peer);
        assert_true(allowance_take(*state, name, 0));
    }
    snprintf(name, sizeof name, "%063d", 1);
    assert_int_equal(taken(*state, name, 0, 20), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_burst_and_then_so_much_a_second, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trying_costs_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_further_keys_give_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_peers_each_have_theirs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_peers_than_places, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
