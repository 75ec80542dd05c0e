// SPDX-License-Identifier: Apache-2.0
//
// A question changes nothing, so whatever was not answered is simply asked again.
#include "agents/heads_peer.h"

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

#define ARENA_BYTES (1024 * 1024)
#define ANSWER_MS 15000 // longer than a broker waits for its database
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define COMPLAIN_MS 60000

struct HeadsPeer {
    HeadsPeerOptions options;
    Arena *arena;
    Bytes out;
    zsock_t *socket, *monitor;
    SocketNews news;
    unsigned at, tried; // endpoints: which, and how many since one answered
    Round round;
    int64_t pause_ms;
    int64_t asked_ms;  // or connected: since when this one owes us something
    int64_t served_ms; // since when nobody has answered
    int64_t said_ms;
    uint64_t request;
    bool sent; // over the present connection
    Dongbo__AskHeads ask;
    const Dongbo__Heads *answer; // NULL: not yet
    char text[512];
};

int heads_peer_new(HeadsPeer **ret, const HeadsPeerOptions *options) {
    HeadsPeer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return error_fail(ERROR_MEMORY, "no memory for questions");
    peer->options = *options;
    round_begin(&peer->round, &options->exchange[0], &options->exchange[1]);
    peer->pause_ms = PAUSE_MIN_MS;
    int r = arena_new(&peer->arena, ARENA_BYTES);
    if (r < 0)
        heads_peer_destroy(&peer);
    *ret = peer;
    return r;
}

void heads_peer_destroy(HeadsPeer **pointer) {
    HeadsPeer *peer = *pointer;
    if (peer == NULL)
        return;
    socket_close_watched(&peer->socket, &peer->monitor);
    arena_destroy(&peer->arena);
    bytes_free(&peer->out);
    free(peer);
    *pointer = NULL;
}

const char *heads_peer_text(const HeadsPeer *peer) {
    return peer->text;
}

static int64_t now_ms(const HeadsPeer *peer) {
    return clock_monotonic_ms(peer->options.clock);
}

// ---- connections ---------------------------------------------------------------------------------------------------

static int connect_next(HeadsPeer *peer) {
    SocketPeer to = {peer->options.endpoints[peer->at], peer->options.keys, round_keys(&peer->round)->curve_public};
    peer->news = SOCKET_TRYING;
    peer->asked_ms = now_ms(peer);
    peer->sent = false;
    return socket_connect_watched(&peer->socket, &peer->monitor, &to);
}

static void complain(HeadsPeer *peer, const char *endpoint, const char *why) {
    int64_t now = now_ms(peer);
    if (peer->said_ms != 0 && now - peer->said_ms < COMPLAIN_MS)
        return;
    log_warn("%s: %s; it is tried again", endpoint, why);
    peer->said_ms = now;
}

int heads_peer_lose(HeadsPeer *peer, const char *why) {
    int64_t timeout_ms = peer->options.timeout_ms;
    const char *endpoint = peer->options.endpoints[peer->at];
    socket_close_watched(&peer->socket, &peer->monitor);
    if (timeout_ms != 0 && now_ms(peer) - peer->served_ms >= timeout_ms)
        return error_fail(ERROR_PEER, "given up after %lld seconds: %s: %s", (long long)timeout_ms / 1000, endpoint,
                          why);
    complain(peer, endpoint, why);
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

// ---- the question --------------------------------------------------------------------------------------------------

static int send_ask(HeadsPeer *peer) {
    bytes_clear(&peer->out);
    frame_write(&peer->out, FRAME_ASK_HEADS, 0, peer->request, &peer->ask.base);
    if (peer->out.failed)
        return error_fail(ERROR_MEMORY, "no memory for a question");
    peer->sent = socket_send(peer->socket, peer->out.data, peer->out.n) == 0;
    return 0;
}

static int take_error(HeadsPeer *peer, const Dongbo__Error *error) {
    snprintf(peer->text, sizeof peer->text, "%s", error->text);
    if (error->code == DONGBO__ERROR__CODE__INTERNAL || error->code == DONGBO__ERROR__CODE__TOO_OFTEN)
        return heads_peer_lose(peer, peer->text);
    if (error->code == DONGBO__ERROR__CODE__BAD_FRAME)
        snprintf(peer->text, sizeof peer->text, "this exchange does not answer for signed heads: upgrade it first");
    return 1;
}

static int take_frame(HeadsPeer *peer, zframe_t *bytes) {
    Frame frame;
    ProtobufCMessage *message = NULL;
    arena_reset(peer->arena);
    if (bytes == NULL || frame_read(zframe_data(bytes), zframe_size(bytes), &frame) != 0)
        return heads_peer_lose(peer, "sends what is not a frame of this protocol");
    if (frame.type != FRAME_HEADS && frame.type != FRAME_ERROR)
        return 0;
    const ProtobufCMessageDescriptor *descriptor =
        frame.type == FRAME_ERROR ? &dongbo__error__descriptor : &dongbo__heads__descriptor;
    if (frame_decode(&frame, descriptor, arena_protobuf(peer->arena), &message) != 0)
        return heads_peer_lose(peer, "sends what cannot be decoded");
    if (frame.type == FRAME_ERROR)
        return take_error(peer, (const Dongbo__Error *)message);
    const Dongbo__Heads *heads = (const Dongbo__Heads *)message;
    if (heads->request == peer->request) // else of what was asked before
        peer->answer = heads;
    return 0;
}

static int take_frames(HeadsPeer *peer) {
    int r = 0;
    while (r == 0 && peer->socket != NULL && peer->answer == NULL) {
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

static int wait_some(HeadsPeer *peer) {
    int64_t left_ms = peer->asked_ms + ANSWER_MS - now_ms(peer);
    int64_t patience_ms = peer->served_ms + peer->options.timeout_ms - now_ms(peer);
    if (peer->options.timeout_ms != 0 && patience_ms < left_ms)
        left_ms = patience_ms;
    if (left_ms <= 0)
        return heads_peer_lose(peer, peer->news == SOCKET_SECURED ? "does not answer" : socket_news_text(peer->news));
    short events = peer->sent ? ZMQ_POLLIN : ZMQ_POLLIN | ZMQ_POLLOUT;
    zmq_pollitem_t items[] = {{zsock_resolve(peer->socket), 0, events, 0},
                              {zsock_resolve(peer->monitor), 0, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, (long)left_ms) < 0 && errno != EINTR)
        return error_fail(ERROR_SYSTEM, "cannot wait for the broker: %s", zmq_strerror(errno));
    SocketNews news = socket_news(peer->monitor, peer->news);
    if (news == peer->news)
        return 0;
    peer->news = news;
    return news < SOCKET_REFUSED ? 0 : heads_peer_lose(peer, socket_news_text(news));
}

static int step(HeadsPeer *peer) {
    if (zsys_interrupted)
        return error_fail(ERROR_STOPPED, "asked to stop");
    int r = peer->socket != NULL ? 0 : connect_next(peer);
    if (r == 0 && !peer->sent)
        r = send_ask(peer);
    if (r == 0)
        r = wait_some(peer);
    return r != 0 || peer->socket == NULL ? r : take_frames(peer);
}

int heads_peer_ask(HeadsPeer *peer, uint64_t after, uint64_t size, const Dongbo__Heads **ret) {
    dongbo__ask_heads__init(&peer->ask);
    peer->ask.request = ++peer->request;
    peer->ask.after = after;
    peer->ask.size = size;
    peer->answer = NULL;
    peer->sent = false;
    peer->asked_ms = now_ms(peer);
    peer->served_ms = peer->served_ms == 0 || peer->tried == 0 ? peer->asked_ms : peer->served_ms;
    int r = 0;
    while (r == 0 && peer->answer == NULL)
        r = step(peer);
    if (r != 0)
        return r;
    peer->served_ms = now_ms(peer);
    peer->tried = 0;
    peer->pause_ms = PAUSE_MIN_MS;
    peer->said_ms = 0;
    *ret = peer->answer;
    return 0;
}
