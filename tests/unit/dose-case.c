// SPDX-License-Identifier: Apache-2.0
#include "dose-case.h"
#include "shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

Rules *rules;
Arena *arena;
uint32_t seed;
const Grants MOH = {.agency = 1, .code = "MOH"}, VSS = {.agency = 2, .code = "VSS"},
             OTHER = {.agency = 3, .code = "OTHER"}, ANOTHER = {.agency = 4, .code = "ANOTHER"};

int dose_setup(void **state) {
    return shipped_rules(&rules);
}

int dose_teardown(void **state) {
    rules_destroy(&rules);
    return 0;
}

int dose_arena_new(void **state) {
    return arena_new(&arena, BATCH_ARENA_BYTES);
}

int dose_arena_end(void **state) {
    arena_destroy(&arena);
    return 0;
}

Said said(const Grants *grants, int64_t time, uint8_t id, const char *product, const char *lot) {
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

Said clearing(Said s, uint32_t field) {
    s.cleared[s.event.n_cleared_fields++] = field;
    return s;
}

Said correction(Said s) {
    s.event.operation = DONGBO__OPERATION__CORRECT;
    return s;
}

Said retraction(const Grants *grants, int64_t time, uint8_t id) {
    Said s = said(grants, time, id, "", "");
    s.event.operation = DONGBO__OPERATION__RETRACT;
    return s;
}

// Pointers into the Said itself, set late so that it can be copied before.
const Dongbo__ChangeEvent *event_of(Said *s) {
    s->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, s->id};
    s->event.cleared_fields = s->cleared;
    s->event.health = &s->body;
    return &s->event;
}

Merged step(Said *s, const Dongbo__Record *current) {
    Merge merge = {rules, s->grants, arena, 0};
    Merged merged;
    assert_int_equal(reconcile(&merge, current, event_of(s), &merged), 0);
    assert_int_equal(merged.store, merged.record != NULL);
    assert_true(merged.store || merged.verdict == UNCHANGED);
    assert_int_equal(merged.superseded, merged.verdict == SUPERSEDED);
    assert_int_equal(merged.verdict == ACCEPTED, merged.changed != 0);
    return merged;
}

const Dongbo__Record *read_back(const Dongbo__Record *record) {
    uint8_t bytes[PACKED_BYTES];
    if (!record)
        return NULL;
    assert_true(dongbo__record__get_packed_size(record) <= sizeof bytes);
    const Dongbo__Record *read =
        dongbo__record__unpack(arena_protobuf(arena), dongbo__record__pack(record, bytes), bytes);
    assert_non_null(read);
    return read;
}

size_t pack_record(const Dongbo__Record *record, uint8_t out[PACKED_BYTES]) {
    if (!record)
        return 0;
    Dongbo__Record bare = *record;
    bare.lost = NULL;
    assert_true(dongbo__record__get_packed_size(&bare) <= PACKED_BYTES);
    return dongbo__record__pack(&bare, out);
}

uint32_t next(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % below;
}

Said random_event(uint8_t id) {
    static const Grants *const AGENCIES[] = {&MOH, &VSS, &OTHER, &ANOTHER};
    static const char *const PRODUCTS[] = {"", "207", "208"}, *const LOTS[] = {"", "L1", "L2"};
    const Grants *grants = AGENCIES[next(4)];
    int64_t time = 100 + next(3);
    if (next(4) == 0)
        return retraction(grants, time, id);
    Said s = said(grants, time, id, PRODUCTS[next(3)], LOTS[next(3)]);
    s.body.status = next(2) ? "completed" : "";
    if (!*s.body.lot_number && next(2))
        s = clearing(s, LOT);
    if (!*s.body.product_code && next(2))
        s = clearing(s, PRODUCT);
    return next(4) == 0 ? correction(s) : s;
}

static void swap(int *a, int *b) {
    int was = *a;
    *a = *b, *b = was;
}

bool next_order(int *order, int n) {
    int at = n - 2, with = n - 1;
    while (at >= 0 && order[at] > order[at + 1])
        at--;
    if (at < 0)
        return false;
    while (order[with] < order[at])
        with--;
    swap(&order[at], &order[with]);
    for (int first = at + 1, last = n - 1; first < last; first++, last--)
        swap(&order[first], &order[last]);
    return true;
}
