// SPDX-License-Identifier: Apache-2.0
//
// The writer's loop. Decides nothing by itself but the order.
#include "broker/writer.h"

#include "broker/mail.h"
#include "broker/prepare.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define OVERTAKEN_MAX 3 // times at once that a group is tried again

typedef struct Actor {
    Transaction *transaction;
    zsock_t *pipe, *inbox, *ingress, *redecide, *commits;
    Work *ring[WORKS_MAX]; // by ticket: at most WORKS_MAX are under way at once
    uint64_t next_ticket;
    Work *decisions[TRANSACTION_DECISIONS_MAX];
    size_t n_decisions;
    bool policies; // somebody changed a policy, or asks for an epoch; and once at the start
    Retry retry;
    // Batches that change the population store while its writer is away, and what came behind them in their streams.
    // The ingress lets in no more of them than WORKS_POPULATION_MAX.
    Work *held[WORKS_MAX];
    size_t n_held;
    bool holding;
    bool put_off; // re-decisions were, while holding
    const Clock *clock;
    uint64_t head;         // of the log, after the last transaction; 0: none yet
    uint32_t epoch;        // ... and its epoch
    int64_t retry_held_ms; // when to try again; not while a connection is being made
    Retry held_retry;
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
        else if (kind == MAIL_WORK && actor->n_decisions < TRANSACTION_DECISIONS_MAX)
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
        moved = moved || (work->outcome == OUTCOME_STORED && (work->population_moved || work->replaces));
        if ((work->kind == WORK_REDECIDE || work->kind == WORK_JUDGE) && work->outcome == OUTCOME_STORED)
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
    bytes_put_number(bytes, sizeof bytes, head);
    zmq_send(zsock_resolve(actor->commits), bytes, sizeof bytes, ZMQ_DONTWAIT);
}

// An agent with nothing to send would not hear that what it was acknowledged is to be sent again.
static void look_for_restore(Actor *actor, uint64_t head) {
    uint32_t epoch = transaction_epoch(actor->transaction);
    if (actor->head > 0 && (epoch != actor->epoch || head < actor->head)) {
        log_warn("the database was restored or failed over (epoch %" PRIu32 ", the log ended at %" PRIu64
                 " and now ends at %" PRIu64 "): agents are asked anew, and send what it has forgotten",
                 epoch, actor->head, head);
        mail_send(actor->ingress, MAIL_RESTORED, NULL);
    }
    actor->head = head;
    actor->epoch = epoch;
}

// ---- transactions --------------------------------------------------------------------------------------------------

static Connector *population(const Actor *actor) {
    return transaction_population(actor->transaction);
}

// The population store's writer cannot be reached, or cannot do it now.
static void begin_holding(Actor *actor) {
    bool again = actor->holding || connector_is_ready(population(actor));
    actor->holding = true;
    actor->retry_held_ms = clock_monotonic_ms(actor->clock) + (again ? retry_failed(&actor->held_retry) : 0);
}

static bool is_behind_held(const Actor *actor, const Work *work) {
    for (size_t i = 0; i < actor->n_held; i++) {
        if (memcmp(actor->held[i]->stream, work->stream, STREAM_BYTES) == 0)
            return true;
    }
    return false;
}

// True when it stays here for later. Deferred events wait where they stand, in the database, for a sweep.
static bool hold(Actor *actor, Work *work) {
    bool changes = work->outcome == OUTCOME_OPEN && prepare_changes_population(work);
    if (changes && !actor->holding && !connector_is_ready(population(actor)))
        begin_holding(actor);
    if (work->kind != WORK_BATCH) {
        if (!changes || !actor->holding)
            return false;
        work_settle(work, OUTCOME_NOTHING, 0, "the population store is away");
        actor->put_off = true;
        answer(actor, &work, 1);
        return true;
    }
    if (!(changes && actor->holding) && !is_behind_held(actor, work))
        return false;
    actor->held[actor->n_held++] = work;
    return true;
}

static size_t collect(Actor *actor, Work *group[TRANSACTION_WORKS_MAX]) {
    size_t n = 0;
    while (n < WRITER_GROUP_MAX) {
        Work *work = actor->ring[actor->next_ticket % WORKS_MAX];
        if (work == NULL)
            break;
        actor->ring[actor->next_ticket++ % WORKS_MAX] = NULL;
        if (!hold(actor, work))
            group[n++] = work;
    }
    for (size_t i = 0; i < actor->n_decisions; i++) {
        if (!hold(actor, actor->decisions[i]))
            group[n++] = actor->decisions[i];
    }
    actor->n_decisions = 0;
    return n;
}

// Until it is done, or the broker stops; any error but what passes is returned, and what is to be run without works
// that change the population store. Somebody else who changes a person just before is no reason for that, unless they
// do so again and again.
static int run_until_done(Actor *actor, const TransactionGroup *group) {
    for (int overtaken = 0;;) {
        uint64_t head = 0;
        int result = transaction_run(actor->transaction, group, &head);
        if (result == 0) {
            retry_succeeded(&actor->retry);
            actor->policies = transaction_has_notes(actor->transaction) || (actor->policies && !group->policies);
            answer(actor, group->works, group->n);
            tell_feed(actor, head);
            look_for_restore(actor, head);
            return 0;
        }
        if (result == TRANSACTION_OVERTAKEN && overtaken++ < OVERTAKEN_MAX)
            continue;
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
    if (!all_settled(&work, 1)) {
        int result = run_until_done(actor, &group);
        if (result >= 0 || result == ERROR_STOPPED)
            return result;
        log_error("a batch of %s cannot be stored: %s",
                  work->agency == NULL ? "records that move" : work->agency->grants.code, error_text());
        work_give_up(work, result);
    }
    answer(actor, &work, 1);
    return 0;
}

// In order. *ret_done of them are done; all, unless it fails or the population store does.
static int run_group(Actor *actor, Work **works, size_t n, size_t *ret_done) {
    TransactionGroup group = {.works = works, .n = n, .policies = actor->policies};
    int result = 0;
    *ret_done = 0;
    if (all_settled(works, n) && !actor->policies)
        answer(actor, works, n);
    else
        result = run_until_done(actor, &group);
    if (result == 0)
        *ret_done = n;
    if (result >= 0 || result == ERROR_STOPPED)
        return result;
    if (n == 0) {
        log_error("policy changes and epochs stay unlogged until something changes again: %s", error_text());
        actor->policies = false;
    }
    for (result = 0; result == 0 && *ret_done < n; *ret_done += result == 0)
        result = run_alone(actor, works[*ret_done]);
    return result;
}

static int run_collected(Actor *actor, Work **works, size_t n) {
    for (;;) {
        size_t done = 0, left = 0;
        int result = run_group(actor, works, n, &done);
        if (result <= 0)
            return result;
        begin_holding(actor);
        for (size_t i = done; i < n; i++) {
            if (!hold(actor, works[i]))
                works[left++] = works[i];
        }
        if (left == 0)
            return 0;
        n = left;
    }
}

static int run_ready(Actor *actor) {
    Work *works[TRANSACTION_WORKS_MAX];
    for (;;) {
        receive(actor);
        size_t n = collect(actor, works);
        if (n == 0 && !actor->policies)
            return 0;
        int result = run_collected(actor, works, n);
        if (result < 0)
            return result;
    }
}

// ---- what waits for the population store ---------------------------------------------------------------------------

static void end_holding(Actor *actor) {
    actor->holding = false;
    if (actor->put_off)
        mail_send(actor->redecide, MAIL_SWEEP, NULL);
    actor->put_off = false;
}

// A group of those that are held, by themselves: they must cost the others nothing while they fail.
static int run_held(Actor *actor) {
    size_t n = actor->n_held < WRITER_GROUP_MAX ? actor->n_held : WRITER_GROUP_MAX, done = 0;
    int result = run_group(actor, actor->held, n, &done);
    actor->n_held -= done;
    memmove(actor->held, actor->held + done, actor->n_held * sizeof *actor->held);
    if (result > 0)
        begin_holding(actor);
    else if (actor->n_held == 0)
        end_holding(actor);
    if (result == 0)
        retry_succeeded(&actor->held_retry);
    return result < 0 ? result : 0;
}

static int retry_held(Actor *actor) {
    Connector *connector = population(actor);
    if (!actor->holding || connector_is_under_way(connector) || clock_monotonic_ms(actor->clock) < actor->retry_held_ms)
        return 0;
    if (connector_is_ready(connector))
        return run_held(actor);
    connector_begin(connector);
    return 0;
}

static void end_connecting(Actor *actor) {
    int result = connector_end(population(actor));
    actor->retry_held_ms = clock_monotonic_ms(actor->clock);
    if (result < 0 && actor->holding)
        actor->retry_held_ms += retry_failed(&actor->held_retry);
}

static long wait_for_held(const Actor *actor) {
    if (!actor->holding || connector_is_under_way(population(actor)))
        return -1;
    int64_t now = clock_monotonic_ms(actor->clock);
    return now < actor->retry_held_ms ? (long)(actor->retry_held_ms - now) : 0;
}

// ---- the thread ----------------------------------------------------------------------------------------------------

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    actor->pipe = pipe;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(actor->inbox), .events = ZMQ_POLLIN},
                              {.socket = connector_socket(population(actor)), .events = ZMQ_POLLIN}};
    connector_begin(population(actor)); // so that it is there when it is wanted
    for (;;) {
        int result = run_ready(actor);
        if (result == 0)
            result = retry_held(actor);
        if (result < 0) {
            if (result != ERROR_STOPPED)
                log_error("the writer ended: %s", error_text());
            return;
        }
        if (zmq_poll(items, 3, wait_for_held(actor)) < 0 || items[0].revents != 0)
            return;
        if (items[2].revents != 0)
            end_connecting(actor);
    }
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
    actor->clock = options->transaction.clock;
    actor->held_retry = (Retry){.waiting = "batches wait for the population store's writer",
                                .over = "the population store's writer is back"};
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
