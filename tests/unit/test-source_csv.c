// SPDX-License-Identifier: Apache-2.0
//
// A drop folder read into a spool, through crashes, rollbacks, and what people do with files.
#include "agents/source_csv.h"

#include "agents/refused.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "tests/unit/drop-case.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static int note_result(void *self, const Result *result) {
    char *out = self;
    size_t n = strlen(out);
    snprintf(out + n, 512 - n, "%llu:%d ", (unsigned long long)result->item.row,
             (int)result->verdict->reasons[0]->code);
    return 0;
}

static void assert_refused(DropCase *c, int64_t origin, const char *expected) {
    char out[512] = "";
    int64_t last;
    ResultQuery query = {origin, RESULT_REFUSED, 100, false};
    assert_int_equal(ledger_results(c->test->spool, &query, note_result, out, &last), 0);
    assert_string_equal(out, expected);
}

static void test_reads_files_and_moves_them_when_decided(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    assert_int_equal(look(&c), 0);
    put(&c, "b.csv", rows(100, 3));
    put(&c, "a.csv", rows(0, 2));
    put(&c, "note.txt", "not for us");
    assert_true(look(&c) > 0);
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 5);
    assert_int_equal(look(&c), 0);
    assert_int_equal(c.source->kind->receipts(c.source), 0);
    assert_true(is_there(&c, "a.csv"));
    ack_all(&c);
    assert_false(is_there(&c, "a.csv"));
    assert_true(is_there(&c, "done/a.csv"));
    assert_true(is_there(&c, "done/b.csv"));
    assert_true(is_there(&c, "note.txt"));
    // The same file dropped again is another delivery, kept under another name.
    put(&c, "a.csv", rows(0, 2));
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 7);
    ack_all(&c);
    assert_false(is_there(&c, "a.csv"));
    drop_case_end(&c);
}

// Row by row through the transactions of a large file, dying after each: every row once.
static void test_goes_on_at_its_row(void **state) {
    enum { ROWS = 30000 };
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, ROWS));
    int crashes = 0;
    while (sealed(&c) < ROWS && crashes < 100) {
        read_once(&c, true);
        crashes++;
        crash(&c);
    }
    assert_in_range(crashes, 3, 20);
    read_once(&c, true);
    assert_int_equal(sealed(&c), ROWS);
    Origin origin;
    assert_int_equal(ledger_origin(c.test->spool, 1, &origin), 0);
    assert_int_equal(origin.waiting, ROWS);
    ack_all(&c);
    assert_true(is_there(&c, "done/a.csv"));
    drop_case_end(&c);
}

static void test_reads_again_what_was_rolled_back(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 20000));
    read_once(&c, false);
    assert_int_equal(sealed(&c), 0);
    read_once(&c, true);
    uint64_t first = sealed(&c);
    assert_in_range(first, 1000, 19000);
    read_once(&c, false);
    assert_int_equal(sealed(&c), first);
    while (look(&c) > 0)
        read_once(&c, true);
    assert_int_equal(sealed(&c), 20000);
    drop_case_end(&c);
}

// A renamed file is known by its content.
static void test_knows_a_half_read_file_by_its_content(void **state) {
    DropCase c;
    char from[300], to[300];
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 20000));
    read_once(&c, true);
    source_destroy(&c.source);
    snprintf(from, sizeof from, "%s/a.csv", c.drop);
    snprintf(to, sizeof to, "%s/z.csv", c.drop);
    assert_int_equal(rename(from, to), 0);
    open_source(&c);
    while (look(&c) > 0)
        read_once(&c, true);
    assert_int_equal(sealed(&c), 20000);
    ack_all(&c);
    assert_false(is_there(&c, "z.csv"));
    assert_true(is_there(&c, "done/a.csv"));
    drop_case_end(&c);
}

static void test_refuses_bad_rows_alone(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", "lot,id\nL1,1\nL2,\nL3\n\"L4,4\nL5,5\nL\x80,6\nL7,7\n");
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 3);
    assert_refused(&c, 1, "3:400 4:302 5:302 7:304 ");
    ack_all(&c);
    int n;
    Origin origin;
    assert_int_equal(ledger_origin(c.test->spool, 1, &origin), 0);
    assert_int_equal(origin.state, ORIGIN_DONE);
    assert_int_equal(c.source->kind->hand_back(c.source, &origin, &n), 0);
    assert_int_equal(n, 4);
    assert_true(is_there(&c, "done/a.refused.csv"));
    drop_case_end(&c);
}

static int refuse_one(DropCase *c, int64_t id) {
    Origin origin;
    int n = 0;
    Item item = {.origin = id, .row = 2, .offset = 0, .bytes = 0};
    IntakeFault fault = {DONGBO__REASON_CODE__TEXT_INVALID, "", "", ""};
    assert_int_equal(spool_begin(c->test->spool), 0);
    assert_int_equal(intake_refuse(&c->intake, &item, &fault), 0);
    assert_int_equal(spool_commit(c->test->spool), 0);
    assert_int_equal(ledger_origin(c->test->spool, id, &origin), 0);
    assert_int_equal(c->source->kind->hand_back(c->source, &origin, &n), 0);
    return n;
}

// What was refused is corrected and dropped again under the name that it was handed back by, while more of the first
// file is refused: neither takes the other's place.
static void test_a_refused_file_dropped_again_takes_no_answers_place(void **state) {
    DropCase c;
    char from[300], to[300];
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 2));
    read_once(&c, true);
    ack_all(&c);
    assert_int_equal(refuse_one(&c, 1), 1);
    snprintf(from, sizeof from, "%s/done/a.refused.csv", c.drop);
    snprintf(to, sizeof to, "%s/a.refused.csv", c.drop);
    assert_int_equal(rename(from, to), 0);
    put(&c, "a.refused.csv", rows(7, 1));
    read_once(&c, true);
    assert_int_equal(refuse_one(&c, 1), 1);
    struct stat before, after;
    assert_int_equal(stat(from, &before), 0);
    ack_all(&c);
    assert_false(is_there(&c, "a.refused.csv"));
    assert_int_equal(stat(from, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    drop_case_end(&c);
}

// A name that leaves no room for what is put behind it.
static void test_names_of_any_length(void **state) {
    static const char *const ENDS[] = {".csv", ".a.b", ""};
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        DropCase c;
        char name[256];
        drop_case(&c, *state, NULL);
        source_destroy(&c.source);
        c.config.pattern = "*";
        open_source(&c);
        memset(name, 'n', sizeof name);
        name[1] = '.'; // what follows it is no extension, however it is called
        snprintf(name + 254 - strlen(ENDS[i]), strlen(ENDS[i]) + 1, "%s", ENDS[i]);
        put(&c, name, rows(0, 2));
        read_once(&c, true);
        ack_all(&c);
        assert_false(is_there(&c, name));
        assert_int_equal(refuse_one(&c, 1), 1);
        drop_case_end(&c);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
}

// Two whose names are the same as far as there is room for what is put behind them.
static void test_long_names_have_answers_of_their_own(void **state) {
    DropCase c;
    char name[256], answers[2][300];
    drop_case(&c, *state, NULL);
    memset(name, 'n', sizeof name);
    for (int i = 0; i < 2; i++) {
        Origin origin;
        snprintf(name + 249, sizeof name - 249, "%d.csv", i);
        put(&c, name, rows(10 * i, 2));
        read_once(&c, true);
        assert_int_equal(ledger_origin(c.test->spool, i + 1, &origin), 0);
        refused_name(origin.kept_name, RESULT_REFUSED, answers[i]);
        assert_true(strlen(answers[i]) <= NAME_MAX);
    }
    assert_string_not_equal(answers[0], answers[1]);
    drop_case_end(&c);
}

// Nor do two of which one lacks the end that is left out of its answers' name.
static void test_answers_go_into_one_files_answers(void **state) {
    static const char *const NAMES[] = {"foo", "foo.csv", "bar.csv", "bar"};
    DropCase c;
    char answers[4][300];
    drop_case(&c, *state, NULL);
    source_destroy(&c.source);
    c.config.pattern = "*";
    open_source(&c);
    for (int i = 0; i < 4; i++) {
        Origin origin;
        put(&c, NAMES[i], rows(10 * i, 2));
        read_once(&c, true);
        assert_int_equal(ledger_origin(c.test->spool, i + 1, &origin), 0);
        refused_name(origin.kept_name, RESULT_REFUSED, answers[i]);
    }
    assert_string_not_equal(answers[0], answers[1]);
    assert_string_not_equal(answers[2], answers[3]);
    drop_case_end(&c);
}

// Whoever drops files may put another thing in a file's place: nothing that is not a file dropped here is read.
static void test_reads_nothing_else_in_a_files_place(void **state) {
    DropCase c;
    char path[300], text[512] = "";
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", "id,lot\n1,L1\n\n");
    scratch_write(c.test->directory, "secret", "id,s3cret\n1,key\n");
    read_once(&c, true);
    snprintf(path, sizeof path, "%s/a.csv", c.drop);
    for (int kind = 0; kind < 2; kind++) {
        char secret[300];
        snprintf(secret, sizeof secret, "%s/secret", c.test->directory);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(kind == 0 ? symlink(secret, path) : mkfifo(path, 0600), 0);
        assert_int_equal(refuse_one(&c, 1), 1);
    }
    snprintf(path, sizeof path, "%s/done/a.refused.csv", c.drop);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_null(strstr(text, "s3cret"));
    drop_case_end(&c);
}

// Nor is anything written elsewhere, whatever lies where answers go.
static void test_writes_nowhere_else(void **state) {
    DropCase c;
    char path[300], secret[300];
    int n;
    Origin origin;
    struct stat stat_;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", "id,lot\n1\n");
    read_once(&c, true);
    scratch_write(c.test->directory, "secret", "");
    snprintf(secret, sizeof secret, "%s/secret", c.test->directory);
    snprintf(path, sizeof path, "%s/done/a.refused.csv", c.drop);
    assert_int_equal(ledger_origin(c.test->spool, 1, &origin), 0);
    for (int kind = 0; kind < 3; kind++) {
        assert_int_equal(kind == 0 ? symlink(secret, path) : kind == 1 ? mkfifo(path, 0600) : mkdir(path, 0700), 0);
        assert_int_equal(c.source->kind->hand_back(c.source, &origin, &n), ERROR_SYSTEM);
        assert_non_null(strstr(error_text(), "a.refused.csv: what lies there is no file; take it away"));
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(stat(secret, &stat_), 0);
    assert_int_equal(stat_.st_size, 0);
    assert_int_equal(c.source->kind->hand_back(c.source, &origin, &n), 0);
    assert_int_equal(n, 1);
    drop_case_end(&c);
}

// Spreadsheets leave rows of nothing but delimiters behind the data.
static void test_passes_over_blank_rows(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", "id,lot\n1,L1\n,\n\n2,L2\n,\n,\n");
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 2);
    assert_refused(&c, 1, "");
    ack_all(&c);
    assert_true(is_there(&c, "done/a.csv"));
    drop_case_end(&c);
}

// A file that cannot be opened is said, and read when it can be; the others are read meanwhile.
static void test_says_what_it_cannot_open(void **state) {
    DropCase c;
    char path[300];
    drop_case(&c, *state, NULL);
    snprintf(path, sizeof path, "%s/b.csv", c.drop);
    assert_int_equal(symlink("/dev/null", path), 0);
    put(&c, "A.CSV", rows(0, 2));
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 2);
    assert_non_null(c.source->kind->left(c.source));
    assert_non_null(strstr(c.source->kind->left(c.source), "b.csv cannot be opened: it is a symbolic link"));
    assert_true(c.source->kind->wait_ms(c.source) < 0);
    put(&c, "b.csv", rows(5, 3));
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 5);
    assert_null(c.source->kind->left(c.source));
    drop_case_end(&c);
}

// Somebody takes the folder away and makes it anew: what is dropped there then is found.
static void test_finds_a_folder_that_came_back(void **state) {
    DropCase c;
    char path[300];
    uint64_t bytes;
    drop_case(&c, *state, NULL);
    assert_int_equal(look(&c), 0);
    snprintf(path, sizeof path, "%s/done", c.drop);
    assert_int_equal(rmdir(path) | rmdir(c.drop), 0);
    assert_int_equal(c.source->kind->look(c.source, &bytes), ERROR_SYSTEM);
    assert_int_equal(c.source->kind->look(c.source, &bytes), ERROR_SYSTEM);
    assert_int_equal(mkdir(c.drop, 0700), 0);
    assert_int_equal(look(&c), 0);
    put(&c, "a.csv", rows(0, 2));
    assert_int_equal(read_once(&c, true), 1);
    ack_all(&c);
    assert_true(is_there(&c, "done/a.csv"));
    drop_case_end(&c);
}

static void test_refuses_a_file_without_a_column(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", "id,lod\n1,L1\n");
    put(&c, "b.csv", rows(0, 2));
    put(&c, "c.csv", "");
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 2);
    assert_refused(&c, 1, "1:400 ");
    ack_all(&c);
    assert_true(is_there(&c, "done/a.csv"));
    assert_true(is_there(&c, "done/c.csv"));
    drop_case_end(&c);
}

static void test_converts_by_column_and_refuses_by_row(void **state) {
    DropCase c;
    drop_case(&c, *state, "EUC-JP");
    put(&c, "a.csv", "id,lot\n1,abc\n2,\xFF\xFF\n3,def\n");
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 2);
    assert_refused(&c, 1, "3:304 ");
    drop_case_end(&c);
}

// With `auto` each file has its own, an odd row is refused by itself, and a file that is unclear as a whole.
static void test_finds_each_files_encoding(void **state) {
    DropCase c;
    Origin origin;
    drop_case(&c, *state, "auto");
    put(&c, "a.csv",
        "id,lot\n1,Nguy\xD4n\n2,V\xA8n \xA7\xD4\n3,B\xD7nh\n4,Nguye\xE3n Va\xEAn\n5,Tr\xC7n Ng\xE4"
        "c\n");
    put(&c, "b.csv", "id,lot\n1,Nguye\xE3n\n2,Va\xEAn T\xE5m\n3,Thò\n");
    put(&c, "c.csv", rows(0, 2));
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 6);
    assert_refused(&c, 1, "5:304 ");
    assert_refused(&c, 2, "1:304 ");
    static const char *const NAMES[] = {"TCVN3", "unclear", "ASCII"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ledger_origin(c.test->spool, i + 1, &origin), 0);
        assert_string_equal(origin.encoding, NAMES[i]);
        assert_true((origin.confidence >= 60) == (i != 1));
    }
    ack_all(&c);
    assert_true(is_there(&c, "done/b.csv"));
    drop_case_end(&c);
}

// Whoever still has it open for writing has not finished it.
static void test_leaves_open_files_alone(void **state) {
    DropCase c;
    char path[300];
    drop_case(&c, *state, NULL);
    snprintf(path, sizeof path, "%s/a.csv", c.drop);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "id,lot\n1,L1\n", 12), 12);
    assert_int_equal(look(&c), 0);
    assert_int_equal(write(fd, "2,L2\n", 5), 5);
    close(fd);
    // With leases at once, by inotify; without, after two seconds.
    for (int i = 0; i < 100 && look(&c) == 0; i++) {
        struct pollfd news = {.fd = c.source->kind->fd(c.source), .events = POLLIN};
        (void)poll(&news, 1, 50);
    }
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 2);
    drop_case_end(&c);
}

static void test_leaves_alone_what_was_replaced(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 2));
    assert_int_equal(read_once(&c, true), 1);
    put(&c, "a.csv", rows(10, 3));
    ack_all(&c);
    assert_true(is_there(&c, "a.csv"));
    assert_int_equal(read_once(&c, true), 1);
    assert_int_equal(sealed(&c), 5);
    ack_all(&c);
    assert_false(is_there(&c, "a.csv"));
    drop_case_end(&c);
}

// A file that somebody took away half read does not wait for ever.
static void test_lets_go_of_what_is_gone(void **state) {
    DropCase c;
    drop_case(&c, *state, NULL);
    put(&c, "a.csv", rows(0, 20000));
    read_once(&c, true);
    scratch_unlink(c.drop, "a.csv");
    crash(&c);
    assert_int_equal(look(&c), 0);
    assert_int_equal(c.source->kind->receipts(c.source), 0);
    ack_all(&c);
    Origin origin;
    assert_int_equal(ledger_origin(c.test->spool, 1, &origin), 0);
    assert_int_equal(origin.state, ORIGIN_DONE);
    drop_case_end(&c);
}

// What a session would have to wait for is bounded, also by a file's hash.
static void test_a_large_file_is_begun_in_pieces(void **state) {
    enum { MIB = 1 << 20, PIECES = 40 };
    DropCase c;
    char path[300];
    drop_case(&c, *state, NULL);
    char *blank = malloc(MIB);
    memset(blank, '\n', MIB);
    snprintf(path, sizeof path, "%s/a.csv", c.drop);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "id,lot\n1,L1\n", 12), 12);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(write(fd, blank, MIB), MIB);
    close(fd);
    free(blank);
    assert_int_equal(read_once(&c, true), 0);
    assert_int_equal(read_once(&c, true), 0);
    assert_true(look(&c) > PIECES * MIB);
    assert_int_equal(sealed(&c), 0);
    while (look(&c) > 0)
        read_once(&c, true);
    assert_int_equal(sealed(&c), 1);
    drop_case_end(&c);
}

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void put_files(DropCase *c, int from, int n) {
    char name[32], text[32];
    for (int i = from; i < from + n; i++) {
        snprintf(name, sizeof name, "%06d.csv", i);
        snprintf(text, sizeof text, "id,lot\n%d,L\n", i);
        put(c, name, text);
    }
}

// Processor seconds to read so many files of one row and let them go; and, while all of them wait, to read another
// hundred that come one by one.
static void time_files(PublishCase *test, int n, double *ret_all_s, double *ret_hundred_s) {
    DropCase c;
    publish_case_setup((void **)&test);
    drop_case(&c, test, NULL);
    put_files(&c, 0, n);
    double begin_s = cpu_s();
    while (look(&c) > 0)
        read_once(&c, true);
    *ret_all_s = cpu_s() - begin_s;
    *ret_hundred_s = 0;
    for (int i = 0; i < 100; i++) {
        put_files(&c, n + i, 1);
        begin_s = cpu_s();
        read_once(&c, true);
        assert_int_equal(c.source->kind->receipts(c.source), 0);
        *ret_hundred_s += cpu_s() - begin_s;
    }
    assert_int_equal(sealed(&c), n + 100);
    begin_s = cpu_s();
    ack_all(&c);
    *ret_all_s += cpu_s() - begin_s;
    assert_false(is_there(&c, "000000.csv"));
    assert_true(is_there(&c, "done/000000.csv"));
    drop_case_end(&c);
    publish_case_teardown((void **)&test);
}

// Five times the files cost five times as much, and one more file always the same.
static void test_many_files_cost_as_much_as_each(void **state) {
    double few_s, many_s, few_hundred_s, many_hundred_s;
    time_files(NULL, 2000, &few_s, &few_hundred_s);
    time_files(NULL, 10000, &many_s, &many_hundred_s);
    print_message("%.2f and %.2f s; one by one %.3f and %.3f s\n", few_s, many_s, few_hundred_s, many_hundred_s);
    assert_true(many_s < 15 * few_s);
    assert_true(many_hundred_s < 3 * few_hundred_s + 0.1);
}

static void test_stops_when_the_spool_is_full(void **state) {
    PublishCase *test = *state;
    publish_case_close(test);
    test->bytes_max = 2 * BATCH_BYTES_MAX;
    publish_case_open(test);
    DropCase c;
    drop_case(&c, test, NULL);
    put(&c, "a.csv", rows(0, 30000));
    for (int i = 0; i < 20 && !spool_is_full(test->spool); i++)
        read_once(&c, true);
    assert_true(spool_is_full(test->spool));
    uint64_t full = sealed(&c);
    assert_in_range(full, 1000, 29000);
    read_once(&c, true);
    assert_int_equal(sealed(&c), full);
    while (look(&c) > 0) {
        ack_all(&c);
        assert_int_equal(spool_begin(test->spool), 0);
        assert_int_equal(spool_trim(test->spool), 0);
        assert_int_equal(spool_commit(test->spool), 0);
        read_once(&c, true);
    }
    assert_int_equal(sealed(&c), 30000);
    drop_case_end(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    log_setup("test", LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(test_reads_files_and_moves_them_when_decided),
        TEST(test_goes_on_at_its_row),
        TEST(test_reads_again_what_was_rolled_back),
        TEST(test_knows_a_half_read_file_by_its_content),
        TEST(test_refuses_bad_rows_alone),
        TEST(test_a_refused_file_dropped_again_takes_no_answers_place),
        TEST(test_names_of_any_length),
        TEST(test_long_names_have_answers_of_their_own),
        TEST(test_answers_go_into_one_files_answers),
        TEST(test_reads_nothing_else_in_a_files_place),
        TEST(test_writes_nowhere_else),
        TEST(test_passes_over_blank_rows),
        TEST(test_says_what_it_cannot_open),
        TEST(test_finds_a_folder_that_came_back),
        TEST(test_refuses_a_file_without_a_column),
        TEST(test_converts_by_column_and_refuses_by_row),
        TEST(test_finds_each_files_encoding),
        TEST(test_leaves_open_files_alone),
        TEST(test_leaves_alone_what_was_replaced),
        TEST(test_lets_go_of_what_is_gone),
        TEST(test_a_large_file_is_begun_in_pieces),
        TEST(test_many_files_cost_as_much_as_each),
        TEST(test_stops_when_the_spool_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
