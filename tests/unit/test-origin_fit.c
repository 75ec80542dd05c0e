// SPDX-License-Identifier: Apache-2.0
//
// Whatever agencies say of a record, in whatever order, each version that the exchange tells of it goes with the event
// that made it: or a receiver would refuse what is true.
#include "proto/domain.h"
#include "proto/origin.h"
#include "tests/unit/dose-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define EVENTS 6
#define ROUNDS 5000
#define NUMBER "001099012345"

// How often a version was told, and one that ends its record, and one with fields that another event said.
typedef struct Seen {
    unsigned told, ends, others;
} Seen;

static void message_pack(const ProtobufCMessage *message, ProtobufCBinaryData *ret) {
    ret->len = protobuf_c_message_get_packed_size(message);
    ret->data = arena_alloc(arena, ret->len + 1);
    assert_non_null(ret->data);
    protobuf_c_message_pack(message, ret->data);
}

static void fit(Said *s, const Merged *merged, Seen *seen) {
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    Dongbo__OriginProof proof = DONGBO__ORIGIN_PROOF__INIT;
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    uint32_t changed[DOMAIN_FIELDS_MAX];
    Dongbo__ChangeEvent event = *event_of(s);
    OriginFit found;
    subject.citizen_number = record.citizen_number = (char *)NUMBER;
    event.subject = &subject;
    message_pack(&event.base, &proof.event);
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.event_time_us = event.event_time_us;
    record.change = merged->deleted ? DONGBO__CHANGE_KIND__CHANGE_DELETE : DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    record.changed_fields = changed;
    for (uint32_t number = 1; number <= DOMAIN_FIELDS_MAX; number++)
        if (merged->changed & BIT(number))
            changed[record.n_changed_fields++] = number;
    if (!merged->deleted)
        record.body = merged->record->body;
    origin_fit(&proof, &record, arena, &found);
    if (found.wrong)
        fail_msg("seed %u: %s", seed, found.wrong);
    seen->told++;
    seen->ends += merged->deleted;
    seen->others += found.others != 0;
}

static void test_what_is_true_is_taken(void **state) {
    Seen seen = {0};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const Dongbo__Record *current = NULL;
        seed = round;
        arena_reset(arena);
        for (uint8_t i = 0; i < EVENTS; i++) {
            Said s = random_event((uint8_t)(i + 1));
            Merged merged = step(&s, current);
            if (merged.verdict == ACCEPTED)
                fit(&s, &merged, &seen);
            if (merged.store && !merged.superseded)
                current = read_back(merged.record);
        }
    }
    assert_true(seen.told > ROUNDS && seen.ends > ROUNDS / 10 && seen.others > ROUNDS / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_true_is_taken, dose_arena_new, dose_arena_end)};
    return cmocka_run_group_tests(tests, dose_setup, dose_teardown);
}
