// SPDX-License-Identifier: Apache-2.0
//
// What the broker wrote itself: only exactly the version that is asked for is ever given, however much was forgotten.
#include "broker/written.h"

#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define N_MAX 64
#define BYTES_MAX 4096

static int make(void **state) {
    Written *written = NULL;
    if (written_new(&written, N_MAX, BYTES_MAX) < 0)
        return 1;
    *state = written;
    return 0;
}

static int unmake(void **state) {
    written_destroy((Written **)state);
    written_destroy((Written **)state);
    return 0;
}

static WrittenKey key_of(uint64_t i, uint64_t position) {
    return (WrittenKey){
        .hash = i, .person = (int64_t)i + 7, .domain = 2, .record_key = "COVID-19/1", .position = position};
}

static void add(Written *written, uint64_t i, uint64_t position) {
    WrittenKey key = key_of(i, position);
    char record[32];
    int n = snprintf(record, sizeof record, "%llu at %llu", (unsigned long long)i, (unsigned long long)position);
    written_add(written, &key, (const uint8_t *)record, (size_t)n);
}

// Whether it is known; if so it is what was added.
static bool knows(const Written *written, uint64_t i, uint64_t position) {
    WrittenKey key = key_of(i, position);
    char expected[32];
    size_t n = 0;
    const uint8_t *record = written_find(written, &key, &n);
    if (record == NULL)
        return false;
    int length =
        snprintf(expected, sizeof expected, "%llu at %llu", (unsigned long long)i, (unsigned long long)position);
    assert_int_equal(n, length);
    assert_memory_equal(record, expected, n);
    return true;
}

static void test_only_the_version_asked_for(void **state) {
    add(*state, 1, 10);
    assert_true(knows(*state, 1, 10));
    assert_false(knows(*state, 1, 9));
    assert_false(knows(*state, 1, 11));
    assert_false(knows(*state, 2, 10));
    add(*state, 1, 12);
    assert_true(knows(*state, 1, 12));
    assert_false(knows(*state, 1, 10));
}

// Two records may have one hash; neither is taken for the other.
static void test_a_shared_hash(void **state) {
    WrittenKey keys[] = {{.hash = 5, .person = 1, .domain = 2, .record_key = "a", .position = 10},
                         {.hash = 5, .person = 2, .domain = 2, .record_key = "a", .position = 10},
                         {.hash = 5, .person = 1, .domain = 3, .record_key = "a", .position = 10},
                         {.hash = 5, .person = 1, .domain = 2, .record_key = "b", .position = 10},
                         {.hash = 5, .person = 1, .domain = 2, .record_key = "aa", .position = 10}};
    size_t n = 0;
    written_add(*state, &keys[0], (const uint8_t *)"one", 3);
    assert_non_null(written_find(*state, &keys[0], &n));
    for (int i = 1; i < 5; i++)
        assert_null(written_find(*state, &keys[i], &n));
}

static void test_forgets_the_oldest_first(void **state) {
    for (uint64_t i = 1; i <= 20 * N_MAX; i++) {
        add(*state, i, 1000 + i);
        for (uint64_t back = 0; back < i && back < N_MAX; back++)
            assert_true(knows(*state, i - back, 1000 + i - back));
        if (i > 2 * N_MAX)
            assert_false(knows(*state, i - 2 * N_MAX, 1000 + i - 2 * N_MAX));
    }
}

static void test_bytes_are_bounded(void **state) {
    uint8_t large[BYTES_MAX] = {0};
    WrittenKey key = key_of(1, 10), other = key_of(2, 11);
    size_t n = 0;
    written_add(*state, &key, large, BYTES_MAX); // with its key it is more than a generation holds
    assert_null(written_find(*state, &key, &n));
    for (int i = 0; i < 100; i++) {
        key.position++;
        other.position++;
        written_add(*state, &key, large, BYTES_MAX / 2);
        written_add(*state, &other, large, BYTES_MAX / 2);
        assert_non_null(written_find(*state, &key, &n));
        assert_int_equal(n, BYTES_MAX / 2);
    }
}

static void test_nothing_after_a_failure(void **state) {
    for (uint64_t i = 1; i <= N_MAX + 5; i++)
        add(*state, i, i);
    written_clear(*state);
    for (uint64_t i = 1; i <= N_MAX + 5; i++)
        assert_false(knows(*state, i, i));
    add(*state, 3, 9);
    assert_true(knows(*state, 3, 9));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_the_version_asked_for, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_shared_hash, make, unmake),
        cmocka_unit_test_setup_teardown(test_forgets_the_oldest_first, make, unmake),
        cmocka_unit_test_setup_teardown(test_bytes_are_bounded, make, unmake),
        cmocka_unit_test_setup_teardown(test_nothing_after_a_failure, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
