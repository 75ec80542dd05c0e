// SPDX-License-Identifier: Apache-2.0
//
// Records that committees are told again, for their persons got another number or live in another province
// (exchange.retelling). Nothing about the records changes, so there is no new version: only entries of the log, some of
// many persons at a time.
#pragma once

#include "broker/prepare.h"

#define RETELLING_RECORDS_MAX 500 // of one work
#define RETELLING_PERSONS_MAX 200
// exchange.retelling.cause
#define RETELLING_NUMBER 1
#define RETELLING_RESIDENCE 2
#define RETELLING_HOME 3 // likewise, and no event of the log says so (broker/homes.h)

// Notes whose records are to be told again because of the work's population events. In the writer's transaction, once
// positions are known; asks nothing of works without.
int retelling_note(Pg *exchange, const Work *work);
// Whether they are because of where this event's person moved.
bool retelling_moves(const Item *item);
// Because of which events that is: their ids and times, as two arrays.
void retelling_param_events(PgParams *params, const Item **items, int n);
// Makes the work's items, behind advance->from; none of records that were withdrawn. Under the log's lock: what is
// told is what holds. advance->rows says how many were looked at, 0 when nothing waits. ERROR_DATABASE, ERROR_MEMORY.
int retelling_build(Prepare *prepare, Pg *exchange, Work *work);
// Notes what of it is done with, and up to where it is told (the log's last position before it is `last_position`);
// sets advance->to.
int retelling_done(Pg *exchange, Work *work, uint64_t last_position);
