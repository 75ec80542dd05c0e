// SPDX-License-Identifier: Apache-2.0
//
// One good event of each domain and the person it is about, to be spoiled by tests of verification; and what they say
// of the decision.
#pragma once

#include "broker/verify.h"
#include "verdict.pb-c.h"

#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define DEFERRED DONGBO__VERDICT__DEFERRED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define REJECTED DONGBO__VERDICT__REJECTED
#define ALL_DOMAINS 0xFEu
#define NUMBER "subject.citizen_number"
#define NAME "subject.full_name"
#define BIRTH "subject.birth_date"

// The real rules, an arena, 15 March 2022 at 10:00 in Hà Nội. For cmocka's group.
extern Rules *rules;
extern VerifyContext context;
int case_setup(void **state);
int case_teardown(void **state);

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

void case_make(Case *c, int domain);
Case case_dose(void);    // of domain health
void case_bind(Case *c); // its pointers into itself, after a copy
void case_use(Case *c, int domain);
void case_form(Case *c);  // verify_form()
void case_whole(Case *c); // ... and verify_person(), where that is still open

// Accepted without a reason.
void expect_plain(const Case *c);
const Finding *find(const Case *c, int code);
// This verdict, for this one reason.
void expect(const Case *c, int verdict, int code, const char *field);
#define EXPECT(c, verdict, reason, field) expect(c, verdict, DONGBO__REASON_CODE__##reason, field)
#define HAS(c, reason) assert_non_null(find(c, DONGBO__REASON_CODE__##reason))
