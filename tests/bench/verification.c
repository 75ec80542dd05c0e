// SPDX-License-Identifier: Apache-2.0
//
// What verification costs beside the plain look-up of persons by number: the events of a CSV file, decoded as the
// broker decodes them, in batches; of each batch first the one and then the other, or the other way round. One JSON
// object on standard output. Stores nothing.
//   bench-verification EVENTS.csv MAPPING.yaml SCHEMAS POPULATION-CONNINFO EXCHANGE-CONNINFO
#include "broker/decide.h"
#include "broker/lookup.h"
#include "broker/lookup_bearers.h"
#include "broker/stats.h"
#include "operators/event_file.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <stdio.h>

#define BATCH 1000
#define ARENA_BYTES ((size_t)512 * 1024 * 1024)

typedef struct Bench {
    EventFile *file;
    Rules *rules;
    Pg *population, *exchange;
    Arena *arena;
    Agency agency;
    Work work;
    DecideContext context;
    uint64_t events, searched, verdicts[DONGBO__VERDICT__REJECTED + 1];
    uint64_t form_ns, look_up_ns, verify_ns;
} Bench;

static void bench_free(Bench *bench) {
    event_file_close(&bench->file);
    rules_destroy(&bench->rules);
    pg_destroy(&bench->population);
    pg_destroy(&bench->exchange);
    arena_destroy(&bench->arena);
}

// 1 at the end of the file.
static int read_batch(Bench *bench) {
    Work *work = &bench->work;
    EventRow row;
    int result = 0;
    arena_reset(bench->arena);
    *work = (Work){.kind = WORK_BATCH, .arena = bench->arena, .agency = &bench->agency};
    work->items = decide_items_new(work, BATCH);
    if (work->items == NULL)
        return error_fail(ERROR_MEMORY, "%d events do not fit", BATCH);
    while (work->n_items < BATCH && (result = event_file_next(bench->file, bench->arena, &row)) == 0) {
        if (row.code == 0)
            work->items[work->n_items++].bytes = row.bytes;
    }
    return result;
}

static void want_persons(Work *work) {
    for (size_t i = 0; i < work->n_items; i++) {
        work->items[i].person = NULL;
        work->items[i].wanted = decide_wants_person(&work->items[i]);
    }
}

static int look_up(Bench *bench) {
    uint64_t since = stats_now();
    want_persons(&bench->work);
    int result = lookup_persons(bench->population, &bench->work);
    bench->look_up_ns += stats_now() - since;
    return result;
}

static int search(Bench *bench) {
    Work *work = &bench->work;
    uint64_t searched = 0;
    for (size_t i = 0; i < work->n_items; i++) {
        work->items[i].wanted = decide_wants_search(work, &work->items[i]);
        searched += work->items[i].wanted;
    }
    bench->searched += searched;
    int result = searched == 0 ? 0 : lookup_candidates(bench->population, bench->rules, NULL, work);
    return result < 0 ? result : decide_found(&bench->context, work);
}

// As broker/prepare.c goes about it, up to the verdict on the person.
static int verify(Bench *bench) {
    uint64_t since = stats_now();
    want_persons(&bench->work);
    int result = lookup_persons(bench->population, &bench->work);
    if (result == 0)
        result = lookup_bearers(bench->exchange, bench->population, &bench->work);
    if (result == 0)
        result = decide_persons(&bench->context, &bench->work);
    if (result == 0)
        result = search(bench);
    bench->verify_ns += stats_now() - since;
    return result;
}

static int measure(Bench *bench, bool look_up_first) {
    uint64_t since = stats_now();
    int result = decide_forms(&bench->context, &bench->work);
    bench->form_ns += stats_now() - since;
    if (result == 0 && look_up_first)
        result = look_up(bench);
    if (result == 0)
        result = verify(bench);
    if (result == 0 && !look_up_first)
        result = look_up(bench);
    bench->events += bench->work.n_items;
    for (size_t i = 0; i < bench->work.n_items; i++)
        bench->verdicts[bench->work.items[i].decision.verdict]++;
    return result;
}

static int run(Bench *bench) {
    bool look_up_first = true;
    for (int end = 0; end == 0; look_up_first = !look_up_first) {
        end = read_batch(bench);
        int result = end < 0 ? end : measure(bench, look_up_first);
        if (result < 0)
            return result;
    }
    return 0;
}

static int open_all(Bench *bench, char **words) {
    const EventFileOptions options = {words[0], words[1], "BENCH", ',', NULL};
    bench->agency.grants = (Grants){.code = "BENCH", .domains = UINT32_MAX};
    int result = rules_load(&bench->rules, words[2]);
    if (result == 0)
        result = event_file_open(&bench->file, &options);
    if (result == 0)
        result = arena_new(&bench->arena, ARENA_BYTES);
    if (result == 0)
        result = pg_new(&bench->population, words[3], "bench population");
    if (result == 0)
        result = pg_new(&bench->exchange, words[4], "bench exchange");
    if (result == 0)
        result = lookup_connect(bench->population);
    if (result == 0)
        result = lookup_connect(bench->exchange);
    bench->context = (DecideContext){.rules = bench->rules, .now_us = clock_now_us(clock_system())};
    return result;
}

static void print(const Bench *bench) {
    double events = bench->events == 0 ? 1 : (double)bench->events;
    printf("{\"events\": %" PRIu64 ", \"searched\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"form_us\": %.2f, "
           "\"look_up_us\": %.2f, \"verification_us\": %.2f, \"ratio\": %.3f}\n",
           bench->events, bench->searched, bench->verdicts[DONGBO__VERDICT__ACCEPTED],
           (double)bench->form_ns / 1000 / events, (double)bench->look_up_ns / 1000 / events,
           (double)bench->verify_ns / 1000 / events, (double)bench->verify_ns / (double)(bench->look_up_ns + 1));
}

int main(int argc, char **argv) {
    CLEANUP(bench_free) Bench bench = {0};
    if (argc != 6) {
        fprintf(stderr, "bench-verification EVENTS.csv MAPPING.yaml SCHEMAS POPULATION-CONNINFO EXCHANGE-CONNINFO\n");
        return 2;
    }
    int result = open_all(&bench, argv + 1);
    if (result == 0)
        result = run(&bench);
    if (result < 0) {
        fprintf(stderr, "bench-verification: %s\n", error_text());
        return 1;
    }
    print(&bench);
    return 0;
}
