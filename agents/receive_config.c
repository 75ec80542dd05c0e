// SPDX-License-Identifier: Apache-2.0
//
// One line per setting. Paths are relative to the file itself, so that a directory of configuration can be moved.
#include "agents/receive_config.h"

#include "agents/origin_judge.h"
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROTATE_BYTES_MIN 4096
#define ANSWER_SECONDS_MAX 3600

#define TEXT(name, structure, member) CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER, structure, member, 1, 1024)
#define TEXT_OPTIONAL(name, structure, member)                                                                         \
    CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member, 1, 1024)

#define NUMBER_OPTIONAL(name, structure, member)                                                                       \
    CYAML_FIELD_UINT_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member)

static const cyaml_strval_t SINK_NAMES[] = {
    {"jsonl", SINK_JSONL}, {"postgres", SINK_POSTGRES}, {"command", SINK_COMMAND}};
static const cyaml_strval_t FORMAT_NAMES[] = {
    {"plain", RECORD_PLAIN}, {"json", RECORD_JSON}, {"protobuf", RECORD_PROTOBUF}, {"fhir", RECORD_FHIR}};

static const cyaml_schema_value_t WORD = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 4096)};

static const cyaml_schema_field_t SINK_FIELDS[] = {
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, ReceiveSink, kind, SINK_NAMES, 3),
    CYAML_FIELD_ENUM("format", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, ReceiveSink, format, FORMAT_NAMES,
                     CYAML_ARRAY_LEN(FORMAT_NAMES)),
    TEXT_OPTIONAL("directory", ReceiveSink, directory),
    NUMBER_OPTIONAL("rotate_bytes", ReceiveSink, rotate_bytes),
    NUMBER_OPTIONAL("rotate_seconds", ReceiveSink, rotate_seconds),
    TEXT_OPTIONAL("conninfo", ReceiveSink, conninfo),
    TEXT_OPTIONAL("schema", ReceiveSink, schema),
    CYAML_FIELD_SEQUENCE("command", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ReceiveSink, command, &WORD, 1, 64),
    TEXT_OPTIONAL("state", ReceiveSink, state),
    NUMBER_OPTIONAL("answer_seconds", ReceiveSink, answer_seconds),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t ENDPOINT = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 256)};

const cyaml_schema_field_t receive_broker_fields[] = {
    TEXT("key", ReceiveBroker, key),
    CYAML_FIELD_SEQUENCE("endpoints", CYAML_FLAG_POINTER, ReceiveBroker, endpoints, &ENDPOINT, 1, 16),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t AGENCY_KEY = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 1024)};

static const cyaml_schema_field_t FIELDS[] = {
    TEXT("subscription", ReceiveConfig, subscription),
    TEXT("keys", ReceiveConfig, keys),
    TEXT_OPTIONAL("share", ReceiveConfig, share),
    CYAML_FIELD_ENUM_PTR("origin_proofs", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, ReceiveConfig,
                         origin_proofs, config_bools, 6),
    CYAML_FIELD_SEQUENCE("agency_keys", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ReceiveConfig, agency_keys,
                         &AGENCY_KEY, 1, ORIGIN_KEYS_MAX),
    CYAML_FIELD_MAPPING("broker", CYAML_FLAG_DEFAULT, ReceiveConfig, broker, receive_broker_fields),
    CYAML_FIELD_MAPPING("sink", CYAML_FLAG_DEFAULT, ReceiveConfig, sink, SINK_FIELDS),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ReceiveConfig, FIELDS)};

static int sink_check(const ReceiveSink *sink, const char *path) {
    static const char *const WRONG[] = {
        [SINK_JSONL] =
            "a jsonl sink has a directory, perhaps format, rotate_bytes and rotate_seconds, and nothing else",
        [SINK_POSTGRES] = "a postgres sink has conninfo and schema, and nothing else",
        [SINK_COMMAND] = "a command sink has command and state, perhaps format and answer_seconds, and nothing else",
    };
    bool jsonl = sink->directory, jsonl_more = sink->rotate_bytes || sink->rotate_seconds;
    bool postgres = sink->conninfo && sink->schema, postgres_any = sink->conninfo || sink->schema;
    bool command = sink->command && sink->state, command_any = sink->command || sink->state || sink->answer_seconds;
    bool right = false;
    if (sink->kind == SINK_JSONL)
        right = jsonl && !postgres_any && !command_any;
    else if (sink->kind == SINK_POSTGRES)
        right = postgres && !jsonl && !jsonl_more && !command_any && sink->format == RECORD_PLAIN;
    else
        right = command && !jsonl && !jsonl_more && !postgres_any;
    if (!right)
        return error_fail(ERROR_CONFIG, "%s: %s", path, WRONG[sink->kind]);
    if (sink->rotate_bytes && *sink->rotate_bytes < ROTATE_BYTES_MIN)
        return error_fail(ERROR_CONFIG, "%s: rotate_bytes is %d at least", path, ROTATE_BYTES_MIN);
    if ((sink->rotate_seconds && !*sink->rotate_seconds) ||
        (sink->answer_seconds && (!*sink->answer_seconds || *sink->answer_seconds > ANSWER_SECONDS_MAX)))
        return error_fail(ERROR_CONFIG, "%s: rotate_seconds is 1 at least, answer_seconds 1 to %d", path,
                          ANSWER_SECONDS_MAX);
    return 0;
}

static int share_check(const char *share, const char *path) {
    int i = 0, n = 0, end = 0;
    if (!share || (sscanf(share, "%2d/%2d%n", &i, &n, &end) == 2 && !share[end] && i >= 1 && i <= n && n <= SHARES_MAX))
        return 0;
    return error_fail(ERROR_CONFIG, "%s: share is which of how many, as 2/3; %d at most, not \"%s\"", path, SHARES_MAX,
                      share);
}

void receive_config_share(const ReceiveConfig *config, int *ret_share, int *ret_shares) {
    *ret_share = *ret_shares = 0;
    if (config->share)
        sscanf(config->share, "%2d/%2d", ret_share, ret_shares);
    if (*ret_shares == 1)
        *ret_share = *ret_shares = 0;
}

bool receive_config_origins(const ReceiveConfig *config) {
    return config->origin_proofs && *config->origin_proofs;
}

static int origins_check(const ReceiveConfig *config, const char *path) {
    if (receive_config_origins(config) != (config->agency_keys_count > 0))
        return error_fail(ERROR_CONFIG,
                          "%s: origin_proofs: yes and agency_keys belong together: proofs are judged by keys that you "
                          "have from the agencies",
                          path);
    if (receive_config_origins(config) && !record_format_takes_origins(config->sink.format))
        return error_fail(ERROR_CONFIG, "%s: format fhir has no place for proofs of origin", path);
    return 0;
}

// What stands behind the first "=".
static int agency_key_resolve(const char *path, char **key) {
    char *equals = strchr(*key, '='), *file = equals ? strdup(equals + 1) : NULL, *resolved = NULL;
    if (!equals) // origin_key_load() says what is wrong
        return 0;
    int r = file ? config_resolve_own(path, &file) : error_fail(ERROR_MEMORY, "no memory for a path");
    if (r == 0 && asprintf(&resolved, "%.*s=%s", (int)(equals - *key), *key, file) < 0)
        r = error_fail(ERROR_MEMORY, "no memory for a path");
    free(file);
    if (r < 0)
        return r;
    free(*key);
    *key = resolved;
    return 0;
}

static int sink_resolve(ReceiveSink *sink, const char *path) {
    int r = config_resolve_own(path, &sink->directory);
    if (r == 0)
        r = config_resolve_own(path, &sink->state);
    if (r == 0 && sink->command && strchr(sink->command[0], '/'))
        r = config_resolve_own(path, &sink->command[0]);
    return r;
}

int receive_config_load(ReceiveConfig **ret, const char *path) {
    CLEANUP(receive_config_free) ReceiveConfig *config = NULL;
    int r = config_load((void **)&config, path, &SCHEMA);
    if (r == 0)
        r = sink_check(&config->sink, path);
    if (r == 0)
        r = share_check(config->share, path);
    if (r == 0)
        r = origins_check(config, path);
    for (unsigned i = 0; r == 0 && i < config->agency_keys_count; i++)
        r = agency_key_resolve(path, &config->agency_keys[i]);
    if (r == 0)
        r = config_resolve_own(path, &config->keys);
    if (r == 0)
        r = config_resolve_own(path, &config->broker.key);
    if (r == 0)
        r = sink_resolve(&config->sink, path);
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
