// SPDX-License-Identifier: Apache-2.0
//
// A directory of the test's own in $TMPDIR, or /tmp; it may hold a copy of the source tree's schemas to spoil.
#pragma once

#include <limits.h>

#define SCRATCH_BYTES 64

// Makes the directory and writes its path. Fails the test when it cannot.
void scratch_make(char path[SCRATCH_BYTES]);
// Copies the rules and code lists of $DONGBO_SOURCE/schemas into it, over what is there.
void scratch_copy_schemas(const char *path);
// One file in it, by its name from there: written anew, added to, removed.
void scratch_write(const char *path, const char *name, const char *text);
void scratch_append(const char *path, const char *name, const char *text);
void scratch_unlink(const char *path, const char *name);
void scratch_remove(const char *path);
