// SPDX-License-Identifier: Apache-2.0
//
// The hashes that proofs about the log are made of (PROTOCOL.md, Proofs), from its rows: some two rows for each hash.
// Brokers and operators make them; who gets one checks it.
#pragma once

#include "broker/segment.h"
#include "log.pb-c.h"
#include "proto/base/pg.h"
#include "proto/proof.h"

typedef struct LogPathMaker {
    Pg *exchange;
    Merkle *merkle;
    Arena *arena;
} LogPathMaker;
// The roots of these ranges, in order, in `arena`. ERROR_DATABASE: rows are missing, or damaged.
int log_path_make(const LogPathMaker *maker, const ProofRange *ranges, size_t n, ProtobufCBinaryData **ret);
// The segment that holds a position, with its summary, in `arena`. 1 when there is none.
int log_path_find(const LogPathMaker *maker, uint64_t position, Dongbo__LogSegment *ret,
                  Dongbo__SegmentSummary **ret_summary);

// A path as messages have it, in the arena. ERROR_MEMORY.
int log_path_put(Arena *arena, const ProofPath *path, ProtobufCBinaryData **ret, size_t *ret_n);
// From a line of the summary to the root over the segment's entries. 1 when it is older than such proofs, or no line is
// there.
int log_path_entry(const LogPathMaker *maker, const Dongbo__SegmentSummary *summary, size_t index,
                   Dongbo__EntryProof *proof);

// The summary of a row of log_row.h's columns, in the arena. ERROR_DATABASE.
int log_path_summary(const LogPathMaker *maker, const PGresult *rows, int row, Dongbo__SegmentSummary **ret);
int log_path_damaged(const PGresult *rows, int row); // ERROR_DATABASE, with a sentence

// What a segment's row is hashed as; points into `from` and `origin`, which may be NULL.
void log_path_segment(const Dongbo__LogSegment *from, const Dongbo__SealedBatch *origin, Segment *ret);
// What is kept of a row's batch, in the arena. NULL: it is of no batch, or of none that is signed.
const Dongbo__SealedBatch *log_path_origin(const Dongbo__LogSegment *segment, Arena *arena);
