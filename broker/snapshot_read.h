// SPDX-License-Identifier: Apache-2.0
//
// Fills one chunk, on one thread's database sessions: a few short statements for each thousand records, with nothing
// held in the databases in between.
#pragma once

#include "broker/snapshot.h"

#define SNAPSHOT_STEP 1000 // versions looked at together

typedef struct SnapshotReader SnapshotReader;

int snapshot_reader_new(SnapshotReader **ret, const SnapshotOptions *options); // ERROR_CONFIG, ERROR_MEMORY
void snapshot_reader_destroy(SnapshotReader **reader);
// After a failure: the next chunk connects anew.
void snapshot_reader_disconnect(SnapshotReader *reader);
// Connects when needed. Reads on from work->place and moves it. ERROR_DATABASE, ERROR_DATA (a stored record cannot be
// read), ERROR_CRYPTO, ERROR_MEMORY. 1: the population store is behind the log, with error_text(); nothing was read.
int snapshot_read(SnapshotReader *reader, SnapshotWork *work);
