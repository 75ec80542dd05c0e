// SPDX-License-Identifier: Apache-2.0
//
// The receiver's configuration file.
#pragma once

#include "agents/record_format.h"
#include "proto/base/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum SinkName { SINK_JSONL, SINK_POSTGRES, SINK_COMMAND } SinkName;

typedef struct ReceiveSink {
    SinkName kind;
    RecordFormat format;      // jsonl, command
    char *directory;          // jsonl
    uint64_t *rotate_bytes;   // jsonl; NULL: 256 MiB
    uint32_t *rotate_seconds; // jsonl; NULL: never by time
    char *conninfo;           // postgres
    char *schema;
    char **command; // command: the program and its arguments
    unsigned command_count;
    char *state; // command: the file of its place
    uint32_t *answer_seconds;
} ReceiveSink;

typedef struct ReceiveBroker {
    char *key; // NAME.pub of the broker
    char **endpoints;
    unsigned endpoints_count;
} ReceiveBroker;
extern const cyaml_schema_field_t receive_broker_fields[]; // also of a witness's file

typedef struct ReceiveConfig {
    char *subscription;
    char *keys;
    char *share;        // "2/3"; NULL: everything
    int *origin_proofs; // NULL: no
    char **agency_keys; // "MOH=FILE.pub": whose words proofs of origin are
    unsigned agency_keys_count;
    ReceiveBroker broker;
    ReceiveSink sink;
} ReceiveConfig;

// ERROR_CONFIG with file and line. Paths are then as the program can open them.
// A command's first word, too, when it has a slash.
int receive_config_load(ReceiveConfig **ret, const char *path);
// Its share; 0 of 0 for everything.
void receive_config_share(const ReceiveConfig *config, int *ret_share, int *ret_shares);
bool receive_config_origins(const ReceiveConfig *config); // whether proofs of origin are asked for
void receive_config_free(ReceiveConfig **config);
