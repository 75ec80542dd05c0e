// SPDX-License-Identifier: Apache-2.0
//
// Merging: single steps by name, and then the promise itself: whatever the order, and however often an event comes,
// the record ends the same, byte for byte.

#include "dose-case.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const Dongbo__Vaccination *dose(const Merged *merged) {
    return (const Dongbo__Vaccination *)merged->body;
}

static void test_new_record(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Merged m = step(&a, NULL);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_int_equal(m.changed, BIT(GROUP) | BIT(DOSE) | BIT(PRODUCT) | BIT(LOT));
    assert_false(m.deleted);
    assert_int_equal(m.record->n_origins, 1);
    const Dongbo__Origin *origin = m.record->origins[0];
    assert_int_equal(origin->authority, 10);
    assert_int_equal(origin->agency, 1);
    assert_int_equal(origin->event_time_us, 10);
    assert_int_equal(origin->n_fields, 4);
    assert_int_equal(origin->n_cleared, 0);
    Dongbo__Vaccination *body = dongbo__vaccination__unpack(NULL, m.record->body.len, m.record->body.data);
    assert_non_null(body);
    assert_string_equal(body->lot_number, "L1");
    dongbo__vaccination__free_unpacked(body, NULL);
}

static void test_newer_wins_by_field(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "", "L2");
    Merged m = step(&a, NULL);
    m = step(&b, m.record);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_int_equal(m.changed, BIT(LOT));
    assert_string_equal(dose(&m)->product_code, "208");
    assert_string_equal(dose(&m)->lot_number, "L2");
    assert_int_equal(m.record->n_origins, 2);
    assert_int_equal(m.record->origins[0]->event_time_us, 20);
    assert_int_equal(m.record->origins[1]->n_fields, 1);
}

static void test_same_again(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "", "L2");
    Merged first = step(&a, NULL), m = step(&a, first.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_false(m.store);
    assert_string_equal(dose(&m)->lot_number, "L1");
    m = step(&b, first.record);
    m = step(&a, m.record); // holds one field still, lost the other
    assert_int_equal(m.verdict, UNCHANGED);
    assert_false(m.store);
    // Even where the agency's word has come to weigh more since: what was decided stays.
    a.grants = &OTHER;
    m = step(&a, NULL);
    a.grants = &MOH;
    m = step(&a, m.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_false(m.store);
}

static void test_same_value_moves_origin(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "208", "L1");
    Merged m = step(&a, NULL);
    m = step(&b, m.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_true(m.store);
    assert_int_equal(m.record->n_origins, 1);
    assert_int_equal(m.record->origins[0]->event_time_us, 20);
}

static void test_older_is_superseded(void **state) {
    Said a = said(&MOH, 20, 1, "208", "L1"), b = said(&MOH, 10, 2, "", "L0");
    Merged m = step(&a, NULL);
    m = step(&b, m.record);
    assert_int_equal(m.verdict, SUPERSEDED);
    assert_int_equal(m.changed, 0);
    assert_string_equal(dose(&m)->lot_number, "L0"); // the event alone
    assert_string_equal(dose(&m)->product_code, "");
    assert_int_equal(m.record->n_origins, 1);
    assert_int_equal(m.record->origins[0]->n_fields, 3);
    assert_int_equal(m.record->origins[0]->event_time_us, 10);
}

static void test_authority_beats_time(void **state) {
    Said a = said(&MOH, 10, 1, "208", ""), b = said(&VSS, 20, 2, "207", "L2");
    Merged m = step(&a, NULL);
    m = step(&b, m.record);
    assert_int_equal(m.changed, BIT(LOT));
    assert_string_equal(dose(&m)->product_code, "208");
    assert_string_equal(dose(&m)->lot_number, "L2");
}

static void test_equal_time_is_settled_by_id(void **state) {
    Said a = said(&OTHER, 10, 1, "208", ""), b = said(&ANOTHER, 10, 2, "207", "");
    Merged m = step(&a, NULL);
    m = step(&b, m.record);
    assert_string_equal(dose(&m)->product_code, "207");
    m = step(&b, NULL);
    m = step(&a, m.record);
    assert_int_equal(m.verdict, SUPERSEDED);
}

static void test_cleared_field(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = clearing(said(&MOH, 20, 2, "", ""), LOT);
    Merged m = step(&a, NULL);
    m = step(&b, m.record);
    assert_int_equal(m.changed, BIT(LOT));
    assert_string_equal(dose(&m)->lot_number, "");
    assert_false(m.deleted);
    Said late = said(&MOH, 15, 3, "", "L9"); // older than the deletion: stays deleted
    m = step(&late, m.record);
    assert_int_equal(m.verdict, SUPERSEDED);
    Said back = said(&MOH, 30, 4, "", "L3");
    m = step(&b, NULL);
    m = step(&back, m.record);
    assert_int_equal(m.changed, BIT(LOT));
    // Key fields cannot be cleared away from the record they name.
    Said key = clearing(said(&MOH, 40, 5, "", ""), GROUP);
    m = step(&key, m.record);
    assert_string_equal(dose(&m)->vaccine_group, "covid-19");
    assert_false(m.deleted);
}

static void test_retraction(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), r = retraction(&MOH, 20, 2);
    Merged m = step(&a, NULL);
    m = step(&r, m.record);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_true(m.deleted);
    assert_true(m.record->retracted);
    assert_int_equal(m.changed, BIT(GROUP) | BIT(DOSE) | BIT(PRODUCT) | BIT(LOT));
    assert_string_equal(dose(&m)->vaccine_group, "covid-19");
    assert_string_equal(dose(&m)->lot_number, "");
    Merged again = step(&r, m.record);
    assert_false(again.store);
    assert_true(again.deleted);
    Said older = said(&MOH, 15, 3, "208", "L1");
    assert_int_equal(step(&older, m.record).verdict, SUPERSEDED);
    Said newer = said(&MOH, 30, 4, "207", "");
    m = step(&newer, m.record);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_false(m.deleted);
    assert_int_equal(m.changed, BIT(GROUP) | BIT(DOSE) | BIT(PRODUCT));
    assert_string_equal(dose(&m)->lot_number, "");
}

static void test_retraction_before_its_event(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), r = retraction(&MOH, 20, 2);
    Merged m = step(&r, NULL);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_true(m.store);
    assert_true(m.deleted);
    assert_int_equal(m.record->origins[0]->n_fields, 0);
    assert_int_equal(m.record->origins[0]->n_cleared, 7);
    assert_int_equal(step(&a, m.record).verdict, SUPERSEDED);
}

static void test_weaker_retraction(void **state) {
    Said a = said(&MOH, 10, 1, "208", ""), b = said(&VSS, 5, 2, "", "L2"), r = retraction(&VSS, 20, 3);
    Merged m = step(&a, NULL);
    m = step(&b, m.record);
    assert_string_equal(dose(&m)->lot_number, "L2");
    m = step(&r, m.record); // withdraws what VSS said, not what MOH did
    assert_int_equal(m.changed, BIT(LOT));
    assert_false(m.deleted);
    assert_string_equal(dose(&m)->product_code, "208");
}

// Fields of one event can carry different authority: one origin for each.
static void test_authority_by_field(void **state) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__InsurancePeriod body = DONGBO__INSURANCE_PERIOD__INIT;
    uint8_t id[EVENT_ID_BYTES] = {9};
    event.event_id = (ProtobufCBinaryData){sizeof id, id};
    event.operation = DONGBO__OPERATION__UPSERT;
    body.insurance_number = "0123456789";
    body.period_start = "2021-01-01";
    body.scheme = "health";
    body.health_card_number = "HC1";
    event_set_body(&event, DONGBO__DOMAIN__SOCIAL_SECURITY, &body.base);
    Merge merge = {rules, &MOH, arena, 0};
    Merged m;
    assert_int_equal(reconcile(&merge, NULL, &event, &m), 0);
    assert_int_equal(m.record->n_origins, 2);
    assert_int_equal(m.record->origins[0]->authority, 5);
    assert_int_equal(m.record->origins[0]->n_fields, 1);
    assert_int_equal(m.record->origins[0]->fields[0], 7);
    assert_int_equal(m.record->origins[1]->authority, 1);
    assert_int_equal(m.record->origins[1]->n_fields, 3);
}

static void test_origins_say_what_kind_of_event_it_was(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), c = correction(said(&MOH, 20, 2, "", "L2")), r = retraction(&VSS, 30, 3);
    Merged m = step(&a, NULL);
    assert_int_equal(m.record->origins[0]->nature, DONGBO__NATURE__NATURE_CHANGE);
    m = step(&c, m.record);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_string_equal(dose(&m)->lot_number, "L2");
    assert_int_equal(m.record->origins[0]->nature, DONGBO__NATURE__NATURE_CORRECTION);
    assert_int_equal(m.record->origins[1]->nature, DONGBO__NATURE__NATURE_CHANGE);
    m = step(&r, m.record);
    assert_int_equal(m.record->origins[2]->nature, DONGBO__NATURE__NATURE_RETRACTION);
}

static void test_what_an_event_lost_is_kept_with_what_it_won(void **state) {
    Said a = said(&MOH, 20, 1, "", "L2"), b = said(&MOH, 10, 2, "208", "L1"), c = said(&MOH, 30, 3, "207", "");
    Merged m = step(&a, NULL);
    assert_null(m.record->lost);
    m = step(&b, m.record);
    assert_int_equal(m.changed, BIT(PRODUCT));
    assert_string_equal(dose(&m)->lot_number, "L2");
    const Dongbo__Lost *lost = m.record->lost;
    assert_non_null(lost);
    assert_int_equal(lost->n_origins, 1);
    assert_int_equal(lost->origins[0]->event_time_us, 10);
    assert_int_equal(lost->origins[0]->n_fields, 3); // both keys and the lot
    Dongbo__Vaccination *body = dongbo__vaccination__unpack(NULL, lost->body.len, lost->body.data);
    assert_non_null(body);
    assert_string_equal(body->lot_number, "L1");
    assert_string_equal(body->product_code, "");
    dongbo__vaccination__free_unpacked(body, NULL);
    m = step(&c, m.record); // ... by its own version only
    assert_null(m.record->lost);
}

static void test_unreadable_record(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Merged m = step(&a, NULL), ret;
    Merge merge = {rules, &MOH, arena, 0};
    Dongbo__Record broken = *m.record;
    broken.body.len--;
    assert_int_equal(reconcile(&merge, &broken, event_of(&a), &ret), 1);
    m.record->origins[0]->event_id.len = 15;
    assert_int_equal(reconcile(&merge, m.record, event_of(&a), &ret), 1);
}

static void reconcile_in_little(const Dongbo__Record *current, Said *event) {
    for (size_t bytes = 16;; bytes += 16) {
        CLEANUP(arena_destroy) Arena *small = NULL;
        assert_int_equal(arena_new(&small, bytes), 0);
        Merge merge = {rules, &MOH, small, 0};
        Merged m;
        int r = reconcile(&merge, current, event_of(event), &m);
        if (r == 0)
            break;
        assert_int_equal(r, ERROR_MEMORY);
        assert_true(bytes < 4096);
    }
}

static void test_memory(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 11, 2, "208", "L2");
    reconcile_in_little(NULL, &a);
    reconcile_in_little(step(&a, NULL).record, &b);
}

// ---- any order ----------------------------------------------------------------------------------------------------

// Only stored bytes carry over from step to step.
static const Dongbo__Record *stored(const Merged *m, const Dongbo__Record *current) {
    return m->store && !m->superseded ? read_back(m->record) : current;
}

static const Dongbo__Record *run(Said *events, const int *order, int n) {
    const Dongbo__Record *current = NULL;
    for (int i = 0; i < n; i++) {
        Merged m = step(&events[order[i]], current);
        bool was = current && !current->retracted;
        const Dongbo__Record *after = stored(&m, current);
        assert_int_equal(m.verdict == ACCEPTED && was && after->retracted, was && after && after->retracted);
        current = after;
        Merged again = step(&events[order[i]], current);
        assert_int_equal(again.superseded, m.superseded);
        assert_true(m.superseded || (!again.store && again.verdict == UNCHANGED));
    }
    for (int i = 0; i < n; i++) { // all of them once more, long after
        Merged again = step(&events[order[i]], current);
        assert_true(again.superseded || (!again.store && again.verdict == UNCHANGED));
    }
    return current;
}

static void test_any_order(void **state) {
    for (uint32_t round = 0; round < 300; round++) {
        seed = round;
        Said events[6];
        int n = 2 + (int)next(5), order[6] = {0, 1, 2, 3, 4, 5};
        for (int i = 0; i < n; i++)
            events[i] = random_event((uint8_t)(i + 1));
        uint8_t bytes[PACKED_BYTES];
        size_t n_bytes = pack_record(run(events, order, n), bytes);
        do {
            uint8_t other[PACKED_BYTES];
            size_t n_other = pack_record(run(events, order, n), other);
            arena_reset(arena);
            if (n_other != n_bytes || memcmp(bytes, other, n_bytes) != 0)
                fail_msg("round %u: %d events end differently in another order", round, n);
        } while (next_order(order, n));
    }
}

// ---- population ---------------------------------------------------------------------------------------------------

typedef struct Told {
    Dongbo__ChangeEvent event;
    Dongbo__PopulationChange body;
    uint8_t id[EVENT_ID_BYTES];
    uint32_t cleared[2];
} Told;

static Told told(const char *kind, const char *number, int64_t time) {
    Told t = {.event = DONGBO__CHANGE_EVENT__INIT, .body = DONGBO__POPULATION_CHANGE__INIT};
    memset(t.id, (int)time, sizeof t.id);
    t.event.operation = DONGBO__OPERATION__UPSERT;
    t.event.event_time_us = time;
    t.event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    t.body.kind = (char *)kind;
    t.body.citizen_number = (char *)number;
    return t;
}

static Merged tell_yielding(Told *t, const Dongbo__Record *current, uint32_t yields) {
    static const Grants NPC = {.agency = 5, .code = "NPC"};
    Merge merge = {rules, &NPC, arena, yields};
    Merged merged;
    t->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, t->id};
    t->event.cleared_fields = t->cleared;
    t->event.population = &t->body;
    assert_int_equal(reconcile(&merge, current, &t->event, &merged), 0);
    return merged;
}

static Merged tell(Told *t, const Dongbo__Record *current) {
    return tell_yielding(t, current, 0);
}

static const Dongbo__PopulationChange *person(const Merged *merged) {
    return (const Dongbo__PopulationChange *)merged->body;
}

static void test_number_that_only_names_yields_to_a_reissue(void **state) {
    Told entered = told("registered", "A", 10), reissued = told("number-reissued", "B", 20),
         moved = told("move", "A", 30), again = told("number-reissued", "C", 15);
    Merged m = tell(&entered, NULL);
    assert_int_equal(m.won, BIT(1) | BIT(2));
    m = tell(&moved, m.record);
    m = tell(&reissued, m.record);
    assert_int_equal(m.won, BIT(2));
    assert_string_equal(person(&m)->citizen_number, "B");
    Told later = told("move", "A", 40);
    m = tell(&later, m.record);
    assert_int_equal(m.won, BIT(1));
    assert_string_equal(person(&m)->citizen_number, "B");
    m = tell(&again, m.record); // the older of two re-issues
    assert_true(m.superseded);
    assert_int_equal(m.won, 0);
}

static void test_number_that_stays_yields_to_a_reissue_alone(void **state) {
    Told merged = told("merged", "A", 20), reissued = told("number-reissued", "B", 10), moved = told("move", "X", 30);
    Merged m = tell(&merged, NULL), n = tell(&reissued, NULL);
    m = tell(&moved, m.record);
    assert_string_equal(person(&m)->citizen_number, "A");
    m = tell(&reissued, m.record);
    assert_string_equal(person(&m)->citizen_number, "B");
    n = tell(&merged, n.record);
    assert_string_equal(person(&n)->citizen_number, "B");
}

// Nor where a record is made again of all that was ever said: its claims weigh nothing there.
static void test_what_yields_weighs_nothing(void **state) {
    Told reissued = told("number-reissued", "B", 10), cancelled = told("number-cancelled", "A", 20);
    Merged m = tell(&reissued, NULL);
    assert_true(m.record->origins[0]->authority > 0);
    m = tell_yielding(&cancelled, m.record, BIT(1) | BIT(2));
    assert_true(m.store && m.superseded);
    bool kept = false;
    for (size_t i = 0; i < m.record->n_origins; i++) {
        if (m.record->origins[i]->event_time_us != 20)
            continue;
        assert_int_equal(m.record->origins[i]->authority, 0);
        kept = true;
    }
    assert_true(kept);
}

static void test_residence_is_said_whole(void **state) {
    Told first = told("move", "A", 10), second = told("move", "A", 20), third = told("move", "A", 15);
    first.body.residence_province = "01";
    first.body.residence_commune = "00001";
    second.body.residence_province = "79";
    third.body.residence_commune = "00004"; // within the province
    Merged m = tell(&first, NULL);
    m = tell(&second, m.record);
    assert_true(m.won & BIT(9));
    assert_string_equal(person(&m)->residence_commune, "");
    m = tell(&third, m.record);
    assert_true(m.superseded);
    Merged n = tell(&second, NULL);
    n = tell(&first, n.record);
    assert_int_equal(n.won, 0);
}

static void test_clearing_what_no_event_said_changes_the_person(void **state) {
    Told moved = told("correction", "A", 10), cleared = told("correction", "A", 20),
         again = told("correction", "A", 30);
    cleared.cleared[cleared.event.n_cleared_fields++] = 6;
    again.cleared[again.event.n_cleared_fields++] = 6;
    Merged m = tell(&moved, NULL);
    m = tell(&cleared, m.record);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_int_equal(m.changed, BIT(6));
    m = tell(&again, m.record);
    assert_int_equal(m.verdict, UNCHANGED);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, dose_arena_new, dose_arena_end)
    const struct CMUnitTest tests[] = {
        TEST(test_new_record),
        TEST(test_newer_wins_by_field),
        TEST(test_same_again),
        TEST(test_same_value_moves_origin),
        TEST(test_older_is_superseded),
        TEST(test_authority_beats_time),
        TEST(test_equal_time_is_settled_by_id),
        TEST(test_cleared_field),
        TEST(test_retraction),
        TEST(test_retraction_before_its_event),
        TEST(test_weaker_retraction),
        TEST(test_authority_by_field),
        TEST(test_origins_say_what_kind_of_event_it_was),
        TEST(test_what_an_event_lost_is_kept_with_what_it_won),
        TEST(test_unreadable_record),
        TEST(test_memory),
        TEST(test_number_that_only_names_yields_to_a_reissue),
        TEST(test_number_that_stays_yields_to_a_reissue_alone),
        TEST(test_what_yields_weighs_nothing),
        TEST(test_residence_is_said_whole),
        TEST(test_clearing_what_no_event_said_changes_the_person),
        TEST(test_any_order),
    };
    return cmocka_run_group_tests(tests, dose_setup, dose_teardown);
}
