// SPDX-License-Identifier: Apache-2.0
//
// Stored segments as an export has them: what `log export` writes, what `log tail --verify` checks, and what proofs are
// made of.
#pragma once

#include "broker/logfile.h"
#include "log.pb-c.h"
#include "proto/base/pg.h"

#define LOG_ROW_PAGE 64
// The columns that any row has here, in this order; what else a statement asks for stands behind them.
#define LOG_ROW_COLUMNS LOG_ROW_COLUMNS_WITH("summary")
#define LOG_ROW_COLUMNS_WITH(summary)                                                                                  \
    "first_position, last_position, epoch, format, kind, coalesce(agency, 0), stream, first_sequence, last_sequence, " \
    "batch_root, stored_at_us, population_position, leaf_index, hash, frontier, " summary ", origin"
enum {
    LOG_ROW_FIRST,
    LOG_ROW_LAST,
    LOG_ROW_EPOCH,
    LOG_ROW_FORMAT,
    LOG_ROW_KIND,
    LOG_ROW_AGENCY,
    LOG_ROW_STREAM,
    LOG_ROW_FIRST_SEQUENCE,
    LOG_ROW_LAST_SEQUENCE,
    LOG_ROW_BATCH_ROOT,
    LOG_ROW_STORED_AT,
    LOG_ROW_POPULATION,
    LOG_ROW_LEAF_INDEX,
    LOG_ROW_HASH,
    LOG_ROW_FRONTIER,
    LOG_ROW_SUMMARY,
    LOG_ROW_ORIGIN,
    LOG_ROW_REST,
    LOG_ROW_PAYLOAD = LOG_ROW_REST, // of log_row_read(), where asked for
    LOG_ROW_BATCH
};

// Segments whose first positions lie in this range, in order, LOG_ROW_PAGE at most; with payload and batch where asked
// for, which a reader's role may not. ERROR_DATABASE.
int log_row_read(Pg *exchange, bool payloads, int64_t from, int64_t to, PGresult **ret);
// What such a range begins with; points into *ret_row, which the caller clears. ERROR_DATABASE.
int log_row_begin(Pg *exchange, int64_t from, PGresult **ret_row, Dongbo__LogBegin *ret);
// What the segment's leaf is of, but for the summary: neither hash nor frontier. Points into rows.
void log_row_fields(const PGresult *rows, int row, Dongbo__LogSegment *ret);
// All of those columns. Points into rows and `summary`. 1: the summary is damaged, as error_text() says. ERROR_MEMORY.
int log_row_fill(const PGresult *rows, int row, Bytes *summary, Dongbo__LogSegment *ret);
ProtobufCBinaryData log_row_bytes(const PGresult *rows, int row, int column); // none where it is null
int log_row_unpack(const PGresult *rows, int row, int column, Bytes *plain); // 1: it is damaged, likewise. ERROR_MEMORY
