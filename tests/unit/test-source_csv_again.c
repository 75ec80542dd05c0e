// SPDX-License-Identifier: Apache-2.0
//
// Files in a drop folder that are not there for a while, or are written to, put back, or dropped again, while their
// answers are outstanding.
#include "agents/refused.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "tests/unit/drop-case.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { ROWS = 20000 }; // more than one transaction reads

static bool fails_at_its_end; // the next asking of a file that was read to its end

int __real_fstat64(int fd, struct stat *ret);
int __wrap_fstat64(int fd, struct stat *ret);
int __wrap_fstat64(int fd, struct stat *ret) {
    int r = __real_fstat64(fd, ret);
    if (!fails_at_its_end || r != 0 || ret->st_size == 0 || lseek(fd, 0, SEEK_CUR) != ret->st_size)
        return r;
    fails_at_its_end = false;
    errno = ESTALE;
    return -1;
}

static const char *cannot_be_read; // a name

ssize_t __real_read(int fd, void *out, size_t n);
ssize_t __wrap_read(int fd, void *out, size_t n);
ssize_t __wrap_read(int fd, void *out, size_t n) {
    char link[32], path[300];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = cannot_be_read == NULL ? 0 : readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (length <= 0 || strstr(path, cannot_be_read) == NULL)
        return __real_read(fd, out, n);
    errno = EIO;
    return -1;
}

static void half_read(DropCase *c, PublishCase *test) {
    drop_case(c, test, NULL);
    put(c, "a.csv", rows(0, ROWS));
    read_once(c, true);
    assert_in_range(sealed(c), 1000, ROWS - 1000);
}

// Each row once, and nothing is left.
static void assert_read_once(DropCase *c) {
    read_all(c);
    assert_int_equal(sealed(c), ROWS);
    ack_all(c);
    assert_false(is_there(c, "a.csv"));
    assert_true(is_there(c, "done/a.csv"));
    drop_case_end(c);
}

static OriginState state_of(DropCase *c, int64_t id) {
    Origin origin;
    assert_int_equal(ledger_origin(c->test->spool, id, &origin), 0);
    return origin.state;
}

// It is not in the folder at one start: moved away, or what it lies on is not mounted.
static void test_goes_on_in_a_file_that_comes_back(void **state) {
    for (int starts = 1; starts <= 2; starts++) {
        DropCase c;
        half_read(&c, *state);
        move(&c, "a.csv", "../away");
        crash(&c);
        assert_int_equal(look(&c), 0);
        assert_int_equal(state_of(&c, 1), ORIGIN_READING); // `dongbo-agent status` says so
        move(&c, "../away", "a.csv");
        if (starts == 2)
            crash(&c);
        assert_read_once(&c);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
}

// Somebody has it open at a start, in a spreadsheet, and closes it as it was.
static void test_goes_on_in_a_file_that_was_open(void **state) {
    DropCase c;
    char path[300];
    half_read(&c, *state);
    path_of(&c, "a.csv", path);
    int fd = open(path, O_RDWR);
    crash(&c);
    (void)look(&c);
    close(fd);
    assert_read_once(&c);
}

// What lies there at a start cannot be opened.
static void test_goes_on_in_a_file_that_could_not_be_opened(void **state) {
    DropCase c;
    char path[300];
    half_read(&c, *state);
    move(&c, "a.csv", "../away");
    path_of(&c, "a.csv", path);
    assert_int_equal(symlink("../away", path), 0);
    crash(&c);
    assert_int_equal(look(&c), 0);
    assert_non_null(c.source->kind->left(c.source));
    move(&c, "../away", "a.csv");
    assert_read_once(&c);
}

// All that was read of it is answered before it comes back: it is read from its start.
static void test_reads_from_the_start_what_was_let_go(void **state) {
    DropCase c;
    half_read(&c, *state);
    uint64_t half = sealed(&c);
    move(&c, "a.csv", "../away");
    crash(&c);
    assert_int_equal(look(&c), 0);
    ack_all(&c);
    assert_int_equal(state_of(&c, 1), ORIGIN_DONE);
    move(&c, "../away", "a.csv");
    read_all(&c);
    assert_int_equal(sealed(&c), half + ROWS);
    drop_case_end(&c);
}

// Other files never stop coming: what is gone is let go all the same.
static void test_lets_go_of_what_is_gone_while_others_come(void **state) {
    const Clock *clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(clock) + 30000;
    DropCase c;
    char name[32];
    half_read(&c, *state);
    move(&c, "a.csv", "../away");
    crash(&c);
    for (int i = 0; state_of(&c, 1) != ORIGIN_DONE && clock_monotonic_ms(clock) < until_ms; i++) {
        snprintf(name, sizeof name, "%d.csv", i);
        put(&c, name, rows(i, 1));
        assert_true(look(&c) > 0);
        read_once(&c, true);
        ack_all(&c);
    }
    assert_int_equal(state_of(&c, 1), ORIGIN_DONE);
    drop_case_end(&c);
}

// The same bytes are written once more over it: what is read meanwhile may be anything, so all of it is read again.
static void test_reads_again_what_was_written_to(void **state) {
    DropCase c;
    char path[300];
    half_read(&c, *state);
    char *text = strdup(rows(0, ROWS));
    size_t n = strlen(text), part = n / 2;
    path_of(&c, "a.csv", path);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, text, part), (ssize_t)part);
    read_all(&c);
    uint64_t meanwhile = sealed(&c);
    assert_int_equal(write(fd, text + part, n - part), (ssize_t)(n - part));
    close(fd);
    free(text);
    read_all(&c);
    assert_int_equal(sealed(&c), meanwhile + ROWS);
    ack_all(&c);
    assert_false(is_there(&c, "a.csv"));
    drop_case_end(&c);
}

// A program before this one took such a file for read to its end.
static void test_reads_what_an_older_program_left(void **state) {
    DropCase c;
    Origin origin;
    half_read(&c, *state);
    uint64_t half = sealed(&c);
    assert_int_equal(ledger_origin(c.test->spool, 1, &origin), 0);
    origin.state = ORIGIN_READ;
    assert_int_equal(spool_begin(c.test->spool), 0);
    assert_int_equal(ledger_origin_read(c.test->spool, &origin), 0);
    assert_int_equal(spool_commit(c.test->spool), 0);
    crash(&c);
    read_all(&c);
    assert_int_equal(sealed(&c), half + ROWS);
    drop_case_end(&c);
}

// A file that is refused whole is refused once, though little of it was read.
static void test_refuses_a_whole_file_once(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", "id,lod\n1,L1\n");
    read_once(&c, true);
    crash(&c);
    read_all(&c);
    assert_int_equal(last_origin(&c), 1);
    drop_case_end(&c);
}

// What is handed back of origin 1, which is a.csv.
static const char *handed_back(DropCase *c) {
    static char text[2048];
    char path[300];
    Origin origin;
    int n;
    assert_int_equal(ledger_origin(c->test->spool, 1, &origin), 0);
    assert_int_equal(c->source->kind->hand_back(c->source, &origin, &n), 0);
    assert_int_equal(n, 1);
    path_of(c, "done/a.refused.csv", path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

// After a start nothing is handed back before the folder was gone through.
static void look_through(DropCase *c) {
    Origin origin;
    int n;
    assert_int_equal(ledger_origin(c->test->spool, 1, &origin), 0);
    assert_int_equal(c->source->kind->hand_back(c->source, &origin, &n), 0);
    assert_int_equal(n, 0);
    assert_false(is_there(c, "done/a.refused.csv"));
    read_all(c);
}

enum { KNOWN, AFTER_A_START, PUT_WHILE_DOWN, TIMES, BEFORE };

static void two_versions(DropCase *c, PublishCase *test, int when) {
    drop_case(c, test, NULL);
    put(c, "a.csv", "id,lot\n1,L1\n,AAAA\n3,L3\n");
    read_once(c, true); // its row 3 is refused here, the others wait
    if (when == BEFORE)
        return;
    if (when == PUT_WHILE_DOWN)
        source_destroy(&c->source);
    put(c, "a.csv", "id,lot\n8,ZZ\n9,BBBB-somebody-else\n3,L3\n");
    if (when == PUT_WHILE_DOWN)
        open_source(c);
    if (when == AFTER_A_START)
        crash(c);
    if (when != KNOWN)
        look_through(c);
}

// The next file of its name lies where a file lay whose answers are outstanding: no row is cut out of that.
static void test_hands_back_no_other_files_row(void **state) {
    for (int when = 0; when < TIMES; when++) {
        DropCase c;
        two_versions(&c, *state, when);
        const char *text = handed_back(&c);
        assert_non_null(strstr(text, "\n3,REJECTED,"));
        assert_null(strstr(text, "BBB"));
        drop_case_end(&c);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
}

static void refuse(DropCase *c, const Item *item) {
    IntakeFault fault = {DONGBO__REASON_CODE__TEXT_INVALID, "", "", ""};
    assert_int_equal(spool_begin(c->test->spool), 0);
    assert_int_equal(intake_refuse(&c->intake, item, &fault), 0);
    assert_int_equal(spool_commit(c->test->spool), 0);
}

static void refuse_again(DropCase *c) {
    refuse(c, &(Item){.origin = 1, .row = 4});
}

// Its row stands under its own columns, also where others stand before it that had all of theirs.
static void test_hands_back_by_number_in_its_column(void **state) {
    DropCase c;
    two_versions(&c, *state, BEFORE);
    assert_non_null(strstr(handed_back(&c), "id,lot,dongbo_row,"));
    put(&c, "a.csv", "id,lot\n8,ZZ\n9,BBBB-somebody-else\n3,L3\n");
    refuse_again(&c);
    const char *text = handed_back(&c);
    assert_non_null(strstr(text, "\n,AAAA,3,REJECTED,"));
    assert_non_null(strstr(text, "\n,,4,REJECTED,"));
    drop_case_end(&c);
}

// It is found also after a start.
static void test_hands_back_the_row_itself_after_a_start(void **state) {
    for (int when = 0; when < PUT_WHILE_DOWN; when++) {
        DropCase c;
        drop_case(&c, *state, NULL);
        put(&c, "a.csv", "id,lot\n1,L1\n,AAAA\n3,L3\n");
        read_once(&c, true);
        if (when == AFTER_A_START) {
            crash(&c);
            look_through(&c);
        }
        assert_non_null(strstr(handed_back(&c), "\n,AAAA,3,REJECTED,"));
        drop_case_end(&c);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
}

// A later word comes weeks after, and its keeper has corrected the file where it lies in done/: each row is elsewhere.
static void test_hands_back_no_row_of_what_was_written_to(void **state) {
    static const char *const ENDS[] = {"\n", "\r\n", "", "\n\n,\n"};
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        DropCase c;
        char text[100];
        Item item = {.origin = 1, .row = 3, .offset = 12, .bytes = 4};
        drop_case(&c, *state, NULL);
        snprintf(text, sizeof text, "id,lot\n1,L1\n2,L2\n3,L3%s", ENDS[i]);
        put(&c, "a.csv", text);
        read_all(&c);
        ack_all(&c);
        refuse(&c, &item);
        assert_non_null(strstr(handed_back(&c), "\n2,L2,3,REJECTED,"));
        scratch_write(c.drop, "done/a.csv", "id,lot\n0,L0\n1,L1\n2,L2\n3,L3\n");
        scratch_unlink(c.drop, "done/a.refused.csv");
        refuse(&c, &item);
        assert_non_null(strstr(handed_back(&c), "\n3,REJECTED,"));
        drop_case_end(&c);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
}

// Its keeper puts done/ away as a whole, from time to time.
static void test_makes_done_again(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 2));
    read_all(&c);
    move(&c, "done", "../done-of-last-year");
    ack_all(&c);
    assert_true(is_there(&c, "done/a.csv"));
    move(&c, "done", "../done-of-this-year");
    refuse_again(&c);
    assert_non_null(strstr(handed_back(&c), "4,REJECTED,"));
    drop_case_end(&c);
}

// A share goes away amid a file, and so cannot be listed either: what was found there before is found again, once.
static void test_reads_once_what_waited_when_its_folder_went_away(void **state) {
    DropCase c;
    char away[300];
    drop_case(&c, *state, NULL);
    snprintf(away, sizeof away, "%s/away", c.test->directory);
    put(&c, "a.csv", rows(0, ROWS));
    put(&c, "b.csv", rows(0, 3));
    assert_true(look(&c) > 0);
    assert_int_equal(spool_begin(c.test->spool), 0);
    assert_int_equal(c.source->kind->read(c.source, &c.intake), 0);
    sealer_clear(c.test->sealer);
    spool_rollback(c.test->spool);
    assert_int_equal(rename(c.drop, away), 0);
    assert_int_equal(c.source->kind->settle(c.source, false), ERROR_SYSTEM);
    assert_int_equal(rename(away, c.drop), 0);
    read_all(&c);
    assert_int_equal(sealed(&c), ROWS + 3);
    drop_case_end(&c);
}

// A file of one name comes every hour while the exchange is away, which then answers one after the other: none is read
// again for that.
static void test_reads_each_version_once(void **state) {
    enum { VERSIONS = 6 };
    DropCase c;
    drop_case(&c, *state, NULL);
    for (int i = 0; i < VERSIONS; i++) {
        put(&c, "a.csv", rows(10 * i, 3));
        read_all(&c);
    }
    for (int i = 0; i < VERSIONS; i++) {
        assert_true(is_there(&c, "a.csv"));
        assert_int_equal(ack(&c, 1), 1);
        read_all(&c);
    }
    assert_int_equal(sealed(&c), 3 * VERSIONS);
    assert_int_equal(last_origin(&c), VERSIONS);
    assert_false(is_there(&c, "a.csv"));
    drop_case_end(&c);
}

// What was changed where it lies, while it was read, and told already: once more, and not twice.
static void test_reads_again_once(void **state) {
    DropCase c;
    half_read(&c, *state);
    scratch_write(c.drop, "a.csv", rows(0, ROWS));
    read_all(&c);
    assert_int_equal(last_origin(&c), 2);
    assert_int_equal(sealed(&c), 2 * ROWS);
    drop_case_end(&c);
}

// Files of the same bytes are told apart, also after a start, and each goes where it would have gone.
static void test_knows_twins_after_a_start(void **state) {
    enum { TWINS = 3 };
    static const char *const NAMES[TWINS] = {"c.csv", "a.csv", "b.csv"};
    DropCase c;
    Origin origin;
    drop_case(&c, *state, NULL);
    for (int i = 0; i < TWINS; i++) {
        put(&c, NAMES[i], rows(0, 3));
        read_all(&c);
    }
    for (int i = 0; i < 3; i++) {
        crash(&c);
        read_all(&c);
        assert_int_equal(sealed(&c), 3 * TWINS);
        assert_int_equal(last_origin(&c), TWINS);
    }
    for (int i = 0; i < TWINS; i++) {
        assert_int_equal(ledger_origin(c.test->spool, i + 1, &origin), 0);
        assert_string_equal(origin.name, NAMES[i]);
    }
    ack_all(&c);
    assert_false(is_there(&c, "a.csv") || is_there(&c, "b.csv") || is_there(&c, "c.csv"));
    assert_true(is_there(&c, "done/a.csv") && is_there(&c, "done/b.csv") && is_there(&c, "done/c.csv"));
    drop_case_end(&c);
}

// A second one, of which only half was read when the agent stopped, goes on there.
static void test_goes_on_in_a_twin(void **state) {
    DropCase c;
    half_read(&c, *state);
    read_all(&c);
    put(&c, "b.csv", rows(0, ROWS));
    read_once(&c, true);
    assert_in_range(sealed(&c), ROWS + 1000, 2 * ROWS - 1000);
    crash(&c);
    read_all(&c);
    assert_int_equal(sealed(&c), 2 * ROWS);
    drop_case_end(&c);
}

// What the kernel holds of the folder's events, of which it keeps 16384.
static int held(DropCase *c) {
    int bytes;
    assert_int_equal(ioctl(c->source->kind->fd(c->source), FIONREAD, &bytes), 0);
    return bytes / 32; // each with its name of 16
}

// Each file that is read is an event, too, also of those that have no rows and are read all at once.
static void test_leaves_no_events_to_be_lost(void **state) {
    enum { FILES = 2500 };
    DropCase c;
    char name[16];
    drop_case(&c, *state, NULL);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%06d.csv", i);
        put(&c, name, "id,lot\n");
    }
    assert_true(look(&c) > 0);
    read_once(&c, true);
    assert_int_equal(last_origin(&c), FILES);
    assert_in_range(held(&c), 1, 1100);
    drop_case_end(&c);
}

// Nor does it wait until all files are read.
static void test_takes_events_while_files_wait(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, ROWS));
    put(&c, "b.csv", rows(0, 1));
    read_once(&c, true);
    put(&c, "000000.csv", rows(0, 1));
    assert_true(held(&c) > 0);
    assert_true(look(&c) > 0);
    assert_int_equal(held(&c), 0);
    read_all(&c);
    assert_int_equal(sealed(&c), ROWS + 2);
    drop_case_end(&c);
}

// Opening one waits for a writer that may never come.
static void test_waits_for_no_fifo(void **state) {
    DropCase c;
    char path[300];
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 3));
    put(&c, "b.csv", rows(3, 3));
    assert_true(look(&c) > 0);
    path_of(&c, "b.csv", path);
    assert_int_equal(unlink(path) | mkfifo(path, 0600), 0);
    read_all(&c);
    assert_int_equal(sealed(&c), 3);
    drop_case_end(&c);
}

// Its next version waits to be read while it is answered: that costs sessions no time, however large it is.
static void test_opens_no_other_file_to_hand_back(void **state) {
    DropCase c;
    Origin origin;
    int n;
    two_versions(&c, *state, AFTER_A_START);
    (void)handed_back(&c);
    refuse_again(&c);
    put(&c, "a.csv", rows(0, 5));
    assert_true(look(&c) > 0);
    assert_int_equal(ledger_origin(c.test->spool, 1, &origin), 0);
    for (int i = 0; i < 2; i++) { // it waits; it is known
        int before = held(&c);
        assert_int_equal(c.source->kind->hand_back(c.source, &origin, &n), 0);
        assert_int_equal(n, i);
        assert_int_equal(held(&c), before);
        read_all(&c);
    }
    drop_case_end(&c);
}

// What lay elsewhere at a start and comes back is handed back whole, once it was looked at.
static void test_hands_back_the_row_itself_of_what_comes_back(void **state) {
    DropCase c;
    Origin origin;
    int n;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", "id,lot\n1,L1\n,AAAA\n3,L3\n");
    read_once(&c, true);
    move(&c, "a.csv", "../away");
    crash(&c);
    assert_int_equal(look(&c), 0);
    move(&c, "../away", "a.csv");
    assert_true(look(&c) > 0);
    assert_int_equal(ledger_origin(c.test->spool, 1, &origin), 0);
    assert_int_equal(c.source->kind->hand_back(c.source, &origin, &n), 0);
    assert_int_equal(n, 0);
    read_all(&c);
    assert_non_null(strstr(handed_back(&c), "\n,AAAA,3,REJECTED,"));
    drop_case_end(&c);
}

// Where files lie on another machine, a file that was read may not say any more whether it changed: it is looked at
// again, and let go as every other.
static void test_knows_a_file_that_could_not_be_asked(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 3));
    assert_true(look(&c) > 0);
    fails_at_its_end = true;
    read_all(&c);
    assert_false(fails_at_its_end);
    assert_int_equal(last_origin(&c), 1);
    ack_all(&c);
    assert_true(is_there(&c, "done/a.csv"));
    assert_int_equal(sealed(&c), 3);
    drop_case_end(&c);
}

// What cannot be read is said, and keeps nobody waiting; it is tried again later.
static void test_reads_on_where_a_file_cannot_be_read(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 3));
    put(&c, "b.csv", rows(3, 4));
    cannot_be_read = "/a.csv";
    read_all(&c);
    assert_int_equal(sealed(&c), 4);
    assert_string_equal(c.source->kind->left(c.source), "a.csv cannot be read: Input/output error");
    ack_all(&c);
    assert_true(is_there(&c, "done/b.csv"));
    read_once(&c, false); // it is told again, as after anything that fails, and as it is after a while
    read_all(&c);
    assert_non_null(c.source->kind->left(c.source));
    cannot_be_read = NULL;
    read_once(&c, false);
    read_all(&c);
    assert_int_equal(sealed(&c), 7);
    assert_null(c.source->kind->left(c.source));
    drop_case_end(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    log_setup("test", LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(test_goes_on_in_a_file_that_comes_back),
        TEST(test_goes_on_in_a_file_that_was_open),
        TEST(test_goes_on_in_a_file_that_could_not_be_opened),
        TEST(test_reads_from_the_start_what_was_let_go),
        TEST(test_lets_go_of_what_is_gone_while_others_come),
        TEST(test_reads_again_what_was_written_to),
        TEST(test_reads_what_an_older_program_left),
        TEST(test_refuses_a_whole_file_once),
        TEST(test_hands_back_no_other_files_row),
        TEST(test_hands_back_by_number_in_its_column),
        TEST(test_hands_back_no_row_of_what_was_written_to),
        TEST(test_makes_done_again),
        TEST(test_reads_once_what_waited_when_its_folder_went_away),
        TEST(test_reads_each_version_once),
        TEST(test_reads_again_once),
        TEST(test_knows_twins_after_a_start),
        TEST(test_goes_on_in_a_twin),
        TEST(test_hands_back_the_row_itself_after_a_start),
        TEST(test_leaves_no_events_to_be_lost),
        TEST(test_takes_events_while_files_wait),
        TEST(test_waits_for_no_fifo),
        TEST(test_opens_no_other_file_to_hand_back),
        TEST(test_hands_back_the_row_itself_of_what_comes_back),
        TEST(test_knows_a_file_that_could_not_be_asked),
        TEST(test_reads_on_where_a_file_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
