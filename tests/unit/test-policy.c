// SPDX-License-Identifier: Apache-2.0
//
// What a subscription may see: what is granted passes, and everything else is refused by default.
#include "broker/policy.h"

#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static PolicyVersion version_make(void) {
    PolicyVersion version = {.version = 1,
                             .valid_from = -100,
                             .valid_to = 20000,
                             .domains = 1u << 2,
                             .any_province = true,
                             .changes = POLICY_CHANGES_ALL};
    policy_grant_field(&version, "health.product_code");
    return version;
}

static Dongbo__Entry entry_make(void) {
    Dongbo__Entry entry = DONGBO__ENTRY__INIT;
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    entry.verdict = DONGBO__VERDICT__ACCEPTED;
    entry.domain = DONGBO__DOMAIN__HEALTH;
    entry.person = 7;
    entry.province_before = entry.province_after = (char *)"01";
    return entry;
}

static void test_grants_named_fields_only(void **state) {
    (void)state;
    PolicyVersion version = {0};
    policy_grant_field(&version, "health.product_code");
    policy_grant_field(&version, "health.no_such_field");
    policy_grant_field(&version, "no_such_domain.status");
    policy_grant_field(&version, "health");
    policy_grant_field(&version, "health.");
    policy_grant_field(&version, "");
    policy_grant_field(&version, ".status");
    policy_grant_field(&version, "a_name_far_longer_than_that_of_any_domain_we_know.status");
    assert_int_equal(version.fields[DONGBO__DOMAIN__HEALTH], 1u << 3);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        assert_true(domain == DONGBO__DOMAIN__HEALTH || version.fields[domain] == 0);
    assert_false(version.citizen_number);
    policy_grant_field(&version, "citizen_number");
    assert_true(version.citizen_number);
    assert_false(version.person_id);
    policy_grant_field(&version, "person_id");
    assert_true(version.person_id);
}

static void test_admits_what_is_granted(void **state) {
    (void)state;
    PolicyVersion version = version_make();
    Dongbo__Entry entry = entry_make();
    assert_true(policy_admits(&version, &entry, 0));
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_DECISION;
    assert_true(policy_admits(&version, &entry, 0));
}

static void test_denies_everything_else(void **state) {
    (void)state;
    PolicyVersion version = version_make();
    Dongbo__Entry entry = entry_make();
    for (int verdict = 0; verdict < 8; verdict++) {
        entry.verdict = (Dongbo__Verdict)verdict;
        assert_int_equal(policy_admits(&version, &entry, 0), verdict == DONGBO__VERDICT__ACCEPTED);
    }
    entry = entry_make();
    for (int kind = 0; kind < 11; kind++) {
        if (kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED)
            continue; // test_tells_whom_it_follows()
        entry.kind = (Dongbo__EntryKind)kind;
        assert_int_equal(policy_admits(&version, &entry, 0), kind == 1 || kind == 2 || kind == 6 || kind == 9);
        PolicyVersion sees = version;
        sees.citizen_number = true;
        assert_int_equal(policy_admits(&sees, &entry, 0),
                         kind == 1 || kind == 2 || kind == 6 || kind == 7 || kind == 9 ? POLICY_STAYS : POLICY_NOT);
    }
    entry = entry_make();
    for (int domain = -1; domain < 40; domain++) {
        entry.domain = (Dongbo__Domain)domain;
        assert_int_equal(policy_admits(&version, &entry, 0), domain == DONGBO__DOMAIN__HEALTH);
    }
    entry = entry_make();
    entry.person = 0;
    assert_false(policy_admits(&version, &entry, 0));
    entry = entry_make();
    assert_true(policy_admits(&version, &entry, version.valid_to));
    assert_false(policy_admits(&version, &entry, version.valid_to + 1));
}

static PolicyPassage passage(const PolicyVersion *version, Dongbo__EntryKind kind, const char *before,
                             const char *after) {
    Dongbo__Entry entry = entry_make();
    entry.kind = kind;
    entry.province_before = (char *)before;
    entry.province_after = (char *)after;
    return policy_admits(version, &entry, 0);
}

static void test_follows_who_comes_and_goes(void **state) {
    (void)state;
    PolicyVersion version = version_make();
    version.any_province = false;
    policy_grant_province(&version, "79");
    policy_grant_province(&version, "48");
    const Dongbo__EntryKind event = DONGBO__ENTRY_KIND__ENTRY_EVENT, again = DONGBO__ENTRY_KIND__ENTRY_RETOLD;
    assert_int_equal(passage(&version, event, "79", "79"), POLICY_STAYS);
    assert_int_equal(passage(&version, event, "79", "48"), POLICY_STAYS);
    assert_int_equal(passage(&version, event, "01", "79"), POLICY_ENTERS);
    assert_int_equal(passage(&version, event, "79", "01"), POLICY_LEAVES);
    assert_int_equal(passage(&version, event, "79", ""), POLICY_LEAVES);
    assert_int_equal(passage(&version, event, "01", "01"), POLICY_NOT);
    assert_int_equal(passage(&version, event, "", "79"), POLICY_STAYS); // newly known
    assert_int_equal(passage(&version, again, "", "79"), POLICY_ENTERS);
    assert_int_equal(passage(&version, again, "79", "48"), POLICY_NOT);
    assert_int_equal(passage(&version, again, "79", "01"), POLICY_LEAVES);
    assert_int_equal(passage(&version, again, "79", "79"), POLICY_NOT);
    version.citizen_number = true;
    assert_int_equal(passage(&version, again, "79", "79"), POLICY_STAYS); // another number
    assert_int_equal(passage(&version, again, "79", "48"), POLICY_NOT);
    version.any_province = true;
    assert_int_equal(passage(&version, again, "01", "02"), POLICY_NOT);
    assert_int_equal(passage(&version, event, "01", "02"), POLICY_STAYS);
}

static void test_tells_whom_it_follows(void **state) {
    (void)state;
    PolicyVersion version = version_make();
    version.any_province = false;
    policy_grant_province(&version, "79");
    Dongbo__Entry entry = entry_make();
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_FOLLOWED;
    entry.province_before = entry.province_after = (char *)"79";
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_ENTERS);
    entry.deleted = true;
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_LEAVES);
    entry.province_before = entry.province_after = (char *)"01";
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_NOT);
    entry.province_before = (char *)"";
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_LEAVES); // perhaps before the log tells of the move
    entry.deleted = false;
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_NOT);
}

static void test_looks_at_the_province_of_residence(void **state) {
    (void)state;
    PolicyVersion version = version_make();
    version.any_province = false;
    policy_grant_province(&version, "79");
    policy_grant_province(&version, "1");
    policy_grant_province(&version, "001");
    policy_grant_province(&version, "x1");
    Dongbo__Entry entry = entry_make();
    assert_false(policy_admits(&version, &entry, 0));
    entry.province_before = entry.province_after = (char *)"";
    assert_false(policy_admits(&version, &entry, 0));
    entry.province_after = (char *)"79";
    assert_true(policy_admits(&version, &entry, 0));
    entry.province_before = (char *)"79";
    assert_true(policy_admits(&version, &entry, 0));
}

static PolicyPassage passage63(const PolicyVersion *version, Dongbo__EntryKind kind, const char *codes[4]) {
    Dongbo__Entry entry = entry_make();
    entry.kind = kind;
    entry.province_before = (char *)codes[0];
    entry.province_after = (char *)codes[1];
    entry.province63_before = (char *)codes[2];
    entry.province63_after = (char *)codes[3];
    return policy_admits(version, &entry, 0);
}

// 15 is Yên Bái among the 63 and Lào Cai among the 34: a code says nothing without its set.
static void test_provinces_are_of_one_code_set(void **state) {
    (void)state;
    const Dongbo__EntryKind event = DONGBO__ENTRY_KIND__ENTRY_EVENT, again = DONGBO__ENTRY_KIND__ENTRY_RETOLD;
    PolicyVersion of34 = version_make();
    of34.any_province = false;
    policy_grant_province(&of34, "15");
    PolicyVersion of63 = of34;
    of63.codes63 = true;
    assert_int_equal(passage63(&of34, event, (const char *[]){"15", "15", "10", "10"}), POLICY_STAYS);
    assert_int_equal(passage63(&of63, event, (const char *[]){"15", "15", "10", "10"}), POLICY_NOT);
    assert_int_equal(passage63(&of63, event, (const char *[]){"01", "01", "15", "15"}), POLICY_STAYS);
    assert_int_equal(passage63(&of34, event, (const char *[]){"01", "01", "15", "15"}), POLICY_NOT);
    // Within one of the 34, from one of the 63 to another: only those who go by the 63 are concerned.
    for (int i = 0; i < 2; i++) {
        Dongbo__EntryKind kind = i ? again : event;
        assert_int_equal(passage63(&of63, kind, (const char *[]){"15", "15", "10", "15"}), POLICY_ENTERS);
        assert_int_equal(passage63(&of63, kind, (const char *[]){"15", "15", "15", "10"}), POLICY_LEAVES);
        assert_int_equal(passage63(&of34, kind, (const char *[]){"15", "15", "10", "15"}),
                         i ? POLICY_NOT : POLICY_STAYS);
    }
    of34.citizen_number = true; // what is told again for a move is no other number
    assert_int_equal(passage63(&of34, again, (const char *[]){"15", "15", "10", "15"}), POLICY_NOT);
    assert_int_equal(passage63(&of34, again, (const char *[]){"15", "15", "10", "10"}), POLICY_STAYS);
    // Somebody's residence that is not known by the 63 is none of theirs; one that becomes known is entered.
    assert_int_equal(passage63(&of63, event, (const char *[]){"15", "15", "", ""}), POLICY_NOT);
    assert_int_equal(passage63(&of63, event, (const char *[]){"15", "15", "", "15"}), POLICY_ENTERS);
    assert_int_equal(passage63(&of63, event, (const char *[]){"", "15", "", "15"}), POLICY_STAYS); // newly known
}

static void test_sends_kinds_of_change_that_are_named(void **state) {
    (void)state;
    PolicyVersion version = version_make();
    version.any_province = false;
    policy_grant_province(&version, "79");
    Dongbo__Entry entries[4];
    for (int i = 0; i < 4; i++)
        entries[i] = entry_make();
    entries[0].province_before = entries[0].province_after = (char *)"79";
    entries[1] = entries[0];
    entries[1].deleted = true;
    entries[2].province_after = (char *)"79";
    entries[3].province_before = (char *)"79";
    for (uint32_t changes = 0; changes <= POLICY_CHANGES_ALL; changes += 2) {
        version.changes = changes;
        for (int i = 0; i < 4; i++) {
            PolicyPassage passage = policy_admits(&version, &entries[i], 0);
            assert_int_equal(passage != POLICY_NOT, changes >> (i + 1) & 1);
            if (passage != POLICY_NOT)
                assert_int_equal(policy_change(passage, &entries[i]), i + 1);
        }
    }
}

static void test_an_agency_is_not_told_what_it_said(void **state) {
    (void)state;
    PolicyVersion version = version_make();
    version.citizen_number = true;
    version.own_agency = 3;
    Dongbo__Entry entry = entry_make();
    entry.agency = 4;
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_STAYS);
    entry.agency = 0;
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_STAYS);
    entry.agency = 3;
    for (int kind = 0; kind < 11; kind++) {
        entry.kind = (Dongbo__EntryKind)kind;
        // What follows of a merger, or is told again, is of others' records; so is what comes with a person.
        assert_int_equal(policy_admits(&version, &entry, 0), kind == 6 || kind == 7 || kind == 9 ? POLICY_STAYS
                                                             : kind == 8                         ? POLICY_ENTERS
                                                                                                 : POLICY_NOT);
    }
    version.own_agency = 0; // asked for
    entry = entry_make();
    entry.agency = 3;
    assert_int_equal(policy_admits(&version, &entry, 0), POLICY_STAYS);
}

static void test_a_version_holds_from_its_position(void **state) {
    (void)state;
    PolicyVersion versions[] = {{.version = 1, .position = 10}, {.version = 2, .position = 20}};
    Policy policy = {.versions = versions, .n_versions = 2};
    assert_null(policy_at(&policy, 9));
    assert_int_equal(policy_at(&policy, 10)->version, 1);
    assert_int_equal(policy_at(&policy, 19)->version, 1);
    assert_int_equal(policy_at(&policy, 20)->version, 2);
    assert_int_equal(policy_current(&policy)->version, 2);
}

static void test_refuses_sessions_with_a_reason(void **state) {
    (void)state;
    PolicyVersion version = {.valid_from = 100, .valid_to = 200};
    char users[2][64] = {"subscription:1:00", "subscription:1:ff"};
    const char *user = users[1];
    Policy policy = {.active = true, .users = users, .n_users = 2, .versions = &version, .n_versions = 1};
    assert_null(policy_refusal(&policy, user, 100));
    assert_null(policy_refusal(&policy, user, 200));
    assert_non_null(policy_refusal(&policy, user, 99));
    assert_non_null(strstr(policy_refusal(&policy, user, 201), "expired"));
    policy.n_users = 1; // that one was revoked; the subscription still has another
    assert_non_null(strstr(policy_refusal(&policy, user, 100), "key"));
    assert_non_null(strstr(policy_refusal(&policy, "subscription:1", 100), "key"));
    assert_null(policy_refusal(&policy, users[0], 100));
    policy.active = false;
    assert_non_null(strstr(policy_refusal(&policy, users[0], 100), "disabled"));
    policy = (Policy){.active = true, .users = users, .n_users = 2};
    assert_non_null(policy_refusal(&policy, user, 100));
}

static void test_days_are_those_of_ho_chi_minh(void **state) {
    (void)state;
    int64_t us;
    assert_int_equal(clock_parse_us("1999-12-31T16:59:59Z", &us), 0);
    assert_int_equal(policy_day(us), -1);
    assert_int_equal(clock_parse_us("1999-12-31T17:00:00Z", &us), 0);
    assert_int_equal(policy_day(us), 0);
    assert_int_equal(clock_parse_us("1960-01-01T00:00:00+07:00", &us), 0);
    assert_int_equal(policy_day(us), -14610);
}

static void test_a_set_finds_and_forgets_nothing(void **state) {
    (void)state;
    PolicySet *set;
    assert_int_equal(policy_set_new(&set), 0);
    assert_null(policy_set_find(set, 1));
    for (int32_t i = 1; i <= 100; i++) {
        Policy policy = {.subscription = 3 * i, .active = true};
        snprintf(policy.name, sizeof policy.name, "s%d", (int)i);
        assert_int_equal(policy_set_add(set, &policy), 0);
    }
    for (int32_t i = 1; i <= 100; i++)
        for (int32_t v = 1; v <= 3; v++)
            assert_int_equal(policy_set_add_version(set, 3 * i, &(PolicyVersion){.version = v}), 0);
    assert_int_equal(policy_set_add_version(set, 1, &(PolicyVersion){.version = 1}), 0);
    for (int32_t n = 0; n < 3; n++)
        assert_int_equal(policy_set_add_user(set, n < 2 ? 6 : 7, n == 0 ? "subscription:6:a" : "subscription:6:b"), 0);
    assert_int_equal(policy_set_find(set, 6)->n_users, 2);
    assert_string_equal(policy_set_find(set, 6)->users[1], "subscription:6:b");
    assert_int_equal(policy_set_find(set, 9)->n_users, 0);
    assert_null(policy_set_find(set, 1));
    assert_string_equal(policy_set_find(set, 300)->name, "s100");
    assert_int_equal(policy_current(policy_set_find(set, 3))->version, 3);
    assert_int_equal(policy_set_add_agency(set, 5, "MOH"), 0);
    assert_string_equal(policy_set_agency(set, 5), "MOH");
    assert_string_equal(policy_set_agency(set, 6), "");
    policy_set_destroy(&set);
    assert_null(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grants_named_fields_only),
        cmocka_unit_test(test_admits_what_is_granted),
        cmocka_unit_test(test_denies_everything_else),
        cmocka_unit_test(test_follows_who_comes_and_goes),
        cmocka_unit_test(test_tells_whom_it_follows),
        cmocka_unit_test(test_looks_at_the_province_of_residence),
        cmocka_unit_test(test_provinces_are_of_one_code_set),
        cmocka_unit_test(test_sends_kinds_of_change_that_are_named),
        cmocka_unit_test(test_an_agency_is_not_told_what_it_said),
        cmocka_unit_test(test_a_version_holds_from_its_position),
        cmocka_unit_test(test_refuses_sessions_with_a_reason),
        cmocka_unit_test(test_days_are_those_of_ho_chi_minh),
        cmocka_unit_test(test_a_set_finds_and_forgets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
