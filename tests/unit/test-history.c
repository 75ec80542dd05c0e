// SPDX-License-Identifier: Apache-2.0
//
// What was true on a day, from a record's versions: cases by name, and then the promise: in whatever order the events
// came, all that is known in the end answers every day alike; and for the last day, as the record itself does.

#include "broker/history.h"
#include "dose-case.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define VERSIONS_MAX 16

// The versions that these events made, one after the other.
typedef struct Kept {
    const Dongbo__Record *versions[VERSIONS_MAX];
    size_t n;
    const Dongbo__Record *current;
} Kept;

static void keep(Kept *kept, Said *s) {
    Merged m = step(s, kept->current);
    if (!m.store)
        return;
    assert_true(kept->n < VERSIONS_MAX);
    const Dongbo__Record *version = read_back(m.record);
    kept->versions[kept->n++] = version;
    if (!m.superseded)
        kept->current = version;
}

static HistoryAnswer ask(const Kept *kept, int64_t as_of_us) {
    const HistoryQuestion question = {rules_domain(rules, DONGBO__DOMAIN__HEALTH), arena, kept->versions, kept->n,
                                      as_of_us};
    HistoryAnswer answer;
    assert_int_equal(history_read(&question, &answer), 0);
    return answer;
}

static const Dongbo__Vaccination *body(const HistoryAnswer *answer) {
    assert_non_null(answer->record);
    return (const Dongbo__Vaccination *)answer->body;
}

static void lot_is(const Kept *kept, int64_t as_of_us, const char *lot) {
    HistoryAnswer answer = ask(kept, as_of_us);
    assert_string_equal(body(&answer)->lot_number, lot);
    assert_string_equal(body(&answer)->vaccine_group, "covid-19");
    assert_false(answer.record->retracted);
}

static void test_a_change_holds_from_its_time_on(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "", "L2");
    Kept kept = {0};
    keep(&kept, &b); // the older one comes late, and is all there is of that time
    keep(&kept, &a);
    assert_null(ask(&kept, 9).record);
    lot_is(&kept, 10, "L1");
    lot_is(&kept, 19, "L1");
    lot_is(&kept, 20, "L2");
    HistoryAnswer answer = ask(&kept, 20);
    assert_string_equal(body(&answer)->product_code, "208");
    bool cleared = true;
    const Dongbo__Origin *origin = history_origin(answer.record, LOT, &cleared);
    assert_int_equal(origin->event_time_us, 20);
    assert_false(cleared);
    assert_null(history_origin(answer.record, FACILITY, &cleared));
}

static void test_authority_stands_over_time(void **state) {
    Said a = said(&MOH, 10, 1, "", "L1"), b = said(&VSS, 5, 2, "", "L0"), c = said(&VSS, 20, 3, "", "L2");
    Kept kept = {0};
    keep(&kept, &a);
    keep(&kept, &c);
    keep(&kept, &b);
    lot_is(&kept, 5, "L0");
    lot_is(&kept, 10, "L1");
    lot_is(&kept, 30, "L1");
}

static void test_a_cleared_field_was_there_until_then(void **state) {
    Said a = said(&MOH, 10, 1, "", "L1"), b = clearing(said(&MOH, 20, 2, "", ""), LOT);
    Kept kept = {0};
    keep(&kept, &a);
    keep(&kept, &b);
    lot_is(&kept, 19, "L1");
    lot_is(&kept, 20, "");
    bool cleared = false;
    HistoryAnswer answer = ask(&kept, 20);
    assert_int_equal(history_origin(answer.record, LOT, &cleared)->event_time_us, 20);
    assert_true(cleared);
}

static void test_a_correction_reaches_back_to_what_it_corrects(void **state) {
    Said first = said(&MOH, 10, 1, "", "L1"), second = said(&MOH, 20, 2, "", "L2"),
         corrects = correction(said(&MOH, 40, 3, "208", "L3")), again = correction(said(&MOH, 45, 4, "", "L4")),
         third = said(&MOH, 50, 5, "", "L5");
    Kept kept = {0};
    keep(&kept, &first);
    keep(&kept, &second);
    lot_is(&kept, 30, "L2");
    keep(&kept, &corrects);
    lot_is(&kept, 19, "L1"); // that was not corrected
    lot_is(&kept, 20, "L3");
    HistoryAnswer answer = ask(&kept, 10); // a field that had been left out
    assert_string_equal(body(&answer)->product_code, "208");
    assert_null(ask(&kept, 9).record);
    keep(&kept, &again); // corrects the correction
    keep(&kept, &third);
    lot_is(&kept, 19, "L1");
    lot_is(&kept, 20, "L4");
    lot_is(&kept, 49, "L4");
    lot_is(&kept, 50, "L5");
}

static void test_a_correction_of_nothing_begins_by_itself(void **state) {
    Said a = correction(said(&MOH, 10, 1, "", "L1"));
    Kept kept = {0};
    keep(&kept, &a);
    assert_null(ask(&kept, 9).record);
    lot_is(&kept, 10, "L1");
}

static void test_a_weak_correction_corrects_nothing(void **state) {
    Said a = said(&MOH, 10, 1, "", "L1"), b = correction(said(&VSS, 20, 2, "", "L2"));
    Kept kept = {0};
    keep(&kept, &a);
    keep(&kept, &b);
    lot_is(&kept, 10, "L1");
    lot_is(&kept, 20, "L1");
}

static void test_a_withdrawn_record_never_was(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), r = retraction(&MOH, 20, 2), back = said(&MOH, 30, 3, "", "L3");
    Kept kept = {0};
    keep(&kept, &a);
    lot_is(&kept, 10, "L1"); // all that was known then
    keep(&kept, &r);
    assert_true(ask(&kept, 10).record->retracted);
    assert_true(ask(&kept, 25).record->retracted);
    assert_null(ask(&kept, 9).record);
    keep(&kept, &back);
    assert_true(ask(&kept, 10).record->retracted);
    lot_is(&kept, 30, "L3");
    HistoryAnswer answer = ask(&kept, 30);
    assert_string_equal(body(&answer)->product_code, "");
}

static void test_a_persons_correction_holds_always(void **state) {
    static const Grants NPC = {.agency = 5, .code = "NPC"};
    uint8_t id[EVENT_ID_BYTES] = {1};
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__PopulationChange change = DONGBO__POPULATION_CHANGE__INIT;
    event.event_id = (ProtobufCBinaryData){sizeof id, id};
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = 100;
    change.kind = "correction";
    change.birth_date = "1990-01-03";
    event_set_body(&event, DONGBO__DOMAIN__POPULATION, &change.base);
    Merge merge = {rules, &NPC, arena, 0};
    Merged m;
    assert_int_equal(reconcile(&merge, NULL, &event, &m), 0);
    const Dongbo__Record *version = m.record;
    const HistoryQuestion question = {rules_domain(rules, DONGBO__DOMAIN__POPULATION), arena, &version, 1, 50};
    HistoryAnswer answer;
    assert_int_equal(history_read(&question, &answer), 0);
    assert_non_null(answer.record);
    assert_string_equal(((const Dongbo__PopulationChange *)answer.body)->birth_date, "1990-01-03");
}

static void test_unreadable_version_and_too_little_memory(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Kept kept = {0};
    keep(&kept, &a);
    Dongbo__Record broken = *kept.versions[0];
    broken.body.len--;
    const Dongbo__Record *versions[] = {kept.versions[0], &broken};
    HistoryQuestion question = {rules_domain(rules, DONGBO__DOMAIN__HEALTH), arena, versions, 2, 10};
    HistoryAnswer answer;
    assert_int_equal(history_read(&question, &answer), 1);
    question.n = 1;
    for (size_t bytes = 16;; bytes += 16) {
        CLEANUP(arena_destroy) Arena *small = NULL;
        assert_int_equal(arena_new(&small, bytes), 0);
        question.arena = small;
        int r = history_read(&question, &answer);
        if (r == 0)
            break;
        assert_int_equal(r, ERROR_MEMORY);
        assert_true(bytes < 16384);
    }
}

// ---- any order ----------------------------------------------------------------------------------------------------

#define EVENTS_MAX 5
static const int64_t DAYS[] = {99, 100, 101, 102, INT64_MAX};
#define N_DAYS (sizeof DAYS / sizeof *DAYS)

typedef struct Answers {
    uint8_t bytes[N_DAYS][PACKED_BYTES];
    size_t n[N_DAYS];
} Answers;

// The events in this order, one of them twice, and what all days look like then.
static void find_answers(Said *events, const int *order, int n, Answers *ret) {
    Kept kept = {0};
    for (int i = 0; i < n; i++)
        keep(&kept, &events[order[i]]);
    keep(&kept, &events[order[0]]);
    for (size_t day = 0; day < N_DAYS; day++)
        ret->n[day] = pack_record(ask(&kept, DAYS[day]).record, ret->bytes[day]);
    uint8_t current[PACKED_BYTES];
    size_t n_current = pack_record(kept.current, current);
    if (ret->n[N_DAYS - 1] == 0) // only withdrawals
        assert_true(kept.current->retracted);
    else
        assert_true(n_current == ret->n[N_DAYS - 1] && memcmp(current, ret->bytes[N_DAYS - 1], n_current) == 0);
    arena_reset(arena);
}

static void compare_answers(const Answers *wanted, const Answers *got) {
    for (size_t day = 0; day < N_DAYS; day++)
        if (got->n[day] != wanted->n[day] || memcmp(got->bytes[day], wanted->bytes[day], got->n[day]) != 0)
            fail_msg("seed %u: day %d is another one in another order", seed, (int)day);
}

static void test_any_order_answers_every_day_alike(void **state) {
    static Answers wanted, got;
    for (uint32_t round = 0; round < 400; round++) {
        seed = round;
        Said events[EVENTS_MAX];
        int n = 2 + (int)next(EVENTS_MAX - 1), order[EVENTS_MAX] = {0, 1, 2, 3, 4};
        for (int i = 0; i < n; i++)
            events[i] = random_event((uint8_t)(i + 1));
        find_answers(events, order, n, &wanted);
        do {
            find_answers(events, order, n, &got);
            compare_answers(&wanted, &got);
        } while (next_order(order, n));
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, dose_arena_new, dose_arena_end)
    const struct CMUnitTest tests[] = {
        TEST(test_a_change_holds_from_its_time_on),
        TEST(test_authority_stands_over_time),
        TEST(test_a_cleared_field_was_there_until_then),
        TEST(test_a_correction_reaches_back_to_what_it_corrects),
        TEST(test_a_correction_of_nothing_begins_by_itself),
        TEST(test_a_weak_correction_corrects_nothing),
        TEST(test_a_withdrawn_record_never_was),
        TEST(test_a_persons_correction_holds_always),
        TEST(test_unreadable_version_and_too_little_memory),
        TEST(test_any_order_answers_every_day_alike),
    };
    return cmocka_run_group_tests(tests, dose_setup, dose_teardown);
}
