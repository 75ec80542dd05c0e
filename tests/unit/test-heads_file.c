// SPDX-License-Identifier: Apache-2.0
//
// The file of co-signed heads: what a crash leaves of a line goes, whatever else stands there stays, and only one
// writes.
#include "agents/heads_file.h"
#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];

static int set_up(void **state) {
    scratch_make(directory);
    snprintf(path, sizeof path, "%s/heads", directory);
    return 0;
}

static int tear_down(void **state) {
    scratch_remove(directory);
    return 0;
}

// A line of a head that is told apart by its first byte.
static void line_of(uint8_t head, Bytes *line) {
    char key_id[] = "0011223344556677";
    Cosigned cosigned = {.head_n = 20, .cosigned = true, .at_us = 5};
    Dongbo__TreeHead tree = DONGBO__TREE_HEAD__INIT;
    cosigned.head[0] = head;
    memcpy(cosigned.witness, key_id, sizeof key_id);
    tree.key_id = key_id;
    bytes_clear(line);
    cosigned_write(&cosigned, &tree, NULL, line);
}

static void write_file(const void *data, size_t n) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    fclose(file);
}

static size_t file_size(const char *name) {
    struct stat status;
    assert_int_equal(stat(name, &status), 0);
    return (size_t)status.st_size;
}

static void test_appended_and_found_again(void **state) {
    HeadsFile *file = NULL, *other = NULL;
    Bytes line = {0};
    assert_int_equal(heads_file_open(&file, path), 0);
    assert_null(heads_file_last(file));
    for (uint8_t i = 1; i < 40; i++) {
        line_of(i, &line);
        assert_int_equal(heads_file_append(file, &line), 0);
    }
    assert_int_equal(heads_file_open(&other, path), ERROR_CONFIG); // one writes
    heads_file_close(&file);
    assert_int_equal(heads_file_open(&file, path), 0);
    assert_false(heads_file_was_torn(file));
    assert_int_equal(heads_file_last(file)->head[0], 39);
    assert_int_equal(file_size(path), 39 * line.n);
    heads_file_close(&file);
    bytes_free(&line);
}

// Torn anywhere, and at each byte around its ends.
static void test_torn(void **state) {
    HeadsFile *file = NULL;
    Bytes line = {0}, all = {0};
    line_of(1, &line);
    bytes_append(&all, line.data, line.n);
    line_of(2, &line);
    bytes_append(&all, line.data, line.n);
    for (size_t n = 0; n <= all.n; n += n % line.n > 2 && n % line.n + 40 < line.n ? 37 : 1) {
        write_file(all.data, n);
        assert_int_equal(heads_file_open(&file, path), 0);
        size_t whole = n < line.n ? 0 : n < all.n ? line.n : all.n;
        assert_int_equal(file_size(path), whole);
        assert_int_equal(heads_file_was_torn(file), n != whole);
        assert_int_equal(heads_file_last(file) ? heads_file_last(file)->head[0] : 0, whole / line.n);
        heads_file_close(&file);
    }
    bytes_free(&line);
    bytes_free(&all);
}

static void test_what_is_none_stays(void **state) {
    HeadsFile *file = NULL;
    static char text[3 * COSIGNED_LINE_BYTES_MAX];
    memset(text, 'x', sizeof text);
    write_file(text, sizeof text); // no line ends anywhere near
    assert_int_equal(heads_file_open(&file, path), ERROR_CONFIG);
    assert_int_equal(file_size(path), sizeof text);
    write_file("somebody's notes\n", 17);
    assert_int_equal(heads_file_open(&file, path), ERROR_CONFIG);
    assert_int_equal(file_size(path), 17);
}

// A path that was mistyped names a key, notes, the configuration: files that may end without a line's end.
static void test_what_is_somebody_elses_loses_no_line(void **state) {
    static const char *const TEXTS[] = {"c2VjcmV0", "{\"curve\":\"c2VjcmV0\"}", "first\nlast", "{\"number\":1}\nlast"};
    HeadsFile *file = NULL;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        write_file(TEXTS[i], strlen(TEXTS[i]));
        assert_int_equal(heads_file_open(&file, path), ERROR_CONFIG);
        assert_int_equal(file_size(path), strlen(TEXTS[i]));
    }
}

static void test_evidence_stands_beside_it(void **state) {
    HeadsFile *file = NULL;
    Bytes line = {0};
    const char *beside = NULL;
    line_of(1, &line);
    assert_int_equal(heads_file_open(&file, path), 0);
    assert_int_equal(heads_file_keep_evidence(file, &line, &beside), 0);
    assert_int_equal(heads_file_keep_evidence(file, &line, &beside), 0);
    assert_int_equal(file_size(beside), 2 * line.n);
    assert_int_equal(file_size(path), 0);
    heads_file_close(&file);
    bytes_free(&line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_appended_and_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_none_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_somebody_elses_loses_no_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_evidence_stands_beside_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
