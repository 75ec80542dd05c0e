// SPDX-License-Identifier: Apache-2.0
//
// The configuration of `dongbo-agent publish`: who we are, where the exchange is, where the spool is, what is read.
//
//   agency: MOH
//   agent: moh-1
//   keys: keys/moh.yaml             # paths are relative to this file
//   broker: {key: keys/broker.yaml.pub, endpoints: ["tcp://127.0.0.1:7701"]}
//   spool: {path: spool.db, bytes_max: 1073741824, keep_days: 7}
//   sources:
//     - {name: vaccinations, kind: csv, directory: drop, pattern: "*.csv", mapping: health.yaml, stream: live,
//        encoding: UTF-8, delimiter: ","}
//       # encoding: UTF-8, TCVN3, VNI, VISCII, CP1258, TCVN3-UTF8, VNI-UTF8, any name of iconv's, or auto (charset.h)
//     - {name: outbox1, kind: outbox, conninfo: "dbname=...", table: public.dongbo_outbox, take: mark, mapping: m.yaml}
#pragma once

#include <stdint.h>

#define PUBLISH_SOURCES_MAX 64

typedef enum SourceKindName { SOURCE_CSV, SOURCE_OUTBOX } SourceKindName;
typedef enum TakeKind { TAKE_MARK, TAKE_DELETE } TakeKind;
typedef enum StreamKindName { STREAM_LIVE, STREAM_BULK } StreamKindName;
#define STREAM_KINDS 2

typedef struct SourceConfig {
    char *name;
    SourceKindName kind;
    char *mapping;
    StreamKindName stream; // live when not said
    char *directory;       // csv
    char *pattern;         // csv; NULL: *.csv
    char *encoding;        // csv; NULL: UTF-8; "auto": each file's own
    char *delimiter;       // csv; NULL: ","; "\t" for a tab
    char *conninfo;        // outbox
    char *table;           // outbox; NULL: public.dongbo_outbox
    TakeKind take;         // outbox: rows taken are marked (when not said) or deleted
} SourceConfig;

typedef struct BrokerConfig {
    char *key;
    char **endpoints;
    unsigned endpoints_count;
} BrokerConfig;

typedef struct SpoolConfig {
    char *path;
    uint64_t *bytes_max; // NULL: 1 GiB
    uint32_t *keep_days; // NULL: 7
} SpoolConfig;

typedef struct PublishConfig {
    char *agency, *agent, *keys;
    BrokerConfig broker;
    SpoolConfig spool;
    SourceConfig *sources;
    unsigned sources_count;
} PublishConfig;

// Paths are resolved. ERROR_CONFIG names file and line.
int publish_config_load(PublishConfig **ret, const char *path);
void publish_config_free(PublishConfig **config);
uint64_t publish_config_bytes_max(const PublishConfig *config);
int publish_config_keep_days(const PublishConfig *config);
const char *publish_stream_name(StreamKindName stream);
