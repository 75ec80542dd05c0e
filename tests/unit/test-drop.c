// SPDX-License-Identifier: Apache-2.0
//
// What a drop folder tells of files that come in unusual ways, and that it tells of none that is being written.
#include "agents/drop.h"

#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534
#define SOON_MS 2500 // longer than a file that was created waits to be opened

typedef struct DropCase {
    char folder[SCRATCH_BYTES];
    Drop *drop;
    Clock clock;
    int64_t ms;
} DropCase;

static int64_t now_us(void *self) {
    return clock_now_us(clock_system()) + ((DropCase *)self)->ms * 1000;
}

static int64_t monotonic_ms(void *self) {
    return ((DropCase *)self)->ms;
}

static void open_drop(DropCase *c) {
    assert_int_equal(drop_new(&c->drop, c->folder, "*.csv"), 0);
    drop_use_clock(c->drop, &c->clock);
}

static int setup(void **state) {
    DropCase *c = calloc(1, sizeof *c);
    c->clock = (Clock){now_us, monotonic_ms, NULL, c};
    scratch_make(c->folder);
    assert_int_equal(chmod(c->folder, 0777), 0);
    open_drop(c);
    *state = c;
    return 0;
}

// Until become_root(), no leases are granted on the files that are here.
static void become_nobody(void) {
    if (geteuid() != 0)
        skip();
    assert_int_equal(seteuid(NOBODY), 0);
}

static void become_root(void) {
    assert_int_equal(seteuid(0), 0);
}

static int teardown(void **state) {
    DropCase *c = *state;
    if (getuid() == 0)
        become_root();
    drop_destroy(&c->drop);
    scratch_remove(c->folder);
    free(c);
    return 0;
}

// The names that a look tells of after so many milliseconds, as "a.csv b.csv ".
static const char *told(DropCase *c, int64_t after_ms) {
    static char out[1024];
    const DropFile *files = NULL;
    size_t n = 0, at = 0;
    out[0] = 0;
    c->ms += after_ms;
    if (drop_has_news(c->drop))
        assert_int_equal(drop_scan(c->drop, &files, &n), 0);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s ", files[i].name);
    return out;
}

static const char *path_of(const DropCase *c, const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", c->folder, name);
    return out;
}

// As OpenSSH's sftp-server renames.
static void put_by_link(const DropCase *c, const char *name) {
    char from[128], to[128];
    scratch_write(c->folder, ".upload", "id\n1\n");
    assert_int_equal(link(path_of(c, ".upload", from), path_of(c, name, to)), 0);
    assert_int_equal(unlink(from), 0);
}

static int begin_writing(const DropCase *c, const char *name, int flags) {
    char path[128];
    int fd = open(path_of(c, name, path), O_WRONLY | flags, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "id\n1\n", 5), 5);
    return fd;
}

// What happened is not told, as when another machine did it.
static void swallow_events(const DropCase *c) {
    char buffer[4096];
    while (read(drop_fd(c->drop), buffer, sizeof buffer) > 0)
        ;
}

static void test_tells_of_what_was_linked_here(void **state) {
    DropCase *c = *state;
    assert_string_equal(told(c, 0), "");
    put_by_link(c, "a.csv");
    assert_string_equal(told(c, 0), "");
    drop_forget(c->drop); // a listing of all finds it, which may be about to be opened
    assert_string_equal(told(c, 0), "");
    assert_string_equal(told(c, SOON_MS), "a.csv ");
    assert_string_equal(told(c, SOON_MS), "");
    put_by_link(c, "b.txt");
    assert_string_equal(told(c, SOON_MS), "");
}

static void test_tells_of_what_was_linked_here_without_leases(void **state) {
    DropCase *c = *state;
    assert_string_equal(told(c, 0), "");
    put_by_link(c, "a.csv");
    become_nobody();
    assert_string_equal(told(c, 0), "");
    assert_string_equal(told(c, SOON_MS), "");
    assert_string_equal(told(c, DROP_LIST_MS), "");
    assert_string_equal(told(c, DROP_LIST_MS), "a.csv ");
    assert_string_equal(told(c, DROP_LIST_MS), "");
    become_root();
}

// However long its writer pauses.
static void leave_written(DropCase *c, bool leases) {
    assert_string_equal(told(c, 0), "");
    int fd = begin_writing(c, "a.csv", O_CREAT);
    if (!leases)
        become_nobody();
    for (int i = 0; i < 5; i++) {
        assert_string_equal(told(c, i == 0 ? 0 : SOON_MS), "");
        assert_string_equal(told(c, DROP_LIST_MS), "");
    }
    drop_forget(c->drop);
    assert_string_equal(told(c, DROP_LIST_MS), "");
    close(fd);
    assert_string_equal(told(c, SOON_MS), "a.csv ");
    if (!leases)
        become_root();
}

static void test_leaves_what_is_written(void **state) {
    leave_written(*state, true);
}

static void test_leaves_what_is_written_without_leases(void **state) {
    leave_written(*state, false);
}

// One that was told, and is written again, is left until its closing.
static void test_leaves_what_is_written_again(void **state) {
    DropCase *c = *state;
    scratch_write(c->folder, "a.csv", "id\n");
    become_nobody();
    assert_string_equal(told(c, SOON_MS), "a.csv ");
    become_root();
    int fd = begin_writing(c, "a.csv", O_TRUNC);
    become_nobody();
    for (int i = 0; i < 4; i++)
        assert_string_equal(told(c, DROP_LIST_MS), "");
    close(fd);
    assert_string_equal(told(c, SOON_MS), "a.csv ");
    become_root();
}

static void tell_of_silent(DropCase *c, bool leases) {
    assert_string_equal(told(c, 0), "");
    scratch_write(c->folder, "a.csv", "id\n1\n");
    swallow_events(c);
    if (!leases)
        become_nobody();
    assert_string_equal(told(c, DROP_LIST_MS - 1), "");
    assert_string_equal(told(c, 1), "");
    if (!leases)
        become_root();
    scratch_append(c->folder, "a.csv", "2\n"); // it grew from one listing to the next
    swallow_events(c);
    if (!leases)
        become_nobody();
    assert_string_equal(told(c, DROP_LIST_MS), "");
    assert_string_equal(told(c, DROP_LIST_MS - 1), "");
    assert_string_equal(told(c, 1), "a.csv ");
    assert_string_equal(told(c, DROP_LIST_MS), "");
    if (!leases)
        become_root();
}

static void test_tells_of_what_no_event_told(void **state) {
    tell_of_silent(*state, true);
}

static void test_tells_of_what_no_event_told_without_leases(void **state) {
    tell_of_silent(*state, false);
}

static void test_leaves_what_no_event_told_while_it_is_open(void **state) {
    DropCase *c = *state;
    assert_string_equal(told(c, 0), "");
    int fd = begin_writing(c, "a.csv", O_CREAT);
    swallow_events(c);
    for (int i = 0; i < 4; i++)
        assert_string_equal(told(c, DROP_LIST_MS), "");
    assert_null(drop_busy(c->drop)); // it was said once
    close(fd);
    swallow_events(c);
    assert_string_equal(told(c, DROP_LIST_MS), "a.csv ");
}

// The name of one that was taken away while it was open is not kept: the next one of that name is said again.
static void test_says_again_what_comes_back_open(void **state) {
    DropCase *c = *state;
    char path[128];
    assert_string_equal(told(c, 0), "");
    for (int i = 0; i < 2; i++) {
        int fd = begin_writing(c, "a.csv", O_CREAT);
        swallow_events(c);
        assert_string_equal(told(c, DROP_LIST_MS), "");
        assert_string_equal(told(c, DROP_LIST_MS), "");
        assert_non_null(drop_busy(c->drop));
        assert_int_equal(unlink(path_of(c, "a.csv", path)), 0);
        close(fd);
        assert_string_equal(told(c, DROP_LIST_MS), "");
    }
}

// Its reader can do nothing with it for now: it is told again after a while, and not before.
static void test_tells_again_of_what_was_set_aside(void **state) {
    DropCase *c = *state;
    scratch_write(c->folder, "a.csv", "id\n");
    for (int i = 0; i < 3; i++) {
        assert_string_equal(told(c, i == 0 ? 0 : 5000), "a.csv ");
        drop_set_aside(c->drop, "a.csv", "is ugly");
        assert_string_equal(drop_blocked(c->drop), "a.csv is ugly");
        assert_string_equal(told(c, 5000), "");
    }
    assert_string_equal(told(c, 5000), "a.csv ");
    assert_null(drop_blocked(c->drop));
}

// The kernel lost some: nothing is forgotten, and nothing taken that a lost one would have told to leave.
static void lose_events(const DropCase *c) {
    char name[32];
    for (int i = 0; i < 20000; i++) { // two of a name, so that no two are one
        snprintf(name, sizeof name, ".%d", i & 1);
        scratch_write(c->folder, name, "");
    }
}

static void test_lists_when_events_are_lost(void **state) {
    DropCase *c = *state;
    assert_string_equal(told(c, 0), "");
    lose_events(c);
    put_by_link(c, "a.csv");
    int fd = begin_writing(c, "b.csv", O_CREAT);
    assert_string_equal(told(c, SOON_MS), "a.csv ");
    close(fd);
    assert_string_equal(told(c, SOON_MS), "b.csv ");
}

static void test_waits_when_events_are_lost_without_leases(void **state) {
    DropCase *c = *state;
    assert_string_equal(told(c, 0), "");
    lose_events(c);
    put_by_link(c, "a.csv");
    become_nobody();
    assert_string_equal(told(c, SOON_MS), "");
    assert_string_equal(told(c, DROP_LIST_MS), "");
    assert_string_equal(told(c, DROP_LIST_MS), "a.csv ");
    become_root();
}

static bool waits(const DropCase *c) {
    return drop_wait_ms(c->drop) >= 0;
}

// Whoever reads what is there, and ends, is told that something is left to wait for.
static void test_waits_for_listings_without_leases(void **state) {
    DropCase *c = *state;
    char path[128];
    assert_string_equal(told(c, 0), "");
    put_by_link(c, "a.csv");
    put_by_link(c, "b.csv");
    put_by_link(c, "gone.csv");
    int fd = begin_writing(c, "open.csv", O_CREAT); // is not waited for
    become_nobody();
    assert_string_equal(told(c, 0), "");
    assert_false(waits(c));
    assert_string_equal(told(c, SOON_MS), "");
    assert_in_range(drop_wait_ms(c->drop), DROP_LIST_MS - 2 * SOON_MS, DROP_LIST_MS);
    become_root();
    assert_int_equal(unlink(path_of(c, "gone.csv", path)), 0);
    become_nobody();
    assert_string_equal(told(c, drop_wait_ms(c->drop)), "");
    become_root();
    scratch_append(c->folder, "b.csv", "2\n"); // is being written, and nothing tells of it
    swallow_events(c);
    become_nobody();
    assert_true(waits(c));
    assert_string_equal(told(c, drop_wait_ms(c->drop)), "a.csv ");
    assert_false(waits(c));
    assert_string_equal(told(c, DROP_LIST_MS), "b.csv ");
    become_root();
    close(fd);
}

static void test_waits_for_listings_when_events_are_lost_without_leases(void **state) {
    DropCase *c = *state;
    assert_string_equal(told(c, 0), "");
    scratch_write(c->folder, "a.csv", "id\n1\n");
    become_nobody();
    assert_string_equal(told(c, 0), ""); // it is too young
    assert_true(waits(c));
    become_root();
    lose_events(c);
    become_nobody();
    for (int listings = 0; listings < 2; listings++) {
        assert_string_equal(told(c, listings == 0 ? SOON_MS : drop_wait_ms(c->drop)), "");
        assert_true(waits(c));
    }
    assert_string_equal(told(c, drop_wait_ms(c->drop)), "a.csv ");
    assert_false(waits(c));
    become_root();
}

// How many listings it takes until a.csv is told of, at most 100.
static int listings_until_told(DropCase *c) {
    for (int i = 1; i <= 100; i++)
        if (strcmp(told(c, DROP_LIST_MS), "a.csv ") == 0)
            return i;
    return -1;
}

// Whoever opened it at once may have read it alone: only time tells.
static void test_tells_of_what_was_read_at_once_without_leases(void **state) {
    DropCase *c = *state;
    char path[128];
    assert_string_equal(told(c, 0), "");
    put_by_link(c, "a.csv");
    close(open(path_of(c, "a.csv", path), O_RDONLY));
    become_nobody();
    assert_string_equal(told(c, DROP_LIST_MS), "");
    assert_string_equal(told(c, DROP_LIST_MS), "");
    assert_non_null(strstr(drop_busy(c->drop), "a.csv was opened as soon as it was created"));
    assert_in_range(listings_until_told(c), 60, 65);
    become_root();
}

// However it goes on: what is told of its closing may be among what is lost.
static void lose_a_closing(DropCase *c, bool is_lost) {
    assert_string_equal(told(c, 0), "");
    int fd = begin_writing(c, "a.csv", O_CREAT);
    become_nobody();
    assert_string_equal(told(c, 0), "");
    become_root();
    lose_events(c);
    if (is_lost)
        close(fd);
    become_nobody();
    for (int i = 0; i < 20; i++)
        assert_string_equal(told(c, DROP_LIST_MS), "");
    if (is_lost) {
        assert_in_range(listings_until_told(c), 40, 45);
    } else {
        close(fd);
        assert_string_equal(told(c, SOON_MS), "a.csv ");
    }
    become_root();
}

static void test_tells_of_what_was_closed_when_events_are_lost_without_leases(void **state) {
    lose_a_closing(*state, true);
}

static void test_leaves_what_is_written_when_events_are_lost_without_leases(void **state) {
    lose_a_closing(*state, false);
}

// done/ is gone, and cannot be made.
static void fail_to_scan(DropCase *c) {
    const DropFile *files;
    size_t n;
    char path[128];
    assert_int_equal(rmdir(path_of(c, "done", path)) | chmod(c->folder, 0555), 0);
    become_nobody();
    assert_int_equal(drop_scan(c->drop, &files, &n), ERROR_SYSTEM);
    become_root();
    assert_int_equal(chmod(c->folder, 0777), 0);
}

// Nothing is told twice, nothing forgotten, and what is written is left alone.
static void test_goes_on_after_a_scan_that_fails(void **state) {
    DropCase *c = *state;
    scratch_write(c->folder, "a.csv", "id\n");
    assert_string_equal(told(c, SOON_MS), "a.csv ");
    scratch_write(c->folder, "b.csv", "id\n");
    c->ms += DROP_LIST_MS;
    fail_to_scan(c);
    assert_string_equal(told(c, 0), "b.csv ");
    lose_events(c);
    int fd = begin_writing(c, "d.csv", O_CREAT);
    fail_to_scan(c);
    become_nobody();
    assert_string_equal(told(c, SOON_MS), "");
    close(fd);
    assert_string_equal(told(c, SOON_MS), "d.csv ");
    become_root();
}

// Looking is no news, or a loop that waits for news would never wait.
static void test_is_silent_after_a_look(void **state) {
    DropCase *c = *state;
    scratch_write(c->folder, "a.csv", "id\n");
    assert_string_equal(told(c, 0), "a.csv ");
    char buffer[4096];
    assert_int_equal(read(drop_fd(c->drop), buffer, sizeof buffer), -1);
    assert_false(drop_has_news(c->drop));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_tells_of_what_was_linked_here),
        TEST(test_tells_of_what_was_linked_here_without_leases),
        TEST(test_leaves_what_is_written),
        TEST(test_leaves_what_is_written_without_leases),
        TEST(test_leaves_what_is_written_again),
        TEST(test_tells_of_what_no_event_told),
        TEST(test_tells_of_what_no_event_told_without_leases),
        TEST(test_leaves_what_no_event_told_while_it_is_open),
        TEST(test_says_again_what_comes_back_open),
        TEST(test_tells_again_of_what_was_set_aside),
        TEST(test_lists_when_events_are_lost),
        TEST(test_waits_when_events_are_lost_without_leases),
        TEST(test_waits_for_listings_without_leases),
        TEST(test_waits_for_listings_when_events_are_lost_without_leases),
        TEST(test_tells_of_what_was_read_at_once_without_leases),
        TEST(test_tells_of_what_was_closed_when_events_are_lost_without_leases),
        TEST(test_leaves_what_is_written_when_events_are_lost_without_leases),
        TEST(test_goes_on_after_a_scan_that_fails),
        TEST(test_is_silent_after_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
