// SPDX-License-Identifier: Apache-2.0
//
// The population record of somebody whom another was merged into. Pure.
#pragma once

#include "broker/item.h"

// What events said of the person who goes (`coming`, NULL for nothing) is as if it had been said of the one who stays,
// but for their number; then the event itself. Gone already, they have left a record without a value. As reconcile().
int decide_merger(const Merge *merge, const Dongbo__Record *coming, Item *item);
