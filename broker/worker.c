// SPDX-License-Identifier: Apache-2.0
//
// The worker's loop. A batch is never lost here: it is passed on decided, refused, or kept until it can be decided.
#include "broker/worker.h"

#include "broker/lookup.h"
#include "broker/mail.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <zmq.h>

#define FAULTS_MAX 2

typedef struct Actor {
    Prepare *prepare;
    zsock_t *pipe, *inbox, *writer;
    Retry retry;
} Actor;

static int prepare_once(Actor *actor, Work *work) {
    int result = 0;
    prepare_forget_failure(actor->prepare);
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

// 0 when the writer may have it. What fails by itself is tried once more, for a session may be at fault (its prepared
// statements); others must not wait for it longer than that.
static int prepare_until_done(Actor *actor, Work *work) {
    for (int n_faults = 0;;) {
        int result = prepare_once(actor, work);
        if (result == 0) {
            retry_succeeded(&actor->retry);
            return 0;
        }
        if (result == ERROR_DATABASE && prepare_is_passing(actor->prepare)) {
            result = retry_wait(&actor->retry, actor->pipe);
            if (result < 0)
                return result;
        } else if (result == ERROR_MEMORY || ++n_faults == FAULTS_MAX) {
            log_warn("a batch of %s is given back: %s", work->agency->grants.code, error_text());
            work_give_up(work, result);
            return 0;
        }
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

static void destroy(void *state) {
    Actor *actor = state;
    prepare_destroy(&actor->prepare);
    zsock_destroy(&actor->inbox);
    zsock_destroy(&actor->writer);
    free(actor);
}

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    actor->pipe = pipe;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(actor->inbox), .events = ZMQ_POLLIN}};
    while (work_off(actor) == 0) {
        if (zmq_poll(items, 2, -1) < 0 || items[0].revents != 0)
            break;
    }
}

int worker_new(zactor_t **ret, const WorkerOptions *options) {
    static const ThreadKind kind = {"a worker", run, destroy};
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a worker");
    actor->retry = (Retry){.waiting = "a worker tries again until it succeeds", .over = "a worker's database is back"};
    int result = prepare_new(&actor->prepare, &options->prepare);
    if (result == 0)
        result = mail_bind(&actor->inbox, options->inbox);
    if (result == 0)
        result = mail_connect(&actor->writer, options->writer);
    if (result < 0) {
        destroy(actor);
        return result;
    }
    return thread_start(ret, &kind, actor);
}
