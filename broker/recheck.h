// SPDX-License-Identifier: Apache-2.0
//
// Under the writer's lock: which events of a work were decided on something that moved since it was read? Only those
// are looked up again. Knows what this broker wrote, reads what other brokers wrote from their segments, and follows
// the population store's own list of changes.
#pragma once

#include "broker/prepare.h"
#include "broker/touched.h"

typedef struct Recheck Recheck;
// `prepare` has the writer's own exchange session and is not owned.
int recheck_new(Recheck **ret, Prepare *prepare);
void recheck_destroy(Recheck **recheck);

// Learns of all up to the head that this broker does not know yet. At the start of every transaction.
int recheck_follow(Recheck *recheck, uint64_t head);
// Learns of what moved in the population store up to now.
int recheck_population(Recheck *recheck);
// Looks up again what is stale and decides and packs anew where anything was; 1 then, 0 when nothing was.
// `force`: as if something were stale.
int recheck_work(Recheck *recheck, Work *work, uint64_t head, bool force);
// The work's records move at their positions: known from now on, whether or not the transaction commits.
void recheck_note(Recheck *recheck, const Work *work);
// The transaction committed, and everything up to its new head has been noted.
void recheck_committed(Recheck *recheck, uint64_t head);
int64_t recheck_population_position(const Recheck *recheck);
