// SPDX-License-Identifier: Apache-2.0
//
// SQLite, made short, for the spool: one connection, durable at every commit (WAL, synchronous=FULL), statements that
// are constants and prepared once. Data only travels as parameters.
#pragma once

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Lite Lite;

// Creates the file (mode 0600) or opens it. ERROR_SYSTEM.
int lite_open(Lite **ret, const char *path);
// One that is there, to be read only, whoever else has it open. ERROR_CONFIG: it is not there; ERROR_SYSTEM.
int lite_look(Lite **ret, const char *path);
void lite_close(Lite **lite);

// A script without parameters. ERROR_SYSTEM.
int lite_script(Lite *lite, const char *sql);
// Makes durable, whatever failed before, all that is there: when it is opened, and after a COMMIT that failed. Not in a
// transaction. ERROR_SYSTEM.
int lite_settle(Lite *lite);
// Ends a transaction that failed; what it was and why stays the sentence kept. SQLite may have ended it by itself.
void lite_rollback(Lite *lite);

// Runs one statement to its end. `sql` is a constant and known by its address. `types` has a letter for each parameter:
// i an int64_t, t a const char * (NULL: null), b a const void * and a size_t (NULL: null). ERROR_SYSTEM.
int lite_run(Lite *lite, const char *sql, const char *types, ...);
// Begins one that has rows; lite_row() gives 0 for each, 1 at the end. lite_end() leaves it earlier.
int lite_query(Lite *lite, sqlite3_stmt **ret, const char *sql, const char *types, ...);
int lite_row(Lite *lite, sqlite3_stmt *statement);
void lite_end(sqlite3_stmt *statement);
// The one number that a query gives; `none` when it has no row.
int lite_number(Lite *lite, const char *sql, int64_t none, int64_t *ret, const char *types, ...);

// Blob or text of the present row; valid until the next lite_row(). Never NULL for text.
const uint8_t *lite_blob(sqlite3_stmt *statement, int column, size_t *ret_n);
const char *lite_text(sqlite3_stmt *statement, int column);

int64_t lite_last_id(const Lite *lite);
int lite_changes(const Lite *lite);
