// SPDX-License-Identifier: Apache-2.0
//
// One line per setting. Paths are relative to the file itself, so that a directory of configuration can be moved.
#include "agents/receive_config.h"

#include "proto/base/config.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define TEXT(name, structure, member) CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER, structure, member, 1, 1024)
#define TEXT_OPTIONAL(name, structure, member)                                                                         \
    CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member, 1, 1024)

static const cyaml_strval_t SINK_NAMES[] = {{"jsonl", SINK_JSONL}, {"postgres", SINK_POSTGRES}};

static const cyaml_schema_field_t SINK_FIELDS[] = {
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, ReceiveSink, kind, SINK_NAMES, 2),
    TEXT_OPTIONAL("directory", ReceiveSink, directory),
    TEXT_OPTIONAL("conninfo", ReceiveSink, conninfo),
    TEXT_OPTIONAL("schema", ReceiveSink, schema),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t ENDPOINT = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 256)};

static const cyaml_schema_field_t BROKER_FIELDS[] = {
    TEXT("key", ReceiveBroker, key),
    CYAML_FIELD_SEQUENCE("endpoints", CYAML_FLAG_POINTER, ReceiveBroker, endpoints, &ENDPOINT, 1, 16),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t FIELDS[] = {
    TEXT("subscription", ReceiveConfig, subscription),
    TEXT("keys", ReceiveConfig, keys),
    CYAML_FIELD_MAPPING("broker", CYAML_FLAG_DEFAULT, ReceiveConfig, broker, BROKER_FIELDS),
    CYAML_FIELD_MAPPING("sink", CYAML_FLAG_DEFAULT, ReceiveConfig, sink, SINK_FIELDS),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ReceiveConfig, FIELDS)};

static int path_resolve(const char *config_path, char **path) {
    char *resolved;
    int r = config_resolve(&resolved, config_path, *path);
    if (r < 0)
        return r;
    free(*path);
    *path = resolved;
    return 0;
}

static int sink_check(const ReceiveSink *sink, const char *path) {
    if (sink->kind == SINK_JSONL && (!sink->directory || sink->conninfo || sink->schema))
        return error_fail(ERROR_CONFIG, "%s: a jsonl sink has a directory, and nothing else", path);
    if (sink->kind == SINK_POSTGRES && (!sink->conninfo || !sink->schema || sink->directory))
        return error_fail(ERROR_CONFIG, "%s: a postgres sink has conninfo and schema, and nothing else", path);
    return 0;
}

int receive_config_load(ReceiveConfig **ret, const char *path) {
    CLEANUP(receive_config_free) ReceiveConfig *config = NULL;
    int r = config_load((void **)&config, path, &SCHEMA);
    if (r == 0)
        r = sink_check(&config->sink, path);
    if (r == 0)
        r = path_resolve(path, &config->keys);
    if (r == 0)
        r = path_resolve(path, &config->broker.key);
    if (r == 0 && config->sink.directory)
        r = path_resolve(path, &config->sink.directory);
    if (r < 0)
        return r;
    *ret = config;
    config = NULL;
    return 0;
}

void receive_config_free(ReceiveConfig **config) {
    if (*config)
        config_free(*config, &SCHEMA);
    *config = NULL;
}
