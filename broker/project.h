// SPDX-License-Identifier: Apache-2.0
//
// An entry as one subscription may see it. Pure. Copies the granted fields' wire bytes and nothing else: a field that
// is not granted, unknown or hidden in an odd encoding never gets into the output.
#pragma once

#include "broker/policy.h"
#include "proto/base/bytes.h"
#include "proto/buckets.h"

typedef struct Projector Projector; // a subscription's keyed hash and its scratch memory; one thread's

int projector_new(Projector **ret, const uint8_t secret[32]); // ERROR_CRYPTO, ERROR_MEMORY
void projector_destroy(Projector **projector);

// HMAC-SHA256(secret, person i64 ‖ domain u8 ‖ record key), first 16 bytes, integers big-endian: stable for a record
// within a subscription, and of no use to compare two subscriptions' records. ERROR_CRYPTO.
int projector_record_id(Projector *projector, const Dongbo__Entry *entry, uint8_t out[RECORD_ID_BYTES]);
// HMAC-SHA256(secret, "person" ‖ person i64), first 16 bytes: stable for a person within a subscription. ERROR_CRYPTO.
#define PERSON_ID_BYTES 16
int projector_person_id(Projector *projector, int64_t person, uint8_t out[PERSON_ID_BYTES]);

// Which of n shares a person is of, from 1: HMAC-SHA256(secret, "share" ‖ person i64), first 8 bytes, modulo n.
// ERROR_CRYPTO.
int projector_share(Projector *projector, int64_t person, int n, int *ret);

// Appends those fields of a flat message whose bit is set. 1 when the bytes are malformed (`out` is then as before).
int project_body(const uint8_t *body, size_t n, uint32_t granted, Bytes *out);

typedef struct Projection {
    const PolicyVersion *version;
    const Dongbo__Entry *entry;
    PolicyPassage passage;
    uint64_t position, previous;
    const char *agency; // code of who told it
} Projection;
// Whether nothing that is granted changed in an entry that policy_admits(), so that no record comes of it.
bool projection_is_empty(const Projection *projection);
// Appends a packed FeedRecord for an entry that policy_admits(). 0; 1 nothing that is granted changed, nothing
// appended; 2 the stored body is malformed; ERROR_CRYPTO, ERROR_MEMORY.
int projector_append(Projector *projector, const Projection *projection, Bytes *out);
