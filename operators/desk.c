// SPDX-License-Identifier: Apache-2.0
//
// Reads dongbo.yaml and opens what a command asks for, no sooner: `keys new` needs neither a file nor a database.
#include "operators/desk.h"
#include "operators/result.h"
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/store_version.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX 24
#define OID_INT8 20
#define OID_TEXT 25
#define OID_TEXT_ARRAY 1009
#define OID_INT8_ARRAY 1016
#define DENIED "42501" // insufficient_privilege: appendix A of PostgreSQL's documentation

// A standby keeps no looks, and so it shows nobody.
static const PgStatement MAY_LOOK = {"desk_may_look",
                                     "SELECT has_function_privilege('exchange.look(text)', 'EXECUTE') AND NOT s, "
                                     "has_function_privilege('exchange.look_at_all(text,text)', 'EXECUTE') AND NOT s "
                                     "FROM pg_is_in_recovery() s",
                                     0, NULL};
static const PgStatement LOOK = {"desk_look", "SELECT exchange.look($1)", 1, NULL};
static const PgStatement LOOK_AT_ALL = {"desk_look_at_all", "SELECT exchange.look_at_all($1, $2)", 2, NULL};
static const Oid LOOK_AT_TYPES[] = {OID_TEXT, OID_INT8, OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_TEXT};
static const PgStatement LOOK_AT = {
    "desk_look_at", "SELECT exchange.look_at($1, $2, $3, $4, $5) WHERE NOT pg_is_in_recovery()", 5, LOOK_AT_TYPES};

static const cyaml_schema_field_t ADMIN_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("exchange", CYAML_FLAG_POINTER, DeskAdmin, exchange, 1, 4096),
    CYAML_FIELD_STRING_PTR("population", CYAML_FLAG_POINTER, DeskAdmin, population, 1, 4096),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t CONFIG_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("exchange", CYAML_FLAG_POINTER, DeskConfig, exchange, 1, 4096),
    CYAML_FIELD_STRING_PTR("population", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, DeskConfig, population, 1, 4096),
    CYAML_FIELD_STRING_PTR("population_writer", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, DeskConfig, population_writer,
                           1, 4096),
    CYAML_FIELD_MAPPING_PTR("admin", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, DeskConfig, admin, ADMIN_FIELDS),
    CYAML_FIELD_STRING_PTR("schemas", CYAML_FLAG_POINTER, DeskConfig, schemas, 1, 4096),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t CONFIG_SCHEMA = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, DeskConfig, CONFIG_FIELDS),
};

void desk_close(Desk *desk) {
    pg_destroy(&desk->exchange);
    pg_destroy(&desk->population);
    pg_destroy(&desk->population_writer);
    rules_destroy(&desk->rules);
    free(desk->schemas);
    config_free(desk->config, &CONFIG_SCHEMA);
    *desk = (Desk){0};
}

int desk_parse(Desk *desk, const Option *options, int argc, char **argv, int *ret_operand) {
    return desk_parse_noted(desk, options, NULL, argc, argv, ret_operand);
}

int desk_parse_noted(Desk *desk, const Option *options, const char *notes, int argc, char **argv, int *ret_operand) {
    Option all[OPTIONS_MAX] = {
        {"config", 0, OPTION_TEXT, "FILE", "instead of $DONGBO_CONFIG or ./dongbo.yaml", &desk->config_path}};
    int n = 1;
    for (const Option *option = options; option && option->name && n < OPTIONS_MAX - 1; option++)
        all[n++] = *option;
    const Command command = {
        .name = desk->entry->words,
        .operands = desk->entry->operands,
        .summary = desk->entry->summary,
        .options = all,
        .operands_min = desk->entry->operands_min,
        .operands_max = desk->entry->operands_max,
        .notes = notes,
    };
    return options_parse(&command, argc, argv, ret_operand);
}

int desk_config(Desk *desk) {
    if (desk->config)
        return 0;
    const char *path = desk->config_path ? desk->config_path : getenv("DONGBO_CONFIG");
    if (!path && access("dongbo.yaml", F_OK) != 0)
        return error_fail(ERROR_CONFIG, "no configuration: give --config FILE, set DONGBO_CONFIG, or run where "
                                        "dongbo.yaml is");
    if (!path)
        path = "dongbo.yaml";
    int r = config_load((void **)&desk->config, path, &CONFIG_SCHEMA);
    if (r < 0)
        return r;
    return config_resolve(&desk->schemas, path, desk->config->schemas);
}

typedef struct Session {
    const char *key, *conninfo;
    StoreUse use;
} Session;

static int open_session(const Desk *desk, Pg **pg, Session session, Pg **ret) {
    if (!session.conninfo)
        return error_fail(ERROR_CONFIG, "%s needs the line \"%s\" in the configuration", desk->entry->words,
                          session.key);
    int r = *pg ? 0 : pg_new(pg, session.conninfo, "dongbo");
    bool is_new = r == 0 && !pg_connected(*pg);
    if (r == 0)
        r = pg_connect(*pg);
    if (r == 0 && is_new)
        r = store_version_check(*pg, session.use);
    if (r < 0)
        return error_context(r, "%s", session.key);
    *ret = *pg;
    return 0;
}

int desk_exchange(Desk *desk, Pg **ret) {
    int r = desk_config(desk);
    if (r < 0)
        return r;
    Session session = {"exchange", desk->config->exchange, STORE_EXCHANGE_READ};
    bool is_new = !desk->exchange || !pg_connected(desk->exchange);
    r = open_session(desk, &desk->exchange, session, ret);
    return r == 0 && is_new ? desk_look(desk, *ret) : r;
}

int desk_look(const Desk *desk, Pg *exchange) {
    PGresult *result = NULL;
    PgParams params = {0};
    bool names_them = strcmp(desk->entry->words, "citizen") == 0;
    bool reviews = strncmp(desk->entry->words, "review ", strlen("review ")) == 0;
    int r = names_them ? 0 : pg_run(exchange, &MAY_LOOK, NULL, &result);
    bool may = r == 0 && !names_them && pg_bool(result, 0, reviews ? 0 : 1);
    PQclear(result);
    if (!may)
        return r;
    pg_param_text(&params, desk->entry->words);
    if (!reviews)
        pg_param_text(&params, desk->why ? desk->why : "");
    r = pg_run(exchange, reviews ? &LOOK : &LOOK_AT_ALL, &params, NULL);
    pg_params_free(&params);
    return r;
}

int desk_look_at(const Desk *desk, Pg *exchange, const DeskLook *look) {
    PgParams params = {0};
    pg_param_text(&params, desk->entry->words);
    look->review_case ? pg_param_i64(&params, look->review_case) : pg_param_null(&params);
    pg_param_array_begin(&params, OID_INT8, (int)look->n_persons);
    for (size_t i = 0; i < look->n_persons; i++)
        pg_array_i64(&params, look->persons[i]);
    pg_param_array_begin(&params, OID_TEXT, (int)look->n_numbers);
    for (size_t i = 0; i < look->n_numbers; i++)
        pg_array_text(&params, look->numbers[i], strlen(look->numbers[i]));
    pg_param_text(&params, desk->why ? desk->why : "");
    int r = pg_run(exchange, &LOOK_AT, &params, NULL);
    pg_params_free(&params);
    return r;
}

int desk_population(Desk *desk, Pg **ret) {
    int r = desk_config(desk);
    if (r < 0)
        return r;
    Session session = {"population", desk->config->population, STORE_POPULATION_READ};
    return open_session(desk, &desk->population, session, ret);
}

int desk_population_writer(Desk *desk, Pg **ret) {
    int r = desk_config(desk);
    if (r < 0)
        return r;
    Session session = {"population_writer", desk->config->population_writer, STORE_POPULATION_WRITE};
    return open_session(desk, &desk->population_writer, session, ret);
}

int desk_population_whole(Desk *desk) {
    static const PgStatement KNOWN = {"population_known",
                                      "SELECT coalesce((SELECT population_position FROM exchange.head), 0)", 0, NULL};
    static const PgStatement NOW = {"population_now", "SELECT position FROM population.state", 0, NULL};
    Pg *exchange, *population;
    RESULT known = NULL;
    RESULT now = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = desk_population(desk, &population);
    if (r == 0)
        r = pg_run(exchange, &KNOWN, NULL, &known);
    if (r == 0)
        r = pg_run(population, &NOW, NULL, &now);
    if (r < 0 || pg_i64(now, 0, 0) >= pg_i64(known, 0, 0))
        return r;
    return error_fail(
        ERROR_CONFIG,
        "the population store is at its change %" PRId64 ", and the log was decided by its change %" PRId64
        ": it was set back alone, or is a standby that lags. What is loaded now would get keys of persons who are "
        "lost: make it good first (deploy/RESTORE.md)",
        pg_i64(now, 0, 0), pg_i64(known, 0, 0));
}

int desk_explain(const Desk *desk, int r) {
    const struct {
        const Pg *pg;
        const char *key, *role;
    } sessions[] = {{desk->exchange, "exchange",
                     "the role whose work this is (dongbo_reviewer, dongbo_auditor, dongbo_administrator), or of "
                     "dongbo_operator, who has the rights of all"},
                    {desk->population, "population", "dongbo_population_reader"},
                    {desk->population_writer, "population_writer", "dongbo_population_writer"}};
    for (size_t i = 0; r == ERROR_DATABASE && i < sizeof sessions / sizeof *sessions; i++)
        if (sessions[i].pg && strcmp(pg_sqlstate(sessions[i].pg), DENIED) == 0)
            return error_fail(ERROR_CONFIG,
                              "the role of \"%s\" in the configuration may not do this: it should be a member of %s",
                              sessions[i].key, sessions[i].role);
    return r;
}

int desk_rules(Desk *desk, const Rules **ret) {
    int r = desk_config(desk);
    if (r == 0 && !desk->rules)
        r = rules_load(&desk->rules, desk->schemas);
    *ret = desk->rules;
    return r;
}

// In an installation, and where it was built.
static int find_schemas(char *ret, size_t n) {
    static const char *const PLACES[] = {"../share/dongbo/schemas", "../../schemas"};
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    for (size_t i = 0; slash && i < sizeof PLACES / sizeof *PLACES; i++) {
        int written = snprintf(ret, n, "%.*s/%s", (int)(slash - program), program, PLACES[i]);
        if (written > 0 && (size_t)written < n && access(ret, F_OK) == 0)
            return 0;
    }
    return error_fail(ERROR_CONFIG, "%s", "the rules are not beside the program: give --schemas DIR");
}

int desk_rules_offline(Desk *desk, const char *schemas, const Rules **ret) {
    char found[PATH_MAX];
    bool configured = desk->config_path || getenv("DONGBO_CONFIG") || access("dongbo.yaml", F_OK) == 0;
    if (!schemas && configured)
        return desk_rules(desk, ret);
    int r = schemas ? 0 : find_schemas(found, sizeof found);
    if (r == 0)
        r = rules_load(&desk->rules, schemas ? schemas : found);
    *ret = desk->rules;
    return r;
}
