// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "tests/unit/publish-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t now_us(void *self) {
    return ((PublishCase *)self)->now_us;
}

static int64_t monotonic_ms(void *self) {
    return ((PublishCase *)self)->now_us / 1000;
}

static int system_random(void *self, uint8_t *bytes, size_t n) {
    return clock_random(clock_system(), bytes, n);
}

void publish_case_open(PublishCase *test) {
    SpoolOptions options = {test->path, test->bytes_max, test->keep_days, &test->clock};
    assert_int_equal(spool_open(&test->spool, &options), 0);
    SealerOptions sealer = {test->spool, "live", "MOH", &test->keys};
    assert_int_equal(sealer_new(&test->sealer, &sealer), 0);
}

void publish_case_close(PublishCase *test) {
    sealer_destroy(&test->sealer);
    spool_close(&test->spool);
}

int publish_case_setup(void **state) {
    PublishCase *test = calloc(1, sizeof *test);
    scratch_make(test->directory);
    snprintf(test->path, sizeof test->path, "%s/spool.db", test->directory);
    test->clock = (Clock){now_us, monotonic_ms, system_random, test};
    test->now_us = 1700000000000000;
    test->bytes_max = 1 << 30;
    test->keep_days = 7;
    assert_int_equal(keys_generate(&test->keys), 0);
    publish_case_open(test);
    *state = test;
    return 0;
}

int publish_case_teardown(void **state) {
    PublishCase *test = *state;
    publish_case_close(test);
    scratch_remove(test->directory);
    free(test);
    return 0;
}

static void add_event(PublishCase *test, int row) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    char key[16];
    snprintf(key, sizeof key, "%d", row);
    event.source_key = key;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    event.health = &body;
    Item item = {.origin = test->origin.id, .row = (uint64_t)row, .offset = (uint64_t)row * 10, .bytes = 9};
    assert_int_equal(sealer_add(test->sealer, &event, &item), 0);
    test->origin.row++;
}

void publish_case_add(PublishCase *test, int n) {
    assert_int_equal(spool_begin(test->spool), 0);
    if (test->origin.id == 0) {
        test->origin = (Origin){.source = "s", .name = "a.csv", .kept_name = "a.csv", .row = 2};
        assert_int_equal(ledger_origin_add(test->spool, &test->origin), 0);
    }
    for (int i = 0; i < n; i++)
        add_event(test, (int)test->origin.row);
    assert_int_equal(sealer_flush(test->sealer), 0);
    assert_int_equal(spool_commit(test->spool), 0);
}

SpoolStream publish_case_stream(PublishCase *test) {
    SpoolStream stream;
    assert_int_equal(spool_stream(test->spool, "live", &stream), 0);
    return stream;
}
