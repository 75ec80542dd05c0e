// SPDX-License-Identifier: Apache-2.0
//
// Rows handed back beside a file: as they were, with what to do, each once whatever dies when.
#include "agents/refused.h"

#include "proto/base/error.h"
#include "tests/unit/publish-case.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

#define FILE_TEXT "id,name\n1,\"Lê, Văn\"\n2,\"Trần \"\"B\"\"\"\n3,\"open\n4,x,y\n5,caf\xE9\n"
// number, offset and length of its rows
static const Item ROWS[] = {
    {.row = 2, .offset = 8, .bytes = 13}, {.row = 3, .offset = 22, .bytes = 16}, {.row = 4, .offset = 39, .bytes = 7},
    {.row = 5, .offset = 47, .bytes = 5}, {.row = 6, .offset = 53, .bytes = 6},
};

typedef struct RefusedCase {
    PublishCase *test;
    Encoding *encoding;
    char rows_path[128];
} RefusedCase;

static RefusedCase refused_case(PublishCase *test, const char *encoding) {
    RefusedCase c = {.test = test};
    scratch_write(test->directory, "a.csv", FILE_TEXT);
    publish_case_add(test, 1);
    assert_int_equal(encoding_new(&c.encoding, encoding), 0);
    snprintf(c.rows_path, sizeof c.rows_path, "%s/a.csv", test->directory);
    return c;
}

static void refuse_item(RefusedCase *c, const Item *item, ResultKind kind) {
    Dongbo__EventVerdict verdict = DONGBO__EVENT_VERDICT__INIT;
    Dongbo__Reason first = DONGBO__REASON__INIT, second = DONGBO__REASON__INIT, *reasons[] = {&first, &second};
    first.code = DONGBO__REASON_CODE__NAME_DIFFERS;
    first.field = "subject.full_name";
    second.code = DONGBO__REASON_CODE__DATE_IN_FUTURE;
    verdict.verdict = kind == RESULT_REFUSED ? DONGBO__VERDICT__MISMATCH : DONGBO__VERDICT__ACCEPTED;
    verdict.reasons = reasons;
    verdict.n_reasons = 2;
    Result result = {.kind = kind, .item = *item, .verdict = &verdict, .mark = "m"};
    result.item.origin = c->test->origin.id;
    assert_int_equal(spool_begin(c->test->spool), 0);
    assert_int_equal(ledger_result_add(c->test->spool, &result), 0);
    assert_int_equal(spool_commit(c->test->spool), 0);
}

static void refuse(RefusedCase *c, int row, ResultKind kind) {
    refuse_item(c, &ROWS[row], kind);
}

static RefusedFile file_of(const RefusedCase *c) {
    return (RefusedFile){.spool = c->test->spool,
                         .origin = &c->test->origin,
                         .rows_path = c->rows_path,
                         .done = c->test->directory,
                         .delimiter = ',',
                         .encoding = c->encoding};
}

static int write_rows(RefusedCase *c) {
    int n = 0;
    RefusedFile file = file_of(c);
    assert_int_equal(refused_write(&file, &n), 0);
    return n;
}

// The file's lines, without the sentences at their end.
static void lines_of(PublishCase *test, const char *name, char *out, size_t size) {
    char path[256], line[4096];
    snprintf(path, sizeof path, "%s/%s", test->directory, name);
    FILE *file = fopen(path, "r");
    out[0] = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *end = strstr(line, ",NAME_DIFFERS");
        if (end != NULL)
            snprintf(end, 2, "\n");
        snprintf(out + strlen(out), size - strlen(out), "%s", line);
    }
    if (file != NULL)
        fclose(file);
}

#define HEADER "id,name,dongbo_row,dongbo_verdict,dongbo_reasons,dongbo_text_vi,dongbo_text_en\n"

static void test_hands_rows_back_as_they_were(void **state) {
    RefusedCase c = refused_case(*state, "UTF-8");
    char lines[4096];
    for (int row = 0; row < 5; row++)
        refuse(&c, row, RESULT_REFUSED);
    refuse(&c, 0, RESULT_DECIDED);
    assert_int_equal(write_rows(&c), 6);
    lines_of(c.test, "a.refused.csv", lines, sizeof lines);
    assert_string_equal(lines, HEADER "1,\"Lê, Văn\",2,MISMATCH\n"
                                      "2,\"Trần \"\"B\"\"\",3,MISMATCH\n"
                                      "\"3,\"\"open\",,4,MISMATCH\n"
                                      "\"4,x,y\",,5,MISMATCH\n"
                                      "5,caf\xE9,6,MISMATCH\n");
    lines_of(c.test, "a.results.csv", lines, sizeof lines);
    assert_string_equal(lines, HEADER "1,\"Lê, Văn\",2,ACCEPTED\n");
    int64_t origin;
    assert_int_equal(ledger_results_origin(c.test->spool, 0, &origin), 0);
    assert_int_equal(origin, 0);
    // Days later, one more: the header is not repeated.
    refuse(&c, 1, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    lines_of(c.test, "a.refused.csv", lines, sizeof lines);
    assert_non_null(strstr(lines, "6,MISMATCH\n2,\"Trần"));
    encoding_destroy(&c.encoding);
}

static void test_says_what_to_do(void **state) {
    RefusedCase c = refused_case(*state, "UTF-8");
    Dongbo__EventVerdict verdict = DONGBO__EVENT_VERDICT__INIT;
    Dongbo__Reason reason = DONGBO__REASON__INIT, *reasons[] = {&reason};
    reason.code = DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS;
    reason.field = "subject.birth_date";
    reason.expected = "1999-05-01";
    verdict.reasons = reasons;
    verdict.n_reasons = 1;
    RefusedWords words = {0};
    refused_words(&(Result){.verdict = &verdict, .text_en = "First this."}, &words);
    bytes_append_u8(&words.codes, 0);
    bytes_append_u8(&words.en, 0);
    bytes_append_u8(&words.vi, 0);
    assert_string_equal((char *)words.codes.data, "BIRTH_DATE_DIFFERS:subject.birth_date");
    assert_non_null(strstr((char *)words.en.data, "First this. subject.birth_date: "));
    assert_non_null(strstr((char *)words.en.data, "1999-05-01"));
    assert_non_null(strstr((char *)words.vi.data, "1999-05-01"));
    refused_words_free(&words);
    encoding_destroy(&c.encoding);
}

// The row's bytes are nobody's to change; what is added can be read in the same font.
static void test_writes_in_the_files_encoding(void **state) {
    RefusedCase c = refused_case(*state, "VNI");
    char lines[4096], path[256], text[4096] = "";
    refuse(&c, 4, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    lines_of(c.test, "a.refused.csv", lines, sizeof lines);
    assert_string_equal(lines, HEADER "5,caf\xE9,6,MISMATCH\n");
    snprintf(path, sizeof path, "%s/a.refused.csv", c.test->directory);
    FILE *file = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, "subject.full_name: Ho\xEF te\xE2n "));
    encoding_destroy(&c.encoding);
}

static void begin_append(RefusedCase *c, int64_t size) {
    assert_int_equal(spool_begin(c->test->spool), 0);
    assert_int_equal(ledger_append_begin(c->test->spool, c->test->origin.id, RESULT_REFUSED, size), 0);
    assert_int_equal(spool_commit(c->test->spool), 0);
    publish_case_close(c->test);
    publish_case_open(c->test);
}

static int64_t size_of(const RefusedCase *c, const char *name) {
    char path[256];
    struct stat stat_;
    snprintf(path, sizeof path, "%s/%s", c->test->directory, name);
    return stat(path, &stat_) == 0 ? (int64_t)stat_.st_size : 0;
}

// The second row is owed, and its append was begun behind the first one: that far, *ret.
static RefusedCase crashed_case(PublishCase *test, int64_t *ret) {
    RefusedCase c = refused_case(test, "UTF-8");
    refuse(&c, 0, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    refuse(&c, 1, RESULT_REFUSED);
    *ret = size_of(&c, "a.refused.csv");
    begin_append(&c, *ret);
    return c;
}

#define FIRST "1,\"Lê, Văn\",2,MISMATCH\n"
#define SECOND "2,\"Trần \"\"B\"\"\",3,MISMATCH\n"

// A crash between writing and noting it: what was written is written again, not twice.
static void test_writes_once_after_a_crash(void **state) {
    static const char HALF[] = "2,\"Tr";
    for (size_t n = 0; n <= sizeof HALF; n++) { // also with a byte that did not reach the disk
        int64_t size;
        RefusedCase c = crashed_case(*state, &size);
        char lines[4096], path[256];
        snprintf(path, sizeof path, "%s/a.refused.csv", c.test->directory);
        FILE *file = fopen(path, "a");
        assert_int_equal(fwrite(HALF, 1, n, file), n);
        fclose(file);
        assert_int_equal(write_rows(&c), 1);
        lines_of(c.test, "a.refused.csv", lines, sizeof lines);
        assert_string_equal(lines, HEADER FIRST SECOND);
        encoding_destroy(&c.encoding);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
}

// All was written, and its keeper has written behind it since.
static void test_writes_once_before_its_keeper(void **state) {
    int64_t size;
    RefusedCase c = crashed_case(*state, &size);
    char lines[4096];
    assert_int_equal(write_rows(&c), 1);
    scratch_append(c.test->directory, "a.refused.csv", "a note\n");
    refuse(&c, 1, RESULT_REFUSED);
    begin_append(&c, size);
    assert_int_equal(write_rows(&c), 1);
    lines_of(c.test, "a.refused.csv", lines, sizeof lines);
    assert_string_equal(lines, HEADER FIRST SECOND "a note\n");
    encoding_destroy(&c.encoding);
}

// The keeper has taken away what was written before a crash, and put a longer file there: nothing of that is cut.
static void test_cuts_nothing_of_its_keepers(void **state) {
    char kept[1024];
    int n = snprintf(kept, sizeof kept, "id,a list of the keeper's own,\n1,that has no end of line,%0800d", 0);
    for (int all = 0; all < 2; all++) {
        int64_t size;
        RefusedCase c = crashed_case(*state, &size);
        char lines[4096];
        assert_in_range(size, 1, n - 1);
        scratch_write(c.test->directory, "a.refused.csv", kept);
        if (all)
            begin_append(&c, 0);
        assert_int_equal(write_rows(&c), 1);
        lines_of(c.test, "a.refused.csv", lines, sizeof lines);
        assert_memory_equal(lines, kept, n);
        assert_memory_equal(lines + n, "\n2,", 3);
        encoding_destroy(&c.encoding);
        publish_case_teardown(state);
        publish_case_setup(state);
    }
}

// The keeper deleted what was handed back, wrote into it, or deleted the dropped file: none of it stops anything.
static void test_leaves_the_keepers_changes_alone(void **state) {
    RefusedCase c = refused_case(*state, "UTF-8");
    char lines[4096];
    refuse(&c, 0, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    scratch_append(c.test->directory, "a.refused.csv", "a note\n");
    refuse(&c, 1, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    lines_of(c.test, "a.refused.csv", lines, sizeof lines);
    assert_non_null(strstr(lines, "a note\n2,\"Trần"));
    scratch_unlink(c.test->directory, "a.refused.csv");
    scratch_unlink(c.test->directory, "a.csv");
    refuse(&c, 1, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    lines_of(c.test, "a.refused.csv", lines, sizeof lines);
    assert_string_equal(lines, "dongbo_row,dongbo_verdict,dongbo_reasons,dongbo_text_vi,dongbo_text_en\n3,MISMATCH\n");
    encoding_destroy(&c.encoding);
}

static int64_t owed(RefusedCase *c) {
    static const char COUNT[] = "SELECT count(*) FROM result";
    int64_t n;
    assert_int_equal(lite_number(spool_lite(c->test->spool), COUNT, 0, &n, ""), 0);
    return n;
}

// Rows as long as a row may be: so much of them is written at once, whatever a file makes of it, and no more.
static void test_long_rows_go_in_portions(void **state) {
    enum { RESULTS = 200, BYTES = 60000 };
    RefusedCase c = refused_case(*state, "UTF-8");
    struct rlimit unlimited, limit;
    char *row = malloc(BYTES + 1);
    assert_non_null(row);
    memset(row, 'x', BYTES);
    row[BYTES] = 0;
    scratch_append(c.test->directory, "a.csv", row);
    free(row);
    Item item = {.row = 7, .offset = strlen(FILE_TEXT), .bytes = BYTES};
    for (int i = 0; i < RESULTS; i++)
        refuse_item(&c, &item, RESULT_REFUSED);
    publish_case_close(c.test); // so that its own log begins anew, and is no longer than what is limited here
    publish_case_open(c.test);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limit = (struct rlimit){.rlim_cur = RESULTS / 2 * BYTES, .rlim_max = unlimited.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int n = 0;
    RefusedFile file = file_of(&c);
    int r = refused_write(&file, &n);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_int_equal(r, ERROR_SYSTEM);
    assert_in_range(owed(&c), RESULTS / 2, RESULTS * 2 / 3);
    int64_t left = owed(&c);
    assert_int_equal(write_rows(&c), left);
    assert_int_equal(owed(&c), 0);
    char path[256];
    struct stat stat_;
    snprintf(path, sizeof path, "%s/a.refused.csv", c.test->directory);
    assert_int_equal(stat(path, &stat_), 0);
    assert_in_range(stat_.st_size, RESULTS * BYTES, RESULTS * (BYTES + 1000));
    encoding_destroy(&c.encoding);
}

// Two files whose names are not the same have answers of their own; a crash amid one's spoils nothing of the other's.
static void test_names_differ_by_letters(void **state) {
    RefusedCase c = refused_case(*state, "UTF-8");
    char lines[4096];
    PublishCase *test = c.test;
    Origin first = test->origin;
    refuse(&c, 0, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    test->origin = (Origin){.source = "s", .name = "a.CSV", .kept_name = "a.CSV", .row = 2};
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(ledger_origin_add(test->spool, &test->origin), 0);
    assert_int_equal(ledger_append_begin(test->spool, test->origin.id, RESULT_REFUSED, 0), 0); // and a crash
    assert_int_equal(spool_commit(test->spool), 0);
    refuse(&c, 1, RESULT_REFUSED);
    assert_int_equal(write_rows(&c), 1);
    lines_of(test, "a.refused.csv", lines, sizeof lines);
    assert_string_equal(lines, HEADER "1,\"Lê, Văn\",2,MISMATCH\n");
    lines_of(test, "a.refused.CSV", lines, sizeof lines);
    assert_string_equal(lines, HEADER "2,\"Trần \"\"B\"\"\",3,MISMATCH\n");
    test->origin = first;
    encoding_destroy(&c.encoding);
}

static void test_names(void **state) {
    static const char *const NAMES[][3] = {
        {"x.csv", "x.refused.csv", "x.results.csv"},      {"x.CSV", "x.refused.CSV", "x.results.CSV"},
        {"x.Csv", "x.refused.Csv", "x.results.Csv"},      {"x.txt", "x.txt.refused.csv", "x.txt.results.csv"},
        {".csv", ".csv.refused.csv", ".csv.results.csv"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        assert_false(refused_is_name(NAMES[i][0]));
        for (int kind = 0; kind < RESULT_KINDS; kind++) {
            char name[300];
            refused_name(NAMES[i][0], kind, name);
            assert_string_equal(name, NAMES[i][1 + kind]);
            assert_true(refused_is_name(name));
        }
    }
    static const char *const OTHERS[] = {".refused.csv", "x.refused", "x.refused.txt", "refused.csv", ""};
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        assert_false(refused_is_name(OTHERS[i]));
    assert_true(refused_is_name("X.Refused.CSV"));
}

static void test_names_of_the_same_answers(void **state) {
    static const char *const PAIRS[][2] = {{"x", "x.csv"}, {"x.txt", "x.txt.csv"}, {".csv", ".csv.csv"}};
    static const char *const ALONE[] = {"x.CSV", "x.csv.csv", "x.CSV.csv"};
    char twin[300];
    (void)state;
    for (size_t i = 0; i < 2 * sizeof PAIRS / sizeof *PAIRS; i++) {
        assert_true(refused_twin(PAIRS[i / 2][i % 2], twin));
        assert_string_equal(twin, PAIRS[i / 2][1 - i % 2]);
    }
    for (size_t i = 0; i < sizeof ALONE / sizeof *ALONE; i++)
        assert_false(refused_twin(ALONE[i], twin));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_hands_rows_back_as_they_were),     TEST(test_says_what_to_do),
        TEST(test_writes_in_the_files_encoding),     TEST(test_writes_once_after_a_crash),
        TEST(test_writes_once_before_its_keeper),    TEST(test_cuts_nothing_of_its_keepers),
        TEST(test_leaves_the_keepers_changes_alone), TEST(test_long_rows_go_in_portions),
        TEST(test_names_differ_by_letters),          TEST(test_names),
        TEST(test_names_of_the_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
