// SPDX-License-Identifier: Apache-2.0
#include "operators/key_given.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void is(const char *given, const char *who, const char *path) {
    KeyGiven key;
    assert_int_equal(key_given_split(given, &key), 0);
    assert_string_equal(key.who, who);
    assert_string_equal(key.path, path);
}

static void refused(const char *given, const char *says) {
    KeyGiven key;
    assert_int_equal(key_given_split(given, &key), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), says));
}

static void test_whose_it_is_stands_before_the_file(void **state) {
    is("keys/MOH.pub", "", "keys/MOH.pub");
    is("MOH=keys/MOH.pub", "MOH", "keys/MOH.pub");
    is("HN-2=a=b.pub", "HN-2", "a=b.pub");
    is("exchange=broker.pub", "exchange", "broker.pub");
}

static void test_a_path_may_hold_what_divides(void **state) {
    is("./a=b.pub", "", "./a=b.pub");
    is("/srv/keys=2026/MOH.pub", "", "/srv/keys=2026/MOH.pub");
    is("MOH=/srv/keys=2026/MOH.pub", "MOH", "/srv/keys=2026/MOH.pub");
}

static void test_what_no_agency_is_called_is_refused(void **state) {
    refused("moh=MOH.pub", "no agency has the code moh; did you mean MOH?");
    refused("Moh=MOH.pub", "did you mean MOH?");
    refused("Exchange=broker.pub", "did you mean exchange?");
    refused("EXCHANGE=broker.pub", "did you mean exchange?");
    refused("bộ y tế=MOH.pub", "is an agency's code");
    refused("=MOH.pub", "a file of this name is ./=MOH.pub");
    refused("a_code_that_is_longer_than_any_agency_may_have=MOH.pub", "is an agency's code");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_it_is_stands_before_the_file),
        cmocka_unit_test(test_a_path_may_hold_what_divides),
        cmocka_unit_test(test_what_no_agency_is_called_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
