// SPDX-License-Identifier: Apache-2.0
//
// Moves that the population store has (population.residence) and no event of the log tells of: of a transaction that
// came to nothing, or of before the exchange's database was set back. Their persons' records are told again, as of any
// who moved (broker/retelling.h), from wherever the store ever had them since to where it has them now.
#pragma once

#include "broker/prepare.h"

#define HOMES_MAX 500 // moves of one work

// Whether there may be any; without the log's lock.
int homes_wait(Prepare *prepare, bool *ret);
// Makes the work's items of the next ones, under the log's lock: entries that say only that somebody moved. Sets
// advance->rows to how many were looked at, 0 when there are none left. ERROR_DATABASE, ERROR_MEMORY.
int homes_build(Prepare *prepare, Pg *exchange, Work *work);
// Notes whose records are to be told again, once the entries have their positions, and that these moves are seen to.
int homes_done(Pg *exchange, const Work *work);
// Of a work that changed the population store, once it has its positions: where its own events tell of all that the
// store has behind what is seen to, that is seen to as well. Otherwise it stays for a work of its own.
int homes_told(Prepare *prepare, Pg *exchange, const Work *work);
