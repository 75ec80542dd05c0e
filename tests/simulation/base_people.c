// SPDX-License-Identifier: Apache-2.0
//
// The population store's statements, as far as people are registered, born and corrected in the simulation.
#include "base_rows.h"
#include "base_state.h"

#include "proto/base/error.h"

#include <assert.h>
#include <string.h>

typedef struct StateRow {
    int64_t position;
} StateRow;

Table base_citizens = {.name = "citizen", .row_bytes = sizeof(BaseCitizen), .population = true};
Table base_changes = {.name = "change", .row_bytes = sizeof(BaseChange), .population = true};
static Table state = {.name = "state", .row_bytes = sizeof(StateRow), .population = true};

int64_t base_population_position(void) {
    const StateRow *row = state.n == 0 ? NULL : table_committed(&state, 0);
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

static int has(Call *call) {
    Value *numbers;
    size_t n = param_array(call, 0, &numbers);
    rows_begin(call, 2);
    for (size_t k = 0; k < n; k++) {
        const BaseCitizen *citizen = citizen_by(call, &numbers[k], 0);
        if (citizen == NULL)
            continue;
        row_begin(call);
        row_i64(call, 0, (int64_t)k + 1);
        row_i64(call, 1, citizen->person);
    }
    return 0;
}

static int64_t position_seen(const Call *call) {
    const StateRow *row = state.n == 0 ? NULL : table_row(call, &state, 0);
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

static int changed_numbers(Call *call) {
    int64_t after = param_i64(call, 0);
    const char *number = param_text(call, 2);
    rows_begin(call, 3);
    for (size_t i = 0; i < base_changes.n && call->n_rows < param_i64(call, 3); i++) {
        const BaseChange *row = table_row(call, &base_changes, i);
        if (row == NULL || row->position < after || row->position > param_i64(call, 1) ||
            (row->position == after && strcmp(row->number, number) <= 0))
            continue;
        row_begin(call);
        row_i64(call, 0, row->position);
        row_text(call, 1, row->number);
        row_i64(call, 2, row->person);
    }
    return 0;
}

// All of them: there are never as many as a broker that begins leaves out.
static int newest_changes(Call *call) {
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, 0);
    return 0;
}

// ---- apply_changes() -----------------------------------------------------------------------------------------------

enum { KIND = 2, SUBJECT_NUMBER, NUMBER, NAME, FOLDED, BIRTH, SEX, MOTHER, FATHER, PROVINCE, PROVINCE63, ARRAYS = 15 };

typedef struct Said {
    Value *of[ARRAYS];
    size_t k;
} Said;

static const char *said(const Said *event, int field) {
    return value_text(event->of[field][event->k]);
}

static const char *or_else(const char *text, const char *other) {
    return text[0] != '\0' ? text : other;
}

static void note_change(Call *call, int64_t next, const BaseCitizen *citizen) {
    BaseChange change = {.position = next, .person = citizen->person, .number = citizen->number};
    table_insert(call, &base_changes, &change);
}

static int64_t enter(Call *call, const Said *event, const char *number, int64_t next) {
    const char *province = said(event, PROVINCE);
    BaseCitizen citizen = {.person = 1,
                           .number = number,
                           .name = said(event, NAME),
                           .birth_date = said(event, BIRTH),
                           .sex = or_else(said(event, SEX), "unknown"),
                           .mother = said(event, MOTHER),
                           .province = province,
                           .province63 = said(event, PROVINCE63),
                           .died_on = ""};
    for (size_t i = 0; i < base_citizens.n; i++) { // an identity column: one more than ever was
        const Slot *slot = &base_citizens.slots[i];
        const BaseCitizen *other = slot->now != NULL ? slot->now : slot->next;
        if (other != NULL && other->person >= citizen.person)
            citizen.person = other->person + 1;
    }
    table_insert(call, &base_citizens, &citizen);
    note_change(call, next, &citizen);
    return citizen.person;
}

static int64_t correct(Call *call, const Said *event, size_t i, int64_t next) {
    void *locked;
    int r = table_change(call, &base_citizens, i, &locked);
    assert(r == 0 && locked != NULL); // the state's row is locked, and only here are they changed
    BaseCitizen *citizen = locked;
    const char *mother = or_else(said(event, MOTHER), citizen->mother);
    bool moved = strcmp(mother, citizen->mother) != 0;
    citizen->mother = mother;
    if (moved)
        note_change(call, next, citizen);
    return citizen->person;
}

static size_t citizen_place(const Call *call, const char *number) {
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *row = table_row(call, &base_citizens, i);
        if (row != NULL && strcmp(row->number, number) == 0)
            return i;
    }
    return SIZE_MAX;
}

static void answer(Call *call, int64_t sequence, int64_t person, const char *number) {
    row_begin(call);
    row_i64(call, 0, sequence);
    row_i64(call, 1, person);
    row_text(call, 2, number);
    for (int column = 3; column < 7; column++)
        row_text(call, column, "");
}

// One row, from the beginning.
static int lock_state(Call *call, StateRow **ret) {
    void *locked;
    if (state.n == 0)
        table_load(&state, &(StateRow){.position = 0});
    int r = table_change(call, &state, 0, &locked);
    *ret = locked;
    return r;
}

static int apply_changes(Call *call) {
    Said event = {0};
    StateRow *row = NULL;
    int r = lock_state(call, &row);
    if (r != 0)
        return r;
    call->seen = base_commits(); // plpgsql's statements see what was committed while it waited
    size_t n = param_array(call, 1, &event.of[1]), before = base_changes.n;
    for (int i = KIND; i < ARRAYS; i++)
        param_array(call, i, &event.of[i]);
    rows_begin(call, 7);
    for (event.k = 0; event.k < n; event.k++) {
        const char *number = or_else(said(&event, NUMBER), said(&event, SUBJECT_NUMBER)), *kind = said(&event, KIND);
        size_t i = citizen_place(call, number);
        bool enters = strcmp(kind, "birth") == 0 || strcmp(kind, "registered") == 0;
        int64_t person = i != SIZE_MAX ? correct(call, &event, i, row->position + 1)
                         : enters      ? enter(call, &event, number, row->position + 1)
                                       : 0;
        answer(call, value_i64(event.of[1][event.k]), person, person == 0 ? "" : number);
    }
    if (base_changes.n > before)
        row->position++;
    return 0;
}

void base_add_citizen(const BaseCitizen *citizen) {
    table_load(&base_citizens, citizen);
}

const BaseStatement BASE_PEOPLE[] = {
    {"population-position", population_place},
    {"persons", persons},
    {"persons-by-key", persons_by_key},
    {"standing-persons", persons_by_key},
    {"bearers", bearers},
    {"went", none},
    {"has", has},
    {"find", none},
    {"population-changes", population_changes},
    {"changed-numbers", changed_numbers},
    {"newest-changes", newest_changes},
    {"apply-changes", apply_changes},
    {NULL, NULL},
};
