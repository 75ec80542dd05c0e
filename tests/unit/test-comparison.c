// SPDX-License-Identifier: Apache-2.0
//
// Both sides of a field: equal, differing, missing on one side; a search's word goes before our own.

#include "operators/comparison.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static Dongbo__Subject subject(void) {
    Dongbo__Subject said = DONGBO__SUBJECT__INIT;
    said.citizen_number = "001090000001";
    said.full_name = "nguyễn văn an";
    said.birth_date = "1990";
    said.sex = "male";
    said.mother_name = "Tran Thi Hoa";
    return said;
}

static ComparisonSides sides(const Dongbo__Subject *said) {
    return (ComparisonSides){.said = said,
                             .held = {[COMPARISON_NUMBER] = "001090000002",
                                      [COMPARISON_NAME] = "Nguyễn Văn An",
                                      [COMPARISON_BIRTH_DATE] = "1990-01-02",
                                      [COMPARISON_SEX] = "male",
                                      [COMPARISON_MOTHER] = "Trần Thị Hoà",
                                      [COMPARISON_FATHER] = "Nguyễn Văn Bình"}};
}

static void expect(const Comparison *comparison, ComparisonField field, const char *agrees, bool differs) {
    assert_string_equal(comparison->rows[field].agrees, agrees);
    assert_int_equal(comparison->rows[field].differs, differs);
}

static void test_unweighed(void **state) {
    Dongbo__Subject said = subject();
    ComparisonSides both = sides(&said);
    Comparison comparison;
    comparison_make(&both, &comparison);
    expect(&comparison, COMPARISON_NUMBER, "differs", true);
    expect(&comparison, COMPARISON_NAME, "exact", false); // case is no difference
    expect(&comparison, COMPARISON_BIRTH_DATE, "year", true);
    expect(&comparison, COMPARISON_SEX, "exact", false);
    expect(&comparison, COMPARISON_MOTHER, "accents", true);
    expect(&comparison, COMPARISON_FATHER, "", false); // not said
    expect(&comparison, COMPARISON_PROVINCE, "", false);
    assert_string_equal(comparison.rows[COMPARISON_PROVINCE].held, "");
    assert_false(comparison.rows[COMPARISON_NAME].weighed);
}

static void test_weighed(void **state) {
    Dongbo__Subject said = subject();
    ComparisonSides both = sides(&said);
    Comparison comparison;
    json_t *weights = json_pack("{s:{s:s,s:i},s:{s:s,s:i},s:{s:i}}", "citizen_number", "level", "near", "bits", 2500,
                                "full_name", "level", "exact", "bits", 14000, "sex", "bits", 100);
    both.weights = weights;
    comparison_make(&both, &comparison);
    expect(&comparison, COMPARISON_NUMBER, "near", true);
    assert_int_equal(comparison.rows[COMPARISON_NUMBER].bits, 2500);
    expect(&comparison, COMPARISON_SEX, "?", false);      // a level that cannot be read
    expect(&comparison, COMPARISON_BIRTH_DATE, "", true); // the search left it out
    assert_false(comparison.rows[COMPARISON_BIRTH_DATE].weighed);
    json_decref(weights);
}

static void test_reasons_find_their_field(void **state) {
    Dongbo__Subject said = subject();
    ComparisonSides both = sides(&said);
    Comparison comparison;
    Dongbo__Reason number = DONGBO__REASON__INIT, year = DONGBO__REASON__INIT, other = DONGBO__REASON__INIT;
    Dongbo__Reason *list[] = {&number, &year,   &other,  &number, &number, &number,
                              &number, &number, &number, &number, &number, &number};
    Dongbo__EventVerdict verdict = DONGBO__EVENT_VERDICT__INIT;
    number.code = DONGBO__REASON_CODE__ID_NOT_CURRENT;
    year.code = DONGBO__REASON_CODE__ID_BIRTH_YEAR;
    number.field = year.field = "subject.citizen_number";
    other.code = DONGBO__REASON_CODE__FIELD_MISSING;
    other.field = "full_name"; // of the body
    verdict.reasons = list;
    verdict.n_reasons = 3;
    both.verdict = &verdict;
    comparison_make(&both, &comparison);
    assert_string_equal(comparison.rows[COMPARISON_NUMBER].reasons, "ID_NOT_CURRENT, ID_BIRTH_YEAR");
    assert_string_equal(comparison.rows[COMPARISON_NAME].reasons, "");
    verdict.n_reasons = sizeof list / sizeof *list; // more than there is room for
    comparison_make(&both, &comparison);
    assert_int_equal(strlen(comparison.rows[COMPARISON_NUMBER].reasons), COMPARISON_REASONS_BYTES - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unweighed),
        cmocka_unit_test(test_weighed),
        cmocka_unit_test(test_reasons_find_their_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
