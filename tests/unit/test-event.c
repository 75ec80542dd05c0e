// SPDX-License-Identifier: Apache-2.0
//
// An event's id follows from agency, source key and content, and from nothing else.
#include "proto/base/error.h"
#include "proto/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

typedef struct Fixture {
    Merkle *merkle;
    Bytes scratch;
} Fixture;

static Fixture fixture;

static int setup(void **state) {
    return merkle_new(&fixture.merkle);
}

static int teardown(void **state) {
    merkle_destroy(&fixture.merkle);
    bytes_free(&fixture.scratch);
    return 0;
}

static void identify(Dongbo__ChangeEvent *event, const char *agency, uint8_t id[EVENT_ID_BYTES]) {
    event_identify(event, agency, fixture.merkle, &fixture.scratch, id);
    assert_int_equal(event->event_id.len, EVENT_ID_BYTES);
    assert_ptr_equal(event->event_id.data, id);
}

static Dongbo__ChangeEvent sample(void) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.schema_version = 1;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.source_key = (char *)"r1";
    return event;
}

// The definition, byte for byte.
static void test_definition(void **state) {
    static const uint8_t content[] = "MOH\0r1\0\x10\x01\x18\x01\x2a\x02r1";
    uint8_t hash[HASH_BYTES], id[EVENT_ID_BYTES];
    merkle_sha256(fixture.merkle, content, sizeof(content) - 1, hash);
    Dongbo__ChangeEvent event = sample();
    identify(&event, "MOH", id);
    assert_memory_equal(id, hash, EVENT_ID_BYTES);
}

static void test_again_is_the_same(void **state) {
    uint8_t first[EVENT_ID_BYTES], second[EVENT_ID_BYTES];
    Dongbo__ChangeEvent event = sample();
    identify(&event, "MOH", first);
    identify(&event, "MOH", second); // it has an id now, which must not count
    assert_memory_equal(first, second, EVENT_ID_BYTES);
}

static void test_everything_else_counts(void **state) {
    uint8_t first[EVENT_ID_BYTES], other[EVENT_ID_BYTES];
    Dongbo__ChangeEvent event = sample();
    identify(&event, "MOH", first);
    identify(&event, "MOET", other);
    assert_memory_not_equal(first, other, EVENT_ID_BYTES);
    event.source_key = (char *)"r2";
    identify(&event, "MOH", other);
    assert_memory_not_equal(first, other, EVENT_ID_BYTES);
    event = sample();
    event.event_time_us = 1;
    identify(&event, "MOH", other);
    assert_memory_not_equal(first, other, EVENT_ID_BYTES);
    event = sample();
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    event.health = &dose;
    identify(&event, "MOH", other);
    assert_memory_not_equal(first, other, EVENT_ID_BYTES);
    // Agency and key do not run into each other.
    event = sample();
    event.source_key = (char *)"Hr1";
    identify(&event, "MO", other);
    assert_memory_not_equal(first, other, EVENT_ID_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_again_is_the_same),
        cmocka_unit_test(test_everything_else_counts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
