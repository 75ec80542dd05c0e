// SPDX-License-Identifier: Apache-2.0
//
// What the programs of this folder have in common: their options, what they count, and how they end.
#pragma once

#include "tests/failing/failing.h"

// PROGRAM [--every N] [--part I/N] [--json]
//   --every N    only each Nth call is made to fail, and of SQLite's for memory fewer
//   --part I/N   of these calls, each Nth from the Ith on, from 1: N processes, one for each I, try them all
//   --json       counts as JSON on the last line
typedef struct Report {
    const char *name;
    unsigned long every, part, parts; // part: from 0
    bool json;
    unsigned long injected[FAIL_KINDS];
} Report;

extern Report report;
void report_begin(const char *name, int argc, char **argv);
// Which call is made to fail after the nth: the next, or, where that is asked for often, one further on. 0: the first.
unsigned long report_next(FailKind kind, unsigned long n);
int report_end(void); // the exit code

// Ends the program, saying at which failing call what did not hold.
#define MUST(holds, at, ...) ((holds) ? (void)0 : report_fail(__FILE__, __LINE__, #holds, at))
void report_fail(const char *file, int line, const char *what, const char *at) __attribute__((noreturn));
