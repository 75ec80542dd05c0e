// SPDX-License-Identifier: Apache-2.0
//
// What a run left in the exchange's database, held against the truth: the log's every verdict, and the records held
// now. Reads the batches as the agents signed them, and takes no query of the programs under test for it.
#pragma once

#include "proto/base/pg.h"
#include "tests/country/digest.h"
#include "tests/country/truth.h"

#define LEDGER_VERDICTS 8
#define LEDGER_DOMAINS 8

typedef struct Ledger {
    uint64_t head;                                     // last position
    uint64_t events;                                   // event entries in the log
    uint64_t present[LEDGER_DOMAINS][LEDGER_VERDICTS]; // rows by domain and verdict they have now
    uint64_t records;                                  // held now, population not counted
    uint64_t lost;                                     // rows that the log has no verdict of
    uint64_t doubled;                                  // rows that it has more than one first verdict of
    uint64_t strange;                                  // events in the log that no table has
    uint64_t wrongly_accepted;                         // taken as true of somebody else, or though they are wrong
    uint64_t verdicts_wrong;                           // first or present verdict is not the expected one
    uint64_t reasons_wrong;                            // without the reason that tells the agency what is wrong
    uint64_t records_missing, records_beyond;
} Ledger;

// Marks the rows of `truth` and counts. Prints the first few differences to standard error. ERROR_DATABASE, ERROR_DATA,
// ERROR_MEMORY.
int ledger_read(Ledger *ledger, Truth *truth, Pg *exchange, Pg *population);
