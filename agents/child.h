// SPDX-License-Identifier: Apache-2.0
//
// A program of the site's own that we start and talk with over its standard input and output; its standard error is
// ours. It gets a process group of its own, so that an interrupt at the terminal reaches us only, and what it starts
// ends with it. Every wait has a limit. SIGPIPE must be ignored by the process.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Child Child;

// argv ends with NULL; argv[0] is looked for in PATH when it has no slash. held_fd stays open in the child (a lock that
// is to last as long as it lives); -1 for none. ERROR_CONFIG when it cannot be run, ERROR_SYSTEM, ERROR_MEMORY.
int child_start(Child **ret, char *const *argv, int held_fd);
// Closes its input and waits; what has not ended after grace_ms is terminated, and killed a second later.
void child_end(Child **child, int64_t grace_ms);

typedef struct ChildTalk {
    const uint8_t *give; // for its standard input; moved on by what it took
    size_t n;
    char *take; // what it wrote to its standard output goes here
    size_t take_size, took;
} ChildTalk;

// Waits up to wait_ms (or for a signal) until it takes or says something. 0; 1 when it did neither; 2 when it has
// closed its input or its output: it is ending, or it does not speak our language.
int child_talk(Child *child, ChildTalk *talk, int wait_ms);
// How it ended: "ended with exit code 3", "was killed by signal 9 (Killed)"; "closed its input or output" when it has
// not within wait_ms.
void child_how(Child *child, int wait_ms, char out[64]);
