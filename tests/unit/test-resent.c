// SPDX-License-Identifier: Apache-2.0
//
// Which events are of one row of their agency: corrections of it, and nothing that only shares its key.
#include "broker/resent.h"
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

static void point(Row *row) {
    row->event.subject = &row->subject;
    row->event.health = &row->dose;
    if (row->event.body_case == DONGBO__CHANGE_EVENT__BODY_POPULATION)
        row->event.population = &row->change;
}

static Row dose(void) {
    Row row = {.event = DONGBO__CHANGE_EVENT__INIT,
               .subject = DONGBO__SUBJECT__INIT,
               .dose = DONGBO__VACCINATION__INIT,
               .change = DONGBO__POPULATION_CHANGE__INIT};
    row.event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    row.event.operation = DONGBO__OPERATION__UPSERT;
    row.event.source_key = "7";
    row.subject.citizen_number = "001099000001";
    row.subject.full_name = "Nguyễn Văn An";
    row.subject.birth_date = "1999-01-02";
    row.dose.vaccine_group = "covid-19";
    row.dose.dose_number = 1;
    return row;
}

static bool replaces(Row newer, Row older) {
    point(&newer);
    point(&older);
    bool same_key = resent_key(rules, &newer.event) == resent_key(rules, &older.event);
    bool replaced = resent_replaces(rules, &newer.event, &older.event);
    assert_true(same_key || !replaced); // or it would never be looked at
    return replaced;
}

static void test_a_correction_replaces_what_it_corrects(void **state) {
    Row older = dose();
    assert_true(replaces(dose(), older));
    older.subject.citizen_number = "";
    assert_true(replaces(dose(), older));
    older.subject.full_name = "nguyen van an";
    assert_true(replaces(dose(), older));
    older = dose();
    older.subject.full_name = "Đinh Tiên Hoàng";
    older.subject.birth_date = "";
    assert_true(replaces(dose(), older));
    older.dose.lot_number = "L1";
    assert_true(replaces(dose(), older));
}

static void test_another_row_person_or_record_does_not(void **state) {
    Row other = dose();
    other.event.source_key = "8";
    assert_false(replaces(dose(), other));
    other = dose();
    other.dose.dose_number = 2;
    assert_false(replaces(dose(), other));
    other = dose();
    other.subject.citizen_number = "001099000002";
    other.subject.birth_date = "1999-01-03";
    assert_false(replaces(dose(), other));
    other.subject.birth_date = "1999-01-02";
    other.subject.full_name = "Đinh Tiên Hoàng";
    assert_false(replaces(dose(), other));
    other.subject.full_name = ""; // of nobody in particular
    assert_false(replaces(dose(), other));
    assert_false(replaces(other, dose()));
    other = dose();
    other.event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    other.change.kind = "move";
    assert_false(replaces(dose(), other));
}

static void test_an_older_word_does_not_replace_a_newer(void **state) {
    Row older = dose(), newer = dose();
    newer.event.event_time_us = 5;
    assert_true(replaces(newer, older));
    assert_false(replaces(older, newer));
}

static void test_a_withdrawal_that_waits_is_replaced_by_a_withdrawal(void **state) {
    Row row = dose(), withdrawal = dose();
    withdrawal.event.operation = DONGBO__OPERATION__RETRACT;
    assert_true(replaces(withdrawal, row));
    assert_true(replaces(withdrawal, withdrawal));
    assert_false(replaces(row, withdrawal));
}

static void test_of_population_events_the_kind_is_the_record(void **state) {
    Row older = dose(), newer = dose();
    older.event.body_case = newer.event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    older.subject = newer.subject = (Dongbo__Subject)DONGBO__SUBJECT__INIT;
    older.change.kind = newer.change.kind = "move";
    older.change.citizen_number = "001099000009";
    newer.change.citizen_number = "001099000001";
    assert_false(replaces(newer, older));
    older.change.full_name = newer.change.full_name = "Nguyễn Văn An";
    older.change.birth_date = newer.change.birth_date = "1999-01-02";
    assert_true(replaces(newer, older));
    older.change.kind = "death";
    assert_false(replaces(newer, older));
}

static void test_what_says_no_row_has_no_key(void **state) {
    Row row = dose();
    row.event.source_key = "";
    point(&row);
    assert_int_equal(resent_key(rules, &row.event), 0);
    assert_int_equal(resent_key(rules, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_correction_replaces_what_it_corrects),
        cmocka_unit_test(test_another_row_person_or_record_does_not),
        cmocka_unit_test(test_an_older_word_does_not_replace_a_newer),
        cmocka_unit_test(test_a_withdrawal_that_waits_is_replaced_by_a_withdrawal),
        cmocka_unit_test(test_of_population_events_the_kind_is_the_record),
        cmocka_unit_test(test_what_says_no_row_has_no_key),
    };
    return cmocka_run_group_tests(tests, load_rules, free_rules);
}
