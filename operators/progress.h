// SPDX-License-Identifier: Apache-2.0
//
// How far a long command has come, on standard error: rewritten in place on a terminal, a line now and then otherwise.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct Progress {
    int64_t shown_ms;
    bool terminal;
} Progress;

void progress_begin(Progress *progress);
// "checked 12000 rows", when it is time.
void progress_show(Progress *progress, const char *done, uint64_t n, const char *of_what);
void progress_end(void); // before anything else is written
