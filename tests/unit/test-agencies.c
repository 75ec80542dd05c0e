// SPDX-License-Identifier: Apache-2.0
//
// Who may speak for what, as it is read from a real database (with-postgres): a grant is read as it was meant, or not
// at all.
#include "exchange-log.h"

#include "broker/agencies.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void refused_by_the_database(const char *sql) {
    assert_int_equal(pg_command(exchange.pg, sql), ERROR_DATA);
}

static void test_grants_are_read(void **state) {
    Agencies *agencies = NULL;
    exchange_run("UPDATE exchange.agency SET domains = '{2,5}', provinces = '{01,79}' WHERE agency = 1");
    exchange_ok(agencies_read(&agencies, exchange.pg));
    const Agency *moh = agencies_find(agencies, 1);
    assert_non_null(moh);
    assert_int_equal(moh->grants.domains, 1u << 2 | 1u << 5);
    assert_int_equal(moh->grants.n_provinces, 2);
    assert_string_equal(moh->grants.provinces[1], "79");
    agencies_unref(&agencies);
}

static void test_the_database_takes_no_odd_grant(void **state) {
    refused_by_the_database("UPDATE exchange.agency SET provinces = '{{01},{79}}'");
    refused_by_the_database("UPDATE exchange.agency SET provinces = '{01,NULL}'");
    refused_by_the_database("UPDATE exchange.agency SET domains = '{{2},{5}}'");
    refused_by_the_database("UPDATE exchange.agency SET told_fields = '{{a},{b}}'");
    refused_by_the_database("UPDATE exchange.subscription_policy SET provinces = '{{01},{79}}'");
    refused_by_the_database("UPDATE exchange.subscription_policy SET domains = '{{2},{5}}'");
    refused_by_the_database("UPDATE exchange.subscription_policy SET fields = '{health.status,NULL}'");
}

// An older database may hold one: "these provinces" must not become "all".
static void test_a_grant_that_cannot_be_read_is_an_error(void **state) {
    static const char *const odd[] = {"provinces = '{{01},{79}}'", "domains = '{{2},{5}}'",
                                      "told_fields = '{{a},{b}}'"};
    Agencies *agencies = NULL;
    exchange_run("ALTER TABLE exchange.agency DROP CONSTRAINT agency_provinces_check, "
                 "DROP CONSTRAINT agency_domains_check, DROP CONSTRAINT agency_told_fields_check");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char sql[128];
        exchange_run("BEGIN");
        snprintf(sql, sizeof sql, "UPDATE exchange.agency SET %s", odd[i]);
        exchange_run(sql);
        assert_true(agencies_read(&agencies, exchange.pg) < 0);
        assert_null(agencies);
        assert_non_null(strstr(error_text(), "MOH"));
        exchange_run("ROLLBACK");
    }
}

static void test_users_are_named_by_their_key(void **state) {
    Agencies *agencies = NULL;
    exchange_run("INSERT INTO exchange.key (key, purpose, agency) VALUES (sha256('one'), 'curve', 1)");
    exchange_ok(agencies_read(&agencies, exchange.pg));
    size_t n = 0;
    const ZapKey *keys = agencies_zap(agencies, &n);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        ZapKey named = keys[i];
        bool agency = strncmp(named.user, "agency:1:", 9) == 0;
        assert_true(agency || strncmp(named.user, "subscription:", 13) == 0);
        assert_int_equal(strlen(named.user), (agency ? 9 : 15) + 16);
        assert_int_equal(agencies_of_user(agencies, named.user) != NULL, agency);
    }
    agencies_unref(&agencies);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grants_are_read),
        cmocka_unit_test(test_the_database_takes_no_odd_grant),
        cmocka_unit_test(test_users_are_named_by_their_key),
        cmocka_unit_test(test_a_grant_that_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, exchange_start, exchange_stop);
}
