// SPDX-License-Identifier: Apache-2.0
//
// The CSV reader over every kind of bad row: each is a condition of that row only, and what follows is read.
#include "proto/base/csv.h"

#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES];

static int setup(void **state) {
    scratch_make(directory);
    return 0;
}

static int teardown(void **state) {
    scratch_remove(directory);
    return 0;
}

static int file_of(const void *data, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "%s/file.csv", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

// The whole file in one line: fields joined by "|", rows by "/", a broken row as "!fault".
static void flat(const void *data, size_t n, char *out, size_t size) {
    int fd = file_of(data, n);
    Csv *csv;
    CsvRow row;
    assert_int_equal(csv_new(&csv, fd, ','), 0);
    size_t at = 0;
    int r = csv_header(csv, &row);
    for (; r == 0 || r == 2; r = csv_next(csv, &row)) {
        at += (size_t)snprintf(out + at, size - at, "%llu:", (unsigned long long)row.number);
        if (r == 2)
            at += (size_t)snprintf(out + at, size - at, "!%d", (int)row.fault);
        for (int i = 0; r == 0 && i < row.n_fields; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? "|" : "", row.fields[i].text);
        at += (size_t)snprintf(out + at, size - at, "/");
        assert_true(at < size);
    }
    assert_int_equal(r, 1);
    csv_destroy(&csv);
    close(fd);
}

static const struct {
    const char *file, *rows;
} CASES[] = {
    {"a,b\n1,2\n", "1:a|b/2:1|2/"},
    {"a,b\r\n1,2\r\n", "1:a|b/2:1|2/"},
    {"a,b\n1,2", "1:a|b/2:1|2/"},
    {"\xEF\xBB\xBF"
     "a,b\n1,2\n",
     "1:a|b/2:1|2/"},
    {"a,b\n,\n", "1:a|b/2:|/"},
    {"a,b\n\n\r\n1,2\n", "1:a|b/4:1|2/"},
    {"a,b\n\"x, y\",\"he said \"\"no\"\"\"\n", "1:a|b/2:x, y|he said \"no\"/"},
    {"a,b\n\"two\nlines\",2\n3,4\n", "1:a|b/2:two\nlines|2/3:3|4/"},
    {"a,b\n\"\",\"\"\"\"\n", "1:a|b/2:|\"/"},
    {"a,b\nit is 5\" long,2\n", "1:a|b/2:it is 5\" long|2/"},
    // a quote that is never closed costs its own line only
    {"a,b\n\"1,2\n3,4\n5,6\n", "1:a|b/2:!1/3:3|4/4:5|6/"},
    {"a,b\n\"1,2\n\"3\",4\n5,6\n", "1:a|b/2:!2/3:3|4/4:5|6/"},
    {"a,b\n\"1\"x,2\n3,4\n", "1:a|b/2:!2/3:3|4/"},
    {"a,b\n1\n3,4\n", "1:a|b/2:!3/3:3|4/"},
    {"a,b\n1,2,3\n3,4\n", "1:a|b/2:!3/3:3|4/"},
    {"a,b\n1,\"x\ny\",3\n3,4\n", "1:a|b/2:!3/3:3|4/"}, // no text within quotes is taken for a row
    {"", ""},
    {"\n\n", ""},
};

static void test_reads_every_case(void **state) {
    char out[1024];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        out[0] = 0;
        flat(CASES[i].file, strlen(CASES[i].file), out, sizeof out);
        assert_string_equal(out, CASES[i].rows);
    }
}

static void test_refuses_nul_bytes(void **state) {
    char out[256];
    flat("a,b\n1\0,2\n3,4\n", 13, out, sizeof out);
    assert_string_equal(out, "1:a|b/2:!7/3:3|4/");
}

// Rows too long in each way, each followed by a good one.
static void test_bounds_rows_and_fields(void **state) {
    static const struct {
        size_t n;
        bool quoted;
        CsvFault fault;
    } LONG[] = {
        {CSV_FIELD_BYTES_MAX, false, CSV_FINE},
        {CSV_FIELD_BYTES_MAX + 1, false, CSV_FIELD_TOO_LONG},
        {CSV_FIELD_BYTES_MAX + 1, true, CSV_FIELD_TOO_LONG},
        {10 * CSV_ROW_BYTES_MAX, false, CSV_FIELD_TOO_LONG},
        {10 * CSV_ROW_BYTES_MAX, true, CSV_QUOTE_OPEN},
    };
    for (size_t i = 0; i < sizeof LONG / sizeof *LONG; i++) {
        Bytes file = {0};
        bytes_append_text(&file, LONG[i].quoted ? "a,b\n\"" : "a,b\n");
        for (size_t n = 0; n < LONG[i].n; n++)
            bytes_append_u8(&file, 'x');
        bytes_append_text(&file, LONG[i].quoted ? "\",2\n3,4\n" : ",2\n3,4\n");
        int fd = file_of(file.data, file.n);
        Csv *csv;
        CsvRow row;
        assert_int_equal(csv_new(&csv, fd, ','), 0);
        assert_int_equal(csv_header(csv, &row), 0);
        assert_int_equal(csv_next(csv, &row), LONG[i].fault == CSV_FINE ? 0 : 2);
        assert_int_equal(row.fault, LONG[i].fault);
        assert_int_equal(row.bytes, LONG[i].n + 2 + (LONG[i].quoted ? 2 : 0));
        assert_int_equal(csv_next(csv, &row), 0);
        assert_string_equal(row.fields[1].text, "4");
        assert_int_equal(csv_next(csv, &row), 1);
        csv_destroy(&csv);
        close(fd);
        bytes_free(&file);
    }
}

// Many short columns: a row beyond the limit although no field is.
static void test_bounds_columns(void **state) {
    Bytes file = {0};
    bytes_append_text(&file, "a,b\n");
    for (int i = 0; i < CSV_COLUMNS_MAX + 1; i++)
        bytes_append_text(&file, "1,");
    bytes_append_text(&file, "\n3,4\n");
    char out[256];
    flat(file.data, file.n, out, sizeof out);
    assert_string_equal(out, "1:a|b/2:!4/3:3|4/");
    bytes_free(&file);
}

// A file of many buffers, read once through and once from every tenth row by offset and number.
static void test_goes_on_from_any_row(void **state) {
    enum { ROWS = 30000 };
    Bytes file = {0};
    bytes_append_text(&file, "\xEF\xBB\xBFnumber,text\n");
    for (int i = 0; i < ROWS; i++) {
        char line[64];
        bytes_append(&file, line, (size_t)snprintf(line, sizeof line, "%d,\"line\n%d\"\n", i, i));
    }
    int fd = file_of(file.data, file.n);
    Csv *csv, *again;
    CsvRow row;
    assert_int_equal(csv_new(&csv, fd, ','), 0);
    assert_int_equal(csv_header(csv, &row), 0);
    assert_int_equal(csv_has_mark(csv), 1);
    for (int i = 0; i < ROWS; i++) {
        uint64_t offset = csv_offset(csv), number = csv_number(csv);
        assert_int_equal(csv_next(csv, &row), 0);
        assert_int_equal(strtol(row.fields[0].text, NULL, 10), i);
        assert_int_equal(row.offset, offset);
        assert_int_equal(row.number, i + 2);
        assert_memory_equal(file.data + row.offset + row.bytes, "\n", 1);
        if (i % 1000 != 7)
            continue;
        char path[128];
        snprintf(path, sizeof path, "%s/file.csv", directory);
        int other = open(path, O_RDONLY);
        assert_int_equal(csv_new(&again, other, ','), 0);
        assert_int_equal(csv_header(again, &row), 0);
        assert_int_equal(csv_seek(again, offset, number), 0);
        assert_int_equal(csv_next(again, &row), 0);
        assert_int_equal(strtol(row.fields[0].text, NULL, 10), i);
        assert_int_equal(row.number, i + 2);
        csv_destroy(&again);
        close(other);
    }
    assert_int_equal(csv_next(csv, &row), 1);
    csv_destroy(&csv);
    close(fd);
    bytes_free(&file);
}

static void test_writes_what_it_reads(void **state) {
    static const char *const FIELDS[] = {"plain",      "",         "with, comma", "with \"quotes\"",
                                         "two\nlines", " spaced ", "Đặng"};
    enum { N = sizeof FIELDS / sizeof *FIELDS };
    Bytes row = {0};
    for (int i = 0; i < N; i++) {
        if (i > 0)
            bytes_append_u8(&row, ',');
        csv_write(&row, FIELDS[i], strlen(FIELDS[i]), ',');
    }
    size_t n = row.n;
    bytes_append_u8(&row, 0);
    CsvField fields[CSV_COLUMNS_MAX];
    int columns;
    assert_int_equal(csv_split((char *)row.data, n, ',', fields, &columns), CSV_FINE);
    assert_int_equal(columns, N);
    for (int i = 0; i < N; i++)
        assert_string_equal(fields[i].text, FIELDS[i]);
    bytes_free(&row);
}

static void test_names_every_fault(void **state) {
    for (int fault = CSV_FINE + 1; fault < CSV_FAULTS; fault++) {
        assert_true(strlen(csv_fault_vi((CsvFault)fault)) > 5);
        assert_true(strlen(csv_fault_en((CsvFault)fault)) > 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_every_case),       cmocka_unit_test(test_refuses_nul_bytes),
        cmocka_unit_test(test_bounds_rows_and_fields), cmocka_unit_test(test_bounds_columns),
        cmocka_unit_test(test_goes_on_from_any_row),   cmocka_unit_test(test_writes_what_it_reads),
        cmocka_unit_test(test_names_every_fault),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
