// SPDX-License-Identifier: Apache-2.0
//
// Whether an agency has open events of rows that a batch brings again. Only reads.
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

// Sets `replaces` of stale events that are taken and may have an older one of their row; says of none that it has not.
// One statement, which ends at once where the agency has nothing open. ERROR_DATABASE, ERROR_DATA, ERROR_MEMORY.
int lookup_resent(Pg *exchange, const Rules *rules, Work *work);
