// SPDX-License-Identifier: Apache-2.0
//
// Communes across July 2025: the tables agree with the provinces', each old one leads to today's within its province,
// and what is kept of an event says today's code or none.

#include "broker/commune.h"
#include "tests/unit/shipped.h"

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

static void test_tables(void **state) {
    const CodeList *now = rules_communes(rules, false), *then = rules_communes(rules, true);
    assert_int_equal(code_list_count(now), 3321);
    assert_true(code_list_count(then) > 10000);
    for (size_t i = 0; i < code_list_count(now); i++)
        assert_true(rules_is_province34(rules, commune_province34(rules, code_list_code(now, i), false)));
    size_t whole = 0;
    for (size_t i = 0; i < code_list_count(then); i++) {
        const char *code = code_list_code(then, i), *province = commune_province34(rules, code, true);
        assert_true(rules_is_province34(rules, province));
        char successors[64], *rest = successors, *one;
        snprintf(successors, sizeof successors, "%s", code_list_column(then, code, 3));
        while (*successors && (one = strsep(&rest, " ")))
            assert_string_equal(commune_province34(rules, one, false), province);
        whole += commune_today(rules, code, true) != NULL;
    }
    assert_int_equal(whole, 9564);
}

static void test_one(void **state) {
    assert_string_equal(commune_today(rules, "00001", true), "00097");
    assert_string_equal(commune_today(rules, "00097", false), "00097");
    assert_null(commune_today(rules, "00097", true)); // Tứ Liên, divided
    assert_null(commune_today(rules, "00001", false));
    assert_null(commune_today(rules, "25102", true)); // ceased to be before
    assert_null(commune_today(rules, "", true));
    assert_null(commune_province34(rules, "99999", true));
}

static void settle(const char *set, const char *said, const char *kept) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    Dongbo__ResidencePeriod stay = DONGBO__RESIDENCE_PERIOD__INIT;
    Dongbo__PopulationChange change = DONGBO__POPULATION_CHANGE__INIT;
    subject.province_code_set = (char *)set;
    stay.commune_code = change.residence_commune = (char *)said;
    event.subject = &subject;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_RESIDENCE;
    event.residence = &stay;
    commune_settle(rules, &event);
    assert_string_equal(stay.commune_code, kept);
    event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    event.population = &change;
    commune_settle(rules, &event);
    assert_string_equal(change.residence_commune, kept);
}

static void test_kept(void **state) {
    settle("63", "00001", "00097");
    settle("63", "00004", "00004");
    settle("63", "00097", "");
    settle("63", "", "");
    settle("34", "00097", "00097");
    settle("", "00001", "00001"); // what is wrong with it, the rules say
    Dongbo__ChangeEvent bare = DONGBO__CHANGE_EVENT__INIT;
    commune_settle(rules, &bare);
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    bare.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    bare.health = &dose;
    commune_settle(rules, &bare);
}

static void province(const char *set, const char *said, const char *kept) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    Dongbo__ResidencePeriod stay = DONGBO__RESIDENCE_PERIOD__INIT;
    Dongbo__ElectricityContract contract = DONGBO__ELECTRICITY_CONTRACT__INIT;
    Dongbo__EidAccount account = DONGBO__EID_ACCOUNT__INIT;
    subject.province_code_set = (char *)set;
    stay.province_code = contract.province_code = account.province_code = (char *)said;
    event.subject = &subject;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_RESIDENCE;
    event.residence = &stay;
    commune_settle(rules, &event);
    assert_string_equal(stay.province_code, kept);
    event.body_case = DONGBO__CHANGE_EVENT__BODY_ELECTRICITY;
    event.electricity = &contract;
    commune_settle(rules, &event);
    assert_string_equal(contract.province_code, kept);
    event.body_case = DONGBO__CHANGE_EVENT__BODY_E_ID;
    event.e_id = &account;
    commune_settle(rules, &event);
    assert_string_equal(account.province_code, said); // of 63 always
}

// A code that both sets have, of the province that has it since July 2025 and had another before. Said of then, either
// goes where the table says; said of today, the former is as it is.
static void reused(const char *code, const char *then) {
    province("63", code, code);
    province("63", then, code);
    province("34", code, code);
    province("", code, code);
    province("34", then, then); // nothing of today, and left for the rules to say so
    assert_false(rules_is_province34(rules, then));
}

static void test_code_15(void **state) {
    reused("15", "10");
}

static void test_code_52(void **state) {
    reused("52", "64");
}

static void test_code_80(void **state) {
    reused("80", "72");
}

static void test_code_82(void **state) {
    reused("82", "87");
}

static void test_code_91(void **state) {
    reused("91", "89");
}

static void test_every_province_of_then(void **state) {
    const CodeList *then = rules_codes(rules, "provinces63");
    for (size_t i = 0; i < code_list_count(then); i++)
        province("63", code_list_code(then, i), rules_province34_of(rules, code_list_code(then, i)));
    province("63", "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),  cmocka_unit_test(test_one),     cmocka_unit_test(test_kept),
        cmocka_unit_test(test_code_15), cmocka_unit_test(test_code_52), cmocka_unit_test(test_code_80),
        cmocka_unit_test(test_code_82), cmocka_unit_test(test_code_91), cmocka_unit_test(test_every_province_of_then),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
