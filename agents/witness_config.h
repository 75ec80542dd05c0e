// SPDX-License-Identifier: Apache-2.0
//
// A witness's configuration file.
#pragma once

#include "agents/receive_config.h"

#include <stdint.h>

typedef struct WitnessConfig {
    char *keys;
    ReceiveBroker broker;
    char *heads;                // the file of co-signed heads
    uint32_t *interval_seconds; // NULL: WITNESS_INTERVAL_S
} WitnessConfig;

#define WITNESS_INTERVAL_S 30
#define WITNESS_INTERVAL_S_MAX 86400

// ERROR_CONFIG with file and line. Paths are then as the program can open them.
int witness_config_load(WitnessConfig **ret, const char *path);
int64_t witness_config_interval_ms(const WitnessConfig *config);
void witness_config_free(WitnessConfig **config);
