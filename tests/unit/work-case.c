// SPDX-License-Identifier: Apache-2.0
#include "work-case.h"
#include "shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

Rules *rules;
const Person AN = {.key = 11,
                   .citizen_number = "001099000001",
                   .full_name = "Nguyễn Văn An",
                   .birth_date = "1999-01-02",
                   .sex = "male",
                   .residence_province = "01",
                   .residence_province63 = "01",
                   .died_on = ""};

int work_rules_load(void **state) {
    return shipped_rules(&rules);
}

int work_rules_free(void **state) {
    rules_destroy(&rules);
    return 0;
}

void dose_make(Dose *dose) {
    *dose = (Dose){
        .event = DONGBO__CHANGE_EVENT__INIT, .subject = DONGBO__SUBJECT__INIT, .body = DONGBO__VACCINATION__INIT};
    dose->event.event_id = (ProtobufCBinaryData){.data = dose->id, .len = sizeof dose->id};
    dose->event.schema_version = 1;
    dose->event.operation = DONGBO__OPERATION__UPSERT;
    dose->event.event_time_us = NOW - 1000;
    dose->event.source_key = "row";
    dose->event.subject = &dose->subject;
    dose->event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    dose->event.health = &dose->body;
    dose->subject.citizen_number = (char *)AN.citizen_number;
    dose->subject.full_name = (char *)AN.full_name;
    dose->subject.birth_date = (char *)AN.birth_date;
    dose->subject.sex = (char *)AN.sex;
    dose->body.vaccine_group = "covid-19";
    dose->body.dose_number = 1;
    dose->body.product_code = "EU/1/20/1528";
    dose->body.occurrence_date = "2022-03-01";
    dose->body.status = "completed";
}

static void find_person(Work *work, Item *item, const Person *store, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!decide_wants_person(item) || strcmp(item->claimed_number, store[i].citizen_number) != 0)
            continue;
        Person *person = arena_alloc(work->arena, sizeof *person);
        assert_non_null(person);
        *person = store[i];
        item->person = person;
    }
}

void work_decide(Work *work, const Person *store, size_t n) {
    DecideContext context = {.rules = rules, .now_us = NOW};
    for (size_t i = 0; i < work->n_items; i++)
        find_person(work, &work->items[i], store, n);
    assert_int_equal(decide_persons(&context, work), 0);
    assert_int_equal(decide_records(&context, work), 0);
}

void work_end(Work *work) {
    segment_pack_free(&work->packed);
    bytes_free(&work->records);
    bytes_free(&work->exceptions);
    arena_destroy(&work->arena);
}
