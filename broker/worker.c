// SPDX-License-Identifier: Apache-2.0
//
// The worker's loop. A batch is never lost here: it is passed on decided, refused, or kept until it can be decided.
#include "broker/worker.h"

#include "broker/lookup.h"
#include "broker/mail.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <zmq.h>

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

struct Worker {
    zactor_t *actor;
};

typedef struct Actor {
    Prepare *prepare;
    zsock_t *pipe, *inbox, *writer;
    int backoff_ms;
    bool failing;
} Actor;

static int wait_to_retry(Actor *actor) {
    if (!actor->failing)
        log_warn("a worker tries again until it succeeds: %s", error_text());
    actor->failing = true;
    zmq_pollitem_t item = {.socket = zsock_resolve(actor->pipe), .events = ZMQ_POLLIN};
    int ready = zmq_poll(&item, 1, actor->backoff_ms);
    actor->backoff_ms = actor->backoff_ms * 2 < RETRY_MAX_MS ? actor->backoff_ms * 2 : RETRY_MAX_MS;
    return ready != 0 ? ERROR_STOPPED : 0;
}

static int prepare_once(Actor *actor, Work *work) {
    int result = 0;
    if (work->batch.header == NULL)
        result = prepare_open(actor->prepare, work);
    if (result == 0 && work->outcome == OUTCOME_OPEN)
        result = lookup_connect(prepare_exchange(actor->prepare));
    if (result == 0 && work->outcome == OUTCOME_OPEN)
        result = lookup_connect(prepare_population(actor->prepare));
    if (result == 0 && work->outcome == OUTCOME_OPEN)
        result = prepare_decide(actor->prepare, work);
    return result;
}

// 0 when the writer may have it.
static int prepare_until_done(Actor *actor, Work *work) {
    for (;;) {
        int result = prepare_once(actor, work);
        if (result == 0) {
            if (actor->failing)
                log_info("a worker's database is back");
            actor->failing = false;
            actor->backoff_ms = RETRY_MIN_MS;
            return 0;
        }
        if (result == ERROR_MEMORY) {
            log_warn("a batch is given back: %s", error_text());
            work_settle(work, OUTCOME_REFUSED, DONGBO__REFUSAL__CODE__TOO_BIG,
                        "The batch takes more memory than a batch may: seal smaller ones.");
            return 0;
        }
        result = wait_to_retry(actor);
        if (result < 0)
            return result;
    }
}

static int work_off(Actor *actor) {
    MailKind kind;
    void *pointer = NULL;
    int result = 0;
    while (result == 0 && mail_receive(actor->inbox, &kind, &pointer) == 0) {
        result = prepare_until_done(actor, pointer);
        if (result == 0)
            mail_send(actor->writer, MAIL_WORK, pointer);
    }
    return result;
}

static void actor_destroy(Actor **pointer) {
    Actor *actor = *pointer;
    prepare_destroy(&actor->prepare);
    zsock_destroy(&actor->inbox);
    zsock_destroy(&actor->writer);
    free(actor);
    *pointer = NULL;
}

static void run(zsock_t *pipe, void *argument) {
    Actor *actor = argument;
    actor->pipe = pipe;
    zsock_signal(pipe, 0);
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(actor->inbox), .events = ZMQ_POLLIN}};
    while (work_off(actor) == 0) {
        if (zmq_poll(items, 2, -1) < 0 || items[0].revents != 0)
            break;
    }
    actor_destroy(&actor);
}

static int actor_new(Actor **ret, const WorkerOptions *options) {
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a worker");
    actor->backoff_ms = RETRY_MIN_MS;
    int result = prepare_new(&actor->prepare, &options->prepare);
    if (result == 0)
        result = mail_bind(&actor->inbox, options->inbox);
    if (result == 0)
        result = mail_connect(&actor->writer, options->writer);
    if (result < 0) {
        actor_destroy(&actor);
        return result;
    }
    *ret = actor;
    return 0;
}

int worker_new(Worker **ret, const WorkerOptions *options) {
    Worker *worker = calloc(1, sizeof *worker);
    Actor *actor = NULL;
    int result = worker == NULL ? error_fail(ERROR_MEMORY, "no memory for a worker") : actor_new(&actor, options);
    if (result == 0) {
        worker->actor = zactor_new(run, actor);
        if (worker->actor == NULL) {
            actor_destroy(&actor);
            result = error_fail(ERROR_MEMORY, "no thread for a worker");
        }
    }
    if (result < 0) {
        free(worker);
        return result;
    }
    *ret = worker;
    return 0;
}

void worker_destroy(Worker **worker) {
    if (*worker == NULL)
        return;
    zactor_destroy(&(*worker)->actor);
    free(*worker);
    *worker = NULL;
}
