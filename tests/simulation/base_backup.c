// SPDX-License-Identifier: Apache-2.0
//
// A copy of what is committed. Rows that are committed are never written to, so that a copy has only where they are.
#include "base_state.h"
#include "tape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct Copy {
    void **rows;
    uint64_t *since;
    size_t n;
} Copy;

static Copy copies[TABLES_MAX];

void base_forget_backup(void) {
    for (int i = 0; i < TABLES_MAX; i++) {
        free(copies[i].rows);
        free(copies[i].since);
        copies[i] = (Copy){0};
    }
}

void base_back_up(void) {
    base_forget_backup();
    world_trace("backup", (int64_t)base.commits, 0);
    for (int i = 0; i < base.n_tables; i++) {
        const Table *table = base.tables[i];
        Copy *copy = &copies[i];
        copy->n = table->n;
        copy->rows = calloc(table->n + 1, sizeof *copy->rows);
        copy->since = calloc(table->n + 1, sizeof *copy->since);
        assert(copy->rows != NULL && copy->since != NULL);
        for (size_t k = 0; k < table->n; k++) {
            copy->rows[k] = table->slots[k].now;
            copy->since[k] = table->slots[k].since;
        }
    }
}

// A table that had no rows yet is in no copy.
static void set_back(Table *table, const Copy *copy) {
    table->n = copy->n;
    for (size_t k = 0; k < table->n; k++)
        table->slots[k] = (Slot){.now = copy->rows[k], .since = copy->since[k]};
}

void base_set_back(bool population, bool by_hand, int64_t until_us) {
    world_trace("set back", population, by_hand);
    tape_set_back();
    base_restart(false, until_us);
    if (population)
        base_restart(true, until_us);
    for (int i = 0; i < base.n_tables; i++) {
        if (population || !base.tables[i]->population)
            set_back(base.tables[i], &copies[i]);
    }
    if (by_hand)
        base_ask_epoch();
    else
        base.timeline++;
}
