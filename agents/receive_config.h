// SPDX-License-Identifier: Apache-2.0
//
// The receiver's configuration file.
#pragma once

#include <stddef.h>

typedef enum SinkName { SINK_JSONL, SINK_POSTGRES } SinkName;

typedef struct ReceiveSink {
    SinkName kind;
    char *directory; // jsonl: as written in the file
    char *conninfo;  // postgres
    char *schema;
} ReceiveSink;

typedef struct ReceiveBroker {
    char *key; // NAME.pub of the broker
    char **endpoints;
    unsigned endpoints_count;
} ReceiveBroker;

typedef struct ReceiveConfig {
    char *subscription;
    char *keys;
    ReceiveBroker broker;
    ReceiveSink sink;
} ReceiveConfig;

// ERROR_CONFIG with file and line. Paths are then as the program can open them.
int receive_config_load(ReceiveConfig **ret, const char *path);
void receive_config_free(ReceiveConfig **config);
