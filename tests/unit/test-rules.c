// SPDX-License-Identifier: Apache-2.0
//
// The real rules and code lists load and are whole; each way of getting them wrong is an error that says where.

#include "broker/name.h"
#include "broker/rules.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "tests/unit/scratch.h"
#include "tests/unit/shipped.h"
#include "verdict.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char copy[SCRATCH_BYTES];

static int setup(void **state) {
    scratch_make(copy);
    return 0;
}

static int teardown(void **state) {
    scratch_remove(copy);
    return 0;
}

static void expect_error(const char *name, const char *text, const char *expected) {
    scratch_copy_schemas(copy);
    scratch_write(copy, name, text);
    Rules *rules = NULL;
    int r = rules_load(&rules, copy);
    if (r != ERROR_CONFIG)
        rules_destroy(&rules);
    assert_int_equal(r, ERROR_CONFIG);
    assert_null(rules);
    if (!strstr(error_text(), expected) || !strstr(error_text(), name))
        fail_msg("'%s' does not name %s and '%s'", error_text(), name, expected);
}

static Rules *load(void) {
    Rules *rules = NULL;
    int r = shipped_rules(&rules);
    if (r)
        fail_msg("%s", error_text());
    return rules;
}

static void test_real_rules(void **state) {
    CLEANUP(rules_destroy) Rules *rules = load();
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const DomainRules *of = rules_domain(rules, domain);
        const ProtobufCMessageDescriptor *body = domain_descriptor(domain);
        assert_non_null(of);
        assert_int_equal(of->domain, domain);
        assert_int_equal(of->n_fields, body->n_fields);
        for (size_t i = 0; i < of->n_fields; i++) {
            assert_string_equal(of->fields[i].name, field_name(body, of->fields[i].number));
            assert_int_equal(of->fields[i].type == FIELD_DATE, field_is_date(of->fields[i].name));
        }
        assert_int_equal(of->fields[of->n_fields].number, 0);
        assert_int_equal(of->n_key == 0, domain == DONGBO__DOMAIN__POPULATION);
        uint32_t keys = 0;
        for (size_t i = 0; i < of->n_key; i++)
            keys |= UINT32_C(1) << of->key[i]->number;
        assert_int_equal(keys, domain_keys(domain));
        for (size_t i = 0; i < of->n_rules; i++)
            assert_true(of->rules[i].code >= 200 && of->rules[i].code < 500);
    }
    assert_null(rules_domain(rules, 0));
    assert_null(rules_domain(rules, DOMAIN_MAX + 1));
}

static void test_record_keys(void **state) {
    CLEANUP(rules_destroy) Rules *rules = load();
    const DomainRules *health = rules_domain(rules, DONGBO__DOMAIN__HEALTH);
    assert_int_equal(health->n_key, 2);
    assert_string_equal(health->key[0]->name, "vaccine_group");
    assert_string_equal(health->key[1]->name, "dose_number");
    assert_int_equal(health->key[1]->type, FIELD_NUMBER);
    assert_int_equal(health->key[1]->minimum, 1);
    assert_true(health->key[0]->required);
    const DomainRules *e_id = rules_domain(rules, DONGBO__DOMAIN__E_ID);
    assert_string_equal(e_id->province->name, "province_code");
    assert_true(e_id->province_is_63);
    assert_null(health->province);
    assert_string_equal(health->facility->name, "facility_code");
    assert_null(e_id->facility);
}

static void test_provinces(void **state) {
    CLEANUP(rules_destroy) Rules *rules = load();
    const CodeList *births = rules_codes(rules, "birth-provinces");
    const CodeList *old = rules_codes(rules, "provinces63"), *new = rules_codes(rules, "provinces34");
    assert_int_equal(code_list_count(births), 63);
    assert_int_equal(code_list_count(old), 63);
    assert_int_equal(code_list_count(new), 34);
    char birth[8];
    for (size_t i = 0; i < 63; i++) {
        const char *code = code_list_code(old, i);
        snprintf(birth, sizeof birth, "0%s", code);
        assert_true(rules_is_birth_province(rules, birth));
        assert_true(rules_is_province34(rules, rules_province34_of(rules, code)));
    }
    assert_null(rules_province34_of(rules, "99"));
    assert_false(rules_is_birth_province(rules, "000"));
    assert_false(rules_is_birth_province(rules, "01"));
    assert_false(rules_is_province63(rules, "03"));
    assert_true(rules_is_province63(rules, "02"));
    assert_false(rules_is_province34(rules, "02"));
    assert_false(rules_is_province34(rules, ""));
}

// Five codes of the 63 are used again among the 34 for a province of another name: it holds the one that had the code,
// and the one whose name it took, which had another. In a citizen number they mean the former for ever.
static void expect_reused(const char *code, const char *name_then, const char *name_now, const char *named_so_then) {
    CLEANUP(rules_destroy) Rules *rules = load();
    const CodeList *births = rules_codes(rules, "birth-provinces");
    const CodeList *old = rules_codes(rules, "provinces63"), *new = rules_codes(rules, "provinces34");
    char birth[8];
    snprintf(birth, sizeof birth, "0%s", code);
    assert_string_equal(code_list_name(old, code), name_then);
    assert_string_equal(code_list_name(new, code), name_now);
    assert_string_equal(code_list_name(old, named_so_then), name_now);
    assert_string_equal(rules_province34_of(rules, code), code);
    assert_string_equal(rules_province34_of(rules, named_so_then), code);
    assert_false(rules_is_province34(rules, named_so_then));
    assert_non_null(strstr(name_then, code_list_name(births, birth)));
}

static void test_code_15_is_reused(void **state) {
    expect_reused("15", "Tỉnh Yên Bái", "Tỉnh Lào Cai", "10");
}

static void test_code_52_is_reused(void **state) {
    expect_reused("52", "Tỉnh Bình Định", "Tỉnh Gia Lai", "64");
}

static void test_code_80_is_reused(void **state) {
    expect_reused("80", "Tỉnh Long An", "Tỉnh Tây Ninh", "72");
}

static void test_code_82_is_reused(void **state) {
    expect_reused("82", "Tỉnh Tiền Giang", "Tỉnh Đồng Tháp", "87");
}

static void test_code_91_is_reused(void **state) {
    expect_reused("91", "Tỉnh Kiên Giang", "Tỉnh An Giang", "89");
}

static void test_codes(void **state) {
    CLEANUP(rules_destroy) Rules *rules = load();
    const CodeList *products = rules_codes(rules, "vaccine-products");
    assert_true(code_list_has(products, "EU/1/20/1528"));
    assert_string_equal(code_list_name(products, "EU/1/20/1528"), "EU");
    assert_string_equal(code_list_column(products, "EU/1/20/1528", 2), "Comirnaty");
    assert_string_equal(code_list_column(products, "EU/1/20/1528", 3), "");
    assert_string_equal(code_list_column(products, "EU/1/20/1528", 9), "");
    assert_true(code_list_has(products, "08"));
    assert_false(code_list_has(products, "8"));
    assert_false(code_list_has(products, "99"));
    assert_null(code_list_name(products, "no such"));
    assert_null(code_list_code(products, code_list_count(products)));
    assert_string_equal(code_list_column(products, "08", 0), "08");
    assert_string_equal(code_list_code(products, (size_t)code_list_place(products, "08")), "08");
    assert_int_equal(code_list_place(products, "99"), -1);
    assert_true(rules_is_sex(rules, "female"));
    assert_false(rules_is_sex(rules, "Female"));
    assert_null(rules_codes(rules, "no-such-list"));
}

static void test_authority(void **state) {
    CLEANUP(rules_destroy) Rules *rules = load();
    int domain = DONGBO__DOMAIN__SOCIAL_SECURITY;
    unsigned card = field_by_name(domain_descriptor(domain), "health_card_number");
    assert_int_equal(rules_authority(rules, domain, "VSS", card), 10);
    assert_int_equal(rules_authority(rules, domain, "VSS", 1), 10);
    assert_int_equal(rules_authority(rules, domain, "MOH", card), 5);
    assert_int_equal(rules_authority(rules, domain, "MOH", 1), 1);
    assert_int_equal(rules_authority(rules, domain, "NOBODY", 1), 1);
}

#define REST                                                                                                           \
    "  - {name: status, type: code, codes: contract-status}\n  - {name: service_point, type: text}\n"                  \
    "  - {name: province_code, type: code, codes: provinces34}\n  - {name: start_date, type: date}\n"                  \
    "  - {name: end_date, type: date}\n"
#define FILE_OF(first, rest) "domain: electricity\nfields:\n" first REST rest
#define KEY "  - {name: customer_code, type: text, length_max: 64, key: true}\n"
#define BAD_RULE(rule, expected) expect_error(E, FILE_OF(KEY, "rules:\n  - {" rule "}\n"), expected)
#define E "rules/electricity.yaml"

static void test_broken_files(void **state) {
    expect_error(E, "domain: [", E);
    expect_error(E, "domain: health\nfields: []\n", "line 1, domain: \"health\" is none of electricity");
    expect_error(E, "domain: electricity\n", "fields");
    expect_error(E, FILE_OF(KEY, "colour: red\n"), "colour");
    expect_error(E, FILE_OF("  - {name: customer_cod, type: text}\n", ""), "line 3");
    expect_error(E, FILE_OF("  - {name: customer_code, type: txet}\n", ""), "line 3");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, key: ture}\n", ""), "line 3");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, lenght: 9}\n", ""), "lenght");
    expect_error(E, FILE_OF("  - {name: customer_code, type: code, codes: colours}\n", ""), "line 3");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, personal: true}\n", ""), "line 3");
    expect_error(E, FILE_OF("", ""), "customer_code is missing");
    expect_error(E, FILE_OF(KEY KEY, ""), "twice");
    expect_error(E, FILE_OF("  - {name: customer_code, type: number}\n", ""), "type");
    expect_error(E, FILE_OF("  - {name: customer_code, type: code}\n", ""), "codes");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, codes: sexes}\n", ""), "codes");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, by_code_set: true}\n", ""), "code set");
    expect_error(E, FILE_OF("  - {name: customer_code, type: code, codes: provinces63, by_code_set: true}\n", ""),
                 "code set");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, max: 5}\n", ""), "max");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, digits: 5}\n", ""), "digits");
    expect_error(E, FILE_OF("  - {name: customer_code, type: date, length_max: 5}\n", ""), "length_max");
    expect_error(E, FILE_OF("  - {name: customer_code, type: date, shapes: [A]}\n", ""), "shapes");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, length_max: 9999}\n", ""), "bound");
    expect_error(E, FILE_OF("  - {name: customer_code, type: text, key: true}\n", ""), "key fields");
    expect_error(E, FILE_OF(KEY, "province: status\n"), "province");
    expect_error(E, FILE_OF(KEY, "authority:\n  - {agency: EVN, rank: 0}\n"), "rank");
    expect_error(E, FILE_OF(KEY, "authority:\n  - {agency: EVN, rank: 1, fields: [nosuch]}\n"), "line 10");
}

static void test_broken_rules(void **state) {
    BAD_RULE("kind: not-in-past, field: start_date, reason: DATE_IN_FUTURE",
             "line 10, kind: \"not-in-past\" is none of not-in-future, not-before-birth, ");
    BAD_RULE("kind: not-in-future, field: start, reason: DATE_IN_FUTURE", "line 10");
    BAD_RULE("kind: not-in-future, field: start_date, reason: NO_SUCH",
             "line 10, reason: \"NO_SUCH\" is none of NOT_FOUND, NOT_GRANTED, NOT_STORABLE, ");
    BAD_RULE("kind: not-in-future, field: start_date, reason: NO_SUCH", ", ...");
    BAD_RULE("kind: not-in-future, reason: DATE_IN_FUTURE", "rule 1 needs a field");
    BAD_RULE("kind: not-in-future, field: status, reason: DATE_IN_FUTURE", "no date");
    BAD_RULE("kind: period, field: start_date, reason: PERIOD_REVERSED", "other");
    BAD_RULE("kind: not-in-future, field: start_date, other: end_date, reason: DATE_IN_FUTURE", "other");
    BAD_RULE("kind: period, field: start_date, other: status, reason: PERIOD_REVERSED", "no date");
    BAD_RULE("kind: required-when, field: end_date, reason: FIELD_MISSING", "needs a when");
    BAD_RULE("kind: required-when, field: end_date, when: status, reason: FIELD_MISSING", "equals");
    BAD_RULE("kind: required-when, field: end_date, when: status, equals: [over], reason: FIELD_MISSING", "no code");
    BAD_RULE("kind: required-when, field: end_date, when: start_date, equals: [x], reason: FIELD_MISSING", "no code");
    BAD_RULE("kind: not-in-future, field: end_date, equals: [active], reason: DATE_IN_FUTURE", "when");
    BAD_RULE("kind: shorter-than, field: start_date, other: end_date, reason: PERIOD_TOO_LONG", "days");
    BAD_RULE("kind: shorter-than, field: start_date, days: 30, reason: PERIOD_TOO_LONG", "other");
    BAD_RULE("kind: period, field: start_date, other: end_date, days: 3, reason: PERIOD_REVERSED", "days");
    BAD_RULE("kind: age-at-least, field: start_date, reason: AGE_TOO_LOW", "years");
    BAD_RULE("kind: age-at-least, field: start_date, years: 201, reason: AGE_TOO_LOW", "bound");
}

#define OVER ", reason: PERIOD_REVERSED"
#define ACTIVE "where: [{field: status, is: [active]}]"

static void test_broken_rules_beside(void **state) {
    BAD_RULE("kind: order, number: status" OVER, "needs a field");
    BAD_RULE("kind: order, field: start_date" OVER, "lacks");
    BAD_RULE("kind: order, field: status, number: status" OVER, "no date");
    BAD_RULE("kind: order, field: start_date, number: end_date" OVER, "neither number nor code");
    BAD_RULE("kind: order, field: start_date, number: status, days: 3" OVER, "its kind does not");
    BAD_RULE("kind: near, field: start_date" OVER, "lacks");
    BAD_RULE("kind: near, field: start_date, days: 3, years: 3" OVER, "its kind does not");
    BAD_RULE("kind: near, field: start_date, days: 99999" OVER, "bound");
    BAD_RULE("kind: near, field: start_date, days: 3, same: [nosuch]" OVER,
             "line 10, same: \"nosuch\" is none of customer_code, ");
    BAD_RULE("kind: near, field: start_date, days: 3, verdict: perhaps" OVER, "line 10");
    BAD_RULE("kind: overlap, field: start_date, other: status" OVER, "no date");
    BAD_RULE("kind: overlap, field: start_date, other: end_date, when: status, equals: [active]" OVER,
             "its kind does not");
    BAD_RULE("kind: only-one, field: status, where: [{field: start_date, is: [active]}]" OVER, "no code");
    BAD_RULE("kind: only-one, field: status, where: [{field: status, is: [over]}]" OVER, "no code of its field");
    BAD_RULE("kind: only-one, field: status, where: [{field: status}]" OVER, "is and not");
    BAD_RULE("kind: only-one, field: status, where: [{field: status, is: [active], not: [ended]}]" OVER, "is and not");
    BAD_RULE("kind: steps, field: service_point, number: start_date" OVER, "neither number nor code");
    expect_error(
        "rules/e_id.yaml",
        "domain: e_id\nfields:\n  - {name: account_id, type: text, length_max: 64, key: true}\n"
        "  - {name: level, type: code, codes: e-id-levels}\n  - {name: status, type: code, codes: e-id-status}\n"
        "  - {name: province_code, type: code, codes: provinces63}\n  - {name: activated_on, type: date}\n"
        "  - {name: card_issued_on, type: date}\nrules:\n  - {kind: holder, field: account_id" OVER "}\n",
        "no index in this domain");
    BAD_RULE("kind: period, field: start_date, other: end_date, " ACTIVE OVER, "rules about other records");
    BAD_RULE("kind: not-in-future, field: start_date, table: dose-intervals" OVER, "rules about other records");
}

#define TABLE(table, by) "kind: interval, field: start_date, number: status, table: " table ", by: [" by "]" OVER

static void test_broken_interval_tables(void **state) {
    BAD_RULE("kind: interval, field: start_date, number: status, by: [status]" OVER, "lacks");
    BAD_RULE("kind: interval, field: start_date, number: status, table: dose-intervals" OVER, "by");
    BAD_RULE(TABLE("dose-intervals", "customer_code"), "no code");
    BAD_RULE(TABLE("../passwd", "status"), "small letters");
    const char *name = "rules/dose-intervals.tsv";
    expect_error(name, "covid-19\t2\n", "line 1 has fewer");
    expect_error(name, "# what\ncovid-19\t1\t21\tsource\n", "line 2 has a number");
    expect_error(name, "covid-19\t2-\t21\n", "line 1 has a number");
    expect_error(name, "covid-19\t2\t3 weeks\n", "line 1 has no number of days");
    expect_error(name, "covid-19\t2\t99999\n", "line 1 has no number of days");
    expect_error(name, "covid-19\t2+\t21\ncovid-19\t3\t28\n", "line 2 is hidden");
    expect_error(name, "\t2\t21\n", "line 1 does not say");
    expect_error(name, "covid-19\t2\t21\ta\tb\n", "line 1 has too many");
    expect_error(name, "covid-91\t2\t21\n", "covid-91 is no code");
    scratch_copy_schemas(copy);
    scratch_unlink(copy, name);
    Rules *rules = NULL;
    assert_int_equal(rules_load(&rules, copy), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), name));
}

// What breaks a rule is said with its verdict: as shipped, rules about other records only note.
static void test_verdicts_of_rules(void **state) {
    scratch_copy_schemas(copy);
    scratch_write(copy, E,
                  FILE_OF(KEY, "rules:\n  - {kind: only-one, field: status, verdict: review" OVER "}\n"
                               "  - {kind: period, field: start_date, other: end_date, verdict: note" OVER "}\n"
                               "  - {kind: alive-at-event, reason: DEAD_AT_EVENT}\n"
                               "  - {kind: not-in-future, field: start_date" OVER "}\n"));
    CLEANUP(rules_destroy) Rules *rules = NULL;
    assert_int_equal(rules_load(&rules, copy), 0);
    const DomainRules *of = rules_domain(rules, DONGBO__DOMAIN__ELECTRICITY);
    assert_int_equal(of->n_rules, 3);
    assert_int_equal(of->rules[0].verdict, DONGBO__VERDICT__ACCEPTED);
    assert_int_equal(of->rules[1].verdict, DONGBO__VERDICT__MISMATCH);
    assert_int_equal(of->rules[2].verdict, DONGBO__VERDICT__REJECTED);
    assert_int_equal(of->n_beside, 1);
    assert_int_equal(of->beside[0].verdict, DONGBO__VERDICT__MISMATCH);
    CLEANUP(rules_destroy) Rules *shipped = load();
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        for (size_t i = 0; i < rules_domain(shipped, domain)->n_beside; i++)
            assert_int_equal(rules_domain(shipped, domain)->beside[i].verdict, DONGBO__VERDICT__ACCEPTED);
}

#define N "rules/names.yaml"
#define EVERYONE "default: {accents_lost: review, middle: review, order: review, spaces: review, spelling: review}\n"

static void test_name_policy(void **state) {
    scratch_copy_schemas(copy);
    scratch_write(copy, N,
                  "default: {accents_lost: accept, middle: review, order: review, spaces: accept, spelling: review}\n"
                  "agencies:\n  - {agency: MOH, accents_lost: review, spelling: accept}\n  - {agency: VSS}\n");
    CLEANUP(rules_destroy) Rules *rules = NULL;
    assert_int_equal(rules_load(&rules, copy), 0);
    assert_int_equal(rules_accepted_names(rules, "NPC"), NAME_ACCENTS | NAME_SPACES);
    assert_int_equal(rules_accepted_names(rules, "VSS"), NAME_ACCENTS | NAME_SPACES);
    assert_int_equal(rules_accepted_names(rules, "MOH"), NAME_SPACES | NAME_SPELLING);
    CLEANUP(rules_destroy) Rules *shipped = load();
    assert_int_equal(rules_accepted_names(shipped, "MOH"), 0);
}

static void test_search_policy(void **state) {
    scratch_copy_schemas(copy);
    scratch_write(copy, "rules/search.yaml",
                  "default: {number_missing: review, number_malformed: accept}\n"
                  "agencies:\n  - {agency: MOH, number_missing: accept, number_malformed: review}\n");
    CLEANUP(rules_destroy) Rules *rules = NULL;
    assert_int_equal(rules_load(&rules, copy), 0);
    assert_int_equal(rules_accepted_numbers(rules, "VSS"), NUMBER_MALFORMED);
    assert_int_equal(rules_accepted_numbers(rules, "MOH"), NUMBER_MISSING);
    CLEANUP(rules_destroy) Rules *shipped = load();
    assert_int_equal(rules_accepted_numbers(shipped, "MOH"), 0);
    expect_error("rules/search.yaml", "default: {number_missing: accept}\n", "number_malformed");
    expect_error("rules/search.yaml",
                 "default: {number_missing: accept, number_malformed: accept, number_wrong: "
                 "accept}\n",
                 "number_wrong");
}

static void test_broken_name_policy(void **state) {
    expect_error(N, "agencies: []\n", "default");
    expect_error(N, "default: {accents_lost: review, middle: review, order: review, spaces: review}\n", "spelling");
    expect_error(N, "default:\n  accents_lost: perhaps\n", "line 2");
    expect_error(N, EVERYONE "agencies:\n  - {agency: MOH, midle: accept}\n", "midle");
    expect_error(N, EVERYONE "agencies:\n  - {agency: MOH}\n  - {agency: VSS, middle: yes}\n", "line 4");
    expect_error(N, EVERYONE "agencies:\n  - {middle: accept}\n", "agency");
    expect_error(N, EVERYONE "agencies:\n  - {agency: MOH}\n  - {agency: MOH, order: accept}\n", "twice");
    expect_error(N, EVERYONE "agencies:\n  - {agency: A234567890123456}\n", "line 3");
}

static void test_broken_codes(void **state) {
    const char *name = "codes/sexes.tsv";
    expect_error(name, "# nothing\n", "has no code");
    expect_error(name, "male\tNam\nfemale\n", ":2: the line has no name");
    expect_error(name, "male\tNam\n\tNữ\n", ":2: the line does not begin with a code");
    expect_error(name, "male\tNam\nmale\tNam\n", ":2: the line repeats");
    expect_error(name, "# x\n\nmale\tNam\ta\tb\tc\n", ":3: the line has too many columns");
    expect_error(name, "male\tN\xff\n", ":1: the line has a byte");
    expect_error(name, "male\tNam\r\n", ":1: the line has a byte");
}

static void test_missing_files(void **state) {
    Rules *rules = NULL;
    assert_int_equal(rules_load(&rules, "/nonexistent"), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "/nonexistent/codes"));
    scratch_copy_schemas(copy);
    scratch_unlink(copy, E);
    assert_int_equal(rules_load(&rules, copy), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), E));
    scratch_copy_schemas(copy);
    scratch_unlink(copy, N);
    assert_int_equal(rules_load(&rules, copy), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), N));
    scratch_copy_schemas(copy);
    scratch_unlink(copy, "codes/sexes.tsv");
    assert_int_equal(rules_load(&rules, copy), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "sexes"));
    assert_null(rules);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_rules),
        cmocka_unit_test(test_record_keys),
        cmocka_unit_test(test_provinces),
        cmocka_unit_test(test_code_15_is_reused),
        cmocka_unit_test(test_code_52_is_reused),
        cmocka_unit_test(test_code_80_is_reused),
        cmocka_unit_test(test_code_82_is_reused),
        cmocka_unit_test(test_code_91_is_reused),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_authority),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_broken_rules),
        cmocka_unit_test(test_broken_rules_beside),
        cmocka_unit_test(test_broken_interval_tables),
        cmocka_unit_test(test_verdicts_of_rules),
        cmocka_unit_test(test_broken_codes),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_name_policy),
        cmocka_unit_test(test_broken_name_policy),
        cmocka_unit_test(test_search_policy),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
