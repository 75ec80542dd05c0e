// SPDX-License-Identifier: Apache-2.0
//
// Statements on what agencies were told to differ from whom.
#include "base_rows.h"

typedef struct GuessRow {
    int64_t agency, person, position;
    Value guess;
    bool last;
    int64_t at_us;
} GuessRow;
static Table guesses = {.name = "guess", .row_bytes = sizeof(GuessRow)};

// A wrong row that comes again and again is one guess.
static void judge(const Call *call, const GuessRow *row) {
    for (size_t i = 0; i < guesses.n; i++) {
        const GuessRow *other = table_row(call, &guesses, i);
        if (other != NULL && other->agency == row->agency && other->person == row->person &&
            value_is(other->guess, row->guess.data, row->guess.n))
            world_fail("agency %lld is counted one guess twice", (long long)row->agency);
    }
}

static int guess(Call *call) {
    Value *persons, *positions, *said, *last;
    size_t n = param_array(call, 1, &persons);
    param_array(call, 2, &positions);
    param_array(call, 3, &said);
    param_array(call, 4, &last);
    for (size_t k = 0; k < n; k++) {
        GuessRow row = {.agency = param_i64(call, 0),
                        .person = value_i64(persons[k]),
                        .position = value_i64(positions[k]),
                        .guess = base_keep_value(said[k]),
                        .last = last[k].data[0] != 0,
                        .at_us = world_date_us()};
        judge(call, &row);
        table_insert(call, &guesses, &row);
    }
    return 0;
}

static bool is_recent(const Call *call, const GuessRow *row) {
    return row != NULL && row->agency == param_i64(call, 0) &&
           row->at_us > world_date_us() - param_i64(call, 1) * 86400000000LL;
}

static int anybody(Call *call) {
    bool any = false;
    for (size_t i = 0; i < guesses.n; i++) {
        const GuessRow *row = table_row(call, &guesses, i);
        any = any || (is_recent(call, row) && row->last);
    }
    rows_begin(call, 1);
    row_begin(call);
    row_bool(call, 0, any);
    return 0;
}

static int told(Call *call) {
    Value *persons;
    size_t n = param_array(call, 2, &persons);
    rows_begin(call, 2);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < guesses.n; i++) {
            const GuessRow *row = table_row(call, &guesses, i);
            if (!is_recent(call, row) || row->person != value_i64(persons[k]))
                continue;
            row_begin(call);
            row_i64(call, 0, (int64_t)k + 1);
            row_value(call, 1, row->guess);
        }
    }
    return 0;
}

const BaseStatement BASE_GUESSES[] = {{"guess", guess}, {"guesses-anybody", anybody}, {"guesses", told}, {NULL, NULL}};
