// SPDX-License-Identifier: Apache-2.0
//
// A schema in a committee's own PostgreSQL: one table per granted domain with a row per record, and dongbo_position,
// which moves in the same transaction. Tables and columns are added as they are granted and never taken away.
//
// A row is its record as it came last, as a replay of the log would give it: a column whose field is no longer granted
// becomes NULL in each row whose record changes, and keeps in the others what was granted when they came. Such a column
// says so in its comment. A snapshot, which is taken by itself when what is granted has changed, brings all rows again,
// and lets go of those that are no longer granted.
//
// The tables are those of one subscription, which dongbo_subscription names from the first on that was stored; a
// receiver of another is refused, for its snapshot would let go of all rows that it may not see. Who takes them over
// stops the other's receivers, drops dongbo_subscription and dongbo_position*, and begins with a snapshot. Only the
// login that made the table writes it; one that may not read it is not asked.
//
// Column `snapshot` says which snapshot brought a row last: when it began, in microseconds since 1970, as long as it
// was not taken in from the feed first. dongbo_snapshot has a row while one is being taken: its cursor moves in the
// transaction of the rows, so that it goes on wherever it was interrupted. All rows of a snapshot that is complete bear
// its mark; all that did not at its end is deleted.
//
// Column `epoch` says of which epoch of the log a row's position is. A row is replaced by what has a greater epoch, or
// the same and a greater position: reading old log again changes nothing, and what an exchange that was set back tells
// holds against what it had told by the same positions. It is NULL in rows of an older program, which go by their
// position alone. Of what came together the epoch is that of the last, and of a snapshot's rows that of its beginning.
//
// Column `origin` is there where proofs of origin are asked for: that of the event which made the row as it is, a file
// as `dongbo log check` takes it; NULL where none came with it (PROTOCOL.md, Proofs of origin).
//
// Other columns, tables and views of the committee's own may stand beside ours. A table or column of ours that was
// dropped is made again, without what it held (`receive --reconcile` brings that back).
#pragma once

#include "agents/sink.h"

// Does not connect yet. ERROR_CONFIG, ERROR_MEMORY.
int sink_postgres_new(Sink **ret, const char *conninfo, const char *schema);
// Before anything else: of several receivers that fill these tables, the one with this share. It keeps its place in a
// table of its own, dongbo_position_2_of_3; where one without a share has taken a snapshot of the same subscription
// into the same tables since then, it goes on behind that and what that one received after it.
void sink_postgres_share(Sink *sink, int share, int shares);
// Likewise: what is received. `name` is the caller's and outlives the sink. begin() fails with ERROR_CONFIG where the
// tables are another subscription's.
void sink_postgres_subscription(Sink *sink, const char *name);
// Likewise: rows with the proofs of whose word they are.
void sink_postgres_origins(Sink *sink);
