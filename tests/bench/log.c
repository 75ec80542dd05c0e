// SPDX-License-Identifier: Apache-2.0
//
// Writes an export of a log of so many events, made by the code that makes one in the programs, and the public key that
// its batches are signed by.
//   bench-log EVENTS FILE.dlog FILE.pub [masked]
#include "proto/base/error.h"
#include "tests/unit/log-case.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_EVENTS 400 // what an agent with a backlog seals of such events

static int write_key(const LogCase *log, const char *path) {
    char curve[2 * KEY_BYTES + 1], sign[2 * KEY_BYTES + 1];
    hex_encode(log->keys.curve_public, KEY_BYTES, curve);
    hex_encode(log->keys.sign_public, KEY_BYTES, sign);
    FILE *file = fopen(path, "w");
    if (!file)
        return error_fail(ERROR_SYSTEM, "%s cannot be written", path);
    fprintf(file, "curve_public: \"%s\"\nsign_public: \"%s\"\n", curve, sign);
    return fclose(file) == 0 ? 0 : error_fail(ERROR_SYSTEM, "%s cannot be written", path);
}

static int write_log(LogCase *log, uint64_t events) {
    int r = log_case_new_epoch(log);
    for (uint64_t n = 0; r == 0 && n < events; n += BATCH_EVENTS)
        r = log_case_batch(log, events - n < BATCH_EVENTS ? (size_t)(events - n) : BATCH_EVENTS);
    return r < 0 ? r : log_case_put_end(log);
}

int main(int argc, char **argv) {
    uint64_t events = argc > 3 ? strtoull(argv[1], NULL, 10) : 0;
    FILE *file = events > 0 ? fopen(argv[2], "w") : NULL;
    if (!file) {
        fprintf(stderr, "bench-log EVENTS FILE.dlog FILE.pub [masked]\n");
        return 2;
    }
    LogCase log;
    int r = log_case_begin(&log, file, argc < 5);
    if (r == 0)
        r = write_log(&log, events);
    if (r == 0)
        r = write_key(&log, argv[3]);
    log_case_free(&log);
    if (fclose(file) != 0 || r < 0) {
        fprintf(stderr, "%s\n", error_text());
        return 1;
    }
    return 0;
}
