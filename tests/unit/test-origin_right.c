// SPDX-License-Identifier: Apache-2.0
//
// What of an event goes along with its record: everything only where everything is granted, by default nothing.
#include "broker/origin_right.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char *const SUBJECT[] = {"full_name",   "birth_date",  "sex",
                                      "mother_name", "father_name", "residence_province"};
#define N_SUBJECT (sizeof SUBJECT / sizeof *SUBJECT)

static void grant(PolicyVersion *version, int domain, const char *field) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", domain_name(domain), field);
    version->domains |= 1u << domain;
    policy_grant_field(version, name);
}

// All that a dose's event may say, but for one field of it.
static PolicyVersion version_without(const char *field) {
    PolicyVersion version = {.any_province = true, .changes = POLICY_CHANGES_ALL, .origins = POLICY_ORIGINS_EVENTS};
    const ProtobufCMessageDescriptor *doses = domain_descriptor(DONGBO__DOMAIN__HEALTH);
    version.citizen_number = strcmp(field, "citizen_number") != 0;
    for (unsigned i = 0; i < doses->n_fields; i++)
        if (strcmp(doses->fields[i].name, field) != 0)
            grant(&version, DONGBO__DOMAIN__HEALTH, doses->fields[i].name);
    for (size_t i = 0; i < N_SUBJECT; i++)
        if (strcmp(SUBJECT[i], field) != 0)
            grant(&version, DONGBO__DOMAIN__POPULATION, SUBJECT[i]);
    return version;
}

static Dongbo__Entry entry_make(void) {
    Dongbo__Entry entry = DONGBO__ENTRY__INIT;
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    entry.verdict = DONGBO__VERDICT__ACCEPTED;
    entry.domain = DONGBO__DOMAIN__HEALTH;
    entry.citizen_number = (char *)"001099012345";
    return entry;
}

static void test_an_event_needs_every_field(void **state) {
    Dongbo__Entry entry = entry_make();
    const ProtobufCMessageDescriptor *doses = domain_descriptor(DONGBO__DOMAIN__HEALTH);
    PolicyVersion version = version_without("");
    assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_EVENT);
    for (unsigned i = 0; i < doses->n_fields; i++) {
        version = version_without(doses->fields[i].name);
        assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_LEAF);
    }
    for (size_t i = 0; i < N_SUBJECT; i++) {
        version = version_without(SUBJECT[i]);
        assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_LEAF);
    }
    version = version_without("citizen_number");
    version.person_id = true;
    assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_LEAF);
    version = version_without("");
    version.domains &= ~(1u << DONGBO__DOMAIN__POPULATION);
    assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_LEAF);
}

static void test_the_policy_says_whether(void **state) {
    Dongbo__Entry entry = entry_make();
    PolicyVersion version = version_without("");
    version.origins = POLICY_ORIGINS_LEAVES;
    assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_LEAF);
    version.origins = POLICY_ORIGINS_NO;
    assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_NOT);
    PolicyVersion none = {.changes = POLICY_CHANGES_ALL};
    assert_int_equal(origin_right(&none, &entry, POLICY_STAYS), ORIGIN_NOT);
}

static void test_of_whom_and_of_what(void **state) {
    Dongbo__Entry entry = entry_make();
    PolicyVersion version = version_without("");
    assert_int_equal(origin_right(&version, &entry, POLICY_ENTERS), ORIGIN_EVENT);
    assert_int_equal(origin_right(&version, &entry, POLICY_LEAVES), ORIGIN_LEAF);
    assert_int_equal(origin_right(&version, &entry, POLICY_NOT), ORIGIN_NOT);
    for (int kind = 0; kind < 12; kind++) {
        bool again = kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD || kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED;
        bool events = kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || kind == DONGBO__ENTRY_KIND__ENTRY_DECISION || again;
        entry.kind = (Dongbo__EntryKind)kind;
        assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), events ? ORIGIN_EVENT
                                                                       : kind == DONGBO__ENTRY_KIND__ENTRY_ERASURE
                                                                           ? ORIGIN_LEAF
                                                                           : ORIGIN_NOT);
    }
    entry = entry_make();
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_FOLLOWED;
    entry.deleted = true;
    assert_int_equal(origin_right(&version, &entry, POLICY_STAYS), ORIGIN_NOT);
    entry = entry_make();
    for (int verdict = 0; verdict < 8; verdict++) {
        entry.verdict = (Dongbo__Verdict)verdict;
        assert_int_equal(origin_right(&version, &entry, POLICY_STAYS),
                         verdict == DONGBO__VERDICT__ACCEPTED ? ORIGIN_EVENT : ORIGIN_NOT);
    }
}

static void test_whom_it_names(void **state) {
    Dongbo__Entry entry = entry_make();
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    ProtobufCMessageUnknownField unknown = {.tag = 30};
    event_set_body(&event, DONGBO__DOMAIN__HEALTH, &dose.base);
    assert_false(origin_is_theirs(&event, &entry));
    event.subject = &subject;
    assert_false(origin_is_theirs(&event, &entry));
    subject.citizen_number = (char *)"001099012346";
    assert_false(origin_is_theirs(&event, &entry));
    subject.citizen_number = (char *)"001099012345";
    assert_true(origin_is_theirs(&event, &entry));
    event.event_time_us = 1;
    assert_false(origin_is_theirs(&event, &entry));
    event.event_time_us = 0;
    ProtobufCMessage *const parts[] = {&event.base, &subject.base, &dose.base};
    for (size_t i = 0; i < 3; i++) {
        parts[i]->n_unknown_fields = 1;
        parts[i]->unknown_fields = &unknown;
        assert_false(origin_is_theirs(&event, &entry));
        parts[i]->n_unknown_fields = 0;
    }
    entry.domain = DONGBO__DOMAIN__EDUCATION;
    assert_false(origin_is_theirs(&event, &entry));
    entry.domain = DONGBO__DOMAIN__HEALTH;
    subject.citizen_number = entry.citizen_number = (char *)"";
    assert_false(origin_is_theirs(&event, &entry));
}

static void test_words(void **state) {
    for (PolicyOrigins i = POLICY_ORIGINS_NO; i <= POLICY_ORIGINS_EVENTS; i++)
        assert_int_equal(policy_origins(policy_origins_word(i)), i);
    assert_int_equal(policy_origins("yes"), POLICY_ORIGINS_NO);
    assert_int_equal(policy_origins(""), POLICY_ORIGINS_NO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_needs_every_field), cmocka_unit_test(test_the_policy_says_whether),
        cmocka_unit_test(test_of_whom_and_of_what), cmocka_unit_test(test_whom_it_names), cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
