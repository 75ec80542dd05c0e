// SPDX-License-Identifier: Apache-2.0
//
// The feed's actor: one thread, one ROUTER, one database session. Waits for what subscribers say, for commits and for
// notifications; then lets feed_pump.c move everybody along. When the database is away, sessions stay and wait.
#include "broker/feed.h"

#include "broker/feed_outside.h"
#include "broker/feed_pump.h"
#include "broker/feed_session.h"
#include "broker/feed_snapshot.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define RECEIVE_MAX 256 // messages answered before records are sent again ...
#define RECEIVE_MS 10   // ... or for so long: a Hello costs some statements
#define FRAME_ARENA_BYTES (1024 * 1024)
#define TICK_MS 1000

typedef struct Actor {
    FeedState state;
    zsock_t *pipe;
    zsock_t *commits;
    int64_t tick_ms;  // when the next is due
    int64_t retry_ms; // when to connect again
    Retry retry;
    uint64_t told; // head that somebody told of; UINT64_MAX: look
} Actor;

// ---- the database comes and goes -----------------------------------------------------------------------------------

static void database_failed(Actor *actor, int r) {
    FeedState *state = &actor->state;
    actor->retry.waiting = r == ERROR_DATABASE ? "feed: the exchange's database is away, trying again"
                                               : "feed: it cannot go on, trying again";
    actor->retry_ms = clock_monotonic_ms(state->clock) + retry_failed(&actor->retry);
    state->connected = false;
    feed_store_drop(state->store);
    feed_session_forget(state);
    followed_forget(state->followed);
}

static int database_open(FeedState *state) {
    int r = feed_store_connect(state->store);
    if (r == 0)
        r = feed_accounts_again(state->accounts, state->store); // before anything goes out
    if (r == 0)
        r = feed_session_policies(state);
    if (r == 0)
        r = feed_store_head(state->store, &state->head);
    if (r == 0)
        r = feed_store_signed(state->store, &state->signed_number, &state->signed_head, &state->signature);
    if (r == 0)
        r = feed_session_recheck(state);
    return r;
}

static int database_ready(Actor *actor) {
    if (actor->state.connected || clock_monotonic_ms(actor->state.clock) < actor->retry_ms)
        return 0;
    int r = database_open(&actor->state);
    if (r < 0)
        return r;
    retry_succeeded(&actor->retry);
    actor->state.connected = true;
    return 0;
}

static int news_read(Actor *actor) {
    FeedNews news;
    int r = feed_store_news(actor->state.store, &news);
    if (r < 0)
        return r;
    if (news.commit && news.position > actor->told)
        actor->told = news.position;
    FeedState *state = &actor->state;
    if (news.signed_head)
        r = feed_store_signed(state->store, &state->signed_number, &state->signed_head, &state->signature);
    if (r < 0 || !news.policy)
        return r;
    feed_session_forget(state); // what was erased is not fed from memory
    return feed_session_policies(state);
}

// ---- the loop ------------------------------------------------------------------------------------------------------

static int router_read(FeedState *state) {
    int64_t until_ms = clock_monotonic_ms(state->clock) + RECEIVE_MS;
    for (int i = 0; i < RECEIVE_MAX && clock_monotonic_ms(state->clock) < until_ms; i++) {
        zframe_t *route = NULL, *frame = NULL;
        char user[64] = "";
        int r = socket_receive(state->router, &route, &frame, user);
        if (r == 1)
            return 0;
        stats_frame(state->stats, STATS_SUBSCRIBE);
        if (route)
            r = feed_session_frame(state, &route, r == 2 ? NULL : frame, user);
        zframe_destroy(&frame);
        if (r < 0)
            return r;
    }
    return 0;
}

static void commits_read(Actor *actor) {
    uint8_t data[8];
    void *socket = zsock_resolve(actor->commits);
    for (int n; (n = zmq_recv(socket, data, sizeof data, ZMQ_DONTWAIT)) >= 0;) {
        uint64_t position = bytes_get_number(data, sizeof data);
        if (n == 8 && position > actor->told)
            actor->told = position;
    }
}

static void answered(void *state, const zframe_t *route, int32_t subscription, const Bytes *frame) {
    feed_outside_say(state, &(FeedPeer){.route = route, .party = (uint32_t)subscription}, frame);
}

static int tick(Actor *actor) {
    int64_t now_ms = clock_monotonic_ms(actor->state.clock);
    if (now_ms < actor->tick_ms)
        return 0;
    actor->tick_ms = now_ms + TICK_MS;
    int r = feed_session_tick(&actor->state);
    if (r == 0 && actor->state.connected)
        r = feed_session_policies(&actor->state);
    actor->told = UINT64_MAX;
    return r;
}

static int advance(Actor *actor) {
    FeedState *state = &actor->state;
    uint64_t told = actor->told;
    actor->told = 0;
    if (!state->connected || subscribers_count(state->subscribers) == 0 || told <= state->head.position)
        return 0;
    return feed_pump_advance(state, told);
}

static int work(Actor *actor, int64_t *ret_wait_ms) {
    int r = database_ready(actor);
    if (r == 0 && actor->state.connected) // also those that came with an earlier statement's answer
        r = news_read(actor);
    if (r == 0)
        r = router_read(&actor->state);
    commits_read(actor);
    follower_answer(actor->state.follower, answered, &actor->state);
    if (r == 0)
        r = tick(actor);
    if (r == 0)
        r = advance(actor);
    if (r == 0 && actor->state.connected)
        r = feed_pump_turn(&actor->state, ret_wait_ms);
    int64_t snapshot_ms = -1;
    if (r == 0 && actor->state.connected)
        r = feed_snapshot_turn(&actor->state, &snapshot_ms);
    if (snapshot_ms >= 0 && (*ret_wait_ms < 0 || snapshot_ms < *ret_wait_ms))
        *ret_wait_ms = snapshot_ms;
    return r;
}

static int64_t wait_of(const Actor *actor, int64_t wait_ms) {
    if (actor->state.connected && feed_store_has_news(actor->state.store))
        return 0;
    int64_t now_ms = clock_monotonic_ms(actor->state.clock);
    int64_t due_ms = actor->tick_ms;
    if (!actor->state.connected && actor->retry_ms < due_ms)
        due_ms = actor->retry_ms;
    int64_t until_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    return wait_ms >= 0 && wait_ms < until_ms ? wait_ms : until_ms;
}

static void loop(Actor *actor) {
    int64_t wait_ms = 0;
    for (;;) {
        // What a snapshot's reader gives is taken only with a database.
        short chunks = actor->state.connected ? ZMQ_POLLIN : 0;
        zmq_pollitem_t items[] = {{zsock_resolve(actor->pipe), 0, ZMQ_POLLIN, 0},
                                  {zsock_resolve(actor->state.router), 0, ZMQ_POLLIN, 0},
                                  {zsock_resolve(actor->commits), 0, ZMQ_POLLIN, 0},
                                  {follower_socket(actor->state.follower), 0, ZMQ_POLLIN, 0},
                                  {zsock_resolve(actor->state.snapshots), 0, chunks, 0},
                                  {NULL, feed_store_socket(actor->state.store), ZMQ_POLLIN, 0}};
        int n = items[5].fd >= 0 ? 6 : 5;
        if (zmq_poll(items, n, (long)wait_of(actor, wait_ms)) < 0 && errno != EINTR)
            return;
        if (items[0].revents & ZMQ_POLLIN)
            return; // the pipe carries nothing but $TERM
        wait_ms = -1;
        int r = work(actor, &wait_ms);
        if (r < 0)
            database_failed(actor, r);
    }
}

static void goodbye(Actor *actor) {
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(actor->state.subscribers, &at));)
        feed_session_end(&actor->state, one, 0, "");
}

static void destroy(void *pointer) {
    Actor *actor = pointer;
    FeedState *state = &actor->state;
    zactor_destroy(&state->snapshots); // before what it fills
    snapshot_work_destroy(&state->snapshot);
    subscribers_destroy(&state->subscribers);
    next_keys_destroy(&state->next_keys);
    signer_destroy(&state->signer);
    allowance_destroy(&state->hellos);
    allowance_destroy(&state->asks);
    policy_set_destroy(&state->policies);
    follower_destroy(&state->follower);
    followed_destroy(&state->followed);
    reader_destroy(&state->reader);
    feed_accounts_destroy(&state->accounts);
    feed_origins_destroy(&state->origins);
    origin_parts_free(&state->parts);
    feed_store_destroy(&state->store);
    arena_destroy(&state->arena);
    bytes_free(&state->out);
    bytes_free(&state->records);
    bytes_free(&state->signed_head);
    bytes_free(&state->signature);
    free(state->pieces);
    if (state->router)
        zsock_set_linger(state->router, 100); // for goodbyes
    zsock_destroy(&state->router);
    zsock_destroy(&actor->commits);
    free(actor);
}

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    actor->pipe = pipe;
    loop(actor);
    goodbye(actor);
}

// ---- start and end -------------------------------------------------------------------------------------------------

static int sockets_open(Actor *actor, const FeedOptions *options, int *ret_port) {
    int r = socket_bind(&actor->state.router, options->endpoint, options->keys, ret_port);
    if (r < 0)
        return r;
    actor->commits = zsock_new(ZMQ_PULL);
    if (!actor->commits || zsock_bind(actor->commits, "%s", options->commits) < 0)
        return error_fail(ERROR_CONFIG, "the feed cannot bind %s: %s", options->commits, zmq_strerror(zmq_errno()));
    return 0;
}

int feed_new(zactor_t **ret, const FeedOptions *options, int *ret_port) {
    static const ThreadKind kind = {"the feed", run, destroy};
    Actor *actor = calloc(1, sizeof *actor);
    if (!actor)
        return error_fail(ERROR_MEMORY, "no memory for the feed");
    FeedState *state = &actor->state;
    state->clock = options->clock;
    state->keys = options->keys;
    state->stats = options->stats;
    actor->retry.over = "feed: it goes on";
    int r = next_keys_new(&state->next_keys, options->keys, options->next_keys);
    if (r == 0)
        r = signer_new(&state->signer, options->keys->sign_secret);
    if (r == 0)
        r = feed_store_new(&state->store, options->exchange);
    if (r == 0)
        r = reader_new(&state->reader, state->store);
    if (r == 0)
        r = feed_accounts_new(&state->accounts);
    if (r == 0)
        r = feed_origins_new(&state->origins, state->store);
    if (r == 0)
        r = followed_new(&state->followed, state->store);
    if (r == 0)
        r = follower_new(&state->follower,
                         &(FollowerOptions){options->exchange, options->population, options->keys, options->next_keys});
    if (r == 0)
        r = subscribers_new(&state->subscribers, options->clock);
    if (r == 0)
        r = allowance_new(&state->hellos, (AllowanceRate){HELLOS_SUBSCRIPTION_BURST, HELLOS_SUBSCRIPTION_PER_SECOND});
    if (r == 0)
        r = allowance_new(&state->asks, (AllowanceRate){HEADS_BURST, HEADS_PER_SECOND});
    if (r == 0)
        r = arena_new(&state->arena, FRAME_ARENA_BYTES);
    if (r == 0)
        r = policy_set_new(&state->policies);
    if (r == 0)
        r = snapshot_work_new(&state->snapshot);
    if (r == 0)
        r = snapshot_new(&state->snapshots, &(SnapshotOptions){options->exchange, options->population, options->clock});
    if (r == 0)
        r = sockets_open(actor, options, ret_port);
    if (r < 0) {
        destroy(actor);
        return r;
    }
    return thread_start(ret, &kind, actor);
}
