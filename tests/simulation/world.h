// SPDX-License-Identifier: Apache-2.0
//
// One process that plays many: a seeded scheduler with a simulated time. A simulated process has fibers (its threads),
// a clock that may be wrong, and random bytes of its own. Whatever would wait or reach outside gives way here, and who
// goes on is the dice's choice. All of it follows from the seed.
//
// A process is killed at one of its waits: from then on nothing that it does reaches anything, and each of its calls to
// the outside fails at once, so that its code runs to its end and its memory goes with nothing left behind.
#pragma once

#include "proto/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_NEVER INT64_MAX
#define WORLD_NAME_BYTES 24

typedef struct Fiber Fiber;
typedef void WorldRun(void *argument);

typedef struct Process {
    char name[WORLD_NAME_BYTES];
    int number;           // over all that there were
    bool dead, ended;     // killed; its first fiber is over
    int64_t paused_until; // SIGSTOP
    int64_t waits_left;   // until it is killed; 0: it is not
    int64_t skew_us;      // of its clock
    int64_t dead_ms;      // how far its clock has run since
    uint64_t dice;        // of its random bytes
    Clock clock;
} Process;

// From here on all is new. `world_end()` needs every process to be over.
void world_begin(uint64_t seed);
void world_end(void);

int64_t world_us(void); // true time, from 0; never goes back
// The true time as microseconds since 1970.
int64_t world_date_us(void);
uint64_t world_dice(uint64_t n);         // below n
bool world_chance(unsigned per_million); // so often

// What happened, into the hash and among the last steps. `what` is a constant.
void world_trace(const char *what, int64_t a, int64_t b);
void world_trace_bytes(const void *data, size_t n);
uint64_t world_hash(void);
uint64_t world_steps(void);
void world_keep_steps(bool all);   // before the run: as good as all, not only the last ones
void world_print_steps(int n_max); // the last ones, to standard error

// A process that runs `run` in its first fiber.
Process *world_process(const char *name, WorldRun *run, void *argument);
Process *world_self(void); // NULL outside
// A further fiber of the present process.
Fiber *world_fiber(WorldRun *run, void *argument);
bool world_fiber_is_over(const Fiber *fiber);
Fiber *world_present(void);
// True when the present process is dead: the caller fails, at once.
bool world_is_dead(void);

// Gives way until then, or world_wake(). False at once when the process is dead, or becomes so meanwhile.
bool world_wait_until(int64_t us);
bool world_wait(int64_t us);            // for so long
bool world_wait_random(int64_t us_max); // for so long at most
void world_wake(Fiber *fiber);          // soon
// Not in a fiber: its process ends here and now.
void world_kill(Process *process);

// Calls it outside of all fibers, when it is time. What it is about is the caller's to keep.
void world_at(int64_t us, void (*call)(void *argument, int64_t number), void *argument, int64_t number);

// Until the time is over or `until` says true. False when something is wrong: see world_fault().
bool world_run(int64_t us, bool (*until)(void));
// The first thing that was found wrong; NULL when nothing was.
void world_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *world_fault(void);
