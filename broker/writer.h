// SPDX-License-Identifier: Apache-2.0
//
// The writer's thread: takes prepared works in the order of their tickets, some at a time, runs the transaction, and
// then tells those who wait. While the database is away it keeps what it holds and tries again; it never turns that
// into a verdict. A work that fails for another reason is given back by itself, and the next one follows.
#pragma once

#include "broker/transaction.h"

#include <czmq.h>

typedef struct WriterOptions {
    TransactionOptions transaction;
    const char *inbox;    // inproc endpoint, bound here
    const char *ingress;  // gets works back, and MAIL_DECIDED
    const char *redecide; // gets its works back, MAIL_POPULATION and MAIL_SWEEP
    const char *commits;  // the feed's; NULL: none
} WriterOptions;

// Returns once the inbox is bound. What the options point to outlives the writer. zactor_destroy() ends it after the
// transaction under way. Works stay where they are: their owner frees them.
int writer_new(zactor_t **ret, const WriterOptions *options);
