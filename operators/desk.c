// SPDX-License-Identifier: Apache-2.0
//
// Reads dongbo.yaml and opens what a command asks for, no sooner: `keys new` needs neither a file nor a database.
#include "operators/desk.h"
#include "proto/base/config.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX 24

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

static int session(Desk *desk, Pg **pg, const char *conninfo, const char *key, Pg **ret) {
    if (!conninfo)
        return error_fail(ERROR_CONFIG, "%s needs the line \"%s\" in the configuration", desk->entry->words, key);
    if (!*pg) {
        int r = pg_new(pg, conninfo, "dongbo");
        if (r < 0)
            return r;
    }
    int r = pg_connect(*pg);
    if (r < 0)
        return error_context(r, "%s", key);
    *ret = *pg;
    return 0;
}

int desk_exchange(Desk *desk, Pg **ret) {
    int r = desk_config(desk);
    return r < 0 ? r : session(desk, &desk->exchange, desk->config->exchange, "exchange", ret);
}

int desk_population(Desk *desk, Pg **ret) {
    int r = desk_config(desk);
    return r < 0 ? r : session(desk, &desk->population, desk->config->population, "population", ret);
}

int desk_population_writer(Desk *desk, Pg **ret) {
    int r = desk_config(desk);
    return r < 0 ? r
                 : session(desk, &desk->population_writer, desk->config->population_writer, "population_writer", ret);
}

int desk_rules(Desk *desk, const Rules **ret) {
    int r = desk_config(desk);
    if (r == 0 && !desk->rules)
        r = rules_load(&desk->rules, desk->schemas);
    *ret = desk->rules;
    return r;
}
