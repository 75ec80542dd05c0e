// SPDX-License-Identifier: Apache-2.0
//
// Two events of one batch, from their bytes to what is stored and fed of them: forms, the person, the record, the log's
// entry, a subscription's record of it. The first byte says what the agency may say and whether its number is known.
//
// What must hold: the same decision twice; what is stored can be read again, and sent; two events on one record make
// the same record in whatever order they come.
#include "broker/decide.h"
#include "broker/entries.h"
#include "broker/project.h"
#include "broker/segment.h"
#include "proto/check.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Rules *rules;
static Projector *projector;
static PolicyVersion all; // everything is granted

static const Person AN = {.key = 11,
                          .citizen_number = FUZZ_NUMBER,
                          .full_name = FUZZ_NAME,
                          .birth_date = FUZZ_BIRTH,
                          .sex = "male",
                          .residence_province = "01",
                          .residence_province63 = "01",
                          .died_on = ""};
static const Person GONE = {.key = 12,
                            .citizen_number = FUZZ_NUMBER,
                            .full_name = FUZZ_NAME,
                            .birth_date = FUZZ_BIRTH,
                            .sex = "male",
                            .residence_province = "79",
                            .residence_province63 = "79",
                            .died_on = "2021-01-01"};
enum { NO_PERSON = 1, DEAD = 2, FEW_DOMAINS = 4, FEW_PROVINCES = 8, TOLD = 16 };
static const char *const PROVINCES[] = {"01"}, *const TOLD_FIELDS[] = {"subject.full_name", "subject.birth_date"};

static void begin(void) {
    char path[4096];
    static const uint8_t SECRET[32] = {1};
    snprintf(path, sizeof path, "%s/schemas", fuzz_source());
    FUZZ_ASSERT(rules_load(&rules, path) == 0 && projector_new(&projector, SECRET) == 0);
    all = (PolicyVersion){.version = 1,
                          .valid_from = INT32_MIN,
                          .valid_to = INT32_MAX,
                          .domains = 0xFE,
                          .changes = POLICY_CHANGES_ALL,
                          .any_province = true,
                          .citizen_number = true,
                          .person_id = true};
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        all.fields[domain] = UINT32_MAX;
}

// ---- a batch of two ----

typedef struct Case {
    Work *work;
    Agency agency;
    Dongbo__BatchHeader header;
    Dongbo__SealedBatch sealed;
    ProtobufCBinaryData events[2];
    uint8_t leaves[2 * HASH_BYTES], root[HASH_BYTES];
} Case;

static void make(Case *c, Work *work, unsigned flags) {
    work_reset(work);
    c->work = work;
    dongbo__batch_header__init(&c->header);
    dongbo__sealed_batch__init(&c->sealed);
    memset(c->leaves, 3, sizeof c->leaves);
    memset(c->root, 4, sizeof c->root);
    c->header.root = (ProtobufCBinaryData){sizeof c->root, c->root};
    c->header.count = 2;
    c->sealed.n_events = 2;
    c->sealed.events = c->events;
    c->agency.grants = (Grants){.agency = 5,
                                .code = "MOH",
                                .domains = flags & FEW_DOMAINS ? 1u << DONGBO__DOMAIN__HEALTH : 0xFEu,
                                .provinces = PROVINCES,
                                .n_provinces = flags & FEW_PROVINCES ? 1 : 0,
                                .told_fields = TOLD_FIELDS,
                                .n_told = flags & TOLD ? 2 : 0};
    work->agency = &c->agency;
    work->first_sequence = 1;
    work->last_sequence = 2;
    work->batch = (Batch){.header = &c->header, .sealed = &c->sealed, .leaves = c->leaves};
}

static void decide(Work *work, unsigned flags) {
    DecideContext context = {.rules = rules, .now_us = FUZZ_NOW};
    FUZZ_ASSERT(decide_items(work) == 0 && decide_forms(&context, work) == 0);
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!(flags & NO_PERSON) && decide_wants_person(item) && strcmp(item->claimed_number, FUZZ_NUMBER) == 0)
            item->person = flags & DEAD ? &GONE : &AN;
    }
    FUZZ_ASSERT(decide_persons(&context, work) == 0 && decide_found(&context, work) == 0);
    FUZZ_ASSERT(decide_hoods(&context, work) == 0 && decide_records(&context, work) == 0);
    FUZZ_ASSERT(entries_build(work) == 0);
}

// ---- what must hold ----

static void check_item(const Item *item, const ProtobufCBinaryData *event) {
    const Decision *decision = &item->decision;
    FUZZ_ASSERT(decision->verdict >= DONGBO__VERDICT__ACCEPTED && decision->verdict <= DONGBO__VERDICT__REJECTED);
    FUZZ_ASSERT(decision->n_reasons <= REASONS_MAX);
    FUZZ_ASSERT(decision->verdict < DONGBO__VERDICT__MISMATCH || decision->n_reasons > 0);
    FUZZ_ASSERT(strlen(item->record_key) <= RECORD_KEY_BYTES_MAX || decision->verdict == DONGBO__VERDICT__REJECTED);
    bool readable =
        check_message(&dongbo__change_event__descriptor, &CHECK_EVENT, event->data, event->len, NULL) == 0 &&
        event->len <= EVENT_BYTES_MAX;
    FUZZ_ASSERT(readable || decision->verdict == DONGBO__VERDICT__REJECTED);
}

static void feed(const Dongbo__Entry *entry) {
    Bytes out = {0};
    if (policy_admits(&all, entry, 8000) != POLICY_NOT) {
        Projection projection = {
            .version = &all, .entry = entry, .passage = POLICY_STAYS, .position = 2, .previous = 1, .agency = "MOH"};
        int r = projector_append(projector, &projection, &out);
        FUZZ_ASSERT(r == 0 || r == 1);
        FUZZ_ASSERT(r == 1 || check_message(&dongbo__feed_record__descriptor, &CHECK_WIRE, out.data, out.n, NULL) == 0);
    }
    bytes_free(&out);
}

static void check_stored(const Work *work) {
    static Arena *arena;
    if (arena == NULL)
        FUZZ_ASSERT(arena_new(&arena, WORK_ARENA_BYTES) == 0);
    arena_reset(arena);
    Dongbo__SegmentPayload *payload;
    Dongbo__SegmentSummary *summary;
    FUZZ_ASSERT(segment_decode_payload(work->packed.payload.data, work->packed.payload.n, SEGMENT_FORMAT, arena,
                                       &payload) == 0);
    FUZZ_ASSERT(segment_decode_summary(work->packed.summary.data, work->packed.summary.n, SEGMENT_FORMAT, arena,
                                       &summary) == 0);
    FUZZ_ASSERT(payload->n_entries == work->n_entries && summary->n_lines == work->n_entries);
    for (size_t i = 0; i < payload->n_entries; i++) {
        FUZZ_ASSERT(fuzz_same(&payload->entries[i]->base, &work->entries[i]->base));
        feed(payload->entries[i]);
    }
}

static void check_same(const Work *a, const Work *b) {
    FUZZ_ASSERT(a->n_entries == b->n_entries);
    for (size_t i = 0; i < a->n_entries; i++)
        FUZZ_ASSERT(fuzz_same(&a->entries[i]->base, &b->entries[i]->base));
    FUZZ_ASSERT(a->records.n == b->records.n &&
                (a->records.n == 0 || memcmp(a->records.data, b->records.data, a->records.n) == 0));
}

// The record that two events make, one merged after the other. False where one was not merged.
static bool merge_both(const Case *c, const Dongbo__ChangeEvent *first, const Dongbo__ChangeEvent *second,
                       Merged *ret) {
    Merge merge = {.rules = rules, .grants = &c->agency.grants, .arena = c->work->arena};
    Merged one;
    if (reconcile(&merge, NULL, first, &one) != 0 || !one.store)
        return false;
    FUZZ_ASSERT(reconcile(&merge, one.record, second, ret) == 0);
    if (!ret->store || ret->superseded)
        ret->record = one.record;
    return true;
}

// Without what the version keeps of the event that lost: that is of the version, not of the record.
static bool same_record(const Dongbo__Record *a, const Dongbo__Record *b) {
    return a->retracted == b->retracted && a->body.len == b->body.len &&
           (a->body.len == 0 || memcmp(a->body.data, b->body.data, a->body.len) == 0);
}

static void check_order(const Case *c) {
    const Item *a = &c->work->items[0], *b = &c->work->items[1];
    bool both = a->person != NULL && a->person == b->person && a->domain == b->domain && a->record_key[0] != 0 &&
                strcmp(a->record_key, b->record_key) == 0 && a->decision.verdict <= DONGBO__VERDICT__SUPERSEDED &&
                b->decision.verdict <= DONGBO__VERDICT__SUPERSEDED;
    if (!both || memcmp(a->event->event_id.data, b->event->event_id.data, EVENT_ID_BYTES) == 0)
        return;
    Merged forth, back;
    if (merge_both(c, a->event, b->event, &forth) && merge_both(c, b->event, a->event, &back))
        FUZZ_ASSERT(same_record(forth.record, back.record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static Work *works[2];
    if (rules == NULL) {
        begin();
        FUZZ_ASSERT(work_new(&works[0]) == 0 && work_new(&works[1]) == 0);
    }
    FuzzInput input = {data, data + n};
    unsigned flags = fuzz_byte(&input);
    ProtobufCBinaryData first = fuzz_piece(&input), second = {(size_t)(input.end - input.at), (uint8_t *)input.at};
    Case cases[2];
    for (int i = 0; i < 2; i++) {
        cases[i] = (Case){.events = {first, second}};
        make(&cases[i], works[i], flags);
        decide(works[i], flags);
    }
    check_item(&works[0]->items[0], &first);
    check_item(&works[0]->items[1], &second);
    check_same(works[0], works[1]);
    check_stored(works[0]);
    check_order(&cases[0]);
    return 0;
}

void fuzz_seeds(void) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        for (unsigned flags = 0; flags < 32; flags = flags * 2 + 1) {
            Bytes first = {0}, out = {0};
            char name[64];
            fuzz_event(domain, 1, &first);
            bytes_append_u8(&out, (uint8_t)(flags ^ NO_PERSON ^ (flags == 0)));
            fuzz_piece_put(&out, first.data, first.n);
            fuzz_event(domain, 2, &out);
            snprintf(name, sizeof name, "%s-%u", domain_name(domain), flags);
            fuzz_seed(name, out.data, out.n);
            bytes_free(&first);
            bytes_free(&out);
        }
    }
}
