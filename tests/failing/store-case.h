// SPDX-License-Identifier: Apache-2.0
//
// An exchange's database for programs that store batches in it without a broker: both stores migrated, agency MOH with
// a signing key and the rights to say all, streams of its own, a person. And batches of events for it.
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

#define STORE_CASE_STREAMS 4
#define STORE_CASE_EVENTS 3 // in a batch

typedef struct StoreCase {
    Pg *pg; // to set up and to look
    Rules *rules;
    Merkle *merkle;
    Signer *signer;
    Keys agency_keys, broker_keys;
    char key_id[KEY_ID_TEXT_BYTES];
    Agencies *agencies;
    const Agency *agency;
    uint8_t streams[STORE_CASE_STREAMS][STREAM_BYTES];
    uint64_t next[STORE_CASE_STREAMS]; // sequence
} StoreCase;

// All of these end the program when something does not work, for that is not what is tried.
void store_case_begin(StoreCase *test); // PGHOST and the like name the server
void store_case_end(StoreCase *test);
// A batch of the stream's next events, sealed, into `sealed`; the next one follows it. Of stream 0: an event that
// agrees with the person, one that differs, one of nobody. Of others likewise, of numbers of their own; of the last
// one: births of those who were nobody before.
void store_case_seal(StoreCase *test, int stream, Bytes *sealed);
void store_case_work(const StoreCase *test, int stream, uint64_t first_sequence, const Bytes *sealed, Work *work);
int64_t store_case_number(StoreCase *test, const char *sql); // a query of one bigint
