// SPDX-License-Identifier: Apache-2.0
//
// The last step of deciding (broker/decide.h) where no event is stored: what rules say of each beside its person's
// other records. Whether it is new to an exchange is not told: it is ACCEPTED where one might say UNCHANGED or
// SUPERSEDED, and population events, which would change the store, leave no record.
#pragma once

#include "broker/decide.h"

// Fills in the neighbourhoods that are wanted, and item->read of the items that have one.
typedef int (*UnstoredFill)(void *of, Work *work);
// After decide_found(). What `fill` answers, ERROR_MEMORY.
int unstored_judge(const DecideContext *context, Work *work, UnstoredFill fill, void *of);
