// SPDX-License-Identifier: Apache-2.0
//
// The ingress's thread. Waits for agents and for the other threads, and ends sessions of the silent and the revoked.
#include "broker/ingress_state.h"

#include "broker/mail.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/socket.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define RECEIVE_MAX 64 // frames taken before the other threads are heard again
#define TICK_MS 1000
#define FRAME_ARENA_BYTES (8 * 1024 * 1024)

// ---- the clock ----------------------------------------------------------------------------------------------------

static void tick_session(IngressState *state, Session *session, int64_t now) {
    if (now - session->heard_ms > PEER_SILENT_MS) {
        ingress_end(state, session, DONGBO__ERROR__CODE__NO_SESSION,
                    "Nothing was heard for too long: send a Ping when there is nothing else to send. Say Hello again.");
        return;
    }
    if (session->open && now - session->heard_ms > PING_INTERVAL_MS && now - session->pinged_ms > PING_INTERVAL_MS) {
        session->pinged_ms = now;
        if (ingress_ask(state, session) != 0)
            return;
    }
    ingress_look_for_verdicts(state, session);
    ingress_look_for_proofs(state, session);
}

// Connections without sessions hold what was sent over them for as long as they are there.
static void tick_connections(IngressState *state, int64_t now) {
    Connections *connections = sessions_connections(state->sessions);
    size_t left = SIZE_MAX;
    for (Connection *idle; (idle = connections_next_idle(connections, &left)) != NULL;) {
        if (connections_unread(idle) > 0 && now - idle->probed_ms < PING_INTERVAL_MS)
            continue;
        idle->probed_ms = now;
        if (connections_unread(idle) == 0 || ingress_is_gone(state, idle->route))
            connections_forget(connections, idle);
    }
}

static void tick(IngressState *state) {
    int64_t now = clock_monotonic_ms(state->clock);
    tick_connections(state, now);
    for (Session *session = sessions_first(state->sessions); session != NULL; session = sessions_next(state->sessions))
        tick_session(state, session, now);
}

// ---- the other threads --------------------------------------------------------------------------------------------

static void take_agencies(IngressState *state, Agencies *agencies) {
    agencies_unref(&state->agencies);
    state->agencies = agencies;
    for (Session *session = sessions_first(state->sessions); session != NULL;
         session = sessions_next(state->sessions)) {
        if (agencies_of_user(agencies, session->user) == NULL)
            ingress_end(state, session, DONGBO__ERROR__CODE__NOT_ALLOWED,
                        "This key may not publish any more. Ask the exchange's operator.");
    }
}

static void look_for_decisions(IngressState *state, uint8_t *stream) {
    for (Session *session = sessions_first(state->sessions); session != NULL;
         session = sessions_next(state->sessions)) {
        if (memcmp(session->stream, stream, STREAM_BYTES) != 0)
            continue;
        session->wanted = true;
        ingress_look_for_verdicts(state, session);
    }
    free(stream);
}

static void end_all(IngressState *state) {
    for (Session *session = sessions_first(state->sessions); session != NULL; session = sessions_next(state->sessions))
        ingress_end(state, session, DONGBO__ERROR__CODE__NO_SESSION,
                    "The exchange's database was restored or failed over. Say Hello again.");
}

static void receive_mail(IngressState *state) {
    MailKind kind;
    void *pointer = NULL;
    while (mail_receive(state->inbox, &kind, &pointer) == 0) {
        if (kind == MAIL_WORK)
            ingress_work_back(state, pointer);
        else if (kind == MAIL_GREETING)
            ingress_greeted(state, pointer);
        else if (kind == MAIL_PROVING)
            ingress_proved(state, pointer);
        else if (kind == MAIL_HEAD)
            ingress_head_signed(state, pointer);
        else if (kind == MAIL_AGENCIES)
            take_agencies(state, pointer);
        else if (kind == MAIL_DECIDED)
            look_for_decisions(state, pointer);
        else if (kind == MAIL_RESTORED)
            end_all(state);
    }
}

// True when there may be more.
static bool receive_frames(IngressState *state) {
    for (int i = 0; i < RECEIVE_MAX; i++) {
        zframe_t *route = NULL, *frame = NULL;
        char user[64];
        int result = socket_receive(state->router, &route, &frame, user);
        if (result == 1)
            return false;
        stats_frame(state->stats, STATS_PUBLISH);
        if (result == 2 && route != NULL)
            ingress_hear_multipart(state, route);
        else if (result == 0)
            ingress_hear(state, route, &frame, user);
        zframe_destroy(&route);
        zframe_destroy(&frame);
    }
    return true;
}

// ---- the thread ---------------------------------------------------------------------------------------------------

static void goodbye(IngressState *state) {
    for (Session *session = sessions_first(state->sessions); session != NULL; session = sessions_next(state->sessions))
        ingress_say(state, session, FRAME_GOODBYE, NULL);
}

static void destroy(void *pointer) {
    IngressState *state = pointer;
    MailKind kind;
    void *left = NULL;
    while (state->inbox != NULL && mail_receive(state->inbox, &kind, &left) == 0) {
        Agencies *agencies = kind == MAIL_AGENCIES ? left : NULL;
        agencies_unref(&agencies);
        if (kind == MAIL_DECIDED || kind == MAIL_HEAD)
            free(left);
    }
    for (Greeting *greeting; (greeting = LIST_FIRST(&state->greetings)) != NULL; greeting_destroy(&greeting))
        LIST_REMOVE(greeting, out);
    for (Proving *proving; (proving = LIST_FIRST(&state->provings)) != NULL; proving_destroy(&proving))
        LIST_REMOVE(proving, out);
    allowance_destroy(&state->hellos);
    next_keys_destroy(&state->next_keys);
    signer_destroy(&state->signer);
    queue_destroy(&state->queue);
    sessions_destroy(&state->sessions);
    agencies_unref(&state->agencies);
    zsock_destroy(&state->router);
    zsock_destroy(&state->inbox);
    zsock_destroy(&state->greeter);
    zsock_destroy(&state->prover);
    for (size_t i = 0; i < state->n_workers; i++)
        zsock_destroy(&state->workers[i]);
    arena_destroy(&state->arena);
    bytes_free(&state->out);
    free(state);
}

static void run(zsock_t *pipe, void *argument) {
    IngressState *state = argument;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(state->inbox), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(state->router), .events = ZMQ_POLLIN}};
    int64_t next_tick = clock_monotonic_ms(state->clock) + TICK_MS;
    bool more = false;
    for (;;) {
        int64_t now = clock_monotonic_ms(state->clock);
        long wait = more || now >= next_tick ? 0 : (long)(next_tick - now);
        if (zmq_poll(items, 3, wait) < 0 || items[0].revents != 0)
            break;
        receive_mail(state);
        more = receive_frames(state);
        if (clock_monotonic_ms(state->clock) >= next_tick) {
            tick(state);
            next_tick = clock_monotonic_ms(state->clock) + TICK_MS;
        }
    }
    goodbye(state);
}

static int open_sockets(IngressState *state, const IngressOptions *options, int *ret_port) {
    int result = mail_bind(&state->inbox, options->inbox);
    if (result == 0)
        result = mail_connect(&state->greeter, options->greeter);
    if (result == 0)
        result = mail_connect(&state->prover, options->prover);
    for (; result == 0 && state->n_workers < options->n_workers; state->n_workers++) {
        result = mail_connect(&state->workers[state->n_workers], options->workers[state->n_workers]);
        if (result < 0)
            break;
    }
    if (result == 0)
        result = socket_bind(&state->router, options->endpoint, options->keys, ret_port);
    return result;
}

int ingress_new(zactor_t **ret, const IngressOptions *options, int *ret_port) {
    static const ThreadKind kind = {"the ingress", run, destroy};
    IngressState *state = calloc(1, sizeof *state);
    if (state == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the ingress");
    state->keys = options->keys;
    state->clock = options->clock;
    state->stats = options->stats;
    state->next_ticket = 1;
    state->agencies = agencies_ref(options->agencies);
    for (; state->n_free < WORKS_MAX; state->n_free++)
        state->free_works[state->n_free] = options->works[state->n_free];
    int result = next_keys_new(&state->next_keys, options->keys, options->next_keys);
    if (result == 0)
        result = signer_new(&state->signer, options->keys->sign_secret);
    if (result == 0)
        result = sessions_new(&state->sessions);
    if (result == 0)
        result = allowance_new(&state->hellos, (AllowanceRate){HELLOS_AGENCY_BURST, HELLOS_AGENCY_PER_SECOND});
    if (result == 0)
        result = queue_new(&state->queue);
    if (result == 0)
        result = arena_new(&state->arena, FRAME_ARENA_BYTES);
    if (result == 0)
        result = open_sockets(state, options, ret_port);
    if (result < 0) {
        destroy(state);
        return result;
    }
    return thread_start(ret, &kind, state);
}
