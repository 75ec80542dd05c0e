// SPDX-License-Identifier: Apache-2.0
//
// By the real rules: nothing that names or finds a person is shown whole, and what the rules do not know is hidden.

#include "operators/mask.h"
#include "proto/base/error.h"
#include "shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static Rules *rules;

static int setup(void **state) {
    return shipped_rules(&rules);
}

static int teardown(void **state) {
    rules_destroy(&rules);
    return 0;
}

static void expect(int domain, const char *field, const char *value, const char *shown) {
    const DomainRules *of = rules_domain(rules, domain);
    char out[MASK_BYTES];
    const RuleField *rule = rules_field(of, field_by_name(domain_descriptor(domain), field));
    assert_non_null(rule);
    assert_string_equal(mask_value(rule, value, out), shown);
}

static void test_values(void **state) {
    const int population = DONGBO__DOMAIN__POPULATION;
    expect(population, "citizen_number", "001090000001", "001*******01");
    expect(population, "full_name", "Nguyễn Văn Đạt", "N*** V*** Đ***");
    expect(population, "mother_name", "Trần Thị Hoà", "T*** T*** H***");
    expect(population, "father_name", "Bình", "B***");
    expect(population, "birth_date", "1990-01-02", "1990");
    expect(population, "died_on", "2020", "2020");
    expect(population, "birth_date", "03/05/1980", "***"); // its first signs are not the year
    expect(population, "birth_date", "thứ hai", "***");    // nor cut within a letter
    expect(population, "residence_commune", "00004", "***");
    expect(population, "kind", "birth", "birth");
    expect(population, "full_name", "", "");
    expect(DONGBO__DOMAIN__SOCIAL_SECURITY, "insurance_number", "0123456789", "012*****89");
    expect(DONGBO__DOMAIN__SOCIAL_SECURITY, "health_card_number", "GD4010123456789", "GD4**********89");
    expect(DONGBO__DOMAIN__E_ID, "account_id", "an.nguyen@x", "an.******@x");
    expect(DONGBO__DOMAIN__ELECTRICITY, "customer_code", "PD01000012345", "PD0********45");
    expect(DONGBO__DOMAIN__EDUCATION, "credential_code", "B123456", "B12**56");
    expect(DONGBO__DOMAIN__HEALTH, "product_code", "EU/1/20/1528", "EU/1/20/1528");
}

static void test_what_is_not_known_is_hidden(void **state) {
    char out[MASK_BYTES];
    assert_string_equal(mask_value(NULL, "something", out), "***");
    assert_string_equal(mask_value(NULL, "", out), "");
    const DomainRules *population = rules_domain(rules, DONGBO__DOMAIN__POPULATION);
    assert_null(rules_field(population, 31));
}

static void expect_key(int domain, const char *key, bool unmask, const char *shown) {
    CLEANUP(bytes_free) Bytes out = {0};
    mask_key(rules_domain(rules, domain), key, unmask, &out);
    assert_string_equal((const char *)out.data, shown);
}

static void test_keys(void **state) {
    expect_key(DONGBO__DOMAIN__HEALTH,
               "covid-19\x1f"
               "1",
               false, "covid-19/1");
    expect_key(DONGBO__DOMAIN__SOCIAL_SECURITY,
               "0123456789\x1f"
               "2020-01-01",
               false, "012*****89/2020-01-01");
    expect_key(DONGBO__DOMAIN__SOCIAL_SECURITY,
               "0123456789\x1f"
               "2020-01-01",
               true, "0123456789/2020-01-01");
    expect_key(DONGBO__DOMAIN__ELECTRICITY, "PD01000012345", false, "PD0********45");
    expect_key(DONGBO__DOMAIN__ELECTRICITY, "PD01000012345\x1fmore", false, "PD0********45/***");
    expect_key(DONGBO__DOMAIN__POPULATION, "", false, "");
    expect_key(99, "secret", false, "***");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_what_is_not_known_is_hidden),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
