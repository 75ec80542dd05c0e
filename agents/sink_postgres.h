// SPDX-License-Identifier: Apache-2.0
//
// A schema in a committee's own PostgreSQL: one table per granted domain with a row per record, and dongbo_position,
// which moves in the same transaction. Tables and columns are added as they are granted and never taken away.
//
// A row is its record as it came last, as a replay of the log would give it: a column whose field is no longer granted
// becomes NULL in each row whose record changes, and keeps in the others what was granted when they came. Such a column
// says so in its comment. Who has to give up older values, too, sets them to NULL, or drops the column.
//
// Other columns, tables and views of the committee's own may stand beside ours. A table or column of ours that was
// dropped is made again, without what it held (`receive --from start` brings that back).
#pragma once

#include "agents/sink.h"

// Does not connect yet. ERROR_CONFIG, ERROR_MEMORY.
int sink_postgres_new(Sink **ret, const char *conninfo, const char *schema);
// Before anything else: of several receivers that fill these tables, the one with this share. It keeps its place in a
// table of its own, dongbo_position_2_of_3.
void sink_postgres_share(Sink *sink, int share, int shares);
