// SPDX-License-Identifier: Apache-2.0
//
// `dongbo init`: the only command that uses the administrators' connections.
#include "operators/commands.h"
#include "operators/migration.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/store_version.h"

#include <string.h>

#define OID_INT4 23

// Names are Vietnamese, and what was signed is kept as the bytes it was.
static int check_encoding(Pg *pg) {
    const char *encoding = PQparameterStatus(pg_raw(pg), "server_encoding");
    if (encoding && strcmp(encoding, "UTF8") == 0)
        return 0;
    return error_fail(ERROR_CONFIG,
                      "database %s is encoded in %s, and dongbo needs UTF8: CREATE DATABASE ... ENCODING 'UTF8' "
                      "TEMPLATE template0",
                      PQdb(pg_raw(pg)), encoding ? encoding : "something unknown");
}

// A store without citizens is of this program's version; of another one init says what to do, and fails.
static int fold_begin(Pg *pg) {
    static const Oid TYPES[] = {OID_INT4};
    static const PgStatement BEGIN = {"fold_begin",
                                      "UPDATE population.state SET fold_version = $1 WHERE fold_version <> $1 "
                                      "AND NOT EXISTS (SELECT FROM population.citizen)",
                                      1, TYPES};
    CLEANUP(pg_params_free) PgParams params = {0};
    pg_param_i32(&params, TEXT_FOLD_VERSION);
    int r = pg_run(pg, &BEGIN, &params, NULL);
    return r < 0 ? r : store_fold_check(pg);
}

static int bring_up(Desk *desk, const char *conninfo, MigrationStore store) {
    CLEANUP(pg_destroy) Pg *pg = NULL;
    int applied = 0;
    int r = pg_new(&pg, conninfo, "dongbo init");
    if (r == 0)
        r = pg_connect(pg);
    if (r == 0)
        r = check_encoding(pg);
    if (r < 0)
        return error_context(r, store == MIGRATION_EXCHANGE ? "admin.exchange" : "admin.population");
    r = migration_apply(pg, store, desk->schemas, stdout, &applied);
    return r == 0 && store == MIGRATION_POPULATION ? fold_begin(pg) : r;
}

static const char NOTES[] =
    "Run it when the programs were upgraded, with the brokers stopped: older ones refuse a newer database, and begin to\n"
    "work again when they are upgraded too. Each migration is one transaction, so it can be interrupted and run again.\n"
    "On a large log it takes a while: an index of a million segments, one a batch, up to four seconds. Agencies keep\n"
    "meanwhile what they have. Only a migration that adds a column to the log holds up who reads it, for as long as it\n"
    "takes itself.\n";

int init_run(Desk *desk, int argc, char **argv) {
    int operand = 0;
    int r = desk_parse_noted(desk, NULL, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = desk_config(desk);
    if (r < 0)
        return r;
    if (!desk->config->admin)
        return error_fail(ERROR_CONFIG, "init needs the lines \"admin: {exchange: ..., population: ...}\" in the "
                                        "configuration: connections that may create tables and roles");
    r = bring_up(desk, desk->config->admin->exchange, MIGRATION_EXCHANGE);
    return r < 0 ? r : bring_up(desk, desk->config->admin->population, MIGRATION_POPULATION);
}
