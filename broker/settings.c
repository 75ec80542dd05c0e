// SPDX-License-Identifier: Apache-2.0
//
// One line per setting. Opens nothing but the file.
#include "broker/settings.h"

#include "broker/ingress.h"
#include "proto/base/config.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS 2
#define HEAD_INTERVAL_MS 1000
#define HEAD_INTERVAL_MS_MIN 50
#define HEAD_INTERVAL_MS_MAX 3600000
#define NOT_FOUND_AFTER_DAYS 30
#define NOT_FOUND_AFTER_DAYS_MAX 3650

static const cyaml_schema_field_t population_fields[] = {
    CYAML_FIELD_STRING_PTR("reader", CYAML_FLAG_POINTER, SettingsPopulation, reader, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("writer", CYAML_FLAG_POINTER, SettingsPopulation, writer, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END};

static const cyaml_schema_field_t decide_fields[] = {
    CYAML_FIELD_UINT_PTR("not_found_after_days", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, SettingsDecide, said_days),
    CYAML_FIELD_END};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("publish", CYAML_FLAG_POINTER, Settings, publish, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("subscribe", CYAML_FLAG_POINTER, Settings, subscribe, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("enrol", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Settings, enrol, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("exchange", CYAML_FLAG_POINTER, Settings, exchange, 1, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING("population", CYAML_FLAG_DEFAULT, Settings, population, population_fields),
    CYAML_FIELD_STRING_PTR("keys", CYAML_FLAG_POINTER, Settings, keys, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("next_keys", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Settings, next_keys, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("schemas", CYAML_FLAG_POINTER, Settings, schemas, 1, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING("decide", CYAML_FLAG_OPTIONAL, Settings, decide, decide_fields),
    CYAML_FIELD_UINT("workers", CYAML_FLAG_OPTIONAL, Settings, workers),
    CYAML_FIELD_UINT("head_interval_ms", CYAML_FLAG_OPTIONAL, Settings, head_interval_ms),
    CYAML_FIELD_STRING_PTR("ready_file", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Settings, ready_file, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("stats_file", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, Settings, stats_file, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_END};

static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, Settings, fields)};

// libcyaml frees with the allocator that config_resolve() uses.
static int resolve(char **text, const char *path) {
    char *resolved = NULL;
    int result = config_resolve(&resolved, path, *text);
    if (result < 0)
        return result;
    free(*text);
    *text = resolved;
    return 0;
}

static int check(const Settings *settings, const char *path) {
    if (settings->workers > WORKERS_MAX)
        return error_fail(ERROR_CONFIG, "%s: `workers` is %u, at most %d", path, settings->workers, WORKERS_MAX);
    unsigned interval = settings->head_interval_ms;
    if (interval != 0 && (interval < HEAD_INTERVAL_MS_MIN || interval > HEAD_INTERVAL_MS_MAX))
        return error_fail(ERROR_CONFIG, "%s: `head_interval_ms` is %u, should be %d to %d", path, interval,
                          HEAD_INTERVAL_MS_MIN, HEAD_INTERVAL_MS_MAX);
    const unsigned *days = settings->decide.said_days;
    if (days && (*days == 0 || *days > NOT_FOUND_AFTER_DAYS_MAX))
        return error_fail(ERROR_CONFIG, "%s: `not_found_after_days` is %u, should be 1 to %d", path, *days,
                          NOT_FOUND_AFTER_DAYS_MAX);
    return 0;
}

int settings_load(Settings **ret, const char *path) {
    Settings *settings = NULL;
    int result = config_load((void **)&settings, path, &schema);
    if (result < 0)
        return result;
    result = check(settings, path);
    if (result == 0)
        result = resolve(&settings->keys, path);
    if (result == 0 && settings->next_keys != NULL)
        result = resolve(&settings->next_keys, path);
    if (result == 0)
        result = resolve(&settings->schemas, path);
    if (result == 0 && settings->ready_file != NULL)
        result = resolve(&settings->ready_file, path);
    if (result == 0 && settings->stats_file != NULL)
        result = resolve(&settings->stats_file, path);
    if (result < 0) {
        settings_destroy(&settings);
        return result;
    }
    if (settings->workers == 0)
        settings->workers = WORKERS;
    if (settings->head_interval_ms == 0)
        settings->head_interval_ms = HEAD_INTERVAL_MS;
    const unsigned *days = settings->decide.said_days;
    settings->decide.not_found_after_days = days ? *days : NOT_FOUND_AFTER_DAYS;
    *ret = settings;
    return 0;
}

void settings_destroy(Settings **settings) {
    config_free(*settings, &schema);
    *settings = NULL;
}
