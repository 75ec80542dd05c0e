// SPDX-License-Identifier: Apache-2.0
//
// Rows with what is committed and what one transaction makes of it, and an undo list for savepoints.
#include "base_state.h"
#include "tape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// ---- tables --------------------------------------------------------------------------------------------------------

const void *table_row(const Call *call, const Table *table, size_t i) {
    const Slot *slot = &table->slots[i];
    if (slot->owner != NULL && slot->owner == call->tx)
        return slot->next;
    if (slot->since <= call->seen)
        return slot->now;
    const Past *past = slot->past;
    while (past != NULL && past->since > call->seen)
        past = past->before;
    return past == NULL ? NULL : past->row;
}

const void *table_committed(const Table *table, size_t i) {
    return table->slots[i].now;
}

const void *table_newest(const Table *table, size_t i) {
    const Slot *slot = &table->slots[i];
    return slot->owner != NULL && slot->next != NULL ? slot->next : slot->now;
}

int base_taken(Call *call, const Table *table, size_t i) {
    const Slot *slot = &table->slots[i];
    if (slot->owner == NULL || slot->owner == call->tx)
        return base_refuse(call, "23505");
    call->waits_for = slot->owner;
    return BASE_WAIT;
}

static void note_undo(Tx *tx, Table *table, size_t i) {
    if (tx->n_undo == tx->undo_size) {
        tx->undo_size = tx->undo_size == 0 ? 64 : 2 * tx->undo_size;
        tx->undo = realloc(tx->undo, tx->undo_size * sizeof *tx->undo);
        assert(tx->undo != NULL);
    }
    tx->undo[tx->n_undo++] = (Undo){table, i, table->slots[i]};
}

int table_change(Call *call, Table *table, size_t i, void **ret) {
    Slot *slot = &table->slots[i];
    if (slot->owner != NULL && slot->owner != call->tx) {
        call->waits_for = slot->owner;
        return BASE_WAIT;
    }
    const void *row = slot->owner != NULL ? slot->next : slot->now;
    *ret = NULL;
    if (row == NULL)
        return 0;
    note_undo(call->tx, table, i);
    slot->owner = call->tx;
    slot->next = base_keep(row, table->row_bytes);
    *ret = slot->next;
    return 0;
}

void table_delete(Call *call, Table *table, size_t i) {
    assert(table->slots[i].owner == call->tx);
    table->slots[i].next = NULL;
}

static void register_table(Table *table) {
    for (int i = 0; i < base.n_tables; i++) {
        if (base.tables[i] == table)
            return;
    }
    assert(base.n_tables < TABLES_MAX);
    base.tables[base.n_tables++] = table;
}

static void make_room(Table *table) {
    if (table->n < table->size)
        return;
    register_table(table);
    table->size = table->size == 0 ? 64 : 2 * table->size;
    table->slots = realloc(table->slots, table->size * sizeof *table->slots);
    assert(table->slots != NULL);
}

void table_load(Table *table, const void *row) {
    make_room(table);
    table->slots[table->n++] = (Slot){.now = base_keep(row, table->row_bytes)};
}

void table_insert(Call *call, Table *table, const void *row) {
    make_room(table);
    table->slots[table->n] = (Slot){0};
    note_undo(call->tx, table, table->n);
    table->slots[table->n] = (Slot){.next = base_keep(row, table->row_bytes), .owner = call->tx};
    table->n++;
}

// ---- transactions --------------------------------------------------------------------------------------------------

Tx *tx_begin(Pg *pg) {
    Tx *tx = calloc(1, sizeof *tx);
    assert(tx != NULL);
    tx->number = ++base.numbers;
    tx->pg = pg;
    tx->life = pg->life;
    tx->population = pg->population;
    LIST_INSERT_HEAD(&base.transactions, tx, all);
    return tx;
}

static void tx_free(Tx *tx) {
    if (tx->locks_log)
        base.log_holder = NULL;
    if (tx->locks_heads)
        base.heads_holder = NULL;
    if (tx->pg == NULL)
        tape_end(&tx->life);
    else if (tx->pg->tx == tx)
        tx->pg->tx = NULL;
    LIST_REMOVE(tx, all);
    uint64_t number = tx->number;
    free(tx->undo);
    free(tx);
    base_go_on(number);
}

void base_rollback_to(Tx *tx, size_t n_undo) {
    while (tx->n_undo > n_undo) {
        Undo *undo = &tx->undo[--tx->n_undo];
        undo->table->slots[undo->i] = undo->before;
    }
}

void tx_rollback(Tx *tx) {
    base_rollback_to(tx, 0);
    tx_free(tx);
}

static void notify(bool policy) {
    Pg *pg;
    LIST_FOREACH(pg, &base.sessions, all) {
        if (!pg->connected || !(policy ? pg->listens_policy : pg->listens_commit))
            continue;
        policy ? pg->n_policy_notes++ : pg->n_commit_notes++;
        if (pg->polls != NULL)
            world_wake(pg->polls);
    }
}

void base_notify(Call *call) {
    call->tx->notifies = true;
}

void base_notify_policy(void) {
    notify(true);
}

void tx_commit(Tx *tx) {
    base.commits++;
    for (size_t k = 0; k < tx->n_undo; k++) {
        Slot *slot = &tx->undo[k].table->slots[tx->undo[k].i];
        if (slot->owner != tx)
            continue;
        bool is_new = slot->now == NULL;
        if (!is_new)
            slot->past = base_keep(&(Past){slot->now, slot->since, slot->past}, sizeof(Past));
        slot->now = slot->next;
        slot->next = NULL;
        slot->owner = NULL;
        slot->since = base.commits;
        if (is_new && slot->now != NULL)
            base_committed(tx, tx->undo[k].table, tx->undo[k].i);
    }
    bool notifies = tx->notifies;
    world_trace("commit", (int64_t)tx->number, (int64_t)tx->n_undo);
    tx_free(tx);
    if (notifies)
        notify(false);
}

uint64_t base_commits(void) {
    return base.commits;
}

int64_t base_locked_population(const Tx *tx) {
    return tx->locks_log ? tx->locked_population : -1;
}

Tx *tx_find(uint64_t number) {
    Tx *tx;
    LIST_FOREACH(tx, &base.transactions, all) {
        if (tx->number == number)
            return tx;
    }
    return NULL;
}
