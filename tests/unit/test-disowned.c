// SPDX-License-Identifier: Apache-2.0
#include "agents/disowned.h"
#include "proto/base/error.h"
#include "tests/unit/publish-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void explain(PublishCase *test, uint64_t sequence, const Keys *keys) {
    Disowned disowned = {test->spool, publish_case_stream(test).id, sequence, keys, "because"};
    assert_int_equal(disowned_explain(&disowned), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "because"));
}

static void test_its_own_key_is_not_known(void **state) {
    PublishCase *test = *state;
    char id[KEY_ID_TEXT_BYTES];
    keys_id(test->keys.sign_public, id);
    publish_case_add(test, 4);
    explain(test, 1, &test->keys);
    assert_non_null(strstr(error_text(), id));
    assert_non_null(strstr(error_text(), "have its operators add"));
}

// The keys that are configured are not to be blamed, nor added once more.
static void test_a_former_key_is_named(void **state) {
    PublishCase *test = *state;
    Keys newer;
    char former[KEY_ID_TEXT_BYTES], id[KEY_ID_TEXT_BYTES];
    assert_int_equal(keys_generate(&newer), 0);
    keys_id(test->keys.sign_public, former);
    keys_id(newer.sign_public, id);
    publish_case_add(test, 4);
    publish_case_add(test, 4);
    explain(test, 5, &newer);
    assert_non_null(strstr(error_text(), former));
    assert_null(strstr(error_text(), id));
    assert_non_null(strstr(error_text(), "events from 5 on"));
    assert_non_null(strstr(error_text(), "deploy/KEYS.md"));
}

// What another run of the agent has delivered meanwhile is looked for in vain.
static void test_nothing_waits(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 4);
    explain(test, 9, &test->keys);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_its_own_key_is_not_known),
        TEST(test_a_former_key_is_named),
        TEST(test_nothing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
