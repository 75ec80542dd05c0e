// SPDX-License-Identifier: Apache-2.0
//
// The writer's transaction, step by step. Sends nothing to anybody: whoever calls does, once it is committed.
#include "broker/transaction.h"

#include "broker/apply.h"
#include "broker/entries.h"
#include "broker/epoch.h"
#include "broker/lookup.h"
#include "broker/receipt.h"
#include "broker/recheck.h"
#include "broker/store.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PARTITION_LOOK 1000000   // how often the need for a partition is looked at, in positions
#define PARTITION_AHEAD 10000000 // how far ahead it is made

struct Transaction {
    Pg *exchange, *population_writer;
    Prepare *prepare;
    Recheck *recheck;
    Merkle *merkle;
    Signer *signer;
    const Clock *clock;
    Stats *stats;
    SegmentHead head;
    uint64_t partition_looked;
    bool identified; // this connection's server was compared with the last epoch's
};

static int open_sessions(Transaction *transaction, const TransactionOptions *options) {
    PrepareOptions prepare = {.population = options->population_reader,
                              .name = "dongbo writer",
                              .rules = options->rules,
                              .clock = options->clock};
    int result = pg_new(&transaction->exchange, options->exchange, "dongbo writer");
    if (result == 0)
        result = pg_new(&transaction->population_writer, options->population_writer, "dongbo population writer");
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
    pg_destroy(&transaction->exchange);
    pg_destroy(&transaction->population_writer);
    merkle_destroy(&transaction->merkle);
    signer_destroy(&transaction->signer);
    free(transaction);
    *pointer = NULL;
}

// ---- begin -------------------------------------------------------------------------------------------------------

static int log_notes(Transaction *transaction, bool policies) {
    LogTail tail = {.pg = transaction->exchange,
                    .merkle = transaction->merkle,
                    .clock = transaction->clock,
                    .head = &transaction->head,
                    .population_position = recheck_population_position(transaction->recheck)};
    if (transaction->identified && !policies)
        return 0;
    int result = epoch_open_due(&tail);
    if (result == 0)
        result = epoch_log_policies(&tail);
    return result < 0 ? result : epoch_log_streams(&tail);
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

static int begin(Transaction *transaction, bool policies) {
    if (!pg_connected(transaction->exchange))
        transaction->identified = false;
    int result = lookup_connect(transaction->exchange);
    if (result == 0)
        result = lookup_connect(prepare_population(transaction->prepare));
    if (result == 0)
        result = store_begin(transaction->exchange);
    if (result == 0)
        result = store_head(transaction->exchange, &transaction->head);
    if (result == 0)
        result = recheck_follow(transaction->recheck, transaction->head.last_position);
    if (result == 0)
        result = recheck_population(transaction->recheck);
    if (result == 0)
        result = look_at_partition(transaction);
    if (result == 0)
        result = log_notes(transaction, policies);
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
        memcmp(stored.root, work->batch.header->root.data, HASH_BYTES) != 0) {
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
static int check_stream(Transaction *transaction, Work *work) {
    StreamRow stream;
    int result = store_stream(transaction->exchange, work->stream, &stream);
    if (result < 0)
        return result;
    if (result > 0 || stream.agency != work->agency->grants.agency) {
        work_settle(work, OUTCOME_ERROR, DONGBO__ERROR__CODE__NO_SESSION,
                    "The exchange does not know this stream (it was restored): say Hello again.");
        return 0;
    }
    if (stream.session_epoch != work->session_epoch) {
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__FENCED,
                    "A newer session of this stream exists: two agents run on one spool, or its copy. Stop this one.");
        return 0;
    }
    if (work->first_sequence > stream.last_sequence + 1) {
        work->expected_sequence = stream.last_sequence + 1;
        work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__GAP,
                    "Sequences from %" PRIu64 " on are missing: send from there.", work->expected_sequence);
        return 0;
    }
    return work->first_sequence <= stream.last_sequence ? answer_repeated(transaction, work, &stream) : 0;
}

// ---- one batch: storing it -----------------------------------------------------------------------------------------

static int change_population(Transaction *transaction, Work *work) {
    int64_t before = recheck_population_position(transaction->recheck);
    int result = pg_connect(transaction->population_writer);
    if (result == 0)
        result = apply_changes(transaction->population_writer, transaction->prepare, work);
    if (result == 0)
        result = recheck_population(transaction->recheck);
    work->population_moved = recheck_population_position(transaction->recheck) != before;
    return result;
}

static int recheck(Transaction *transaction, Work *work) {
    uint64_t head = transaction->head.last_position;
    bool changes = prepare_changes_population(work);
    int result = recheck_work(transaction->recheck, work, head, false);
    if (result < 0 || !changes)
        return result < 0 ? result : 0;
    result = change_population(transaction, work);
    if (result == 0)
        result = recheck_work(transaction->recheck, work, head, true);
    return result < 0 ? result : 0;
}

static int store_rows(Transaction *transaction, Work *work) {
    entries_place(work, transaction->head.last_position + 1);
    int result = store_records(transaction->exchange, work, 0, work->n_records);
    if (result == 0)
        result = store_exceptions(transaction->exchange, work, 0, work->n_exceptions);
    if (result == 0)
        result = store_aliases(transaction->exchange, work);
    if (result == 0 && work->kind == WORK_REDECIDE)
        result = store_decided(transaction->exchange, work);
    return result;
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
        int tried = store_rows(transaction, work);
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
        result = recheck_work(transaction->recheck, work, transaction->head.last_position, true);
        if (result < 0)
            return result;
    }
}

static int append_segment(Transaction *transaction, Work *work) {
    SegmentHead *head = &transaction->head;
    int64_t now = clock_now_us(transaction->clock);
    Segment segment;
    entries_segment(work, &segment);
    segment.first_position = work->first_position;
    segment.last_position = work->last_position;
    segment.epoch = head->epoch;
    segment.stored_at_us = now > head->stored_at_us ? now : head->stored_at_us;
    segment.population_position = recheck_population_position(transaction->recheck);
    int result = segment_chain(&segment, transaction->merkle, head);
    if (result < 0)
        return result;
    SegmentBytes bytes = {.summary = &work->summary, .payload = &work->payload};
    if (work->kind == WORK_BATCH) {
        bytes.batch = work->batch_bytes;
        bytes.batch_n = work->batch_n;
    }
    work->epoch = segment.epoch;
    work->stored_at_us = segment.stored_at_us;
    memcpy(work->segment_hash, head->hash, HASH_BYTES);
    return store_segment(transaction->exchange, &segment, head, &bytes);
}

static int store_work(Transaction *transaction, Work *work, bool alone) {
    bool is_batch = work->kind == WORK_BATCH;
    uint64_t since = stats_now();
    int result = is_batch ? check_stream(transaction, work) : store_still_deferred(transaction->exchange, work);
    if (result < 0 || work->outcome != OUTCOME_OPEN)
        return result;
    result = recheck(transaction, work);
    if (result == 0 && !is_batch)
        result = entries_build(work);
    stats_add(transaction->stats, STATS_RECHECK, &since);
    if (result == 0 && work->n_entries == 0) {
        work_settle(work, OUTCOME_NOTHING, 0, "nothing new");
        return 0;
    }
    if (result == 0)
        result = alone ? store_rows_without_poison(transaction, work) : store_rows(transaction, work);
    stats_add(transaction->stats, STATS_COPY, &since);
    if (result == 0)
        result = append_segment(transaction, work);
    if (result == 0 && is_batch)
        result = store_advance(transaction->exchange, work->stream, work->last_sequence);
    stats_add(transaction->stats, STATS_SEGMENT, &since);
    if (result < 0)
        return result;
    recheck_note(transaction->recheck, work);
    work_settle(work, OUTCOME_STORED, 0, "stored");
    return 0;
}

// ---- the whole -----------------------------------------------------------------------------------------------------

// What was read inside a transaction that came to nothing may never have been: all of it is read again.
static void unsettle(const TransactionGroup *group, const bool *open) {
    for (size_t i = 0; i < group->n; i++) {
        Work *work = group->works[i];
        if (!open[i])
            continue;
        work->outcome = OUTCOME_OPEN;
        for (size_t j = 0; j < work->n_items; j++)
            work->items[j].stale = work->items[j].event != NULL;
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
    for (size_t i = 0; i < group->n; i++) {
        if (group->works[i]->outcome == OUTCOME_STORED)
            stats_count(transaction->stats, group->works[i]->n_entries);
    }
}

int transaction_run(Transaction *transaction, const TransactionGroup *group, uint64_t *ret_head) {
    bool open[WRITER_GROUP_MAX + 2] = {false};
    for (size_t i = 0; i < group->n; i++)
        open[i] = group->works[i]->outcome == OUTCOME_OPEN;
    uint64_t since = stats_now();
    int result = begin(transaction, group->policies);
    stats_add(transaction->stats, STATS_LOCK, &since);
    for (size_t i = 0; result == 0 && i < group->n; i++) {
        if (open[i])
            result = store_work(transaction, group->works[i], group->alone);
    }
    // Before the commit: a batch that is stored but cannot be answered would be of no use to anybody.
    if (result == 0)
        result = sign_receipts(transaction, group);
    since = stats_now();
    if (result == 0)
        result = store_commit(transaction->exchange);
    stats_add(transaction->stats, STATS_COMMIT, &since);
    if (result < 0) {
        store_rollback(transaction->exchange);
        unsettle(group, open);
        return result;
    }
    transaction->identified = true;
    recheck_committed(transaction->recheck, transaction->head.last_position);
    count_events(transaction, group);
    *ret_head = transaction->head.last_position;
    return 0;
}
