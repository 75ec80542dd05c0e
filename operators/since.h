// SPDX-License-Identifier: Apache-2.0
//
// Where a command's --since begins in the log: a position as it is, or the first entry stored at a time or later.
#pragma once

#include "proto/base/pg.h"

#include <stdint.h>

// *ret: a position, that after the last one when nothing was stored since then. ERROR_CONFIG, ERROR_DATABASE.
int since_find(Pg *exchange, const char *since, int64_t *ret);
