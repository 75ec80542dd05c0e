// SPDX-License-Identifier: Apache-2.0
//
// The event against the person it names: what agrees, what differs at which layer, what the agency is told.

#include "tests/unit/verify-case.h"
#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_good_events(void **state) {
    for (int domain = DOMAIN_MIN + 1; domain <= DOMAIN_MAX; domain++) {
        Case c;
        case_make(&c, domain);
        case_whole(&c);
        expect_plain(&c);
    }
}

static void test_number_against_the_store(void **state) {
    Case c = case_dose();
    c.subject.sex = "";
    c.person.sex = "female";
    case_whole(&c);
    EXPECT(&c, MISMATCH, ID_SEX, NUMBER);
    c = case_dose();
    c.subject.birth_date = "";
    c.person.birth_date = "1991-01-01";
    case_whole(&c);
    HAS(&c, ID_BIRTH_YEAR);
    HAS(&c, BIRTH_DATE_MISSING);
}

static void test_replaced_number(void **state) {
    static const char *const TOLD[] = {NUMBER};
    Case c = case_dose();
    c.person.by_alias = true;
    c.person.citizen_number = "001090099999";
    case_whole(&c);
    EXPECT(&c, ACCEPTED, ID_NOT_CURRENT, NUMBER);
    assert_string_equal(c.decision.reasons[0].expected, "");
    c.grants.told_fields = TOLD;
    c.grants.n_told = 1;
    case_whole(&c);
    assert_string_equal(c.decision.reasons[0].expected, "001090099999");
    c.subject.full_name = "Trần Văn Bình";
    case_whole(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, ID_NOT_CURRENT);
}

static void test_cancelled_number(void **state) {
    static const char *const TOLD[] = {NUMBER};
    Case c = case_dose();
    c.person.by_alias = true;
    c.grants.told_fields = TOLD;
    c.grants.n_told = 1;
    case_whole(&c);
    EXPECT(&c, ACCEPTED, ID_CANCELLED, NUMBER);
    assert_string_equal(c.decision.reasons[0].expected, "");
}

// ---- the person -------------------------------------------------------------------------------------------------

static void test_not_found(void **state) {
    Case c = case_dose();
    case_form(&c);
    verify_person(&context, &c.grants, &c.event, NULL, &c.decision);
    EXPECT(&c, DEFERRED, NOT_FOUND, NUMBER);
}

static void test_names(void **state) {
    static const struct {
        char *said;
        int verdict, code;
    } NAMES[] = {
        {"NGUYỄN VĂN AN", ACCEPTED, DONGBO__REASON_CODE__NAME_CASE},
        {" nguyễn  văn an ", ACCEPTED, DONGBO__REASON_CODE__NAME_CASE},
        {"Nguye\xcc\x82\xcc\x83n Va\xcc\x86n An", ACCEPTED, DONGBO__REASON_CODE__NAME_CASE}, // decomposed
        {"Nguyen Van An", MISMATCH, DONGBO__REASON_CODE__NAME_ACCENTS_LOST},
        {"NGUYEN VAN AN", MISMATCH, DONGBO__REASON_CODE__NAME_ACCENTS_LOST},
        {"Nguyễn Văn Ân", MISMATCH, DONGBO__REASON_CODE__NAME_SIMILAR},
        {"Nguyễn Văn Anh", MISMATCH, DONGBO__REASON_CODE__NAME_SIMILAR},
        {"Nguyễn An", MISMATCH, DONGBO__REASON_CODE__NAME_MIDDLE},
        {"An Văn Nguyễn", MISMATCH, DONGBO__REASON_CODE__NAME_ORDER},
        {"", MISMATCH, DONGBO__REASON_CODE__NAME_MISSING},
        {"   ", MISMATCH, DONGBO__REASON_CODE__NAME_MISSING},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        Case c = case_dose();
        c.subject.full_name = NAMES[i].said;
        case_whole(&c);
        expect(&c, NAMES[i].verdict, NAMES[i].code, NAME);
    }
}

static void test_name_stored_empty_or_endless(void **state) {
    static char endless[5 * TEXT_BYTES_MAX];
    Case c = case_dose();
    c.person.full_name = "";
    case_whole(&c);
    EXPECT(&c, MISMATCH, NAME_DIFFERS, NAME);
    memset(endless, 'a', sizeof endless - 1);
    c.subject.full_name = endless;
    case_whole(&c);
    EXPECT(&c, MISMATCH, NAME_DIFFERS, NAME);
    c.subject.full_name = "\xff"; // whoever calls without the wire's checks
    c.person.full_name = "\xfe";
    case_whole(&c);
    EXPECT(&c, MISMATCH, NAME_DIFFERS, NAME);
}

static void test_birth_dates(void **state) {
    static const struct {
        char *said, *stored;
        int verdict, code; // 0: none
    } DATES[] = {
        {"1990", "1990-02-05", ACCEPTED, DONGBO__REASON_CODE__BIRTH_DATE_YEAR_ONLY},
        {"1990-02", "1990-02-05", ACCEPTED, DONGBO__REASON_CODE__BIRTH_DATE_YEAR_ONLY},
        {"1990-02-05", "1990", ACCEPTED, DONGBO__REASON_CODE__BIRTH_DATE_YEAR_ONLY},
        {"1990", "1990", ACCEPTED, 0},
        {"1990-05-02", "1990-02-05", MISMATCH, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS},
        {"1990-03", "1990-02-05", MISMATCH, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS},
        {"1990", "1991-02-05", MISMATCH, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS},
        {"1990-02-05", "", MISMATCH, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS},
        {"", "1990-02-05", MISMATCH, DONGBO__REASON_CODE__BIRTH_DATE_MISSING},
    };
    for (size_t i = 0; i < sizeof DATES / sizeof *DATES; i++) {
        Case c = case_dose();
        c.subject.birth_date = DATES[i].said;
        c.person.birth_date = DATES[i].stored;
        case_whole(&c);
        if (DATES[i].code)
            expect(&c, DATES[i].verdict, DATES[i].code, BIRTH);
        else
            expect_plain(&c);
    }
}

static void test_sex(void **state) {
    Case c = case_dose();
    c.person.sex = "female";
    case_whole(&c);
    EXPECT(&c, MISMATCH, SEX_DIFFERS, "subject.sex");
    c.person.sex = "unknown";
    case_whole(&c);
    expect_plain(&c);
    c.person.sex = "male";
    c.subject.sex = "";
    case_whole(&c);
    expect_plain(&c);
    c.subject.sex = "unknown";
    case_whole(&c);
    expect_plain(&c);
}

static void test_mothers(void **state) {
    static const struct {
        char *said, *stored, *birth, *lives;
        int verdict; // 0: nothing is said of it
    } MOTHERS[] = {
        {"Đoàn Thị Mai", "Nguyễn Như Vy", "1990-02-05", "", ACCEPTED}, // all that identifies her child agrees
        {"Đoàn Thị Mai", "Nguyễn Như Vy", "1990-02-05", "01", MISMATCH},
        {"Đoàn Thị Mai", "Nguyễn Như Vy", "1990-02-05", "79", ACCEPTED},
        {"Đoàn Thị Mai", "Nguyễn Như Vy", "1990", "", MISMATCH},
        {"Doan Thi Mai", "Đoàn Thị Mai", "1990", "01", 0},
        {"Đoàn Thị Mại", "Đoàn Thị Mai", "1990", "01", 0},
        {"", "Đoàn Thị Mai", "1990", "01", 0},
        {"Đoàn Thị Mai", "", "1990", "01", 0},
        {"Đoàn Thị Mai", NULL, "1990", "01", 0},
        {"-", "Đoàn Thị Mai", "1990", "01", 0},
        {"Không rõ", "Đoàn Thị Mai", "1990", "01", 0},
    };
    for (size_t i = 0; i < sizeof MOTHERS / sizeof *MOTHERS; i++) {
        Case c = case_dose();
        bool year = strlen(MOTHERS[i].birth) == 4;
        c.subject.mother_name = MOTHERS[i].said;
        c.person.mother_name = MOTHERS[i].stored;
        c.subject.birth_date = MOTHERS[i].birth;
        c.person.birth_date = "1990-02-05";
        c.subject.residence_province = MOTHERS[i].lives;
        c.person.residence_province = "79";
        case_whole(&c);
        if (c.decision.n_reasons != (size_t)(year + (MOTHERS[i].verdict != 0)))
            fail_msg("%zu reasons for %s", c.decision.n_reasons, MOTHERS[i].said);
        if (MOTHERS[i].verdict == 0)
            continue;
        assert_int_equal(c.decision.verdict, MOTHERS[i].verdict);
        assert_int_equal(c.decision.reasons[year].code, DONGBO__REASON_CODE__MOTHER_DIFFERS);
        assert_string_equal(c.decision.reasons[year].field, "subject.mother_name");
    }
}

// A stored value goes out only for the fields that the policy grants.
static void test_told(void **state) {
    static const char *const TOLD[] = {"subject.sex", BIRTH};
    Case c = case_dose();
    c.grants.told_fields = TOLD;
    c.grants.n_told = 2;
    c.person.birth_date = "1990-05-02";
    c.person.full_name = "Nguyễn Văn Ân";
    case_whole(&c);
    assert_int_equal(c.decision.n_reasons, 2);
    assert_string_equal(find(&c, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS)->expected, "1990-05-02");
    assert_string_equal(find(&c, DONGBO__REASON_CODE__NAME_ACCENTS_LOST)->expected, "");
}

static void test_life(void **state) {
    Case c = case_dose();
    c.dose.occurrence_date = "1990-02-04";
    case_whole(&c);
    EXPECT(&c, REJECTED, DATE_BEFORE_BIRTH, "occurrence_date");
    c.dose.occurrence_date = "1990-02-05";
    case_whole(&c);
    expect_plain(&c);
    c.dose.occurrence_date = "1990"; // cannot be told
    case_whole(&c);
    expect_plain(&c);
    c.dose.occurrence_date = "2022-03-01";
    c.person.died_on = "2022-02-28";
    case_whole(&c);
    EXPECT(&c, MISMATCH, DEAD_AT_EVENT, "occurrence_date");
    c.person.died_on = "2022-03-01";
    case_whole(&c);
    expect_plain(&c);
    c.person.died_on = "2021";
    case_whole(&c);
    EXPECT(&c, MISMATCH, DEAD_AT_EVENT, "occurrence_date");
    c.event.operation = DONGBO__OPERATION__RETRACT; // what was wrong may be withdrawn
    case_whole(&c);
    expect_plain(&c);
    case_make(&c, DONGBO__DOMAIN__EDUCATION);
    c.person.died_on = "2021-09-04";
    case_whole(&c);
    EXPECT(&c, REJECTED, DATE_AFTER_DEATH, "start_date");
}

static void test_age(void **state) {
    static const struct {
        const char *born;
        char *activated, *level;
        bool fits;
    } ACCOUNTS[] = {
        {"2016-02-29", "2022-02-28", "2", false}, {"2016-02-29", "2022-03-01", "2", true},
        {"2016-03-01", "2022-03-01", "2", true},  {"2016-03-02", "2022-03-01", "2", false},
        {"2016-03-02", "2022-03-01", "1", true},  {"2016", "2022-01-01", "2", true},
        {"2017", "2022-03-01", "2", false},       {"2017-01-01", "", "2", true},
    };
    for (size_t i = 0; i < sizeof ACCOUNTS / sizeof *ACCOUNTS; i++) {
        Case c;
        case_make(&c, DONGBO__DOMAIN__E_ID);
        c.account.card_issued_on = "";
        c.account.activated_on = ACCOUNTS[i].activated;
        c.account.level = ACCOUNTS[i].level;
        c.person.birth_date = c.subject.birth_date = (char *)ACCOUNTS[i].born;
        c.person.citizen_number = c.subject.citizen_number =
            ACCOUNTS[i].born[3] == '6' ? "001216000001" : "001217000001";
        case_whole(&c);
        if (ACCOUNTS[i].fits)
            expect_plain(&c);
        else
            EXPECT(&c, REJECTED, AGE_TOO_LOW, "activated_on");
    }
}

// A rule of this kind without a field is about the event's own time. No domain has one at present.
static void test_alive_at_event_time(void **state) {
    char directory[SCRATCH_BYTES];
    scratch_make(directory);
    scratch_copy_schemas(directory);
    scratch_append(directory, "rules/electricity.yaml", "  - {kind: alive-at-event, reason: DEAD_AT_EVENT}\n");
    CLEANUP(rules_destroy) Rules *stricter = NULL;
    assert_int_equal(rules_load(&stricter, directory), 0);
    scratch_remove(directory);

    Case c;
    case_make(&c, DONGBO__DOMAIN__ELECTRICITY);
    c.person.died_on = "2022-03-14";
    case_whole(&c);
    expect_plain(&c);
    context.rules = stricter;
    case_whole(&c);
    context.rules = rules;
    EXPECT(&c, MISMATCH, DEAD_AT_EVENT, "event_time_us");
}

// Another person's life proves nothing about the event: it stays a mismatch, for a person to look at.
static void test_life_of_another(void **state) {
    Case c = case_dose();
    c.person.full_name = "Trần Thị Bình";
    c.person.birth_date = "2022-03-02";
    case_whole(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, NAME_DIFFERS);
    HAS(&c, BIRTH_DATE_DIFFERS);
    assert_int_equal(c.decision.n_reasons, 2);
}

// A number that was replaced accepts with the rest; outside its days, and an insurance number without all the rest,
// never.
static void test_other_numbers(void **state) {
    Case c = case_dose();
    c.subject.citizen_number = "012345678";
    c.person.by_alias = true;
    case_whole(&c);
    EXPECT(&c, ACCEPTED, ID_NOT_CURRENT, NUMBER);
    c.person.at_other_time = true;
    case_whole(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, ID_OTHER_TIME);

    case_make(&c, DONGBO__DOMAIN__SOCIAL_SECURITY);
    c.subject.citizen_number = "";
    c.person.by_insurance = true;
    case_whole(&c);
    EXPECT(&c, ACCEPTED, ID_BY_INSURANCE, NUMBER);
    c.subject.birth_date = "1990"; // agrees as far as it goes, and that is not far enough
    case_whole(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, ID_BY_INSURANCE);
    c.subject.birth_date = "1990-02-05";
    c.subject.sex = "";
    case_whole(&c);
    EXPECT(&c, MISMATCH, ID_BY_INSURANCE, NUMBER);
    c.subject.sex = "male";
    c.subject.full_name = "Nguyễn Văn Ân";
    case_whole(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_numbers),
        cmocka_unit_test(test_good_events),
        cmocka_unit_test(test_number_against_the_store),
        cmocka_unit_test(test_replaced_number),
        cmocka_unit_test(test_cancelled_number),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_name_stored_empty_or_endless),
        cmocka_unit_test(test_birth_dates),
        cmocka_unit_test(test_sex),
        cmocka_unit_test(test_mothers),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_alive_at_event_time),
        cmocka_unit_test(test_life_of_another),
    };
    return cmocka_run_group_tests(tests, case_setup, case_teardown);
}
