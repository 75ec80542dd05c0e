// SPDX-License-Identifier: Apache-2.0
//
// Which position belongs to a time, by the log's own; and where a command's --since begins: a position as it is (a sign
// before it does no harm), or the first entry stored at a time or later. What may be a year as well is refused.
#pragma once

#include "proto/base/pg.h"

#include <stdint.h>

// *ret: a position, that after the last one when nothing was stored since then. ERROR_CONFIG, ERROR_DATABASE.
int since_find(Pg *exchange, const char *since, int64_t *ret);
// The last position stored by then, 0 for none. ERROR_DATABASE.
int since_stored_by(Pg *exchange, int64_t us, int64_t *ret);
