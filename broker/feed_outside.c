// SPDX-License-Identifier: Apache-2.0
//
// A connection is looked up for each frame: they are few, and questions are paid for.
#include "broker/feed_outside.h"

#include "broker/feed_session.h"

FeedPeer feed_peer(const zframe_t *route, const char *user) {
    return (FeedPeer){route, connections_party(user, "subscription"), user};
}

static bool is_idle(const Connection *connection) {
    return connection->n_sessions == 0;
}

static void gone(Connections *connections, Connection *connection) {
    if (is_idle(connection))
        connections_forget(connections, connection);
    else // its sessions notice by themselves
        connections_read(connection, connection->sent_bytes);
}

// Random, for nobody shall answer it unread; one that is outstanding is said again, and means what it meant.
static void ask(FeedState *state, Connection *connection) {
    Dongbo__Ping ping = DONGBO__PING__INIT;
    if (connection->nonce == 0) {
        connection->pinged_bytes = connection->sent_bytes;
        if (clock_random(state->clock, (uint8_t *)&connection->nonce, sizeof connection->nonce) < 0)
            connection->nonce = 0;
    }
    ping.nonce = connection->nonce;
    bytes_clear(&state->out);
    frame_write(&state->out, FRAME_PING, 0, 0, &ping.base);
    if (!state->out.failed && socket_send_to(state->router, connection->route, state->out.data, state->out.n) == 2)
        gone(subscribers_connections(state->subscribers), connection);
}

// Where others of its subscription hold too much, the little is asked about, too: else it would soon be told no more.
static void ask_if_much(FeedState *state, Connection *connection) {
    uint64_t unread = connections_unread(connection);
    if (unread == 0 || (unread < UNREAD_PING_BYTES && connections_takes(connection, FRAME_BODY_BYTES_MAX)))
        return;
    if (!is_idle(connection))
        feed_session_ask(state, connection);
    else if (connection->nonce == 0)
        ask(state, connection);
}

bool feed_outside_has_room(FeedState *state, const FeedPeer *peer) {
    Connection *connection = connections_hold(subscribers_connections(state->subscribers), peer->route, peer->party);
    return connection && connections_takes(connection, FRAME_BODY_BYTES_MAX);
}

static void say(FeedState *state, Connection *connection, const Bytes *frame) {
    if (!connections_takes(connection, frame->n))
        return;
    int r = socket_send_to(state->router, connection->route, frame->data, frame->n);
    if (r == 2)
        gone(subscribers_connections(state->subscribers), connection);
    if (r != 0)
        return;
    connections_sent(connection, frame->n);
    ask_if_much(state, connection);
}

static void write_error(FeedState *state, const FeedAnswer *answer, ProtobufCBinaryData signature) {
    Dongbo__Error error = DONGBO__ERROR__INIT;
    error.code = answer->code;
    error.text = (char *)answer->text;
    error.signature = signature;
    bytes_clear(&state->out);
    frame_write(&state->out, FRAME_ERROR, 0, 1, &error.base);
}

static void say_not_read(FeedState *state, Connection *connection) {
    static const FeedAnswer NOT_READ = {DONGBO__ERROR__CODE__INTERNAL, FEED_NOT_READ};
    write_error(state, &NOT_READ, (ProtobufCBinaryData){0});
    if (!state->out.failed)
        say(state, connection, &state->out);
}

void feed_outside_say(FeedState *state, const FeedPeer *peer, const Bytes *frame) {
    Connections *connections = subscribers_connections(state->subscribers);
    Connection *connection = frame->failed ? NULL : connections_hold(connections, peer->route, peer->party);
    if (!connection)
        return;
    if (connections_takes(connection, frame->n))
        say(state, connection, frame);
    else
        say_not_read(state, connection);
}

static DenialAsked asked_by(FeedState *state, const Frame *frame) {
    DenialAsked asked = {0};
    ProtobufCMessage *message;
    arena_reset(state->arena);
    if (frame && frame->type == FRAME_HELLO_SUBSCRIBE &&
        frame_decode(frame, &dongbo__hello_subscribe__descriptor, arena_protobuf(state->arena), &message) == 0)
        denial_ask(&asked, ((const Dongbo__HelloSubscribe *)message)->error_challenge);
    if (frame && frame->type == FRAME_ASK_HEADS &&
        frame_decode(frame, &dongbo__ask_heads__descriptor, arena_protobuf(state->arena), &message) == 0)
        denial_ask(&asked, ((const Dongbo__AskHeads *)message)->answer_challenge);
    return asked;
}

void feed_outside_deny(FeedState *state, const FeedPeer *peer, const Frame *frame, const FeedAnswer *answer) {
    uint8_t signature[SIGNATURE_BYTES];
    // Of whoever asks too often nothing is looked at.
    DenialAsked asked = asked_by(state, answer->code == DONGBO__ERROR__CODE__TOO_OFTEN ? NULL : frame);
    Denial said = {denial_peer_of_user(peer->user), &asked, FRAME_ERROR, (int)answer->code, answer->text};
    write_error(state, answer, denial_sign(state->signer, &said, signature));
    feed_outside_say(state, peer, &state->out);
}

void feed_outside_pong(FeedState *state, const FeedPeer *peer, const Frame *frame) {
    Connections *connections = subscribers_connections(state->subscribers);
    Connection *connection = connections_find(connections, peer->route, peer->party);
    ProtobufCMessage *message;
    if (!connection || connection->nonce == 0 ||
        frame_decode(frame, &dongbo__pong__descriptor, arena_protobuf(state->arena), &message) != 0 ||
        ((const Dongbo__Pong *)message)->nonce != connection->nonce)
        return;
    connection->nonce = 0;
    connections_read(connection, connection->pinged_bytes);
    if (is_idle(connection) && connections_unread(connection) == 0)
        connections_forget(connections, connection);
    else
        ask_if_much(state, connection);
}

void feed_outside_tick(FeedState *state, int64_t now_ms) {
    Connections *connections = subscribers_connections(state->subscribers);
    size_t left = SIZE_MAX;
    for (Connection *idle; (idle = connections_next_idle(connections, &left)) != NULL;) {
        if (connections_unread(idle) == 0) {
            connections_forget(connections, idle);
        } else if (now_ms - idle->probed_ms >= PING_INTERVAL_MS) {
            idle->probed_ms = now_ms;
            ask(state, idle);
        }
    }
}
