// SPDX-License-Identifier: Apache-2.0
//
// One good event, and then each thing that can be wrong with it, by name: the verdict, the reason, the field, and what
// the agency is told.

#include "broker/verify.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "verdict.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define DEFERRED DONGBO__VERDICT__DEFERRED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define REJECTED DONGBO__VERDICT__REJECTED
#define ALL_DOMAINS 0xFEu

static Rules *rules;
static VerifyContext context;

static int setup(void **state) {
    char path[4096];
    snprintf(path, sizeof path, "%s/schemas", getenv("DONGBO_SOURCE"));
    context.rules = NULL;
    if (rules_load(&rules, path) != 0 || arena_new(&context.arena, 1 << 20) != 0)
        return 1;
    context.rules = rules;
    return clock_parse_us("2022-03-15T10:00:00+07:00", &context.now_us);
}

static int teardown(void **state) {
    arena_destroy(&context.arena);
    rules_destroy(&rules);
    return 0;
}

// An event with a body of each kind; the domain chooses.
typedef struct Case {
    Dongbo__ChangeEvent event;
    Dongbo__Subject subject;
    Dongbo__Vaccination dose;
    Dongbo__EidAccount account;
    Dongbo__ResidencePeriod stay;
    Dongbo__InsurancePeriod insurance;
    Dongbo__Enrolment enrolment;
    Dongbo__ElectricityContract contract;
    Dongbo__PopulationChange change;
    uint8_t id[EVENT_ID_BYTES];
    uint32_t cleared[40];
    Grants grants;
    Person person;
    Decision decision;
} Case;

static void fill_bodies(Case *c) {
    dongbo__vaccination__init(&c->dose);
    c->dose.vaccine_group = "covid-19";
    c->dose.dose_number = 2;
    c->dose.product_code = "EU/1/20/1528";
    c->dose.lot_number = "FF1234";
    c->dose.occurrence_date = "2022-03-01";
    c->dose.status = "completed";
    dongbo__eid_account__init(&c->account);
    c->account.account_id = "A1";
    c->account.status = "registered";
    c->account.province_code = "02";
    dongbo__residence_period__init(&c->stay);
    c->stay.kind = "short-stay";
    c->stay.start_date = "2022-03-01";
    c->stay.province_code = "79";
    dongbo__insurance_period__init(&c->insurance);
    c->insurance.insurance_number = "0123456789";
    c->insurance.period_start = "2020-01-01";
    c->insurance.contribution_months = 12;
    dongbo__enrolment__init(&c->enrolment);
    c->enrolment.institution_code = "BKA";
    c->enrolment.programme_code = "CS1";
    c->enrolment.isced_level = "6";
    c->enrolment.start_date = "2021-09-05";
    dongbo__electricity_contract__init(&c->contract);
    c->contract.customer_code = "PD0001";
    c->contract.status = "active";
    dongbo__population_change__init(&c->change);
    c->change.kind = "birth";
    c->change.citizen_number = "001322000001";
    c->change.full_name = "Nguyễn Thị Bình";
    c->change.birth_date = "2022-03-01";
    c->change.sex = "female";
}

static void use(Case *c, int domain) {
    ProtobufCMessage *bodies[] = {
        NULL,          &c->change.base,  &c->dose.base,    &c->enrolment.base, &c->insurance.base,
        &c->stay.base, &c->account.base, &c->contract.base};
    event_set_body(&c->event, domain, bodies[domain]);
}

static void make(Case *c, int domain) {
    *c = (Case){.event = DONGBO__CHANGE_EVENT__INIT, .subject = DONGBO__SUBJECT__INIT};
    fill_bodies(c);
    use(c, domain);
    c->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, c->id};
    c->event.operation = DONGBO__OPERATION__UPSERT;
    c->event.event_time_us = context.now_us - 3600000000LL;
    c->event.subject = &c->subject;
    c->event.cleared_fields = c->cleared;
    c->subject.citizen_number = "001090012345";
    c->subject.full_name = "Nguyễn Văn An";
    c->subject.birth_date = "1990-02-05";
    c->subject.sex = "male";
    c->subject.residence_province = "01";
    c->grants = (Grants){.agency = 1, .code = "MOH", .domains = ALL_DOMAINS};
    c->person = (Person){.key = 77,
                         .citizen_number = "001090012345",
                         .full_name = "Nguyễn Văn An",
                         .birth_date = "1990-02-05",
                         .sex = "male",
                         .mother_name = "",
                         .father_name = "",
                         .residence_province = "01",
                         .residence_province63 = "01",
                         .died_on = ""};
}

static Case dose_case(void) {
    Case c;
    make(&c, DONGBO__DOMAIN__HEALTH);
    return c;
}

static void rebind(Case *c) { // after a copy
    c->event.event_id.data = c->id;
    c->event.subject = c->event.subject ? &c->subject : NULL;
    c->event.cleared_fields = c->cleared;
    if (event_domain(&c->event))
        use(c, event_domain(&c->event));
}

static void form(Case *c) {
    rebind(c);
    memset(&c->decision, 0xA5, sizeof c->decision);
    verify_form(&context, &c->grants, &c->event, &c->decision);
}

static void whole(Case *c) {
    form(c);
    if (c->decision.verdict == ACCEPTED)
        verify_person(&context, &c->grants, &c->event, &c->person, &c->decision);
}

static void expect_plain(const Case *c) {
    if (c->decision.n_reasons)
        fail_msg("reason %d about %s", c->decision.reasons[0].code, c->decision.reasons[0].field);
    assert_int_equal(c->decision.verdict, ACCEPTED);
}

static const Finding *find(const Case *c, int code) {
    for (size_t i = 0; i < c->decision.n_reasons; i++)
        if (c->decision.reasons[i].code == code)
            return &c->decision.reasons[i];
    return NULL;
}

// This verdict, for this one reason.
static void expect(const Case *c, int verdict, int code, const char *field) {
    const Finding *finding = find(c, code);
    if (!finding || c->decision.verdict != verdict || c->decision.n_reasons != 1)
        fail_msg("expected verdict %d reason %d; got verdict %d, %zu reasons, the first %d about %s", verdict, code,
                 c->decision.verdict, c->decision.n_reasons, c->decision.n_reasons ? c->decision.reasons[0].code : 0,
                 c->decision.n_reasons ? c->decision.reasons[0].field : "nothing");
    assert_string_equal(finding->field, field);
}
#define EXPECT(c, verdict, reason, field) expect(c, verdict, DONGBO__REASON_CODE__##reason, field)
#define HAS(c, reason) assert_non_null(find(c, DONGBO__REASON_CODE__##reason))
#define NUMBER "subject.citizen_number"
#define NAME "subject.full_name"
#define BIRTH "subject.birth_date"

static void test_good_events(void **state) {
    for (int domain = DOMAIN_MIN + 1; domain <= DOMAIN_MAX; domain++) {
        Case c;
        make(&c, domain);
        whole(&c);
        expect_plain(&c);
    }
}

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
    Case c = dose_case();
    c.subject.citizen_number = "";
    form(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    assert_int_equal(c.decision.n_reasons, 2);
    HAS(&c, ID_MISSING);
    HAS(&c, ID_FORMAT);
    c.event.subject = NULL;
    form(&c);
    HAS(&c, ID_MISSING);
}

static void test_number_format(void **state) {
    static char *const BAD[] = {"00109001234", "0010900123456", "012345678",    "00109001234x", "001 90012345",
                                "chưa có",     "001090012345 ", "００１０９０", "-01090012345"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        Case c = dose_case();
        c.subject.citizen_number = BAD[i];
        form(&c);
        EXPECT(&c, MISMATCH, ID_FORMAT, NUMBER);
    }
}

static void test_number_contradicts(void **state) {
    Case c = dose_case();
    c.subject.citizen_number = "003090012345";
    form(&c);
    EXPECT(&c, MISMATCH, ID_PROVINCE, NUMBER);
    c.subject.citizen_number = "001190012345";
    form(&c);
    EXPECT(&c, MISMATCH, ID_SEX, NUMBER);
    c.subject.citizen_number = "001091012345";
    form(&c);
    EXPECT(&c, MISMATCH, ID_BIRTH_YEAR, NUMBER);
    c.subject.citizen_number = "001290012345"; // born 2090
    form(&c);
    EXPECT(&c, MISMATCH, ID_BIRTH_YEAR, NUMBER);
    c.subject.birth_date = "2090";
    form(&c);
    expect_plain(&c);
    c.subject.sex = "other";
    form(&c);
    expect_plain(&c);
}

static void test_centuries(void **state) {
    static char *const GOOD[][3] = {{"079000000001", "1900", "male"}, {"079199000001", "1999-12-31", "female"},
                                    {"079200000001", "2000", "male"}, {"079322000001", "2022-01", "female"},
                                    {"079400000001", "2100", "male"}, {"079999000001", "2399", "female"}};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        Case c = dose_case();
        c.subject.citizen_number = GOOD[i][0];
        c.subject.birth_date = GOOD[i][1];
        c.subject.sex = GOOD[i][2];
        form(&c);
        expect_plain(&c);
        c.subject.sex = strcmp(GOOD[i][2], "male") == 0 ? "female" : "male";
        form(&c);
        EXPECT(&c, MISMATCH, ID_SEX, NUMBER);
    }
}

static void test_number_against_the_store(void **state) {
    Case c = dose_case();
    c.subject.sex = "";
    c.person.sex = "female";
    whole(&c);
    EXPECT(&c, MISMATCH, ID_SEX, NUMBER);
    c = dose_case();
    c.subject.birth_date = "";
    c.person.birth_date = "1991-01-01";
    whole(&c);
    HAS(&c, ID_BIRTH_YEAR);
    HAS(&c, BIRTH_DATE_MISSING);
}

static void test_replaced_number(void **state) {
    static const char *const TOLD[] = {NUMBER};
    Case c = dose_case();
    c.person.by_alias = true;
    c.person.citizen_number = "001090099999";
    whole(&c);
    EXPECT(&c, ACCEPTED, ID_NOT_CURRENT, NUMBER);
    assert_string_equal(c.decision.reasons[0].expected, "");
    c.grants.told_fields = TOLD;
    c.grants.n_told = 1;
    whole(&c);
    assert_string_equal(c.decision.reasons[0].expected, "001090099999");
    c.subject.full_name = "Trần Văn Bình";
    whole(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, ID_NOT_CURRENT);
}

// ---- the person -------------------------------------------------------------------------------------------------

static void test_not_found(void **state) {
    Case c = dose_case();
    form(&c);
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
        {"Nguyễn Văn Ân", MISMATCH, DONGBO__REASON_CODE__NAME_ACCENTS_LOST},
        {"Nguyễn Văn Anh", MISMATCH, DONGBO__REASON_CODE__NAME_DIFFERS},
        {"Nguyễn An", MISMATCH, DONGBO__REASON_CODE__NAME_DIFFERS},
        {"An Văn Nguyễn", MISMATCH, DONGBO__REASON_CODE__NAME_DIFFERS},
        {"", MISMATCH, DONGBO__REASON_CODE__NAME_MISSING},
        {"   ", MISMATCH, DONGBO__REASON_CODE__NAME_MISSING},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        Case c = dose_case();
        c.subject.full_name = NAMES[i].said;
        whole(&c);
        expect(&c, NAMES[i].verdict, NAMES[i].code, NAME);
    }
}

static void test_name_stored_empty_or_endless(void **state) {
    static char endless[5 * TEXT_BYTES_MAX];
    Case c = dose_case();
    c.person.full_name = "";
    whole(&c);
    EXPECT(&c, MISMATCH, NAME_DIFFERS, NAME);
    memset(endless, 'a', sizeof endless - 1);
    c.subject.full_name = endless;
    whole(&c);
    EXPECT(&c, MISMATCH, NAME_DIFFERS, NAME);
    c.subject.full_name = "\xff"; // whoever calls without the wire's checks
    c.person.full_name = "\xfe";
    whole(&c);
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
        Case c = dose_case();
        c.subject.birth_date = DATES[i].said;
        c.person.birth_date = DATES[i].stored;
        whole(&c);
        if (DATES[i].code)
            expect(&c, DATES[i].verdict, DATES[i].code, BIRTH);
        else
            expect_plain(&c);
    }
}

static void test_sex(void **state) {
    Case c = dose_case();
    c.person.sex = "female";
    whole(&c);
    EXPECT(&c, MISMATCH, SEX_DIFFERS, "subject.sex");
    c.person.sex = "unknown";
    whole(&c);
    expect_plain(&c);
    c.person.sex = "male";
    c.subject.sex = "";
    whole(&c);
    expect_plain(&c);
    c.subject.sex = "unknown";
    whole(&c);
    expect_plain(&c);
}

// A stored value goes out only for the fields that the policy grants.
static void test_told(void **state) {
    static const char *const TOLD[] = {"subject.sex", BIRTH};
    Case c = dose_case();
    c.grants.told_fields = TOLD;
    c.grants.n_told = 2;
    c.person.birth_date = "1990-05-02";
    c.person.full_name = "Nguyễn Văn Ân";
    whole(&c);
    assert_int_equal(c.decision.n_reasons, 2);
    assert_string_equal(find(&c, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS)->expected, "1990-05-02");
    assert_string_equal(find(&c, DONGBO__REASON_CODE__NAME_ACCENTS_LOST)->expected, "");
}

static void test_life(void **state) {
    Case c = dose_case();
    c.dose.occurrence_date = "1990-02-04";
    whole(&c);
    EXPECT(&c, REJECTED, DATE_BEFORE_BIRTH, "occurrence_date");
    c.dose.occurrence_date = "1990-02-05";
    whole(&c);
    expect_plain(&c);
    c.dose.occurrence_date = "1990"; // cannot be told
    whole(&c);
    expect_plain(&c);
    c.dose.occurrence_date = "2022-03-01";
    c.person.died_on = "2022-02-28";
    whole(&c);
    EXPECT(&c, MISMATCH, DEAD_AT_EVENT, "occurrence_date");
    c.person.died_on = "2022-03-01";
    whole(&c);
    expect_plain(&c);
    c.person.died_on = "2021";
    whole(&c);
    EXPECT(&c, MISMATCH, DEAD_AT_EVENT, "occurrence_date");
    c.event.operation = DONGBO__OPERATION__RETRACT; // what was wrong may be withdrawn
    whole(&c);
    expect_plain(&c);
    make(&c, DONGBO__DOMAIN__EDUCATION);
    c.person.died_on = "2021-09-04";
    whole(&c);
    EXPECT(&c, REJECTED, DATE_AFTER_DEATH, "start_date");
}

// A rule of this kind without a field is about the event's own time. No domain has one at present.
static void test_alive_at_event_time(void **state) {
    char directory[] = "/tmp/dongbo-test-verify-XXXXXX", command[8192], path[256];
    assert_non_null(mkdtemp(directory));
    snprintf(command, sizeof command, "cp -r '%s'/schemas/* '%s'", getenv("DONGBO_SOURCE"), directory);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/rules/electricity.yaml", directory);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs("  - {kind: alive-at-event, reason: DEAD_AT_EVENT}\n", file);
    assert_int_equal(fclose(file), 0);
    CLEANUP(rules_destroy) Rules *stricter = NULL;
    assert_int_equal(rules_load(&stricter, directory), 0);
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    assert_int_equal(system(command), 0);

    Case c;
    make(&c, DONGBO__DOMAIN__ELECTRICITY);
    c.person.died_on = "2022-03-14";
    whole(&c);
    expect_plain(&c);
    context.rules = stricter;
    whole(&c);
    context.rules = rules;
    EXPECT(&c, MISMATCH, DEAD_AT_EVENT, "event_time_us");
}

// Another person's life proves nothing about the event: it stays a mismatch, for a person to look at.
static void test_life_of_another(void **state) {
    Case c = dose_case();
    c.person.full_name = "Trần Thị Bình";
    c.person.birth_date = "2022-03-02";
    whole(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, NAME_DIFFERS);
    HAS(&c, BIRTH_DATE_DIFFERS);
    assert_int_equal(c.decision.n_reasons, 2);
}

// ---- the event --------------------------------------------------------------------------------------------------

static void test_envelope(void **state) {
    Case c = dose_case();
    c.event.event_id.len = 15;
    form(&c);
    EXPECT(&c, REJECTED, EVENT_ID_WRONG, "event_id");
    c = dose_case();
    c.event.event_time_us = context.now_us + CLOCK_AHEAD_MAX_US;
    form(&c);
    expect_plain(&c);
    c.event.event_time_us++;
    form(&c);
    EXPECT(&c, REJECTED, CLOCK_AHEAD, "event_time_us");
    c.event.event_time_us = INT64_MIN;
    form(&c);
    EXPECT(&c, REJECTED, DATE_INVALID, "event_time_us");
    c = dose_case();
    c.event.operation = 9;
    form(&c);
    EXPECT(&c, REJECTED, OPERATION_UNKNOWN, "operation");
    c.event.operation = 0;
    form(&c);
    EXPECT(&c, REJECTED, OPERATION_UNKNOWN, "operation");
    c = dose_case();
    c.event.body_case = 0;
    form(&c);
    EXPECT(&c, REJECTED, DOMAIN_UNKNOWN, "");
}

static void test_grants(void **state) {
    static const char *const HN[] = {"01"}, *const TQ_HN[] = {"08", "01"}, *const DN[] = {"48"};
    Case c = dose_case();
    c.grants.domains = ALL_DOMAINS & ~(1u << DONGBO__DOMAIN__HEALTH);
    form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "");
    c = dose_case();
    c.grants.provinces = HN;
    c.grants.n_provinces = 1;
    form(&c);
    expect_plain(&c);
    c.grants.provinces = DN;
    form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "subject.residence_province");
    c.subject.residence_province = ""; // not said is not granted
    form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "subject.residence_province");
    c.subject.residence_province = "49"; // Quảng Nam went into Đà Nẵng
    c.subject.province_code_set = "63";
    form(&c);
    expect_plain(&c);
    make(&c, DONGBO__DOMAIN__E_ID); // the account's province, one of 63, stands before the subject's
    c.grants.provinces = HN;
    c.grants.n_provinces = 1;
    form(&c);
    EXPECT(&c, REJECTED, NOT_GRANTED, "province_code");
    c.grants.provinces = TQ_HN;
    c.grants.n_provinces = 2;
    form(&c);
    expect_plain(&c);
    c.grants.provinces = HN;
    c.grants.n_provinces = 1;
    c.account.province_code = "";
    form(&c);
    expect_plain(&c);
}

static void test_subject(void **state) {
    Case c = dose_case();
    c.subject.birth_date = "05/02/1990";
    form(&c);
    EXPECT(&c, REJECTED, DATE_INVALID, BIRTH);
    c = dose_case();
    c.subject.sex = "Nam";
    form(&c);
    EXPECT(&c, REJECTED, CODE_UNKNOWN, "subject.sex");
    c = dose_case();
    c.subject.residence_province = "02"; // one of 63 only
    form(&c);
    EXPECT(&c, REJECTED, CODE_UNKNOWN, "subject.residence_province");
    c.subject.province_code_set = "63";
    form(&c);
    expect_plain(&c);
    c.subject.province_code_set = "64";
    form(&c);
    EXPECT(&c, REJECTED, CODE_UNKNOWN, "subject.province_code_set");
}

static void test_fields(void **state) {
    static char text[80];
    memset(text, 'x', sizeof text - 1);
#define WRONG(domain, set, reason, field)                                                                              \
    do {                                                                                                               \
        Case c;                                                                                                        \
        make(&c, DONGBO__DOMAIN__##domain);                                                                            \
        set;                                                                                                           \
        form(&c);                                                                                                      \
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
    WRONG(E_ID, c.account.province_code = "03", CODE_UNKNOWN, "province_code");
    WRONG(ELECTRICITY, c.contract.status = "", FIELD_MISSING, "status");
}

static void test_today(void **state) {
    Case c = dose_case();
    c.dose.occurrence_date = "2022-03-15";
    form(&c);
    expect_plain(&c);
    c.dose.occurrence_date = "2022";
    form(&c);
    expect_plain(&c);
    int64_t now = context.now_us;
    assert_int_equal(clock_parse_us("2022-03-14T18:00:00Z", &context.now_us), 0); // the 15th at 01:00 in Hà Nội
    c.event.event_time_us = context.now_us;
    c.dose.occurrence_date = "2022-03-15";
    form(&c);
    context.now_us = now;
    expect_plain(&c);
}

static void test_several_reasons(void **state) {
    Case c = dose_case();
    c.subject.citizen_number = "123";
    c.dose.product_code = "?";
    c.dose.occurrence_date = "soon";
    form(&c);
    assert_int_equal(c.decision.verdict, REJECTED);
    assert_int_equal(c.decision.n_reasons, 3);
    HAS(&c, ID_FORMAT);
    HAS(&c, CODE_UNKNOWN);
    HAS(&c, DATE_INVALID);
}

static void test_cleared(void **state) {
    Case c = dose_case();
    c.dose.lot_number = "";
    c.cleared[c.event.n_cleared_fields++] = 4;
    form(&c);
    expect_plain(&c);
    c.dose.lot_number = "L1"; // said and cleared at once
    form(&c);
    EXPECT(&c, REJECTED, FIELD_FORMAT, "lot_number");
    c.dose.lot_number = "";
    c.cleared[0] = 99;
    form(&c);
    EXPECT(&c, REJECTED, FIELD_FORMAT, "cleared_fields");
    c = dose_case();
    c.dose.occurrence_date = "";
    c.cleared[c.event.n_cleared_fields++] = 5;
    form(&c);
    assert_int_equal(c.decision.verdict, REJECTED);
    HAS(&c, FIELD_MISSING);
    c = dose_case();
    c.dose.lot_number = "";
    for (size_t i = 0; i <= CLEARED_FIELDS_MAX; i++)
        c.cleared[c.event.n_cleared_fields++] = 4;
    form(&c);
    EXPECT(&c, REJECTED, EVENT_LIMITS, "cleared_fields");
}

static void test_retraction(void **state) {
    Case c = dose_case();
    c.event.operation = DONGBO__OPERATION__RETRACT;
    c.dose.occurrence_date = "2099-01-01";
    c.dose.product_code = "none of ours";
    c.dose.status = "";
    whole(&c);
    expect_plain(&c);
    c.dose.dose_number = 0;
    whole(&c);
    EXPECT(&c, REJECTED, FIELD_MISSING, "dose_number");
}

static void test_population(void **state) {
    Case c;
    make(&c, DONGBO__DOMAIN__POPULATION);
    c.event.subject = NULL;
    form(&c);
    expect_plain(&c);
    c.change.sex = "male";
    form(&c);
    EXPECT(&c, MISMATCH, ID_SEX, "citizen_number");
    c.change.sex = "female";
    c.change.birth_date = "2021-03-01";
    form(&c);
    EXPECT(&c, MISMATCH, ID_BIRTH_YEAR, "citizen_number");
    c.change.birth_date = "2022-03-16";
    form(&c);
    EXPECT(&c, REJECTED, DATE_IN_FUTURE, "birth_date");
    c.change.birth_date = "2022-03-01";
    c.change.full_name = "";
    form(&c);
    EXPECT(&c, REJECTED, FIELD_MISSING, "full_name");
    c.change.full_name = "Nguyễn Thị Bình";
    c.change.citizen_number = "00132200000";
    form(&c);
    EXPECT(&c, REJECTED, FIELD_FORMAT, "citizen_number");
    c.change.citizen_number = "001322000001";
    c.event.operation = DONGBO__OPERATION__RETRACT;
    form(&c);
    EXPECT(&c, REJECTED, OPERATION_UNKNOWN, "operation");
}

static void test_population_changes(void **state) {
    Case c;
    make(&c, DONGBO__DOMAIN__POPULATION);
    dongbo__population_change__init(&c.change);
    c.change.kind = "death";
    form(&c);
    EXPECT(&c, REJECTED, FIELD_MISSING, "died_on");
    c.change.died_on = "2022-03-01";
    form(&c);
    expect_plain(&c);
    c.subject.citizen_number = "";
    form(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    HAS(&c, ID_MISSING);
    c.change.citizen_number = "001322000001"; // named there instead
    form(&c);
    expect_plain(&c);
    c.change.kind = "number-reissued";
    c.change.died_on = "";
    form(&c);
    HAS(&c, ID_MISSING);
    c.subject.citizen_number = "001190012345"; // re-issued because the sex was wrong
    form(&c);
    expect_plain(&c);
}

// ---- record keys ------------------------------------------------------------------------------------------------

static void test_record_key(void **state) {
    Case c = dose_case();
    rebind(&c);
    assert_string_equal(verify_record_key(&context, &c.event), "covid-19\x1f"
                                                               "2");
    use(&c, DONGBO__DOMAIN__E_ID);
    assert_string_equal(verify_record_key(&context, &c.event), "A1");
    use(&c, DONGBO__DOMAIN__POPULATION);
    assert_string_equal(verify_record_key(&context, &c.event), "");
    c.event.body_case = 0;
    assert_string_equal(verify_record_key(&context, &c.event), "");
    CLEANUP(arena_destroy) Arena *small = NULL;
    assert_int_equal(arena_new(&small, 4), 0);
    VerifyContext tight = {rules, context.now_us, small};
    use(&c, DONGBO__DOMAIN__HEALTH);
    assert_null(verify_record_key(&tight, &c.event));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_events),
        cmocka_unit_test(test_decision_order),
        cmocka_unit_test(test_number_missing),
        cmocka_unit_test(test_number_format),
        cmocka_unit_test(test_number_contradicts),
        cmocka_unit_test(test_centuries),
        cmocka_unit_test(test_number_against_the_store),
        cmocka_unit_test(test_replaced_number),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_name_stored_empty_or_endless),
        cmocka_unit_test(test_birth_dates),
        cmocka_unit_test(test_sex),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_alive_at_event_time),
        cmocka_unit_test(test_life_of_another),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_subject),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_today),
        cmocka_unit_test(test_several_reasons),
        cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_retraction),
        cmocka_unit_test(test_population),
        cmocka_unit_test(test_population_changes),
        cmocka_unit_test(test_record_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
