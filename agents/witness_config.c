// SPDX-License-Identifier: Apache-2.0
//
// One line per setting. Paths are relative to the file itself.
#include "agents/witness_config.h"

#include "proto/base/config.h"
#include "proto/base/error.h"

#include <stdlib.h>

#define TEXT(name, structure, member) CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER, structure, member, 1, 1024)

static const cyaml_schema_field_t FIELDS[] = {
    TEXT("keys", WitnessConfig, keys),
    CYAML_FIELD_MAPPING("broker", CYAML_FLAG_DEFAULT, WitnessConfig, broker, receive_broker_fields),
    TEXT("heads", WitnessConfig, heads),
    CYAML_FIELD_UINT_PTR("interval_seconds", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, WitnessConfig, interval_seconds),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, WitnessConfig, FIELDS)};

int64_t witness_config_interval_ms(const WitnessConfig *config) {
    return 1000 * (int64_t)(config->interval_seconds ? *config->interval_seconds : WITNESS_INTERVAL_S);
}

int witness_config_load(WitnessConfig **ret, const char *path) {
    CLEANUP(witness_config_free) WitnessConfig *config = NULL;
    int r = config_load((void **)&config, path, &SCHEMA);
    if (r < 0)
        return r;
    const uint32_t *seconds = config->interval_seconds;
    if (seconds && (*seconds < 1 || *seconds > WITNESS_INTERVAL_S_MAX))
        return error_fail(ERROR_CONFIG, "%s: interval_seconds is 1 to %d", path, WITNESS_INTERVAL_S_MAX);
    r = config_resolve_own(path, &config->keys);
    if (r == 0)
        r = config_resolve_own(path, &config->broker.key);
    if (r == 0)
        r = config_resolve_own(path, &config->heads);
    if (r < 0)
        return r;
    *ret = config;
    config = NULL;
    return 0;
}

void witness_config_free(WitnessConfig **config) {
    if (*config)
        config_free(*config, &SCHEMA);
    *config = NULL;
}
