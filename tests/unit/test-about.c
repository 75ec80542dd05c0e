// SPDX-License-Identifier: Apache-2.0
#include "broker/about.h"

#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 1000

typedef struct Made {
    Dongbo__Entry entries[N];
    const Dongbo__Entry *pointers[N];
    char numbers[N][16];
    uint8_t ids[N][16];
} Made;

static Made *make(void) {
    Made *made = calloc(1, sizeof *made);
    for (size_t i = 0; i < N; i++) {
        dongbo__entry__init(&made->entries[i]);
        snprintf(made->numbers[i], sizeof made->numbers[i], "001099%06zu", i);
        memset(made->ids[i], (int)(i % 251), 16);
        memcpy(made->ids[i], &i, sizeof i);
        made->entries[i].person = (int64_t)i + 1;
        made->entries[i].citizen_number = made->numbers[i];
        made->entries[i].event_id = (ProtobufCBinaryData){16, made->ids[i]};
        made->pointers[i] = &made->entries[i];
    }
    return made;
}

static void test_all_are_found(void **state) {
    (void)state;
    CLEANUP(bytes_free) Bytes filter = {0};
    Made *made = make();
    assert_int_equal(about_build(made->pointers, N, &filter), 0);
    assert_int_equal(filter.n, 1 + 6 * N);
    for (size_t i = 0; i < N; i++) {
        const AboutKey keys[] = {about_person((int64_t)i + 1), about_number(made->numbers[i]),
                                 about_event(made->ids[i])};
        for (size_t key = 0; key < 3; key++)
            assert_true(about_may_hold(filter.data, filter.n, &keys[key], 1));
    }
    free(made);
}

static void test_few_others_are(void **state) {
    (void)state;
    CLEANUP(bytes_free) Bytes filter = {0};
    Made *made = make();
    assert_int_equal(about_build(made->pointers, N, &filter), 0);
    size_t wrong = 0;
    for (int64_t i = 0; i < 100000; i++) {
        char number[16];
        snprintf(number, sizeof number, "079%09lld", (long long)i);
        const AboutKey keys[] = {about_person(N + 1 + i), about_number(number)};
        wrong += about_may_hold(filter.data, filter.n, &keys[i % 2], 1);
    }
    assert_in_range(wrong, 1, 300); // a thousandth of them
    free(made);
}

static void test_what_is_no_filter_holds_all(void **state) {
    (void)state;
    const AboutKey key = about_person(1);
    const uint8_t none[] = {1}, other[] = {9, 0, 0};
    CLEANUP(bytes_free) Bytes filter = {0};
    assert_int_equal(about_build(NULL, 0, &filter), 0);
    assert_int_equal(filter.n, 1);
    assert_false(about_may_hold(filter.data, filter.n, &key, 1));
    assert_false(about_may_hold(none, sizeof none, &key, 1));
    assert_true(about_may_hold(other, sizeof other, &key, 1));
    assert_true(about_may_hold(NULL, 0, &key, 1));
}

// Filters are stored: whatever makes these others makes all of them useless, and nobody notices.
static void test_keys_stay_as_they_are(void **state) {
    (void)state;
    const uint8_t id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    assert_int_equal(about_person(7), 0xF858B3C5563D4489ULL);
    assert_int_equal(about_number("001099000100"), 0xAA04CF33FF016FF0ULL);
    assert_int_equal(about_event(id), 0x6C1503D714BB66AAULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_found),
        cmocka_unit_test(test_few_others_are),
        cmocka_unit_test(test_what_is_no_filter_holds_all),
        cmocka_unit_test(test_keys_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
