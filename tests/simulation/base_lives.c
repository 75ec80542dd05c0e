// SPDX-License-Identifier: Apache-2.0
//
// Statements on whose records are to be held against their life, and on the events that those records are by.
#include "base_rows.h"

#include <string.h>

#define POPULATION 1

typedef struct JudgingRow {
    int64_t position, person, since;
    bool done;
} JudgingRow;
static Table judgings = {.name = "judging", .row_bytes = sizeof(JudgingRow)};

static int note(Call *call) {
    Value *positions, *persons, *since;
    size_t n = param_array(call, 0, &positions);
    param_array(call, 1, &persons);
    param_array(call, 2, &since);
    for (size_t k = 0; k < n; k++) {
        JudgingRow row = {
            .position = value_i64(positions[k]), .person = value_i64(persons[k]), .since = value_i64(since[k])};
        for (size_t i = 0; i < judgings.n; i++) {
            const JudgingRow *other = table_newest(&judgings, i);
            if (other != NULL && other->position == row.position && other->person == row.person)
                return base_taken(call, &judgings, i);
        }
        table_insert(call, &judgings, &row);
    }
    return 0;
}

// They stand in the order of positions; of each there is one person.
static int waiting(Call *call) {
    rows_begin(call, 3);
    for (size_t i = 0; i < judgings.n && call->n_rows < param_i64(call, 0); i++) {
        const JudgingRow *row = table_row(call, &judgings, i);
        if (row == NULL || row->done)
            continue;
        row_begin(call);
        row_i64(call, 0, row->position);
        row_i64(call, 1, row->person);
        row_i64(call, 2, row->since);
    }
    return 0;
}

static int done(Call *call) {
    Value *positions, *persons;
    size_t n = param_array(call, 0, &positions);
    param_array(call, 1, &persons);
    for (size_t i = 0; i < judgings.n; i++) {
        const JudgingRow *row = table_row(call, &judgings, i);
        for (size_t k = 0; row != NULL && k < n; k++) {
            void *locked;
            if (row->position != value_i64(positions[k]) || row->person != value_i64(persons[k]))
                continue;
            int r = table_change(call, &judgings, i, &locked);
            if (r != 0)
                return r;
            ((JudgingRow *)locked)->done = true;
            break;
        }
    }
    return 0;
}

// ---- their records -------------------------------------------------------------------------------------------------

// Whether the record stands behind the place up to which records were looked at.
static bool is_behind(const Call *call, size_t k, const BaseVersion *record) {
    int64_t place[] = {(int64_t)k + 1, record->domain};
    for (int i = 0; i < 2; i++) {
        if (place[i] != param_i64(call, 2 + i))
            return place[i] > param_i64(call, 2 + i);
    }
    return strcmp(record->record_key, param_text(call, 4)) > 0;
}

static int records(Call *call) {
    Value *persons, *since;
    size_t n = param_array(call, 0, &persons);
    param_array(call, 1, &since);
    rows_begin(call, 4);
    for (size_t k = 0; k < n; k++) {
        const BaseVersion *found[BASE_RECORDS_MAX];
        size_t n_found = base_records_of(call, value_i64(persons[k]), found);
        for (size_t i = 0; i < n_found && call->n_rows < param_i64(call, 5); i++) {
            if (found[i]->domain == POPULATION || found[i]->position <= value_i64(since[k]) ||
                !is_behind(call, k, found[i]))
                continue;
            row_begin(call);
            row_i64(call, 0, (int64_t)k + 1);
            row_i16(call, 1, (int16_t)found[i]->domain);
            row_text(call, 2, found[i]->record_key);
            row_value(call, 3, found[i]->record);
        }
    }
    return 0;
}

// ---- whose words they are ------------------------------------------------------------------------------------------

typedef struct Asked {
    Value *persons, *domains, *keys, *events;
} Asked;

// Position of the earliest version that names the event; 0 for none.
static int64_t made_at(const Call *call, const Asked *asked, size_t k) {
    int64_t first = 0;
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *row = table_row(call, &base_versions, i);
        if (row != NULL && row->person == value_i64(asked->persons[k]) && row->domain == value_i64(asked->domains[k]) &&
            value_is(asked->keys[k], row->record_key, strlen(row->record_key)) &&
            memmem(row->record.data, row->record.n, asked->events[k].data, asked->events[k].n) != NULL &&
            (first == 0 || row->position < first))
            first = row->position;
    }
    return first;
}

static const BaseSegment *segment_of(const Call *call, int64_t position) {
    const BaseSegment *found = NULL;
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *row = table_row(call, &base_segments, i);
        if (row != NULL && row->first_position <= position &&
            (found == NULL || row->first_position > found->first_position))
            found = row;
    }
    return found == NULL || found->stream.null ? NULL : found;
}

static void give(Call *call, size_t k, int64_t position, const BaseSegment *segment) {
    row_begin(call);
    row_i64(call, 0, (int64_t)k + 1);
    row_i64(call, 1, position);
    row_i64(call, 2, segment->first_position);
    row_i64(call, 3, segment->last_position);
    row_i16(call, 4, segment->format);
    row_value(call, 5, segment->agency);
    row_value(call, 6, segment->stream);
    row_value(call, 7, segment->summary);
    row_value(call, 8, segment->payload);
    row_value(call, 9, segment->batch);
}

static int testimony_segments(Call *call) {
    Asked asked;
    size_t n = param_array(call, 0, &asked.persons);
    param_array(call, 1, &asked.domains);
    param_array(call, 2, &asked.keys);
    param_array(call, 3, &asked.events);
    rows_begin(call, 10);
    for (size_t k = 0; k < n; k++) {
        int64_t position = made_at(call, &asked, k);
        const BaseSegment *segment = position == 0 ? NULL : segment_of(call, position);
        if (segment != NULL)
            give(call, k, position, segment);
    }
    return 0;
}

static bool is_of(const BaseException *row, Value stream, int64_t sequence) {
    return row != NULL && row->sequence == sequence && value_is(row->stream, stream.data, stream.n);
}

static int testimony_exception(Call *call) {
    const BaseException *found = NULL;
    for (size_t i = 0; i < base_exceptions.n; i++) {
        const BaseException *row = table_row(call, &base_exceptions, i);
        if (is_of(row, param_value(call, 0), param_i64(call, 1)) && (found == NULL || row->position < found->position))
            found = row;
    }
    rows_begin(call, 2);
    if (found == NULL)
        return 0;
    row_begin(call);
    row_value(call, 0, found->event);
    row_value(call, 1, found->leaf);
    return 0;
}

static int not_asked(Call *call) {
    Value *sequences, *because;
    size_t n = param_array(call, 0, &sequences);
    param_array(call, 1, &because);
    rows_begin(call, 1);
    for (size_t k = 0; k < n; k++) {
        bool asked = false;
        for (size_t i = 0; i < base_exceptions.n && !asked; i++) {
            const BaseException *row = table_row(call, &base_exceptions, i);
            asked = is_of(row, param_value(call, 2), value_i64(sequences[k])) &&
                    (row->open || row->position > value_i64(because[k]));
        }
        if (asked)
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
    }
    return 0;
}

const BaseStatement BASE_LIVES[] = {
    {"judging-note", note},
    {"judging-waiting", waiting},
    {"judging-done", done},
    {"judging-records", records},
    {"testimony-segments", testimony_segments},
    {"testimony-exception", testimony_exception},
    {"not-asked", not_asked},
    {NULL, NULL},
};
