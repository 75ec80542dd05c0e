// SPDX-License-Identifier: Apache-2.0
//
// The event that a record's word is by, as its agency said it: from the log, where it stands in the batch that was
// signed, or from the exceptions, where it was decided later. Only reads.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/pg.h"
#include "proto/bounds.h"
#include "store.pb-c.h"

typedef struct Testimony {
    // Asked: whose word, and in which record.
    int64_t person;
    int domain;
    const char *record_key;
    const uint8_t *event_id; // EVENT_ID_BYTES
    // Answered. `known` is when and by whom it was told; `found`, that it is held still. Bytes in the arena.
    bool known, found;
    uint32_t agency;
    uint64_t sequence;
    uint8_t stream[STREAM_BYTES], leaf[HASH_BYTES];
    ProtobufCBinaryData bytes;
} Testimony;

// A few at a time, for each may be in a segment of its own. ERROR_DATABASE, ERROR_MEMORY.
int testimony_find(Pg *exchange, Arena *arena, Testimony *list, size_t n);
