// SPDX-License-Identifier: Apache-2.0
//
// The writer's SQL, one function a statement: lock, head, streams, COPY, segment, decisions. All of it runs inside the
// caller's transaction and judges nothing. Every function: ERROR_DATABASE, ERROR_DATA, ERROR_MEMORY.
#pragma once

#include "broker/item.h"
#include "broker/segment.h"
#include "proto/base/pg.h"

int store_begin(Pg *pg);     // begins and takes the lock
int store_stay(Pg *pg);      // is not idle: said from time to time while something else takes long
int store_commit(Pg *pg);    // and notifies dongbo_commit
void store_rollback(Pg *pg); // disconnects when even that fails

// The head as of now; an empty log gives zeros.
int store_head(Pg *pg, SegmentHead *ret);

// A stream as a transaction sees it: `last_sequence` moves on as batches are taken, `stored_sequence` is the row's.
typedef struct StreamRow {
    const Work *batch; // because of which it is looked at; several of one stream have a row each
    uint8_t stream[STREAM_BYTES];
    uint32_t agency; // 0: there is no such stream
    uint64_t last_sequence, stored_sequence;
    uint32_t session_epoch;
    bool signer_holds, transport_holds; // the batch's keys, its agency's still: not revoked by now
} StreamRow;
// Fills in the rows whose `batch` and `stream` are set. Locked against other writers of the rows.
int store_streams(Pg *pg, StreamRow *rows, size_t n);
// Queued: writes the sequences that moved.
int store_advance(Pg *pg, const StreamRow *rows, size_t n);

// What was stored for a stream's range that begins with this sequence.
typedef struct StoredBatch {
    uint64_t first_position, last_position, last_sequence;
    uint32_t epoch;
    int64_t stored_at_us;
    uint8_t root[HASH_BYTES], hash[HASH_BYTES];
    Dongbo__SegmentPayload *payload; // in the arena; NULL once erased
} StoredBatch;
// 1 when no batch began there.
int store_find_batch(Pg *pg, const uint8_t stream[STREAM_BYTES], uint64_t first_sequence, Arena *arena,
                     StoredBatch *ret);

// COPY of rows, of several works perhaps. What is in question joins the open case of its key, or begins one.
int store_rows(Pg *pg, const Bytes *records, Bytes *exceptions);
// COPY of one work's rows; `from` and `to` are row numbers, for halving.
int store_records(Pg *pg, const Work *work, size_t from, size_t to);
int store_exceptions(Pg *pg, const Work *work, size_t from, size_t to);
int store_aliases(Pg *pg, const Work *work);
// What the agency is told of now and was not before (broker/guesses.h). The work has its positions.
int store_guesses(Pg *pg, const Work *work);

typedef struct SegmentBytes {
    const SegmentPack *packed;
    const uint8_t *batch;     // NULL: none
    size_t batch_n, origin_n; // the latter: of its first bytes, which hold header and signature
} SegmentBytes;
// Queued. `head` is already the one after the segment (segment_chain()).
int store_segment(Pg *pg, const Segment *segment, const SegmentHead *head, const SegmentBytes *bytes);
int store_partition(Pg *pg, uint64_t position);

// Re-decision: drops the items whose exception is not open any more, or has another verdict than it had (of a review
// whatever it has), and all of them when the officer's decision does not wait any more; locks the others.
int store_still_open(Pg *pg, Work *work);
// Of WORK_JUDGE: drops items that are in question already, or have been since that because of which they are judged.
int store_not_asked(Pg *pg, Work *work);
int store_still_waiting(Pg *pg, Work *work);
// Of these: drops the items that `statement` does not give, in the order of positions. Frees the parameters, the first
// of which are the exceptions' positions.
void store_param_exceptions(PgParams *params, const Work *work);
int store_drop_others(Pg *pg, const PgStatement *statement, PgParams *params, Work *work);
int store_decided(Pg *pg, Work *work);
// Of a review: what came of it, and whether that is all of the case. A closed case is claimed by nobody.
int store_reviewed(Pg *pg, const Work *work);
int store_barred(Pg *pg, const Review *review, const char *why);
