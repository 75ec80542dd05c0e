// SPDX-License-Identifier: Apache-2.0
//
// Statements on record versions, and on events that wait.
#include "base_rows.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DEFERRED 5
#define MISMATCH 4

Table base_versions = {.name = "record_version", .row_bytes = sizeof(BaseVersion)};
Table base_exceptions = {.name = "exception", .row_bytes = sizeof(BaseException)};

// ---- records -------------------------------------------------------------------------------------------------------

typedef struct Wanted {
    Value *persons, *domains, *keys;
    size_t n;
} Wanted;

static Wanted wanted_of(const Call *call) {
    Wanted wanted;
    wanted.n = param_array(call, 0, &wanted.persons);
    param_array(call, 1, &wanted.domains);
    param_array(call, 2, &wanted.keys);
    return wanted;
}

static bool is_of(const BaseVersion *row, const Wanted *wanted, size_t k) {
    return row->person == value_i64(wanted->persons[k]) && row->domain == value_i64(wanted->domains[k]) &&
           strlen(row->record_key) == wanted->keys[k].n &&
           memcmp(row->record_key, wanted->keys[k].data, wanted->keys[k].n) == 0;
}

static int records(Call *call) {
    Wanted wanted = wanted_of(call);
    rows_begin(call, 2);
    for (size_t k = 0; k < wanted.n; k++) {
        const BaseVersion *found = NULL;
        for (size_t i = 0; i < base_versions.n; i++) {
            const BaseVersion *row = table_row(call, &base_versions, i);
            if (row != NULL && !row->superseded && is_of(row, &wanted, k) &&
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

static int repeats(Call *call) {
    Wanted wanted = wanted_of(call);
    Value *ids;
    param_array(call, 3, &ids);
    rows_begin(call, 1);
    for (size_t k = 0; k < wanted.n; k++) {
        bool found = false;
        for (size_t i = 0; i < base_versions.n && !found; i++) {
            const BaseVersion *row = table_row(call, &base_versions, i);
            found = row != NULL && is_of(row, &wanted, k) &&
                    memmem(row->record.data, row->record.n, ids[k].data, ids[k].n) != NULL;
        }
        if (!found)
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
    }
    return 0;
}

static int compare_neighbours(const void *a, const void *b) {
    const BaseVersion *left = *(const BaseVersion *const *)a, *right = *(const BaseVersion *const *)b;
    int order = strcmp(right->record_key, left->record_key);
    return order != 0 ? order : (right->position > left->position) - (right->position < left->position);
}

static int neighbours(Call *call) {
    Value *persons, *domains;
    size_t n = param_array(call, 3, &persons), n_max = (size_t)param_i64(call, 1);
    param_array(call, 4, &domains);
    rows_begin(call, 6);
    for (size_t k = 0; k < n; k++) {
        const BaseVersion *found[512];
        size_t n_found = 0;
        for (size_t i = 0; i < base_versions.n; i++) {
            const BaseVersion *row = table_row(call, &base_versions, i);
            if (row != NULL && row->person == value_i64(persons[k]) && row->domain == value_i64(domains[k]) &&
                row->position < param_i64(call, 0) && n_found < sizeof found / sizeof *found)
                found[n_found++] = row;
        }
        qsort(found, n_found, sizeof *found, compare_neighbours);
        int64_t bytes = 0;
        for (size_t i = 0; i < n_found && i < n_max && bytes <= param_i64(call, 2); i++) {
            row_begin(call);
            row_i64(call, 0, (int64_t)k + 1);
            row_i64(call, 1, found[i]->person);
            row_text(call, 2, found[i]->record_key);
            row_i64(call, 3, found[i]->position);
            row_bool(call, 4, found[i]->superseded);
            row_value(call, 5, found[i]->record);
            bytes += (int64_t)found[i]->record.n;
        }
    }
    return 0;
}

static int compare_records(const void *a, const void *b) {
    const BaseVersion *left = *(const BaseVersion *const *)a, *right = *(const BaseVersion *const *)b;
    return left->domain != right->domain ? left->domain - right->domain : strcmp(left->record_key, right->record_key);
}

size_t base_records_of(const Call *call, int64_t person, const BaseVersion *ret[BASE_RECORDS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *row = table_row(call, &base_versions, i);
        size_t k = 0;
        if (row == NULL || row->person != person || row->superseded)
            continue;
        while (k < n && compare_records(&row, &ret[k]) != 0)
            k++;
        if (k == n && n < BASE_RECORDS_MAX)
            ret[n++] = row;
        else if (k < n && row->position > ret[k]->position)
            ret[k] = row;
    }
    qsort(ret, n, sizeof *ret, compare_records);
    return n;
}

static int standing_versions(Call *call) {
    Wanted wanted = wanted_of(call);
    rows_begin(call, 2);
    for (size_t k = 0; k < wanted.n; k++) {
        for (size_t i = 0; i < base_versions.n; i++) { // they stand in the order of positions
            const BaseVersion *row = table_row(call, &base_versions, i);
            if (row == NULL || !is_of(row, &wanted, k))
                continue;
            row_begin(call);
            row_i64(call, 0, (int64_t)k + 1);
            row_value(call, 1, row->record);
        }
    }
    return 0;
}

// ---- COPY ----------------------------------------------------------------------------------------------------------

// One row's columns; the place behind it.
static size_t copy_take(const Bytes *rows, size_t at, Value columns[24]) {
    size_t n = bytes_get_number(rows->data + at, 2);
    at += 2;
    assert(n <= 24);
    for (size_t i = 0; i < n; i++) {
        uint32_t length = (uint32_t)bytes_get_number(rows->data + at, 4);
        at += 4;
        columns[i] = (Value){.null = length == UINT32_MAX, .data = rows->data + at, .n = length};
        at += length == UINT32_MAX ? 0 : length;
    }
    return at;
}

static int insert_version(Call *call, const Value *columns) {
    BaseVersion row = {.person = value_i64(columns[0]),
                       .domain = (int)value_i64(columns[1]),
                       .record_key = value_text(columns[2]),
                       .position = value_i64(columns[3]),
                       .superseded = columns[4].data[0] != 0,
                       .record = base_keep_value(columns[5])};
    for (size_t i = 0; i < base_versions.n; i++) {
        const BaseVersion *other = table_newest(&base_versions, i);
        if (other != NULL && other->person == row.person && other->position == row.position &&
            other->domain == row.domain && strcmp(other->record_key, row.record_key) == 0)
            return base_taken(call, &base_versions, i);
    }
    table_insert(call, &base_versions, &row);
    return 0;
}

static int insert_exception(Call *call, const Value *columns) {
    BaseException row = {.position = value_i64(columns[0]),
                         .review_case = value_i64(columns[1]),
                         .case_key = base_keep_value(columns[2]),
                         .stream = base_keep_value(columns[3]),
                         .sequence = value_i64(columns[4]),
                         .agency = value_i64(columns[5]),
                         .domain = (int)value_i64(columns[6]),
                         .first_verdict = (int)value_i64(columns[7]),
                         .verdict = (int)value_i64(columns[8]),
                         .open = columns[9].data[0] != 0,
                         .citizen_number = value_text(columns[10]),
                         .person = value_i64(columns[11]),
                         .reasons = base_keep_value(columns[12]),
                         .event = base_keep_value(columns[13]),
                         .leaf = base_keep_value(columns[14]),
                         .has_row_key = !columns[19].null,
                         .row_key = value_i64(columns[19]),
                         .at_us = world_date_us()};
    for (size_t i = 0; i < base_exceptions.n; i++) {
        const BaseException *other = table_newest(&base_exceptions, i);
        if (other != NULL && other->position == row.position)
            return base_taken(call, &base_exceptions, i);
    }
    table_insert(call, &base_exceptions, &row);
    return 0;
}

int base_copy(Call *call, const char *sql, const Bytes *rows) {
    bool versions = strncmp(sql, "COPY exchange.record_version ", 29) == 0;
    assert(versions || strncmp(sql, "COPY exchange.exception ", 24) == 0);
    Value columns[24] = {0};
    for (size_t at = 0; at < rows->n;) {
        at = copy_take(rows, at, columns);
        int r = versions ? insert_version(call, columns) : insert_exception(call, columns);
        if (r != 0)
            return r;
    }
    return 0;
}

// ---- open events ---------------------------------------------------------------------------------------------------

static int open_cases(Call *call) {
    Value *keys;
    size_t n = param_array(call, 0, &keys);
    rows_begin(call, 1);
    for (size_t k = 0; k < n; k++) {
        int64_t newest = 0;
        for (size_t i = 0; i < base_exceptions.n; i++) {
            const BaseException *row = table_row(call, &base_exceptions, i);
            if (row != NULL && row->open && value_is(row->case_key, keys[k].data, keys[k].n) &&
                row->review_case > newest)
                newest = row->review_case;
        }
        row_begin(call);
        if (newest == 0)
            row_null(call, 0);
        else
            row_i64(call, 0, newest);
    }
    return 0;
}

static int still_open(Call *call) {
    Value *positions, *was;
    size_t n = param_array(call, 0, &positions);
    param_array(call, 1, &was);
    rows_begin(call, 1);
    for (size_t i = 0; i < base_exceptions.n; i++) { // in the order of positions
        const BaseException *row = table_row(call, &base_exceptions, i);
        for (size_t k = 0; row != NULL && k < n; k++) {
            if (row->position != value_i64(positions[k]) || !row->open || row->verdict != value_i64(was[k]))
                continue;
            void *locked;
            int r = table_change(call, &base_exceptions, i, &locked);
            if (r != 0)
                return r;
            row = locked;
            if (row == NULL || !row->open)
                break;
            row_begin(call);
            row_i64(call, 0, row->position);
            break;
        }
    }
    return 0;
}

static size_t exception_find(int64_t position) {
    for (size_t i = 0; i < base_exceptions.n; i++) {
        const Slot *slot = &base_exceptions.slots[i];
        const BaseException *row = slot->owner == NULL ? slot->now : slot->next;
        if (row != NULL && row->position == position)
            return i;
    }
    return SIZE_MAX;
}

static int decided(Call *call) {
    Value *positions, *verdict, *persons, *reasons, *decided_at;
    size_t n = param_array(call, 0, &positions);
    param_array(call, 1, &verdict);
    param_array(call, 2, &persons);
    param_array(call, 3, &reasons);
    param_array(call, 4, &decided_at);
    for (size_t k = 0; k < n; k++) {
        size_t i = exception_find(value_i64(positions[k]));
        void *locked = NULL;
        int r = i == SIZE_MAX ? 0 : table_change(call, &base_exceptions, i, &locked);
        if (r != 0)
            return r;
        BaseException *row = locked;
        if (row == NULL)
            continue;
        row->verdict = (int)value_i64(verdict[k]);
        row->open = row->verdict == MISMATCH;
        row->person = value_i64(persons[k]);
        row->reasons = base_keep_value(reasons[k]);
        row->decided_position = value_i64(decided_at[k]);
    }
    return 0;
}

static int any_open(Call *call) {
    bool any = false;
    for (size_t i = 0; i < base_exceptions.n; i++) {
        const BaseException *row = table_row(call, &base_exceptions, i);
        any = any || (row != NULL && row->open);
    }
    rows_begin(call, 1);
    row_begin(call);
    row_bool(call, 0, any);
    return 0;
}

static int compare_streams(const void *a, const void *b) {
    const BaseException *left = *(const BaseException *const *)a, *right = *(const BaseException *const *)b;
    int order = memcmp(left->stream.data, right->stream.data, STREAM_BYTES);
    return order != 0 ? order : (left->position > right->position) - (left->position < right->position);
}

// With the newer event that takes their place, or as those that are decided anew.
static void give_page(Call *call, const BaseException **page, size_t n, bool replaced) {
    int64_t days = replaced ? 0 : param_i64(call, 1);
    qsort(page, n, sizeof *page, compare_streams);
    rows_begin(call, replaced ? 11 : 10);
    for (size_t i = 0; i < n; i++) {
        row_begin(call);
        row_i64(call, 0, page[i]->position);
        row_value(call, 1, page[i]->stream);
        row_i64(call, 2, page[i]->sequence);
        row_i32(call, 3, (int32_t)page[i]->agency);
        row_value(call, 4, page[i]->event);
        row_value(call, 5, page[i]->leaf);
        row_bool(call, 6, !replaced && page[i]->at_us < world_date_us() - days * 86400000000LL);
        row_i16(call, 7, (int16_t)page[i]->verdict);
        row_bool(call, 8, false);
        row_i64(call, 9, page[i]->domain != 1 ? page[i]->person : 0);
        if (replaced)
            row_i64(call, 10, page[i]->replaced_by);
    }
}

static bool is_among(const BaseException *row, const Value *numbers, const Value *persons, size_t n) {
    for (size_t k = 0; k < n; k++) {
        if (value_is(numbers[k], row->citizen_number, strlen(row->citizen_number)) ||
            (row->person != 0 && row->person == value_i64(persons[k])))
            return true;
    }
    return false;
}

static int open_page(Call *call) {
    const BaseException *page[REDECIDE_ITEMS_MAX];
    size_t n = 0;
    Value *numbers = NULL, *persons = NULL;
    bool of_numbers = call->params->n == 5;
    size_t n_numbers = of_numbers ? param_array(call, 3, &numbers) : 0;
    if (of_numbers)
        param_array(call, 4, &persons);
    for (size_t i = 0; i < base_exceptions.n && n < (size_t)param_i64(call, 2); i++) {
        const BaseException *row = table_row(call, &base_exceptions, i);
        if (row == NULL || !row->open || row->position <= param_i64(call, 0))
            continue;
        bool wanted = row->verdict == DEFERRED || (of_numbers && row->verdict == MISMATCH && row->domain != 1);
        if (wanted && (!of_numbers || is_among(row, numbers, persons, n_numbers)))
            page[n++] = row;
    }
    give_page(call, page, n, false);
    return 0;
}

static int replaced_page(Call *call) {
    const BaseException *page[REDECIDE_ITEMS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < base_exceptions.n && n < (size_t)param_i64(call, 1); i++) {
        const BaseException *row = table_row(call, &base_exceptions, i);
        if (row != NULL && row->open && row->replaced_by != 0 && row->position > param_i64(call, 0))
            page[n++] = row;
    }
    give_page(call, page, n, true);
    return 0;
}

#define OLDER_AT_ONCE 16

static int rows_older(Call *call) {
    Value *keys, *before;
    size_t n = param_array(call, 1, &keys);
    param_array(call, 2, &before);
    rows_begin(call, 4);
    for (size_t k = 0; k < n; k++) {
        int n_found = 0;
        for (size_t i = base_exceptions.n; i > 0 && n_found < OLDER_AT_ONCE; i--) { // the newest first
            const BaseException *row = table_row(call, &base_exceptions, i - 1);
            if (row == NULL || !row->open || row->replaced_by != 0 || row->agency != param_i64(call, 0) ||
                !row->has_row_key || row->row_key != value_i64(keys[k]) || row->position >= value_i64(before[k]))
                continue;
            n_found++;
            row_begin(call);
            row_i64(call, 0, (int64_t)k + 1);
            row_i64(call, 1, row->position);
            row_value(call, 2, row->event);
            row_bool(call, 3, row->domain != 1 && row->person != 0);
        }
    }
    return 0;
}

static int rows_replaced(Call *call) {
    Value *older, *newer;
    size_t n = param_array(call, 0, &older);
    param_array(call, 1, &newer);
    for (size_t k = 0; k < n; k++) {
        size_t i = exception_find(value_i64(older[k]));
        void *locked = NULL;
        int r = i == SIZE_MAX ? 0 : table_change(call, &base_exceptions, i, &locked);
        if (r != 0)
            return r;
        BaseException *row = locked;
        if (row != NULL && row->open)
            row->replaced_by = value_i64(newer[k]);
    }
    return 0;
}

static int replaced_still_open(Call *call) {
    Value *positions;
    size_t n = param_array(call, 0, &positions);
    rows_begin(call, 1);
    for (size_t i = 0; i < base_exceptions.n; i++) {
        const BaseException *row = table_row(call, &base_exceptions, i);
        bool wanted = false;
        for (size_t k = 0; row != NULL && k < n; k++)
            wanted = wanted || row->position == value_i64(positions[k]);
        if (!wanted || !row->open || row->replaced_by == 0)
            continue;
        void *locked;
        int r = table_change(call, &base_exceptions, i, &locked);
        if (r != 0)
            return r;
        row = locked;
        if (row == NULL || !row->open)
            continue;
        row_begin(call);
        row_i64(call, 0, row->position);
    }
    return 0;
}

static int rows_sent_again(Call *call) {
    Value *keys;
    size_t n = param_array(call, 1, &keys);
    rows_begin(call, 1);
    for (size_t k = 0; k < n; k++) {
        bool found = false;
        for (size_t i = 0; i < base_exceptions.n && !found; i++) {
            const BaseException *row = table_row(call, &base_exceptions, i);
            found = row != NULL && row->open && row->replaced_by == 0 && row->agency == param_i64(call, 0) &&
                    row->has_row_key && row->row_key == value_i64(keys[k]);
        }
        if (!found)
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
    }
    return 0;
}

// There are no officers' decisions in the simulation.
static int done(Call *call) {
    return 0;
}

const BaseStatement BASE_RECORD[] = {
    {"records", records},
    {"repeats", repeats},
    {"neighbours", neighbours},
    {"standing-versions", standing_versions},
    {"open-cases", open_cases},
    {"still-open", still_open},
    {"reviewed", done},
    {"decided", decided},
    {"any-open", any_open},
    {"deferred", open_page},
    {"open-of-numbers", open_page},
    {"rows-sent-again", rows_sent_again},
    {"rows-older", rows_older},
    {"rows-replaced", rows_replaced},
    {"replaced", replaced_page},
    {"replaced-still-open", replaced_still_open},
    {NULL, NULL},
};
