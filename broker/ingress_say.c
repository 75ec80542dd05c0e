// SPDX-License-Identifier: Apache-2.0
//
// Everything that leaves the ingress. Sending never blocks: whoever does not take an answer loses its session, and
// finds all of it again by Hello.
#include "broker/ingress_state.h"

#include "proto/base/log.h"
#include "proto/socket.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define NOTE_BYTES 512

uint64_t ingress_credit(IngressState *state, Session *session) {
    uint64_t window = queue_window(sessions_n(state->sessions), connections_sessions(session->connection));
    if (session->finished_bytes + window > session->credit_bytes)
        session->credit_bytes = session->finished_bytes + window;
    return session->credit_bytes;
}

// 0 when it was sent.
static int send_out(IngressState *state, Session *session) {
    if (state->out.failed) {
        bytes_free(&state->out);
        return 1;
    }
    if (!connections_takes(session->connection, state->out.n))
        return 1;
    int result = socket_send_to(state->router, session->route, state->out.data, state->out.n);
    if (result == 0)
        connections_sent(session->connection, state->out.n);
    else if (result == 2) // it holds nothing any more
        connections_read(session->connection, session->connection->sent_bytes);
    return result;
}

static bool is_much_unread(const Session *session) {
    return connections_unread(session->connection) >= UNREAD_PING_BYTES;
}

void ingress_note(IngressState *state, const char *user, const char *fmt, ...) {
    char text[NOTE_BYTES], hidden[QUOTA_TEXT_BYTES];
    const char *more = quota_take(&state->quota, user, clock_monotonic_ms(state->clock), hidden);
    if (more == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    log_info("%s: %s%s", user[0] == 0 ? "a peer on the publish port" : user, text, more);
}

int ingress_say(IngressState *state, Session *session, FrameType type, const ProtobufCMessage *message) {
    bytes_clear(&state->out);
    frame_write(&state->out, type, session->number, ++session->sent, message);
    if (send_out(state, session) == 0)
        return type != FRAME_PING && session->nonce == 0 && is_much_unread(session) ? ingress_ask(state, session) : 0;
    ingress_note(state, session->user, "session %016" PRIx64 " ended: the peer is gone or does not read",
                 session->number);
    sessions_remove(state->sessions, session);
    return 1;
}

int ingress_ask(IngressState *state, Session *session) {
    Dongbo__Ping ping = DONGBO__PING__INIT;
    // Random: nobody answers it who has not read it. One that is outstanding is said again, and means what it meant.
    if (session->nonce == 0) {
        session->pinged_bytes = session->connection->sent_bytes;
        if (clock_random(state->clock, (uint8_t *)&session->nonce, sizeof session->nonce) < 0)
            session->nonce = 0;
    }
    ping.nonce = session->nonce;
    return ingress_say(state, session, FRAME_PING, &ping.base);
}

// Where it was asked for, in `buffer`.
static ProtobufCBinaryData sign(IngressState *state, const IngressPeer *peer, Denial *said,
                                uint8_t buffer[SIGNATURE_BYTES]) {
    said->peer = denial_peer_of_user(peer->user);
    said->asked = peer->denials;
    return peer->denials == NULL ? (ProtobufCBinaryData){0} : denial_sign(state->signer, said, buffer);
}

int ingress_refuse(IngressState *state, Session *session, int code, uint64_t expected_sequence, const char *text) {
    uint8_t signature[SIGNATURE_BYTES];
    IngressPeer peer = {session->route, session->user, &session->denials};
    Dongbo__Refusal refusal = DONGBO__REFUSAL__INIT;
    refusal.code = (Dongbo__Refusal__Code)code;
    refusal.expected_sequence = expected_sequence;
    refusal.text = (char *)text;
    refusal.credit_bytes = ingress_credit(state, session);
    refusal.signature = sign(state, &peer, &(Denial){.type = FRAME_REFUSAL, .code = code, .text = text}, signature);
    return ingress_say(state, session, FRAME_REFUSAL, &refusal.base);
}

// What could not be written is not sent either.
static void say_outside(IngressState *state, const IngressPeer *peer) {
    Connections *connections = sessions_connections(state->sessions);
    Connection *connection = connections_hold(connections, peer->route, connections_party(peer->user, "agency"));
    if (connection == NULL || !connections_takes(connection, state->out.n))
        return;
    int result = socket_send_to(state->router, peer->route, state->out.data, state->out.n);
    if (result == 0)
        connections_sent(connection, state->out.n);
    else if (result == 2) // it holds nothing any more
        connections_read(connection, connection->sent_bytes);
}

void ingress_say_error_to(IngressState *state, const IngressPeer *peer, uint64_t session, int code, const char *text) {
    Dongbo__Error error = DONGBO__ERROR__INIT;
    uint8_t signature[SIGNATURE_BYTES];
    error.code = (Dongbo__Error__Code)code;
    error.text = (char *)text;
    error.signature = sign(state, peer, &(Denial){.type = FRAME_ERROR, .code = code, .text = text}, signature);
    bytes_clear(&state->out);
    frame_write(&state->out, FRAME_ERROR, session, 0, &error.base);
    if (!state->out.failed)
        say_outside(state, peer);
    else
        bytes_free(&state->out);
}

bool ingress_is_gone(IngressState *state, const zframe_t *route) {
    Dongbo__Ping ping = DONGBO__PING__INIT;
    bytes_clear(&state->out);
    frame_write(&state->out, FRAME_PING, 0, 0, &ping.base);
    return !state->out.failed && socket_send_to(state->router, route, state->out.data, state->out.n) == 2;
}

void ingress_end(IngressState *state, Session *session, int code, const char *text) {
    ingress_note(state, session->user, "session %016" PRIx64 " ended: %s", session->number, text);
    // Before Welcome the agent does not know its number.
    ingress_say_error_to(state, &(IngressPeer){session->route, session->user, &session->denials},
                         session->open ? session->number : 0, code, text);
    sessions_remove(state->sessions, session);
}
