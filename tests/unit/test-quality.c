// SPDX-License-Identifier: Apache-2.0
//
// Counting where errors come from: groups, roll-ups, and that no number of facilities makes it grow for ever.

#include "operators/quality.h"
#include "operators/quality_log.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/domain.h"
#include "shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HEALTH DONGBO__DOMAIN__HEALTH

static QualityKey key_of(uint32_t agency, const char *facility, int month) {
    QualityKey key = {.agency = agency, .domain = HEALTH, .month = month};
    snprintf(key.facility, sizeof key.facility, "%s", facility);
    return key;
}

static void add_verdict(Quality *quality, const QualityKey *key, int verdict, int code, const char *field) {
    Dongbo__EventVerdict said = DONGBO__EVENT_VERDICT__INIT;
    Dongbo__Reason reason = DONGBO__REASON__INIT, *reasons = &reason;
    said.verdict = (Dongbo__Verdict)verdict;
    said.n_reasons = 1;
    said.reasons = &reasons;
    reason.code = (Dongbo__ReasonCode)code;
    reason.field = (char *)field;
    assert_int_equal(quality_add_verdict(quality, key, &said), 0);
}

// Of agency 1: facility A has 4 events in March and 2 in April, B has 2; agency 2 has one.
static Quality *counted(void) {
    Quality *quality = NULL;
    assert_int_equal(quality_new(&quality), 0);
    const QualityKey april = key_of(1, "A", 202204), march = key_of(1, "A", 202203), b = key_of(1, "B", 202203),
                     other = key_of(2, "", 202203);
    for (int i = 0; i < 4; i++)
        assert_int_equal(quality_add_event(quality, &march), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(quality_add_event(quality, &april), 0);
        assert_int_equal(quality_add_event(quality, &b), 0);
    }
    assert_int_equal(quality_add_event(quality, &other), 0);
    add_verdict(quality, &march, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__NAME_DIFFERS, "subject.full_name");
    add_verdict(quality, &march, DONGBO__VERDICT__REJECTED, DONGBO__REASON_CODE__CODE_UNKNOWN, "status");
    add_verdict(quality, &april, DONGBO__VERDICT__REJECTED, DONGBO__REASON_CODE__CODE_UNKNOWN, "status");
    add_verdict(quality, &b, DONGBO__VERDICT__DEFERRED, DONGBO__REASON_CODE__NOT_FOUND, "subject.citizen_number");
    return quality;
}

static void test_groups_are_told_apart(void **state) {
    CLEANUP(quality_destroy) Quality *quality = counted();
    size_t n = 0;
    const QualityGroup *groups = quality_groups(quality, &n);
    assert_int_equal(n, 4);
    assert_string_equal(groups[0].key.facility, "A");
    assert_int_equal(groups[0].key.month, 202203);
    assert_int_equal(groups[0].events, 4);
    assert_int_equal(groups[0].refused, 2);
    assert_int_equal(groups[0].n_reasons, 2);
    assert_int_equal(groups[1].key.month, 202204);
    assert_true(quality_share(&groups[1]) == .5);
    assert_string_equal(groups[2].key.facility, "B");
    assert_int_equal(groups[2].waiting, 1);
    assert_int_equal(groups[2].refused, 0);
    assert_int_equal(groups[2].n_reasons, 0); // it was not refused
    assert_int_equal(groups[3].key.agency, 2);
}

static void test_rolling_up_adds_everything(void **state) {
    CLEANUP(quality_destroy) Quality *quality = counted();
    CLEANUP(quality_destroy) Quality *rolled = NULL;
    CLEANUP(quality_destroy) Quality *facilities = NULL;
    size_t n = 0;
    assert_int_equal(quality_roll_up(quality, 0, &rolled), 0);
    const QualityGroup *groups = quality_groups(rolled, &n);
    assert_int_equal(n, 2);
    assert_int_equal(groups[0].events, 8);
    assert_int_equal(groups[0].refused, 3);
    assert_int_equal(groups[0].waiting, 1);
    assert_int_equal(groups[0].reasons[0].code, DONGBO__REASON_CODE__CODE_UNKNOWN); // the most frequent first
    assert_int_equal(groups[0].reasons[0].n, 2);
    assert_string_equal(groups[0].reasons[1].field, "subject.full_name");
    assert_int_equal(quality_roll_up(quality, QUALITY_KEEP_FACILITY, &facilities), 0);
    groups = quality_groups(facilities, &n);
    assert_int_equal(n, 3);
    assert_int_equal(groups[0].events, 6);
    assert_int_equal(groups[0].key.month, 0);
}

static void test_too_many_facilities_and_reasons_count_together(void **state) {
    CLEANUP(quality_destroy) Quality *quality = NULL;
    assert_int_equal(quality_new(&quality), 0);
    enum { MORE = 1000 };
    for (int i = 0; i < QUALITY_GROUPS_MAX + MORE; i++) {
        char facility[16];
        snprintf(facility, sizeof facility, "%d", i);
        const QualityKey key = key_of(1, facility, 202203);
        assert_int_equal(quality_add_event(quality, &key), 0);
    }
    const QualityKey others = key_of(1, QUALITY_OTHERS, 202203);
    for (int i = 0; i < QUALITY_REASONS_MAX + MORE; i++) {
        char field[16];
        snprintf(field, sizeof field, "f%d", i);
        add_verdict(quality, &others, DONGBO__VERDICT__REJECTED, DONGBO__REASON_CODE__CODE_UNKNOWN, field);
    }
    size_t n = 0, found = 0;
    const QualityGroup *groups = quality_groups(quality, &n);
    assert_int_equal(n, QUALITY_GROUPS_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(groups[i].key.facility, QUALITY_OTHERS) != 0)
            continue;
        found++;
        assert_int_equal(groups[i].events, MORE);
        assert_int_equal(groups[i].n_reasons, QUALITY_REASONS_MAX);
        assert_int_equal(groups[i].reasons[0].code, 0);
        assert_int_equal(groups[i].reasons[0].n, MORE + 1);
    }
    assert_int_equal(found, 1);
}

// ---- an event's own -------------------------------------------------------------------------------------------------

static Rules *rules;
static Arena *arena;

static int setup(void **state) {
    int r = shipped_rules(&rules);
    return r < 0 ? r : arena_new(&arena, 1 << 20);
}

static int teardown(void **state) {
    rules_destroy(&rules);
    arena_destroy(&arena);
    return 0;
}

static QualityKey key_of_event(int domain, ProtobufCMessage *body) {
    uint8_t id[EVENT_ID_BYTES] = {0}, packed[1024];
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.event_id = (ProtobufCBinaryData){sizeof id, id};
    event_set_body(&event, domain, body);
    QualityKey key = {.agency = 7, .month = 202203, .domain = 99, .facility = "before"};
    quality_log_key(rules, packed, dongbo__change_event__pack(&event, packed), arena, &key);
    assert_int_equal(key.agency, 7);
    return key;
}

static void test_the_rules_name_the_facility(void **state) {
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    Dongbo__ResidencePeriod stay = DONGBO__RESIDENCE_PERIOD__INIT;
    Dongbo__EidAccount account = DONGBO__EID_ACCOUNT__INIT;
    dose.facility_code = "01-001";
    stay.reporter_code = "001090000001"; // of a person, perhaps
    account.account_id = "A";
    QualityKey key = key_of_event(HEALTH, &dose.base);
    assert_int_equal(key.domain, HEALTH);
    assert_string_equal(key.facility, "01-001");
    key = key_of_event(DONGBO__DOMAIN__RESIDENCE, &stay.base);
    assert_string_equal(key.facility, "001*******01");
    key = key_of_event(DONGBO__DOMAIN__E_ID, &account.base);
    assert_int_equal(key.domain, DONGBO__DOMAIN__E_ID);
    assert_string_equal(key.facility, "");
    quality_log_key(rules, (const uint8_t *)"\xff\xff", 2, arena, &key);
    assert_int_equal(key.domain, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_are_told_apart),
        cmocka_unit_test(test_rolling_up_adds_everything),
        cmocka_unit_test(test_too_many_facilities_and_reasons_count_together),
        cmocka_unit_test(test_the_rules_name_the_facility),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
