// SPDX-License-Identifier: Apache-2.0
//
// Requests change nothing when they come twice, so that whatever was not answered is simply sent again.
#include "agents/follow_peer.h"

#include "agents/round.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/frame.h"
#include "proto/socket.h"

#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASKS                                                                                                           \
    4 // under way: half of what a broker takes, so that those of a connection that was lost are in nobody's way
#define ARENA_BYTES (1024 * 1024)
#define ANSWER_MS 15000 // longer than a broker waits for its databases
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define COMPLAIN_MS 60000

typedef struct Slot {
    FollowAsk ask;
    uint64_t request; // 0: free
    bool sent;        // over the present connection
} Slot;

struct FollowPeer {
    FollowPeerOptions options;
    Arena *arena;
    Bytes out;
    zsock_t *socket, *monitor;
    SocketNews news;
    unsigned at, tried; // endpoints: which, and how many since one answered
    Round round;
    int64_t pause_ms;
    int64_t answered_ms; // or asked, or connected: since when this one owes us something
    int64_t served_ms;   // since when nobody has answered
    int64_t said_ms;
    uint64_t requests;
    char text[512];
    Slot slots[ASKS];
};

int follow_peer_new(FollowPeer **ret, const FollowPeerOptions *options) {
    FollowPeer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return error_fail(ERROR_MEMORY, "no memory for requests");
    peer->options = *options;
    round_begin(&peer->round, &options->broker[0], &options->broker[1]);
    peer->pause_ms = PAUSE_MIN_MS;
    peer->served_ms = clock_monotonic_ms(options->clock);
    int r = arena_new(&peer->arena, ARENA_BYTES);
    if (r < 0)
        follow_peer_destroy(&peer);
    *ret = peer;
    return r;
}

void follow_peer_destroy(FollowPeer **pointer) {
    FollowPeer *peer = *pointer;
    if (!peer)
        return;
    socket_close_watched(&peer->socket, &peer->monitor);
    arena_destroy(&peer->arena);
    bytes_free(&peer->out);
    free(peer);
    *pointer = NULL;
}

const char *follow_peer_text(const FollowPeer *peer) {
    return peer->text;
}

static int64_t now_ms(const FollowPeer *peer) {
    return clock_monotonic_ms(peer->options.clock);
}

static bool any_open(const FollowPeer *peer) {
    for (int i = 0; i < ASKS; i++)
        if (peer->slots[i].request)
            return true;
    return false;
}

// ---- connections ---------------------------------------------------------------------------------------------------

static int connect_next(FollowPeer *peer) {
    SocketPeer to = {peer->options.endpoints[peer->at], peer->options.keys, round_keys(&peer->round)->curve_public};
    peer->news = SOCKET_TRYING;
    peer->answered_ms = now_ms(peer);
    for (int i = 0; i < ASKS; i++)
        peer->slots[i].sent = false;
    return socket_connect_watched(&peer->socket, &peer->monitor, &to);
}

// Lets this broker go; the next one is tried at once, or after a while when all were.
static int lose(FollowPeer *peer, const char *why) {
    int64_t now = now_ms(peer), timeout_ms = peer->options.timeout_ms;
    const char *endpoint = peer->options.endpoints[peer->at];
    socket_close_watched(&peer->socket, &peer->monitor);
    if (timeout_ms && now - peer->served_ms >= timeout_ms)
        return error_fail(ERROR_PEER, "given up after %lld seconds: %s %s", (long long)timeout_ms / 1000, endpoint,
                          why);
    if (peer->said_ms == 0 || now - peer->said_ms >= COMPLAIN_MS) {
        log_warn("%s %s; nothing is lost, it is tried again", endpoint, why);
        peer->said_ms = now;
    }
    peer->at = (peer->at + 1) % peer->options.n_endpoints;
    if (peer->news == SOCKET_SECURED || peer->news == SOCKET_LOST)
        round_secured(&peer->round);
    if (++peer->tried % peer->options.n_endpoints == 0) {
        round_over(&peer->round);
        zmq_poll(NULL, 0, (long)peer->pause_ms); // which a signal ends
        peer->pause_ms = peer->pause_ms * 2 < PAUSE_MAX_MS ? peer->pause_ms * 2 : PAUSE_MAX_MS;
    }
    return 0;
}

// ---- requests ------------------------------------------------------------------------------------------------------

static void pack(FollowPeer *peer, const Slot *slot) {
    Dongbo__Follow follow = DONGBO__FOLLOW__INIT;
    char *numbers[FOLLOW_NUMBERS_MAX];
    for (size_t i = 0; i < slot->ask.n; i++)
        numbers[i] = (char *)slot->ask.numbers[i];
    follow.request = slot->request;
    if (slot->ask.kind == FOLLOW_ADD) {
        follow.add = numbers;
        follow.n_add = slot->ask.n;
    } else if (slot->ask.kind == FOLLOW_REMOVE) {
        follow.remove = numbers;
        follow.n_remove = slot->ask.n;
    } else {
        follow.list = true;
        follow.after = slot->ask.n > 0 ? numbers[0] : follow.after;
    }
    bytes_clear(&peer->out);
    frame_write(&peer->out, FRAME_FOLLOW, 0, slot->request, &follow.base);
}

// As far as the socket takes them. Returns whether all are sent.
static int send_open(FollowPeer *peer, bool *ret_all) {
    *ret_all = true;
    for (int i = 0; i < ASKS; i++) {
        Slot *slot = &peer->slots[i];
        if (!slot->request || slot->sent)
            continue;
        pack(peer, slot);
        if (peer->out.failed)
            return error_fail(ERROR_MEMORY, "no memory for a request");
        slot->sent = socket_send(peer->socket, peer->out.data, peer->out.n) == 0;
        *ret_all = *ret_all && slot->sent;
    }
    return 0;
}

void follow_peer_send(FollowPeer *peer, FollowAsk *ask) {
    Slot *slot = (Slot *)ask; // its first member
    if (!any_open(peer))
        peer->answered_ms = peer->served_ms = now_ms(peer);
    slot->request = ++peer->requests;
    slot->sent = false;
}

static int take_answer(FollowPeer *peer, const Dongbo__Followed *answer) {
    for (int i = 0; i < ASKS; i++) {
        Slot *slot = &peer->slots[i];
        if (!slot->request || slot->request != answer->request)
            continue;
        peer->answered_ms = peer->served_ms = now_ms(peer);
        peer->tried = 0;
        peer->pause_ms = PAUSE_MIN_MS;
        peer->said_ms = 0;
        slot->request = 0;
        return peer->options.answered(peer->options.self, &slot->ask, answer);
    }
    return 0; // of what was asked before, and answered elsewhere
}

static int take_error(FollowPeer *peer, const Dongbo__Error *error) {
    if (error->code == DONGBO__ERROR__CODE__INTERNAL || error->code == DONGBO__ERROR__CODE__TOO_OFTEN)
        return lose(peer, error->text);
    snprintf(peer->text, sizeof peer->text, "%s", error->text);
    return 1;
}

static int take_frame(FollowPeer *peer, zframe_t *bytes) {
    Frame frame;
    ProtobufCMessage *message = NULL;
    arena_reset(peer->arena);
    if (bytes == NULL || frame_read(zframe_data(bytes), zframe_size(bytes), &frame) != 0)
        return lose(peer, "sends what is not a frame of this protocol");
    if (frame.type != FRAME_FOLLOWED && frame.type != FRAME_ERROR)
        return 0;
    const ProtobufCMessageDescriptor *descriptor =
        frame.type == FRAME_ERROR ? &dongbo__error__descriptor : &dongbo__followed__descriptor;
    if (frame_decode(&frame, descriptor, arena_protobuf(peer->arena), &message) != 0)
        return lose(peer, "sends what cannot be decoded");
    return frame.type == FRAME_ERROR ? take_error(peer, (const Dongbo__Error *)message)
                                     : take_answer(peer, (const Dongbo__Followed *)message);
}

static int take_frames(FollowPeer *peer) {
    int r = 0;
    while (r == 0 && peer->socket) {
        zframe_t *bytes = NULL;
        char user[64];
        if (socket_receive(peer->socket, NULL, &bytes, user) == 1)
            return 0;
        r = take_frame(peer, bytes);
        zframe_destroy(&bytes);
    }
    return r;
}

// ---- waiting -------------------------------------------------------------------------------------------------------

static int wait_some(FollowPeer *peer, bool all_sent) {
    int64_t left_ms = peer->answered_ms + ANSWER_MS - now_ms(peer);
    int64_t patience_ms = peer->served_ms + peer->options.timeout_ms - now_ms(peer);
    if (peer->options.timeout_ms && patience_ms < left_ms)
        left_ms = patience_ms;
    if (left_ms <= 0)
        return lose(peer, peer->news == SOCKET_SECURED ? "does not answer" : socket_news_text(peer->news));
    zmq_pollitem_t items[] = {{zsock_resolve(peer->socket), 0, (short)(ZMQ_POLLIN | (all_sent ? 0 : ZMQ_POLLOUT)), 0},
                              {zsock_resolve(peer->monitor), 0, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, (long)left_ms) < 0 && errno != EINTR)
        return error_fail(ERROR_SYSTEM, "cannot wait for the broker: %s", zmq_strerror(errno));
    SocketNews news = socket_news(peer->monitor, peer->news);
    if (news == peer->news)
        return 0;
    peer->news = news;
    return news < SOCKET_REFUSED ? 0 : lose(peer, socket_news_text(news));
}

static int step(FollowPeer *peer) {
    bool all_sent = true;
    if (zsys_interrupted)
        return error_fail(ERROR_STOPPED, "asked to stop");
    int r = peer->socket ? 0 : connect_next(peer);
    if (r == 0)
        r = send_open(peer, &all_sent);
    if (r == 0)
        r = wait_some(peer, all_sent);
    return r != 0 || !peer->socket ? r : take_frames(peer);
}

int follow_peer_room(FollowPeer *peer, FollowAsk **ret) {
    for (;;) {
        for (int i = 0; i < ASKS; i++) {
            if (peer->slots[i].request)
                continue;
            peer->slots[i].ask.n = 0;
            *ret = &peer->slots[i].ask;
            return 0;
        }
        int r = step(peer);
        if (r != 0)
            return r;
    }
}

int follow_peer_finish(FollowPeer *peer) {
    int r = 0;
    while (r == 0 && any_open(peer))
        r = step(peer);
    return r;
}
