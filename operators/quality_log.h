// SPDX-License-Identifier: Apache-2.0
//
// Counts quality from what PostgreSQL holds: every event from the log's batches, those that were not taken from the
// exceptions' present state. In pages of one snapshot; reads only. The facility is the field that the domain's rules
// name (schemas/rules, `facility`), masked as they say.
#pragma once

#include "broker/rules.h"
#include "operators/quality.h"
#include "proto/base/arena.h"
#include "proto/base/pg.h"

typedef struct QualityOptions {
    const Rules *rules;
    int64_t since_us; // events stored from then on; 0: all
} QualityOptions;

// ERROR_CONFIG when the session's role may not read events, ERROR_DATABASE, ERROR_MEMORY.
int quality_log_read(Quality **ret, Pg *exchange, const QualityOptions *options);
// Of an event as it came: its domain and facility are filled in. Unreadable bytes are domain 0.
void quality_log_key(const Rules *rules, const uint8_t *event, size_t n, Arena *arena, QualityKey *ret);
