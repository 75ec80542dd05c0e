// SPDX-License-Identifier: Apache-2.0
//
// The writer's loop. Decides nothing by itself but the order.
#include "broker/writer.h"

#include "broker/mail.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define REDECIDE_MAX 2

typedef struct Actor {
    Transaction *transaction;
    zsock_t *pipe, *inbox, *ingress, *redecide, *commits;
    Work *ring[WORKS_MAX]; // by ticket: at most WORKS_MAX are under way at once
    uint64_t next_ticket;
    Work *decisions[REDECIDE_MAX];
    size_t n_decisions;
    bool policies; // somebody changed a policy, or asks for an epoch; and once at the start
    Retry retry;
} Actor;

// ---- mail --------------------------------------------------------------------------------------------------------

static void receive(Actor *actor) {
    MailKind kind;
    void *pointer = NULL;
    while (mail_receive(actor->inbox, &kind, &pointer) == 0) {
        Work *work = pointer;
        if (kind == MAIL_POLICY)
            actor->policies = true;
        else if (kind == MAIL_WORK && work->kind == WORK_BATCH)
            actor->ring[work->ticket % WORKS_MAX] = work;
        else if (kind == MAIL_WORK && actor->n_decisions < REDECIDE_MAX)
            actor->decisions[actor->n_decisions++] = work;
    }
}

static void tell_decided(Actor *actor, const Work *work) {
    uint8_t *stream = malloc(STREAM_BYTES);
    if (stream == NULL)
        return; // the ingress looks by itself now and then
    memcpy(stream, work->stream, STREAM_BYTES);
    mail_send(actor->ingress, MAIL_DECIDED, stream);
}

static void answer(Actor *actor, Work **works, size_t n) {
    bool moved = false;
    for (size_t i = 0; i < n; i++) {
        Work *work = works[i];
        moved = moved || (work->outcome == OUTCOME_STORED && work->population_moved);
        if (work->kind == WORK_REDECIDE && work->outcome == OUTCOME_STORED)
            tell_decided(actor, work);
        mail_send(work->kind == WORK_BATCH ? actor->ingress : actor->redecide, MAIL_WORK, work);
    }
    if (moved)
        mail_send(actor->redecide, MAIL_POPULATION, NULL);
}

static void tell_feed(Actor *actor, uint64_t head) {
    if (actor->commits == NULL)
        return;
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(head >> (56 - 8 * i));
    zmq_send(zsock_resolve(actor->commits), bytes, sizeof bytes, ZMQ_DONTWAIT);
}

// ---- transactions --------------------------------------------------------------------------------------------------

static size_t collect(Actor *actor, Work *group[WRITER_GROUP_MAX + REDECIDE_MAX]) {
    size_t n = 0;
    while (n < WRITER_GROUP_MAX) {
        Work *work = actor->ring[actor->next_ticket % WORKS_MAX];
        if (work == NULL)
            break;
        actor->ring[actor->next_ticket++ % WORKS_MAX] = NULL;
        group[n++] = work;
    }
    for (size_t i = 0; i < actor->n_decisions; i++)
        group[n++] = actor->decisions[i];
    actor->n_decisions = 0;
    return n;
}

// Until it is done, or the broker stops; any error but what passes is returned.
static int run_until_done(Actor *actor, const TransactionGroup *group) {
    for (;;) {
        uint64_t head = 0;
        int result = transaction_run(actor->transaction, group, &head);
        if (result == 0) {
            retry_succeeded(&actor->retry);
            if (group->policies)
                actor->policies = false;
            answer(actor, group->works, group->n);
            tell_feed(actor, head);
            return 0;
        }
        if (result != ERROR_DATABASE || !transaction_is_passing(actor->transaction))
            return result;
        result = retry_wait(&actor->retry, actor->pipe);
        if (result < 0)
            return result;
    }
}

// Nothing to store among them: no transaction.
static bool all_settled(Work *const *works, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (works[i]->outcome == OUTCOME_OPEN)
            return false;
    }
    return true;
}

// One batch that cannot be finished is given back, and the others go on.
static int run_alone(Actor *actor, Work *work) {
    TransactionGroup group = {.works = &work, .n = 1, .alone = true};
    int result = all_settled(&work, 1) ? 1 : run_until_done(actor, &group);
    if (result == 0 || result == ERROR_STOPPED)
        return result;
    if (result < 0) {
        log_error("a batch of %s cannot be stored: %s", work->agency->grants.code, error_text());
        work_give_up(work, result);
    }
    answer(actor, &work, 1);
    return 0;
}

static int run_group(Actor *actor, Work **works, size_t n) {
    TransactionGroup group = {.works = works, .n = n, .policies = actor->policies};
    if (all_settled(works, n) && !actor->policies) {
        answer(actor, works, n);
        return 0;
    }
    int result = run_until_done(actor, &group);
    if (result == 0 || result == ERROR_STOPPED)
        return result;
    if (n == 0) {
        log_error("policy changes and epochs stay unlogged until something changes again: %s", error_text());
        actor->policies = false;
    }
    for (size_t i = 0; i < n; i++) {
        result = run_alone(actor, works[i]);
        if (result < 0)
            return result;
    }
    return 0;
}

static int run_ready(Actor *actor) {
    Work *works[WRITER_GROUP_MAX + REDECIDE_MAX];
    for (;;) {
        receive(actor);
        size_t n = collect(actor, works);
        if (n == 0 && !actor->policies)
            return 0;
        int result = run_group(actor, works, n);
        if (result < 0)
            return result;
    }
}

// ---- the thread ----------------------------------------------------------------------------------------------------

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    actor->pipe = pipe;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(actor->inbox), .events = ZMQ_POLLIN}};
    int result = 0;
    while (result == 0) {
        result = run_ready(actor);
        if (result < 0 || zmq_poll(items, 2, -1) < 0 || items[0].revents != 0)
            break;
    }
    if (result < 0 && result != ERROR_STOPPED)
        log_error("the writer ended: %s", error_text());
}

static void destroy(void *state) {
    Actor *actor = state;
    transaction_destroy(&actor->transaction);
    zsock_destroy(&actor->inbox);
    zsock_destroy(&actor->ingress);
    zsock_destroy(&actor->redecide);
    zsock_destroy(&actor->commits);
    free(actor);
}

int writer_new(zactor_t **ret, const WriterOptions *options) {
    static const ThreadKind kind = {"the writer", run, destroy};
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the writer");
    actor->next_ticket = 1;
    actor->policies = true;
    actor->retry =
        (Retry){.waiting = "the writer tries again until it succeeds", .over = "the writer's database is back"};
    int result = transaction_new(&actor->transaction, &options->transaction);
    if (result == 0)
        result = mail_bind(&actor->inbox, options->inbox);
    if (result == 0)
        result = mail_connect(&actor->ingress, options->ingress);
    if (result == 0)
        result = mail_connect(&actor->redecide, options->redecide);
    if (result == 0 && options->commits != NULL)
        result = mail_connect(&actor->commits, options->commits);
    if (result < 0) {
        destroy(actor);
        return result;
    }
    return thread_start(ret, &kind, actor);
}
