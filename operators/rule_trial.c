// SPDX-License-Identifier: Apache-2.0
//
// `dongbo rules try`: what other rules would say of events that were taken in already. Each past event is verified
// twice by the broker's own code, under the rules that hold and under those that are tried, as of the time when it came
// against the population store as it is now and beside the records that were held then; what differs is counted. What
// the tried rules would have refused before is held all the same. Changes nothing, and tells of no citizen.
#include "broker/decide.h"
#include "broker/learnt.h"
#include "broker/lookup.h"
#include "broker/lookup_bearers.h"
#include "broker/segment.h"
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/names.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "operators/since.h"
#include "operators/trimmed.h"
#include "operators/unstored.h"
#include "proto/reason.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEARNT_ARENA_BYTES ((size_t)4 * 1024 * 1024)
#define TRIAL_ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define PAGE_STATEMENT                                                                                                 \
    "SELECT first_position, agency, stored_at_us, batch, last_position FROM exchange.segment WHERE first_position >= " \
    "coalesce((SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1), 0) "                      \
    "AND last_position >= $1 AND kind = 1 AND batch IS NOT NULL ORDER BY first_position LIMIT 8"
static const PgStatement PAGE = {"trial_page", PAGE_STATEMENT, 1, NULL};

// One kind of difference: of one agency in one domain, from one verdict and its first reason to another.
typedef struct Difference {
    uint32_t agency;
    int domain, now, now_reason, then, then_reason;
    uint64_t count;
    int64_t example; // position of the first one
} Difference;

typedef struct Trial {
    Pg *exchange, *population;
    Names *names;
    const Rules *now, *then;
    Arena *arena; // of what was learnt
    Learnt learnt;
    Work work; // of one batch at a time; only what verifying needs is filled in
    Difference *differences;
    size_t n, size;
    int64_t next;
    uint64_t events, changed, unreadable;
    Progress progress;
} Trial;

static void trial_free(Trial *trial) {
    names_destroy(&trial->names);
    arena_destroy(&trial->work.arena);
    arena_destroy(&trial->arena);
    free(trial->differences);
}

// ---- counting -----------------------------------------------------------------------------------------------------

static int reason_of(const Decision *decision) {
    return decision->n_reasons ? decision->reasons[0].code : 0;
}

static bool is_same(const Decision *a, const Decision *b) {
    if (a->verdict != b->verdict || a->n_reasons != b->n_reasons)
        return false;
    for (size_t i = 0; i < a->n_reasons; i++)
        if (a->reasons[i].code != b->reasons[i].code || strcmp(a->reasons[i].field, b->reasons[i].field) != 0)
            return false;
    return true;
}

// The reason that tells them apart: the first that the other does not give, else the first.
static int telling_reason(const Decision *of, const Decision *other) {
    for (size_t i = 0; i < of->n_reasons; i++) {
        bool there = false;
        for (size_t j = 0; j < other->n_reasons; j++)
            there = there || other->reasons[j].code == of->reasons[i].code;
        if (!there)
            return of->reasons[i].code;
    }
    return reason_of(of);
}

static int note(Trial *trial, const Item *now, const Item *then, int64_t position) {
    Difference key = {.agency = trial->work.agency->grants.agency,
                      .domain = now->domain,
                      .now = now->decision.verdict,
                      .now_reason = telling_reason(&now->decision, &then->decision),
                      .then = then->decision.verdict,
                      .then_reason = telling_reason(&then->decision, &now->decision),
                      .example = position};
    trial->changed++;
    for (size_t i = 0; i < trial->n; i++) {
        Difference *at = &trial->differences[i];
        if (at->agency == key.agency && at->domain == key.domain && at->now == key.now && at->then == key.then &&
            at->now_reason == key.now_reason && at->then_reason == key.then_reason) {
            at->count++;
            return 0;
        }
    }
    if (trial->n == trial->size) {
        size_t size = trial->size ? 2 * trial->size : 64;
        Difference *more = realloc(trial->differences, size * sizeof *more);
        if (!more)
            return error_fail(ERROR_MEMORY, "no memory for the differences");
        trial->differences = more;
        trial->size = size;
    }
    key.count = 1;
    trial->differences[trial->n++] = key;
    return 0;
}

// ---- a batch ------------------------------------------------------------------------------------------------------

// The batch's events as items, with what one set of rules says of their form.
static int read_forms(Work *work, const DecideContext *context, const Dongbo__SealedBatch *sealed, Item **ret) {
    *ret = work->items = decide_items_new(work, sealed->n_events);
    if (!work->items)
        return error_fail(ERROR_MEMORY, "a batch of %zu events does not fit", sealed->n_events);
    work->n_items = sealed->n_events;
    for (size_t i = 0; i < work->n_items; i++)
        work->items[i].bytes = sealed->events[i];
    return decide_forms(context, work);
}

// Looked up through `now`, which work holds, for both: rules do not change whom an event names.
static int find_persons(Trial *trial, Item *now, Item *then) {
    for (size_t i = 0; i < trial->work.n_items; i++)
        now[i].wanted = decide_wants_person(&now[i]) || decide_wants_person(&then[i]);
    int r = lookup_persons(trial->population, &trial->work);
    if (r == 0)
        r = lookup_bearers(trial->exchange, trial->population, &trial->work);
    for (size_t i = 0; i < trial->work.n_items; i++) {
        then[i].person = now[i].person;
        then[i].bearers = now[i].bearers;
        then[i].insured = now[i].insured;
    }
    return r;
}

// Whoever is meant without a usable number is looked for once, where one of the two rules might accept it by that.
static int find_others(Trial *trial, const DecideContext *hold, const DecideContext *tried, Item *then) {
    Work *work = &trial->work;
    bool any = false;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *now = &work->items[i];
        now->wanted = decide_may_adopt(hold, work, now) || decide_may_adopt(tried, work, &then[i]);
        any = any || now->wanted;
    }
    int r = any ? lookup_candidates(trial->population, trial->now, NULL, work) : 0;
    for (size_t i = 0; i < work->n_items; i++)
        then[i].found = work->items[i].found;
    return r;
}

typedef struct Moment {
    Pg *exchange;
    int64_t us, position;
} Moment;

static int look_up_before(void *of, Work *work) {
    const Moment *at = of;
    return lookup_neighbours(at->exchange, work, at->position);
}

// Beside the person's other records, as they stood before the batch. Only what rules say is compared: whether an event
// was new to the exchange does not depend on them.
static int decide_all(const DecideContext *context, Work *work, Moment at) {
    int r = decide_found(context, work);
    return r == 0 ? unstored_judge(context, work, look_up_before, &at) : r;
}

static int verify_twice(Trial *trial, const Dongbo__SealedBatch *sealed, Moment at, Item **now, Item **then) {
    const DecideContext hold = {trial->now, at.us}, tried = {trial->then, at.us};
    Work *work = &trial->work;
    int r = read_forms(work, &hold, sealed, now);
    if (r == 0)
        r = read_forms(work, &tried, sealed, then);
    work->items = *now;
    if (r == 0)
        r = find_persons(trial, *now, *then);
    if (r == 0)
        r = decide_persons(&hold, work);
    work->items = *then;
    if (r == 0)
        r = decide_persons(&tried, work);
    work->items = *now;
    if (r == 0)
        r = find_others(trial, &hold, &tried, *then);
    if (r == 0)
        r = decide_all(&hold, work, at);
    work->items = *then;
    return r == 0 ? decide_all(&tried, work, at) : r;
}

static int try_batch(Trial *trial, const PGresult *rows, int row) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, 3, &n);
    Agency agency = {.grants = {.agency = (uint32_t)pg_i32(rows, row, 1), .domains = UINT32_MAX}};
    int r = names_refresh(trial->names, trial->exchange, agency.grants.agency);
    if (r < 0)
        return r;
    agency.grants.code = names_agency(trial->names, agency.grants.agency);
    agency.weights = learnt_find(&trial->learnt, agency.grants.agency);
    arena_reset(trial->work.arena);
    trial->work.agency = &agency;
    int64_t position = pg_i64(rows, row, 0), last = pg_i64(rows, row, 4);
    const Dongbo__SealedBatch *sealed =
        segment_decode_batch(bytes, n, (uint64_t)(last - position + 1), trial->work.arena);
    if (!sealed) { // it was stored as it came, and answered so
        trial->unreadable++;
        return 0;
    }
    Item *now = NULL, *then = NULL;
    r = verify_twice(trial, sealed, (Moment){trial->exchange, pg_i64(rows, row, 2), position}, &now, &then);
    for (size_t i = 0; r == 0 && i < sealed->n_events; i++) {
        trial->events++;
        if (!is_same(&now[i].decision, &then[i].decision))
            r = note(trial, &now[i], &then[i], position + (int64_t)i);
    }
    trial->work.agency = NULL;
    return r;
}

static int try_all(Trial *trial) {
    int r = 0;
    progress_begin(&trial->progress);
    for (int n = 1; r == 0 && n > 0;) {
        RESULT rows = NULL;
        PgParams params = {0};
        pg_param_i64(&params, trial->next);
        r = pg_run(trial->exchange, &PAGE, &params, &rows);
        pg_params_free(&params);
        n = r == 0 ? PQntuples(rows) : 0;
        for (int row = 0; r == 0 && row < n; row++) {
            r = try_batch(trial, rows, row);
            trial->next = pg_i64(rows, row, 4) + 1;
            progress_show(&trial->progress, "tried on", trial->events, "events");
        }
    }
    progress_end();
    return r;
}

// ---- the answer ---------------------------------------------------------------------------------------------------

static int by_count(const void *left, const void *right) {
    const Difference *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return a->example < b->example ? -1 : 1;
}

static const char *name_of_reason(int code) {
    return code ? reason_find(code)->name : "";
}

static int print_json(const Trial *trial) {
    json_t *list = json_array();
    for (size_t i = 0; i < trial->n; i++) {
        const Difference *at = &trial->differences[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "domain", domain_name(at->domain),
                                        "agency", names_agency(trial->names, at->agency), "verdict",
                                        verdict_name(at->now), "reason", name_of_reason(at->now_reason), "would_be",
                                        verdict_name(at->then), "would_be_reason", name_of_reason(at->then_reason),
                                        "events", (json_int_t)at->count, "example", (json_int_t)at->example));
    }
    json_t *answer =
        json_pack("{s:I, s:I, s:I, s:o}", "events", (json_int_t)trial->events, "would_change",
                  (json_int_t)trial->changed, "unreadable_batches", (json_int_t)trial->unreadable, "differences", list);
    return answer_print(answer, 0);
}

static int print_table(const Trial *trial) {
    printf("%" PRIu64 " events, %" PRIu64 " would be answered otherwise\n", trial->events, trial->changed);
    if (trial->unreadable)
        printf("%" PRIu64 " batches were unreadable when they came, and are left out\n", trial->unreadable);
    if (!trial->n)
        return 0;
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 6);
    if (r < 0)
        return r;
    printf("\n");
    columns_add(columns, (const char *[]){"EVENTS", "DOMAIN", "AGENCY", "NOW", "WOULD BE", "EXAMPLE AT"});
    for (size_t i = 0; i < trial->n; i++) {
        const Difference *at = &trial->differences[i];
        char count[24], example[24], now[96], then[96];
        snprintf(count, sizeof count, "%" PRIu64, at->count);
        snprintf(example, sizeof example, "%" PRId64, at->example);
        snprintf(now, sizeof now, "%s %s", verdict_name(at->now), name_of_reason(at->now_reason));
        snprintf(then, sizeof then, "%s %s", verdict_name(at->then), name_of_reason(at->then_reason));
        columns_add(columns, (const char *[]){count, domain_name(at->domain), names_agency(trial->names, at->agency),
                                              now, then, example});
    }
    return columns_print(columns, stdout);
}

static int trial_run(Desk *desk, Trial *trial, const char *since) {
    int r = desk_rules(desk, &trial->now);
    if (r == 0)
        r = desk_exchange(desk, &trial->exchange);
    if (r == 0)
        r = desk_population(desk, &trial->population);
    if (r == 0)
        r = names_read(&trial->names, trial->exchange);
    if (r == 0 && since)
        r = since_find(trial->exchange, since, &trial->next);
    if (r == 0)
        r = trimmed_note(trial->exchange, trial->next);
    if (r == 0)
        r = arena_new(&trial->arena, LEARNT_ARENA_BYTES);
    if (r == 0)
        r = learnt_read(trial->exchange, trial->arena, &trial->learnt);
    if (r == 0)
        r = arena_new(&trial->work.arena, TRIAL_ARENA_BYTES);
    if (r == 0)
        r = try_all(trial);
    if (r == 0 && trial->n)
        qsort(trial->differences, trial->n, sizeof *trial->differences, by_count);
    return r;
}

int rule_trial_run(Desk *desk, int argc, char **argv) {
    bool json = false;
    const char *since = NULL;
    int operand = 0;
    const Option options[] = {
        {"since", 0, OPTION_TEXT, "TIME|POSITION", "events from there on, instead of all", &since},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &json},
        {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    CLEANUP(rules_destroy) Rules *tried = NULL;
    r = rules_load(&tried, argv[operand]);
    if (r < 0)
        return r;
    CLEANUP(trial_free) Trial trial = {.then = tried};
    r = trial_run(desk, &trial, since);
    if (r < 0)
        return r;
    return json ? print_json(&trial) : print_table(&trial);
}
