// SPDX-License-Identifier: Apache-2.0
//
// What can be said of an event without its person: one good event, and then each thing that can be wrong with it, by
// name: the verdict, the reason and the field.

#include "tests/unit/verify-case.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_decision_order(void **state) {
    Decision d = {0};
    decision_add(&d, ACCEPTED, 202, "a", NULL);
    assert_int_equal(d.verdict, ACCEPTED);
    assert_string_equal(d.reasons[0].expected, "");
    decision_add(&d, MISMATCH, 200, "b", "x");
    decision_add(&d, DEFERRED, 110, "c", "");
    assert_int_equal(d.verdict, MISMATCH);
    decision_add(&d, REJECTED, 400, "d", "");
    decision_add(&d, MISMATCH, 200, "e", "");
    assert_int_equal(d.verdict, REJECTED);
    for (int i = 0; i < REASONS_MAX; i++)
        decision_add(&d, ACCEPTED, 202, "f", "");
    assert_int_equal(d.n_reasons, REASONS_MAX);
}

// ---- the number -------------------------------------------------------------------------------------------------

static void test_number_missing(void **state) {
    Case c = case_dose();
    c.subject.citizen_number = "";
    case_form(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    EXPECT(&c, MISMATCH, ID_MISSING, "subject.citizen_number");
    c.event.subject = NULL;
    case_form(&c);
    HAS(&c, ID_MISSING);
}

static void test_number_format(void **state) {
    static char *const BAD[] = {"00109001234", "0010900123456", "0123456789",   "00109001234x", "001 90012345",
                                "chưa có",     "001090012345 ", "００１０９０", "-01090012345"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        Case c = case_dose();
        c.subject.citizen_number = BAD[i];
        case_form(&c);
        EXPECT(&c, MISMATCH, ID_FORMAT, NUMBER);
    }
}

// An identity card's number may be somebody's, and so may an insurance number where the citizen's cannot be used.
static void test_number_of_another_kind(void **state) {
    Case c = case_dose();
    c.subject.citizen_number = "012345678";
    case_form(&c);
    expect_plain(&c);
    verify_person(&context, &c.grants, &c.event, NULL, &c.decision);
    EXPECT(&c, MISMATCH, ID_FORMAT, NUMBER);
    static char *const UNUSABLE[] = {"", "123"};
    static const int CODES[] = {DONGBO__REASON_CODE__ID_MISSING, DONGBO__REASON_CODE__ID_FORMAT};
    for (size_t i = 0; i < sizeof UNUSABLE / sizeof *UNUSABLE; i++) {
        case_make(&c, DONGBO__DOMAIN__SOCIAL_SECURITY);
        c.subject.citizen_number = UNUSABLE[i];
        case_form(&c);
        expect_plain(&c);
        verify_person(&context, &c.grants, &c.event, NULL, &c.decision);
        expect(&c, MISMATCH, CODES[i], NUMBER);
    }
    c.insurance.insurance_number = "12345";
    case_form(&c);
    EXPECT(&c, MISMATCH, ID_FORMAT, NUMBER);
}

static void test_number_contradicts(void **state) {
    Case c = case_dose();
    c.subject.citizen_number = "003090012345";
    case_form(&c);
    EXPECT(&c, MISMATCH, ID_PROVINCE, NUMBER);
    c.subject.citizen_number = "001190012345";
    case_form(&c);
    EXPECT(&c, MISMATCH, ID_SEX, NUMBER);
    c.subject.citizen_number = "001091012345";
    case_form(&c);
    EXPECT(&c, MISMATCH, ID_BIRTH_YEAR, NUMBER);
    c.subject.citizen_number = "001290012345"; // born 2090
    case_form(&c);
    EXPECT(&c, MISMATCH, ID_BIRTH_YEAR, NUMBER);
    c.subject.birth_date = "2090";
    case_form(&c);
    expect_plain(&c);
    c.subject.sex = "other";
    case_form(&c);
    expect_plain(&c);
}

static void test_centuries(void **state) {
    static char *const GOOD[][3] = {{"079000000001", "1900", "male"}, {"079199000001", "1999-12-31", "female"},
                                    {"079200000001", "2000", "male"}, {"079322000001", "2022-01", "female"},
                                    {"079400000001", "2100", "male"}, {"079999000001", "2399", "female"}};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        Case c = case_dose();
        c.subject.citizen_number = GOOD[i][0];
        c.subject.birth_date = GOOD[i][1];
        c.subject.sex = GOOD[i][2];
        case_form(&c);
        expect_plain(&c);
        c.subject.sex = strcmp(GOOD[i][2], "male") == 0 ? "female" : "male";
        case_form(&c);
        EXPECT(&c, MISMATCH, ID_SEX, NUMBER);
    }
}

// ---- the event --------------------------------------------------------------------------------------------------

static void test_envelope(void **state) {
    Case c = case_dose();
    c.event.event_id.len = 15;
    case_form(&c);
    EXPECT(&c, REJECTED, EVENT_ID_WRONG, "event_id");
    c = case_dose();
    c.event.source_key = "";
    case_form(&c);
    EXPECT(&c, REJECTED, FIELD_MISSING, "source_key");
    c = case_dose();
    c.event.event_time_us = context.now_us + CLOCK_AHEAD_MAX_US;
    case_form(&c);
    expect_plain(&c);
    c.event.event_time_us++;
    case_form(&c);
    EXPECT(&c, REJECTED, CLOCK_AHEAD, "event_time_us");
    c.event.event_time_us = INT64_MIN;
    case_form(&c);
    EXPECT(&c, REJECTED, DATE_INVALID, "event_time_us");
    c = case_dose();
    c.event.operation = 9;
    case_form(&c);
    EXPECT(&c, REJECTED, OPERATION_UNKNOWN, "operation");
    c.event.operation = 0;
    case_form(&c);
    EXPECT(&c, REJECTED, OPERATION_UNKNOWN, "operation");
    c = case_dose();
    c.event.body_case = 0;
    case_form(&c);
    EXPECT(&c, REJECTED, DOMAIN_UNKNOWN, "");
}

static void test_grants(void **state) {
    static const char *const HN[] = {"01"}, *const TQ_HN[] = {"08", "01"}, *const DN[] = {"48"};
    Case c = case_dose();
    c.grants.domains = ALL_DOMAINS & ~(1u << DONGBO__DOMAIN__HEALTH);
    case_form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "");
    c = case_dose();
    c.grants.provinces = HN;
    c.grants.n_provinces = 1;
    case_form(&c);
    expect_plain(&c);
    c.grants.provinces = DN;
    case_form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "subject.residence_province");
    c.subject.residence_province = ""; // not said is not granted
    case_form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "subject.residence_province");
    c.subject.residence_province = "49"; // Quảng Nam went into Đà Nẵng
    c.subject.province_code_set = "63";
    case_form(&c);
    expect_plain(&c);
    case_make(&c, DONGBO__DOMAIN__E_ID); // the account's province, one of 63, stands before the subject's
    c.grants.provinces = HN;
    c.grants.n_provinces = 1;
    case_form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "province_code");
    c.grants.provinces = TQ_HN;
    c.grants.n_provinces = 2;
    case_form(&c);
    expect_plain(&c);
    c.grants.provinces = HN;
    c.grants.n_provinces = 1;
    c.account.province_code = "";
    case_form(&c);
    expect_plain(&c);
}

static void test_subject(void **state) {
    Case c = case_dose();
    c.subject.birth_date = "05/02/1990";
    case_form(&c);
    EXPECT(&c, REJECTED, DATE_INVALID, BIRTH);
    c = case_dose();
    c.subject.sex = "Nam";
    case_form(&c);
    EXPECT(&c, REJECTED, CODE_UNKNOWN, "subject.sex");
    c = case_dose();
    c.subject.residence_province = "02"; // one of 63 only
    case_form(&c);
    EXPECT(&c, REJECTED, CODE_UNKNOWN, "subject.residence_province");
    c.subject.province_code_set = "63";
    case_form(&c);
    expect_plain(&c);
    c.subject.province_code_set = "64";
    case_form(&c);
    EXPECT(&c, REJECTED, CODE_UNKNOWN, "subject.province_code_set");
}

static void test_fields(void **state) {
    static char text[80];
    memset(text, 'x', sizeof text - 1);
#define WRONG(domain, set, reason, field)                                                                              \
    do {                                                                                                               \
        Case c;                                                                                                        \
        case_make(&c, DONGBO__DOMAIN__##domain);                                                                       \
        set;                                                                                                           \
        case_form(&c);                                                                                                 \
        EXPECT(&c, REJECTED, reason, field);                                                                           \
    } while (0)
    WRONG(HEALTH, c.dose.vaccine_group = "", FIELD_MISSING, "vaccine_group");
    WRONG(HEALTH, c.dose.dose_number = 0, FIELD_MISSING, "dose_number");
    WRONG(HEALTH, c.dose.dose_number = 100, NUMBER_RANGE, "dose_number");
    WRONG(HEALTH, c.dose.vaccine_group = "covid", CODE_UNKNOWN, "vaccine_group");
    WRONG(HEALTH, c.dose.product_code = "EU/1/20/9999", CODE_UNKNOWN, "product_code");
    WRONG(HEALTH, c.dose.lot_number = text, FIELD_FORMAT, "lot_number");
    WRONG(HEALTH, c.dose.occurrence_date = "2022-02-29", DATE_INVALID, "occurrence_date");
    WRONG(HEALTH, c.dose.occurrence_date = "2022-03-16", DATE_IN_FUTURE, "occurrence_date");
    WRONG(EDUCATION, c.enrolment.isced_level = "9", CODE_UNKNOWN, "isced_level");
    WRONG(EDUCATION, c.enrolment.end_date = "2021-09-04", PERIOD_REVERSED, "start_date");
    WRONG(EDUCATION,
          c.enrolment.programme_code = "A\x1f"
                                       "B",
          TEXT_INVALID, "programme_code");
    WRONG(SOCIAL_SECURITY, c.insurance.insurance_number = "01234x6789", FIELD_FORMAT, "insurance_number");
    WRONG(SOCIAL_SECURITY, c.insurance.insurance_number = "0123456789012", FIELD_FORMAT, "insurance_number");
    WRONG(SOCIAL_SECURITY, c.insurance.contribution_months = 1201, NUMBER_RANGE, "contribution_months");
    WRONG(RESIDENCE, c.stay.province_code = "02", CODE_UNKNOWN, "province_code");
    WRONG(RESIDENCE, c.stay.commune_code = "123456", FIELD_FORMAT, "commune_code");
    WRONG(RESIDENCE, c.stay.kind = "holiday", CODE_UNKNOWN, "kind");
    WRONG(SOCIAL_SECURITY, c.insurance.health_card_number = "DN401012345678", FIELD_FORMAT, "health_card_number");
    WRONG(SOCIAL_SECURITY, c.insurance.health_card_number = "DN40101234567890", FIELD_FORMAT, "health_card_number");
    WRONG(SOCIAL_SECURITY, c.insurance.health_card_number = "0N4010123456789", FIELD_FORMAT, "health_card_number");
    WRONG(EDUCATION, c.enrolment.school_year = "2021/2022", FIELD_FORMAT, "school_year");
    WRONG(E_ID, c.account.province_code = "03", CODE_UNKNOWN, "province_code");
    WRONG(ELECTRICITY, c.contract.status = "", FIELD_MISSING, "status");
}

static void test_shapes(void **state) {
    static char *const CARDS[] = {"", "DN4010123456789", "gd4010123456789", "0123456789", "001090000001"};
    for (size_t i = 0; i < sizeof CARDS / sizeof *CARDS; i++) {
        Case c;
        case_make(&c, DONGBO__DOMAIN__SOCIAL_SECURITY);
        c.insurance.health_card_number = CARDS[i];
        case_form(&c);
        expect_plain(&c);
    }
}

// Thirty days are too many for a short stay, and for nothing else; what is not known to the day is not counted.
static void test_length(void **state) {
    static const struct {
        char *kind, *start, *end;
        bool fits;
    } STAYS[] = {
        {"short-stay", "2022-02-01", "2022-03-02", true}, {"short-stay", "2022-02-01", "2022-03-03", false},
        {"temporary", "2020-02-01", "2022-02-01", true},  {"short-stay", "2022-02-01", "2022", true},
        {"short-stay", "2022-02-01", "", true},
    };
    for (size_t i = 0; i < sizeof STAYS / sizeof *STAYS; i++) {
        Case c;
        case_make(&c, DONGBO__DOMAIN__RESIDENCE);
        c.stay.kind = STAYS[i].kind;
        c.stay.start_date = STAYS[i].start;
        c.stay.end_date = STAYS[i].end;
        case_form(&c);
        if (STAYS[i].fits)
            expect_plain(&c);
        else
            EXPECT(&c, REJECTED, PERIOD_TOO_LONG, "start_date");
    }
}

// A commune is one of the event's code set, and of the province said. Every old commune was in one province of today.
static void test_commune(void **state) {
    static const struct {
        char *set, *commune, *province;
        int code; // 0: plain
    } STAYS[] = {
        {"", "00004", "01", 0},
        {"", "00001", "01", DONGBO__REASON_CODE__COMMUNE_UNKNOWN}, // Phúc Xá, gone since July 2025
        {"63", "00001", "01", 0},
        {"", "00097", "01", 0}, // Hồng Hà, which it went into; the number was Tứ Liên's
        {"63", "99999", "01", DONGBO__REASON_CODE__COMMUNE_UNKNOWN},
        {"", "00004", "04", DONGBO__REASON_CODE__COMMUNE_ELSEWHERE},
        {"63", "00691", "02", 0}, // of 02, which went into 08
        {"63", "00691", "08", 0}, // ... as 08 did
        {"63", "00691", "04", DONGBO__REASON_CODE__COMMUNE_ELSEWHERE},
        {"63", "25102", "68", DONGBO__REASON_CODE__COMMUNE_DIVIDED},
    };
    for (size_t i = 0; i < sizeof STAYS / sizeof *STAYS; i++) {
        Case c;
        case_make(&c, DONGBO__DOMAIN__RESIDENCE);
        c.subject.province_code_set = STAYS[i].set;
        c.stay.province_code = STAYS[i].province;
        c.stay.commune_code = STAYS[i].commune;
        case_form(&c);
        if (STAYS[i].code == 0)
            expect_plain(&c);
        else
            expect(&c, STAYS[i].code == DONGBO__REASON_CODE__COMMUNE_DIVIDED ? ACCEPTED : REJECTED, STAYS[i].code,
                   "commune_code");
    }
}

// A province of 63 that the 34 have not, and one that they have by another number: what is granted is today's.
static void test_provinces_of_the_code_set(void **state) {
    static const int DOMAINS[] = {DONGBO__DOMAIN__RESIDENCE, DONGBO__DOMAIN__ELECTRICITY};
    static const char *const LAO_CAI[] = {"15"};
    for (int i = 0; i < 2; i++) {
        Case c;
        case_make(&c, DOMAINS[i]);
        c.stay.commune_code = "";
        c.stay.province_code = c.contract.province_code = "10";
        case_form(&c);
        EXPECT(&c, REJECTED, CODE_UNKNOWN, "province_code");
        c.subject.province_code_set = "63";
        c.grants.provinces = LAO_CAI;
        c.grants.n_provinces = 1;
        case_form(&c);
        expect_plain(&c);
        c.stay.province_code = c.contract.province_code = "01";
        case_form(&c);
        EXPECT(&c, REJECTED, NOT_GRANTED, "province_code");
        c.grants.n_provinces = 0;
        c.stay.province_code = c.contract.province_code = "03"; // nobody's
        case_form(&c);
        EXPECT(&c, REJECTED, CODE_UNKNOWN, "province_code");
    }
}

static void test_today(void **state) {
    Case c = case_dose();
    c.dose.occurrence_date = "2022-03-15";
    case_form(&c);
    expect_plain(&c);
    c.dose.occurrence_date = "2022";
    case_form(&c);
    expect_plain(&c);
    int64_t now = context.now_us;
    assert_int_equal(clock_parse_us("2022-03-14T18:00:00Z", &context.now_us), 0); // the 15th at 01:00 in Hà Nội
    c.event.event_time_us = context.now_us;
    c.dose.occurrence_date = "2022-03-15";
    case_form(&c);
    context.now_us = now;
    expect_plain(&c);
}

static void test_several_reasons(void **state) {
    Case c = case_dose();
    c.subject.citizen_number = "123";
    c.dose.product_code = "?";
    c.dose.occurrence_date = "soon";
    case_form(&c);
    assert_int_equal(c.decision.verdict, REJECTED);
    assert_int_equal(c.decision.n_reasons, 3);
    HAS(&c, ID_FORMAT);
    HAS(&c, CODE_UNKNOWN);
    HAS(&c, DATE_INVALID);
}

static void test_cleared(void **state) {
    Case c = case_dose();
    c.dose.lot_number = "";
    c.cleared[c.event.n_cleared_fields++] = 4;
    case_form(&c);
    expect_plain(&c);
    c.dose.lot_number = "L1"; // said and cleared at once
    case_form(&c);
    EXPECT(&c, REJECTED, FIELD_FORMAT, "lot_number");
    c.dose.lot_number = "";
    c.cleared[0] = 99;
    case_form(&c);
    EXPECT(&c, REJECTED, FIELD_FORMAT, "cleared_fields");
    c = case_dose();
    c.dose.occurrence_date = "";
    c.cleared[c.event.n_cleared_fields++] = 5;
    case_form(&c);
    assert_int_equal(c.decision.verdict, REJECTED);
    HAS(&c, FIELD_MISSING);
    c = case_dose();
    c.dose.lot_number = "";
    for (size_t i = 0; i <= CLEARED_FIELDS_MAX; i++)
        c.cleared[c.event.n_cleared_fields++] = 4;
    case_form(&c);
    EXPECT(&c, REJECTED, EVENT_LIMITS, "cleared_fields");
}

static void test_retraction(void **state) {
    Case c = case_dose();
    c.event.operation = DONGBO__OPERATION__RETRACT;
    c.dose.occurrence_date = "2099-01-01";
    c.dose.product_code = "none of ours";
    c.dose.status = "";
    case_whole(&c);
    expect_plain(&c);
    c.dose.dose_number = 0;
    case_whole(&c);
    EXPECT(&c, REJECTED, FIELD_MISSING, "dose_number");
}

static void test_correction(void **state) {
    Case c = case_dose();
    c.event.operation = DONGBO__OPERATION__CORRECT;
    case_whole(&c);
    expect_plain(&c);
    c.dose.occurrence_date = "2099-01-01"; // is held to all that an upsert is
    case_whole(&c);
    EXPECT(&c, REJECTED, DATE_IN_FUTURE, "occurrence_date");
}

static void test_population(void **state) {
    Case c;
    case_make(&c, DONGBO__DOMAIN__POPULATION);
    c.event.subject = NULL;
    case_form(&c);
    expect_plain(&c);
    c.change.sex = "male";
    case_form(&c);
    EXPECT(&c, MISMATCH, ID_SEX, "citizen_number");
    c.change.sex = "female";
    c.change.birth_date = "2021-03-01";
    case_form(&c);
    EXPECT(&c, MISMATCH, ID_BIRTH_YEAR, "citizen_number");
    c.change.birth_date = "2022-03-16";
    case_form(&c);
    EXPECT(&c, REJECTED, DATE_IN_FUTURE, "birth_date");
    c.change.birth_date = "2022-03-01";
    c.change.full_name = "";
    case_form(&c);
    EXPECT(&c, REJECTED, FIELD_MISSING, "full_name");
    c.change.full_name = "Nguyễn Thị Bình";
    c.change.citizen_number = "00132200000";
    case_form(&c);
    EXPECT(&c, REJECTED, FIELD_FORMAT, "citizen_number");
    c.change.citizen_number = "001322000001";
    c.event.operation = DONGBO__OPERATION__RETRACT;
    case_form(&c);
    EXPECT(&c, REJECTED, OPERATION_UNKNOWN, "operation");
    c.event.operation = DONGBO__OPERATION__CORRECT;
    case_form(&c);
    EXPECT(&c, REJECTED, OPERATION_UNKNOWN, "operation");
}

static void test_population_changes(void **state) {
    Case c;
    case_make(&c, DONGBO__DOMAIN__POPULATION);
    dongbo__population_change__init(&c.change);
    c.change.kind = "death";
    case_form(&c);
    EXPECT(&c, REJECTED, FIELD_MISSING, "died_on");
    c.change.died_on = "2022-03-01";
    case_form(&c);
    expect_plain(&c);
    c.subject.citizen_number = "";
    case_form(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, ID_MISSING);
    c.change.citizen_number = "001322000001"; // named there instead
    case_form(&c);
    expect_plain(&c);
    c.change.kind = "number-reissued";
    c.change.died_on = "";
    case_form(&c);
    HAS(&c, ID_MISSING);
    c.subject.citizen_number = "001190012345"; // re-issued because the sex was wrong
    case_form(&c);
    expect_plain(&c);
}

static void expect_one_number(const char *kind) {
    Case c;
    case_make(&c, DONGBO__DOMAIN__POPULATION);
    bool brings = strcmp(kind, "registered") == 0 || strcmp(kind, "birth") == 0;
    if (!brings)
        dongbo__population_change__init(&c.change);
    c.change.kind = (char *)kind;
    c.change.died_on = strcmp(kind, "death") == 0 ? "2022-03-01" : "";
    c.change.citizen_number = "001322000001"; // well formed, and not the subject's: perhaps a stranger's
    case_form(&c);
    EXPECT(&c, REJECTED, FIELD_FORMAT, "citizen_number");
    c.subject.citizen_number = c.change.citizen_number;
    case_form(&c);
    expect_plain(&c);
    c.subject.citizen_number = "";
    case_form(&c);
    expect_plain(&c);
    if (brings)
        return;
    c.subject.citizen_number = c.change.citizen_number;
    c.change.citizen_number = "";
    case_form(&c);
    expect_plain(&c);
}

static void test_two_numbers_where_one_is_meant(void **state) {
    static const char *const KINDS[] = {"registered", "birth", "correction", "move", "death", "number-cancelled"};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        expect_one_number(KINDS[i]);
}

static void test_population_cleared(void **state) {
    static const char *const FIELDS[] = {[2] = "citizen_number", [3] = "full_name", [4] = "birth_date", [5] = "sex"};
    for (uint32_t field = 2; field <= 10; field++) {
        Case c;
        case_make(&c, DONGBO__DOMAIN__POPULATION);
        dongbo__population_change__init(&c.change);
        c.change.kind = "correction";
        c.cleared[c.event.n_cleared_fields++] = field;
        case_form(&c);
        if (field <= 5)
            EXPECT(&c, REJECTED, FIELD_MISSING, FIELDS[field]);
        else
            expect_plain(&c);
    }
}

// ---- record keys ------------------------------------------------------------------------------------------------

static void test_record_key(void **state) {
    Case c = case_dose();
    case_bind(&c);
    assert_string_equal(verify_record_key(&context, &c.event), "covid-19\x1f"
                                                               "2");
    case_use(&c, DONGBO__DOMAIN__E_ID);
    assert_string_equal(verify_record_key(&context, &c.event), "A1");
    case_use(&c, DONGBO__DOMAIN__POPULATION);
    assert_string_equal(verify_record_key(&context, &c.event), "");
    c.event.body_case = 0;
    assert_string_equal(verify_record_key(&context, &c.event), "");
    CLEANUP(arena_destroy) Arena *small = NULL;
    assert_int_equal(arena_new(&small, 4), 0);
    VerifyContext tight = {rules, context.now_us, small};
    case_use(&c, DONGBO__DOMAIN__HEALTH);
    assert_null(verify_record_key(&tight, &c.event));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decision_order),
        cmocka_unit_test(test_number_missing),
        cmocka_unit_test(test_number_format),
        cmocka_unit_test(test_number_of_another_kind),
        cmocka_unit_test(test_number_contradicts),
        cmocka_unit_test(test_centuries),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_subject),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_provinces_of_the_code_set),
        cmocka_unit_test(test_commune),
        cmocka_unit_test(test_today),
        cmocka_unit_test(test_several_reasons),
        cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_retraction),
        cmocka_unit_test(test_correction),
        cmocka_unit_test(test_population),
        cmocka_unit_test(test_population_changes),
        cmocka_unit_test(test_two_numbers_where_one_is_meant),
        cmocka_unit_test(test_population_cleared),
        cmocka_unit_test(test_record_key),
    };
    return cmocka_run_group_tests(tests, case_setup, case_teardown);
}
