// SPDX-License-Identifier: Apache-2.0
//
// What the simulation's database was asked and answered, written down in the order in which it did so, for replay.c.
// Where no tape was opened nothing is written.
//
// A tape is a row of records, numbers big-endian: kind (1 byte), true time in microseconds since 1970 (8), life of a
// session (4; 0: none), and what the kind says. A piece is its length (4; UINT32_MAX: NULL) and its bytes.
#pragma once

#include "proto/base/pg.h"

typedef enum TapeKind {
    TAPE_KNOWN = 'N',     // piece: name of a statement that the simulation knows
    TAPE_BEGINNING = 'B', // piece: SQL; count (4) and so many pieces: its parameters, as text. In no session
    TAPE_STATEMENT = 'S', // number (4), piece: name, piece: SQL, count (4) and so many types (4)
    TAPE_SESSION = 'C',   // it begins
    TAPE_END = 'E',       // ... and is over, with its transaction
    TAPE_RUN = 'R',       // number of the statement (4), count (4) and so many parameters: format (4), piece
    TAPE_COPY = 'Y',      // piece: SQL, piece: rows
    TAPE_WORD = 'W',      // piece: SQL
    TAPE_WAITS = 'w',     // what was asked last waits for another transaction
    TAPE_ROWS = 'r',      // it succeeded: columns (4), rows (4), and their values as pieces, row by row
    TAPE_FAILED = 'f',    // piece: SQLSTATE
    TAPE_GIVEN_UP = 'k',  // it waits no more: its client is gone, or has waited for too long
    TAPE_SET_BACK = 'X',  // the database is another one from here on
} TapeKind;

int tape_open(const char *path); // ERROR_SYSTEM. A tape is of one seed.
int tape_close(void);            // ERROR_SYSTEM when it is not whole

void tape_known(const char *name);
void tape_beginning(const char *sql, int n, const char *const *texts);
int32_t tape_session(void); // a new life
void tape_end(int32_t *life);
void tape_run(int32_t life, const PgStatement *statement, const PgParams *params);
void tape_copy(int32_t life, const char *sql, const Bytes *rows);
void tape_word(int32_t life, const char *sql);
void tape_waits(int32_t life);
void tape_rows(int32_t life, const PGresult *rows); // NULL: none
void tape_failed(int32_t life, const char *sqlstate);
void tape_given_up(int32_t life);
void tape_set_back(void);
