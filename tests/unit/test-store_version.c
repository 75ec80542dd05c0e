// SPDX-License-Identifier: Apache-2.0
//
// The program knows as many migrations as schemas/ has. What is refused, integration tests show on real databases.

#include "proto/store_version.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int is_migration(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 4 && strcmp(entry->d_name + n - 4, ".sql") == 0;
}

static int count(const char *store) {
    char path[4096];
    struct dirent **names = NULL;
    snprintf(path, sizeof path, "%s/schemas/%s", getenv("DONGBO_SOURCE"), store);
    int n = scandir(path, &names, is_migration, alphasort);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return n;
}

static void test_every_migration_is_known(void **state) {
    assert_int_equal(count("exchange"), STORE_VERSION_EXCHANGE);
    assert_int_equal(count("population"), STORE_VERSION_POPULATION);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_migration_is_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
