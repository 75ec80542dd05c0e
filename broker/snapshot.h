// SPDX-License-Identifier: Apache-2.0
//
// Reads chunks of snapshots for the feed, one at a time, on a thread and database sessions of its own, so that live
// records wait for nobody's snapshot. Speaks to no subscriber and decides nothing about sessions.
//
// A chunk's head is read first, the versions up to it after that, and last where their persons live and what their
// numbers are. Versions are only ever inserted, and the population store has a change before the log does: so a chunk
// lacks nothing up to its head, and whatever it has of later is told by the feed again.
#pragma once

#include "broker/snapshot_cursor.h"

#define SNAPSHOT_RECORDS_MAX 4096 // of a chunk

typedef struct SnapshotWork {
    // What is asked for.
    uint64_t session;
    SnapshotAsked asked;
    PolicyVersion version;
    int64_t turn;        // FeedState's when it was given
    bool begins;         // place.first is not known yet
    SnapshotPlace place; // of what was told; then of what this chunk tells
    // The answer.
    int result; // 0; 1 while the population store is behind the log, or negative, with why
    char why[256];
    FeedPlace head;
    int64_t policy_stamp; // of the policies at that head
    bool done;
    uint64_t persons_total; // about
    Bytes records;          // packed FeedRecords, one after the other
    size_t sizes[SNAPSHOT_RECORDS_MAX];
    size_t n;
    Buckets *sums; // with digests
    bool tells;    // something of a record is in it
} SnapshotWork;

int snapshot_work_new(SnapshotWork **ret); // ERROR_CRYPTO, ERROR_MEMORY
void snapshot_work_destroy(SnapshotWork **work);

typedef struct SnapshotOptions {
    const char *exchange, *population; // conninfo: the broker's, and one that only reads
    const Clock *clock;
} SnapshotOptions;

// The thread. It takes a pointer to a SnapshotWork, and sends the same back when the answer is in it.
int snapshot_new(zactor_t **ret, const SnapshotOptions *options);
void snapshot_give(zactor_t *snapshot, SnapshotWork *work);
SnapshotWork *snapshot_take(zactor_t *snapshot); // NULL when there is none yet
