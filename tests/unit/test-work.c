// SPDX-License-Identifier: Apache-2.0
//
// A work is decided as often as its databases make it necessary, in the memory of once, and always with the same end.
#include "broker/decide.h"
#include "broker/entries.h"
#include "proto/base/error.h"
#include "shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_EVENTS 200
#define ROUNDS 2000 // without rewinding the arena is full long before

static Rules *rules;
static const Person PERSON = {.key = 11,
                              .citizen_number = "001099000001",
                              .full_name = "Nguyễn Văn An",
                              .birth_date = "1999-01-02",
                              .sex = "male",
                              .residence_province = "01",
                              .residence_province63 = "01",
                              .died_on = ""};

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
    uint8_t id[EVENT_ID_BYTES] = {(uint8_t)i, 1};
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    subject.citizen_number = i % 10 == 0 ? "001099000002" : "001099000001"; // every tenth is unknown
    subject.full_name = "Nguyễn Văn An";
    subject.birth_date = "1999-01-02";
    subject.sex = i % 7 == 0 ? "female" : "male";
    Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    body.vaccine_group = "covid-19";
    body.dose_number = 1 + (uint32_t)i % 40;
    body.product_code = "EU/1/20/1528";
    body.occurrence_date = "2022-03-01";
    body.status = "completed";
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.event_id = (ProtobufCBinaryData){.data = id, .len = sizeof id};
    event.schema_version = 1;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = 1600000000000000 + (int64_t)(i * 7919 % 100);
    event.source_key = "row";
    event.subject = &subject;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    event.health = &body;
    assert_true(dongbo__change_event__get_packed_size(&event) <= 300);
    return dongbo__change_event__pack(&event, out);
}

static int make(void **state) {
    Case *c = calloc(1, sizeof *c);
    assert_int_equal(shipped_rules(&rules), 0);
    assert_int_equal(work_new(&c->work), 0);
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
    DecideContext context = {.rules = rules, .now_us = 1700000000000000};
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
    rules_destroy(&rules);
    return 0;
}

// As the broker does: persons are the arena's.
static void decide(Work *work) {
    DecideContext context = {.rules = rules, .now_us = 1700000000000000};
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!decide_wants_person(item) || strcmp(item->claimed_number, PERSON.citizen_number) != 0)
            continue;
        Person *person = arena_alloc(work->arena, sizeof *person);
        assert_non_null(person);
        *person = PERSON;
        item->person = person;
    }
    assert_int_equal(decide_persons(&context, work), 0);
    assert_int_equal(decide_records(&context, work), 0);
    assert_int_equal(entries_build(work), 0);
}

static void test_deciding_again_takes_no_more_memory(void **state) {
    Work *work = ((Case *)*state)->work;
    decide(work);
    size_t used = arena_used(work->arena);
    Bytes payload = {0}, records = {0}, exceptions = {0};
    bytes_append(&payload, work->payload.data, work->payload.n);
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
    assert_memory_equal(work->payload.data, payload.data, payload.n);
    assert_memory_equal(work->records.data, records.data, records.n);
    assert_memory_equal(work->exceptions.data, exceptions.data, exceptions.n);
    bytes_free(&payload);
    bytes_free(&records);
    bytes_free(&exceptions);
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
        cmocka_unit_test_setup_teardown(test_giving_up_says_what_to_do, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
