// SPDX-License-Identifier: Apache-2.0
//
// Statements on records that are told again: their persons moved, or have another number.
#include "base_rows.h"

#include <stdlib.h>
#include <string.h>

#define POPULATION 1
#define NO_EVENT 3 // a cause
#define RETELLINGS_MAX 512

Table base_retellings = {.name = "retelling", .row_bytes = sizeof(BaseRetelling)};

static int compare(const void *a, const void *b) {
    const BaseRetelling *left = *(const BaseRetelling *const *)a, *right = *(const BaseRetelling *const *)b;
    if (left->position != right->position)
        return left->position < right->position ? -1 : 1;
    return (left->cause > right->cause) - (left->cause < right->cause);
}

// Those that are seen and not told yet, in order.
static size_t waiting(const Call *call, const BaseRetelling *ret[RETELLINGS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < base_retellings.n && n < RETELLINGS_MAX; i++) {
        const BaseRetelling *row = table_row(call, &base_retellings, i);
        if (row != NULL && !row->told)
            ret[n++] = row;
    }
    qsort(ret, n, sizeof *ret, compare);
    return n;
}

static int agency(Call *call) {
    const BaseRetelling *rows[RETELLINGS_MAX];
    size_t n = waiting(call, rows);
    rows_begin(call, 1);
    if (n == 0)
        return 0;
    row_begin(call);
    row_i32(call, 0, rows[0]->agency);
    return 0;
}

static void give(Call *call, const BaseRetelling *row, const BaseVersion *record) {
    row_begin(call);
    row_i64(call, 0, row->position);
    row_i64(call, 1, row->cause);
    row_i64(call, 2, row->person);
    for (int i = 0; i < 4; i++)
        row_text(call, 3 + i, row->province[i]);
    row_value(call, 7, row->event_id);
    row_i64(call, 8, row->event_time_us);
    for (int column = 9; column < 13; column++)
        row_null(call, column);
    if (record == NULL)
        return;
    row_i16(call, 9, (int16_t)record->domain);
    row_text(call, 10, record->record_key);
    row_value(call, 11, record->record);
}

// Whether the record stands behind the place that was told last.
static bool is_behind(const Call *call, const BaseRetelling *row, const BaseVersion *record) {
    int64_t place[] = {row->position, row->cause, record->domain};
    for (int i = 0; i < 3; i++) {
        if (place[i] != param_i64(call, 2 + i))
            return place[i] > param_i64(call, 2 + i);
    }
    return strcmp(record->record_key, param_text(call, 5)) > 0;
}

static void give_records(Call *call, const BaseRetelling *row) {
    const BaseVersion *records[BASE_RECORDS_MAX];
    size_t n = base_records_of(call, row->person, records);
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if ((records[i]->domain == POPULATION && row->cause != NO_EVENT) || !is_behind(call, row, records[i]))
            continue;
        if (call->n_rows < param_i64(call, 6))
            give(call, row, records[i]);
        any = true;
    }
    if (!any && call->n_rows < param_i64(call, 6))
        give(call, row, NULL);
}

static int next(Call *call) {
    const BaseRetelling *rows[RETELLINGS_MAX];
    size_t n = waiting(call, rows);
    rows_begin(call, 13);
    for (size_t i = 0, n_given = 0; i < n && (int64_t)n_given < param_i64(call, 1); i++) {
        if (rows[i]->agency != param_i64(call, 0))
            break; // the other one's are first
        n_given++;
        give_records(call, rows[i]);
    }
    return 0;
}

static int told(Call *call) {
    int64_t position = param_i64(call, 1), upto = param_i64(call, 2), done = param_i64(call, 3);
    for (size_t i = 0; i < base_retellings.n; i++) {
        const BaseRetelling *row = table_row(call, &base_retellings, i);
        if (row == NULL || row->told || row->agency != param_i64(call, 0) || row->position > position ||
            (row->position == position && row->cause > upto))
            continue;
        void *locked;
        int r = table_change(call, &base_retellings, i, &locked);
        if (r != 0)
            return r;
        BaseRetelling *change = locked;
        change->told = change->position < position || change->cause <= done;
        change->told_position = param_i64(call, 4);
    }
    return 0;
}

static int note(Call *call) {
    Value *positions, *persons, *provinces[4], *events, *times;
    size_t n = param_array(call, 0, &positions);
    param_array(call, 1, &persons);
    for (int i = 0; i < 4; i++)
        param_array(call, 2 + i, &provinces[i]);
    param_array(call, 7, &events);
    param_array(call, 8, &times);
    for (size_t k = 0; k < n; k++) {
        BaseRetelling row = {.position = value_i64(positions[k]),
                             .person = value_i64(persons[k]),
                             .cause = param_i64(call, 9),
                             .event_time_us = value_i64(times[k]),
                             .agency = (int32_t)param_i64(call, 6),
                             .event_id = base_keep_value(events[k])};
        for (int i = 0; i < 4; i++)
            row.province[i] = value_text(provinces[i][k]);
        table_insert(call, &base_retellings, &row);
    }
    return 0;
}

const BaseStatement BASE_RETOLD[] = {
    {"retell-agency", agency}, {"retell-next", next}, {"retold", told}, {"retelling-note", note}, {NULL, NULL},
};
