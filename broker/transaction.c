// SPDX-License-Identifier: Apache-2.0
//
// The writer's transaction, step by step. Sends nothing to anybody: whoever calls does, once it is committed.
#include "broker/transaction.h"

#include "broker/apply.h"
#include "broker/decide.h"
#include "broker/entries.h"
#include "broker/epoch.h"
#include "broker/erasing.h"
#include "broker/following.h"
#include "broker/homes.h"
#include "broker/judging.h"
#include "broker/lookup.h"
#include "broker/merger.h"
#include "broker/moving.h"
#include "broker/receipt.h"
#include "broker/recheck.h"
#include "broker/replacing.h"
#include "broker/retelling.h"
#include "broker/store.h"
#include "proto/base/error.h"
#include "proto/base/mistake.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PARTITION_LOOK 1000000      // how often the need for a partition is looked at, in positions
#define POPULATION_PATIENCE_MS 4000 // less than store_begin() lets the log's lock be held in idleness
#define PARTITION_AHEAD 10000000    // how far ahead it is made

struct Transaction {
    Pg *exchange, *population_writer;
    Connector *population;
    Prepare *prepare;
    Recheck *recheck;
    Merkle *merkle;
    Signer *signer;
    const Clock *clock;
    Stats *stats;
    SegmentHead head, left; // of the segments that were appended, and when it was last committed
    uint64_t last_position; // of the works that were placed: their segments follow when all are
    StreamRow streams[TRANSACTION_WORKS_MAX];
    size_t n_streams, at_once; // at_once: see apply_changes()
    Bytes records, exceptions; // rows of works that were placed, not yet sent
    uint64_t partition_looked;
    bool identified; // this connection's server was compared with the last epoch's
    bool notes_left; // not all policy changes and requests were logged yet
};

static int open_sessions(Transaction *transaction, const TransactionOptions *options) {
    PrepareOptions prepare = {.population = options->population_reader,
                              .name = "dongbo writer",
                              .rules = options->rules,
                              .clock = options->clock};
    int result = pg_new(&transaction->exchange, options->exchange, "dongbo writer");
    if (result == 0)
        result = pg_new(&transaction->population_writer, options->population_writer, "dongbo population writer");
    // A lock that somebody else holds there is not to be waited for while the log is locked, nor a server that stands
    // still.
    if (result == 0)
        pg_set_patience(transaction->population_writer, POPULATION_PATIENCE_MS);
    if (result == 0)
        result = connector_new(&transaction->population, transaction->population_writer, "SET lock_timeout = '2s'");
    prepare.exchange_session = transaction->exchange;
    if (result == 0)
        result = prepare_new(&transaction->prepare, &prepare);
    if (result == 0)
        result = recheck_new(&transaction->recheck, transaction->prepare);
    return result;
}

int transaction_new(Transaction **ret, const TransactionOptions *options) {
    Transaction *transaction = calloc(1, sizeof *transaction);
    if (transaction == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the writer");
    transaction->clock = options->clock;
    transaction->stats = options->stats;
    int result = open_sessions(transaction, options);
    if (result == 0)
        result = merkle_new(&transaction->merkle);
    if (result == 0)
        result = signer_new(&transaction->signer, options->keys->sign_secret);
    if (result < 0) {
        transaction_destroy(&transaction);
        return result;
    }
    *ret = transaction;
    return 0;
}

void transaction_destroy(Transaction **pointer) {
    Transaction *transaction = *pointer;
    if (transaction == NULL)
        return;
    recheck_destroy(&transaction->recheck);
    prepare_destroy(&transaction->prepare);
    connector_destroy(&transaction->population);
    pg_destroy(&transaction->exchange);
    pg_destroy(&transaction->population_writer);
    merkle_destroy(&transaction->merkle);
    signer_destroy(&transaction->signer);
    bytes_free(&transaction->records);
    bytes_free(&transaction->exceptions);
    free(transaction);
    *pointer = NULL;
}

Connector *transaction_population(Transaction *transaction) {
    return transaction->population;
}

// ---- begin -------------------------------------------------------------------------------------------------------

static int log_notes(Transaction *transaction, bool policies) {
    LogTail tail = {.pg = transaction->exchange,
                    .merkle = transaction->merkle,
                    .clock = transaction->clock,
                    .head = &transaction->head,
                    .population_position = recheck_population_position(transaction->recheck),
                    .left = &transaction->left,
                    .anew = !transaction->identified};
    if (!tail.anew && !policies && !epoch_is_set_back(&tail))
        return 0;
    int result = epoch_log_due(&tail);
    transaction->notes_left = result > 0;
    return result < 0 ? result : 0;
}

static int look_at_partition(Transaction *transaction) {
    uint64_t look = transaction->head.last_position / PARTITION_LOOK + 1;
    if (look == transaction->partition_looked)
        return 0;
    int result = store_partition(transaction->exchange, transaction->head.last_position + PARTITION_AHEAD);
    if (result == 0)
        transaction->partition_looked = look;
    return result;
}

// Where several batches are of one stream, the first one's row moves on.
static StreamRow *stream_of(Transaction *transaction, const Work *work) {
    for (size_t i = 0; i < transaction->n_streams; i++) {
        if (memcmp(transaction->streams[i].stream, work->stream, STREAM_BYTES) == 0)
            return &transaction->streams[i];
    }
    return NULL;
}

static const StreamRow *row_of(const Transaction *transaction, const Work *work) {
    for (size_t i = 0; i < transaction->n_streams; i++) {
        if (transaction->streams[i].batch == work)
            return &transaction->streams[i];
    }
    return NULL;
}

static int lock_streams(Transaction *transaction, const TransactionGroup *group) {
    transaction->n_streams = 0;
    for (size_t i = 0; i < group->n; i++) {
        const Work *work = group->works[i];
        if (work->kind != WORK_BATCH || work->outcome != OUTCOME_OPEN)
            continue;
        StreamRow *row = &transaction->streams[transaction->n_streams++];
        *row = (StreamRow){.batch = work};
        memcpy(row->stream, work->stream, STREAM_BYTES);
    }
    return store_streams(transaction->exchange, transaction->streams, transaction->n_streams);
}

static int begin(Transaction *transaction, const TransactionGroup *group) {
    bytes_clear(&transaction->records);
    bytes_clear(&transaction->exceptions);
    if (!pg_connected(transaction->exchange)) {
        transaction->identified = false;
        recheck_forget(transaction->recheck);
    }
    if (!pg_connected(prepare_population(transaction->prepare)))
        recheck_forget_population(transaction->recheck);
    int result = lookup_connect(transaction->exchange);
    if (result == 0)
        result = lookup_connect(prepare_population(transaction->prepare));
    if (result == 0 && MISTAKE(ACK_BEFORE_COMMIT)) // of the last one
        result = store_commit(transaction->exchange);
    if (result == 0 && MISTAKE(POSITION_BEFORE_LOCK))
        result = store_head(transaction->exchange, &transaction->head);
    if (result == 0)
        result = store_begin(transaction->exchange);
    if (result == 0 && !MISTAKE(POSITION_BEFORE_LOCK))
        result = store_head(transaction->exchange, &transaction->head);
    if (result == 0)
        result = recheck_follow(transaction->recheck, transaction->head.last_position);
    if (result == 0 && !MISTAKE(POPULATION_UNCHECKED))
        result = recheck_population_since(transaction->recheck, transaction->head.population_position);
    if (result == 0)
        result = look_at_partition(transaction);
    if (result == 0)
        result = log_notes(transaction, group->policies);
    if (result == 0)
        result = lock_streams(transaction, group);
    transaction->last_position = transaction->head.last_position;
    return result;
}

// ---- segments ------------------------------------------------------------------------------------------------------

static int append_segment(Transaction *transaction, Work *work) {
    SegmentHead *head = &transaction->head;
    int64_t now = clock_now_us(transaction->clock);
    Segment segment;
    entries_segment(work, &segment);
    segment.first_position = work->first_position;
    segment.last_position = work->last_position;
    segment.epoch = head->epoch;
    segment.stored_at_us = now > head->stored_at_us ? now : head->stored_at_us;
    segment.population_position = work->population.position;
    segment_chain(&segment, work->packed.entries_root, transaction->merkle, head);
    SegmentBytes bytes = {.packed = &work->packed};
    if (work->kind == WORK_BATCH) {
        bytes.batch = work->batch_bytes;
        bytes.batch_n = work->batch_n;
        bytes.origin_n = work->batch.origin_n;
    }
    work->epoch = segment.epoch;
    work->stored_at_us = segment.stored_at_us;
    memcpy(work->segment_hash, head->hash, HASH_BYTES);
    return store_segment(transaction->exchange, &segment, head, &bytes);
}

// Of the works that were placed since the last call, in the order of their positions.
static int append_segments(Transaction *transaction, const TransactionGroup *group) {
    int result = 0;
    for (size_t i = 0; result == 0 && i < group->n; i++) {
        Work *work = group->works[i];
        if (work->outcome == OUTCOME_STORED && work->first_position > transaction->head.last_position)
            result = append_segment(transaction, work);
    }
    return result;
}

// ---- one batch: may it be stored? ----------------------------------------------------------------------------------

static int answer_repeated(Transaction *transaction, Work *work, const StreamRow *stream) {
    StoredBatch stored;
    int result = store_find_batch(transaction->exchange, work->stream, work->first_sequence, work->arena, &stored);
    if (result < 0)
        return result;
    work->expected_sequence = stream->last_sequence + 1;
    if (result > 0 || stored.last_sequence != work->last_sequence ||
        (memcmp(stored.root, work->batch.header->root.data, HASH_BYTES) != 0 && !MISTAKE(ROOT_UNCHECKED))) {
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__FORK,
                    "Sequences from %" PRIu64 " on were stored with other events: the spool was restored from a "
                    "backup. Open a new stream and read the source again.",
                    work->first_sequence);
        return 0;
    }
    result = receipt_duplicate(work, &stored, transaction->signer);
    if (result == 0)
        work_settle(work, OUTCOME_DUPLICATE, 0, "stored earlier");
    return result;
}

// Settles the work unless it is the stream's next batch.
static int check_stream(Transaction *transaction, const TransactionGroup *group, Work *work) {
    const StreamRow *stream = stream_of(transaction, work);
    if (stream->agency == 0 || stream->agency != work->agency->grants.agency) {
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__NO_SESSION,
                    "The exchange does not know this stream (it was restored): say Hello again.");
        return 0;
    }
    const StreamRow *row = row_of(transaction, work);
    if (!prepare_keys_hold(work, row->transport_holds, row->signer_holds))
        return 0;
    if (stream->session_epoch != work->session_epoch && !MISTAKE(EPOCH_UNCHECKED)) {
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__FENCED,
                    "A newer session of this stream exists: two agents run on one spool, or its copy. Stop this one.");
        return 0;
    }
    if (MISTAKE(SEQUENCE_UNCHECKED))
        return 0;
    if (work->first_sequence > stream->last_sequence + 1) {
        work->expected_sequence = stream->last_sequence + 1;
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__GAP,
                    "Sequences from %" PRIu64 " on are missing: send from there.", work->expected_sequence);
        return 0;
    }
    if (work->first_sequence == stream->last_sequence + 1)
        return 0;
    // It may be one of this very transaction, so that segments must be in the log to be found.
    int result = append_segments(transaction, group);
    return result < 0 ? result : answer_repeated(transaction, work, stream);
}

// ---- one batch: storing it -----------------------------------------------------------------------------------------

static int change_population(Transaction *transaction, Work *work) {
    int64_t before = recheck_population_position(transaction->recheck);
    int result = apply_changes(transaction->population_writer, transaction->prepare, work, &transaction->at_once);
    if (result == 0)
        result = recheck_population(transaction->recheck);
    // Also when it did so in a transaction that came to nothing.
    if (recheck_population_position(transaction->recheck) != before)
        work->population_moved = true;
    return result;
}

// Sends the rows that wait.
static int flush_rows(Transaction *transaction) {
    int result = store_rows(transaction->exchange, &transaction->records, &transaction->exceptions);
    bytes_clear(&transaction->records);
    bytes_clear(&transaction->exceptions);
    return result;
}

// Whether an event came before is asked of the database, which lacks the rows that wait.
static int find_repeats(Transaction *transaction, Work *work) {
    if (transaction->records.n == 0 || !decide_wants_repeats(work))
        return 0;
    int result = flush_rows(transaction);
    return result < 0 ? result : recheck_repeats(transaction->recheck, work);
}

static int recheck(Transaction *transaction, Work *work) {
    bool changes = prepare_changes_population(work);
    int stale = recheck_mark(transaction->recheck, work);
    // A record without one of its events is made from all its versions.
    int result = stale == 2 || changes || work->review != NULL ? flush_rows(transaction) : 0;
    if (result == 0 && stale > 0)
        result = recheck_renew(transaction->recheck, work);
    if (result == 0 && stale > 0)
        result = find_repeats(transaction, work);
    recheck_date(transaction->recheck, work, transaction->last_position);
    if (result < 0 || !changes)
        return result;
    result = change_population(transaction, work);
    if (result == 0) {
        recheck_mark(transaction->recheck, work);
        result = recheck_renew(transaction->recheck, work);
    }
    recheck_date(transaction->recheck, work, transaction->last_position);
    return result;
}

// Rows of batches wait for those of the next, so that one COPY takes them all.
static int place_rows(Transaction *transaction, Work *work) {
    bytes_append(&transaction->records, work->records.data, work->records.n);
    bytes_append(&transaction->exceptions, work->exceptions.data, work->exceptions.n);
    return transaction->records.failed || transaction->exceptions.failed
               ? error_fail(ERROR_MEMORY, "no memory for a transaction's rows")
               : 0;
}

// What a work stores beside its rows.
static int store_beside(Transaction *transaction, Work *work) {
    int result = store_aliases(transaction->exchange, work);
    if (result == 0)
        result = merger_link(transaction->exchange, work);
    if (result == 0)
        result = retelling_note(transaction->exchange, work);
    if (result == 0)
        result = homes_told(transaction->prepare, transaction->exchange, work);
    if (result == 0)
        result = store_guesses(transaction->exchange, work);
    if (result == 0 && !MISTAKE(DEATH_UNJUDGED))
        result = judging_note(transaction->exchange, work);
    if (result == 0 && work->kind == WORK_REDECIDE)
        result = store_decided(transaction->exchange, work);
    return result < 0 || work->review == NULL ? result : store_reviewed(transaction->exchange, work);
}

// Once its rows are placed: an older event of a row may stand in the same batch.
static int note_replaced(Transaction *transaction, Work *work) {
    if (!recheck_resent(transaction->recheck, work))
        return 0;
    int result = flush_rows(transaction);
    return result < 0 ? result : replacing_note(transaction->exchange, prepare_rules(transaction->prepare), work);
}

static int send_rows(Transaction *transaction, Work *work) {
    int result = store_rows(transaction->exchange, &work->records, &work->exceptions);
    return result < 0 ? result : store_beside(transaction, work);
}

typedef int (*StoreRows)(Pg *pg, const Work *work, size_t from, size_t to);
typedef struct Suspects {
    StoreRows store;
    const uint32_t *index; // row to entry
    size_t *n_found;
} Suspects;

// By halves, each in a savepoint that is always rolled back, until the rows at fault stand alone.
static int find_poison(Transaction *transaction, Work *work, const Suspects *suspects, size_t from, size_t to) {
    if (from == to)
        return 0;
    int result = pg_command(transaction->exchange, "SAVEPOINT half");
    if (result < 0)
        return result;
    int tried = suspects->store(transaction->exchange, work, from, to);
    if (tried < 0 && tried != ERROR_DATA)
        return tried;
    result = pg_command(transaction->exchange, "ROLLBACK TO half; RELEASE half");
    if (result < 0 || tried == 0)
        return result;
    if (to - from == 1) {
        work_poison(work->entry_items[suspects->index[from]]);
        ++*suspects->n_found;
        return 0;
    }
    size_t half = from + (to - from) / 2;
    result = find_poison(transaction, work, suspects, from, half);
    return result < 0 ? result : find_poison(transaction, work, suspects, half, to);
}

// What is left of the work after its poisoned events were rejected is decided anew, for others may stand on them.
static int store_rows_without_poison(Transaction *transaction, Work *work) {
    for (;;) {
        int result = pg_command(transaction->exchange, "SAVEPOINT rows");
        if (result < 0)
            return result;
        entries_place(work, transaction->last_position + 1);
        int tried = send_rows(transaction, work);
        if (tried != ERROR_DATA)
            return tried;
        result = pg_command(transaction->exchange, "ROLLBACK TO rows");
        if (result < 0)
            return result;
        size_t n_found = 0;
        Suspects records = {.store = store_records, .index = work->record_index, .n_found = &n_found};
        Suspects exceptions = {.store = store_exceptions, .index = work->exception_index, .n_found = &n_found};
        result = find_poison(transaction, work, &records, 0, work->n_records);
        if (result == 0)
            result = find_poison(transaction, work, &exceptions, 0, work->n_exceptions);
        if (result < 0)
            return result;
        if (n_found == 0) // not one row's fault: nothing that a verdict would be the answer to
            return error_fail(ERROR_DATABASE, "the database refuses a batch, but none of its rows");
        result = recheck_renew(transaction->recheck, work);
        if (result < 0)
            return result;
    }
}

static int store_rows_of(Transaction *transaction, Work *work, bool alone) {
    if (alone)
        return store_rows_without_poison(transaction, work);
    entries_place(work, transaction->last_position + 1);
    int result = place_rows(transaction, work);
    // Of a plain batch only aliases are stored beside, which no row that waits is concerned with.
    if (result == 0 && (work->kind != WORK_BATCH || prepare_changes_population(work)))
        result = flush_rows(transaction);
    return result < 0 ? result : store_beside(transaction, work);
}

// Whether the work is still there to be stored: settled, or without items that were not dropped, when it is not.
static int check_work(Transaction *transaction, const TransactionGroup *group, Work *work) {
    if (work->kind == WORK_BATCH)
        return check_stream(transaction, group, work);
    if (work->review != NULL && work->review->action == REVIEW_REPLACED)
        return replacing_still_open(transaction->exchange, work);
    if (work->kind == WORK_JUDGE)
        return store_not_asked(transaction->exchange, work);
    return work->review == NULL ? store_still_open(transaction->exchange, work)
                                : store_still_waiting(transaction->exchange, work);
}

static int bar_review(Transaction *transaction, Work *work) {
    char why[REVIEW_TEXT_BYTES];
    if (work->review == NULL || !review_is_barred(work, why))
        return 0;
    work_settle(work, OUTCOME_NOTHING, 0, "an event of the case cannot be decided so");
    return store_barred(transaction->exchange, work->review, why);
}

static int note_stored(Transaction *transaction, Work *work) {
    transaction->last_position = work->last_position;
    recheck_note(transaction->recheck, work);
    work_settle(work, OUTCOME_STORED, 0, "stored");
    return 0;
}

static int store_made(Transaction *transaction, Work *work) {
    entries_place(work, transaction->last_position + 1);
    int result = store_rows(transaction->exchange, &work->records, &work->exceptions);
    return result < 0 ? result : note_stored(transaction, work);
}

// Records that move are read here, for whatever was placed before them in this transaction counts.
static int build_records(Transaction *transaction, Work *work, int (*build)(Prepare *, Pg *, Work *)) {
    int result = flush_rows(transaction);
    if (result == 0)
        result = build(transaction->prepare, transaction->exchange, work);
    recheck_date(transaction->recheck, work, transaction->last_position);
    return result;
}

static int store_move(Transaction *transaction, Work *work) {
    int result = build_records(transaction, work, moving_build);
    if (result < 0 || work->outcome != OUTCOME_OPEN)
        return result;
    if (work->advance->rows == 0) {
        work_settle(work, OUTCOME_NOTHING, 0, "nothing is left to move");
        result = moving_done(transaction->exchange, work);
        return result < 0 ? result : following_moved(transaction->exchange, work);
    }
    result = entries_build(work);
    if (result < 0 || work->n_entries > 0)
        return result < 0 ? result : store_made(transaction, work);
    work_settle(work, OUTCOME_NOTHING, 0, "nothing of these is to be moved");
    return 0;
}

static int store_told(Transaction *transaction, Work *work) {
    int result = entries_build(work);
    if (result < 0 || work->n_entries > 0)
        return result < 0 ? result : store_made(transaction, work);
    work_settle(work, OUTCOME_NOTHING, 0, "nothing to be told");
    return 0;
}

static int store_retold(Transaction *transaction, Work *work) {
    int result = build_records(transaction, work, retelling_build);
    if (result == 0 && work->advance->rows > 0)
        result = retelling_done(transaction->exchange, work, transaction->last_position);
    return result < 0 ? result : store_told(transaction, work);
}

static int store_homes(Transaction *transaction, Work *work) {
    int result = build_records(transaction, work, homes_build);
    if (result == 0)
        result = store_told(transaction, work);
    return result < 0 ? result : homes_done(transaction->exchange, work);
}

// It holds from the work's first position on, or from the next one where it tells nothing.
static int store_followed(Transaction *transaction, Work *work) {
    int result = build_records(transaction, work, following_build);
    if (result == 0 && work->advance->rows > 0)
        result = following_done(transaction->exchange, work, transaction->last_position + 1);
    return result < 0 ? result : store_told(transaction, work);
}

static int store_erased(Transaction *transaction, Work *work) {
    int result = build_records(transaction, work, erasing_build);
    if (result == 0)
        result = store_told(transaction, work);
    return result < 0 || work->outcome != OUTCOME_STORED ? result : erasing_done(transaction->exchange, work);
}

typedef int StoreRecords(Transaction *transaction, Work *work);
static StoreRecords *const STORE_RECORDS[] = {store_move, store_retold, store_homes, store_erased, store_followed};

static int store_work(Transaction *transaction, const TransactionGroup *group, Work *work) {
    uint64_t since = stats_now();
    if (work_is_of_records(work))
        return STORE_RECORDS[work->kind - WORK_MOVE](transaction, work);
    int result = check_work(transaction, group, work);
    if (result < 0 || work->outcome != OUTCOME_OPEN)
        return result;
    result = recheck(transaction, work);
    if (result == 0)
        result = bar_review(transaction, work);
    if (result < 0 || work->outcome != OUTCOME_OPEN)
        return result;
    if (work->kind != WORK_BATCH)
        result = entries_build(work);
    stats_add(transaction->stats, STATS_RECHECK, &since);
    if (result == 0 && work->n_entries == 0) {
        work_settle(work, OUTCOME_NOTHING, 0, "nothing new");
        return 0;
    }
    if (result == 0)
        result = store_rows_of(transaction, work, group->alone);
    if (result == 0)
        result = note_replaced(transaction, work);
    stats_add(transaction->stats, STATS_COPY, &since);
    if (result < 0)
        return result;
    if (work->kind == WORK_BATCH)
        stream_of(transaction, work)->last_sequence = work->last_sequence;
    return note_stored(transaction, work);
}

// ---- the whole -----------------------------------------------------------------------------------------------------

// What was read inside a transaction that came to nothing may never have been: all of it is read again, in the memory
// that it had.
static void unsettle(const TransactionGroup *group, const bool *open) {
    for (size_t i = 0; i < group->n; i++) {
        Work *work = group->works[i];
        if (!open[i])
            continue;
        work->outcome = OUTCOME_OPEN;
        work->expected_sequence = 0;
        apply_rewind(work);
    }
}

static int sign_receipts(Transaction *transaction, const TransactionGroup *group) {
    for (size_t i = 0; i < group->n; i++) {
        Work *work = group->works[i];
        if (work->outcome != OUTCOME_STORED || work->kind != WORK_BATCH)
            continue;
        int result = receipt_stored(work, transaction->signer);
        if (result < 0)
            return result;
    }
    return 0;
}

static void count_events(Transaction *transaction, const TransactionGroup *group) {
    for (size_t i = 0; i < group->n; i++)
        if (group->works[i]->outcome == OUTCOME_STORED)
            stats_count(transaction->stats, group->works[i]->n_entries);
}

static int store_works(Transaction *transaction, const TransactionGroup *group, const bool *open) {
    int result = 0;
    for (size_t i = 0; result == 0 && i < group->n; i++) {
        if (open[i])
            result = store_work(transaction, group, group->works[i]);
    }
    uint64_t since = stats_now();
    if (result == 0)
        result = flush_rows(transaction);
    stats_add(transaction->stats, STATS_COPY, &since);
    if (result == 0)
        result = append_segments(transaction, group);
    if (result == 0)
        result = store_advance(transaction->exchange, transaction->streams, transaction->n_streams);
    // Before the commit: a batch that is stored but cannot be answered would be of no use to anybody.
    if (result == 0)
        result = sign_receipts(transaction, group);
    if (result == 0)
        result = pg_flush(transaction->exchange);
    stats_add(transaction->stats, STATS_SEGMENT, &since);
    return result;
}

static bool changes_population(const TransactionGroup *group, const bool *open) {
    for (size_t i = 0; i < group->n; i++)
        if (open[i] && prepare_changes_population(group->works[i]))
            return true;
    return false;
}

static int run(Transaction *transaction, const TransactionGroup *group, const bool *open) {
    uint64_t since = stats_now();
    int result = begin(transaction, group);
    stats_add(transaction->stats, STATS_LOCK, &since);
    if (result == 0)
        result = store_works(transaction, group, open);
    since = stats_now();
    if (result == 0 && !MISTAKE(ACK_BEFORE_COMMIT))
        result = store_commit(transaction->exchange);
    stats_add(transaction->stats, STATS_COMMIT, &since);
    return result;
}

bool transaction_is_passing(const Transaction *transaction) {
    return prepare_is_passing(transaction->prepare);
}

bool transaction_has_notes(const Transaction *transaction) {
    return transaction->notes_left;
}

uint32_t transaction_epoch(const Transaction *transaction) {
    return transaction->head.epoch;
}

int transaction_run(Transaction *transaction, const TransactionGroup *group, uint64_t *ret_head) {
    bool open[TRANSACTION_WORKS_MAX] = {false};
    assert(group->n <= TRANSACTION_WORKS_MAX);
    for (size_t i = 0; i < group->n; i++)
        open[i] = group->works[i]->outcome == OUTCOME_OPEN;
    bool population = changes_population(group, open);
    if (population && !connector_is_ready(transaction->population)) {
        error_fail(ERROR_DATABASE, "there is no connection to the population store's writer");
        return TRANSACTION_POPULATION_AWAY;
    }
    prepare_forget_failure(transaction->prepare);
    if (population)
        pg_forget_failure(transaction->population_writer);
    int result = run(transaction, group, open);
    if (result < 0) {
        store_rollback(transaction->exchange);
        recheck_failed(transaction->recheck);
        unsettle(group, open);
        bool away = result == ERROR_DATABASE && population && pg_is_passing(transaction->population_writer);
        bool overtaken = away && apply_is_overtaken(transaction->population_writer);
        return overtaken ? TRANSACTION_OVERTAKEN : away ? TRANSACTION_POPULATION_AWAY : result;
    }
    transaction->identified = true;
    transaction->left = transaction->head;
    recheck_committed(transaction->recheck, transaction->head.last_position);
    count_events(transaction, group);
    *ret_head = transaction->head.last_position;
    return 0;
}
