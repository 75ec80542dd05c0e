// SPDX-License-Identifier: Apache-2.0
//
// A schema in a committee's own PostgreSQL: one table per granted domain with a row per record, and dongbo_position,
// which moves in the same transaction. Tables and columns are added as they are granted and never taken away.
#pragma once

#include "agents/sink.h"

// Does not connect yet. ERROR_CONFIG, ERROR_MEMORY.
int sink_postgres_new(Sink **ret, const char *conninfo, const char *schema);
