// SPDX-License-Identifier: Apache-2.0
//
// Fibers, a heap of calls that are due, and the dice. Nothing here knows what is simulated.
#include "world.h"

#include "proto/base/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <ucontext.h>

#define STACK_BYTES ((size_t)1024 * 1024)
#define FIBERS_MAX 512
#define PROCESSES_MAX 256
#define STEPS_KEPT 65536 // where somebody wants to read them
#define KILL_ROUNDS_MAX 100000
#define BEGAN_US 1764547200000000LL // 2025-12-01
#define FNV_BASIS 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

struct Fiber {
    Process *process;
    WorldRun *run;
    void *argument;
    char *stack;
    ucontext_t first;
    jmp_buf at;
    bool begun, over, first_of_process;
    int64_t wake_us;
    int saved_errno;
    char error[512];
};

typedef struct Call {
    int64_t us;
    uint64_t order;
    void (*call)(void *argument, int64_t number);
    void *argument;
    int64_t number;
} Call;

typedef struct Step {
    int64_t us;
    const char *who, *what;
    int64_t a, b;
} Step;

static struct World {
    uint64_t dice, hash, n_steps, order;
    int64_t now_us;
    Fiber *fibers[FIBERS_MAX];
    int n_fibers;
    Fiber *present;
    Process *processes[PROCESSES_MAX];
    int n_processes;
    Call *calls; // a heap
    size_t n_calls, calls_size;
    Step steps[STEPS_KEPT];
    uint64_t steps_kept;
    char fault[512];
    bool failed;
    jmp_buf scheduler;
    char *stacks[FIBERS_MAX]; // that are free
    int n_stacks;
} world;

// ---- dice and trace ------------------------------------------------------------------------------------------------

// SplitMix64 (Steele, Lea, Flood, 2014).
static uint64_t throw_dice(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t world_dice(uint64_t n) {
    return n == 0 ? 0 : throw_dice(&world.dice) % n;
}

bool world_chance(unsigned per_million) {
    return per_million > 0 && world_dice(1000000) < per_million;
}

static void hash_number(uint64_t number) {
    world.hash = (world.hash ^ number) * FNV_PRIME;
    world.hash ^= world.hash >> 29;
}

void world_trace_bytes(const void *data, size_t n) {
    const uint8_t *at = data;
    uint64_t word;
    for (; n >= sizeof word; n -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash_number(word);
    }
    for (; n > 0; n--)
        hash_number(*at++);
}

void world_trace(const char *what, int64_t a, int64_t b) {
    Process *self = world_self();
    world_trace_bytes(what, strlen(what));
    hash_number((uint64_t)world.now_us);
    hash_number((uint64_t)(self == NULL ? 0 : self->number));
    hash_number((uint64_t)a);
    hash_number((uint64_t)b);
    world.steps[world.n_steps++ % world.steps_kept] = (Step){world.now_us, self == NULL ? "-" : self->name, what, a, b};
}

uint64_t world_hash(void) {
    return world.hash;
}

void world_keep_steps(bool all) {
    world.steps_kept = all ? STEPS_KEPT : STEPS_KEPT / 16;
}

uint64_t world_steps(void) {
    return world.n_steps;
}

void world_print_steps(int n_max) {
    uint64_t from = world.n_steps > world.steps_kept ? world.n_steps - world.steps_kept : 0;
    if (world.n_steps - from > (uint64_t)n_max)
        from = world.n_steps - (uint64_t)n_max;
    for (uint64_t i = from; i < world.n_steps; i++) {
        const Step *step = &world.steps[i % world.steps_kept];
        fprintf(stderr, "  %10.6f s  %-14s %-28s %" PRId64 " %" PRId64 "\n", (double)step->us / 1e6, step->who,
                step->what, step->a, step->b);
    }
}

void world_fail(const char *fmt, ...) {
    if (world.failed)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(world.fault, sizeof world.fault, fmt, args);
    va_end(args);
    world.failed = true;
}

const char *world_fault(void) {
    return world.failed ? world.fault : NULL;
}

// ---- time ----------------------------------------------------------------------------------------------------------

int64_t world_us(void) {
    return world.now_us;
}

int64_t world_date_us(void) {
    return BEGAN_US + world.now_us;
}

static int64_t process_now_us(void *self) {
    return BEGAN_US + world.now_us + ((Process *)self)->skew_us;
}

// For who is dead all patience is over.
static int64_t process_monotonic_ms(void *self) {
    Process *process = self;
    if (process->dead)
        process->dead_ms += 1000;
    return 1000000 + process->dead_ms + world.now_us / 1000;
}

static int process_random(void *self, uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(throw_dice(&((Process *)self)->dice) >> 32);
    return 0;
}

// The linker leads all calls of clock_system() here: a process asks its own clock.
const Clock *__wrap_clock_system(void);
const Clock *__real_clock_system(void);
const Clock *__wrap_clock_system(void) {
    return world.present == NULL ? __real_clock_system() : &world.present->process->clock;
}

// ---- fibers --------------------------------------------------------------------------------------------------------

Process *world_self(void) {
    return world.present == NULL ? NULL : world.present->process;
}

Fiber *world_present(void) {
    return world.present;
}

bool world_is_dead(void) {
    return world.present != NULL && world.present->process->dead;
}

bool world_fiber_is_over(const Fiber *fiber) {
    return fiber->over;
}

// Never returns: a fiber that is over is left.
static void begin_fiber(void) {
    Fiber *fiber = world.present;
    fiber->run(fiber->argument);
    fiber->over = true;
    if (fiber->first_of_process)
        fiber->process->ended = true;
    _longjmp(world.scheduler, 1);
}

static char *take_stack(void) {
    if (world.n_stacks > 0)
        return world.stacks[--world.n_stacks];
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(stack != MAP_FAILED);
    return stack;
}

static Fiber *add_fiber(Process *process, WorldRun *run, void *argument) {
    assert(world.n_fibers < FIBERS_MAX);
    Fiber *fiber = calloc(1, sizeof *fiber);
    assert(fiber != NULL);
    *fiber = (Fiber){.process = process, .run = run, .argument = argument, .wake_us = world.now_us};
    fiber->stack = take_stack();
    world.fibers[world.n_fibers++] = fiber;
    return fiber;
}

Fiber *world_fiber(WorldRun *run, void *argument) {
    return add_fiber(world_self(), run, argument);
}

Process *world_process(const char *name, WorldRun *run, void *argument) {
    assert(world.n_processes < PROCESSES_MAX);
    Process *process = calloc(1, sizeof *process);
    assert(process != NULL);
    process->number = world.n_processes + 1;
    process->dice = world_dice(UINT64_MAX);
    snprintf(process->name, sizeof process->name, "%s", name);
    process->clock = (Clock){process_now_us, process_monotonic_ms, process_random, process};
    world.processes[world.n_processes++] = process;
    add_fiber(process, run, argument)->first_of_process = true;
    return process;
}

// The error sentence is its thread's.
static void keep_error(Fiber *fiber) {
    fiber->saved_errno = errno;
    snprintf(fiber->error, sizeof fiber->error, "%s", error_text());
}

static void give_error(const Fiber *fiber) {
    if (strcmp(error_text(), fiber->error) != 0)
        (void)error_fail(ERROR_SYSTEM, "%s", fiber->error);
    errno = fiber->saved_errno;
}

// Runs it up to its next wait.
static void run_fiber(Fiber *fiber) {
    world.present = fiber;
    if (_setjmp(world.scheduler) == 0) {
        if (fiber->begun)
            _longjmp(fiber->at, 1);
        fiber->begun = true;
        getcontext(&fiber->first);
        fiber->first.uc_stack.ss_sp = fiber->stack;
        fiber->first.uc_stack.ss_size = STACK_BYTES;
        fiber->first.uc_link = NULL;
        makecontext(&fiber->first, begin_fiber, 0);
        setcontext(&fiber->first);
    }
    world.present = NULL;
}

// Of the present process, at a wait: it may be the one at which it is killed.
static void count_wait(Process *process);

bool world_wait_until(int64_t us) {
    Fiber *fiber = world.present;
    assert(fiber != NULL);
    Process *process = fiber->process;
    if (process->dead && us != WORLD_NEVER)
        return false;
    if (!process->dead)
        count_wait(process);
    fiber->wake_us = us > world.now_us ? us : world.now_us;
    keep_error(fiber);
    if (_setjmp(fiber->at) == 0)
        _longjmp(world.scheduler, 1);
    give_error(world.present);
    return !world.present->process->dead;
}

bool world_wait(int64_t us) {
    return world_wait_until(world.now_us + us);
}

bool world_wait_random(int64_t us_max) {
    return world_wait((int64_t)world_dice((uint64_t)us_max + 1));
}

void world_wake(Fiber *fiber) {
    int64_t at = world.now_us + (int64_t)world_dice(40);
    if (at < fiber->wake_us)
        fiber->wake_us = at;
}

static void forget_fiber(int i) {
    Fiber *fiber = world.fibers[i];
    world.stacks[world.n_stacks++] = fiber->stack;
    free(fiber);
    world.fibers[i] = world.fibers[--world.n_fibers];
}

// ---- death ---------------------------------------------------------------------------------------------------------

static void kill_now(void *argument, int64_t number) {
    Process *process = argument;
    if (process->number == number && !process->ended)
        world_kill(process);
}

static void count_wait(Process *process) {
    if (process->waits_left > 0 && --process->waits_left == 0)
        world_at(world.now_us, kill_now, process, process->number);
}

// Every fiber of it, in turn, until all are over: each finds that nothing goes any more.
void world_kill(Process *process) {
    assert(world.present == NULL);
    world_trace("killed", process->number, 0);
    process->dead = true;
    for (int round = 0, left = 1; left > 0; round++) {
        assert(round < KILL_ROUNDS_MAX && "a process that was killed does not end");
        left = 0;
        for (int i = 0; i < world.n_fibers; i++) {
            Fiber *fiber = world.fibers[i];
            if (fiber->process != process || fiber->over)
                continue;
            left++;
            run_fiber(fiber);
        }
    }
}

// ---- calls that are due --------------------------------------------------------------------------------------------

static bool is_before(const Call *a, const Call *b) {
    return a->us != b->us ? a->us < b->us : a->order < b->order;
}

void world_at(int64_t us, void (*call)(void *argument, int64_t number), void *argument, int64_t number) {
    if (world.n_calls == world.calls_size) {
        world.calls_size = world.calls_size == 0 ? 256 : 2 * world.calls_size;
        world.calls = realloc(world.calls, world.calls_size * sizeof *world.calls);
        assert(world.calls != NULL);
    }
    Call added = {us > world.now_us ? us : world.now_us, world.order++, call, argument, number};
    size_t i = world.n_calls++;
    for (; i > 0 && is_before(&added, &world.calls[(i - 1) / 2]); i = (i - 1) / 2)
        world.calls[i] = world.calls[(i - 1) / 2];
    world.calls[i] = added;
}

static Call take_call(void) {
    Call first = world.calls[0], last = world.calls[--world.n_calls];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= world.n_calls)
            break;
        if (child + 1 < world.n_calls && is_before(&world.calls[child + 1], &world.calls[child]))
            child++;
        if (!is_before(&world.calls[child], &last))
            break;
        world.calls[i] = world.calls[child];
        i = child;
    }
    world.calls[i] = last;
    return first;
}

// ---- the loop ------------------------------------------------------------------------------------------------------

static int64_t due_us(const Fiber *fiber) {
    int64_t paused = fiber->process->paused_until;
    return fiber->wake_us < paused ? paused : fiber->wake_us;
}

// The one that is due first; among those due at once, any.
static Fiber *next_fiber(void) {
    Fiber *next = NULL;
    unsigned n_equal = 0;
    for (int i = 0; i < world.n_fibers; i++) {
        Fiber *fiber = world.fibers[i];
        if (fiber->over) {
            forget_fiber(i--);
            continue;
        }
        int64_t us = due_us(fiber);
        if (us == WORLD_NEVER || (next != NULL && us > due_us(next)))
            continue;
        n_equal = next != NULL && us == due_us(next) ? n_equal + 1 : 1;
        if (n_equal == 1 || world_dice(n_equal) == 0)
            next = fiber;
    }
    return next;
}

bool world_run(int64_t us, bool (*until)(void)) {
    while (!world.failed && (until == NULL || !until())) {
        Fiber *fiber = next_fiber();
        int64_t fiber_us = fiber == NULL ? WORLD_NEVER : due_us(fiber);
        bool call = world.n_calls > 0 && world.calls[0].us <= fiber_us;
        int64_t next_us = call ? world.calls[0].us : fiber_us;
        if (next_us > us) {
            world.now_us = us > world.now_us ? us : world.now_us;
            break;
        }
        world.now_us = next_us > world.now_us ? next_us : world.now_us;
        if (call) {
            Call due = take_call();
            due.call(due.argument, due.number);
        } else {
            fiber->wake_us = WORLD_NEVER;
            run_fiber(fiber);
        }
    }
    return !world.failed;
}

void world_begin(uint64_t seed) {
    if (world.steps_kept == 0)
        world_keep_steps(false);
    world.dice = seed * 0x2545f4914f6cdd1dull + 1;
    world.hash = FNV_BASIS;
    world.n_steps = world.order = 0;
    world.now_us = 0;
    world.n_calls = 0;
    world.failed = false;
    for (int i = 0; i < 4; i++)
        throw_dice(&world.dice);
}

void world_end(void) {
    for (int i = 0; i < world.n_processes; i++) {
        if (!world.processes[i]->ended)
            world_kill(world.processes[i]);
    }
    while (world.n_fibers > 0)
        forget_fiber(0);
    for (int i = 0; i < world.n_processes; i++)
        free(world.processes[i]);
    world.n_processes = 0;
}
