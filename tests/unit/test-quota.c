// SPDX-License-Identifier: Apache-2.0
//
// Peers cause so many lines a minute and no more, alone or together.
#include "broker/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static void test_so_many_a_minute(void **state) {
    Quota quota = {0};
    char text[QUOTA_TEXT_BYTES];
    for (int minute = 0; minute < 3; minute++) {
        for (int i = 0; i < 100; i++) {
            const char *more = quota_take(&quota, "agency:1:ab", 60000 * minute + i, text);
            assert_int_equal(more != NULL, i < QUOTA_LINES);
            if (more != NULL && i == 0 && minute > 0)
                assert_string_equal(more, " (and 94 lines more before, not shown)");
            else if (more != NULL)
                assert_string_equal(more, "");
        }
    }
    assert_non_null(quota_take(&quota, "agency:2:cd", 60000, text));
}

static void test_many_names_are_no_way_around(void **state) {
    Quota quota = {0};
    char text[QUOTA_TEXT_BYTES], name[32];
    int n = 0;
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "10.0.%d.%d", i / 256, i % 256);
        n += quota_take(&quota, name, 1000, text) != NULL;
    }
    assert_int_equal(n, QUOTA_SLOTS * QUOTA_LINES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_so_many_a_minute),
        cmocka_unit_test(test_many_names_are_no_way_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
