// SPDX-License-Identifier: Apache-2.0
//
// The database, in memory: what proto/base/pg.h is in the simulation. Sessions, transactions, row locks, the log's
// advisory lock, savepoints, notifications, and of each statement what it sees: as PostgreSQL's READ COMMITTED. A
// statement is known by its name; one that is not known here ends the simulation. What is committed is durable, all
// else goes with its session.
//
//   base.c           sessions and their statements
//   base_table.c     tables and transactions
//   base_value.c     parameters and rows
//   base_log.c       the exchange's statements: agencies, log, streams, epochs
//   base_record.c    ... records, and events that wait
//   base_retold.c    ... records that are told again
//   base_homes.c     ... and who moved
//   base_lives.c     ... and those that are held against a life anew
//   base_guesses.c   ... and on what agencies were told to differ
//   base_people.c    the population store's
//   base_changes.c   ... what changes it
//   base_feed.c      the subscriptions'
//   base_snapshot.c  ... snapshots', and what is trimmed
//   base_follows.c   ... lists of followed persons
//   base_heads.c     signed heads
//   base_backup.c    backups, and being set back to one
//   base_beginning.c what is there before anything begins, for the tape
#pragma once

#include "world.h"

#include "proto/base/pg.h"
#include "proto/bounds.h"

#define BASE_WAIT 1 // of a handler: another transaction holds what it needs (call->waits_for)

typedef struct Value {
    const uint8_t *data;
    size_t n;
    bool null;
} Value;

typedef struct Tx Tx;

typedef struct Call {
    Pg *pg;
    Tx *tx, *waits_for;
    uint64_t seen; // commits before it
    const PgParams *params;
    PGresult *rows;
    int n_rows;
    const char *sqlstate; // of a failure
} Call;

typedef int BaseRun(Call *call); // 0, BASE_WAIT, ERROR_DATA
typedef struct BaseStatement {
    const char *name;
    BaseRun *run;
} BaseStatement;
extern const BaseStatement BASE_LOG[], BASE_RECORD[], BASE_PEOPLE[], BASE_FEED[], BASE_HEADS[], BASE_RETOLD[],
    BASE_HOMES[], BASE_SNAPSHOT[], BASE_LIVES[], BASE_GUESSES[], BASE_FOLLOWS[]; // up to one without a name
int base_refuse(Call *call, const char *sqlstate); // a handler's failure on what it was given
// COPY of the rows of a table, by the beginning of its text.
int base_copy(Call *call, const char *sql, const Bytes *rows);

// ---- tables: rows are structures; what they point to lives as long as the simulation's run

typedef struct Past {
    void *row; // as it was committed; NULL: none
    uint64_t since;
    const struct Past *before;
} Past;
typedef struct Slot {
    void *now, *next; // committed, and of the transaction that owns it; NULL: none
    Tx *owner;
    uint64_t since;   // the commit that brought it
    const Past *past; // for statements that began before that
} Slot;
typedef struct Table {
    const char *name;
    size_t row_bytes;
    Slot *slots;
    size_t n, size;
    bool population;
} Table;
// What the call sees of it; NULL when it does not. Not to be changed.
const void *table_row(const Call *call, const Table *table, size_t i);
// The row as it is now, to be changed: BASE_WAIT while another transaction has it. *ret NULL: it is gone.
int table_change(Call *call, Table *table, size_t i, void **ret);
void table_delete(Call *call, Table *table, size_t i); // after table_change()
void table_insert(Call *call, Table *table, const void *row);
void table_load(Table *table, const void *row); // committed before anything began
// As a key finds it, whoever's it is.
const void *table_newest(const Table *table, size_t i);
// The key of that row is what another one wants: a failure, or BASE_WAIT until it is known whether the row stays.
int base_taken(Call *call, const Table *table, size_t i);
// Committed rows only, for who looks on from outside.
const void *table_committed(const Table *table, size_t i);

void *base_keep(const void *data, size_t n); // a copy, with a closing 0
Value base_keep_value(Value value);
void base_forget_kept(void);
bool value_is(Value value, const void *data, size_t n);

// ---- parameters and results

bool param_is_null(const Call *call, int i);
int64_t param_i64(const Call *call, int i);
bool param_bool(const Call *call, int i);
Value param_value(const Call *call, int i); // bytes, or text
char *param_text(const Call *call, int i);  // kept
size_t param_array(const Call *call, int i, Value **ret);
int64_t value_i64(Value value);
char *value_text(Value value); // kept

void rows_begin(Call *call, int n_columns);
void row_begin(Call *call);
void row_i64(Call *call, int column, int64_t value);
void row_i32(Call *call, int column, int32_t value);
void row_i16(Call *call, int column, int16_t value);
void row_bool(Call *call, int column, bool value);
void row_bytes(Call *call, int column, const void *data, size_t n);
void row_text(Call *call, int column, const char *text);
void row_value(Call *call, int column, Value value);
void row_null(Call *call, int column);
void row_none(Call *call, int column, Oid type); // an empty array
void row_texts(Call *call, int column, const char *const *texts, size_t n);
void row_numbers(Call *call, int column, const int16_t *numbers, size_t n);

// ---- for the whole

typedef struct BaseFaults {
    int64_t latency_us_max;
    unsigned cut; // a session, per million statements
} BaseFaults;
void base_begin(const BaseFaults *faults);
void base_tape_known(void);
void base_tape_beginning(void); // of what is loaded: before the run (tape.h)
void base_end(void);
void base_calm(void);
// All sessions of the exchange's database end, or of the population store's; what is not committed is gone, and nobody
// connects until then.
void base_restart(bool population, int64_t until_us);
// What is committed now; and all that is again as it was then, on another server, or, `by_hand`, on the same one by an
// operator who asks for a new epoch. With the population store, or without.
void base_back_up(void);
void base_set_back(bool population, bool by_hand, int64_t until_us);
void base_forget_backup(void);
// The feed lets go of what it can: all but the last segment. It is only the feed that does.
void base_trim(void);
void base_notify(Call *call); // of the commit, when it comes
void base_notify_policy(void);
// Whether this process has a session of this name that the database has not ended.
bool base_has_session(const Process *process, const char *name);
bool base_readable(int fd, Fiber *waiter); // for wire_descriptors()
uint64_t base_commits(void);
// Under the log's lock: the population store's position when it was taken.
int64_t base_locked_population(const Tx *tx);
void base_rollback_to(Tx *tx, size_t n_undo);
