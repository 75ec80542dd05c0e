// SPDX-License-Identifier: Apache-2.0
//
// Stored segments as an export has them: what `log export` writes, and what `log tail --verify` checks.
#pragma once

#include "broker/logfile.h"
#include "log.pb-c.h"
#include "proto/base/pg.h"

#define LOG_ROW_PAGE 64
enum { LOG_ROW_FIRST = 0, LOG_ROW_LAST = 1, LOG_ROW_PAYLOAD = 17, LOG_ROW_BATCH = 18 }; // columns, for who needs them

// Segments whose first positions lie in this range, in order, LOG_ROW_PAGE at most; with payload and batch where asked
// for, which a reader's role may not. ERROR_DATABASE.
int log_row_read(Pg *exchange, bool payloads, int64_t from, int64_t to, PGresult **ret);
// What such a range begins with; points into *ret_row, which the caller clears. ERROR_DATABASE.
int log_row_begin(Pg *exchange, int64_t from, PGresult **ret_row, Dongbo__LogBegin *ret);
// All but payload and batch. Points into rows and `summary`. ERROR_DATABASE: it cannot be read. ERROR_MEMORY.
int log_row_fill(const PGresult *rows, int row, Bytes *summary, Dongbo__LogSegment *ret);
ProtobufCBinaryData log_row_bytes(const PGresult *rows, int row, int column); // none where it is null
int log_row_unpack(const PGresult *rows, int row, int column, Bytes *plain);  // ERROR_DATABASE, ERROR_MEMORY
