// SPDX-License-Identifier: Apache-2.0
//
// The Nth call fails: of our own allocations, of SQLite's, of what SQLite asks of the disk, of our calls to SQLite and
// to libpq. The programs of this folder are linked so that these calls come here first (meson.build). Nothing fails
// unless it was asked for.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum FailKind {
    FAIL_MEMORY,        // our malloc, calloc, realloc, strdup
    FAIL_SQLITE_MEMORY, // SQLite's own
    FAIL_SQLITE_CALL,   // prepare, bind, step, exec, open: an error, and nothing was done
    FAIL_SQLITE_WRITE,  // the disk is full, or refuses; a part of what was to be written may be there
    FAIL_SQLITE_SYNC,   // fsync says no
    FAIL_FILE,          // a sink's files: open, write (half of it), sync, rename, truncate, remove
    FAIL_PG_REFUSED,    // the server refuses a statement for want of memory (53200), which ends the transaction
    FAIL_PG_LOST,       // the connection is gone before the call
    FAIL_PG_LOST_AFTER, // ... after it was carried out, and before its answer came
    FAIL_KINDS
} FailKind;
const char *fail_name(FailKind kind);

// Before anything else of SQLite's is called.
void fail_begin(void);
// The nth call of this kind from now on fails, from 1; only that one, or it and all after it.
void fail_arm(FailKind kind, unsigned long n, bool all_after);
// No more. Whether it came to that.
bool fail_disarm(void);
