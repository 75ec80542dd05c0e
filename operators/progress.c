// SPDX-License-Identifier: Apache-2.0
//
// Says nothing of what takes less than a moment.
#include "operators/progress.h"
#include "proto/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define TERMINAL_MS 200
#define OTHER_MS 5000

void progress_begin(Progress *progress) {
    progress->shown_ms = clock_monotonic_ms(clock_system());
    progress->terminal = isatty(STDERR_FILENO);
}

void progress_show(Progress *progress, const char *done, uint64_t n, const char *of_what) {
    int64_t now_ms = clock_monotonic_ms(clock_system());
    if (now_ms - progress->shown_ms < (progress->terminal ? TERMINAL_MS : OTHER_MS))
        return;
    progress->shown_ms = now_ms;
    fprintf(stderr, progress->terminal ? "\r%s %" PRIu64 " %s" : "%s %" PRIu64 " %s\n", done, n, of_what);
}

void progress_end(void) {
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}
