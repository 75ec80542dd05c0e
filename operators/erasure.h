// SPDX-License-Identifier: Apache-2.0
//
// The second half of an erasure: of entries whose tombstones stand in the log, content is taken away from wherever the
// exchange's database keeps it. May be interrupted, and goes on where it was.
#pragma once

#include "operators/desk.h"

// Of all that was logged and is not done with, whoever asked for it. *ret: how many entries. ERROR_DATABASE,
// ERROR_MEMORY, ERROR_CONFIG.
int erasure_take_away(Desk *desk, uint64_t *ret);
