// SPDX-License-Identifier: Apache-2.0
//
// An event that was accepted before, and whose word stands in a person's record (item->stands): held against that
// person's life alone, for all else was decided then. Pure.
#pragma once

#include "broker/item.h"

// An officer refused it, or said whose it is: its word is taken out of the record.
bool decide_withdraws(const Work *work, const Item *item);
// Drops what a review says of records whose person the population store does not have any more: that person was merged
// into another, and until the record has gone over there is nothing to take the word out of. The decision waits.
void decide_put_off(Work *work);
// In place of the comparison with the person. What a rule would not let pass is MISMATCH as well: no record goes before
// an officer has looked.
void decide_standing(const VerifyContext *context, const Work *work, Item *item);
// What becomes of the record. As reconcile().
int decide_standing_record(const Merge *merge, const Work *work, Item *item);
