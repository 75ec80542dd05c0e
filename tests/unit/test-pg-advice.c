// SPDX-License-Identifier: Apache-2.0
//
// What a database says of itself is told with what to do about it.
#include "proto/base/pg-advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void says(const char *state, const char *message, const char *part) {
    const char *advice = pg_advice(state, message);
    assert_non_null(advice);
    if (strstr(advice, part) == NULL)
        fail_msg("%s: \"%s\" instead of \"%s\"", state, advice, part);
}

static void test_each_state_has_its_own(void **state) {
    says("08006", "no answer within 3000 ms", "whether PostgreSQL runs");
    says("25006", "cannot execute INSERT in a read-only transaction", "target_session_attrs");
    says("53100", "could not extend file", "make room");
    says("53200", "out of memory", "memory");
    says("53300", "sorry, too many clients already", "max_connections");
    says("53400", "configuration limit exceeded", "short of");
    says("55P03", "canceling statement due to lock timeout", "pg_locks");
    says("57P01", "terminating connection", "own log");
    says("58030", "could not fsync", "disk");
    says("XX001", "invalid page", "damaged");
}

static void test_our_own_limit_is_not_the_servers(void **state) {
    says("08006", "could not create socket: Too many open files", "LimitNOFILE");
}

static void test_a_server_that_is_not_the_one_meant(void **state) {
    says("08006", "SSL error: certificate verify failed", "sslrootcert");
    says("08006", "server certificate for \"a\" does not match host name \"b\"", "host is the name");
}

static void test_what_only_has_to_be_waited_for_has_none(void **state) {
    assert_null(pg_advice("40001", "could not serialize access"));
    assert_null(pg_advice("25P03", "terminating connection due to idle-in-transaction timeout"));
    assert_null(pg_advice("", ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_state_has_its_own),
        cmocka_unit_test(test_our_own_limit_is_not_the_servers),
        cmocka_unit_test(test_a_server_that_is_not_the_one_meant),
        cmocka_unit_test(test_what_only_has_to_be_waited_for_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
