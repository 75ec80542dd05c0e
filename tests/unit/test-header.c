// SPDX-License-Identifier: Apache-2.0
//
// Headers as people's programs write them: each is bound, or refused with what is wrong with it.
#include "agents/header.h"

#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const char MAPPING[] = "domain: health\nsource_key: [id]\nfields:\n  - {to: lot_number, column: số lô}\n"
                              "  - {to: facility_code, column: cơ sở, optional: true}\n"
                              "  - {to: status, column: số lô, optional: true}\n";

static char directory[SCRATCH_BYTES];
static Map *map;
static Arena *arena;

static int setup(void **state) {
    char path[128];
    scratch_make(directory);
    scratch_write(directory, "m.yaml", MAPPING);
    snprintf(path, sizeof path, "%s/m.yaml", directory);
    return map_load(&map, path) < 0 || arena_new(&arena, 1 << 20) < 0 ? -1 : 0;
}

static int teardown(void **state) {
    map_destroy(&map);
    arena_destroy(&arena);
    scratch_remove(directory);
    return 0;
}

// 0, or 1 with the fault, as header_bind(); columns are those of id and số lô.
static int bind(const char *text, const char *encoding_name, int columns[MAP_COLUMNS_MAX], HeaderFault *fault) {
    char path[128];
    Csv *csv;
    CsvRow row;
    Encoding *encoding;
    scratch_write(directory, "a.csv", text);
    snprintf(path, sizeof path, "%s/a.csv", directory);
    int fd = open(path, O_RDONLY);
    assert_int_equal(csv_new(&csv, fd, ','), 0);
    assert_int_equal(csv_header(csv, &row), 0);
    assert_int_equal(encoding_new(&encoding, encoding_name), 0);
    Header header = {map, encoding, arena, ',', &row};
    int r = header_bind(&header, columns, fault);
    encoding_destroy(&encoding);
    csv_destroy(&csv);
    close(fd);
    return r;
}

static void test_finds_columns_wherever_they_are(void **state) {
    static const char *const HEADERS[] = {"id,số lô\n", "\xEF\xBB\xBFid,số lô\r\n", "id,số lô", "\"id\",\"số lô\"\n"};
    int columns[MAP_COLUMNS_MAX];
    HeaderFault fault;
    for (size_t i = 0; i < sizeof HEADERS / sizeof *HEADERS; i++) {
        assert_int_equal(bind(HEADERS[i], "UTF-8", columns, &fault), 0);
        assert_int_equal(columns[0] + 10 * columns[1], 10);
    }
    assert_int_equal(bind("x,số lô,x,id\n", "UTF-8", columns, &fault), 0);
    assert_int_equal(columns[0] + 10 * columns[1], 13);
    // In another normal form than the mapping is.
    assert_int_equal(bind("id,so\xCC\x82\xCC\x81 lo\xCC\x82\n", "UTF-8", columns, &fault), 0);
    // In another encoding, tones apart as CP1258 has them.
    assert_int_equal(bind("id,s\xF4\xEC l\xF4\n", "CP1258", columns, &fault), 0);
}

static void test_an_optional_column_may_be_missing_and_not_misspelt(void **state) {
    int columns[MAP_COLUMNS_MAX];
    HeaderFault fault;
    assert_int_equal(bind("id,số lô\n", "UTF-8", columns, &fault), 0);
    assert_int_equal(columns[2], -1);
    assert_int_equal(bind("cơ sở,id,số lô\n", "UTF-8", columns, &fault), 0);
    assert_int_equal(columns[2], 0);
    assert_int_equal(bind("id,số lô, cơ sở\n", "UTF-8", columns, &fault), 1);
    assert_non_null(strstr(fault.en, "it has \" cơ sở\""));
    assert_int_equal(bind("id\n", "UTF-8", columns, &fault), 1); // another field needs it
}

static void test_says_what_is_wrong(void **state) {
    static const struct {
        const char *text, *en, *vi;
    } CASES[] = {
        {"id,lot\n", "no column \"số lô\"", "không có cột \"số lô\""},
        {"ID,số lô\n", "it has \"ID\"", "tệp có cột \"ID\""},
        {"id, số lô \n", "it has \" số lô \"", "tệp có cột"},
        {"id;số lô\n", "write delimiter: \";\"", "ghi delimiter: \";\""},
        {"id\tsố lô\n", "write delimiter: \"\\t\"", "ghi delimiter"},
        {"id,số lô,id\n", "more than once", "nhiều hơn một lần"},
        {"id,số lô\r1,a\r2,b\r", "end with CR and no LF", "kết thúc bằng CR"},
        {"\x01\x02\xff\n", "no column \"id\"", "không có cột \"id\""},
    };
    int columns[MAP_COLUMNS_MAX];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        HeaderFault fault;
        assert_int_equal(bind(CASES[i].text, "UTF-8", columns, &fault), 1);
        if (!strstr(fault.en, CASES[i].en) || !strstr(fault.vi, CASES[i].vi))
            fail_msg("%s: %s / %s", CASES[i].text, fault.en, fault.vi);
        assert_non_null(strstr(fault.en, "None of its rows was sent"));
        assert_non_null(strstr(fault.vi, "Không dòng nào được gửi"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_columns_wherever_they_are),
        cmocka_unit_test(test_an_optional_column_may_be_missing_and_not_misspelt),
        cmocka_unit_test(test_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
