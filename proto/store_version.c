// SPDX-License-Identifier: Apache-2.0
//
// Asks the catalogue first, for a role without rights cannot even ask for a table by its name. Changes nothing.
#include "proto/store_version.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <libpq-fe.h>

#define TABLE_RIGHT(table, right)                                                                                      \
    "(SELECT has_table_privilege(c.oid, '" right "') FROM pg_class c WHERE c.relnamespace = n.oid "                    \
    "AND c.relname = '" table "')"
#define APPLY_RIGHT                                                                                                    \
    "(SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p WHERE p.pronamespace = n.oid "           \
    "AND p.proname = 'apply_changes')"
#define RIGHTS(name, schema, right)                                                                                    \
    {                                                                                                                  \
        name,                                                                                                          \
            "SELECT n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE') AND " right ", false), "          \
            "EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'migration'), "               \
            "current_user::text, current_database()::text "                                                            \
            "FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = '" schema "'",                                \
            0, NULL                                                                                                    \
    }

typedef struct Use {
    const char *schema, *role;
    PgStatement rights;
    int known; // migrations; 0: not looked at
    bool may_be_foreign;
} Use;

static const Use USES[] = {
    [STORE_EXCHANGE_READ] = {"exchange", "dongbo_operator",
                             RIGHTS("store_exchange_read", "exchange", TABLE_RIGHT("migration", "SELECT")),
                             STORE_VERSION_EXCHANGE, false},
    [STORE_EXCHANGE_WRITE] = {"exchange", "dongbo_broker",
                              RIGHTS("store_exchange_write", "exchange", TABLE_RIGHT("segment", "INSERT")),
                              STORE_VERSION_EXCHANGE, false},
    [STORE_POPULATION_READ] = {"population", "dongbo_population_reader",
                               RIGHTS("store_population_read", "population", TABLE_RIGHT("citizen", "SELECT")),
                               STORE_VERSION_POPULATION, true},
    [STORE_POPULATION_WRITE] = {"population", "dongbo_population_writer",
                                RIGHTS("store_population_write", "population", APPLY_RIGHT), 0, true},
};

static const PgStatement APPLIED[] = {
    {"store_version_exchange", "SELECT coalesce(max(number), 0) FROM exchange.migration", 0, NULL},
    {"store_version_population", "SELECT coalesce(max(number), 0) FROM population.migration", 0, NULL},
};

static int check_number(Pg *pg, const Use *use) {
    PGresult *result = NULL;
    int r = pg_run(pg, &APPLIED[use->may_be_foreign], NULL, &result);
    if (r < 0)
        return r;
    int applied = pg_i32(result, 0, 0);
    PQclear(result);
    if (applied > use->known)
        return error_fail(ERROR_CONFIG,
                          "schema %s is at migration %d, newer than this program, which knows %d: use the dongbo that "
                          "made it so",
                          use->schema, applied, use->known);
    if (applied < use->known)
        return error_fail(ERROR_CONFIG, "schema %s is at migration %d, this program needs %d: run dongbo init",
                          use->schema, applied, use->known);
    return 0;
}

int store_fold_check(Pg *pg) {
    static const PgStatement FOLD = {"store_fold_version", "SELECT population.fold_version()", 0, NULL};
    PGresult *result = NULL;
    int r = pg_run(pg, &FOLD, NULL, &result);
    int folded = r == 0 ? pg_i32(result, 0, 0) : 0;
    PQclear(result);
    if (r == 0 && folded != TEXT_FOLD_VERSION)
        r = error_fail(ERROR_CONFIG,
                       "names in the population store are folded by version %d, and this program folds by %d: stop the "
                       "brokers and run dongbo population fold",
                       folded, TEXT_FOLD_VERSION);
    return r;
}

int store_version_check(Pg *pg, StoreUse which) {
    const Use *use = &USES[which];
    PGresult *rights = NULL;
    int r = pg_run(pg, &use->rights, NULL, &rights);
    if (r < 0)
        return r;
    bool is_there = pg_bool(rights, 0, 0), may = pg_bool(rights, 0, 1), has_migrations = pg_bool(rights, 0, 2);
    if (!is_there || (!has_migrations && !use->may_be_foreign))
        r = error_fail(ERROR_CONFIG, "database %s is not set up (no schema %s): run dongbo init, or name another one",
                       pg_text(rights, 0, 4), use->schema);
    else if (!may)
        r = error_fail(ERROR_CONFIG, "role %s may not do this in schema %s: its conninfo should say user=%s",
                       pg_text(rights, 0, 3), use->schema, use->role);
    else if (has_migrations && use->known)
        r = check_number(pg, use);
    if (r == 0 && which == STORE_POPULATION_READ && has_migrations)
        r = store_fold_check(pg);
    PQclear(rights);
    return r;
}
