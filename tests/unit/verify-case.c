// SPDX-License-Identifier: Apache-2.0
//
// See the header.

#include "tests/unit/verify-case.h"
#include "proto/base/clock.h"
#include "tests/unit/shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

Rules *rules;
VerifyContext context;

int case_setup(void **state) {
    context.rules = NULL;
    if (shipped_rules(&rules) != 0 || arena_new(&context.arena, 1 << 20) != 0)
        return 1;
    context.rules = rules;
    return clock_parse_us("2022-03-15T10:00:00+07:00", &context.now_us);
}

int case_teardown(void **state) {
    arena_destroy(&context.arena);
    rules_destroy(&rules);
    return 0;
}

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

void case_use(Case *c, int domain) {
    ProtobufCMessage *bodies[] = {
        NULL,          &c->change.base,  &c->dose.base,    &c->enrolment.base, &c->insurance.base,
        &c->stay.base, &c->account.base, &c->contract.base};
    event_set_body(&c->event, domain, bodies[domain]);
}

void case_make(Case *c, int domain) {
    *c = (Case){.event = DONGBO__CHANGE_EVENT__INIT, .subject = DONGBO__SUBJECT__INIT};
    fill_bodies(c);
    case_use(c, domain);
    c->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, c->id};
    c->event.source_key = "row-1";
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
                         .residence_province = "01",
                         .residence_province63 = "01",
                         .died_on = ""};
}

Case case_dose(void) {
    Case c;
    case_make(&c, DONGBO__DOMAIN__HEALTH);
    return c;
}

void case_bind(Case *c) { // after a copy
    c->event.event_id.data = c->id;
    c->event.subject = c->event.subject ? &c->subject : NULL;
    c->event.cleared_fields = c->cleared;
    if (event_domain(&c->event))
        case_use(c, event_domain(&c->event));
}

void case_form(Case *c) {
    case_bind(c);
    memset(&c->decision, 0xA5, sizeof c->decision);
    verify_form(&context, &c->grants, &c->event, &c->decision);
}

void case_whole(Case *c) {
    case_form(c);
    if (c->decision.verdict == ACCEPTED)
        verify_person(&context, &c->grants, &c->event, &c->person, &c->decision);
}

void expect_plain(const Case *c) {
    if (c->decision.n_reasons)
        fail_msg("reason %d about %s", c->decision.reasons[0].code, c->decision.reasons[0].field);
    assert_int_equal(c->decision.verdict, ACCEPTED);
}

const Finding *find(const Case *c, int code) {
    for (size_t i = 0; i < c->decision.n_reasons; i++)
        if (c->decision.reasons[i].code == code)
            return &c->decision.reasons[i];
    return NULL;
}

// This verdict, for this one reason.
void expect(const Case *c, int verdict, int code, const char *field) {
    const Finding *finding = find(c, code);
    if (!finding || c->decision.verdict != verdict || c->decision.n_reasons != 1)
        fail_msg("expected verdict %d reason %d; got verdict %d, %zu reasons, the first %d about %s", verdict, code,
                 c->decision.verdict, c->decision.n_reasons, c->decision.n_reasons ? c->decision.reasons[0].code : 0,
                 c->decision.n_reasons ? c->decision.reasons[0].field : "nothing");
    assert_string_equal(finding->field, field);
}
