// SPDX-License-Identifier: Apache-2.0
//
// What is looked up of events whose word stands in a record. Nothing of works that have none. Only reads.
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

// Fills item->person (NULL where the store has them no more) of those that are stale, by the person's key: whose number
// it was then does not matter. ERROR_DATABASE, ERROR_MEMORY.
int lookup_standing(Pg *population, Work *work);
// Fills item->versions of those whose word is taken out of the record, also what is from persons who were merged into
// theirs.
int lookup_versions(Pg *exchange, Work *work);
