// SPDX-License-Identifier: Apache-2.0
//
// One transaction of the one writer: some works, each its own segment, under the log's lock. Re-checks, applies
// population changes, stores, and finds the row that the database will not have. Knows nothing of threads or sockets.
#pragma once

#include "broker/connector.h"
#include "broker/item.h"
#include "broker/rules.h"
#include "broker/stats.h"
#include "proto/base/clock.h"
#include "proto/keys.h"

typedef struct TransactionOptions {
    const char *exchange, *population_reader, *population_writer; // conninfo
    const Rules *rules;
    const Clock *clock;
    const Keys *keys;
    Stats *stats;
} TransactionOptions;

typedef struct Transaction Transaction;
// What the session that changes the population store is connected by: the caller sees to it, for the exchange is not to
// wait for that store under its lock.
Connector *transaction_population(Transaction *transaction);
int transaction_new(Transaction **ret, const TransactionOptions *options); // connects on first use
void transaction_destroy(Transaction **transaction);

// Runs it. After 0 every work is settled, and receipts are made; *ret_head is the log's new head. Works that were
// settled before (refused while preparing) are left alone. After an error nothing is settled and nothing is stored, or
// it is not known whether it was (then the same works find themselves to be duplicates next time). ERROR_DATA: some row
// is refused by the database; run each work with `alone`, which then rejects that event only. ERROR_DATABASE: try again
// later where transaction_is_passing(). Any other error, and that one otherwise, is some work's own: run each alone.
// TRANSACTION_POPULATION_AWAY: some work changes the population store, and that session is not connected, or failed in
// a way that passes; run the group without such works. TRANSACTION_OVERTAKEN: only for somebody else changed one of the
// same persons just before; run the group again.
#define TRANSACTION_POPULATION_AWAY 1
#define TRANSACTION_OVERTAKEN 2
#define TRANSACTION_DECISIONS_MAX 2 // works of the re-decider in one transaction, beside WRITER_GROUP_MAX batches
#define TRANSACTION_WORKS_MAX (WRITER_GROUP_MAX + TRANSACTION_DECISIONS_MAX)
typedef struct TransactionGroup {
    Work **works;
    size_t n;      // at most TRANSACTION_WORKS_MAX
    bool alone;    // n is 1: find the rows at fault
    bool policies; // look for policy changes and epoch requests
} TransactionGroup;
int transaction_run(Transaction *transaction, const TransactionGroup *group, uint64_t *ret_head);
bool transaction_is_passing(const Transaction *transaction); // the last ERROR_DATABASE
// The last one with `policies` logged a portion of what was due: run another.
bool transaction_has_notes(const Transaction *transaction);
uint32_t transaction_epoch(const Transaction *transaction); // of the last one that was run
