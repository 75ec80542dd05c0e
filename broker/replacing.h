// SPDX-License-Identifier: Apache-2.0
//
// The writer's part in closing what was sent again: in the transaction that stores the newer event it is noted at the
// open events of its row, and a broker closes these in a work of their own (broker/redecide_resent.c).
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

// Of items with `replaces`, which have their positions; all rows before them are in the database. Of a key that very
// many open events of other rows have, the newest are looked at. Sets work->replaces where anything is to be closed.
// ERROR_DATABASE, ERROR_DATA, ERROR_MEMORY.
int replacing_note(Pg *pg, const Rules *rules, Work *work);
// Drops the items that are closed already, or that an officer has decided on; locks the others.
int replacing_still_open(Pg *pg, Work *work);
