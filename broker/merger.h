// SPDX-License-Identifier: Apache-2.0
//
// Persons who were found to be one. The population store says who went and whom they went to; the exchange keeps that
// beside the event (exchange.person_link), and moves their records in works of its own (broker/moving.h).
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

// Of the work's mergers: fills item->went once the store has merged them, item->goes, and what is stored of the latter.
// Asks nothing of works without. ERROR_DATABASE, ERROR_MEMORY.
int merger_look_up(Pg *population, Pg *exchange, Work *work);
// Sets `fixed` on the population events before each merger that were about who went: they stay with them.
void merger_fix(Work *work);
// Notes both, for their records to be moved: all who ever went under the numbers said, so that whose link was lost with
// a transaction that failed gets it now. In the writer's transaction, once positions are known.
int merger_link(Pg *exchange, const Work *work);
