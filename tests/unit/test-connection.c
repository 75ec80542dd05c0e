// SPDX-License-Identifier: Apache-2.0
//
// What peers leave unread is bounded for each connection and each agency, over any number of sessions.
#include "broker/connection.h"

#include "proto/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static int make(void **state) {
    return connections_new((Connections **)state);
}

static int unmake(void **state) {
    connections_destroy((Connections **)state);
    return 0;
}

static Connection *join(Connections *connections, unsigned route, uint32_t agency) {
    zframe_t *frame = zframe_new(&route, sizeof route);
    Connection *connection = connections_join(connections, frame, agency);
    zframe_destroy(&frame);
    return connection;
}

static Connection *hold(Connections *connections, unsigned route, uint32_t party) {
    zframe_t *frame = zframe_new(&route, sizeof route);
    Connection *connection = connections_hold(connections, frame, party);
    zframe_destroy(&frame);
    return connection;
}

static void test_what_is_read_makes_room(void **state) {
    Connection *one = join(*state, 1, 7);
    assert_true(connections_takes(one, UNREAD_BYTES));
    assert_false(connections_takes(one, UNREAD_BYTES + 1));
    connections_sent(one, UNREAD_BYTES - 10);
    uint64_t asked = one->sent_bytes;
    connections_sent(one, 10);
    assert_false(connections_takes(one, 1));
    connections_read(one, asked);
    connections_read(one, 5); // an older answer
    assert_true(connections_takes(one, UNREAD_BYTES - 10));
    assert_false(connections_takes(one, UNREAD_BYTES - 9));
}

static void test_new_sessions_do_not_help(void **state) {
    Connections *connections = *state;
    Connection *one = join(connections, 1, 7);
    assert_ptr_equal(join(connections, 1, 7), one);
    assert_int_equal(connections_sessions(one), 2);
    connections_sent(one, UNREAD_BYTES);
    connections_leave(connections, one);
    assert_int_equal(connections_sessions(one), 1);
    connections_leave(connections, one);
    assert_null(join(connections, 1, 7));
    assert_non_null(join(connections, 2, 7));
    connections_read(one, one->sent_bytes);
    assert_ptr_equal(join(connections, 1, 7), one);
}

static void test_agencies_have_their_share(void **state) {
    Connections *connections = *state;
    unsigned n = UNREAD_AGENCY_BYTES / UNREAD_BYTES;
    Connection *list[UNREAD_AGENCY_BYTES / UNREAD_BYTES];
    for (unsigned i = 0; i < n; i++) {
        list[i] = join(connections, i, 7);
        connections_sent(list[i], UNREAD_BYTES);
    }
    assert_null(join(connections, n, 7));
    // Over one that reads it may be told why.
    Connection *told = hold(connections, n, 7);
    assert_true(connections_takes(told, UNREAD_TOLD_BYTES));
    connections_sent(told, 10);
    assert_true(connections_takes(told, UNREAD_TOLD_BYTES - 10));
    assert_false(connections_takes(told, UNREAD_TOLD_BYTES - 9));
    // Whoever asks again and again, and reads nothing, is not told for ever.
    assert_null(join(connections, n, 7));
    assert_ptr_equal(hold(connections, n, 7), told);
    assert_int_equal(connections_unread(told), 10);
    connections_forget(connections, told);
    // A route that somebody else had.
    Connection *other = join(connections, 0, 8);
    assert_non_null(other);
    assert_ptr_not_equal(other, list[0]);
    assert_true(connections_takes(other, UNREAD_BYTES));
    connections_leave(connections, list[1]);
    size_t left = SIZE_MAX;
    assert_ptr_equal(connections_next_idle(connections, &left), list[1]);
    connections_forget(connections, list[1]);
    assert_null(connections_next_idle(connections, &left));
    assert_non_null(join(connections, n, 7));
}

static void test_connections_are_bounded(void **state) {
    Connections *connections = *state;
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        assert_non_null(join(connections, i, i / SESSIONS_PER_AGENCY_MAX));
    assert_null(join(connections, SESSIONS_MAX, 1000));
    Connection *one = join(connections, 0, 0);
    connections_leave(connections, one);
    connections_leave(connections, one); // forgotten
    assert_null(join(connections, SESSIONS_MAX, 1));
    assert_non_null(join(connections, SESSIONS_MAX, 1000));
}

// What is said outside of sessions counts with what is said within.
static void test_outside_of_sessions(void **state) {
    Connections *connections = *state;
    Connection *one = hold(connections, 1, 7);
    assert_ptr_equal(hold(connections, 1, 7), one);
    assert_int_equal(connections_sessions(one), 0);
    connections_sent(one, UNREAD_BYTES);
    assert_false(connections_takes(one, 1));
    assert_null(join(connections, 1, 7));
    size_t left = SIZE_MAX;
    assert_ptr_equal(connections_next_idle(connections, &left), one);
    for (unsigned i = 2; i <= SESSIONS_PER_AGENCY_MAX; i++)
        assert_non_null(hold(connections, i, 7));
    assert_null(hold(connections, SESSIONS_PER_AGENCY_MAX + 1, 7));
    assert_non_null(hold(connections, SESSIONS_PER_AGENCY_MAX + 1, 8));
    connections_forget(connections, one);
    assert_non_null(hold(connections, SESSIONS_PER_AGENCY_MAX + 1, 7));
}

static void test_whose_a_connection_is(void **state) {
    assert_int_equal(connections_party("subscription:12:5f00", "subscription"), 12);
    assert_int_equal(connections_party("agency:12:5f00", "agency"), 12);
    assert_int_not_equal(connections_party("agency:12:5f00", "subscription"), 12);
    assert_int_not_equal(connections_party("subscriptions:12:5f00", "subscription"), 12);
    assert_int_not_equal(connections_party("", "subscription"), 0);
}

// Every idle one is seen once, whichever are forgotten meanwhile.
static void test_all_idle_are_seen(void **state) {
    Connections *connections = *state;
    for (unsigned i = 0; i < 50; i++) {
        Connection *one = join(connections, i, 7);
        connections_sent(one, 100000);
        if (i % 5 != 0)
            connections_leave(connections, one);
    }
    size_t left = SIZE_MAX, n = 0;
    for (Connection *idle; (idle = connections_next_idle(connections, &left)) != NULL; n++) {
        assert_int_equal(idle->probed_ms, 0);
        idle->probed_ms = 1;
        if (n % 3 == 0)
            connections_forget(connections, idle);
    }
    assert_int_equal(n, 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_read_makes_room, make, unmake),
        cmocka_unit_test_setup_teardown(test_new_sessions_do_not_help, make, unmake),
        cmocka_unit_test_setup_teardown(test_agencies_have_their_share, make, unmake),
        cmocka_unit_test_setup_teardown(test_connections_are_bounded, make, unmake),
        cmocka_unit_test_setup_teardown(test_all_idle_are_seen, make, unmake),
        cmocka_unit_test_setup_teardown(test_outside_of_sessions, make, unmake),
        cmocka_unit_test(test_whose_a_connection_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
