// SPDX-License-Identifier: Apache-2.0
#include "broker/match/canon.h"
#include "broker/match/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void date_is(const char *cell, const char *format, const char *wanted) {
    Canon canon;
    canon_date(cell, format, &canon);
    assert_string_equal(canon.text, wanted);
}

static void dates_as_people_write_them(void **state) {
    date_is("24/06/1971", "DD/MM/YYYY", "19710624");
    date_is("06/24/1971", "MM/DD/YYYY", "19710624");
    date_is("03/04/1971", "%m/%d/%Y", "19710304"); // as strftime() writes it
    date_is("4.3.71", "%d.%m.%y", "19710304");
    date_is("19710624", "YYYYMMDD", "19710624");
    date_is("1971", "YYYYYYYYYYYYYYYYYYYY", "19710000");
    date_is("1971-06-24", "DD/MM/YYYY", "19710624"); // another program's row
    date_is("24 Jun 1971", NULL, "19710624");
    date_is("June 24, 1971", NULL, "19710624");
    date_is("24.6.71", NULL, "19710624");
    date_is("1971-06-24T00:00:00Z", NULL, "19710624");
    date_is("1971", NULL, "19710000");
    date_is("1971-06", NULL, "19710600");
    date_is("06/24/1971", NULL, "19710624"); // no month 24
    date_is("1854-25-14", "YYYY-MM-DD", "18542514");
    date_is("", NULL, "");
    date_is("unknown", NULL, "");
    date_is("NaT", "YYYY-MM-DD", "");
}

static void words_and_parts(void **state) {
    Canon canon, plain;
    canon_words("  St. Mary's-on  the-Hill ", &canon);
    assert_string_equal(canon.text, "st marys on the hill");
    canon_part("Nguyễn  Thị", &canon);
    assert_string_equal(canon.text, "nguyenthi");
    canon_part("Nguyen Thi", &plain);
    assert_string_equal(plain.text, canon.text);
    assert_string_not_equal(plain.accented, canon.accented);
    canon_words("N/A", &canon);
    canon_words("NaN", &canon);
    assert_string_equal(canon.text, "");
    canon_words("Không rõ", &canon);
    assert_string_equal(canon.text, "");
    canon_words("Jos\xe9", &canon); // Latin-1
    assert_string_equal(canon.text, "jose");
}

static const MatchField FIELDS[] = {{.label = "person", .kind = MATCH_NAME, .n_columns = 1},
                                    {.label = "born", .kind = MATCH_DATE, .n_columns = 1},
                                    {.label = "phone", .kind = MATCH_IDENTIFIER, .n_columns = 1},
                                    {.label = "address", .kind = MATCH_TEXT, .n_columns = 1}};
enum { FIRST, LAST, MIDDLE, BORN, PHONE, ADDRESS };

// Levels of a against b.
static void levels(const char *const a[4], const char *const b[4], Comparison *ret) {
    Roster *roster = NULL;
    assert_int_equal(roster_new(&roster, FIELDS, 4), 0);
    assert_int_equal(roster_add(roster, false, a), 0);
    assert_int_equal(roster_add(roster, true, b), 0);
    assert_int_equal(roster_seal(roster), 0);
    compare_records(roster, 0, 1, ret);
    roster_destroy(&roster);
}

static void names_are(const char *a, const char *b, Level first, Level last) {
    Comparison comparison;
    levels((const char *const[4]){a}, (const char *const[4]){b}, &comparison);
    assert_int_equal(comparison.level[FIRST], first);
    assert_int_equal(comparison.level[LAST], last);
    levels((const char *const[4]){b}, (const char *const[4]){a}, &comparison);
    assert_int_equal(comparison.level[FIRST], first);
    assert_int_equal(comparison.level[LAST], last);
}

static void names_in_layers(void **state) {
    names_are("Nguyễn Văn An", "NGUYỄN VĂN AN", LEVEL_EXACT, LEVEL_EXACT);
    names_are("Nguyễn Văn An", "nguyen van an", LEVEL_FOLD, LEVEL_EXACT);
    names_are("Nguyễn Văn An", "Nguyễn An", LEVEL_EXACT, LEVEL_EXACT);
    names_are("Robert Allen", "Allen, Robert", LEVEL_MOVED, LEVEL_MOVED);
    names_are("Robert Allen", "Rob Allan", LEVEL_PART, LEVEL_NEAR);
    names_are("Robert Allen", "R. Allen", LEVEL_PART, LEVEL_EXACT);
    names_are("Nguyen Van Anh", "NguyenVan Anh", LEVEL_FOLD, LEVEL_MISSING); // a lost space
    names_are("Robert Allen", "Susan Brown", LEVEL_ELSE, LEVEL_ELSE);
    names_are("Robert Allen", "", LEVEL_MISSING, LEVEL_MISSING);
}

static void value_is(int column, int component, const char *a, const char *b, Level wanted) {
    const char *of_a[4] = {NULL}, *of_b[4] = {NULL};
    Comparison comparison;
    of_a[column] = a;
    of_b[column] = b;
    levels(of_a, of_b, &comparison);
    if (comparison.level[component] != wanted)
        print_message("\"%s\" and \"%s\"\n", a, b);
    assert_int_equal(comparison.level[component], wanted);
}

static void dates_in_levels(void **state) {
    value_is(1, BORN, "1971-06-24", "24/06/1971", LEVEL_EXACT);
    value_is(1, BORN, "1971-06-04", "1971-04-06", LEVEL_FOLD);
    value_is(1, BORN, "1971-06-24", "1971-06-25", LEVEL_NEAR);
    value_is(1, BORN, "1971-06-24", "1917-06-24", LEVEL_NEAR);
    value_is(1, BORN, "1971-06-24", "1971", LEVEL_PART);
    value_is(1, BORN, "1971", "1971", LEVEL_PART);
    value_is(1, BORN, "1971-06-24", "1985-06-24", LEVEL_MOVED);
    value_is(1, BORN, "1971-06-24", "1971-11-02", LEVEL_WEAK);
    value_is(1, BORN, "1971-06-24", "1950-11-02", LEVEL_ELSE);
    value_is(1, BORN, "1971-06-24", "", LEVEL_MISSING);
}

static void other_values_in_levels(void **state) {
    value_is(2, PHONE, "0912 345 678", "0912345678", LEVEL_EXACT);
    value_is(2, PHONE, "0912345678", "0912354678", LEVEL_NEAR);
    value_is(2, PHONE, "0912345678", "5550000", LEVEL_ELSE);
    value_is(3, ADDRESS, "12 Main Street", "main street 12", LEVEL_FOLD);
    value_is(3, ADDRESS, "pridham street", "pridhamstreet", LEVEL_FOLD);
    value_is(3, ADDRESS, "pridham street", "pridham tstreet", LEVEL_NEAR);
    value_is(3, ADDRESS, "12 main street", "12 main street flat 3", LEVEL_PART);
    value_is(3, ADDRESS, "hoseason street", "wallaby place", LEVEL_ELSE);
}

// A list where 1 January says only that the day is not known.
static void placeholders_are_no_dates(void **state) {
    Roster *roster = NULL;
    assert_int_equal(roster_new(&roster, FIELDS, 4), 0);
    char date[16];
    for (int i = 0; i < 400; i++) {
        snprintf(date, sizeof date, "%d-%02d-%02d", 1940 + i % 50, i % 4 ? 1 + i % 12 : 1, i % 4 ? 2 + i % 27 : 1);
        assert_int_equal(roster_add(roster, false, (const char *const[4]){"An", date}), 0);
    }
    assert_int_equal(roster_seal(roster), 0);
    assert_int_equal(roster->n_placeholders, 100);
    assert_string_equal(roster_text(roster, roster_at(roster, 0, roster->fields[1].slot)), "19400000");
    roster_destroy(&roster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_as_people_write_them),
        cmocka_unit_test(words_and_parts),
        cmocka_unit_test(names_in_layers),
        cmocka_unit_test(dates_in_levels),
        cmocka_unit_test(other_values_in_levels),
        cmocka_unit_test(placeholders_are_no_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
