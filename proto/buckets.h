// SPDX-License-Identifier: Apache-2.0
//
// What two copies of a subscription's records are compared by. Records are parted into buckets by their ids; what a
// bucket holds adds up to a number, whatever order it is added in. Of content only: where a record stands in the log,
// and who told it, does not count. Both sides of the wire count with this one module.
#pragma once

#include "proto/base/bytes.h"
#include "proto/bounds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_ID_BYTES 16
#define BUCKETS_MAP_BYTES (SNAPSHOT_BUCKETS / 8)
#define BUCKETS_SUMS_BYTES (SNAPSHOT_BUCKETS * SNAPSHOT_DIGEST_BYTES)

typedef struct Buckets Buckets; // sums, and what it takes to add to them; one thread's

int buckets_new(Buckets **ret); // ERROR_CRYPTO, ERROR_MEMORY
void buckets_destroy(Buckets **buckets);
void buckets_clear(Buckets *buckets);

typedef struct BucketsRecord {
    const uint8_t *id; // RECORD_ID_BYTES
    int domain;
    const char *citizen_number; // "" where it is not granted
    const uint8_t *body;        // the domain's body
    size_t body_n;
    uint32_t granted; // fields of it that count, as bits
} BucketsRecord;
// Adds a record; nothing where no granted field has a value. 0; 1 when its body is malformed; ERROR_MEMORY.
int buckets_add(Buckets *buckets, const BucketsRecord *record);
// Appends a field that has this text as its value; nothing for "". For who keeps fields and no bodies.
void buckets_body(Bytes *body, const ProtobufCFieldDescriptor *field, const char *text);
void buckets_add_sums(Buckets *buckets, const uint8_t sums[BUCKETS_SUMS_BYTES]);
const uint8_t *buckets_sums(const Buckets *buckets); // BUCKETS_SUMS_BYTES, as a SnapshotChunk carries them

unsigned buckets_of(const uint8_t id[RECORD_ID_BYTES]);
bool buckets_has(const uint8_t map[BUCKETS_MAP_BYTES], unsigned bucket);
// Marks those whose sums differ; how many.
unsigned buckets_differing(const Buckets *a, const Buckets *b, uint8_t ret_map[BUCKETS_MAP_BYTES]);
