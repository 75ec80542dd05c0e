// SPDX-License-Identifier: Apache-2.0
//
// What replay.c's parts share: reading a tape, a server to ask, and what differs.
#pragma once

#include "tape.h"

#include <libpq-fe.h>

typedef struct Piece {
    const char *data; // NULL: NULL
    size_t n;
} Piece;

typedef struct Reader {
    const uint8_t *at, *end;
} Reader;
uint64_t read_number(Reader *reader, size_t n);
Piece read_piece(Reader *reader);
char *read_text(Reader *reader); // the caller's

// A statement of the programs', as it is asked by its number on one tape.
typedef struct Statement {
    char *name, *sql;
    int n_types;
    Oid types[PG_PARAMS_MAX];
    const char *order; // of its rows: what stands behind its ORDER BY; NULL: none
} Statement;

// The server beside it, with the migrations and the simulation's clock (replay_server.c).
PGconn *server_connect(const char *database);
void server_begin(void);
void server_end(void);
PGconn *server_fresh(void); // a database as the migrations leave it, and a session in it
void server_set_clock(int64_t us);
bool server_waits(PGconn *control, PGconn *session); // for a lock

// NULL, or how the server's answer differs from the tape's, which is read (replay_compare.c).
const char *compare_rows(const Statement *statement, Reader *expected, const PGresult *rows);
