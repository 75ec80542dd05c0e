// SPDX-License-Identifier: Apache-2.0
//
// See publish_config.h. Form is libcyaml's to judge; this adds what depends on a source's kind.
#include "agents/publish_config.h"

#include "agents/place.h"
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/bounds.h"

#include <stdlib.h>
#include <string.h>

#define SPOOL_BYTES_DEFAULT (1024ULL * 1024 * 1024)
#define SPOOL_BYTES_MIN (4ULL * BATCH_BYTES_MAX)
#define KEEP_DAYS_DEFAULT 7

static const cyaml_strval_t KINDS[] = {{"csv", SOURCE_CSV}, {"outbox", SOURCE_OUTBOX}};
static const cyaml_strval_t STREAMS[] = {{"live", STREAM_LIVE}, {"bulk", STREAM_BULK}};
static const cyaml_strval_t TAKES[] = {{"mark", TAKE_MARK}, {"delete", TAKE_DELETE}};

#define TEXT CYAML_FLAG_POINTER
#define OPTIONAL_TEXT (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define STRICT_ENUM CYAML_FLAG_STRICT
#define OPTIONAL_ENUM (CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t SOURCE_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("name", TEXT, SourceConfig, name, 1, 63),
    CYAML_FIELD_ENUM("kind", STRICT_ENUM, SourceConfig, kind, KINDS, 2),
    CYAML_FIELD_STRING_PTR("mapping", TEXT, SourceConfig, mapping, 1, 4000),
    CYAML_FIELD_ENUM("stream", OPTIONAL_ENUM, SourceConfig, stream, STREAMS, 2),
    CYAML_FIELD_STRING_PTR("directory", OPTIONAL_TEXT, SourceConfig, directory, 1, 3000),
    CYAML_FIELD_STRING_PTR("pattern", OPTIONAL_TEXT, SourceConfig, pattern, 1, 255),
    CYAML_FIELD_STRING_PTR("encoding", OPTIONAL_TEXT, SourceConfig, encoding, 1, 40),
    CYAML_FIELD_STRING_PTR("delimiter", OPTIONAL_TEXT, SourceConfig, delimiter, 1, 2),
    CYAML_FIELD_STRING_PTR("conninfo", OPTIONAL_TEXT, SourceConfig, conninfo, 1, 4000),
    CYAML_FIELD_STRING_PTR("table", OPTIONAL_TEXT, SourceConfig, table, 1, 130),
    CYAML_FIELD_ENUM("take", OPTIONAL_ENUM, SourceConfig, take, TAKES, 2),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t SOURCE_SCHEMA = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, SourceConfig, SOURCE_FIELDS)};
static const cyaml_schema_value_t ENDPOINT_SCHEMA = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 255)};

static const cyaml_schema_field_t BROKER_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("key", TEXT, BrokerConfig, key, 1, 4000),
    CYAML_FIELD_SEQUENCE("endpoints", TEXT, BrokerConfig, endpoints, &ENDPOINT_SCHEMA, 1, 16),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t SPOOL_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("path", TEXT, SpoolConfig, path, 1, 4000),
    CYAML_FIELD_UINT_PTR("bytes_max", OPTIONAL_TEXT, SpoolConfig, bytes_max),
    CYAML_FIELD_UINT_PTR("keep_days", OPTIONAL_TEXT, SpoolConfig, keep_days),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t FIELDS[] = {
    CYAML_FIELD_STRING_PTR("agency", TEXT, PublishConfig, agency, 1, 63),
    CYAML_FIELD_STRING_PTR("agent", TEXT, PublishConfig, agent, 1, 63),
    CYAML_FIELD_STRING_PTR("keys", TEXT, PublishConfig, keys, 1, 4000),
    CYAML_FIELD_MAPPING("broker", CYAML_FLAG_DEFAULT, PublishConfig, broker, BROKER_FIELDS),
    CYAML_FIELD_MAPPING("spool", CYAML_FLAG_DEFAULT, PublishConfig, spool, SPOOL_FIELDS),
    CYAML_FIELD_SEQUENCE("sources", TEXT, PublishConfig, sources, &SOURCE_SCHEMA, 1, PUBLISH_SOURCES_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, PublishConfig, FIELDS)};

uint64_t publish_config_bytes_max(const PublishConfig *config) {
    return config->spool.bytes_max == NULL ? SPOOL_BYTES_DEFAULT : *config->spool.bytes_max;
}

int publish_config_keep_days(const PublishConfig *config) {
    return config->spool.keep_days == NULL ? KEEP_DAYS_DEFAULT : (int)*config->spool.keep_days;
}

const char *publish_stream_name(StreamKindName stream) {
    return STREAMS[stream].str;
}

static int source_fault(const char *path, int index, const char *what, const char *name) {
    return error_fail(ERROR_CONFIG, "%s, line %d: source %s %s", path, place_line(path, "sources", index, NULL), name,
                      what);
}

static int check_source(const PublishConfig *config, const char *path, int index) {
    const SourceConfig *source = &config->sources[index];
    for (int i = 0; i < index; i++)
        if (strcmp(config->sources[i].name, source->name) == 0)
            return source_fault(path, index, "is named twice: its name is what the spool knows it by", source->name);
    if (source->kind == SOURCE_CSV) {
        if (source->directory == NULL)
            return source_fault(path, index, "is of kind csv and needs a directory", source->name);
        if (source->conninfo != NULL || source->table != NULL || source->take != TAKE_MARK)
            return source_fault(path, index, "is of kind csv: conninfo, table and take are for an outbox",
                                source->name);
        if (source->delimiter != NULL && strlen(source->delimiter) != 1 && strcmp(source->delimiter, "\\t") != 0)
            return source_fault(path, index, "has a delimiter that is not one ASCII character", source->name);
        return 0;
    }
    if (source->conninfo == NULL)
        return source_fault(path, index, "is of kind outbox and needs conninfo", source->name);
    if (source->directory != NULL || source->pattern != NULL || source->encoding != NULL || source->delimiter != NULL)
        return source_fault(path, index, "is of kind outbox: directory, pattern, encoding and delimiter are for csv",
                            source->name);
    return 0;
}

static int check(PublishConfig *config, const char *path) {
    int r = config_resolve_own(path, &config->keys);
    if (r == 0)
        r = config_resolve_own(path, &config->broker.key);
    if (r == 0)
        r = config_resolve_own(path, &config->spool.path);
    for (unsigned i = 0; i < config->sources_count && r == 0; i++) {
        r = config_resolve_own(path, &config->sources[i].mapping);
        if (r == 0)
            r = config_resolve_own(path, &config->sources[i].directory);
        if (r == 0)
            r = check_source(config, path, (int)i);
    }
    if (r == 0 && publish_config_bytes_max(config) < SPOOL_BYTES_MIN)
        r = error_fail(ERROR_CONFIG, "%s, line %d: a spool needs a bytes_max of %llu at least", path,
                       place_line(path, "spool", -1, NULL), SPOOL_BYTES_MIN);
    return r;
}

int publish_config_load(PublishConfig **ret, const char *path) {
    PublishConfig *config;
    int r = config_load((void **)&config, path, &SCHEMA);
    if (r < 0)
        return r;
    r = check(config, path);
    if (r < 0) {
        publish_config_free(&config);
        return r;
    }
    *ret = config;
    return 0;
}

void publish_config_free(PublishConfig **config) {
    if (*config != NULL)
        config_free(*config, &SCHEMA);
    *config = NULL;
}
