// SPDX-License-Identifier: Apache-2.0
//
// Up to where the log in the database was let go of, as who trims it says, and what of it was erased: in tables, and by
// entries of the log.
#pragma once

#include "proto/base/pg.h"

#include <stdint.h>

// Of the rows t of exchange.trim those that c of exchange.policy_change declares to the log.
#define LOG_TRIMS_DECLARED                                                                                             \
    "exchange.trim t JOIN exchange.policy_change c "                                                                   \
    "ON c.text || ' ' LIKE 'log trimmed up to position ' || t.position || ' %' "

typedef struct LogTrim {
    uint64_t position; // 0: nothing was let go of
    uint64_t entry;    // first position of the segment whose entry says so; 0: no broker has come to it yet
} LogTrim;

// The furthest of those that were declared to the log, too: whoever has the database could say it in the table alone.
// ERROR_DATABASE.
int log_trims_read(Pg *exchange, LogTrim *ret);
// ... and of one entry that was erased: *ret is the first position of the segment that has its tombstone; 0: no broker
// has come to the last order yet. 1: nobody ordered it. ERROR_DATABASE.
int log_trims_erased(Pg *exchange, uint64_t position, uint64_t *ret);
