// SPDX-License-Identifier: Apache-2.0
//
// Runs seeds: of each a plan, a storm of faults while everybody works, then calm, in which all must come right by
// itself; and what the truth says of it.
#include "base.h"
#include "disk.h"
#include "parties.h"
#include "tape.h"
#include "truth.h"
#include "wire.h"

#include "broker/touched.h"
#include "broker/written.h"

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/mistake.h"

#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000LL
#define CALM_US (300 * SECOND)
#define LOOK_US 50000
#define SET_BACK_US (6 * SECOND) // sooner nobody sets back what was just set back: an epoch is a second's

typedef struct Storm {
    unsigned often; // faults, per second and million
    int64_t until_us;
} Storm;

Mistake simulated_mistake;
static const char *const MISTAKE_NAMES[MISTAKES] = {"none",
                                                    "ack-before-commit",
                                                    "position-before-lock",
                                                    "sequence-unchecked",
                                                    "root-unchecked",
                                                    "epoch-unchecked",
                                                    "population-unchecked",
                                                    "credit-kept",
                                                    "epoch-kept",
                                                    "left-untold",
                                                    "first-head-late",
                                                    "death-unjudged",
                                                    "unfollowed-untold",
                                                    "homes-untold",
                                                    "stale-followed"};

static struct Run {
    uint64_t seed;
    Storm storm;
    bool loud, quiet, hostile, moves, backed_up;
    bool cuts_move; // the next one that the population store takes
    const char *missing;
    int64_t set_back_us;
    int64_t looked_us; // at whether all is settled
} run;

// The programs' own log lines, where somebody wants to read them.
void __wrap_log_line(LogLevel level, const char *fmt, ...);
void __wrap_log_line(LogLevel level, const char *fmt, ...) {
    if (!run.loud)
        return;
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%10.6f s  %-14s ", (double)world_us() / 1e6, world_self() == NULL ? "-" : world_self()->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

// Small, so that they are full now and then, and forget; and quick to clear.
#define TOUCHED_MAX 32
#define WRITTEN_MAX 32
#define WRITTEN_BYTES_MAX 16384
int __wrap_touched_new(Touched **ret, size_t n_max);
int __real_touched_new(Touched **ret, size_t n_max);
int __wrap_touched_new(Touched **ret, size_t n_max) {
    return __real_touched_new(ret, TOUCHED_MAX);
}
int __wrap_written_new(Written **ret, size_t n_max, size_t bytes_max);
int __real_written_new(Written **ret, size_t n_max, size_t bytes_max);
int __wrap_written_new(Written **ret, size_t n_max, size_t bytes_max) {
    return __real_written_new(ret, WRITTEN_MAX, WRITTEN_BYTES_MAX);
}

// So little credit that it is used up, and must come back.
#define WINDOW_BYTES 2500
uint64_t __wrap_queue_window(size_t n_sessions, size_t n_of_connection);
uint64_t __wrap_queue_window(size_t n_sessions, size_t n_of_connection) {
    return WINDOW_BYTES;
}

// So few positions that a committee is ahead of what was released when a copy was made.
#define RELEASE_BLOCK 5
uint64_t __wrap_feed_account_bound(uint64_t position);
uint64_t __wrap_feed_account_bound(uint64_t position) {
    return position + RELEASE_BLOCK;
}

// ---- the storm -----------------------------------------------------------------------------------------------------

static Party *any_party(PartyKind kind) {
    size_t n = parties_count(), from = world_dice(n);
    for (size_t i = 0; i < n; i++) {
        Party *party = party_at((from + i) % n);
        if (party_kind(party) == kind)
            return party;
    }
    return NULL;
}

static void jump_clock(Party *party) {
    Process *process = party_process(party);
    if (process != NULL)
        process->skew_us = ((int64_t)world_dice(7200) - 3600) * SECOND;
}

static void pause_party(Party *party) {
    Process *process = party_process(party);
    if (process != NULL)
        process->paused_until = world_us() + (int64_t)world_dice(9 * SECOND);
}

static Party *centre(void) {
    for (size_t i = 0; i < parties_count(); i++) {
        if (party_is_centre(party_at(i)))
            return party_at(i);
    }
    return NULL;
}

// The exchange's database, and the population store's beside it or not.
static void set_back_base(void *argument, int64_t number) {
    if (!run.backed_up || world_us() >= run.storm.until_us || world_us() < run.set_back_us + SET_BACK_US)
        return;
    run.set_back_us = world_us();
    truth_set_back_base();
    parties_forget_lists();
    bool population = world_dice(2) == 0;
    base_set_back(population, world_dice(2) == 0, world_us() + (int64_t)world_dice(3 * SECOND));
    if (run.moves && !population && world_dice(2) == 0) // what the log forgot comes again in another stream
        party_lose(centre());
}

// Which may be what it is set back to soon, as by failing over to a standby that lagged.
static void back_up_base(void) {
    truth_back_up_base();
    base_back_up();
    run.backed_up = true;
    if (world_dice(2) != 0)
        return;
    int64_t at = world_us() + (int64_t)world_dice(5 * SECOND);
    world_at(at, set_back_base, NULL, 0);
    if (run.moves && world_dice(2) == 0) // who hears nothing meanwhile is not ahead, and goes on
        wire_isolate(party_name(any_party(PARTY_COMMITTEE)), WIRE_CUT_BOTH, at + (int64_t)world_dice(3 * SECOND));
}

// The population store has a move, and the log's transaction comes to nothing, with whoever would do it again; and
// mostly what said so is gone with its stream, and comes again in another one.
static void cut_move(void *argument, int64_t number) {
    for (size_t i = 0; i < parties_count(); i++) {
        if (party_kind(party_at(i)) == PARTY_BROKER)
            party_kill(party_at(i), 0, (int64_t)world_dice(SECOND), false);
    }
    if (world_dice(4) != 0 && world_us() < run.storm.until_us)
        party_lose(centre());
}

static void on_move(void) {
    if (!run.cuts_move)
        return;
    run.cuts_move = false;
    world_at(world_us(), cut_move, NULL, 0);
}

static void strike(void) {
    int64_t now = world_us();
    Party *any = party_at(world_dice(parties_count())), *agent = any_party(PARTY_AGENT);
    uint64_t what = world_dice(24);
    world_trace("fault", (int64_t)what, 0);
    switch (what) {
    case 0: // fallthrough
    case 1:
    case 2:
        party_kill(any_party(PARTY_BROKER), 1 + (int64_t)world_dice(400), (int64_t)world_dice(4 * SECOND), false);
        break;
    case 3:
    case 4:
        party_kill(agent, 1 + (int64_t)world_dice(60), (int64_t)world_dice(3 * SECOND), world_dice(2) == 0);
        break;
    case 5:
        party_kill(any_party(PARTY_COMMITTEE), 1 + (int64_t)world_dice(40), (int64_t)world_dice(3 * SECOND), false);
        break;
    case 6:
        base_restart(world_dice(2) == 0, now + (int64_t)world_dice(3 * SECOND));
        break;
    case 7:
        wire_isolate(party_name(any), (WireCut)world_dice(3), now + (int64_t)world_dice(25 * SECOND));
        break;
    case 8:
        pause_party(any);
        break;
    case 9:
        jump_clock(any);
        break;
    case 10:
        party_fill_disk(agent, now + (int64_t)world_dice(5 * SECOND));
        break;
    case 11:
    case 12:
        party_back_up(agent);
        break;
    case 13:
        party_set_back(agent);
        break;
    case 14:
        back_up_base();
        break;
    case 15:
        if (world_dice(4) == 0)
            set_back_base(NULL, 0);
        break;
    case 16:
        if (world_dice(4) == 0)
            party_lose(agent);
        break;
    case 17: // fallthrough
    case 19:
        party_want_snapshot(any_party(PARTY_COMMITTEE));
        break;
    case 18:
        base_trim();
        break;
    case 20: // fallthrough
    case 21:
        run.cuts_move = true;
        break;
    default:
        party_kill(any, 0, (int64_t)world_dice(SECOND), true);
    }
}

static void storm_on(void *argument, int64_t number) {
    if (world_us() >= run.storm.until_us)
        return;
    if (run.storm.often > 0)
        strike();
    world_at(world_us() + (int64_t)world_dice((uint64_t)(2 * SECOND)) * 1000000 / (run.storm.often + 1), storm_on, NULL,
             0);
}

// ---- one seed ------------------------------------------------------------------------------------------------------

static bool is_settled(void) {
    if (world_us() < run.looked_us + LOOK_US)
        return false;
    run.looked_us = world_us();
    for (size_t i = 0; i < parties_count(); i++) {
        run.missing = party_missing(party_at(i));
        if (run.missing != NULL)
            return false;
    }
    run.missing = truth_missing();
    return run.missing == NULL;
}

static void calm_down(void) {
    world_trace("calm", 0, 0);
    run.cuts_move = false;
    wire_calm();
    base_calm();
    disk_calm();
    parties_calm();
}

static void begin(uint64_t seed) {
    world_keep_steps(run.loud);
    world_begin(seed);
    bool faults = world_dice(10) != 0, hostile = world_dice(8) == 0;
    unsigned heat = faults ? 1 + (unsigned)world_dice(4) : 0;
    base_begin(&(BaseFaults){.latency_us_max = 100 + (int64_t)world_dice(3000), .cut = heat * 300});
    wire_begin(&(WireFaults){.delay_us_max = 200 + (int64_t)world_dice(20000),
                             .cut = heat * 3000,
                             .late = 500000,
                             .stale = heat * 100000,
                             .twice = hostile ? 20000 : 0,
                             .reordered = hostile ? 20000 : 0});
    unsigned bad_disk = world_dice(4) == 0 ? 40 : 1;
    disk_begin(&(DiskFaults){.write = heat * 300 * bad_disk, .sync = heat * 300 * bad_disk});
    run.moves = world_dice(2) == 0;
    truth_begin(&(TruthPlan){.told = !hostile, .moves = run.moves, .deaths = world_dice(2) == 0});
    parties_begin(&(PartiesPlan){.n_brokers = 1 + (int)world_dice(3),
                                 .n_agents = 2 + (int)world_dice(3),
                                 .n_committees = 1 + (int)world_dice(2),
                                 .provinces = run.moves && world_dice(4) != 0,
                                 .follows = world_dice(2) == 0});
    base_tape_known();
    base_tape_beginning();
    run.hostile = hostile;
    run.backed_up = run.cuts_move = false;
    run.set_back_us = 0;
    base_observe_moves(on_move);
    run.storm = (Storm){.often = heat * 250000, .until_us = (15 + (int64_t)world_dice(20)) * SECOND};
    world_at(SECOND, storm_on, NULL, 0);
}

static void end(void) {
    world_end();
    parties_end();
    truth_end();
    wire_end();
    disk_end();
    base_end();
}

// NULL, or what was found. *ret_hash: of all that happened.
static const char *run_seed(uint64_t seed, uint64_t *ret_hash) {
    static char fault[600];
    run.seed = seed;
    run.missing = NULL;
    run.looked_us = 0;
    begin(seed);
    if (world_run(run.storm.until_us, NULL)) {
        calm_down();
        world_run(run.storm.until_us + CALM_US, is_settled);
        if (world_fault() == NULL && run.missing != NULL)
            world_fail("it does not come right by itself: %s", run.missing);
        if (world_fault() == NULL)
            truth_judge();
    }
    const char *found = world_fault();
    if (found != NULL)
        snprintf(fault, sizeof fault, "%s", found);
    *ret_hash = world_hash();
    if (found != NULL && !run.quiet)
        world_print_steps(run.loud ? 60000 : 40);
    if (run.loud)
        truth_print();
    end();
    return found == NULL ? NULL : fault;
}

// ---- the program ---------------------------------------------------------------------------------------------------

static double cpu_s(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

static struct Arguments {
    uint64_t from, to;
    bool json, mistakes, twice;
    const char *record;
} arguments = {.from = 1, .to = 1000};

static int mistake_by_name(const char *name) {
    for (int i = 0; i < MISTAKES; i++) {
        if (strcmp(MISTAKE_NAMES[i], name) == 0)
            return i;
    }
    return -1;
}

static int read_argument(const char *text) {
    int mistake = strncmp(text, "--mistake=", 10) == 0 ? mistake_by_name(text + 10) : -1;
    if (strcmp(text, "--loud") == 0)
        run.loud = true;
    else if (strcmp(text, "--json") == 0)
        arguments.json = true;
    else if (strcmp(text, "--twice") == 0)
        arguments.twice = true;
    else if (strncmp(text, "--record=", 9) == 0)
        arguments.record = text + 9;
    else if (strcmp(text, "--mistakes") == 0)
        arguments.mistakes = run.quiet = true;
    else if (mistake >= 0)
        simulated_mistake = (Mistake)mistake;
    else if (sscanf(text, "%" SCNu64 ":%" SCNu64, &arguments.from, &arguments.to) != 2) {
        if (sscanf(text, "%" SCNu64, &arguments.from) != 1)
            return 1;
        arguments.to = arguments.from;
    }
    return 0;
}

static void say(uint64_t seed, uint64_t hash, const char *fault) {
    if (fault != NULL) {
        fprintf(stderr, "seed %" PRIu64 " failed%s: %s\n", seed, run.hostile ? ", on a hostile network" : "", fault);
        fprintf(stderr, "the same again: tests/simulation/run --seeds %" PRIu64 " --loud\n", seed);
    }
    if (!arguments.json && arguments.from == arguments.to)
        printf("seed %" PRIu64 ": trace %016" PRIx64 "\n", seed, hash);
}

static bool is_same_again(uint64_t seed, uint64_t hash) {
    uint64_t again;
    run_seed(seed, &again);
    return hash == again;
}

// 1 when some seed failed.
static int run_seeds(void) {
    uint64_t failed = 0, first_failed = 0, steps = 0, all = 0, n = arguments.to - arguments.from + 1;
    double began = cpu_s();
    for (uint64_t seed = arguments.from; seed <= arguments.to; seed++) {
        uint64_t hash;
        const char *fault = run_seed(seed, &hash);
        if (fault == NULL && arguments.twice && !is_same_again(seed, hash))
            fault = "it did not go the same way twice";
        steps += world_steps();
        all = all * 31 + hash;
        say(seed, hash, fault);
        if (fault != NULL && failed++ == 0)
            first_failed = seed;
    }
    TruthCounts counts = truth_counts();
    if (arguments.json)
        printf("{\"seeds\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"first_failed\": %" PRIu64 ", \"steps\": %" PRIu64
               ", \"acknowledged\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"doubled\": %" PRIu64
               ", \"trace\": \"%016" PRIx64 "\", \"cpu_s\": %.1f}\n",
               n, failed, first_failed, steps, counts.acknowledged, counts.lost, counts.doubled, all, cpu_s() - began);
    else
        printf("%" PRIu64 " seeds, %" PRIu64 " failed, %" PRIu64 " steps, trace %016" PRIx64 ", %.1f s; %" PRIu64
               " events acknowledged, %" PRIu64 " lost, %" PRIu64 " doubled\n",
               n, failed, steps, all, cpu_s() - began, counts.acknowledged, counts.lost, counts.doubled);
    return failed > 0;
}

// Each mistake by itself, until a seed finds it. 1 when one is not found.
static int run_mistakes(void) {
    int missed = 0;
    for (int mistake = 1; mistake < MISTAKES; mistake++) {
        const char *fault = NULL;
        uint64_t seed = arguments.from, hash;
        simulated_mistake = (Mistake)mistake;
        for (; fault == NULL && seed <= arguments.to; seed++)
            fault = run_seed(seed, &hash);
        missed += fault == NULL;
        uint64_t found = fault == NULL ? 0 : seed - 1;
        if (arguments.json)
            printf("%s\"%s\": %" PRIu64, mistake == 1 ? "{" : ", ", MISTAKE_NAMES[mistake], found);
        else
            printf("%-22s %6" PRIu64 "  %s\n", MISTAKE_NAMES[mistake], found, fault == NULL ? "not found" : fault);
        fflush(stdout);
    }
    if (arguments.json)
        printf("}\n");
    return missed > 0;
}

int main(int argc, char **argv) {
    const char *schemas = getenv("DONGBO_SCHEMAS");
    int wrong = 0;
    for (int i = 1; i < argc; i++)
        wrong += read_argument(argv[i]);
    bool one = arguments.from == arguments.to && !arguments.twice && !arguments.mistakes;
    if (wrong > 0 || arguments.from > arguments.to || (arguments.record != NULL && !one)) {
        fprintf(stderr, "usage: simulate [A:B] [--loud] [--json] [--twice] [--mistakes] [--mistake=NAME]\n"
                        "       simulate SEED --record=FILE\n");
        return 2;
    }
    if (arguments.record != NULL && tape_open(arguments.record) < 0) {
        fprintf(stderr, "%s\n", error_text());
        return 2;
    }
    // What one seed gives back the next one takes: nothing goes to the system meanwhile.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    disk_install();
    parties_open(schemas == NULL ? "schemas" : schemas);
    truth_open();
    int result = arguments.mistakes ? run_mistakes() : run_seeds();
    if (tape_close() < 0) {
        fprintf(stderr, "%s\n", error_text());
        result = 2;
    }
    truth_close();
    parties_close();
    disk_remove();
    return result;
}
