// SPDX-License-Identifier: Apache-2.0
//
// Where the broker's time goes: wall time by stage, added up over all threads, and events stored. Counters only; nobody
// waits for anybody. Written as JSON for benchmarks and operators.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

typedef enum StatsStage {
    STATS_OPEN,    // decode, leaves, root, signature
    STATS_FORM,    // events decoded and held against the rules
    STATS_PERSONS, // the look-up in the population store
    STATS_RECORDS, // the look-up of current versions
    STATS_DECIDE,  // compared, merged
    STATS_PACK,    // entries, summary, payload, rows
    STATS_LOCK,    // begin, wait for the log's lock, head, what others did
    STATS_RECHECK, // under the lock: what was touched since
    STATS_COPY,    // rows
    STATS_SEGMENT, // the segment and its stream
    STATS_COMMIT,
    STATS_FEED_READ, // segments read and decoded
    STATS_FEED_SEND, // filtered, projected, sent
    STATS_STAGES
} StatsStage;

typedef enum StatsPort { STATS_PUBLISH, STATS_SUBSCRIBE, STATS_PORTS } StatsPort;

typedef struct Stats {
    _Atomic uint64_t ns[STATS_STAGES];
    _Atomic uint64_t events;              // stored
    _Atomic uint64_t frames[STATS_PORTS]; // that came from peers
} Stats;

uint64_t stats_now(void);
// Adds the time since `*since` to a stage and moves `*since` to now, so that stages follow one another. stats may be
// NULL.
void stats_add(Stats *stats, StatsStage stage, uint64_t *since);
void stats_count(Stats *stats, uint64_t events);
void stats_frame(Stats *stats, StatsPort port);
// {"events": N, "frames": {"publish": N, "subscribe": N}, "stage_us_per_event": {"open": 1.2, …}} into a new file that
// then takes the path's place. ERROR_SYSTEM.
int stats_write(const Stats *stats, const char *path);
