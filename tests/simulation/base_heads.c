// SPDX-License-Identifier: Apache-2.0
//
// The statements about signed heads. Every key counts as announced, long ago.
#include "base_rows.h"

#include <string.h>

typedef struct HeadRow {
    int64_t number, size;
    Value head, signature;
} HeadRow;
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
    if (last == NULL)
        return 0;
    row_begin(call);
    row_i32(call, 0, last->epoch);
    row_i64(call, 1, last->last_position);
    row_i64(call, 2, last->leaf_index);
    row_value(call, 3, last->hash);
    row_value(call, 4, last->frontier);
    row_value(call, 5, head != NULL ? head->head : (Value){.null = true});
    row_value(call, 6, head != NULL ? frontier_at(call, head->size - 1) : (Value){.null = true});
    row_bool(call, 7, true);
    row_i64(call, 8, 0);
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

static int done(Call *call) {
    return 0;
}

const BaseStatement BASE_HEADS[] = {
    {"heads-state", state}, {"heads-insert", insert},       {"heads-announce", done},
    {"heads-notify", done}, {"feed_signed", newest_signed}, {NULL, NULL},
};
