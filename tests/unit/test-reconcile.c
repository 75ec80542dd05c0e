// SPDX-License-Identifier: Apache-2.0
//
// Merging: single steps by name, and then the promise itself: whatever the order, and however often an event comes,
// the record ends the same, byte for byte.

#include "broker/reconcile.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "verdict.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GROUP 1
#define DOSE 2
#define PRODUCT 3
#define LOT 4
#define DATE 5
#define FACILITY 6
#define STATUS 7
#define BIT(n) (1u << (n))
#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define UNCHANGED DONGBO__VERDICT__UNCHANGED
#define SUPERSEDED DONGBO__VERDICT__SUPERSEDED

static Rules *rules;
static const Grants MOH = {.agency = 1, .code = "MOH"}, VSS = {.agency = 2, .code = "VSS"},
                    OTHER = {.agency = 3, .code = "OTHER"}, ANOTHER = {.agency = 4, .code = "ANOTHER"};

static int setup(void **state) {
    char path[4096];
    snprintf(path, sizeof path, "%s/schemas", getenv("DONGBO_SOURCE"));
    return rules_load(&rules, path);
}

static int teardown(void **state) {
    rules_destroy(&rules);
    return 0;
}

typedef struct Said {
    Dongbo__ChangeEvent event;
    Dongbo__Vaccination body;
    uint8_t id[EVENT_ID_BYTES];
    uint32_t cleared[8];
    const Grants *grants;
} Said;

// A dose of `product` and `lot` ("" says nothing), by this agency at this time.
static Said said(const Grants *grants, int64_t time, uint8_t id, const char *product, const char *lot) {
    Said s = {.event = DONGBO__CHANGE_EVENT__INIT, .body = DONGBO__VACCINATION__INIT, .grants = grants};
    memset(s.id, id, sizeof s.id);
    s.event.operation = DONGBO__OPERATION__UPSERT;
    s.event.event_time_us = time;
    s.event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    s.body.vaccine_group = "covid-19";
    s.body.dose_number = 1;
    s.body.product_code = (char *)product;
    s.body.lot_number = (char *)lot;
    return s;
}

static Said clearing(Said s, uint32_t field) {
    s.cleared[s.event.n_cleared_fields++] = field;
    return s;
}

static Said retraction(const Grants *grants, int64_t time, uint8_t id) {
    Said s = said(grants, time, id, "", "");
    s.event.operation = DONGBO__OPERATION__RETRACT;
    return s;
}

// Pointers into the Said itself, set late so that it can be copied before.
static const Dongbo__ChangeEvent *event_of(Said *s) {
    s->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, s->id};
    s->event.cleared_fields = s->cleared;
    s->event.health = &s->body;
    return &s->event;
}

static Merged step(Arena *arena, Said *s, const Dongbo__Record *current) {
    Merge merge = {rules, s->grants, arena};
    Merged merged;
    assert_int_equal(reconcile(&merge, current, event_of(s), &merged), 0);
    assert_int_equal(merged.store, merged.record != NULL);
    assert_true(merged.store || merged.verdict == UNCHANGED);
    assert_int_equal(merged.superseded, merged.verdict == SUPERSEDED);
    assert_int_equal(merged.verdict == ACCEPTED, merged.changed != 0);
    return merged;
}

static Arena *arena;

static int new_arena(void **state) {
    return arena_new(&arena, BATCH_ARENA_BYTES);
}

static int end_arena(void **state) {
    arena_destroy(&arena);
    return 0;
}

static const Dongbo__Vaccination *dose(const Merged *merged) {
    return (const Dongbo__Vaccination *)merged->body;
}

static void test_new_record(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Merged m = step(arena, &a, NULL);
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
    Merged m = step(arena, &a, NULL);
    m = step(arena, &b, m.record);
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
    Merged first = step(arena, &a, NULL), m = step(arena, &a, first.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_false(m.store);
    assert_string_equal(dose(&m)->lot_number, "L1");
    m = step(arena, &b, first.record);
    m = step(arena, &a, m.record); // holds one field still, lost the other
    assert_int_equal(m.verdict, UNCHANGED);
    assert_false(m.store);
    // Even where the agency's word has come to weigh more since: what was decided stays.
    a.grants = &OTHER;
    m = step(arena, &a, NULL);
    a.grants = &MOH;
    m = step(arena, &a, m.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_false(m.store);
}

static void test_same_value_moves_origin(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "208", "L1");
    Merged m = step(arena, &a, NULL);
    m = step(arena, &b, m.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_true(m.store);
    assert_int_equal(m.record->n_origins, 1);
    assert_int_equal(m.record->origins[0]->event_time_us, 20);
}

static void test_older_is_superseded(void **state) {
    Said a = said(&MOH, 20, 1, "208", "L1"), b = said(&MOH, 10, 2, "", "L0");
    Merged m = step(arena, &a, NULL);
    m = step(arena, &b, m.record);
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
    Merged m = step(arena, &a, NULL);
    m = step(arena, &b, m.record);
    assert_int_equal(m.changed, BIT(LOT));
    assert_string_equal(dose(&m)->product_code, "208");
    assert_string_equal(dose(&m)->lot_number, "L2");
}

static void test_equal_time_is_settled_by_id(void **state) {
    Said a = said(&OTHER, 10, 1, "208", ""), b = said(&ANOTHER, 10, 2, "207", "");
    Merged m = step(arena, &a, NULL);
    m = step(arena, &b, m.record);
    assert_string_equal(dose(&m)->product_code, "207");
    m = step(arena, &b, NULL);
    m = step(arena, &a, m.record);
    assert_int_equal(m.verdict, SUPERSEDED);
}

static void test_cleared_field(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = clearing(said(&MOH, 20, 2, "", ""), LOT);
    Merged m = step(arena, &a, NULL);
    m = step(arena, &b, m.record);
    assert_int_equal(m.changed, BIT(LOT));
    assert_string_equal(dose(&m)->lot_number, "");
    assert_false(m.deleted);
    Said late = said(&MOH, 15, 3, "", "L9"); // older than the deletion: stays deleted
    m = step(arena, &late, m.record);
    assert_int_equal(m.verdict, SUPERSEDED);
    Said back = said(&MOH, 30, 4, "", "L3");
    m = step(arena, &b, NULL);
    m = step(arena, &back, m.record);
    assert_int_equal(m.changed, BIT(LOT));
    // Key fields cannot be cleared away from the record they name.
    Said key = clearing(said(&MOH, 40, 5, "", ""), GROUP);
    m = step(arena, &key, m.record);
    assert_string_equal(dose(&m)->vaccine_group, "covid-19");
    assert_false(m.deleted);
}

static void test_retraction(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), r = retraction(&MOH, 20, 2);
    Merged m = step(arena, &a, NULL);
    m = step(arena, &r, m.record);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_true(m.deleted);
    assert_true(m.record->retracted);
    assert_int_equal(m.changed, BIT(GROUP) | BIT(DOSE) | BIT(PRODUCT) | BIT(LOT));
    assert_string_equal(dose(&m)->vaccine_group, "covid-19");
    assert_string_equal(dose(&m)->lot_number, "");
    Merged again = step(arena, &r, m.record);
    assert_false(again.store);
    assert_true(again.deleted);
    Said older = said(&MOH, 15, 3, "208", "L1");
    assert_int_equal(step(arena, &older, m.record).verdict, SUPERSEDED);
    Said newer = said(&MOH, 30, 4, "207", "");
    m = step(arena, &newer, m.record);
    assert_int_equal(m.verdict, ACCEPTED);
    assert_false(m.deleted);
    assert_int_equal(m.changed, BIT(GROUP) | BIT(DOSE) | BIT(PRODUCT));
    assert_string_equal(dose(&m)->lot_number, "");
}

static void test_retraction_before_its_event(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), r = retraction(&MOH, 20, 2);
    Merged m = step(arena, &r, NULL);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_true(m.store);
    assert_true(m.deleted);
    assert_int_equal(m.record->origins[0]->n_fields, 0);
    assert_int_equal(m.record->origins[0]->n_cleared, 7);
    assert_int_equal(step(arena, &a, m.record).verdict, SUPERSEDED);
}

static void test_weaker_retraction(void **state) {
    Said a = said(&MOH, 10, 1, "208", ""), b = said(&VSS, 5, 2, "", "L2"), r = retraction(&VSS, 20, 3);
    Merged m = step(arena, &a, NULL);
    m = step(arena, &b, m.record);
    assert_string_equal(dose(&m)->lot_number, "L2");
    m = step(arena, &r, m.record); // withdraws what VSS said, not what MOH did
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
    Merge merge = {rules, &MOH, arena};
    Merged m;
    assert_int_equal(reconcile(&merge, NULL, &event, &m), 0);
    assert_int_equal(m.record->n_origins, 2);
    assert_int_equal(m.record->origins[0]->authority, 5);
    assert_int_equal(m.record->origins[0]->n_fields, 1);
    assert_int_equal(m.record->origins[0]->fields[0], 7);
    assert_int_equal(m.record->origins[1]->authority, 1);
    assert_int_equal(m.record->origins[1]->n_fields, 3);
}

static void test_unreadable_record(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Merged m = step(arena, &a, NULL), ret;
    Merge merge = {rules, &MOH, arena};
    Dongbo__Record broken = *m.record;
    broken.body.len--;
    assert_int_equal(reconcile(&merge, &broken, event_of(&a), &ret), 1);
    m.record->origins[0]->event_id.len = 15;
    assert_int_equal(reconcile(&merge, m.record, event_of(&a), &ret), 1);
}

static void test_memory(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    for (size_t bytes = 16;; bytes += 16) {
        CLEANUP(arena_destroy) Arena *small = NULL;
        assert_int_equal(arena_new(&small, bytes), 0);
        Merge merge = {rules, &MOH, small};
        Merged m;
        int r = reconcile(&merge, NULL, event_of(&a), &m);
        if (r == 0)
            break;
        assert_int_equal(r, ERROR_MEMORY);
        assert_true(bytes < 4096);
    }
}

// ---- any order ----------------------------------------------------------------------------------------------------

static uint32_t seed;
static uint32_t next(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % below;
}

static Said random_event(uint8_t id) {
    static const Grants *const AGENCIES[] = {&MOH, &VSS, &OTHER, &ANOTHER};
    static const char *const PRODUCTS[] = {"", "207", "208"}, *const LOTS[] = {"", "L1", "L2"};
    const Grants *grants = AGENCIES[next(4)];
    int64_t time = 100 + next(3); // ties are the rule
    if (next(4) == 0)
        return retraction(grants, time, id);
    Said s = said(grants, time, id, PRODUCTS[next(3)], LOTS[next(3)]);
    s.body.status = next(2) ? "completed" : "";
    if (!*s.body.lot_number && next(2))
        s = clearing(s, LOT);
    if (!*s.body.product_code && next(2))
        s = clearing(s, PRODUCT);
    return s;
}

static size_t pack(const Dongbo__Record *record, uint8_t out[4096]) {
    if (!record)
        return 0;
    assert_true(dongbo__record__get_packed_size(record) <= 4096);
    return dongbo__record__pack(record, out);
}

// Reads back what would be stored, so that only stored bytes carry over from step to step.
static const Dongbo__Record *stored(const Merged *m, const Dongbo__Record *current) {
    if (!m->store || m->superseded)
        return current;
    uint8_t bytes[4096];
    size_t n = pack(m->record, bytes);
    const Dongbo__Record *record = dongbo__record__unpack(arena_protobuf(arena), n, bytes);
    assert_non_null(record);
    return record;
}

static const Dongbo__Record *run(Said *events, const int *order, int n) {
    const Dongbo__Record *current = NULL;
    for (int i = 0; i < n; i++) {
        Merged m = step(arena, &events[order[i]], current);
        bool was = current && !current->retracted;
        const Dongbo__Record *after = stored(&m, current);
        assert_int_equal(m.verdict == ACCEPTED && was && after->retracted, was && after && after->retracted);
        current = after;
        Merged again = step(arena, &events[order[i]], current);
        assert_int_equal(again.superseded, m.superseded);
        assert_true(m.superseded || (!again.store && again.verdict == UNCHANGED));
    }
    return current;
}

static int compare_orders(Said *events, int *order, int at, int n, const uint8_t *bytes, size_t n_bytes) {
    if (at == n) {
        uint8_t other[4096];
        size_t n_other = pack(run(events, order, n), other);
        arena_reset(arena);
        return n_other == n_bytes && memcmp(bytes, other, n_bytes) == 0 ? 0 : 1;
    }
    int different = 0;
    for (int i = at; i < n; i++) {
        int t = order[at];
        order[at] = order[i], order[i] = t;
        different |= compare_orders(events, order, at + 1, n, bytes, n_bytes);
        t = order[at];
        order[at] = order[i], order[i] = t;
    }
    return different;
}

static void test_any_order(void **state) {
    for (uint32_t round = 0; round < 300; round++) {
        seed = round;
        Said events[6];
        int n = 2 + (int)next(5), order[6] = {0, 1, 2, 3, 4, 5};
        for (int i = 0; i < n; i++)
            events[i] = random_event((uint8_t)(i + 1));
        uint8_t bytes[4096];
        size_t n_bytes = pack(run(events, order, n), bytes);
        if (compare_orders(events, order, 0, n, bytes, n_bytes))
            fail_msg("round %u: %d events end differently in another order", round, n);
    }
}

// ---- population
// ---------------------------------------------------------------------------------------------------

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

static Merged tell(Told *t, const Dongbo__Record *current) {
    static const Grants NPC = {.agency = 5, .code = "NPC"};
    Merge merge = {rules, &NPC, arena};
    Merged merged;
    t->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, t->id};
    t->event.cleared_fields = t->cleared;
    t->event.population = &t->body;
    assert_int_equal(reconcile(&merge, current, &t->event, &merged), 0);
    return merged;
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, new_arena, end_arena)
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
        TEST(test_unreadable_record),
        TEST(test_memory),
        TEST(test_number_that_only_names_yields_to_a_reissue),
        TEST(test_residence_is_said_whole),
        TEST(test_clearing_what_no_event_said_changes_the_person),
        TEST(test_any_order),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
