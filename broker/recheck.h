// SPDX-License-Identifier: Apache-2.0
//
// Under the writer's lock: which events of a work were decided on something that moved since it was read? Only those
// are looked up again. Knows what this broker wrote, reads what other brokers wrote from their segments, and follows
// the population store's own list of changes. Versions that this broker wrote itself it has at hand. Nothing is
// believed over a change of server: of a work that was read in another life of a database than this one, all is stale.
#pragma once

#include "broker/prepare.h"
#include "broker/touched.h"

typedef struct Recheck Recheck;
// `prepare` has the writer's own exchange session and is not owned.
int recheck_new(Recheck **ret, Prepare *prepare);
void recheck_destroy(Recheck **recheck);

// The session with the exchange, or with the population store, is another one from here on: what is remembered may
// never have been. To be called before it is used.
void recheck_forget(Recheck *recheck);
void recheck_forget_population(Recheck *recheck);
// Learns of all up to the head that this broker does not know yet. At the start of every transaction.
int recheck_follow(Recheck *recheck, uint64_t head);
// Learns of what moved in the population store up to now.
int recheck_population(Recheck *recheck);
// The same, by which the log was decided up to `known`. ERROR_DATABASE, which passes, while it is behind that: a store
// that was set back alone gives persons' keys out again under which there are records, and a log whose population
// position goes back does not verify.
int recheck_population_since(Recheck *recheck, int64_t known);
// Marks what is stale, and reads what this broker wrote itself from memory. 0: nothing is stale; 1: something was, and
// is at hand now; 2: something is to be looked up, in a database that has all rows of earlier works.
int recheck_mark(Recheck *recheck, Work *work);
// Looks up what is marked, and decides and packs the work anew. ERROR_DATABASE, ERROR_MEMORY.
int recheck_renew(Recheck *recheck, Work *work);
// Looks once more for what came before, in a database that has all rows of earlier works.
int recheck_repeats(Recheck *recheck, Work *work);
// The work is now as if it had been read at this head.
void recheck_date(Recheck *recheck, Work *work, uint64_t head);
// Whether some event of the work, which has its positions, may replace an older one that is open: one that came since
// the work was read, or that is of the work itself.
bool recheck_resent(Recheck *recheck, const Work *work);
// The work's records move at their positions: known from now on, whether or not the transaction commits.
void recheck_note(Recheck *recheck, const Work *work);
// The transaction committed, and everything up to its new head has been noted.
void recheck_committed(Recheck *recheck, uint64_t head);
// It did not, or that is not known: what it wrote is forgotten.
void recheck_failed(Recheck *recheck);
int64_t recheck_population_position(const Recheck *recheck);
