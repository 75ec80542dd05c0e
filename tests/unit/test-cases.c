// SPDX-License-Identifier: Apache-2.0
//
// What makes two rows one question, and where a case is written into the rows that are stored.
#include "broker/cases.h"
#include "proto/base/pg-values.h"
#include "shipped-rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

typedef struct Row {
    Dongbo__ChangeEvent event;
    Dongbo__Subject subject;
    Dongbo__Vaccination dose;
    Dongbo__PopulationChange change;
} Row;

// Pointers into the row itself are set by key_of(), so that a row can be copied.
static Row dose(void) {
    Row row = {.event = DONGBO__CHANGE_EVENT__INIT,
               .subject = DONGBO__SUBJECT__INIT,
               .dose = DONGBO__VACCINATION__INIT,
               .change = DONGBO__POPULATION_CHANGE__INIT};
    row.event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    row.subject.citizen_number = "001099000001";
    row.subject.full_name = "Nguyen Van An";
    row.subject.birth_date = "1999-01-02";
    row.dose.vaccine_group = "covid-19";
    row.dose.dose_number = 1;
    row.dose.lot_number = "L1";
    return row;
}

typedef struct Key {
    uint8_t bytes[CASE_KEY_BYTES];
} Key;

static Key key_of(uint32_t agency, Row row) {
    row.event.subject = &row.subject;
    if (row.event.body_case == DONGBO__CHANGE_EVENT__BODY_HEALTH)
        row.event.health = &row.dose;
    else
        row.event.population = &row.change;
    Key key;
    cases_key(rules, agency, &row.event, key.bytes);
    return key;
}

static bool same(Key a, Key b) {
    return memcmp(a.bytes, b.bytes, CASE_KEY_BYTES) == 0;
}

static void test_a_repeat_is_the_same_question(void **state) {
    Row row = dose(), repeat = dose();
    repeat.event.event_time_us = 7;
    repeat.event.source_key = "another row";
    repeat.dose.lot_number = "L2"; // no key field
    assert_true(same(key_of(5, row), key_of(5, repeat)));
}

static void test_what_is_held_is_one_question_of_a_person(void **state) {
    static const struct {
        uint32_t agency;
        int domain;
        int64_t person;
    } CASES[] = {{5, 2, 77}, {6, 2, 77}, {5, 3, 77}, {5, 2, 78}};
    Key keys[4];
    for (int i = 0; i < 4; i++) {
        cases_held_key(CASES[i].agency, CASES[i].domain, CASES[i].person, keys[i].bytes);
        for (int j = 0; j < i; j++)
            assert_false(same(keys[i], keys[j]));
    }
    Key again;
    cases_held_key(5, 2, 77, again.bytes);
    assert_true(same(keys[0], again));
}

static void test_another_agency_person_or_record_is_another(void **state) {
    Row row = dose(), other = dose();
    assert_false(same(key_of(5, row), key_of(6, row)));
    other.event.operation = DONGBO__OPERATION__RETRACT;
    assert_false(same(key_of(5, row), key_of(5, other)));
    other = dose();
    other.dose.dose_number = 2;
    assert_false(same(key_of(5, row), key_of(5, other)));
    other = dose();
    other.subject.birth_date = "1999-01-03";
    assert_false(same(key_of(5, row), key_of(5, other)));
    other = dose(); // what is said moves from one field to the next
    other.subject.citizen_number = "001099000001Nguyen Van An";
    other.subject.full_name = "";
    assert_false(same(key_of(5, row), key_of(5, other)));
}

static void test_each_change_of_a_person_is_a_question_of_its_own(void **state) {
    Row row = dose(), other;
    row.event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    row.change.kind = "move";
    other = row;
    assert_true(same(key_of(5, row), key_of(5, other)));
    other.change.residence_commune = "00004";
    assert_false(same(key_of(5, row), key_of(5, other)));
}

// A row as it is stored, with a column behind.
static void put_row(Bytes *rows, int64_t position, uint8_t key) {
    uint8_t bytes[CASE_KEY_BYTES];
    memset(bytes, key, sizeof bytes);
    copy_row(rows, 5);
    copy_i64(rows, position);
    cases_put(rows, key == 0 ? NULL : bytes);
    copy_bytes(rows, "stream", 6);
    copy_null(rows);
}

static int64_t case_of(const CaseRow *row) {
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | row->review_case[i];
    return (int64_t)number;
}

static void test_rows_of_one_key_join_one_case(void **state) {
    Bytes rows = {0};
    static const uint8_t KEYS[] = {2, 0, 1, 2, 0, 1, 3};
    for (size_t i = 0; i < sizeof KEYS; i++)
        put_row(&rows, 100 + (int64_t)i, KEYS[i]);
    size_t n = rows.n;
    Cases cases;
    assert_int_equal(cases_read(&rows, &cases), 0);
    assert_int_equal(cases.n, 5);
    assert_int_equal(cases_end(&cases, 0), 2);
    cases_join(&cases, 0, 55); // open before
    assert_int_equal(cases_end(&cases, 2), 4);
    cases_join(&cases, 2, 0);
    assert_int_equal(cases_end(&cases, 4), 5);
    cases_join(&cases, 4, 0);
    static const int64_t POSITIONS[] = {102, 105, 100, 103, 106}, JOINED[] = {55, 55, 100, 100, 106};
    for (size_t i = 0; i < cases.n; i++) {
        assert_int_equal(cases.rows[i].position, POSITIONS[i]);
        assert_int_equal(case_of(&cases.rows[i]), JOINED[i]);
    }
    cases_free(&cases);
    assert_int_equal(rows.n, n);
    bytes_free(&rows);
}

static void test_nothing_in_question_is_no_case(void **state) {
    Bytes rows = {0};
    Cases cases;
    assert_int_equal(cases_read(&rows, &cases), 0);
    assert_int_equal(cases.n, 0);
    put_row(&rows, 1, 0);
    assert_int_equal(cases_read(&rows, &cases), 0);
    assert_int_equal(cases.n, 0);
    cases_free(&cases);
    bytes_free(&rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_repeat_is_the_same_question),
        cmocka_unit_test(test_what_is_held_is_one_question_of_a_person),
        cmocka_unit_test(test_another_agency_person_or_record_is_another),
        cmocka_unit_test(test_each_change_of_a_person_is_a_question_of_its_own),
        cmocka_unit_test(test_rows_of_one_key_join_one_case),
        cmocka_unit_test(test_nothing_in_question_is_no_case),
    };
    return cmocka_run_group_tests(tests, load_rules, free_rules);
}
