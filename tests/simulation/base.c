// SPDX-License-Identifier: Apache-2.0
//
// Transactions keep what they change beside what is committed, and an undo list for savepoints. Waiting is for the
// other transaction's end; the statement is then run again with what it saw before, and finds locked rows as they are
// now.
#include "base_state.h"
#include "tape.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BROKEN "08006"
#define DESCRIPTORS 100000 // of sessions, for zmq_poll()
#define SNAPSHOT_SLOWER 8
#define LOCK_TIMEOUT_US 3000000

Base base;

// Its client is gone, as the server notices now.
static void abandon(void *argument, int64_t number) {
    Tx *tx = tx_find((uint64_t)number);
    if (tx != NULL)
        tx_rollback(tx);
}

static void end_idle(void *argument, int64_t number) {
    Tx *tx = tx_find((uint64_t)number);
    if (tx == NULL || tx->active_us < 0 || world_us() - tx->active_us < tx->idle_us)
        return;
    world_trace("ended for idling", number, 0);
    if (tx->pg != NULL) {
        tx->pg->broken = true;
        tx->pg->broken_state = "25P03";
        tape_end(&tx->pg->life);
    }
    tx_rollback(tx);
}

// ---- sessions ------------------------------------------------------------------------------------------------------

int pg_new(Pg **ret, const char *conninfo, const char *name) {
    Pg *pg = calloc(1, sizeof *pg);
    assert(pg != NULL);
    snprintf(pg->name, sizeof pg->name, "%s", name);
    pg->population = strcmp(conninfo, "reader") == 0 || strcmp(conninfo, "writer") == 0;
    pg->number = (int)++base.numbers;
    pg->process = world_self();
    LIST_INSERT_HEAD(&base.sessions, pg, all);
    *ret = pg;
    return 0;
}

// A transaction that is left open ends when the server sees that nobody is there any more.
static void leave_tx(Pg *pg, int64_t after_us) {
    Tx *tx = pg->tx;
    if (tx == NULL) {
        tape_end(&pg->life);
        return;
    }
    pg->tx = NULL;
    pg->life = 0;
    tx->pg = NULL;
    world_at(world_us() + after_us, abandon, NULL, (int64_t)tx->number);
}

void pg_disconnect(Pg *pg) {
    leave_tx(pg, (int64_t)world_dice(world_is_dead() ? 300000 : 5000));
    pg->connected = pg->broken = pg->listens_commit = pg->listens_policy = false;
    pg->queued = false;
    pg->queued_failure = pg->n_commit_notes = pg->n_policy_notes = 0;
}

void pg_destroy(Pg **pointer) {
    Pg *pg = *pointer;
    if (pg == NULL)
        return;
    pg_disconnect(pg);
    LIST_REMOVE(pg, all);
    free(pg);
    *pointer = NULL;
}

bool pg_connected(const Pg *pg) {
    return pg->connected;
}

PGconn *pg_raw(Pg *pg) {
    return (PGconn *)pg;
}

void pg_set_patience(Pg *pg, int patience_ms) {}

const char *pg_sqlstate(const Pg *pg) {
    return pg->sqlstate;
}

void pg_forget_failure(Pg *pg) {
    pg->sqlstate[0] = '\0';
}

bool pg_is_undone(const Pg *pg) {
    return !pg->untold;
}

bool pg_is_passing(const Pg *pg) {
    static const char *const PASSING[] = {"08", "40", "25006", "25P03", "25P04", "53", "55006", "55P03", "57"};
    for (size_t i = 0; i < sizeof PASSING / sizeof *PASSING; i++) {
        if (strncmp(pg->sqlstate, PASSING[i], strlen(PASSING[i])) == 0)
            return true;
    }
    return false;
}

static int fail(Pg *pg, const char *what, const char *state) {
    snprintf(pg->sqlstate, sizeof pg->sqlstate, "%s", state);
    bool data = strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0;
    return error_fail(data ? ERROR_DATA : ERROR_DATABASE, "%s: %s: simulated (%s)", pg->name, what, state);
}

static int fail_broken(Pg *pg, const char *what) {
    const char *state = pg->broken && pg->broken_state != NULL ? pg->broken_state : BROKEN;
    pg_disconnect(pg);
    return fail(pg, what, state);
}

// On its way there, or back. False when it does not arrive.
static bool travel(Pg *pg) {
    // A snapshot reads tables of millions: it takes its time, and something happens meanwhile.
    int64_t slow = strcmp(pg->name, "dongbo snapshot") == 0 ? SNAPSHOT_SLOWER : 1;
    if (!world_wait(40 + slow * (int64_t)world_dice((uint64_t)base.faults.latency_us_max + 1)))
        return false;
    if (pg->broken)
        return false;
    if (!world_chance(base.faults.cut))
        return true;
    world_trace("session cut", pg->number, 0);
    return false;
}

int pg_connect(Pg *pg) {
    if (pg->connected)
        return 0;
    pg_disconnect(pg);
    if (!world_wait_random(4000) || world_us() < base.away_until[pg->population])
        return fail(pg, "connect", world_is_dead() ? BROKEN : "57P03");
    pg->connected = true;
    pg->broken_state = NULL;
    pg->life = tape_session();
    return 0;
}

// ---- statements ----------------------------------------------------------------------------------------------------

static const BaseStatement *const LISTS[] = {BASE_LOG,   BASE_RECORD,  BASE_PEOPLE, BASE_FEED,
                                             BASE_HEADS, BASE_RETOLD,  BASE_HOMES,  BASE_SNAPSHOT,
                                             BASE_LIVES, BASE_GUESSES, BASE_FOLLOWS};
#define N_LISTS (sizeof LISTS / sizeof *LISTS)

void base_tape_known(void) {
    for (size_t i = 0; i < N_LISTS; i++) {
        for (const BaseStatement *at = LISTS[i]; at->name != NULL; at++)
            tape_known(at->name);
    }
}

static BaseRun *look_up(const char *name) {
    for (size_t i = 0; i < N_LISTS; i++) {
        for (const BaseStatement *at = LISTS[i]; at->name != NULL; at++) {
            if (strcmp(at->name, name) == 0)
                return at->run;
        }
    }
    fprintf(stderr, "the simulation's database does not know the statement \"%s\"\n", name);
    abort();
}

// Remembered by where its name stands, which is a constant of the program's.
static BaseRun *find_statement(const char *name) {
    static struct {
        const char *name;
        BaseRun *run;
    } known[1024];
    size_t at = (uintptr_t)name * UINT64_C(0x9E3779B97F4A7C15) >> 54;
    if (known[at].name != name) {
        known[at].run = look_up(name);
        known[at].name = name;
    }
    return known[at].run;
}

typedef struct Ask {
    const char *what;
    const PgStatement *statement; // or a word, or
    BaseRun *run;
    const PgParams *params;
    const char *copy; // its text, with
    const Bytes *rows;
} Ask;

// What a session has asked and not been told yet. Who waits for another transaction's end goes on in that instant, in
// the order in which they began to wait: the server sees to it, whatever their clients do meanwhile.
struct Asked {
    TAILQ_ENTRY(Asked) all;
    Pg *pg;
    Tx *tx;
    const Ask *ask;
    bool alone;      // a transaction by itself
    uint64_t seen;   // commits before it
    uint64_t awaits; // the other transaction's number
    bool over;
    int result;
    const char *sqlstate;
    PGresult *rows;
};

static int run_once(Call *call, const Ask *ask) {
    return ask->copy != NULL ? base_copy(call, ask->copy, ask->rows) : ask->run(call);
}

static void settle(Asked *asked, const Call *call, int r) {
    Tx *tx = asked->tx;
    asked->over = true;
    asked->result = r;
    asked->sqlstate = call->sqlstate == NULL ? "22000" : call->sqlstate;
    asked->rows = r == 0 ? call->rows : NULL;
    if (r == 0) {
        tape_rows(tx->life, call->rows);
    } else {
        tape_failed(tx->life, asked->sqlstate);
        PQclear(call->rows);
    }
    if (!asked->alone) {
        tx->failed = r != 0;
        return;
    }
    asked->pg->tx = NULL;
    r == 0 ? tx_commit(tx) : tx_rollback(tx);
}

// False when it waits.
static bool try(Asked *asked) {
    Call call = {.pg = asked->pg, .tx = asked->tx, .seen = asked->seen, .params = asked->ask->params};
    size_t mark = asked->tx->n_undo;
    int r = run_once(&call, asked->ask);
    if (r != 0)
        base_rollback_to(asked->tx, mark);
    if (r != BASE_WAIT) {
        settle(asked, &call, r);
        return true;
    }
    PQclear(call.rows);
    asked->awaits = call.waits_for->number;
    world_trace("waits for", (int64_t)asked->awaits, 0);
    return false;
}

static Asked *first_that_awaits(uint64_t number) {
    Asked *asked;
    TAILQ_FOREACH(asked, &base.waiting, all) {
        if (asked->awaits == number && !asked->pg->broken)
            return asked;
    }
    return NULL;
}

void base_go_on(uint64_t number) {
    for (Asked *asked; (asked = first_that_awaits(number)) != NULL;) {
        asked->awaits = 0;
        if (!try(asked))
            continue;
        TAILQ_REMOVE(&base.waiting, asked, all);
        if (asked->pg->waits != NULL)
            world_wake(asked->pg->waits);
    }
}

// Until it is over, or it is over with the session, or took too long.
static void wait_for_answer(Asked *asked) {
    Pg *pg = asked->pg;
    int64_t until = pg->times_out ? world_us() + LOCK_TIMEOUT_US : WORLD_NEVER;
    while (!asked->over && !world_is_dead() && !pg->broken && world_us() < until) {
        pg->waits = world_present();
        world_wait_until(until);
        pg->waits = NULL;
    }
}

static void tape_ask(const Asked *asked) {
    const Ask *ask = asked->ask;
    int32_t life = asked->pg->life;
    if (ask->statement != NULL)
        tape_run(life, ask->statement, ask->params);
    else if (ask->copy != NULL)
        tape_copy(life, ask->copy, ask->rows);
    else
        tape_word(life, ask->what);
}

// In the transaction, at this instant; or once what it waits for is over.
static int execute(Asked *asked, PGresult **ret) {
    Pg *pg = asked->pg;
    asked->seen = base.commits;
    tape_ask(asked);
    if (!try(asked)) {
        tape_waits(pg->life);
        TAILQ_INSERT_TAIL(&base.waiting, asked, all);
        wait_for_answer(asked);
    }
    if (!asked->over) {
        TAILQ_REMOVE(&base.waiting, asked, all);
        tape_given_up(pg->life);
    }
    bool lost = world_is_dead() || pg->broken;
    if (asked->over && asked->result == 0 && !lost && ret != NULL)
        *ret = asked->rows == NULL ? PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK) : asked->rows;
    else
        PQclear(asked->rows);
    if (lost)
        return fail_broken(pg, asked->ask->what);
    if (asked->over)
        return asked->result == 0 ? 0 : fail(pg, asked->ask->what, asked->sqlstate);
    if (!asked->alone)
        asked->tx->failed = true;
    else
        tx_rollback(asked->tx);
    return fail(pg, asked->ask->what, "55P03");
}

static int execute_somewhere(Pg *pg, const Ask *ask, PGresult **ret) {
    Asked asked = {.pg = pg, .ask = ask, .alone = pg->tx == NULL};
    if (pg->tx != NULL && pg->tx->failed)
        return fail(pg, ask->what, "25P02");
    if (asked.alone)
        pg->tx = tx_begin(pg);
    asked.tx = pg->tx;
    asked.tx->active_us = -1;
    return execute(&asked, ret);
}

static void begin_idling(Pg *pg) {
    Tx *tx = pg->tx;
    if (tx == NULL || tx->idle_us == 0)
        return;
    tx->active_us = world_us();
    world_at(world_us() + tx->idle_us, end_idle, NULL, (int64_t)tx->number);
}

static int run_over_wire(Pg *pg, const Ask *ask, PGresult **ret) {
    PGresult *rows = NULL;
    if (ret != NULL)
        *ret = NULL;
    pg->untold = false;
    if (!pg->connected)
        return fail_broken(pg, ask->what);
    int r = pg_flush(pg);
    if (r < 0)
        return r;
    world_trace(ask->what, pg->number, 0);
    if (pg->tx != NULL)
        pg->tx->active_us = -1;
    pg->untold = true;
    if (!travel(pg))
        return fail_broken(pg, ask->what);
    r = execute_somewhere(pg, ask, &rows);
    begin_idling(pg);
    if (!pg->connected || travel(pg)) {
        pg->untold = !pg->connected;
        if (ret != NULL)
            *ret = rows;
        else
            PQclear(rows);
        return r;
    }
    PQclear(rows);
    return fail_broken(pg, ask->what);
}

int pg_run(Pg *pg, const PgStatement *statement, const PgParams *params, PGresult **ret) {
    static const PgParams NONE;
    params = params == NULL ? &NONE : params;
    assert(params->n == statement->n_params);
    Ask ask = {
        .what = statement->name, .statement = statement, .run = find_statement(statement->name), .params = params};
    return run_over_wire(pg, &ask, ret);
}

int pg_copy(Pg *pg, const char *copy_sql, const Bytes *rows) {
    if (rows->failed)
        return error_fail(ERROR_MEMORY, "no memory for rows");
    if (rows->n == 0)
        return 0;
    return run_over_wire(pg, &(Ask){.what = "COPY", .copy = copy_sql, .rows = rows}, NULL);
}

// It is on its way at once; what came of it is asked later.
int pg_queue(Pg *pg, const PgStatement *statement, const PgParams *params) {
    static const PgParams NONE;
    params = params == NULL ? &NONE : params;
    assert(params->n == statement->n_params);
    if (!pg->connected)
        return fail_broken(pg, statement->name);
    pg->queued = true;
    if (pg->queued_failure != 0 || pg->broken || world_is_dead()) // it goes nowhere, as pg_flush() says
        return 0;
    Ask ask = {
        .what = statement->name, .statement = statement, .run = find_statement(statement->name), .params = params};
    world_trace(statement->name, pg->number, 1);
    pg->queued_failure = execute_somewhere(pg, &ask, NULL);
    if (!pg->connected)
        return pg->queued_failure;
    begin_idling(pg);
    return 0;
}

int pg_flush(Pg *pg) {
    if (!pg->queued)
        return 0;
    int r = pg->queued_failure;
    pg->queued = false;
    pg->queued_failure = 0;
    if (!pg->connected || !travel(pg))
        return fail_broken(pg, "queued statements");
    char state[sizeof pg->sqlstate];
    memcpy(state, pg->sqlstate, sizeof state);
    return r == 0 ? 0 : fail(pg, "queued statements", state);
}

// ---- commands ------------------------------------------------------------------------------------------------------

static int lock_log(Call *call) {
    if (base.log_holder != NULL && base.log_holder != call->tx) {
        call->waits_for = base.log_holder;
        return BASE_WAIT;
    }
    base.log_holder = call->tx;
    call->tx->locks_log = true;
    call->tx->locked_population = base_population_position();
    world_trace("log locked", (int64_t)call->tx->number, call->tx->locked_population);
    return 0;
}

static int lock_heads(Call *call) {
    if (base.heads_holder != NULL && base.heads_holder != call->tx) {
        call->waits_for = base.heads_holder;
        return BASE_WAIT;
    }
    base.heads_holder = call->tx;
    call->tx->locks_heads = true;
    return 0;
}

static Savepoint *savepoint(Tx *tx, const char *name) {
    for (int i = tx->n_savepoints - 1; i >= 0; i--) {
        if (strcmp(tx->savepoints[i].name, name) == 0)
            return &tx->savepoints[i];
    }
    assert(!"no such savepoint");
    return NULL;
}

static int end_tx(Pg *pg, bool commit) {
    Tx *tx = pg->tx;
    pg->tx = NULL;
    bool failed = tx != NULL && tx->failed;
    if (tx != NULL && commit && !failed)
        tx_commit(tx);
    else if (tx != NULL)
        tx_rollback(tx);
    return commit && failed ? fail(pg, "COMMIT", "40000") : 0;
}

static int run_savepoint(Pg *pg, const char *word) {
    Tx *tx = pg->tx;
    if (tx->failed && strncmp(word, "ROLLBACK TO ", 12) != 0)
        return fail(pg, word, "25P02");
    if (strncmp(word, "SAVEPOINT ", 10) == 0) {
        assert(tx->n_savepoints < SAVEPOINTS_MAX);
        Savepoint *added = &tx->savepoints[tx->n_savepoints++];
        snprintf(added->name, sizeof added->name, "%s", word + 10);
        added->n_undo = tx->n_undo;
    } else if (strncmp(word, "RELEASE ", 8) == 0) {
        tx->n_savepoints = (int)(savepoint(tx, word + 8) - tx->savepoints);
    } else {
        Savepoint *to = savepoint(tx, word + 12);
        base_rollback_to(tx, to->n_undo);
        tx->n_savepoints = (int)(to - tx->savepoints) + 1;
        tx->failed = false;
    }
    return 0;
}

// What a session says of itself, and not to a statement.
static int say_word(Pg *pg, const char *word) {
    if (strcmp(word, "BEGIN") == 0) {
        pg->tx = tx_begin(pg);
        return 0;
    }
    if (strcmp(word, "COMMIT") == 0 || strcmp(word, "ROLLBACK") == 0)
        return end_tx(pg, word[0] == 'C');
    if (strncmp(word, "SAVEPOINT ", 10) == 0 || strncmp(word, "RELEASE ", 8) == 0 ||
        strncmp(word, "ROLLBACK TO ", 12) == 0)
        return run_savepoint(pg, word);
    if (strncmp(word, "SET LOCAL idle_in_transaction_session_timeout", 45) == 0)
        pg->tx->idle_us = 5000000;
    else if (strncmp(word, "SET lock_timeout", 16) == 0)
        pg->times_out = true;
    else if (strcmp(word, "LISTEN dongbo_commit") == 0)
        pg->listens_commit = true;
    else if (strcmp(word, "LISTEN dongbo_policy") == 0)
        pg->listens_policy = true;
    else
        assert(strncmp(word, "SET ", 4) == 0 || strcmp(word, "SELECT") == 0 || strncmp(word, "LISTEN ", 7) == 0);
    return 0;
}

// Time-outs are the simulation's own.
static int run_word(Pg *pg, const char *word) {
    if (strcmp(word, "SELECT exchange.lock_log()") == 0)
        return execute_somewhere(pg, &(Ask){.what = word, .run = lock_log}, NULL);
    if (strcmp(word, "SELECT exchange.lock_heads()") == 0)
        return execute_somewhere(pg, &(Ask){.what = word, .run = lock_heads}, NULL);
    bool taped = strncmp(word, "SET ", 4) != 0 && strcmp(word, "SELECT") != 0;
    int32_t life = pg->life;
    if (taped)
        tape_word(life, word);
    int r = say_word(pg, word);
    if (taped && r == 0)
        tape_rows(life, NULL);
    else if (taped)
        tape_failed(life, pg->sqlstate);
    return r;
}

static int run_words(Pg *pg, const char *sql) {
    char text[512], *rest = NULL;
    snprintf(text, sizeof text, "%s", sql);
    int r = 0;
    for (char *word = strtok_r(text, ";", &rest); r == 0 && word != NULL; word = strtok_r(NULL, ";", &rest)) {
        word += strspn(word, " ");
        r = run_word(pg, word);
        if (!pg->connected)
            break;
    }
    return r;
}

int pg_command(Pg *pg, const char *sql) {
    if (!pg->connected)
        return fail_broken(pg, sql);
    int r = pg_flush(pg);
    if (r < 0)
        return r;
    world_trace(sql, pg->number, 0);
    if (pg->tx != NULL)
        pg->tx->active_us = -1;
    if (!travel(pg))
        return fail_broken(pg, sql);
    r = run_words(pg, sql);
    begin_idling(pg);
    if (!pg->connected || travel(pg))
        return r;
    return fail_broken(pg, sql);
}

// ---- notifications --------------------------------------------------------------------------------------------------

// What was sent has come, be it with an answer or by itself.
bool pg_heard(Pg *pg, PgHear *hear, void *self) {
    bool any = false;
    for (; pg->connected && pg->n_policy_notes + pg->n_commit_notes > 0; any = true) {
        bool policy = pg->n_policy_notes > 0;
        policy ? pg->n_policy_notes-- : pg->n_commit_notes--;
        if (hear != NULL)
            hear(self, policy ? "dongbo_policy" : "dongbo_commit", "");
    }
    return any;
}

int pg_hear(Pg *pg, PgHear *hear, void *self) {
    bool lost = pg->broken || world_is_dead();
    (void)pg_heard(pg, hear, self);
    return lost ? fail_broken(pg, "notifications") : 0;
}

// ---- libpq, as far as it is called beside proto/base/pg.h -----------------------------------------------------------

int PQsocket(const PGconn *connection) {
    return DESCRIPTORS + ((const Pg *)connection)->number;
}

bool base_readable(int fd, Fiber *waiter) {
    Pg *pg;
    LIST_FOREACH(pg, &base.sessions, all) {
        if (DESCRIPTORS + pg->number != fd)
            continue;
        pg->polls = waiter;
        return pg->broken || pg->n_commit_notes > 0 || pg->n_policy_notes > 0;
    }
    return false;
}

// ---- the whole -----------------------------------------------------------------------------------------------------

void base_begin(const BaseFaults *faults) {
    base.faults = *faults;
    TAILQ_INIT(&base.waiting);
    base.commits = base.numbers = 0;
    base.lives[0] = base.lives[1] = base.timeline = 1;
    memset(base.away_until, 0, sizeof base.away_until);
    base.log_holder = base.heads_holder = NULL;
}

void base_calm(void) {
    base.faults.cut = 0;
}

void base_end(void) {
    while (!LIST_EMPTY(&base.transactions))
        tx_rollback(LIST_FIRST(&base.transactions));
    for (int i = 0; i < base.n_tables; i++) {
        free(base.tables[i]->slots);
        base.tables[i]->slots = NULL;
        base.tables[i]->n = base.tables[i]->size = 0;
    }
    base.n_tables = 0;
    base_forget_backup();
    base_forget_kept();
}

// The transactions of one of both: the other's go on.
static void end_transactions(bool population) {
    for (Tx *tx = LIST_FIRST(&base.transactions), *next; tx != NULL; tx = next) {
        next = LIST_NEXT(tx, all);
        if (tx->population != population)
            continue;
        if (tx->pg != NULL)
            tx->pg->tx = NULL;
        tx_rollback(tx);
    }
}

bool base_has_session(const Process *process, const char *name) {
    const Pg *pg;
    LIST_FOREACH(pg, &base.sessions, all) {
        if (pg->process == process && pg->connected && !pg->broken && strcmp(pg->name, name) == 0)
            return true;
    }
    return false;
}

void base_restart(bool population, int64_t until_us) {
    Pg *pg;
    world_trace("database restarts", until_us, population);
    base.away_until[population] = until_us;
    base.lives[population]++;
    LIST_FOREACH(pg, &base.sessions, all) {
        if (pg->population != population)
            continue;
        pg->broken = pg->connected;
        pg->broken_state = "57P01";
        if (pg->waits != NULL)
            tape_end(&pg->life); // or it would go on once the others are over
    }
    LIST_FOREACH(pg, &base.sessions, all) {
        if (pg->population == population)
            tape_end(&pg->life);
    }
    end_transactions(population);
    LIST_FOREACH(pg, &base.sessions, all) {
        if (pg->population != population)
            continue;
        if (pg->waits != NULL)
            world_wake(pg->waits);
        if (pg->polls != NULL)
            world_wake(pg->polls);
    }
}
