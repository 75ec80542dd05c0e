// SPDX-License-Identifier: Apache-2.0
//
// Takes content out of stored bytes, so that nothing of it is left and every proof holds: entries and events become
// empty, their salts zeros, all else stays byte for byte. Pure.
#pragma once

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct EraseSet { // which entries of a segment
    const bool *gone;
    size_t n;
} EraseSet;

// Of stored, compressed bytes; appended to `out` in frames that the database can look into. 1 when they cannot be read;
// ERROR_MEMORY.
int erase_payload(const uint8_t *data, size_t n, EraseSet set, Bytes *out);
int erase_summary(const uint8_t *data, size_t n, EraseSet set, Bytes *out); // masked numbers, too
// Of a sealed batch. 1 as above.
int erase_batch(const uint8_t *data, size_t n, EraseSet set, Bytes *out);
// An event's word out of a record's version (a packed Record): what it set, what of it lost, and that it did. keys: the
// numbers of the record's key fields, which stay as long as anybody's word does. 1 when it cannot be read;
// ERROR_MEMORY.
int erase_record(const uint8_t *data, size_t n, const uint8_t event_id[16], uint32_t keys, Bytes *out);
