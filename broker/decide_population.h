// SPDX-License-Identifier: Apache-2.0
//
// The record of a population event: merged, and then held against what was known of its person. Pure.
#pragma once

#include "broker/item.h"

// `coming` as in decide_merger(). What cannot be is not merged: MISMATCH, for it may be the stored word that is wrong.
// As reconcile().
int decide_population(const Merge *merge, const Dongbo__Record *coming, Item *item);
