// SPDX-License-Identifier: Apache-2.0
//
// Population events change the population store itself, by its own function, before they are logged: idempotent by
// (stream, sequence), so that a broker that dies in between repeats both. Never writes to the exchange.
#pragma once

#include "broker/prepare.h"

// Applies the work's population events that may be taken and say something new. The persons and their residence come
// from the store's answer; the items are marked stale, to be looked up and decided again. An event whose values the
// store refuses is poisoned. Where somebody else changed one of the persons since the work was decided, nothing of the
// call is applied: ERROR_DATABASE, which passes. at_once: how many changes the store is told of in one call, kept from
// one work to the next; 0: all of a work's. ERROR_DATABASE, ERROR_MEMORY.
int apply_changes(Pg *writer, Prepare *prepare, Work *work, size_t *at_once);
// Whether it failed because somebody else came first: the store is well, and the work need not wait to be decided anew.
bool apply_is_overtaken(const Pg *writer);
// work_rewind(), when the transaction came to nothing. What the store has, or may have, is not decided otherwise when
// the work is tried again, nor is what came before it in the work. What the store has not been told of is decided anew:
// others may have changed it first.
void apply_rewind(Work *work);
