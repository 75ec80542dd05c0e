// SPDX-License-Identifier: Apache-2.0
//
// Where a snapshot is, as its subscriber keeps it. It holds a person's key and a record's, which no subscriber may
// read, and what it says is believed: so it is encrypted and authenticated, for one subscription and what it asked for.
#pragma once

#include "broker/subscriber.h"
#include "proto/buckets.h"

// What one asks for, and whose it is. A cursor is good for that alone.
typedef struct SnapshotAsked {
    int32_t subscription;
    uint8_t secret[32]; // the subscription's
    bool digests;
    bool of_buckets;
    uint8_t buckets[BUCKETS_MAP_BYTES]; // which, with of_buckets; else zeros
} SnapshotAsked;

// Everything up to (person, domain, record_key) was told.
typedef struct SnapshotPlace {
    FeedPlace first; // the head before the first chunk was read
    FeedPlace last;  // ... and before the newest one was; of the epoch nothing is kept
    int32_t policy_version;
    uint64_t persons; // begun with
    int64_t person;
    int domain;
    char record_key[RECORD_KEY_BYTES_MAX + 1];
    int64_t release; // the account of what may have gone out; 0: none yet
} SnapshotPlace;

// *ret_n bytes, SNAPSHOT_CURSOR_BYTES_MAX at most. ERROR_CRYPTO.
int snapshot_cursor_seal(const SnapshotPlace *place, const SnapshotAsked *asked, const Clock *clock,
                         uint8_t out[SNAPSHOT_CURSOR_BYTES_MAX], size_t *ret_n);
// 1 when it is none that was sealed for this; ERROR_CRYPTO.
int snapshot_cursor_open(const uint8_t *data, size_t n, const SnapshotAsked *asked, SnapshotPlace *ret);
