// SPDX-License-Identifier: Apache-2.0
//
// A whole batch decided without any database: forms, persons, chains of events on one record, and what is packed of it.
#include "broker/decide.h"
#include "broker/entries.h"
#include "broker/review.h"
#include "broker/segment.h"
#include "proto/base/error.h"
#include "scratch.h"
#include "shipped.h"
#include "work-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EVENTS_MAX 16
#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define UNCHANGED DONGBO__VERDICT__UNCHANGED
#define SUPERSEDED DONGBO__VERDICT__SUPERSEDED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define DEFERRED DONGBO__VERDICT__DEFERRED
#define REJECTED DONGBO__VERDICT__REJECTED

typedef struct Case {
    Work work;
    Agency agency;
    Dongbo__BatchHeader header;
    Dongbo__SealedBatch sealed;
    ProtobufCBinaryData events[EVENTS_MAX];
    uint8_t leaves[EVENTS_MAX * HASH_BYTES];
} Case;

static int make(void **state) {
    Case *c = calloc(1, sizeof *c);
    assert_int_equal(arena_new(&c->work.arena, WORK_ARENA_BYTES), 0);
    c->agency.grants = (Grants){.agency = 5, .code = "MOH", .domains = 1u << DONGBO__DOMAIN__HEALTH};
    c->work.agency = &c->agency;
    c->work.first_sequence = 101;
    memset(c->work.stream, 7, STREAM_BYTES);
    dongbo__batch_header__init(&c->header);
    dongbo__sealed_batch__init(&c->sealed);
    static uint8_t root[HASH_BYTES];
    c->header.root = (ProtobufCBinaryData){.data = root, .len = sizeof root};
    c->sealed.events = c->events;
    for (size_t i = 0; i < sizeof c->leaves; i++)
        c->leaves[i] = (uint8_t)(i / HASH_BYTES);
    c->work.batch = (Batch){.header = &c->header, .sealed = &c->sealed, .leaves = c->leaves};
    *state = c;
    return 0;
}

static int unmake(void **state) {
    Case *c = *state;
    for (size_t i = 0; i < c->sealed.n_events; i++)
        free(c->events[i].data);
    work_end(&c->work);
    free(c);
    return 0;
}

static void add_bytes(Case *c, const void *data, size_t n) {
    ProtobufCBinaryData *event = &c->events[c->sealed.n_events++];
    event->data = malloc(n + 1);
    event->len = n;
    memcpy(event->data, data, n);
    c->header.count = (uint32_t)c->sealed.n_events;
    c->work.last_sequence = c->work.first_sequence + c->header.count - 1;
}

static void add_dose(Case *c, const char *number, const char *name, uint32_t dose, const char *lot, int64_t time) {
    Dose said;
    dose_make(&said);
    said.id[0] = (uint8_t)time;
    said.id[1] = (uint8_t)dose;
    said.subject.citizen_number = (char *)number;
    said.subject.full_name = (char *)name;
    said.body.dose_number = dose;
    said.body.lot_number = (char *)lot;
    said.body.facility_code = "01001";
    said.event.event_time_us = time;
    uint8_t packed[1024];
    add_bytes(c, packed, dongbo__change_event__pack(&said.event, packed));
}

static void add_an(Case *c, uint32_t dose, const char *lot, int64_t time) {
    add_dose(c, AN.citizen_number, AN.full_name, dose, lot, time);
}

// As the broker does, with An as the only person there is.
static void decide(Case *c) {
    DecideContext context = {.rules = rules, .now_us = NOW};
    Work *work = &c->work;
    if (work->items == NULL)
        assert_int_equal(decide_items(work), 0);
    assert_int_equal(decide_forms(&context, work), 0);
    work_decide(work, &AN, 1);
}

static void assert_verdicts(const Case *c, const int *verdicts) {
    for (size_t i = 0; i < c->work.n_items; i++)
        assert_int_equal(c->work.items[i].decision.verdict, verdicts[i]);
}

static void test_events_stand_on_those_before_them(void **state) {
    Case *c = *state;
    add_an(c, 1, "L1", 10);
    add_an(c, 1, "L3", 30);
    add_an(c, 1, "L2", 20);
    add_an(c, 1, "L3", 30);
    add_an(c, 2, "M1", 5);
    decide(c);
    assert_verdicts(c, (const int[]){ACCEPTED, ACCEPTED, SUPERSEDED, UNCHANGED, ACCEPTED});
    const Item *items = c->work.items;
    assert_null(items[0].onto);
    assert_ptr_equal(items[1].onto, items[0].merged.record);
    assert_ptr_equal(items[2].onto, items[1].merged.record);
    assert_ptr_equal(items[3].onto, items[1].merged.record); // a superseded version is nobody's ground
    assert_null(items[4].onto);
}

static void test_what_lost_is_kept_once(void **state) {
    Case *c = *state;
    add_an(c, 1, "L1", 10);
    add_an(c, 1, "L3", 30);
    add_an(c, 1, "L2", 20);
    add_an(c, 1, "L2", 20); // lost before
    add_an(c, 1, "L1", 10); // overwritten before
    add_an(c, 1, "L0", 5);
    decide(c);
    assert_true(decide_wants_repeats(&c->work));
    c->work.items[5].repeated = true; // as it was looked up
    decide_repeats(&c->work);
    assert_verdicts(c, (const int[]){ACCEPTED, ACCEPTED, SUPERSEDED, UNCHANGED, UNCHANGED, UNCHANGED});
    for (size_t i = 0; i < c->work.n_items; i++)
        assert_int_equal(c->work.items[i].merged.store, i < 3);
}

static void test_first_of_a_record_stands_on_what_was_read(void **state) {
    Case *c = *state;
    add_an(c, 1, "L9", 90);
    decide(c);
    const Dongbo__Record *stored = c->work.items[0].merged.record;
    static Case other;
    Case *next = &other;
    assert_int_equal(make((void **)&next), 0);
    add_an(next, 1, "L1", 10);
    add_an(next, 1, "L9", 90);
    decide(next);
    DecideContext context = {.rules = rules, .now_us = NOW};
    next->work.items[0].read = next->work.items[1].read = stored;
    assert_int_equal(decide_persons(&context, &next->work), 0);
    assert_int_equal(decide_records(&context, &next->work), 0);
    assert_verdicts(next, (const int[]){SUPERSEDED, UNCHANGED});
    unmake((void **)&next);
}

static void test_deciding_again_begins_anew(void **state) {
    Case *c = *state;
    add_an(c, 1, "L1", 10);
    add_an(c, 1, "L2", 20);
    decide(c);
    work_poison(&c->work.items[0]);
    DecideContext context = {.rules = rules, .now_us = NOW};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(decide_persons(&context, &c->work), 0);
        assert_int_equal(decide_records(&context, &c->work), 0);
        assert_verdicts(c, (const int[]){REJECTED, ACCEPTED});
        assert_int_equal(c->work.items[0].decision.n_reasons, 1);
        assert_null(c->work.items[1].onto); // nothing stands on the event that was refused
    }
}

static void test_each_bad_event_is_its_own(void **state) {
    Case *c = *state;
    static char big[EVENT_BYTES_MAX + 1];
    add_bytes(c, "\xff\xff", 2);
    add_bytes(c, "", 0);
    add_bytes(c, big, sizeof big);
    add_bytes(c, "\x32\x04\x0a\x02\xff\xfe", 6);
    add_an(c, 1, "L1", 10);
    add_dose(c, "001099000009", "Không Ai", 1, "L1", 10);
    add_dose(c, AN.citizen_number, "Ai Khác", 1, "L1", 10);
    decide(c);
    assert_verdicts(c, (const int[]){REJECTED, REJECTED, REJECTED, REJECTED, ACCEPTED, DEFERRED, MISMATCH});
    const int codes[] = {DONGBO__REASON_CODE__EVENT_UNREADABLE, DONGBO__REASON_CODE__EVENT_UNREADABLE,
                         DONGBO__REASON_CODE__EVENT_LIMITS, DONGBO__REASON_CODE__TEXT_INVALID};
    for (int i = 0; i < 4; i++)
        assert_int_equal(c->work.items[i].decision.reasons[0].code, codes[i]);
    for (size_t i = 0; i < c->work.n_items; i++)
        assert_int_equal(c->work.items[i].sequence, 101 + i);
}

static void test_unreadable_batch_rejects_its_whole_range(void **state) {
    Case *c = *state;
    c->work.unreadable = true;
    c->header.count = 3;
    c->work.batch.sealed = NULL;
    decide(c);
    assert_int_equal(c->work.n_items, 3);
    assert_verdicts(c, (const int[]){REJECTED, REJECTED, REJECTED});
    assert_int_equal(entries_build(&c->work), 0);
    assert_int_equal(c->work.n_exceptions, 3);
}

static void test_unknown_for_too_long_becomes_a_mismatch(void **state) {
    Case *c = *state;
    add_dose(c, "001099000009", "Không Ai", 1, "L1", 10);
    add_dose(c, "001099000008", "Không Ai", 1, "L1", 10);
    assert_int_equal(decide_items(&c->work), 0);
    c->work.kind = WORK_REDECIDE;
    c->work.items[0].expired = true;
    decide(c);
    assert_verdicts(c, (const int[]){MISMATCH, DEFERRED});
    assert_int_equal(entries_build(&c->work), 0);
    assert_int_equal(c->work.n_entries, 1); // the other has nothing new to say
    assert_int_equal(c->work.n_exceptions, 0);
}

// ---- who may be meant ----------------------------------------------------------------------------------------------

static void test_only_what_contradicts_is_searched(void **state) {
    Case *c = *state;
    add_an(c, 1, "L1", 10);
    add_dose(c, AN.citizen_number, "NGUYỄN VĂN AN", 2, "L1", 10); // the same name
    add_dose(c, AN.citizen_number, "Trần Thị Bưởi", 3, "L1", 10);
    add_dose(c, "123456789", AN.full_name, 4, "L1", 10);
    add_dose(c, "", AN.full_name, 5, "L1", 10);
    add_dose(c, "001099000009", AN.full_name, 6, "L1", 10);
    add_dose(c, "", "", 7, "L1", 10); // nothing to search by
    decide(c);
    const bool wanted[] = {false, false, true, true, true, true, false};
    for (size_t i = 0; i < c->work.n_items; i++)
        assert_int_equal(decide_wants_search(&c->work, &c->work.items[i]), wanted[i]);
    // What waits is not searched on every sweep, but when it has waited too long.
    DecideContext context = {.rules = rules, .now_us = NOW};
    c->work.kind = WORK_REDECIDE;
    assert_false(decide_wants_search(&c->work, &c->work.items[5]));
    c->work.items[5].expired = true;
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_true(decide_wants_search(&c->work, &c->work.items[5]));
}

static SearchAnswer found(int64_t person, uint32_t posterior, bool too_large) {
    return (SearchAnswer){.matches = {{.person = person, .citizen_number = "001099777777", .posterior = posterior}},
                          .n = person != 0,
                          .too_large = too_large};
}

// Item i, decided with this answer: the last reason, and the verdict.
static void assert_found(Case *c, size_t i, const SearchAnswer *answer, int verdict, int last_reason) {
    DecideContext context = {.rules = rules, .now_us = NOW};
    Item *item = &c->work.items[i];
    assert_int_equal(decide_persons(&context, &c->work), 0);
    item->found = answer;
    assert_int_equal(decide_found(&context, &c->work), 0);
    assert_int_equal(item->decision.verdict, verdict);
    assert_int_equal(item->decision.reasons[item->decision.n_reasons - 1].code, last_reason);
    assert_string_equal(item->decision.reasons[item->decision.n_reasons - 1].expected, ""); // nobody is named
    assert_ptr_equal(entries_found(item), answer);
}

static void test_what_was_found_accepts_nothing(void **state) {
    Case *c = *state;
    add_dose(c, "001099000009", AN.full_name, 1, "L1", 10);
    add_dose(c, "123456789", AN.full_name, 2, "L1", 10);
    add_dose(c, AN.citizen_number, "Trần Thị Bưởi", 3, "L1", 10);
    decide(c);
    const int not_found = DONGBO__REASON_CODE__NOT_FOUND, format = DONGBO__REASON_CODE__ID_FORMAT,
              differs = DONGBO__REASON_CODE__NAME_DIFFERS, known = DONGBO__REASON_CODE__PERSON_KNOWN,
              possible = DONGBO__REASON_CODE__PERSON_POSSIBLE, common = DONGBO__REASON_CODE__PERSON_TOO_COMMON;
    const SearchAnswer sure = found(77, SEARCH_SURE, false), doubtful = found(77, SEARCH_SURE - 1, false),
                       large = found(77, SEARCH_ONE, true), none = found(0, 0, false),
                       own = found(AN.key, SEARCH_ONE, false);
    assert_found(c, 0, &sure, MISMATCH, known);
    assert_found(c, 0, &doubtful, DEFERRED, not_found);
    assert_found(c, 0, &large, DEFERRED, not_found);
    assert_found(c, 0, &none, DEFERRED, not_found);
    assert_found(c, 1, &sure, MISMATCH, known);
    assert_found(c, 1, &doubtful, MISMATCH, possible);
    assert_found(c, 1, &large, MISMATCH, common);
    assert_found(c, 1, &none, MISMATCH, format);
    assert_found(c, 2, &sure, MISMATCH, known);
    assert_found(c, 2, &own, MISMATCH, differs); // the number is right
}

// What An's events without a usable number say, and who is found.
static Rules *load_lenient(void) {
    Rules *lenient = NULL;
    char directory[SCRATCH_BYTES];
    scratch_make(directory);
    scratch_copy_schemas(directory);
    scratch_write(directory, "rules/search.yaml",
                  "default: {number_missing: review, number_malformed: review}\n"
                  "agencies:\n  - {agency: MOH, number_missing: accept, number_malformed: accept}\n"
                  "  - {agency: VSS, number_missing: accept}\n");
    scratch_write(directory, "rules/names.yaml",
                  "default: {accents_lost: accept, middle: review, order: review, spaces: review, spelling: review}\n");
    assert_int_equal(rules_load(&lenient, directory), 0);
    scratch_remove(directory);
    return lenient;
}

static SearchAnswer found_an(void) {
    SearchAnswer answer = found(AN.key, SEARCH_SURE, false);
    answer.person = AN;
    return answer;
}

// Decides all anew with this answer for each, as the broker does.
static void decide_again(Case *c, const Rules *by, const SearchAnswer *answer) {
    DecideContext context = {.rules = by, .now_us = NOW};
    assert_int_equal(decide_persons(&context, &c->work), 0);
    for (size_t i = 0; i < c->work.n_items; i++)
        c->work.items[i].found = decide_wants_search(&c->work, &c->work.items[i]) ? answer : NULL;
    assert_int_equal(decide_found(&context, &c->work), 0);
    assert_int_equal(decide_records(&context, &c->work), 0);
}

static void test_a_sure_person_is_adopted_by_policy(void **state) {
    Case *c = *state;
    CLEANUP(rules_destroy) Rules *lenient = load_lenient();
    const SearchAnswer an = found_an();
    add_dose(c, "", AN.full_name, 1, "L1", 10);
    add_dose(c, "12345678X", AN.full_name, 2, "L1", 10);
    add_dose(c, "", "NGUYEN VAN AN", 3, "L1", 10);
    add_dose(c, "001099000009", AN.full_name, 4, "L1", 10);       // a number like any other: nobody has it
    add_dose(c, AN.citizen_number, "Trần Thị Bưởi", 5, "L1", 10); // or somebody else
    add_dose(c, "", "Nguyễn An", 6, "L1", 10);                    // another's name, perhaps
    decide(c);
    decide_again(c, rules, &an);
    assert_verdicts(c, (const int[]){MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH});
    decide_again(c, lenient, &an);
    assert_verdicts(c, (const int[]){ACCEPTED, ACCEPTED, ACCEPTED, MISMATCH, MISMATCH, MISMATCH});
    const Item *items = c->work.items;
    assert_int_equal(items[0].decision.n_reasons, 2);
    assert_int_equal(items[0].decision.reasons[0].code, DONGBO__REASON_CODE__ID_MISSING);
    assert_int_equal(items[1].decision.reasons[0].code, DONGBO__REASON_CODE__ID_FORMAT);
    assert_int_equal(items[1].decision.reasons[1].code, DONGBO__REASON_CODE__PERSON_FOUND);
    assert_string_equal(items[1].decision.reasons[1].expected, "");
    assert_int_equal(items[2].decision.reasons[2].code, DONGBO__REASON_CODE__NAME_ACCENTS_LOST);
    assert_true(item_is_adopted(&items[0]) && items[0].person->key == AN.key && !item_is_adopted(&items[5]));
    // Who is told numbers is told this one.
    static const char *const TOLD[] = {"subject.citizen_number"};
    c->agency.grants.told_fields = TOLD;
    c->agency.grants.n_told = 1;
    decide_again(c, lenient, &an);
    assert_string_equal(items[1].decision.reasons[1].expected, AN.citizen_number);
    // Another agency's malformed numbers are not made up for; and what was adopted before is not kept.
    c->agency.grants.code = "VSS";
    decide_again(c, lenient, &an);
    assert_verdicts(c, (const int[]){ACCEPTED, MISMATCH, ACCEPTED, MISMATCH, MISMATCH, MISMATCH});
    assert_null(items[1].person);
    assert_int_equal(items[1].record_hash, 0);
}

static void test_whom_a_number_leads_to_since_goes_before(void **state) {
    Case *c = *state;
    CLEANUP(rules_destroy) Rules *lenient = load_lenient();
    const SearchAnswer an = found_an();
    Person bearer = AN;
    bearer.by_alias = true;
    add_dose(c, "123456789", AN.full_name, 1, "L1", 10);
    decide(c);
    decide_again(c, lenient, &an);
    assert_true(item_is_adopted(c->work.items));
    c->work.items[0].person = &bearer; // as it is looked up anew
    decide_again(c, lenient, &an);
    assert_ptr_equal(c->work.items[0].person, &bearer);
    assert_int_equal(c->work.items[0].decision.reasons[0].code, DONGBO__REASON_CODE__ID_NOT_CURRENT);
}

static void test_nothing_less_than_sure_is_adopted(void **state) {
    Case *c = *state;
    CLEANUP(rules_destroy) Rules *lenient = load_lenient();
    add_dose(c, "01099000001", AN.full_name, 1, "L1", 10);
    decide(c);
    SearchAnswer sure = found_an(), doubtful = sure, large = sure, other = sure, dead = sure, born = sure;
    decide_again(c, lenient, &sure);
    assert_verdicts(c, (const int[]){ACCEPTED});
    doubtful.matches[0].posterior = SEARCH_SURE - 1;
    large.too_large = true;
    other.matches[0].level[SEARCH_NUMBER] = SEARCH_ELSE; // a digit more away
    dead.person.died_on = "2021-12-31";
    born.person.birth_date = "1999-02-01";
    const SearchAnswer *not_enough[] = {&doubtful, &large, &other, &dead, &born};
    for (size_t i = 0; i < sizeof not_enough / sizeof *not_enough; i++) {
        decide_again(c, lenient, not_enough[i]);
        assert_verdicts(c, (const int[]){MISMATCH});
        assert_null(c->work.items[0].person);
        assert_int_equal(c->work.items[0].decision.reasons[0].code, DONGBO__REASON_CODE__ID_FORMAT);
        assert_int_equal(c->work.items[0].decision.n_reasons, 2); // as if nobody had thought of accepting
    }
}

// An event about him by his number and one without stand on one record, and the log says by what he was found.
static void test_what_is_adopted_is_his(void **state) {
    Case *c = *state;
    CLEANUP(rules_destroy) Rules *lenient = load_lenient();
    SearchAnswer an = found_an();
    an.matches[0].bits = 24000;
    an.model = 3;
    add_an(c, 1, "L1", 10);
    add_dose(c, "", AN.full_name, 1, "L2", 20);
    decide(c);
    decide_again(c, lenient, &an);
    assert_verdicts(c, (const int[]){ACCEPTED, ACCEPTED});
    assert_ptr_equal(c->work.items[1].onto, c->work.items[0].merged.record);
    assert_int_equal(entries_build(&c->work), 0);
    assert_int_equal(c->work.n_records, 2);
    assert_int_equal(c->work.n_exceptions, 0);
    const Dongbo__Entry *entry = c->work.entries[1];
    assert_int_equal(entry->person, AN.key);
    assert_string_equal(entry->citizen_number, AN.citizen_number);
    assert_string_equal(entry->province_after, "01");
    assert_true(entry->body.len > 0);
    assert_int_equal(entry->found->posterior, SEARCH_SURE);
    assert_int_equal(entry->found->bits, 24000);
    assert_int_equal(entry->found->model, 3);
    assert_null(c->work.entries[0]->found);
}

// ---- population ----------------------------------------------------------------------------------------------------

static void add_change(Case *c, const char *kind, const char *number, const char *name, const char *birth) {
    uint8_t id[EVENT_ID_BYTES] = {(uint8_t)c->sealed.n_events, 1};
    Dongbo__PopulationChange body = DONGBO__POPULATION_CHANGE__INIT;
    body.kind = (char *)kind;
    body.citizen_number = (char *)number;
    body.full_name = (char *)name;
    body.birth_date = (char *)birth;
    body.sex = "male";
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.event_id = (ProtobufCBinaryData){.data = id, .len = sizeof id};
    event.schema_version = 1;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = 10 + (int64_t)c->sealed.n_events;
    event.source_key = "row";
    event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    event.population = &body;
    uint8_t packed[1024];
    add_bytes(c, packed, dongbo__change_event__pack(&event, packed));
    c->agency.grants.domains = 1u << DONGBO__DOMAIN__POPULATION;
}

static void test_changes_of_nobody_known_wait(void **state) {
    Case *c = *state;
    add_change(c, "correction", "001099000009", "Không Ai", "1999-01-02");
    add_change(c, "registered", "001099000008", "Không Ai", "1999-01-02");
    add_change(c, "correction", AN.citizen_number, "Nguyễn Văn Ân", "");
    add_change(c, "correction", AN.citizen_number, "Nguyễn Văn An", "");
    decide(c);
    assert_verdicts(c, (const int[]){DEFERRED, ACCEPTED, ACCEPTED, ACCEPTED});
    DecideContext context = {.rules = rules, .now_us = NOW};
    Item *items = c->work.items;
    items[2].unknown_to_store = items[3].unknown_to_store = items[3].taken_in_store = true; // its own word on it
    items[0].expired = true;
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_int_equal(decide_records(&context, &c->work), 0);
    assert_verdicts(c, (const int[]){MISMATCH, ACCEPTED, DEFERRED, DEFERRED});
    assert_int_equal(items[0].decision.reasons[0].code, DONGBO__REASON_CODE__NOT_FOUND);
    assert_int_equal(items[2].decision.reasons[0].code, DONGBO__REASON_CODE__NOT_FOUND);
    assert_int_equal(items[3].decision.reasons[0].code, DONGBO__REASON_CODE__NUMBER_TAKEN);
}

static void test_somebody_else_under_a_replaced_number(void **state) {
    Case *c = *state;
    add_change(c, "registered", AN.citizen_number, "Trần Văn Hoà", "1999-05-06");
    add_change(c, "registered", AN.citizen_number, "Trần Văn Hoà", "1999");
    add_change(c, "registered", AN.citizen_number, "nguyen van an", "1999-05-06");
    decide(c);
    assert_verdicts(c, (const int[]){ACCEPTED, ACCEPTED, ACCEPTED});
    Person replaced = AN;
    replaced.by_alias = true;
    for (size_t i = 0; i < 3; i++)
        c->work.items[i].person = &replaced;
    DecideContext context = {.rules = rules, .now_us = NOW};
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_int_equal(decide_records(&context, &c->work), 0);
    assert_verdicts(c, (const int[]){MISMATCH, ACCEPTED, ACCEPTED});
    assert_false(c->work.items[0].merged.store);
    assert_null(c->work.items[1].onto);
    c->work.items[0].settled = true; // it was applied before the person went by another number
    assert_int_equal(decide_persons(&context, &c->work), 0);
    assert_int_equal(decide_records(&context, &c->work), 0);
    assert_verdicts(c, (const int[]){ACCEPTED, ACCEPTED, ACCEPTED});
}

// ---- what is packed -----------------------------------------------------------------------------------------------

static uint64_t position_at(const Bytes *rows, uint32_t at) {
    uint64_t position = 0;
    for (int i = 0; i < 8; i++)
        position = position << 8 | rows->data[at + (uint32_t)i];
    return position;
}

static void test_rows_are_sorted_and_placed(void **state) {
    Case *c = *state;
    add_an(c, 3, "L1", 10);
    add_dose(c, "001099000009", "Không Ai", 1, "L1", 10);
    add_an(c, 1, "L1", 10);
    add_an(c, 3, "L2", 20);
    add_dose(c, AN.citizen_number, "Ai Khác", 1, "L1", 10);
    decide(c);
    Work *work = &c->work;
    assert_int_equal(entries_build(work), 0);
    entries_place(work, 5000);
    assert_int_equal(work->n_entries, 5);
    assert_int_equal(work->first_position, 5000);
    assert_int_equal(work->last_position, 5004);
    assert_int_equal(work->n_records, 3);
    const uint64_t records[] = {5002, 5000, 5003}; // dose 1, then the two of dose 3 in their order
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(position_at(&work->records, work->record_at[i]), records[i]);
    assert_int_equal(work->n_exceptions, 2);
    assert_int_equal(position_at(&work->exceptions, work->exception_at[0]), 5001);
    assert_int_equal(position_at(&work->exceptions, work->exception_at[1]), 5004);
    assert_int_equal(work->items[4].position, 5004);
    assert_int_equal(work->record_start[0], 0);
    assert_true(work->record_start[1] < work->record_at[1]);
}

static void test_payload_holds_what_feeds_need(void **state) {
    Case *c = *state;
    add_an(c, 1, "L1", 10);
    add_dose(c, AN.citizen_number, "Ai Khác", 1, "L1", 10);
    decide(c);
    assert_int_equal(entries_build(&c->work), 0);
    Dongbo__SegmentPayload *payload = NULL;
    assert_int_equal(segment_decode_payload(c->work.packed.payload.data, c->work.packed.payload.n, SEGMENT_FORMAT,
                                            c->work.arena, &payload),
                     0);
    assert_int_equal(payload->n_entries, 2);
    const Dongbo__Entry *taken = payload->entries[0], *refused = payload->entries[1];
    assert_int_equal(taken->person, AN.key);
    assert_string_equal(taken->province_after, "01");
    assert_int_equal(taken->n_changed_fields, 7);
    assert_true(taken->body.len > 0);
    assert_int_equal(taken->agency, 5);
    assert_int_equal(refused->person, 0);
    assert_int_equal(refused->body.len, 0);
    assert_int_equal(refused->reasons[0]->code, DONGBO__REASON_CODE__NAME_DIFFERS);
    Dongbo__SegmentSummary *summary = NULL;
    assert_int_equal(segment_decode_summary(c->work.packed.summary.data, c->work.packed.summary.n, SEGMENT_FORMAT,
                                            c->work.arena, &summary),
                     0);
    assert_string_equal(summary->lines[0]->citizen_masked, "001*******01");
    assert_int_equal(summary->lines[1]->leaf.data[0], 1);
}

// ---- beside other records -------------------------------------------------------------------------------------------

static void decide_beside(Case *c, const DecideContext *context) {
    Work *work = &c->work;
    if (work->items == NULL)
        assert_int_equal(decide_items(work), 0);
    assert_int_equal(decide_forms(context, work), 0);
    for (size_t i = 0; i < work->n_items; i++)
        work->items[i].person = &AN;
    assert_int_equal(decide_persons(context, work), 0);
    assert_int_equal(decide_hoods(context, work), 0);
    assert_int_equal(decide_records(context, work), 0);
}

// All on one day: each dose comes too soon after the one before it, if that is there.
static void test_what_a_rule_does_not_let_pass_is_not_there(void **state) {
    static const Review looked_at = {.action = REVIEW_ACCEPT, .citizen_number = ""};
    static const struct {
        int rule;
        const Review *review;
        int verdicts[3];
    } CASES[] = {
        {ACCEPTED, NULL, {ACCEPTED, ACCEPTED, ACCEPTED}},       {MISMATCH, NULL, {ACCEPTED, MISMATCH, ACCEPTED}},
        {REJECTED, NULL, {ACCEPTED, REJECTED, ACCEPTED}},       {MISMATCH, &looked_at, {ACCEPTED, ACCEPTED, ACCEPTED}},
        {REJECTED, &looked_at, {ACCEPTED, REJECTED, ACCEPTED}},
    };
    Case *c = *state;
    CLEANUP(rules_destroy) Rules *strict = NULL;
    assert_int_equal(shipped_rules(&strict), 0);
    const DomainRules *health = rules_domain(strict, DONGBO__DOMAIN__HEALTH);
    const DecideContext context = {.rules = strict, .now_us = NOW};
    for (uint32_t dose = 1; dose <= 3; dose++)
        add_an(c, dose, "L", 10 * dose);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        for (size_t j = 0; j < health->n_beside; j++)
            ((Rule *)&health->beside[j])->verdict = CASES[i].rule;
        c->work.review = CASES[i].review;
        decide_beside(c, &context);
        assert_verdicts(c, CASES[i].verdicts);
        for (int n = 0; n < 3; n++) {
            const Item *item = &c->work.items[n];
            bool told = n == 1 || (n == 2 && CASES[i].verdicts[1] == ACCEPTED);
            assert_int_equal(item->decision.n_reasons - item->reasons_before, told);
            assert_int_equal(item->merged.store, CASES[i].verdicts[n] == ACCEPTED);
        }
    }
}

static void come_beside(Case *c, int64_t position, char *date) {
    Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    body.vaccine_group = "covid-19";
    body.dose_number = 1;
    body.occurrence_date = date;
    uint8_t packed[128], bytes[256];
    Dongbo__Record record = DONGBO__RECORD__INIT;
    record.body = (ProtobufCBinaryData){dongbo__vaccination__pack(&body, packed), packed};
    NeighbourVersion version = {{AN.key, "covid-19\0371"}, position, bytes, dongbo__record__pack(&record, bytes)};
    assert_int_equal(neighbourhood_add(c->work.items[0].hood, c->work.arena, &version), 0);
}

static void test_a_decision_stands_unless_what_moved_says_otherwise(void **state) {
    Case *c = *state;
    const DecideContext context = {.rules = rules, .now_us = NOW};
    add_an(c, 2, "L", 10);
    decide_beside(c, &context);
    come_beside(c, 5, "2021-12-01");
    assert_true(decide_stands(&context, &c->work, &c->work.items[0]));
    come_beside(c, 6, "2022-02-28");
    assert_false(decide_stands(&context, &c->work, &c->work.items[0]));
    assert_int_equal(decide_records(&context, &c->work), 0);
    assert_int_equal(c->work.items[0].decision.reasons[0].code, DONGBO__REASON_CODE__DOSE_TOO_SOON);
    assert_true(decide_stands(&context, &c->work, &c->work.items[0]));
    c->work.items[0].hood->items = 2; // another event of the batch may have had to do with it
    assert_false(decide_stands(&context, &c->work, &c->work.items[0]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_events_stand_on_those_before_them),
        TEST(test_what_lost_is_kept_once),
        TEST(test_first_of_a_record_stands_on_what_was_read),
        TEST(test_deciding_again_begins_anew),
        TEST(test_each_bad_event_is_its_own),
        TEST(test_unreadable_batch_rejects_its_whole_range),
        TEST(test_unknown_for_too_long_becomes_a_mismatch),
        TEST(test_only_what_contradicts_is_searched),
        TEST(test_what_was_found_accepts_nothing),
        TEST(test_a_sure_person_is_adopted_by_policy),
        TEST(test_whom_a_number_leads_to_since_goes_before),
        TEST(test_nothing_less_than_sure_is_adopted),
        TEST(test_what_is_adopted_is_his),
        TEST(test_changes_of_nobody_known_wait),
        TEST(test_somebody_else_under_a_replaced_number),
        TEST(test_what_a_rule_does_not_let_pass_is_not_there),
        TEST(test_a_decision_stands_unless_what_moved_says_otherwise),
        TEST(test_rows_are_sorted_and_placed),
        TEST(test_payload_holds_what_feeds_need),
    };
    return cmocka_run_group_tests(tests, work_rules_load, work_rules_free);
}
