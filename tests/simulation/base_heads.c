// SPDX-License-Identifier: Apache-2.0
//
// The statements about signed heads. Their key was announced before anything began.
#include "base_rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct HeadRow {
    int64_t number, size;
    Value head, signature;
} HeadRow;
const uint8_t *base_head_key;
static Table heads = {.name = "signed_head", .row_bytes = sizeof(HeadRow)};

static const HeadRow *newest(const Call *call) {
    const HeadRow *found = NULL;
    for (size_t i = 0; i < heads.n; i++) {
        const HeadRow *row = table_row(call, &heads, i);
        if (row != NULL && (found == NULL || row->number > found->number))
            found = row;
    }
    return found;
}

static Value frontier_at(const Call *call, int64_t leaf_index) {
    for (size_t i = base_segments.n; i-- > 0;) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row != NULL && row->leaf_index == leaf_index)
            return row->frontier;
    }
    return (Value){.null = true};
}

static int state(Call *call) {
    const BaseSegment *last = base_head(call);
    const HeadRow *head = newest(call);
    rows_begin(call, 9);
    if (last == NULL || !base_epoch_holds(call))
        return 0;
    row_begin(call);
    row_i32(call, 0, last->epoch);
    row_i64(call, 1, last->last_position);
    row_i64(call, 2, last->leaf_index);
    row_value(call, 3, last->hash);
    row_value(call, 4, last->frontier);
    row_value(call, 5, head != NULL ? head->head : (Value){.null = true});
    row_value(call, 6, head != NULL ? frontier_at(call, head->size - 1) : (Value){.null = true});
    row_bool(call, 7, base_head_key != NULL);
    if (base_head_key != NULL)
        row_i64(call, 8, 0);
    else
        row_null(call, 8);
    return 0;
}

static int insert(Call *call) {
    HeadRow row = {.number = param_i64(call, 0),
                   .size = param_i64(call, 1),
                   .head = base_keep_value(param_value(call, 5)),
                   .signature = base_keep_value(param_value(call, 6))};
    // One chain: the primary key, and what the lock is for.
    const HeadRow *last = newest(call);
    if (row.number != (last != NULL ? last->number + 1 : 1) || (last != NULL && row.size <= last->size))
        return base_refuse(call, "23505");
    table_insert(call, &heads, &row);
    return 0;
}

static int newest_signed(Call *call) {
    const HeadRow *head = newest(call);
    rows_begin(call, 3);
    if (head == NULL)
        return 0;
    row_begin(call);
    row_i64(call, 0, head->number);
    row_value(call, 1, head->head);
    row_value(call, 2, head->signature);
    return 0;
}

// ---- proofs

static int proof_heads(Call *call) {
    const HeadRow *last = newest(call);
    rows_begin(call, 3);
    for (size_t i = heads.n; i-- > 0;) { // they were inserted in the order of their numbers
        const HeadRow *row = table_row(call, &heads, i);
        if (row == NULL || (row != last && row->number != param_i64(call, 0)))
            continue;
        row_begin(call);
        row_value(call, 0, row->head);
        row_value(call, 1, row->signature);
        if (base_epoch_holds(call))
            row_i32(call, 2, base_head(call)->epoch);
        else
            row_null(call, 2);
    }
    return 0;
}

// LOG_ROW_COLUMNS_WITH(a summary or not).
static void log_row(Call *call, const BaseSegment *row, bool summary) {
    row_begin(call);
    row_i64(call, 0, row->first_position);
    row_i64(call, 1, row->last_position);
    row_i32(call, 2, row->epoch);
    row_i16(call, 3, row->format);
    row_i16(call, 4, row->kind);
    row_i32(call, 5, row->agency.null ? 0 : (int32_t)value_i64(row->agency));
    row_value(call, 6, row->stream);
    row_i64(call, 7, row->first_sequence);
    row_i64(call, 8, row->last_sequence);
    row_value(call, 9, row->batch_root);
    row_i64(call, 10, row->stored_at_us);
    row_i64(call, 11, row->population_position);
    row_i64(call, 12, row->leaf_index);
    row_value(call, 13, row->hash);
    row_value(call, 14, row->frontier);
    row_value(call, 15, summary ? row->summary : (Value){.null = true});
    row_value(call, 16, row->origin);
}

static const BaseSegment *at_leaf(const Call *call, int64_t leaf_index) {
    for (size_t i = base_segments.n; i-- > 0;) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row != NULL && row->leaf_index == leaf_index)
            return row;
    }
    return NULL;
}

static int proof_batches(Call *call) {
    Value stream = param_value(call, 0);
    rows_begin(call, 19);
    for (size_t i = 0; i < base_segments.n && call->n_rows < param_i64(call, 4); i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row == NULL || row->kind != 1 || row->batch_root.null || row->first_sequence <= param_i64(call, 1) ||
            row->last_sequence > param_i64(call, 2) || row->leaf_index >= param_i64(call, 3) ||
            !value_is(row->stream, stream.data, stream.n))
            continue;
        log_row(call, row, row->entries_root.null);
        const BaseSegment *before = at_leaf(call, row->leaf_index - 1);
        row_value(call, 17, before != NULL ? before->hash : (Value){.null = true});
        row_value(call, 18, row->entries_root);
    }
    return 0;
}

static int in_order(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static int path(Call *call) {
    Value *asked;
    size_t n = param_array(call, 0, &asked);
    int64_t *leaves = calloc(n + 1, sizeof *leaves);
    assert(leaves != NULL);
    for (size_t i = 0; i < n; i++)
        leaves[i] = value_i64(asked[i]);
    qsort(leaves, n, sizeof *leaves, in_order);
    rows_begin(call, 18);
    for (size_t i = 0; i < n; i++) {
        const BaseSegment *row = i > 0 && leaves[i] == leaves[i - 1] ? NULL : at_leaf(call, leaves[i]);
        if (row == NULL)
            continue;
        log_row(call, row, row->leaf.null);
        row_value(call, 17, row->leaf);
    }
    free(leaves);
    return 0;
}

static int done(Call *call) {
    return 0;
}

const BaseStatement BASE_HEADS[] = {
    {"heads-state", state},       {"heads-insert", insert},
    {"heads-notify", done},       {"feed_signed", newest_signed},
    {"proof-heads", proof_heads}, {"proof-batches", proof_batches},
    {"log-path", path},           {NULL, NULL},
};
