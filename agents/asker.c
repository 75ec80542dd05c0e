// SPDX-License-Identifier: Apache-2.0
#include "agents/asker.h"

#include "proto/base/error.h"
#include "proto/base/log.h"

#include <czmq.h>
#include <stdio.h>

#define ARENA_BYTES (1024 * 1024)
#define ANSWER_MS 15000 // longer than a broker waits for its databases
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define COMPLAIN_MS 60000

int asker_begin(Asker *asker, const AskerOptions *options) {
    *asker = (Asker){.options = *options, .pause_ms = PAUSE_MIN_MS};
    asker->served_ms = clock_monotonic_ms(options->clock);
    round_begin(&asker->round, &options->exchange[0], &options->exchange[1]);
    asker->successor = (Successor){.broker = options->exchange, .path = options->exchange_path, .round = &asker->round};
    return arena_new(&asker->arena, ARENA_BYTES);
}

void asker_end(Asker *asker) {
    socket_close_watched(&asker->socket, &asker->monitor);
    arena_destroy(&asker->arena);
    bytes_free(&asker->out);
    bytes_free(&asker->pong);
}

static int64_t now_ms(const Asker *asker) {
    return clock_monotonic_ms(asker->options.clock);
}

void asker_served(Asker *asker) {
    asker->owed_ms = asker->served_ms = now_ms(asker);
    asker->tried = 0;
    asker->pause_ms = PAUSE_MIN_MS;
    asker->said_ms = 0;
}

void asker_asked(Asker *asker) {
    asker->owed_ms = now_ms(asker);
    if (asker->tried == 0)
        asker->served_ms = asker->owed_ms;
}

// ---- connections ---------------------------------------------------------------------------------------------------

int asker_connect(Asker *asker) {
    if (zsys_interrupted)
        return error_fail(ERROR_STOPPED, "asked to stop");
    if (asker->socket != NULL)
        return 0;
    SocketPeer to = {asker->options.endpoints[asker->at], asker->options.keys, round_keys(&asker->round)->curve_public};
    asker->news = SOCKET_TRYING;
    asker->owed_ms = now_ms(asker);
    int r = successor_ask(&asker->successor, asker->options.clock, &asker->challenge);
    if (r == 0)
        r = socket_connect_watched(&asker->socket, &asker->monitor, &to);
    return r < 0 ? r : 1;
}

int asker_hear(Asker *asker, const Dongbo__NextKeys *said) {
    bool asked = asker->challenge.len != 0;
    asker->challenge.len = 0;
    return asked ? successor_hear(&asker->successor, said) : 0;
}

static int check_timeout(const Asker *asker, const char *endpoint, const char *why) {
    int64_t timeout_ms = asker->options.timeout_ms;
    if (timeout_ms == 0 || now_ms(asker) - asker->served_ms < timeout_ms)
        return 0;
    return error_fail(ERROR_PEER, "given up after %lld seconds: %s %s", (long long)timeout_ms / 1000, endpoint, why);
}

// Up to the end of all patience at most. Which a signal ends.
static void wait_before_next(Asker *asker) {
    int64_t left_ms = asker->served_ms + asker->options.timeout_ms - now_ms(asker);
    int64_t wait_ms = asker->options.timeout_ms != 0 && left_ms < asker->pause_ms ? left_ms : asker->pause_ms;
    zmq_poll(NULL, 0, (long)(wait_ms > 0 ? wait_ms : 0));
    asker->pause_ms = asker->pause_ms * 2 < PAUSE_MAX_MS ? asker->pause_ms * 2 : PAUSE_MAX_MS;
}

int asker_lose(Asker *asker, const char *why) {
    const char *endpoint = asker->options.endpoints[asker->at];
    socket_close_watched(&asker->socket, &asker->monitor);
    int r = check_timeout(asker, endpoint, why);
    if (r < 0)
        return r;
    if (asker->said_ms == 0 || now_ms(asker) - asker->said_ms >= COMPLAIN_MS) {
        log_warn("%s %s; nothing is lost, it is tried again", endpoint, why);
        asker->said_ms = now_ms(asker);
    }
    asker->at = (asker->at + 1) % asker->options.n_endpoints;
    if (asker->news == SOCKET_SECURED || asker->news == SOCKET_LOST)
        round_secured(&asker->round);
    if (++asker->tried % asker->options.n_endpoints != 0)
        return 0;
    round_over(&asker->round);
    wait_before_next(asker);
    return check_timeout(asker, endpoint, why); // of what had the time to answer
}

int asker_wait(Asker *asker, bool all_sent) {
    int64_t left_ms = asker->owed_ms + ANSWER_MS - now_ms(asker);
    int64_t patience_ms = asker->served_ms + asker->options.timeout_ms - now_ms(asker);
    if (asker->options.timeout_ms != 0 && patience_ms < left_ms)
        left_ms = patience_ms;
    if (left_ms <= 0)
        return asker_lose(asker, asker->news == SOCKET_SECURED ? "does not answer" : socket_news_text(asker->news));
    zmq_pollitem_t items[] = {{zsock_resolve(asker->socket), 0, (short)(ZMQ_POLLIN | (all_sent ? 0 : ZMQ_POLLOUT)), 0},
                              {zsock_resolve(asker->monitor), 0, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, (long)left_ms) < 0 && errno != EINTR)
        return error_fail(ERROR_SYSTEM, "cannot wait for the broker: %s", zmq_strerror(errno));
    SocketNews news = socket_news(asker->monitor, asker->news);
    if (news == asker->news)
        return 0;
    asker->news = news;
    return news < SOCKET_REFUSED ? 0 : asker_lose(asker, socket_news_text(news));
}

// ---- frames --------------------------------------------------------------------------------------------------------

bool asker_send(Asker *asker) {
    return !asker->out.failed && socket_send(asker->socket, asker->out.data, asker->out.n) == 0;
}

static int take_error(Asker *asker, const Dongbo__Error *error) {
    snprintf(asker->text, sizeof asker->text, "%s", error->text);
    bool passes = error->code == DONGBO__ERROR__CODE__INTERNAL || error->code == DONGBO__ERROR__CODE__TOO_OFTEN;
    asker->refused = (int)error->code;
    DoubtSaid said = {asker->options.keys, FRAME_ERROR, (int)error->code, error->text, error->signature};
    bool is_signed = doubt_is_signed(&asker->doubt, &said, round_keys(&asker->round)->sign_public);
    if (!passes && asker->doubt.asked.asked && !is_signed) {
        snprintf(asker->text, sizeof asker->text, DENIAL_UNSIGNED "%s", error->text);
        passes = true;
    }
    return passes ? asker_lose(asker, asker->text) : 1;
}

// The exchange asks what was read, for it counts what was not. That a Pong may not go out is no harm: it asks again.
static int take_ping(Asker *asker, const Frame *frame) {
    ProtobufCMessage *message = NULL;
    Dongbo__Pong pong = DONGBO__PONG__INIT;
    if (frame_decode(frame, &dongbo__ping__descriptor, arena_protobuf(asker->arena), &message) != 0)
        return asker_lose(asker, "sends what cannot be decoded");
    pong.nonce = ((const Dongbo__Ping *)message)->nonce;
    bytes_clear(&asker->pong);
    frame_write(&asker->pong, FRAME_PONG, 0, 0, &pong.base);
    if (!asker->pong.failed)
        (void)socket_send(asker->socket, asker->pong.data, asker->pong.n);
    return 0;
}

static int take_frame(Asker *asker, zframe_t *bytes, FrameType type, const ProtobufCMessageDescriptor *descriptor,
                      const void **ret) {
    Frame frame;
    ProtobufCMessage *message = NULL;
    arena_reset(asker->arena);
    if (bytes == NULL || frame_read(zframe_data(bytes), zframe_size(bytes), &frame) != 0)
        return asker_lose(asker, "sends what is not a frame of this protocol");
    if (frame.type == FRAME_PING)
        return take_ping(asker, &frame);
    if (frame.type != type && frame.type != FRAME_ERROR)
        return 0;
    bool is_error = frame.type == FRAME_ERROR;
    if (frame_decode(&frame, is_error ? &dongbo__error__descriptor : descriptor, arena_protobuf(asker->arena),
                     &message) != 0)
        return asker_lose(asker, "sends what cannot be decoded");
    if (is_error)
        return take_error(asker, (const Dongbo__Error *)message);
    *ret = message;
    return 0;
}

int asker_take(Asker *asker, FrameType type, const ProtobufCMessageDescriptor *descriptor, const void **ret) {
    int r = 0;
    *ret = NULL;
    // Whoever floods us with what we did not ask for is not listened to for longer than whoever is silent.
    while (r == 0 && asker->socket != NULL && *ret == NULL && !zsys_interrupted &&
           now_ms(asker) - asker->owed_ms < ANSWER_MS) {
        zframe_t *bytes = NULL;
        char user[64];
        if (socket_receive(asker->socket, NULL, &bytes, user) == 1)
            return 0;
        r = take_frame(asker, bytes, type, descriptor, ret);
        zframe_destroy(&bytes);
    }
    return r;
}
