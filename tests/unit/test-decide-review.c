// SPDX-License-Identifier: Apache-2.0
//
// What an officer decides of an event: their word against the comparison, and what their word does not reach.
#include "broker/decide.h"
#include "broker/decide_standing.h"
#include "broker/entries.h"
#include "broker/segment.h"
#include "work-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define UNCHANGED DONGBO__VERDICT__UNCHANGED
#define REJECTED DONGBO__VERDICT__REJECTED
#define CODE(name) DONGBO__REASON_CODE__##name

static const char *const TOLD[] = {"subject.citizen_number"};
static const Person DEAD = {.key = 12,
                            .citizen_number = "001099000002",
                            .full_name = "Trần Văn Bình",
                            .birth_date = "1999-01-02",
                            .sex = "male",
                            .residence_province = "79",
                            .residence_province63 = "79",
                            .died_on = "2021-01-01"};

// One event in a work of its own, as the re-decider has it.
typedef struct Case {
    Work work;
    Agency agency;
    Review review;
    Dose said;
    Dongbo__PopulationChange change;
    uint8_t leaf[HASH_BYTES];
    uint8_t packed[1024];
} Case;

static int make(void **state) {
    Case *c = calloc(1, sizeof *c);
    assert_int_equal(arena_new(&c->work.arena, WORK_ARENA_BYTES), 0);
    c->agency.grants = (Grants){
        .agency = 5, .code = "MOH", .domains = 1u << DONGBO__DOMAIN__HEALTH | 1u << DONGBO__DOMAIN__POPULATION};
    c->work.kind = WORK_REDECIDE;
    c->work.agency = &c->agency;
    c->work.review = &c->review;
    c->review = (Review){.decision = 3, .review_case = 7, .citizen_number = "", .officer = "lan", .why = "she called"};
    dose_make(&c->said);
    c->said.subject.full_name = "Lê Thị Khác";
    dongbo__population_change__init(&c->change);
    *state = c;
    return 0;
}

static int unmake(void **state) {
    Case *c = *state;
    work_end(&c->work);
    free(c);
    return 0;
}

static Item *decide(Case *c, ReviewAction action, const char *number) {
    DecideContext context = {.rules = rules, .now_us = NOW};
    Work *work = &c->work;
    c->review.action = action;
    c->review.citizen_number = number;
    work->n_items = 1;
    work->items = decide_items_new(work, 1);
    Item *item = work->items;
    item->bytes =
        (ProtobufCBinaryData){.data = c->packed, .len = dongbo__change_event__pack(&c->said.event, c->packed)};
    item->leaf = c->leaf;
    item->sequence = 9;
    item->exception = 7;
    assert_int_equal(decide_forms(&context, work), 0);
    work_decide(work, (const Person[]){AN, DEAD}, 2);
    return item;
}

static bool says(const Item *item, int code) {
    for (size_t i = 0; i < item->decision.n_reasons; i++) {
        if (item->decision.reasons[i].code == code)
            return true;
    }
    return false;
}

static void assert_barred(Case *c, const char *expected) {
    char why[REVIEW_TEXT_BYTES];
    assert_true(review_is_barred(&c->work, why));
    assert_non_null(strstr(why, expected));
    assert_null(strstr(why, AN.citizen_number));
}

static void assert_decided(Case *c, const char *expected) {
    char text[REVIEW_TEXT_BYTES];
    assert_false(review_is_barred(&c->work, text));
    review_outcome(&c->work, text);
    assert_string_equal(text, expected);
}

static void test_accept_stands_above_the_comparison(void **state) {
    Case *c = *state;
    Item *item = decide(c, REVIEW_ACCEPT, "");
    assert_int_equal(item->decision.verdict, ACCEPTED);
    assert_int_equal(item->decision.reasons[0].code, CODE(REVIEW_ACCEPTED));
    assert_true(says(item, CODE(NAME_DIFFERS)));
    assert_int_equal(item->person->key, AN.key);
    assert_string_equal(item->province_after, "01");
    assert_false(decide_wants_search(&c->work, item));
    assert_decided(c, "1 ACCEPTED");
}

static void test_accept_needs_a_bearer(void **state) {
    Case *c = *state;
    c->said.subject.citizen_number = "001099000009";
    decide(c, REVIEW_ACCEPT, "");
    assert_barred(c, "nobody has the number that the event says");
    c->said.subject.citizen_number = "";
    decide(c, REVIEW_ACCEPT, "");
    assert_barred(c, "nobody has the number that the event says");
}

static void test_link_takes_the_person_whom_the_officer_names(void **state) {
    Case *c = *state;
    c->said.subject.citizen_number = "12345"; // of no form: only a person can tell
    Item *item = decide(c, REVIEW_LINK, AN.citizen_number);
    assert_int_equal(item->decision.verdict, ACCEPTED);
    assert_int_equal(item->decision.n_reasons, 1);
    assert_int_equal(item->decision.reasons[0].code, CODE(REVIEW_LINKED));
    assert_string_equal(item->decision.reasons[0].expected, "");
    assert_int_equal(item->person->key, AN.key);
    c->agency.grants.told_fields = TOLD;
    c->agency.grants.n_told = 1;
    item = decide(c, REVIEW_LINK, AN.citizen_number);
    assert_string_equal(item->decision.reasons[0].expected, AN.citizen_number);
}

static void test_link_to_nobody_fails(void **state) {
    Case *c = *state;
    decide(c, REVIEW_LINK, "001099000009");
    assert_barred(c, "nobody has the number 001*******09");
}

static void test_the_domains_rules_hold_for_officers_too(void **state) {
    Case *c = *state;
    c->said.body.occurrence_date = "1998-12-31";
    decide(c, REVIEW_ACCEPT, "");
    assert_barred(c, "DATE_BEFORE_BIRTH at occurrence_date: ");
    assert_int_equal(c->work.items->record_hash, 0);
    c->said.body.occurrence_date = "2022-03-01"; // is for a reviewer, by the domain's rules
    Item *item = decide(c, REVIEW_LINK, DEAD.citizen_number);
    assert_int_equal(item->decision.verdict, ACCEPTED);
    assert_decided(c, "1 ACCEPTED");
    c->said.body.status = "?"; // nor what the event says of itself
    decide(c, REVIEW_ACCEPT, "");
    assert_barred(c, "CODE_UNKNOWN at status: ");
    c->said.body.status = "completed";
    c->agency.grants.domains = 0;
    decide(c, REVIEW_ACCEPT, "");
    assert_barred(c, "NOT_GRANTED: ");
}

static void test_refuse_is_possible_of_anything_and_keeps_the_reasons(void **state) {
    Case *c = *state;
    c->said.body.occurrence_date = "1998-12-31";
    Item *item = decide(c, REVIEW_REFUSE, "");
    assert_int_equal(item->decision.verdict, REJECTED);
    assert_int_equal(item->decision.reasons[0].code, CODE(REVIEW_REFUSED));
    assert_true(says(item, CODE(NAME_DIFFERS)));
    assert_decided(c, "1 REJECTED");
    c->said.subject.citizen_number = "";
    item = decide(c, REVIEW_REFUSE, "");
    assert_true(says(item, CODE(ID_MISSING)));
    assert_decided(c, "1 REJECTED");
}

static void test_refusing_what_is_held_tells_nothing(void **state) {
    Case *c = *state;
    Item *item = decide(c, REVIEW_REFUSE, "");
    assert_true(says(item, CODE(NAME_DIFFERS)));
    item->held = true;
    DecideContext context = {.rules = rules, .now_us = NOW};
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_int_equal(item->decision.verdict, REJECTED);
    assert_int_equal(item->decision.n_reasons, 1);
    assert_int_equal(item->decision.reasons[0].code, CODE(REVIEW_REFUSED));
}

static Item *decide_held(Case *c, ReviewAction action, const char *number) {
    Item *item = decide(c, action, number);
    item->held = true;
    DecideContext context = {.rules = rules, .now_us = NOW};
    assert_int_equal(decide_persons(&context, &c->work), 0);
    return item;
}

static void test_accepting_what_is_held_takes_what_agrees(void **state) {
    Case *c = *state;
    Item *item = decide_held(c, REVIEW_ACCEPT, "");
    assert_int_equal(item->decision.verdict, REJECTED);
    assert_int_equal(item->decision.n_reasons, 1); // not what differs
    assert_int_equal(item->decision.reasons[0].code, CODE(REVIEW_REFUSED));
    assert_decided(c, "1 REJECTED");
    c->said.subject.full_name = (char *)AN.full_name;
    item = decide_held(c, REVIEW_ACCEPT, "");
    assert_int_equal(item->decision.verdict, ACCEPTED);
    decide_held(c, REVIEW_LINK, AN.citizen_number);
    assert_barred(c, "what is held is about the number's bearer");
}

static void test_a_population_event_is_only_refused(void **state) {
    Case *c = *state;
    c->said.event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    c->said.event.population = &c->change;
    c->change.kind = "move";
    c->change.residence_province = "01";
    decide(c, REVIEW_ACCEPT, "");
    assert_barred(c, "a population event changes the store itself");
    decide(c, REVIEW_LINK, AN.citizen_number);
    assert_barred(c, "a population event changes the store itself");
    decide(c, REVIEW_REFUSE, "");
    assert_decided(c, "1 REJECTED");
}

static void test_many_reasons_leave_room_for_the_officers(void **state) {
    Case *c = *state;
    c->work.review = NULL;
    Item *item = decide(c, REVIEW_ACCEPT, "");
    c->work.review = &c->review;
    while (item->form.n_reasons < REASONS_MAX)
        decision_add(&item->form, DONGBO__VERDICT__ACCEPTED, CODE(NAME_CASE), "subject.full_name", "");
    DecideContext context = {.rules = rules, .now_us = NOW};
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_int_equal(item->decision.n_reasons, REASONS_MAX);
    assert_int_equal(item->decision.reasons[0].code, CODE(REVIEW_ACCEPTED));
}

static void test_the_entry_says_who_and_the_payload_why(void **state) {
    Case *c = *state;
    Work *work = &c->work;
    decide(c, REVIEW_ACCEPT, "");
    assert_int_equal(entries_build(work), 0);
    assert_int_equal(work->n_entries, 1);
    assert_int_equal(work->n_records, 1);
    assert_int_equal(work->n_exceptions, 0);
    Dongbo__SegmentPayload *payload = NULL;
    Dongbo__SegmentSummary *summary = NULL;
    assert_int_equal(segment_decode_payload(work->packed.payload.data, work->packed.payload.n, SEGMENT_FORMAT,
                                            work->arena, &payload),
                     0);
    assert_int_equal(segment_decode_summary(work->packed.summary.data, work->packed.summary.n, SEGMENT_FORMAT,
                                            work->arena, &summary),
                     0);
    const Dongbo__Entry *entry = payload->entries[0];
    assert_int_equal(entry->kind, DONGBO__ENTRY_KIND__ENTRY_DECISION);
    assert_string_equal(entry->decided_by, "lan");
    assert_string_equal(entry->why, "she called");
    assert_string_equal(entry->citizen_number, AN.citizen_number);
    assert_true(entry->body.len > 0);
    assert_string_equal(summary->lines[0]->decided_by, "lan");
    assert_string_equal(summary->lines[0]->text, "");
}

// ---- what stands in a record ---------------------------------------------------------------------------------------

static const Dongbo__Entry *entry_of(Case *c) {
    Dongbo__SegmentPayload *payload = NULL;
    assert_int_equal(entries_build(&c->work), 0);
    assert_int_equal(c->work.n_entries, 1);
    assert_int_equal(segment_decode_payload(c->work.packed.payload.data, c->work.packed.payload.n, SEGMENT_FORMAT,
                                            c->work.arena, &payload),
                     0);
    return payload->entries[0];
}

// The event as one that went into the record of this person before; `stands`: and is in it still.
static Item *stand(Case *c, const Person *person, bool stands) {
    DecideContext context = {.rules = rules, .now_us = NOW};
    Merge merge = {.rules = rules, .grants = &c->agency.grants, .arena = c->work.arena};
    const Dongbo__Record **versions = arena_zalloc(c->work.arena, sizeof *versions);
    Merged before;
    Dose *other = arena_alloc(c->work.arena, sizeof *other);
    dose_make(other);
    other->id[0] = 7;
    other->event.event_time_us++;
    assert_int_equal(reconcile(&merge, NULL, stands ? &c->said.event : &other->event, &before), 0);
    versions[0] = before.record;
    c->work.n_items = 1;
    Item *item = c->work.items = decide_items_new(&c->work, 1);
    item->bytes =
        (ProtobufCBinaryData){.data = c->packed, .len = dongbo__change_event__pack(&c->said.event, c->packed)};
    item->leaf = c->leaf;
    item->sequence = 9;
    item->stands = person->key;
    item->person = person;
    item->read = versions[0];
    item->versions = versions;
    item->n_versions = 1;
    assert_int_equal(decide_forms(&context, &c->work), 0);
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_int_equal(decide_records(&context, &c->work), 0);
    return item;
}

static void test_what_stands_is_held_against_the_life_alone(void **state) {
    Case *c = *state;
    c->work.kind = WORK_JUDGE;
    c->work.review = NULL;
    Item *item = stand(c, &DEAD, true); // and not against the name, which is another
    assert_int_equal(item->decision.verdict, DONGBO__VERDICT__MISMATCH);
    assert_int_equal(item->decision.n_reasons, 1);
    assert_int_equal(item->decision.reasons[0].code, CODE(DEAD_AT_EVENT));
    assert_true(item->has_case_key);
    const Dongbo__Entry *entry = entry_of(c);
    assert_int_equal(c->work.n_exceptions, 1);
    assert_int_equal(c->work.n_records, 0);
    assert_int_equal(entry->kind, DONGBO__ENTRY_KIND__ENTRY_DECISION);
    assert_int_equal(entry->person, DEAD.key);
    assert_int_equal(entry->body.len, 0);
    stand(c, &AN, true); // who lives
    assert_int_equal(entries_build(&c->work), 0);
    assert_int_equal(c->work.n_entries, 0);
    stand(c, &DEAD, false); // what was said since stands in its place
    assert_int_equal(entries_build(&c->work), 0);
    assert_int_equal(c->work.n_entries, 0);
    c->said.body.occurrence_date = "1998-12-31"; // before birth, which is no news
    stand(c, &DEAD, true);
    assert_int_equal(entries_build(&c->work), 0);
    assert_int_equal(c->work.n_entries, 0);
}

static void test_accepted_it_stays_and_refused_it_goes(void **state) {
    Case *c = *state;
    c->review.action = REVIEW_ACCEPT;
    stand(c, &DEAD, true);
    assert_decided(c, "1 UNCHANGED");
    assert_int_equal(entry_of(c)->reasons[0]->code, CODE(REVIEW_ACCEPTED));
    assert_int_equal(c->work.n_records, 0);
    c->review.action = REVIEW_REFUSE;
    stand(c, &DEAD, true);
    assert_decided(c, "1 REJECTED");
    const Dongbo__Entry *entry = entry_of(c);
    assert_true(entry->deleted && entry->n_changed_fields > 0);
    assert_int_equal(entry->person, DEAD.key);
    assert_int_equal(c->work.n_records, 1);
}

static void test_what_is_linked_leaves_by_an_entry_of_its_own(void **state) {
    Case *c = *state;
    c->review.action = REVIEW_LINK;
    c->review.citizen_number = AN.citizen_number;
    stand(c, &DEAD, true)->leaves = true;
    DecideContext context = {.rules = rules, .now_us = NOW};
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_int_equal(decide_records(&context, &c->work), 0);
    const Dongbo__Entry *entry = entry_of(c);
    assert_int_equal(entry->kind, DONGBO__ENTRY_KIND__ENTRY_MERGER);
    assert_int_equal(entry->verdict, ACCEPTED);
    assert_true(entry->deleted);
    assert_decided(c, ""); // that is no decision
}

// Its person is being merged into another: the word is still in the record that is on its way.
static void test_what_stands_with_who_has_gone_waits(void **state) {
    Case *c = *state;
    const ReviewAction actions[] = {REVIEW_REFUSE, REVIEW_ACCEPT};
    for (size_t i = 0; i < 2; i++) {
        char why[REVIEW_TEXT_BYTES];
        c->review.action = actions[i];
        stand(c, &DEAD, true)->person = NULL;
        decide_put_off(&c->work);
        assert_int_equal(entries_build(&c->work), 0);
        assert_int_equal(c->work.n_entries, 0);
        assert_false(review_is_barred(&c->work, why));
    }
    Item items[3] = {[0] = *stand(c, &DEAD, true)};
    items[0].person = NULL;
    items[0].leaves = true;
    items[2] = items[1] = items[0];
    items[1].stands = items[2].stands = 0;
    items[1].leaves = items[2].leaves = false;
    c->work.items = items;
    c->work.n_items = 3;
    decide_put_off(&c->work);
    assert_true(items[0].dropped && items[1].dropped);
    assert_false(items[2].dropped);
    c->work.n_items = 0;
}

static void test_what_was_decided_is_counted(void **state) {
    Case *c = *state;
    Item items[4] = {{.decision.verdict = ACCEPTED},
                     {.decision.verdict = UNCHANGED},
                     {.decision.verdict = ACCEPTED},
                     {.decision.verdict = REJECTED, .dropped = true}};
    c->work.items = items;
    c->work.n_items = 4;
    assert_decided(c, "2 ACCEPTED, 1 UNCHANGED");
    c->work.items = NULL;
    c->work.n_items = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accept_stands_above_the_comparison, make, unmake),
        cmocka_unit_test_setup_teardown(test_accept_needs_a_bearer, make, unmake),
        cmocka_unit_test_setup_teardown(test_link_takes_the_person_whom_the_officer_names, make, unmake),
        cmocka_unit_test_setup_teardown(test_link_to_nobody_fails, make, unmake),
        cmocka_unit_test_setup_teardown(test_the_domains_rules_hold_for_officers_too, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_stands_is_held_against_the_life_alone, make, unmake),
        cmocka_unit_test_setup_teardown(test_accepted_it_stays_and_refused_it_goes, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_is_linked_leaves_by_an_entry_of_its_own, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_stands_with_who_has_gone_waits, make, unmake),
        cmocka_unit_test_setup_teardown(test_refuse_is_possible_of_anything_and_keeps_the_reasons, make, unmake),
        cmocka_unit_test_setup_teardown(test_refusing_what_is_held_tells_nothing, make, unmake),
        cmocka_unit_test_setup_teardown(test_accepting_what_is_held_takes_what_agrees, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_population_event_is_only_refused, make, unmake),
        cmocka_unit_test_setup_teardown(test_many_reasons_leave_room_for_the_officers, make, unmake),
        cmocka_unit_test_setup_teardown(test_the_entry_says_who_and_the_payload_why, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_was_decided_is_counted, make, unmake),
    };
    return cmocka_run_group_tests(tests, work_rules_load, work_rules_free);
}
