// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a commit, at a real server (with-postgres starts it): also for one whose notification came with the
// answer to a statement, of which no poll tells any more.
#include "operators/commits.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <libpq-fe.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WAIT_MS 20000

static void done(int r) {
    if (r < 0)
        fail_msg("%d: %s", r, error_text());
}

static bool can_be_read(Pg *pg, int wait_ms) {
    struct pollfd one = {.fd = PQsocket(pg_raw(pg)), .events = POLLIN};
    return poll(&one, 1, wait_ms) == 1;
}

static void assert_waits_no_longer(Pg *pg) {
    int64_t began_ms = clock_monotonic_ms(clock_system());
    assert_int_equal(commits_wait(pg, -1, WAIT_MS), 0);
    assert_true(clock_monotonic_ms(clock_system()) - began_ms < WAIT_MS / 2);
}

static void test_is_told_once(void **state) {
    Pg *waits = NULL, *commits = NULL;
    done(pg_new(&waits, "", "waits"));
    done(pg_connect(waits));
    done(pg_new(&commits, "", "commits"));
    done(pg_connect(commits));
    done(commits_listen(waits));
    done(pg_command(commits, "NOTIFY dongbo_commit"));
    assert_waits_no_longer(waits);
    done(pg_command(commits, "NOTIFY dongbo_commit"));
    assert_true(can_be_read(waits, WAIT_MS));
    done(pg_command(waits, "SELECT 1"));
    assert_false(can_be_read(waits, 0));
    assert_waits_no_longer(waits);
    int64_t began_ms = clock_monotonic_ms(clock_system());
    assert_int_equal(commits_wait(waits, -1, 50), 0);
    assert_true(clock_monotonic_ms(clock_system()) - began_ms >= 50);
    pg_destroy(&waits);
    pg_destroy(&commits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
