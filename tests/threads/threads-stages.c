// SPDX-License-Identifier: Apache-2.0
//
// The broker's threads as they are, for a thread sanitizer: workers that prepare and decide, the writer with its
// connection to the population store, the re-decider, all on a server of the test's own and a plain queue
// (plain-queue.h) in libzmq's place. The main thread stands for the ingress: it keeps every stream's batches coming in
// order, in turns over the workers, and takes them back. At the end the log must have each event once.
#include "broker/mail.h"
#include "broker/redecide.h"
#include "broker/worker.h"
#include "broker/writer.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "tests/failing/store-case.h"
#include "tests/threads/plain-queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 3
#define BATCHES 12 // of each stream
#define WAIT_MS 60000

#define MUST(holds) ((holds) ? (void)0 : fail(__LINE__, #holds))

static StoreCase test;
static Stats stats;
static zsock_t *ingress, *to_workers[WORKERS], *to_redecide;
static zactor_t *workers[WORKERS], *writer, *redecide;
static Work *works[STORE_CASE_STREAMS], *redecide_work;
static Bytes sealed[STORE_CASE_STREAMS];
static unsigned said[STORE_CASE_STREAMS];
static uint64_t ticket;

static void fail(int line, const char *what) {
    fprintf(stderr, "threads-stages: line %d: does not hold: %s (%s)\n", line, what, error_text());
    abort();
}

// ---- the broker ----

static PrepareOptions prepare_options(const char *name) {
    return (PrepareOptions){
        .exchange = "", .population = "", .name = name, .rules = test.rules, .clock = clock_system(), .stats = &stats};
}

static void start(void) {
    WriterOptions writing = {.transaction = {.exchange = "",
                                             .population_reader = "",
                                             .population_writer = "",
                                             .rules = test.rules,
                                             .clock = clock_system(),
                                             .keys = &test.broker_keys,
                                             .stats = &stats},
                             .inbox = "inproc://writer",
                             .ingress = "inproc://ingress",
                             .redecide = "inproc://redecide"};
    RedecideOptions deciding = {.prepare = prepare_options("re-decider"),
                                .inbox = "inproc://redecide",
                                .writer = "inproc://writer",
                                .not_found_after_days = 30};
    MUST(mail_bind(&ingress, "inproc://ingress") == 0 && writer_new(&writer, &writing) == 0);
    MUST(work_new(&redecide_work) == 0);
    deciding.work = redecide_work;
    MUST(redecide_new(&redecide, &deciding) == 0 && mail_connect(&to_redecide, "inproc://redecide") == 0);
    for (int i = 0; i < WORKERS; i++) {
        char inbox[32];
        snprintf(inbox, sizeof inbox, "inproc://worker-%d", i);
        WorkerOptions options = {prepare_options("worker"), inbox, "inproc://writer"};
        MUST(worker_new(&workers[i], &options) == 0 && mail_connect(&to_workers[i], inbox) == 0);
    }
    mail_send(to_redecide, MAIL_AGENCIES, agencies_ref(test.agencies));
}

static void stop(void) {
    for (int i = 0; i < WORKERS; i++)
        zactor_destroy(&workers[i]);
    zactor_destroy(&redecide);
    zactor_destroy(&writer);
    for (int i = 0; i < WORKERS; i++)
        zsock_destroy(&to_workers[i]);
    zsock_destroy(&to_redecide);
    zsock_destroy(&ingress);
    work_destroy(&redecide_work);
}

// ---- the ingress ----

static void say(int stream) {
    uint64_t first = test.next[stream];
    store_case_seal(&test, stream, &sealed[stream]);
    store_case_work(&test, stream, first, &sealed[stream], works[stream]);
    works[stream]->ticket = ++ticket;
    said[stream]++;
    mail_send(to_workers[ticket % WORKERS], MAIL_WORK, works[stream]);
}

// One work comes back; its stream says the next batch.
static bool hear(void) {
    MailKind kind;
    void *pointer;
    if (mail_receive(ingress, &kind, &pointer) != 0)
        return false;
    if (kind == MAIL_DECIDED) {
        free(pointer);
        return true;
    }
    MUST(kind == MAIL_WORK);
    const Work *work = pointer;
    if (work->outcome != OUTCOME_STORED)
        fprintf(stderr, "outcome %d: %s\n", (int)work->outcome, work->text);
    MUST(work->outcome == OUTCOME_STORED && work->receipt.n > 0);
    for (int i = 0; i < STORE_CASE_STREAMS; i++)
        if (works[i] == work && said[i] < BATCHES)
            say(i);
        else if (works[i] == work)
            said[i]++;
    return true;
}

static bool all_heard(void) {
    for (int i = 0; i < STORE_CASE_STREAMS; i++)
        if (said[i] <= BATCHES)
            return false;
    return true;
}

static void deliver(void) {
    zmq_pollitem_t item = {.socket = zsock_resolve(ingress), .events = ZMQ_POLLIN};
    for (int i = 0; i < STORE_CASE_STREAMS; i++)
        say(i);
    while (!all_heard()) {
        MUST(zmq_poll(&item, 1, WAIT_MS) > 0);
        while (hear())
            continue;
    }
}

// The re-decider goes on until nobody is waited for who is there by now.
static void wait_for_decisions(void) {
    zmq_pollitem_t item = {.socket = zsock_resolve(ingress), .events = ZMQ_POLLIN};
    static const char WAITING[] = "SELECT count(*) FROM exchange.exception e JOIN population.citizen c "
                                  "USING (citizen_number) WHERE e.open AND e.verdict = 5";
    while (store_case_number(&test, WAITING) > 0) {
        MUST(zmq_poll(&item, 1, WAIT_MS) > 0);
        while (hear())
            continue;
    }
}

int main(void) {
    log_setup("threads-stages", LOG_LEVEL_WARN);
    store_case_begin(&test);
    for (int i = 0; i < STORE_CASE_STREAMS; i++)
        MUST(work_new(&works[i]) == 0);
    start();
    deliver();
    wait_for_decisions();
    stop();
    MUST(store_case_number(&test, "SELECT sum(last_sequence) FROM exchange.stream") ==
         STORE_CASE_STREAMS * BATCHES * STORE_CASE_EVENTS);
    MUST(store_case_number(&test, "SELECT count(*) FROM exchange.segment WHERE stream IS NOT NULL AND kind = 1") ==
         STORE_CASE_STREAMS * BATCHES);
    MUST(store_case_number(&test, "SELECT count(*) - max(last_position) + sum(last_position - first_position)"
                                  " FROM exchange.segment") == 0);
    MUST(store_case_number(&test, "SELECT count(*) FROM population.citizen") == 1 + BATCHES * STORE_CASE_EVENTS);
    for (int i = 0; i < STORE_CASE_STREAMS; i++) {
        work_destroy(&works[i]);
        bytes_free(&sealed[i]);
    }
    store_case_end(&test);
    plain_queue_end();
    printf("%d batches on %d threads\n", STORE_CASE_STREAMS * BATCHES, WORKERS + 3);
    return 0;
}
