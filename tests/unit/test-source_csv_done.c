// SPDX-License-Identifier: Apache-2.0
//
// How files of a drop folder are put away once they are answered, whatever comes to their names meanwhile.
#include "proto/base/log.h"
#include "tests/unit/drop-case.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char *is_replaced_by;    // at the next move to done/, just before
static const char *is_replaced_again; // and at the move back
static bool changes_what_it_moves;    // as some file systems do
static int not_had;                   // of the ways to move something to where nothing is

static void comes_now(const char **what, const char *to);

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
    if (strstr(to, "/done/") != NULL)
        comes_now(&is_replaced_by, from);
    int r = __real_rename(from, to);
    if (changes_what_it_moves && r == 0)
        assert_int_equal(utimensat(AT_FDCWD, to, (const struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
    return r;
}

static void comes_now(const char **what, const char *to) {
    const char *from = *what;
    *what = NULL;
    if (from != NULL)
        assert_int_equal(__real_rename(from, to), 0);
}

int __real_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    comes_now(&is_replaced_again, to);
    errno = EINVAL;
    return not_had > 0 ? -1 : __real_renameat2(from_at, from, to_at, to, flags);
}

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to) {
    errno = EPERM;
    return not_had > 1 ? -1 : __real_link(from, to);
}

// A version of a file that waits to be put in its place.
static const char *version(DropCase *c, const char *name, char out[300], int from) {
    scratch_write(c->drop, name, rows(from, 3));
    path_of(c, name, out);
    return out;
}

enum { MOVES = 3 };

// The next version of a file comes in the moment in which that is moved: it is read, and not put away.
static void test_moves_no_other_file_away(void **state) {
    for (not_had = 0; not_had < MOVES; not_had++) {
        DropCase c;
        char next[300];
        drop_case(&c, *state, NULL);
        put(&c, "a.csv", rows(10, 3));
        read_all(&c);
        is_replaced_by = version(&c, ".next", next, 20);
        ack_all(&c);
        assert_false(is_there(&c, "done/a.csv"));
        while (sealed(&c) < 6) // what came as a link is taken two seconds later
            read_all(&c);
        ack_all(&c);
        assert_false(is_there(&c, "a.csv"));
        drop_case_end(&c);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
    not_had = 0;
}

// And one more as it is put back: that is read, and the one between is not lost.
static void test_moves_none_over_another(void **state) {
    for (not_had = 0; not_had < MOVES; not_had++) {
        DropCase c;
        char next[300], third[300];
        drop_case(&c, *state, NULL);
        put(&c, "a.csv", rows(10, 3));
        read_all(&c);
        is_replaced_by = version(&c, ".next", next, 20);
        is_replaced_again = version(&c, ".third", third, 30);
        ack_all(&c);
        assert_true(is_there(&c, "done/a.csv"));
        read_all(&c);
        assert_int_equal(sealed(&c), 6);
        ack_all(&c);
        assert_false(is_there(&c, "a.csv"));
        move(&c, "done/a.csv", "b.csv");
        read_all(&c);
        assert_int_equal(sealed(&c), 9);
        drop_case_end(&c);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
    not_had = 0;
}

// What was moved says that it is another, and is told by its bytes: it is not put back, and read again, for ever.
static void test_knows_what_it_moved(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(10, 3));
    read_all(&c);
    changes_what_it_moves = true;
    ack_all(&c);
    changes_what_it_moves = false;
    assert_true(is_there(&c, "done/a.csv"));
    read_all(&c);
    assert_int_equal(last_origin(&c), 1);
    put(&c, "a.csv", rows(20, 3)); // the next one of that name
    read_all(&c);
    assert_int_equal(sealed(&c), 6);
    drop_case_end(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    log_setup("test", LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(test_moves_no_other_file_away),
        TEST(test_moves_none_over_another),
        TEST(test_knows_what_it_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
