// SPDX-License-Identifier: Apache-2.0
//
// Holds a server's rows against those of the simulation: integers by their value, all else by its bytes; and in the
// order that the statement asks for, otherwise as a multiset.
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 4096
#define SHOWN 48

// What cannot be the same, and why.
static const struct LeftOut {
    const char *name;
    int column;
    bool null_only; // where the simulation has none
} LEFT_OUT[] = {
    // When the server began, and its database's number: the simulation counts its lives.
    {"head-position", 0, false},
    {"population-position", 0, false},
    // The simulation trims what no agent has heard of yet, too, and for the feed only.
    {"feed_segments", 6, true},
};
// A step gives fewer rows there, so that something happens between two: the server's first ones.
static const char *const FEWER[] = {"snapshot_next", "snapshot_next_followed"};

static bool is_left_out(const Statement *statement, int column, Piece expected) {
    for (size_t i = 0; i < sizeof LEFT_OUT / sizeof *LEFT_OUT; i++) {
        if (strcmp(LEFT_OUT[i].name, statement->name) == 0 && LEFT_OUT[i].column == column)
            return !LEFT_OUT[i].null_only || expected.data == NULL;
    }
    return false;
}

static bool gives_fewer(const Statement *statement) {
    for (size_t i = 0; i < sizeof FEWER / sizeof *FEWER; i++) {
        if (strcmp(FEWER[i], statement->name) == 0)
            return true;
    }
    return false;
}

static int64_t integer(const char *data, size_t n) {
    uint64_t value = bytes_get_number((const uint8_t *)data, n);
    return n == 2 ? (int16_t)value : n == 4 ? (int32_t)value : (int64_t)value;
}

static bool is_integer(Oid type) {
    return type == 20 || type == 21 || type == 23;
}

static bool is_same(const PGresult *rows, int row, int column, Piece expected) {
    bool null = PQgetisnull(rows, row, column);
    if (null || expected.data == NULL)
        return null && expected.data == NULL;
    const char *data = PQgetvalue(rows, row, column);
    size_t n = (size_t)PQgetlength(rows, row, column);
    if (is_integer(PQftype(rows, column)) && (expected.n == 2 || expected.n == 4 || expected.n == 8))
        return integer(data, n) == integer(expected.data, expected.n);
    return n == expected.n && memcmp(data, expected.data, n) == 0;
}

// The first column in which they differ; -1: in none.
static int differing(const Statement *statement, const PGresult *rows, int row, const Piece *expected) {
    for (int column = 0; column < PQnfields(rows); column++) {
        if (!is_left_out(statement, column, expected[column]) && !is_same(rows, row, column, expected[column]))
            return column;
    }
    return -1;
}

static const char *shown(Piece piece, bool number, char text[2 * SHOWN + 8]) {
    if (piece.data == NULL)
        return "null";
    if (number) {
        snprintf(text, 2 * SHOWN, "%lld", (long long)integer(piece.data, piece.n));
        return text;
    }
    bool plain = piece.n < SHOWN;
    for (size_t i = 0; plain && i < piece.n; i++)
        plain = (unsigned char)piece.data[i] >= ' ';
    if (plain) {
        snprintf(text, 2 * SHOWN, "\"%.*s\"", (int)piece.n, piece.data);
        return text;
    }
    size_t n = piece.n < SHOWN ? piece.n : SHOWN;
    hex_encode((const uint8_t *)piece.data, n, text);
    return text;
}

static const char *say_difference(const PGresult *rows, int row, int column, Piece expected) {
    static char text[400];
    char a[2 * SHOWN + 8], b[2 * SHOWN + 8];
    Piece real = {PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column),
                  (size_t)PQgetlength(rows, row, column)};
    bool number = is_integer(PQftype(rows, column));
    snprintf(text, sizeof text, "row %d, %s (column %d): %s, in the simulation %s", row + 1, PQfname(rows, column),
             column, shown(real, number, a),
             shown(expected, number && (expected.n == 2 || expected.n == 4 || expected.n == 8), b));
    return text;
}

// The columns by which the statement orders its rows, as bits: the first ones that it gives.
static uint64_t ordering(const Statement *statement, const PGresult *rows) {
    char name[64];
    uint64_t bits = 0;
    int n = 0;
    for (const char *at = statement->order; at != NULL; at = strchr(at, ',') == NULL ? NULL : strchr(at, ',') + 1) {
        if (sscanf(at, " %63[A-Za-z0-9_.]%n", name, &n) != 1)
            break;
        const char *dot = strrchr(name, '.');
        int column = name[0] >= '0' && name[0] <= '9' ? (int)strtol(name, NULL, 10) - 1
                                                      : PQfnumber(rows, dot == NULL ? name : dot + 1);
        if (column < 0 || column > 63)
            break;
        bits |= UINT64_C(1) << column;
    }
    return bits;
}

static const char *compare_order(const Statement *statement, const PGresult *rows, const Piece *pieces, int n) {
    uint64_t bits = ordering(statement, rows);
    int columns = PQnfields(rows);
    for (int i = 0; i < n * columns; i++) {
        int row = i / columns, column = i % columns;
        if ((bits >> column & 1) != 0 && !is_same(rows, row, column, pieces[i]))
            return say_difference(rows, row, column, pieces[i]);
    }
    return NULL;
}

static const char *compare_each(const Statement *statement, const PGresult *rows, const Piece *pieces, int n) {
    bool taken[ROWS_MAX] = {false};
    int columns = PQnfields(rows);
    for (int i = 0; i < n; i++) {
        const Piece *expected = pieces + (ptrdiff_t)i * columns;
        int row = 0;
        while (row < n && (taken[row] || differing(statement, rows, row, expected) >= 0))
            row++;
        int column = row < n ? -1 : differing(statement, rows, i, expected);
        if (row == n && column < 0)
            return "another number of equal rows";
        if (row == n)
            return say_difference(rows, i, column, expected[column]);
        taken[row] = true;
    }
    return NULL;
}

const char *compare_rows(const Statement *statement, Reader *expected, const PGresult *rows) {
    static char text[100];
    int columns = (int)read_number(expected, 4), n = (int)read_number(expected, 4);
    Piece *pieces = calloc((size_t)n * (size_t)columns + 1, sizeof *pieces);
    for (int i = 0; i < n * columns; i++)
        pieces[i] = read_piece(expected);
    const char *found = NULL;
    bool fewer = gives_fewer(statement) && n <= PQntuples(rows) && (n > 0 || PQntuples(rows) == 0);
    if (columns > 0 && n != PQntuples(rows) && !fewer) {
        snprintf(text, sizeof text, "%d rows, in the simulation %d", PQntuples(rows), n);
        found = text;
    } else if (columns > 0 && n > 0 && columns != PQnfields(rows)) {
        snprintf(text, sizeof text, "%d columns, in the simulation %d", PQnfields(rows), columns);
        found = text;
    } else if (n > ROWS_MAX) {
        found = "more rows than are compared";
    } else if (columns > 0) {
        found = compare_order(statement, rows, pieces, n);
        found = found == NULL ? compare_each(statement, rows, pieces, n) : found;
    }
    free(pieces);
    return found;
}
