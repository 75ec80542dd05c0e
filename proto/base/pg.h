// SPDX-License-Identifier: Apache-2.0
//
// libpq, made short: named statements with binary parameters, binary results, binary COPY in. One Pg is one session,
// owned by one thread. SQL text is constant; data only travels as parameters (proto/base/pg-values.h).
#pragma once

#include "proto/base/bytes.h"
#include "proto/base/pg-values.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Pg Pg;

// name: what log lines call this session. Sets application_name, UTF-8, UTC, search_path = pg_catalog only (write
// schema names out), and notices off; conninfo may set anything else. Does not connect yet. ERROR_CONFIG, ERROR_MEMORY.
int pg_new(Pg **ret, const char *conninfo, const char *name);
void pg_destroy(Pg **pg);
// Connects or reconnects when needed, prepares registered statements lazily. ERROR_DATABASE. No other function here
// connects: whoever lost a transaction must begin it anew.
int pg_connect(Pg *pg);
bool pg_connected(const Pg *pg);
void pg_disconnect(Pg *pg); // after an error whose state is not known
PGconn *pg_raw(Pg *pg);
// Before pg_connect(). Every answer to pg_run() and pg_command() is waited for so long only: a server that stands
// still, or a machine that is gone, must not hold up whoever asks. After that the session disconnects itself
// (ERROR_DATABASE, which passes), and it is not known whether what was asked is done, or will be. Not for sessions that
// queue or copy.
void pg_set_patience(Pg *pg, int patience_ms);

// A statement is declared once, as a constant; it is prepared on first use in each connection.
typedef struct PgStatement {
    const char *name;
    const char *sql;
    int n_params;
    const Oid *types; // n_params
} PgStatement;

#define PG_STATEMENTS_MAX 64 // per session

// Runs it; *ret holds binary tuples (PQclear by caller) or is NULL-able by passing NULL. ERROR_DATABASE; ERROR_DATA for
// SQLSTATE class 22 and 23. On ERROR_DATABASE with a broken connection the session disconnects itself. Sentences hold
// no values: neither the server's DETAIL nor what a class 22 message quotes.
int pg_run(Pg *pg, const PgStatement *statement, const PgParams *params, PGresult **ret);
// Sends it without waiting for the answer, so that many statements cost one round trip; rows that it returns are
// dropped. Whatever is called next on the session (but pg_queue) first waits for all of them, as pg_flush() does. After
// the first one that fails the rest are not run: for use inside a transaction. ERROR_DATABASE, ERROR_DATA,
// ERROR_MEMORY.
int pg_queue(Pg *pg, const PgStatement *statement, const PgParams *params);
int pg_flush(Pg *pg); // 0 when all that was queued succeeded; ERROR_DATABASE, ERROR_DATA
// Constant text without parameters: BEGIN, COMMIT, SAVEPOINT x, LISTEN x. A COMMIT that the server turned into a
// ROLLBACK is an ERROR_DATABASE.
int pg_command(Pg *pg, const char *sql);
// SQLSTATE of the last failure, "" when there was none ("57P01", ...).
const char *pg_sqlstate(const Pg *pg);
// The last failure is no fault of what was asked: the connection was lost, the server is short of something, stops,
// only reads just now, or had to choose between transactions. The same may succeed later. False when there was none.
bool pg_is_passing(const Pg *pg);
void pg_forget_failure(Pg *pg); // there was none, from here on
// After pg_run() failed outside of a transaction: it is known that nothing of what was asked holds, or ever will: it
// was not sent, or the server said that it came to nothing. False where the session was lost before it said so.
bool pg_is_undone(const Pg *pg);

// COPY table (columns) FROM STDIN (FORMAT binary). Header and trailer are added here; `rows` holds the tuples only.
// No rows: nothing is sent.
int pg_copy(Pg *pg, const char *copy_sql, const Bytes *rows);

// What LISTEN brings, and the text that came with it. libpq takes notifications off the socket along with answers to
// statements, and no poll tells of those any more: whoever waits on the socket asks pg_heard() before, and does not
// wait when it gave any.
typedef void PgHear(void *self, const char *channel, const char *text);
// Gives `hear` (or nobody, where it is NULL) those that came with answers; whether there were any. Reads nothing, and
// so cannot fail; a session that is not connected has none.
bool pg_heard(Pg *pg, PgHear *hear, void *self);
// The same, and what the socket has; never blocks. ERROR_DATABASE: the session is lost, and disconnects itself.
int pg_hear(Pg *pg, PgHear *hear, void *self);
