// SPDX-License-Identifier: Apache-2.0
//
// The broker's way of a batch into PostgreSQL, on a server of the test's own (with-postgres): looked up, decided,
// stored in a transaction. Whatever call fails, the log has all of the batch or nothing, and doing it again, as the
// writer does, stores it once: what is there already is found to be a duplicate.
//
// Two kinds of batches, the next one of its stream each time: doses of somebody who is known, of somebody else, of
// nobody; and registrations, which change the population store before they are logged, and change it once.
#include "broker/prepare.h"
#include "broker/transaction.h"
#include "proto/base/error.h"
#include "tests/failing/report.h"
#include "tests/failing/store-case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 6

// What is there of all that a batch changes, as many numbers: of the log, and behind those of the population store.
enum {
    SEGMENTS,
    POSITIONS,
    CHAINED,
    VERSIONS,
    EXCEPTIONS,
    SEQUENCES,
    GUESSES,
    LOGGED,
    CITIZENS = LOGGED,
    CHANGES,
    FACTS
};
typedef struct Facts {
    int64_t n[FACTS];
} Facts;

static StoreCase test;
static Stats stats;
static Prepare *prepare;
static Transaction *transaction;
static Work *work;
static Bytes sealed;
static Facts grown; // by one batch

static Facts look(void) {
    static const char *const LOOK[FACTS] = {
        [SEGMENTS] = "SELECT count(*) FROM exchange.segment",
        [POSITIONS] = "SELECT coalesce(max(last_position), 0) FROM exchange.segment",
        [CHAINED] = "SELECT coalesce(sum(last_position - first_position + 1), 0) FROM exchange.segment",
        [VERSIONS] = "SELECT count(*) FROM exchange.record_version",
        [EXCEPTIONS] = "SELECT count(*) FROM exchange.exception",
        [SEQUENCES] = "SELECT sum(last_sequence) FROM exchange.stream",
        [GUESSES] = "SELECT count(*) FROM exchange.guess",
        [CITIZENS] = "SELECT count(*) FROM population.citizen",
        [CHANGES] = "SELECT count(*) FROM population.change"};
    Facts facts;
    for (int i = 0; i < FACTS; i++)
        facts.n[i] = store_case_number(&test, LOOK[i]);
    return facts;
}

static bool same(const Facts *a, const Facts *b, int n) {
    return memcmp(a, b, (size_t)n * sizeof *a->n) == 0;
}

static Facts after(const Facts *before) {
    Facts facts;
    for (int i = 0; i < FACTS; i++)
        facts.n[i] = before->n[i] + grown.n[i];
    return facts;
}

// ---- as a worker and the writer do it ----

static void connect_population(void) {
    Connector *connector = transaction_population(transaction);
    if (connector_is_ready(connector))
        return;
    connector_begin(connector);
    (void)connector_end(connector); // waits; where it failed the transaction says so
}

// 0 when the work is settled.
static int store_once(void) {
    uint64_t head;
    int r = pg_connect(prepare_exchange(prepare));
    if (r == 0)
        r = pg_connect(prepare_population(prepare));
    if (r == 0 && work->batch.header == NULL)
        r = prepare_open(prepare, work);
    if (r == 0 && work->n_entries == 0)
        r = prepare_decide(prepare, work);
    if (r < 0)
        return r;
    connect_population();
    TransactionGroup group = {&work, 1, false, true};
    return transaction_run(transaction, &group, &head);
}

static void work_begin(int stream) {
    uint64_t first = test.next[stream];
    store_case_seal(&test, stream, &sealed);
    store_case_work(&test, stream, first, &sealed, work);
}

// ---- the Nth call fails ----

// A connection that was cut at its last answer is found out by whoever uses it next.
static void settle(int stream) {
    work_begin(stream);
    int r = store_once();
    for (int i = 0; r != 0 && i < TRIES; i++)
        r = store_once();
    MUST(r == 0 && work->outcome == OUTCOME_STORED, "after a failure");
}

static bool fail_one(int stream, FailKind kind, unsigned long n) {
    char at[64];
    snprintf(at, sizeof at, "stream %d, %s %lu", stream, fail_name(kind), n);
    Facts before = look(), done = after(&before);
    work_begin(stream);
    fail_arm(kind, n, false);
    int r = store_once();
    bool fired = fail_disarm();
    MUST(fired || r == 0, at);
    Facts found = look();
    MUST(r == 0 ? same(&found, &done, FACTS) : same(&found, &before, LOGGED) || same(&found, &done, FACTS), at);
    for (int i = 0; r != 0 && i < TRIES; i++)
        r = store_once();
    MUST(r == 0, at);
    MUST(work->outcome == OUTCOME_STORED || work->outcome == OUTCOME_DUPLICATE, at);
    MUST(work->receipt.n > 0 && !work->receipt.failed, at);
    found = look();
    MUST(same(&found, &done, FACTS), at);
    if (kind == FAIL_PG_LOST || kind == FAIL_PG_LOST_AFTER)
        settle(stream);
    report.injected[kind] += fired;
    return fired;
}

// What one batch more adds; the first of all logs the database's epoch, too.
static void learn_growth(int stream) {
    for (int i = 0; i < 3; i++) {
        Facts before = look();
        work_begin(stream);
        MUST(store_once() == 0 && work->outcome == OUTCOME_STORED, "without a failure");
        Facts found = look();
        for (int j = 0; j < FACTS; j++)
            grown.n[j] = found.n[j] - before.n[j];
    }
    MUST(grown.n[SEGMENTS] == 1 && grown.n[POSITIONS] == STORE_CASE_EVENTS, "without a failure");
    MUST(grown.n[CHAINED] == STORE_CASE_EVENTS && grown.n[SEQUENCES] == STORE_CASE_EVENTS, "without a failure");
    bool births = stream == STORE_CASE_STREAMS - 1;
    MUST(grown.n[CITIZENS] == (births ? STORE_CASE_EVENTS : 0), "without a failure");
    MUST(births || (grown.n[VERSIONS] == 1 && grown.n[EXCEPTIONS] == 2), "without a failure");
}

static void fail_all(int stream) {
    static const FailKind KINDS[] = {FAIL_MEMORY, FAIL_PG_REFUSED, FAIL_PG_LOST, FAIL_PG_LOST_AFTER};
    learn_growth(stream);
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        for (unsigned long n = report_next(KINDS[i], 0); fail_one(stream, KINDS[i], n); n = report_next(KINDS[i], n))
            continue;
}

static void sessions_make(void) {
    PrepareOptions options = {.exchange = "",
                              .population = "",
                              .name = "prepare",
                              .rules = test.rules,
                              .clock = clock_system(),
                              .stats = &stats};
    TransactionOptions writing = {.exchange = "",
                                  .population_reader = "",
                                  .population_writer = "",
                                  .rules = test.rules,
                                  .clock = clock_system(),
                                  .keys = &test.broker_keys,
                                  .stats = &stats};
    MUST(work_new(&work) == 0 && prepare_new(&prepare, &options) == 0, "sessions");
    MUST(transaction_new(&transaction, &writing) == 0, "sessions");
}

int main(int argc, char **argv) {
    report_begin("store", argc, argv);
    store_case_begin(&test);
    sessions_make();
    fail_all(0);
    fail_all(STORE_CASE_STREAMS - 1);
    transaction_destroy(&transaction);
    prepare_destroy(&prepare);
    work_destroy(&work);
    store_case_end(&test);
    bytes_free(&sealed);
    return report_end();
}
