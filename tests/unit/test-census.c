// SPDX-License-Identifier: Apache-2.0
//
// A population file in memory: found by number whatever its size, and what is wrong in it left out by itself.

#include "operators/census.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "scratch.h"
#include "shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HEADER                                                                                                         \
    "citizen_number,full_name,birth_date,sex,mother_name,father_name,residence_province,residence_province63,"         \
    "residence_commune,died_on\n"

static Rules *rules;
static char scratch[SCRATCH_BYTES];

static int setup(void **state) {
    scratch_make(scratch);
    return shipped_rules(&rules);
}

static int teardown(void **state) {
    rules_destroy(&rules);
    scratch_remove(scratch);
    return 0;
}

static int load(const char *text, Census **ret) {
    char path[SCRATCH_BYTES + 16];
    scratch_write(scratch, "p.csv", text);
    snprintf(path, sizeof path, "%s/p.csv", scratch);
    return census_load(ret, path, rules);
}

static void test_many_are_found_and_nobody_else(void **state) {
    enum { N = 5000 };
    CLEANUP(census_destroy) Census *census = NULL;
    CLEANUP(bytes_free) Bytes text = {0};
    char line[256];
    Person person;
    bytes_append_text(&text, HEADER);
    for (int i = 0; i < N; i++) {
        snprintf(line, sizeof line, "0010900%05d,Nguyễn Văn %d,1990-01-02,male,,,01,01,00004,\n", i, i);
        bytes_append_text(&text, line);
    }
    bytes_append_u8(&text, 0);
    assert_int_equal(load((const char *)text.data, &census), 0);
    assert_int_equal(census_counts(census).citizens, N);
    for (int i = 0; i < N; i++) {
        char number[16], name[32];
        snprintf(number, sizeof number, "0010900%05d", i);
        snprintf(name, sizeof name, "Nguyễn Văn %d", i);
        assert_true(census_find(census, number, &person));
        assert_int_equal(person.key, i + 1);
        assert_string_equal(person.citizen_number, number);
        assert_string_equal(person.full_name, name);
        assert_string_equal(person.birth_date, "1990-01-02");
        assert_string_equal(person.sex, "male");
        assert_string_equal(person.residence_province63, "01");
        assert_string_equal(person.died_on, "");
    }
    assert_false(census_find(census, "001090005000", &person));
    assert_false(census_find(census, "", &person));
}

static void test_what_is_wrong_is_left_out_by_itself(void **state) {
    static const char TEXT[] = HEADER "001090000001,An,1990-01-02,male,,,,,,\n"
                                      "001090000001,Another,1990-01-02,male,,,,,,\n"
                                      "12,Short,1990-01-02,male,,,,,,\n"
                                      "001090000002,\"open,1990-01-02,male,,,,,,\n"
                                      "001090000003,Ba,1990-01-02,male,,,,,,2020-02-03\n";
    CLEANUP(census_destroy) Census *census = NULL;
    Person person;
    assert_int_equal(load(TEXT, &census), 0);
    assert_int_equal(census_counts(census).citizens, 2);
    assert_int_equal(census_counts(census).repeated, 1);
    assert_int_equal(census_counts(census).wrong, 2);
    assert_true(census_find(census, "001090000001", &person));
    assert_string_equal(person.full_name, "An");
    assert_true(census_find(census, "001090000003", &person));
    assert_string_equal(person.died_on, "2020-02-03");
}

static void test_other_files_are_refused(void **state) {
    CLEANUP(census_destroy) Census *census = NULL;
    Person person;
    assert_int_equal(load("a,b\n", &census), ERROR_CONFIG);
    assert_int_equal(load("", &census), ERROR_CONFIG);
    assert_int_equal(census_load(&census, "/nowhere/p.csv", rules), ERROR_CONFIG);
    assert_null(census);
    assert_int_equal(load(HEADER, &census), 0); // a country without citizens
    assert_false(census_find(census, "001090000001", &person));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_are_found_and_nobody_else),
        cmocka_unit_test(test_what_is_wrong_is_left_out_by_itself),
        cmocka_unit_test(test_other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
