// SPDX-License-Identifier: Apache-2.0
//
// Statements on who moved in the population store, and up to where the log tells of it.
#include "base_rows.h"

#include <string.h>

typedef struct ReadRow {
    int64_t place;
} ReadRow;

Table base_residences = {.name = "residence", .row_bytes = sizeof(BaseResidence), .population = true};
static Table reads = {.name = "residence_read", .row_bytes = sizeof(ReadRow)};

void base_note_residence(Call *call, const BaseResidence *moved) {
    BaseResidence row = *moved;
    row.place = (int64_t)base_residences.n + 1; // an identity column
    table_insert(call, &base_residences, &row);
}

// One row, from the beginning.
static void begin_reads(void) {
    if (reads.n == 0)
        table_load(&reads, &(ReadRow){.place = 0});
}

static int read_place(Call *call) {
    begin_reads();
    const ReadRow *row = table_row(call, &reads, 0);
    rows_begin(call, 1);
    row_begin(call);
    row_i64(call, 0, row->place);
    return 0;
}

static const BaseCitizen *citizen(const Call *call, int64_t person) {
    for (size_t i = 0; i < base_citizens.n; i++) {
        const BaseCitizen *row = table_row(call, &base_citizens, i);
        if (row != NULL && row->person == person)
            return row;
    }
    return NULL;
}

static int behind(Call *call) {
    rows_begin(call, 8);
    for (size_t i = 0; i < base_residences.n && call->n_rows < param_i64(call, 1); i++) { // in the order of places
        const BaseResidence *row = table_row(call, &base_residences, i);
        if (row == NULL || row->place <= param_i64(call, 0))
            continue;
        const BaseCitizen *now = citizen(call, row->person);
        row_begin(call);
        row_i64(call, 0, row->place);
        row_i64(call, 1, row->person);
        for (int k = 0; k < 4; k++)
            row_text(call, 2 + k, row->province[k]);
        row_text(call, 6, now == NULL ? row->province[2] : now->province);
        row_text(call, 7, now == NULL ? row->province[3] : now->province63);
    }
    return 0;
}

static int seen(Call *call) {
    void *locked;
    begin_reads();
    int r = table_change(call, &reads, 0, &locked);
    if (r == 0)
        ((ReadRow *)locked)->place = param_i64(call, 0);
    return r;
}

static int note(Call *call) {
    static const uint8_t NOBODYS[16] = {0};
    Value *positions, *persons, *provinces[4];
    size_t n = param_array(call, 0, &positions);
    param_array(call, 1, &persons);
    for (int i = 0; i < 4; i++)
        param_array(call, 2 + i, &provinces[i]);
    for (size_t k = 0; k < n; k++) {
        BaseRetelling row = {.position = value_i64(positions[k]),
                             .person = value_i64(persons[k]),
                             .cause = 3,
                             .event_id = {.data = NOBODYS, .n = sizeof NOBODYS}};
        for (int i = 0; i < 4; i++)
            row.province[i] = value_text(provinces[i][k]);
        table_insert(call, &base_retellings, &row);
    }
    return 0;
}

const BaseStatement BASE_HOMES[] = {
    {"homes-read", read_place}, {"homes-behind", behind}, {"homes-seen", seen}, {"homes-note", note}, {NULL, NULL},
};
