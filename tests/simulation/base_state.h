// SPDX-License-Identifier: Apache-2.0
//
// What base.c and base_table.c share.
#pragma once

#include "base.h"

#include <sys/queue.h>

#define SAVEPOINTS_MAX 8
#define TABLES_MAX 32

typedef struct Undo {
    Table *table;
    size_t i;
    Slot before;
} Undo;

typedef struct Savepoint {
    char name[16];
    size_t n_undo;
} Savepoint;

struct Tx {
    LIST_ENTRY(Tx) all;
    uint64_t number;
    int32_t life; // of its session, on the tape
    Pg *pg;       // NULL: its session is gone
    Undo *undo;
    size_t n_undo, undo_size;
    Savepoint savepoints[SAVEPOINTS_MAX];
    int n_savepoints;
    bool population, failed, locks_log, locks_heads, notifies;
    int64_t idle_us, active_us; // how long it may idle (0: for ever), and since when it does
    int64_t locked_population;
};

struct Pg {
    LIST_ENTRY(Pg) all;
    char name[32];
    bool population; // a session with the population store
    int number;
    int32_t life; // of the session, on the tape; 0: the server has none
    Process *process;
    bool connected, broken, listens_commit, listens_policy, times_out;
    const char *broken_state;
    char sqlstate[6];
    Tx *tx;
    Fiber *waits, *polls;
    int n_commit_notes, n_policy_notes;
    int queued_failure; // what came of the queued statements so far
    char queued_why[200];
    bool queued, untold;
};

typedef struct Asked Asked;

typedef struct Base {
    BaseFaults faults;
    LIST_HEAD(, Pg) sessions;
    LIST_HEAD(, Tx) transactions;
    TAILQ_HEAD(, Asked) waiting; // who waits longest is first
    Tx *log_holder, *heads_holder;
    uint64_t commits, numbers;
    int64_t away_until[2]; // the exchange, the population store
    int lives[2];          // how often their servers began
    int32_t timeline;
    Table *tables[TABLES_MAX];
    int n_tables;
} Base;
extern Base base;

void base_committed(Tx *tx, Table *table, size_t i); // base_log.c: what the truth is told of
int64_t base_population_position(void);

void base_ask_epoch(void); // base_log.c: as `dongbo epoch new` does

Tx *tx_begin(Pg *pg);
Tx *tx_find(uint64_t number);     // NULL: it is over
void base_go_on(uint64_t number); // base.c: that transaction is over
void tx_commit(Tx *tx);
void tx_rollback(Tx *tx);
