// SPDX-License-Identifier: Apache-2.0
//
// A work is decided as often as its databases make it necessary, in the memory of once, and always with the same end.
#include "broker/apply.h"
#include "broker/decide.h"
#include "broker/decide_whom.h"
#include "broker/entries.h"
#include "proto/base/error.h"
#include "work-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_EVENTS 200
#define ROUNDS 2000 // without rewinding the arena is full long before

typedef struct Case {
    Work *work;
    Agency agency;
    Dongbo__BatchHeader header;
    Dongbo__SealedBatch sealed;
    ProtobufCBinaryData events[N_EVENTS];
    uint8_t leaves[N_EVENTS * HASH_BYTES];
    uint8_t packed[N_EVENTS][300];
} Case;

static size_t pack_dose(size_t i, uint8_t *out) {
    Dose said;
    dose_make(&said);
    said.id[0] = (uint8_t)i;
    said.id[1] = 1;
    if (i % 10 == 0)
        said.subject.citizen_number = "001099000002"; // unknown
    if (i % 7 == 0)
        said.subject.sex = "female";
    said.body.dose_number = 1 + (uint32_t)i % 40;
    said.event.event_time_us = 1600000000000000 + (int64_t)(i * 7919 % 100);
    assert_true(dongbo__change_event__get_packed_size(&said.event) <= 300);
    return dongbo__change_event__pack(&said.event, out);
}

// Salts that are the same every time.
static int no_random(void *self, uint8_t *bytes, size_t n) {
    memset(bytes, 0x5A, n);
    return 0;
}

static int make(void **state) {
    static const Clock clock = {.random = no_random};
    Case *c = calloc(1, sizeof *c);
    assert_int_equal(work_new(&c->work), 0);
    segment_coder_destroy(&c->work->coder);
    assert_int_equal(segment_coder_new(&c->work->coder, &clock), 0);
    c->agency.grants = (Grants){.agency = 5, .code = "MOH", .domains = 1u << DONGBO__DOMAIN__HEALTH};
    dongbo__batch_header__init(&c->header);
    dongbo__sealed_batch__init(&c->sealed);
    static uint8_t root[HASH_BYTES];
    c->header.root = (ProtobufCBinaryData){.data = root, .len = sizeof root};
    c->header.count = N_EVENTS;
    c->sealed.events = c->events;
    c->sealed.n_events = N_EVENTS;
    for (size_t i = 0; i < N_EVENTS; i++)
        c->events[i] = (ProtobufCBinaryData){.data = c->packed[i], .len = pack_dose(i, c->packed[i])};
    Work *work = c->work;
    work->agency = &c->agency;
    work->first_sequence = 101;
    work->last_sequence = 100 + N_EVENTS;
    work->batch = (Batch){.header = &c->header, .sealed = &c->sealed, .leaves = c->leaves};
    DecideContext context = {.rules = rules, .now_us = NOW};
    assert_int_equal(decide_items(work), 0);
    assert_int_equal(decide_forms(&context, work), 0);
    work->decoded = true;
    work->mark = arena_mark(work->arena);
    *state = c;
    return 0;
}

static int unmake(void **state) {
    Case *c = *state;
    work_destroy(&c->work);
    free(c);
    return 0;
}

static void decide(Work *work) {
    work_decide(work, &AN, 1);
    assert_int_equal(entries_build(work), 0);
}

static void test_deciding_again_takes_no_more_memory(void **state) {
    Work *work = ((Case *)*state)->work;
    decide(work);
    size_t used = arena_used(work->arena);
    Bytes payload = {0}, records = {0}, exceptions = {0};
    bytes_append(&payload, work->packed.payload.data, work->packed.payload.n);
    bytes_append(&records, work->records.data, work->records.n);
    bytes_append(&exceptions, work->exceptions.data, work->exceptions.n);
    assert_true(records.n > 0 && exceptions.n > 0);
    assert_true(used * ROUNDS > 10 * (size_t)WORK_ARENA_BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        work->items[0].unknown_to_store = work->items[0].taken_in_store = true;
        work_rewind(work);
        assert_true(work->rewound);
        assert_false(work->items[0].unknown_to_store || work->items[0].taken_in_store);
        // Nothing points to what was given up.
        memset(arena_alloc(work->arena, 4096), 0xA5, 4096);
        arena_rewind(work->arena, &work->mark);
        decide(work);
        assert_int_equal(arena_used(work->arena), used);
    }
    assert_memory_equal(work->packed.payload.data, payload.data, payload.n);
    assert_memory_equal(work->records.data, records.data, records.n);
    assert_memory_equal(work->exceptions.data, exceptions.data, exceptions.n);
    bytes_free(&payload);
    bytes_free(&records);
    bytes_free(&exceptions);
}

// The population store took the third of these, or may have, and was not told of those behind it.
static void test_what_the_store_has_stays_decided(void **state) {
    Case *c = *state;
    Item *items = c->work->items;
    for (size_t i = 0; i < 6; i++)
        items[i].form = (Decision){.verdict = DONGBO__VERDICT__MISMATCH, .n_reasons = 3};
    for (size_t i = 0; i < 6; i++) {
        items[i].settled = true;
        items[i].unsettled_verdict = DONGBO__VERDICT__ACCEPTED;
        items[i].unsettled_reasons = i;
    }
    items[2].in_store = true;
    items[5].poisoned = true; // for ever
    apply_rewind(c->work);
    assert_true(c->work->rewound);
    for (size_t i = 0; i < 6; i++) {
        bool stays = i < 3 || i == 5;
        assert_int_equal(items[i].settled, i < 3);
        assert_int_equal(items[i].form.verdict, stays ? DONGBO__VERDICT__MISMATCH : DONGBO__VERDICT__ACCEPTED);
        assert_int_equal(items[i].form.n_reasons, stays ? 3 : i);
    }
}

// What is settled is not looked up again, and asked about all the same.
static void test_whose_numbers_were_is_forgotten(void **state) {
    Work *work = ((Case *)*state)->work;
    Item *item = &work->items[0];
    for (int i = 0; i < 2; i++) {
        Bearers *bearers = arena_zalloc(work->arena, sizeof *bearers);
        bearers_add(bearers, &(Bearer){.person = {.key = 1}});
        bearers_add(bearers, &(Bearer){.person = {.key = 2}});
        *(i == 0 ? &item->bearers : &item->insured) = bearers;
    }
    assert_true(decide_is_several(item));
    work_rewind(work);
    memset(arena_alloc(work->arena, 2 * sizeof(Bearers)), 0xA5, 2 * sizeof(Bearers));
    assert_null(item->insured);
    assert_false(decide_is_several(item));
}

static void test_giving_up_says_what_to_do(void **state) {
    Work *work = ((Case *)*state)->work;
    work_give_up(work, ERROR_MEMORY);
    assert_int_equal(work->outcome, OUTCOME_REFUSED);
    assert_int_equal(work->code, DONGBO__REFUSAL__CODE__TOO_BIG);
    work_give_up(work, ERROR_DATABASE);
    assert_int_equal(work->outcome, OUTCOME_ERROR);
    assert_int_equal(work->code, DONGBO__ERROR__CODE__INTERNAL);
    assert_non_null(strstr(work->text, "send it again"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deciding_again_takes_no_more_memory, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_the_store_has_stays_decided, make, unmake),
        cmocka_unit_test_setup_teardown(test_whose_numbers_were_is_forgotten, make, unmake),
        cmocka_unit_test_setup_teardown(test_giving_up_says_what_to_do, make, unmake),
    };
    return cmocka_run_group_tests(tests, work_rules_load, work_rules_free);
}
