// SPDX-License-Identifier: Apache-2.0
//
// Stepping over wire bytes: every field is found, and no cut or odd encoding leads outside the buffer.
#include "proto/walk.h"

#include "event.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_steps_over_every_field(void **state) {
    (void)state;
    const uint8_t wire[] = {0x0a, 0x02, 'a', 'b', 0x10, 0x96, 0x01, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8};
    const uint8_t *at = wire, *end = wire + sizeof wire;
    WalkField field;
    assert_int_equal(walk_next(&at, end, &field), 0);
    assert_int_equal(field.number, 1);
    assert_int_equal(field.bytes, 4);
    assert_memory_equal(field.data, "ab", 2);
    assert_int_equal(walk_next(&at, end, &field), 0);
    assert_int_equal(field.number, 2);
    assert_int_equal(field.value, 150);
    assert_int_equal(walk_next(&at, end, &field), 0);
    assert_int_equal(field.n, 4);
    assert_int_equal(walk_next(&at, end, &field), 0);
    assert_int_equal(field.n, 8);
    assert_int_equal(walk_next(&at, end, &field), 1);
}

static void test_refuses_what_runs_over_the_end(void **state) {
    (void)state;
    Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    body.vaccine_group = (char *)"COVID-19";
    body.dose_number = 70000;
    body.lot_number = (char *)"FF3318";
    uint8_t wire[64];
    size_t n = dongbo__vaccination__pack(&body, wire);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = malloc(cut + 1); // so that the sanitizer sees any step too far
        memcpy(exact, wire, cut);
        const uint8_t *at = exact, *end = exact + cut;
        size_t covered = 0;
        WalkField field;
        int r;
        while ((r = walk_next(&at, end, &field)) == 0)
            covered += field.bytes;
        assert_true(r == 2 || covered == cut);
        free(exact);
    }
}

static void test_refuses_odd_encodings(void **state) {
    (void)state;
    const struct {
        uint8_t bytes[12];
        size_t n;
    } wrong[] = {
        {{0x00, 0x01}, 2},                                                              // field number 0
        {{0x0b}, 1},                                                                    // a group
        {{0x0e}, 1},                                                                    // wire type 6
        {{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 12}, // an endless varint
        {{0x0a, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 'a'}, 8},                           // a length of six bytes ...
        {{0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01}, 7},                                // ... and a tag
        {{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 11},       // a length of 2^64 - 1
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const uint8_t *at = wrong[i].bytes;
        WalkField field;
        assert_int_equal(walk_next(&at, at + wrong[i].n, &field), 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_over_every_field),
        cmocka_unit_test(test_refuses_what_runs_over_the_end),
        cmocka_unit_test(test_refuses_odd_encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
