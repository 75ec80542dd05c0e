// SPDX-License-Identifier: Apache-2.0
//
// What the log says besides events and decisions: epochs (the database is another one than before, or an operator asked
// for it) and policy changes. Written by the writer, under its lock, each as a segment of one entry.
#pragma once

#include "broker/segment.h"
#include "proto/base/clock.h"
#include "proto/base/pg.h"

// The writer's transaction: the head moves on with every segment.
typedef struct LogTail {
    Pg *pg;
    Merkle *merkle;
    const Clock *clock;
    SegmentHead *head;
    int64_t population_position;
    const SegmentHead *left; // where this broker had left the log; NULL: not known
    bool anew;               // on a connection on which it was not compared with that
} LogTail;

// In SQL: the log's present epoch is this server's, and none is asked for. Until then nothing is said of heads, for
// what was signed since the database was set back may contradict what was told before that.
#define EPOCH_HOLDS                                                                                                    \
    "(SELECT (e.system_identifier, e.timeline) = (i.system_identifier, i.timeline) FROM exchange.epoch e "             \
    "CROSS JOIN exchange.server_identity() i ORDER BY e.epoch DESC LIMIT 1) "                                          \
    "AND NOT EXISTS (SELECT FROM exchange.epoch_request r WHERE r.epoch IS NULL)"

// Whether the log ends before where this broker had left it, and no epoch has begun since: its database was set back.
// Where another broker has written on since, only what is stored there tells: epoch_log_due() looks, where `anew`.
bool epoch_is_set_back(const LogTail *tail);

// Logs what is due: an epoch when the log has none, when the server's identity or timeline is another than the last
// epoch's, for every request that is open, and for a log that was set back, even if it was written on; what operators
// changed since; streams that took another's place (its spool was lost or restored), once each. A portion of each at a
// time: 1 when more may be left for the next transaction. ERROR_DATABASE, ERROR_MEMORY.
int epoch_log_due(LogTail *tail);
// One entry of this kind and text.
typedef struct Note {
    int kind; // EntryKind
    uint32_t agency;
    const uint8_t *stream; // NULL: none
    const char *text;
    const char *decided_by, *why; // an operator, and their reason, which only the payload has; NULL: none
} Note;
int epoch_log_note(LogTail *tail, const Note *note);
