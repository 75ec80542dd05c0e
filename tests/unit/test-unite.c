// SPDX-License-Identifier: Apache-2.0
//
// Two persons' records of one dose become one: byte for byte what it would be if all events had been about one person.
#include "dose-case.h"

#include "broker/unite.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static Unite both(const Dongbo__Record *into, const Dongbo__Record *coming) {
    return (Unite){
        .rules = rules_domain(rules, DONGBO__DOMAIN__HEALTH), .arena = arena, .into = into, .coming = coming};
}

static Merged united(const Dongbo__Record *into, const Dongbo__Record *coming) {
    Unite u = both(into, coming);
    Merged m;
    assert_int_equal(unite(&u, &m), 0);
    assert_int_equal(m.store, m.won != 0);
    assert_int_equal(m.verdict == ACCEPTED, m.changed != 0);
    return m;
}

static const Dongbo__Vaccination *dose(const Merged *merged) {
    return (const Dongbo__Vaccination *)merged->body;
}

static void test_into_nothing(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Merged one = step(&a, NULL), m = united(NULL, one.record);
    assert_int_equal(m.changed, BIT(GROUP) | BIT(DOSE) | BIT(PRODUCT) | BIT(LOT));
    assert_false(m.deleted);
    uint8_t was[PACKED_BYTES], is[PACKED_BYTES];
    size_t n = pack_record(one.record, was);
    assert_int_equal(pack_record(m.record, is), n);
    assert_memory_equal(was, is, n);
}

static void test_each_field_is_the_greater_ones(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "", "L2"), c = said(&VSS, 30, 3, "207", "");
    Merged stays = step(&a, NULL), goes = step(&b, NULL);
    goes = step(&c, goes.record);
    Merged m = united(stays.record, goes.record);
    assert_int_equal(m.changed, BIT(LOT));
    assert_string_equal(dose(&m)->product_code, "208"); // the ministry's word weighs more
    assert_string_equal(dose(&m)->lot_number, "L2");
}

static void test_nothing_new(void **state) {
    Said a = said(&MOH, 20, 1, "208", "L1"), b = said(&MOH, 10, 2, "207", "L2");
    Merged stays = step(&a, NULL), goes = step(&b, NULL), m = united(stays.record, goes.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_false(m.store);
    assert_string_equal(dose(&m)->lot_number, "L1");
    // The same values by a later word: stored, and new to nobody.
    Said c = said(&MOH, 30, 3, "208", "L1");
    goes = step(&c, NULL);
    m = united(stays.record, goes.record);
    assert_int_equal(m.verdict, UNCHANGED);
    assert_true(m.store);
}

static void test_as_if_all_were_said_of_one(void **state) {
    for (uint32_t round = 0; round < 2000; round++) {
        seed = round;
        const Dongbo__Record *one = NULL, *stays = NULL, *goes = NULL;
        Said events[6]; // records point to their ids
        for (uint8_t i = 0; i < 6; i++) {
            events[i] = random_event(i + 1);
            Merged m = step(&events[i], one);
            one = m.store && !m.superseded ? m.record : one;
            const Dongbo__Record **side = next(2) ? &stays : &goes;
            m = step(&events[i], *side);
            *side = m.store && !m.superseded ? m.record : *side;
        }
        if (!goes)
            continue;
        Merged m = united(stays, goes);
        uint8_t expected[PACKED_BYTES], is[PACKED_BYTES];
        size_t n = pack_record(one, expected), n_is = pack_record(m.store ? m.record : stays, is);
        if (n != n_is || memcmp(expected, is, n) != 0)
            fail_msg("round %u: two persons' records become another than one person's", round);
        assert_int_equal(m.deleted, one->retracted);
        bool was = stays && !stays->retracted;
        assert_int_equal(m.changed & BIT(GROUP), was == one->retracted ? BIT(GROUP) : 0);
        arena_reset(arena);
    }
}

static void test_leaving(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Merged goes = step(&a, NULL), m;
    uint8_t id[EVENT_ID_BYTES] = {9};
    Dongbo__Origin by = DONGBO__ORIGIN__INIT;
    by.event_id = (ProtobufCBinaryData){sizeof id, id};
    Unite u = both(NULL, goes.record);
    assert_int_equal(unite_leave(&u, &by, &m), 0);
    assert_true(m.deleted && m.store && m.record->retracted);
    assert_int_equal(m.changed, BIT(GROUP) | BIT(DOSE));
    assert_int_equal(dose(&m)->dose_number, 1);
    assert_string_equal(dose(&m)->lot_number, "");
    assert_int_equal(m.record->n_origins, 1);
    assert_int_equal(m.record->origins[0]->n_cleared, 7);
}

static void test_unreadable(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Merged one = step(&a, NULL), m;
    Dongbo__Origin by = DONGBO__ORIGIN__INIT;
    Dongbo__Record broken = *one.record;
    broken.body.len--;
    Unite u = both(one.record, &broken);
    assert_int_equal(unite(&u, &m), 1);
    assert_int_equal(unite_leave(&u, &by, &m), 0); // it goes all the same
    assert_true(m.record->retracted);
    u = both(&RECONCILE_UNREADABLE, one.record);
    assert_int_equal(unite(&u, &m), 1);
}

static void test_memory(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "207", "");
    Merged stays = step(&a, NULL), goes = step(&b, NULL);
    for (size_t bytes = 16;; bytes += 16) {
        CLEANUP(arena_destroy) Arena *small = NULL;
        assert_int_equal(arena_new(&small, bytes), 0);
        Unite u = both(stays.record, goes.record);
        u.arena = small;
        Merged m;
        int r = unite(&u, &m);
        if (r == 0)
            break;
        assert_int_equal(r, ERROR_MEMORY);
        assert_true(bytes < 8192);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_into_nothing, dose_arena_new, dose_arena_end),
        cmocka_unit_test_setup_teardown(test_each_field_is_the_greater_ones, dose_arena_new, dose_arena_end),
        cmocka_unit_test_setup_teardown(test_nothing_new, dose_arena_new, dose_arena_end),
        cmocka_unit_test_setup_teardown(test_as_if_all_were_said_of_one, dose_arena_new, dose_arena_end),
        cmocka_unit_test_setup_teardown(test_leaving, dose_arena_new, dose_arena_end),
        cmocka_unit_test_setup_teardown(test_unreadable, dose_arena_new, dose_arena_end),
        cmocka_unit_test_setup_teardown(test_memory, dose_arena_new, dose_arena_end),
    };
    return cmocka_run_group_tests(tests, dose_setup, dose_teardown);
}
