// SPDX-License-Identifier: Apache-2.0
//
// Whose a number was on a day, and what events make of it: one is compared, several are never chosen among, and an
// insurance number that is another's is said.

#include "broker/bearers.h"
#include "broker/decide.h"
#include "broker/decide_whom.h"
#include "proto/base/clock.h"
#include "verdict.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static Bearers of(size_t n, const Bearer *list) {
    Bearers bearers = {0};
    for (size_t i = 0; i < n; i++)
        bearers_add(&bearers, &list[i]);
    return bearers;
}

#define BEARER(who, first, last)                                                                                       \
    { .person = {.key = (who), .citizen_number = "001090000001"}, .from = (first), .to = (last) }

static void expect_on(const Bearers *bearers, const char *day, BearersAnswer answer, int64_t person) {
    const Person *found;
    Date date;
    assert_int_equal(date_parse(day, &date), 0);
    assert_int_equal(bearers_on(bearers, date, &found), answer);
    assert_int_equal(found ? found->key : 0, person);
}

static void test_days(void **state) {
    const Bearers one = of(1, (Bearer[]){BEARER(1, "1998", "2016-05-31")});
    expect_on(&one, "1997-12-31", BEARERS_OTHER_TIME, 1);
    expect_on(&one, "1998-01-01", BEARERS_ONE, 1);
    expect_on(&one, "2016-05-31", BEARERS_ONE, 1);
    expect_on(&one, "2016-06-01", BEARERS_OTHER_TIME, 1);
    const Bearers always = of(1, (Bearer[]){BEARER(1, "", "")});
    expect_on(&always, "1950-01-01", BEARERS_ONE, 1);
    expect_on(NULL, "1950-01-01", BEARERS_NONE, 0);
}

static void test_two_persons(void **state) {
    const Bearers after = of(2, (Bearer[]){BEARER(1, "1980", "1999-12-31"), BEARER(2, "2000-01-01", "")});
    expect_on(&after, "1990-06-01", BEARERS_ONE, 1);
    expect_on(&after, "2022-03-01", BEARERS_ONE, 2);
    const Bearers at_once = of(2, (Bearer[]){BEARER(1, "1980", "2010"), BEARER(2, "2000", "")});
    const Person *found;
    assert_int_equal(bearers_on(&at_once, (Date){2005, 1, 1}, &found), BEARERS_SEVERAL);
    assert_int_equal(bearers_on(&at_once, (Date){1970, 1, 1}, &found), BEARERS_SEVERAL);
    expect_on(&at_once, "2015-01-01", BEARERS_ONE, 2);
    const Bearers twice = of(2, (Bearer[]){BEARER(1, "1980", "1990"), BEARER(1, "", "")});
    expect_on(&twice, "2000-01-01", BEARERS_ONE, 1);
    assert_true(bearers_have(&after, 2));
    assert_false(bearers_have(&after, 3));
    assert_false(bearers_have(NULL, 2));
    Bearers many = {0};
    for (int64_t i = 1; i <= 2 * BEARERS_MAX; i++)
        bearers_add(&many, &(Bearer)BEARER(i, "", ""));
    assert_int_equal(bearers_on(&many, (Date){2005, 1, 1}, &found), BEARERS_SEVERAL);
}

static void test_kinds(void **state) {
    assert_string_equal(bearers_kind("001090000001"), BEARER_CCCD);
    assert_string_equal(bearers_kind("012345678"), BEARER_CMND);
    assert_null(bearers_kind("0123456789"));
    assert_null(bearers_kind("01234567x"));
    assert_null(bearers_kind(""));
}

// ---- events ---------------------------------------------------------------------------------------------------------

typedef struct Case {
    Dongbo__ChangeEvent event;
    Dongbo__Subject subject;
    Dongbo__InsurancePeriod period;
    Item item;
} Case;

static void make(Case *c, const char *number, const char *insurance) {
    *c = (Case){.event = DONGBO__CHANGE_EVENT__INIT,
                .subject = DONGBO__SUBJECT__INIT,
                .period = DONGBO__INSURANCE_PERIOD__INIT};
    c->period.insurance_number = (char *)insurance;
    c->event.subject = &c->subject;
    c->event.body_case = DONGBO__CHANGE_EVENT__BODY_SOCIAL_SECURITY;
    c->event.social_security = &c->period;
    c->item = (Item){.event = &c->event, .domain = DONGBO__DOMAIN__SOCIAL_SECURITY, .claimed_number = number};
    c->item.form.verdict = DONGBO__VERDICT__ACCEPTED;
    assert_int_equal(clock_parse_us("2022-03-01T00:00:00Z", &c->event.event_time_us), 0);
}

static void test_the_bearer_is_the_event_s_person(void **state) {
    Bearers first = of(1, (Bearer[]){BEARER(1, "", "")}), second = of(1, (Bearer[]){BEARER(2, "", "2000")});
    Case c;
    make(&c, "012345678", "0123456789");
    c.item.bearers = &second;
    c.item.insured = &first;
    decide_bearer(&c.item);
    assert_int_equal(c.item.person->key, 2); // the citizen's own kind of number goes before
    assert_true(c.item.person->by_alias && c.item.person->at_other_time && !c.item.person->by_insurance);
    make(&c, "", "0123456789");
    c.item.insured = &first;
    decide_bearer(&c.item);
    assert_true(c.item.person->key == 1 && c.item.person->by_insurance && !c.item.person->by_alias);
    // A number of twelve digits that nobody has is not made up for.
    make(&c, "001090000009", "0123456789");
    c.item.insured = &first;
    decide_bearer(&c.item);
    assert_null(c.item.person);
    Bearers both = of(2, (Bearer[]){BEARER(1, "", ""), BEARER(2, "", "")});
    make(&c, "012345678", "0123456789");
    c.item.bearers = &both;
    c.item.insured = &first;
    decide_bearer(&c.item);
    assert_null(c.item.person);
    SearchNumber numbers[DECIDE_BEARERS_MAX];
    assert_int_equal(decide_bearers(&c.item, numbers), 3);
    assert_string_equal(numbers[2], "001090000001");
}

// The store does not look at days; and what it has applied stays theirs to whom it did.
static void test_a_population_event_of_several_has_no_person(void **state) {
    Bearers both = of(2, (Bearer[]){BEARER(1, "", "2000"), BEARER(2, "2020", "")});
    Bearers one = of(1, (Bearer[]){BEARER(2, "", "2000")});
    Dongbo__PopulationChange change = DONGBO__POPULATION_CHANGE__INIT;
    Case c;
    make(&c, "001090000009", "");
    c.event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    c.event.population = &change;
    c.item.domain = DONGBO__DOMAIN__POPULATION;
    c.item.bearers = &both;
    decide_bearer(&c.item);
    assert_null(c.item.person);
    assert_true(decide_is_several(&c.item));
    c.item.applied_to = 2;
    c.item.settled = true;
    decide_bearer(&c.item);
    assert_int_equal(c.item.person->key, 2);
    assert_false(decide_is_several(&c.item));
    c.item.person = NULL;
    c.item.applied_to = 0;
    c.item.bearers = &one;
    decide_bearer(&c.item);
    assert_true(c.item.person->key == 2 && c.item.person->by_alias);
    assert_false(decide_is_several(&c.item));
    c.item.goes_several = true; // of a merger: the other number
    assert_true(decide_is_several(&c.item));
}

static void test_insurance_numbers(void **state) {
    Case c;
    make(&c, "001090000001", "0123456789");
    assert_string_equal(bearers_insurance(&c.event, c.item.claimed_number), "0123456789");
    c.period.insurance_number = "001090000001"; // since August 2025
    assert_string_equal(bearers_insurance(&c.event, c.item.claimed_number), "");
    assert_string_equal(bearers_insurance(&c.event, ""), "001090000001");
    c.period.insurance_number = "12345";
    assert_string_equal(bearers_insurance(&c.event, ""), "");
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    c.event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    c.event.health = &dose;
    assert_string_equal(bearers_insurance(&c.event, ""), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_two_persons),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_the_bearer_is_the_event_s_person),
        cmocka_unit_test(test_a_population_event_of_several_has_no_person),
        cmocka_unit_test(test_insurance_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
