// SPDX-License-Identifier: Apache-2.0
//
// Relaxed counters. Keeps no history.
#include "broker/stats.h"

#include "proto/base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const char *const NAMES[STATS_STAGES] = {"open",   "form",      "persons",  "records", "decide",
                                                "pack",   "lock",      "recheck",  "copy",    "segment",
                                                "commit", "feed_read", "feed_send"};

uint64_t stats_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void stats_add(Stats *stats, StatsStage stage, uint64_t *since) {
    if (stats == NULL)
        return;
    uint64_t now = stats_now();
    atomic_fetch_add_explicit(&stats->ns[stage], now - *since, memory_order_relaxed);
    *since = now;
}

void stats_count(Stats *stats, uint64_t events) {
    if (stats != NULL)
        atomic_fetch_add_explicit(&stats->events, events, memory_order_relaxed);
}

void stats_frame(Stats *stats, StatsPort port) {
    if (stats != NULL)
        atomic_fetch_add_explicit(&stats->frames[port], 1, memory_order_relaxed);
}

int stats_write(const Stats *stats, const char *path) {
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "w");
    if (file == NULL)
        return error_fail(ERROR_SYSTEM, "%s: %m", temporary);
    uint64_t events = atomic_load(&stats->events);
    fprintf(file, "{\"events\": %" PRIu64 ", \"frames\": {\"publish\": %" PRIu64 ", \"subscribe\": %" PRIu64 "}, ",
            events, atomic_load(&stats->frames[STATS_PUBLISH]), atomic_load(&stats->frames[STATS_SUBSCRIBE]));
    fputs("\"stage_us_per_event\": {", file);
    for (int i = 0; i < STATS_STAGES; i++)
        fprintf(file, "%s\"%s\": %.3f", i > 0 ? ", " : "", NAMES[i],
                events > 0 ? (double)atomic_load(&stats->ns[i]) / 1000 / (double)events : 0.0);
    fputs("}}\n", file);
    if (fclose(file) != 0 || rename(temporary, path) != 0)
        return error_fail(ERROR_SYSTEM, "%s: %m", path);
    return 0;
}
