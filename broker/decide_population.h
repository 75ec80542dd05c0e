// SPDX-License-Identifier: Apache-2.0
//
// The record of a population event: merged, and then held against what was known of its person. Pure.
#pragma once

#include "broker/item.h"

// `coming` as in decide_merger(). What cannot be is not merged: MISMATCH, for it may be the stored word that is wrong.
// As reconcile(). Nobody is asked about a cancellation, or who stays in a merger, of a number that was replaced before:
// it leaves the present one as it is.
int decide_population(const Merge *merge, const Dongbo__Record *coming, Item *item);
// Under which number the store had its person as it applied the event, which decides what that was: re-issues of the
// batch may have been refused, and events are applied again long after their number was replaced.
void decide_numbered(Item *item, const char *present);
