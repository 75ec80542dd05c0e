// SPDX-License-Identifier: Apache-2.0
//
// The table of sessions: found by number, bounded, and sound under any order of adding and removing.
#include "broker/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static zframe_t *route;

static int make(void **state) {
    route = zframe_new("route", 5);
    return sessions_new((Sessions **)state);
}

static int unmake(void **state) {
    zframe_destroy(&route);
    sessions_destroy((Sessions **)state);
    return 0;
}

static void test_found_by_number(void **state) {
    Sessions *sessions = *state;
    Session *session = sessions_add(sessions, 42, route, 3);
    assert_ptr_equal(sessions_find(sessions, 42), session);
    assert_null(sessions_find(sessions, 43));
    assert_true(zframe_eq(session->route, route));
    assert_int_equal(sessions_n_of(sessions, 3), 1);
    assert_int_equal(sessions_n_of(sessions, 4), 0);
    sessions_remove(sessions, session);
    assert_null(sessions_find(sessions, 42));
    assert_int_equal(sessions_n(sessions), 0);
}

static void test_no_more_than_the_maximum(void **state) {
    Sessions *sessions = *state;
    for (uint64_t i = 1; i <= SESSIONS_MAX; i++)
        assert_non_null(sessions_add(sessions, i, route, 1));
    assert_null(sessions_add(sessions, SESSIONS_MAX + 1, route, 1));
    sessions_remove(sessions, sessions_find(sessions, 17));
    assert_non_null(sessions_add(sessions, SESSIONS_MAX + 1, route, 1));
}

// Numbers that fall on few slots, added and removed at random, against a plain array.
static void test_any_order_of_adding_and_removing(void **state) {
    Sessions *sessions = *state;
    Session *there[256] = {NULL};
    unsigned seed = 7;
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)rand_r(&seed) % 256;
        uint64_t number = i % 8 + 1 + ((uint64_t)i << 40);
        if (there[i] == NULL) {
            there[i] = sessions_add(sessions, number, route, 1);
            assert_non_null(there[i]);
        } else {
            sessions_remove(sessions, there[i]);
            there[i] = NULL;
        }
        size_t probe = (size_t)rand_r(&seed) % 256;
        assert_ptr_equal(sessions_find(sessions, probe % 8 + 1 + ((uint64_t)probe << 40)), there[probe]);
    }
}

static void test_all_are_visited_while_some_are_removed(void **state) {
    Sessions *sessions = *state;
    for (uint64_t i = 1; i <= 100; i++)
        sessions_add(sessions, i, route, (uint32_t)i);
    size_t seen[101] = {0};
    for (Session *session = sessions_first(sessions); session != NULL; session = sessions_next(sessions)) {
        seen[session->agency]++;
        if (session->agency % 3 == 0)
            sessions_remove(sessions, session);
    }
    for (int i = 1; i <= 100; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(sessions_n(sessions), 67);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found_by_number, make, unmake),
        cmocka_unit_test_setup_teardown(test_no_more_than_the_maximum, make, unmake),
        cmocka_unit_test_setup_teardown(test_any_order_of_adding_and_removing, make, unmake),
        cmocka_unit_test_setup_teardown(test_all_are_visited_while_some_are_removed, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
