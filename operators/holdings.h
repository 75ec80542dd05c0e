// SPDX-License-Identifier: Apache-2.0
//
// The records that the events of a file have made so far, in memory: what the exchange would hold besides if the file
// were all that it was ever sent. For rules that judge a record beside others (broker/beside.h), without a database.
#pragma once

#include "broker/decide.h"

typedef struct Holdings Holdings;
int holdings_new(Holdings **ret); // ERROR_MEMORY
void holdings_destroy(Holdings **holdings);
// Fills in what decide_hoods() wants, and item->read of the items that have a neighbourhood. ERROR_MEMORY.
int holdings_look_up(const Holdings *holdings, Work *work);
// Remembers the records of the items that have a neighbourhood, as decide_records() left them. ERROR_MEMORY.
int holdings_keep(Holdings *holdings, const Work *work);
