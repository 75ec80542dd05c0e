// SPDX-License-Identifier: Apache-2.0
//
// What snapshots are read by, and what lets the feed's past go. A step gives few records, as one of a large table gives
// few persons: so that there are several chunks, and something happens between them.
#include "base_rows.h"
#include "tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP 1

typedef struct ReleaseRow {
    int64_t snapshot, first, head;
    int32_t subscription;
    bool digests, finished;
} ReleaseRow;
typedef struct TrimRow {
    int64_t position;
} TrimRow;
static Table releases = {.name = "snapshot_release", .row_bytes = sizeof(ReleaseRow)};
static Table trims = {.name = "trim", .row_bytes = sizeof(TrimRow)};

static int head(Call *call) {
    const BaseSegment *last = base_head(call);
    int64_t least = INT64_MAX, greatest = 0;
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *row = table_row(call, &base_versions, i);
        if (row == NULL)
            continue;
        least = row->person < least ? row->person : least;
        greatest = row->person > greatest ? row->person : greatest;
    }
    rows_begin(call, 7);
    row_begin(call);
    row_i32(call, 0, last == NULL ? 0 : last->epoch);
    row_i64(call, 1, last == NULL ? 0 : last->last_position);
    row_value(call, 2, last == NULL ? (Value){.null = true} : last->hash);
    row_i64(call, 3, base_policy_stamp());
    for (int column = 4; column < 6; column++) {
        if (greatest == 0)
            row_null(call, column);
        else
            row_i64(call, column, column == 4 ? least : greatest);
    }
    if (last == NULL)
        row_null(call, 6);
    else
        row_i64(call, 6, last->population_position);
    return 0;
}

static int compare(const BaseVersion *row, int64_t person, int64_t domain, const char *record_key) {
    if (row->person != person)
        return row->person < person ? -1 : 1;
    if (row->domain != domain)
        return row->domain < domain ? -1 : 1;
    return strcmp(row->record_key, record_key);
}

// The first record behind that place; NULL: none.
static const BaseVersion *behind(const Call *call, int64_t person, int64_t domain, const char *record_key) {
    const BaseVersion *found = NULL;
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *row = table_row(call, &base_versions, i);
        if (row != NULL && compare(row, person, domain, record_key) > 0 &&
            (found == NULL || compare(row, found->person, found->domain, found->record_key) < 0))
            found = row;
    }
    return found;
}

static int next(Call *call) {
    const BaseVersion *at = behind(call, param_i64(call, 0), param_i64(call, 1), param_text(call, 2));
    rows_begin(call, 3);
    for (int i = 0; at != NULL && i < STEP; i++) {
        row_begin(call);
        row_i64(call, 0, at->person);
        row_i16(call, 1, (int16_t)at->domain);
        row_text(call, 2, at->record_key);
        at = behind(call, at->person, at->domain, at->record_key);
    }
    return 0;
}

static int persons(Call *call) {
    Value *keys;
    size_t n = param_array(call, 0, &keys);
    rows_begin(call, 4);
    for (size_t i = 0; i < base_citizens.n; i++) { // in the order of keys
        const BaseCitizen *row = table_row(call, &base_citizens, i);
        for (size_t k = 0; row != NULL && k < n; k++) {
            if (row->person != value_i64(keys[k]))
                continue;
            row_begin(call);
            row_i64(call, 0, row->person);
            row_text(call, 1, row->number);
            row_text(call, 2, row->province);
            row_text(call, 3, row->province63);
        }
    }
    return 0;
}

static int records(Call *call) {
    Value *persons, *domains, *keys;
    size_t n = param_array(call, 0, &persons);
    param_array(call, 1, &domains);
    param_array(call, 2, &keys);
    rows_begin(call, 2);
    for (size_t k = 0; k < n; k++) {
        const BaseVersion *found = NULL;
        const char *record_key = value_text(keys[k]);
        for (size_t i = 0; i < base_versions.n; i++) {
            const BaseVersion *row = table_row(call, &base_versions, i);
            if (row != NULL && !row->superseded && row->position <= param_i64(call, 3) &&
                compare(row, value_i64(persons[k]), value_i64(domains[k]), record_key) == 0 &&
                (found == NULL || row->position > found->position))
                found = row;
        }
        if (found == NULL)
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
        row_value(call, 1, found->record);
    }
    return 0;
}

// ---- what was released ---------------------------------------------------------------------------------------------

static size_t known(const Call *call, int64_t snapshot, int64_t subscription, bool digests) {
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < releases.n; i++) { // in the order of their numbers
        const ReleaseRow *row = table_row(call, &releases, i);
        if (row == NULL || row->subscription != subscription)
            continue;
        if (snapshot > 0 ? row->snapshot == snapshot
                         : row->digests == digests && (!row->finished || row->head == param_i64(call, 3)))
            found = i;
    }
    return found;
}

static int release(Call *call) {
    int64_t snapshot = param_i64(call, 0), at = param_i64(call, 3);
    size_t i = known(call, snapshot, param_i64(call, 1), param_bool(call, 5));
    if (i == SIZE_MAX) {
        ReleaseRow made = {.snapshot = (int64_t)releases.n + 1,
                           .subscription = (int32_t)param_i64(call, 1),
                           .first = param_i64(call, 2),
                           .head = at,
                           .finished = param_bool(call, 4),
                           .digests = param_bool(call, 5)};
        table_insert(call, &releases, &made);
        snapshot = made.snapshot;
    } else {
        void *locked;
        int r = table_change(call, &releases, i, &locked);
        if (r != 0)
            return r;
        ReleaseRow *row = locked;
        row->head = at > row->head ? at : row->head;
        row->finished = param_bool(call, 4);
        snapshot = row->snapshot;
    }
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, snapshot);
    return 0;
}

// ---- what is let go ------------------------------------------------------------------------------------------------

int64_t base_trimmed(const Call *call) {
    int64_t position = 0;
    for (size_t i = 0; i < trims.n; i++) {
        const TrimRow *row = call == NULL ? table_committed(&trims, i) : table_row(call, &trims, i);
        if (row != NULL && row->position > position)
            position = row->position;
    }
    return position;
}

static int trimmed(Call *call) {
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, base_trimmed(call));
    return 0;
}

void base_trim(void) {
    int64_t first = 0, limit = 0;
    for (size_t i = 0; i < base_segments.n; i++) {
        const BaseSegment *row = table_committed(&base_segments, i);
        if (row != NULL && row->first_position > first) {
            first = row->first_position;
            limit = first - 1; // the last segment stays whole: it is the head
        }
    }
    for (size_t i = 0; i < base_retellings.n; i++) {
        const BaseRetelling *row = table_committed(&base_retellings, i);
        if (row != NULL && !row->told)
            return;
    }
    if (limit <= base_trimmed(NULL))
        return;
    world_trace("trimmed", limit, 0);
    table_load(&trims, &(TrimRow){.position = limit});
    char text[24];
    const char *const row[] = {text};
    snprintf(text, sizeof text, "%lld", (long long)limit);
    tape_beginning("INSERT INTO exchange.trim (position) VALUES ($1)", 1, row);
}

const BaseStatement BASE_SNAPSHOT[] = {
    {"snapshot_head", head},
    {"snapshot_next", next},
    {"snapshot_persons", persons},
    {"snapshot_records", records},
    {"feed_release_snapshot", release},
    {"feed_trimmed", trimmed},
    {NULL, NULL},
};
