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
} LogTail;

// Opens an epoch when the log has none, when the server's identity or timeline is another than the last epoch's, and
// for every request that is open. ERROR_DATABASE, ERROR_MEMORY.
int epoch_open_due(LogTail *tail);
// Logs what operators changed since.
int epoch_log_policies(LogTail *tail);
// Declares streams that took another's place (its spool was lost or restored), once each.
int epoch_log_streams(LogTail *tail);
// One entry of this kind and text.
typedef struct Note {
    int kind; // EntryKind
    uint32_t agency;
    const uint8_t *stream; // NULL: none
    const char *text;
} Note;
int epoch_log_note(LogTail *tail, const Note *note);
