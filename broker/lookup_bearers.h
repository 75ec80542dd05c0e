// SPDX-License-Identifier: Apache-2.0
//
// Those of a batch whose number is nobody's present one, and whose an insurance number is. Asks the databases only
// where there is something to ask: a batch whose numbers all led to their persons, and that is of another domain than
// social security, costs no query. Only reads.
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

// After lookup_persons(), for the items with `wanted` set: fills bearers and insured, and item->person from them where
// it is NULL. ERROR_DATABASE, ERROR_DATA, ERROR_MEMORY.
int lookup_bearers(Pg *exchange, Pg *population, Work *work);
