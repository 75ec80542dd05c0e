// SPDX-License-Identifier: Apache-2.0
//
// The population store's statements, as far as people are registered, born and corrected in the simulation.
#include "base_rows.h"
#include "base_state.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

Table base_citizens = {.name = "citizen", .row_bytes = sizeof(BaseCitizen), .population = true};
Table base_changes = {.name = "change", .row_bytes = sizeof(BaseChange), .population = true};
Table base_population_state = {.name = "state", .row_bytes = sizeof(BaseState), .population = true};

int64_t base_population_position(void) {
    const BaseState *row = base_population_state.n == 0 ? NULL : table_committed(&base_population_state, 0);
    return row == NULL ? 0 : row->position;
}

static int none(Call *call) {
    rows_begin(call, 1);
    return 0;
}

static void person_columns(Call *call, int column, const BaseCitizen *citizen) {
    row_i64(call, column++, citizen->person);
    const char *texts[] = {citizen->number,   citizen->name,       citizen->birth_date, citizen->sex,
                           citizen->province, citizen->province63, citizen->died_on,    citizen->mother};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        row_text(call, column++, texts[i]);
}

static const BaseCitizen *citizen_by(const Call *call, const Value *number, int64_t person) {
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *row = table_row(call, &base_citizens, i);
        if (row != NULL &&
            (number != NULL ? value_is(*number, row->number, strlen(row->number)) : row->person == person))
            return row;
    }
    return NULL;
}

static int persons(Call *call) {
    Value *numbers;
    size_t n = param_array(call, 0, &numbers);
    rows_begin(call, 10);
    for (size_t k = 0; k < n; k++) {
        const BaseCitizen *citizen = citizen_by(call, &numbers[k], 0);
        if (citizen == NULL)
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
        person_columns(call, 1, citizen);
    }
    return 0;
}

static int persons_by_key(Call *call) {
    Value *keys;
    size_t n = param_array(call, 0, &keys);
    rows_begin(call, 10);
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *citizen = table_row(call, &base_citizens, i);
        bool wanted = false;
        for (size_t k = 0; citizen != NULL && k < n; k++)
            wanted = wanted || citizen->person == value_i64(keys[k]);
        if (!wanted)
            continue;
        row_begin(call);
        row_i64(call, 0, 0);
        person_columns(call, 1, citizen);
    }
    return 0;
}

static int standing_persons(Call *call) {
    Value *keys;
    size_t n = param_array(call, 0, &keys);
    rows_begin(call, 10);
    for (size_t k = 0; k < n; k++) {
        const BaseCitizen *citizen = citizen_by(call, NULL, value_i64(keys[k]));
        if (citizen == NULL)
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
        person_columns(call, 1, citizen);
    }
    return 0;
}

static int judging_persons(Call *call) {
    Value *keys;
    size_t n = param_array(call, 0, &keys);
    rows_begin(call, 10);
    for (size_t k = 0; k < n; k++) {
        const BaseCitizen *citizen = citizen_by(call, NULL, value_i64(keys[k]));
        if (citizen == NULL || citizen->died_on[0] == '\0')
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
        person_columns(call, 1, citizen);
    }
    return 0;
}

static int bearers(Call *call) {
    Value *numbers, *known;
    size_t n = param_array(call, 0, &numbers);
    param_array(call, 2, &known);
    rows_begin(call, 12);
    for (size_t k = 0; k < n; k++) {
        const BaseCitizen *found[2] = {citizen_by(call, &numbers[k], 0), NULL};
        if (value_i64(known[k]) != 0)
            found[1] = citizen_by(call, NULL, value_i64(known[k]));
        for (size_t i = 0; i < 2; i++) {
            if (found[i] == NULL)
                continue;
            row_begin(call);
            row_i64(call, 0, (int64_t)k + 1);
            person_columns(call, 1, found[i]);
            row_text(call, 10, "");
            row_text(call, 11, "");
        }
    }
    return 0;
}

static int64_t position_seen(const Call *call) {
    const BaseState *row = base_population_state.n == 0 ? NULL : table_row(call, &base_population_state, 0);
    return row == NULL ? 0 : row->position;
}

static int population_place(Call *call) {
    rows_begin(call, 2);
    row_begin(call);
    row_i64(call, 0, base.lives[1]);
    row_i64(call, 1, position_seen(call));
    return 0;
}

static int population_changes(Call *call) {
    rows_begin(call, 3);
    for (size_t i = 0; i < base_changes.n && call->n_rows < param_i64(call, 1); i++) {
        const BaseChange *row = table_row(call, &base_changes, i);
        if (row == NULL || row->position <= param_i64(call, 0))
            continue;
        row_begin(call);
        row_i64(call, 0, row->position);
        row_i64(call, 1, row->person);
        row_text(call, 2, row->number);
    }
    return 0;
}

static int compare(int64_t a, int64_t b) {
    return a == b ? 0 : a < b ? -1 : 1;
}

static int compare_changes(const void *a, const void *b) {
    const BaseChange *left = *(const BaseChange *const *)a, *right = *(const BaseChange *const *)b;
    int number = strcmp(left->number, right->number);
    if (left->position != right->position || number != 0)
        return left->position != right->position ? compare(left->position, right->position) : number;
    return compare(left->person, right->person);
}

static int changed_numbers(Call *call) {
    const BaseChange **found = calloc(base_changes.n + 1, sizeof *found);
    const BaseChange last = {
        .position = param_i64(call, 0), .number = param_text(call, 2), .person = param_i64(call, 4)};
    const BaseChange *behind = &last;
    size_t n = 0;
    assert(found != NULL);
    for (size_t i = 0; i < base_changes.n; i++) {
        const BaseChange *row = table_row(call, &base_changes, i);
        if (row != NULL && compare_changes(&row, &behind) > 0 && row->position <= param_i64(call, 1))
            found[n++] = row;
    }
    qsort(found, n, sizeof *found, compare_changes);
    rows_begin(call, 3);
    for (size_t i = 0; i < n && call->n_rows < param_i64(call, 3); i++) {
        row_begin(call);
        row_i64(call, 0, found[i]->position);
        row_text(call, 1, found[i]->number);
        row_i64(call, 2, found[i]->person);
    }
    free(found);
    return 0;
}

// All of them: there are never as many as a broker that begins leaves out.
static int newest_changes(Call *call) {
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, 0);
    return 0;
}

void base_add_citizen(const BaseCitizen *citizen) {
    table_load(&base_citizens, citizen);
}

const BaseStatement BASE_PEOPLE[] = {
    {"population-position", population_place},
    {"persons", persons},
    {"persons-by-key", persons_by_key},
    {"standing-persons", standing_persons},
    {"judging-persons", judging_persons},
    {"bearers", bearers},
    {"find", none},
    {"population-changes", population_changes},
    {"changed-numbers", changed_numbers},
    {"newest-changes", newest_changes},
    {"apply-changes", base_apply_changes},
    {NULL, NULL},
};
