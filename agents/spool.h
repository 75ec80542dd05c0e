// SPDX-License-Identifier: Apache-2.0
//
// What an agent has promised to deliver: sealed batches, byte for byte, on disk before their rows are let go at the
// source, and kept until the exchange's verdicts on them are on disk too, then some days longer, so that a restored
// exchange can ask again. Also the agent's streams. Never drops what is not acknowledged: when it is full, it says so
// and the sources are not read. One process at a time (a lock file beside it).
//
// The tables of origins, verdicts and results in the same file are ledger.h's; both change in one transaction.
#pragma once

#include "agents/lite.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/bounds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_FORMAT 1

typedef struct Spool Spool;

typedef struct SpoolOptions {
    const char *path;
    uint64_t bytes_max; // of batches, acknowledged ones included
    int keep_days;      // how long acknowledged batches stay, while there is room
    const Clock *clock;
} SpoolOptions;

typedef struct SpoolStream {
    int64_t id;
    char kind[8]; // live | bulk
    uint8_t stream[STREAM_BYTES];
    uint8_t replaces[STREAM_BYTES];
    bool replaces_one;
    uint64_t last_sequence; // sealed so far
    uint64_t verdict_position;
    uint32_t verdict_epoch; // of it; 0: not known
    // What a Hello says of both: as of the last Verdicts that came. No Verdicts of a new epoch may have come yet, nor
    // any since the exchange was found to have forgotten something.
    uint32_t hello_epoch;
    uint64_t hello_position;
    bool verdicts_signed;     // the exchange has signed later verdicts
    uint64_t proven_sequence; // the exchange has proved up to here what the spool still had
} SpoolStream;

// As signed, and the signature behind it; first_sequence is what it calls the batch's first event.
typedef struct SpoolReceipt {
    const uint8_t *data;
    size_t n;
    uint64_t first_sequence;
} SpoolReceipt;

typedef struct SpoolBatch {
    int64_t id; // 0 when it is to be added
    int64_t stream;
    uint64_t first_sequence, last_sequence;
    bool acked;
    uint8_t root[HASH_BYTES];
    const uint8_t *sealed; // SealedBatch, packed
    size_t sealed_bytes;
    const uint8_t *items; // where each event came from (item.h)
    size_t items_bytes;
    SpoolReceipt before; // set when it is added: what its events were answered before they were sealed again; or empty
} SpoolBatch;

// ERROR_CONFIG when another process has it or it is newer than this program; ERROR_SYSTEM.
int spool_open(Spool **ret, const SpoolOptions *options);
// To be read only, while its agent runs or not. ERROR_CONFIG: it is not there, or was made by an older program and not
// opened since.
int spool_look(Spool **ret, const SpoolOptions *options);
void spool_close(Spool **spool);
Lite *spool_lite(Spool *spool);
const Clock *spool_clock(const Spool *spool);
// For ledger.c: this row is being read by the caller until the next call that gives a row.
void spool_hold(Spool *spool, sqlite3_stmt *row);

// All that changes the spool stands between these. After a failure: rollback, which never fails.
int spool_begin(Spool *spool);
int spool_commit(Spool *spool);
void spool_rollback(Spool *spool);
// Commits what went well (r is 0) and rolls back what did not; what came of it.
int spool_end(Spool *spool, int r);

// The open stream of this kind; made when there is none yet (in a transaction of its own or the caller's).
int spool_stream(Spool *spool, const char *kind, SpoolStream *ret);
// Closes the open stream of this kind and opens another that names it, after a FORK: the exchange goes on with its
// verdicts where it was. In the caller's transaction.
int spool_stream_replace(Spool *spool, const char *kind, SpoolStream *ret);
// The exchange's epoch, as it welcomed us. Another one than before: its database was restored or failed over, and gives
// positions out again, so none that was stored is greater than one to come; a Hello says what it said until Verdicts
// have come. Nor does it tell what it has of streams
// that are closed: what it acknowledged there waits to be sealed again for the open one. The caller's transaction.
int spool_epoch(Spool *spool, const SpoolStream *stream, uint32_t epoch);
// The exchange signs later verdicts, of whatever stream. The caller's transaction.
int spool_verdicts_signed(Spool *spool);
// Verdicts of this epoch are stored, up to here.
int spool_verdict_position(Spool *spool, int64_t stream, uint64_t position);
// Behind spool_unack() that found some: the next Hello asks from there, or from further back; (0, 0) is the beginning.
int spool_hear_from(Spool *spool, int64_t stream, uint32_t epoch, uint64_t position);
// *ret 1 while batches of closed streams of this kind wait to be sealed again.
int spool_stranded(Spool *spool, const char *kind, int64_t *ret);
// The first of them, in the order of their sequences. 1 when there is none.
int spool_stranded_next(Spool *spool, const char *kind, SpoolBatch *ret);

// True when no further batch may be added.
bool spool_is_full(const Spool *spool);
uint64_t spool_bytes(const Spool *spool);
uint64_t spool_waiting_bytes(const Spool *spool); // of batches without a receipt
// *ret 1 while a batch of this stream has no receipt yet.
int spool_waiting(Spool *spool, int64_t stream, int64_t *ret);

// Adds a sealed batch behind the stream's last sequence (asserted to be contiguous). The caller's transaction.
int spool_append(Spool *spool, const SpoolBatch *batch);
// Puts one in where another was deleted (a batch that was split); the stream's last sequence stays.
int spool_insert(Spool *spool, const SpoolBatch *batch);
// The first batch without a receipt whose first sequence is at least `from`, with its bytes (not its items), valid
// until the next call. 1 when there is none.
int spool_next(Spool *spool, int64_t stream, uint64_t from, SpoolBatch *ret);
// The batch that holds this sequence, with its items (not its sealed bytes), valid until the next call. 1 when none.
int spool_find(Spool *spool, int64_t stream, uint64_t sequence, SpoolBatch *ret);
// The oldest sequence kept of this stream; 0 when none is.
int spool_oldest(Spool *spool, int64_t stream, uint64_t *ret);
// Marks a batch as acknowledged and keeps its receipt (ReceiptBody as signed, and the signature behind it); NULL: the
// one that it has stays.
int spool_ack(Spool *spool, const SpoolBatch *batch, const Bytes *receipt);
// The receipt kept for a batch, that of before while it waits again, valid until the next call. 1 when there is none.
int spool_receipt(Spool *spool, int64_t batch, SpoolReceipt *ret);
// Batches beyond `after` wait again, unproved: the exchange has forgotten them, and all that it said of them is older
// than what it will say. *ret_n is how many; where there are some, positions are given out again, as in another epoch.
int spool_unack(Spool *spool, int64_t stream, uint64_t after, int64_t *ret_n);
int spool_delete(Spool *spool, int64_t batch);
// Lets acknowledged batches go that are older than keep_days, and the oldest ones while there is no room.
int spool_trim(Spool *spool);
