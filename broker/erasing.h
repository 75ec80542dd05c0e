// SPDX-License-Identifier: Apache-2.0
//
// What was ordered erased (exchange.erasure) becomes entries of the log: a tombstone for each, and with that of an
// event whose word stands in a record, the record as it is without it. Under the log's lock, in the writer's
// transaction. That content then goes from where it is kept is the operators' command's.
#pragma once

#include "broker/item.h"
#include "broker/prepare.h"

// Makes the work's items: those that wait, of the first record behind work->advance->from's position; where there is
// none, of no record. work->advance->rows: how many; ->to: where that record is, until it is done. ERROR_DATABASE,
// ERROR_MEMORY.
int erasing_build(Prepare *prepare, Pg *exchange, Work *work);
// Notes where they were logged, and closes those of their events that are open. ERROR_DATABASE.
int erasing_done(Pg *exchange, const Work *work);
