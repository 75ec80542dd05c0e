// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "tests/failing/report.h"

#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFTEN 20 // SQLite asks for memory thousands of times

Report report;

void report_begin(const char *name, int argc, char **argv) {
    report = (Report){.name = name, .every = 1, .parts = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            report.json = true;
        } else if (strcmp(argv[i], "--every") == 0 && i + 1 < argc) {
            report.every = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--part") == 0 && i + 1 < argc &&
                   sscanf(argv[++i], "%lu/%lu", &report.part, &report.parts) == 2 && report.part > 0 &&
                   report.part <= report.parts) {
            report.part--;
        } else {
            fprintf(stderr, "%s [--every N] [--part I/N] [--json]\n", name);
            exit(2);
        }
    }
}

unsigned long report_next(FailKind kind, unsigned long n) {
    unsigned long step = report.every > 1 && kind == FAIL_SQLITE_MEMORY ? OFTEN * report.every : report.every;
    return n == 0 ? 1 + report.part * step : n + report.parts * step;
}

void report_fail(const char *file, int line, const char *what, const char *at) {
    (void)fail_disarm();
    fprintf(stderr, "%s:%d: %s: does not hold: %s (%s)\n", file, line, at, what, error_text());
    abort();
}

int report_end(void) {
    unsigned long all = 0;
    for (int kind = 0; kind < FAIL_KINDS; kind++)
        all += report.injected[kind];
    if (!report.json) {
        printf("%s: %lu calls made to fail, each survived\n", report.name, all);
        return 0;
    }
    printf("{\"program\": \"%s\", \"injected\": %lu, \"survived\": %lu", report.name, all, all);
    for (int kind = 0; kind < FAIL_KINDS; kind++)
        if (report.injected[kind] > 0)
            printf(", \"%s\": %lu", fail_name((FailKind)kind), report.injected[kind]);
    printf("}\n");
    return 0;
}
