// SPDX-License-Identifier: Apache-2.0
//
// The error sentence: kept, put into context, cut without harm; and what a log line lets through.
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

static void test_sentence(void **state) {
    assert_int_equal(error_fail(ERROR_DATA, "row %d", 7), ERROR_DATA);
    assert_string_equal(error_text(), "row 7");
    assert_int_equal(error_context(ERROR_DATA, "table %s", "t"), ERROR_DATA);
    assert_string_equal(error_text(), "table t: row 7");
}

static void test_sentence_made_of_itself(void **state) {
    error_fail(ERROR_PEER, "gone");
    error_fail(ERROR_PEER, "%s, and %s", error_text(), error_text());
    assert_string_equal(error_text(), "gone, and gone");
}

static void test_cut_between_characters(void **state) {
    char text[600];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "ệ", 4);
        error_fail(ERROR_DATA, "%s", text);
        size_t n = strlen(error_text());
        assert_in_range(n, 509, 511);
        assert_int_equal((n - shift) % 3, 0);
        assert_memory_equal(error_text(), text, n);
    }
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_fail(ERROR_DATA, "%s", text);
    assert_int_equal(strlen(error_text()), 511);
    error_context(ERROR_DATA, "b");
    assert_memory_equal(error_text(), "b: aaa", 6);
    assert_int_equal(strlen(error_text()), 511);
}

static void test_advice(void **state) {
    assert_string_equal(error_advice(ENOSPC), "; make room on its disk, nothing is lost");
    assert_string_equal(error_advice(EDQUOT), error_advice(ENOSPC));
    assert_string_not_equal(error_advice(EROFS), "");
    assert_string_equal(error_advice(ENOENT), "; make the directory that it is to stand in, or mount its disk");
    assert_string_not_equal(error_advice(EACCES), "");
    assert_string_equal(error_advice(EPIPE), "");
}

static void test_exit_codes(void **state) {
    assert_int_equal(error_exit_code(0), 0);
    assert_int_equal(error_exit_code(ERROR_CONFIG), 2);
    assert_int_equal(error_exit_code(ERROR_PEER), 3);
    assert_int_equal(error_exit_code(ERROR_DATABASE), 3);
    assert_int_equal(error_exit_code(ERROR_MEMORY), 4);
    assert_int_equal(error_exit_code(ERROR_STOPPED), 4);
}

// Runs log_line() with standard error caught in a pipe.
static size_t caught(const char *text, char *out, size_t bytes) {
    int ends[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_setup("test", LOG_LEVEL_INFO);
    log_info("%s", text);
    log_debug("not shown");
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    ssize_t n = read(ends[0], out, bytes - 1);
    close(ends[0]);
    assert_true(n > 0);
    out[n] = '\0';
    return (size_t)n;
}

static void test_log_line(void **state) {
    char line[4096], text[3000];
    size_t n = caught("one\nERROR forged \033[0m", line, sizeof line);
    assert_string_equal(line + 27, " INFO  test: one?ERROR forged ?[0m\n");
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    n = caught(text, line, sizeof line);
    assert_in_range(n, 2000, 2048);
    assert_int_equal(line[n - 1], '\n');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_sentence_made_of_itself),
        cmocka_unit_test(test_cut_between_characters),
        cmocka_unit_test(test_advice),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_log_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
