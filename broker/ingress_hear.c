// SPDX-License-Identifier: Apache-2.0
//
// What agents say, frame by frame. Who speaks is what ZAP says; what a frame says of its session must fit that. A frame
// that cannot be understood is answered with what to do, and ends what came over that connection.
#include "broker/ingress_state.h"

#include "broker/mail.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_FOR_DECISIONS_MS 10000 // other brokers and operators decide too

// Ends every session of that connection.
static void end_route(IngressState *state, const zframe_t *route) {
    for (Session *session = sessions_first(state->sessions); session != NULL;
         session = sessions_next(state->sessions)) {
        if (zframe_eq(session->route, (zframe_t *)route))
            sessions_remove(state->sessions, session);
    }
}

static void bad_frame(IngressState *state, const IngressPeer *caller, int code, const char *text) {
    ingress_note(state, caller->user, "a frame was refused: %s", text);
    ingress_say_error_to(state, caller, 0, code, text);
    end_route(state, caller->route);
}

void ingress_hear_multipart(IngressState *state, zframe_t *route) {
    bad_frame(state, &(IngressPeer){.route = route, .user = ""}, DONGBO__ERROR__CODE__BAD_FRAME,
              "A message is one ZeroMQ frame: header and body together. Say Hello again.");
}

static void *decode(IngressState *state, const Frame *frame, const ProtobufCMessageDescriptor *descriptor) {
    ProtobufCMessage *message = NULL;
    arena_reset(state->arena);
    return frame_decode(frame, descriptor, arena_protobuf(state->arena), &message) == 0 ? message : NULL;
}

// ---- Hello --------------------------------------------------------------------------------------------------------

static const char *wrong_hello(const Dongbo__HelloPublish *hello) {
    if (hello->protocol_version != PROTOCOL_VERSION)
        return "This exchange speaks protocol version 1.";
    if (hello->stream.len != STREAM_BYTES)
        return "A stream is 16 random bytes, made with the spool.";
    if (strcmp(hello->stream_kind, "live") != 0 && strcmp(hello->stream_kind, "bulk") != 0)
        return "A stream's kind is `live` or `bulk`.";
    if (hello->replaces_stream.len != 0 && hello->replaces_stream.len != STREAM_BYTES)
        return "The stream that is replaced is 16 bytes, or not said.";
    if (hello->agent[0] == '\0' || strlen(hello->agent) >= sizeof((Greeting *)0)->agent)
        return "The agent's name has 1 to 63 bytes.";
    return NULL;
}

// The session's one greeting goes to the greeter, and comes back by ingress_greeted().
static void send_greeting(IngressState *state, Session *session, GreetingKind kind) {
    Greeting *greeting = session->greeting;
    session->greeting = NULL;
    greeting->kind = kind;
    greeting->session = session->number;
    greeting->deadline_ms = clock_monotonic_ms(state->clock) + GREETING_MS;
    memcpy(greeting->stream, session->stream, STREAM_BYTES);
    LIST_INSERT_HEAD(&state->greetings, greeting, out);
    state->n_greetings++;
    mail_send(state->greeter, MAIL_GREETING, greeting);
}

// Also those of sessions that ended meanwhile.
static size_t n_greetings_of(const IngressState *state, uint32_t agency) {
    size_t n = 0;
    const Greeting *greeting;
    LIST_FOREACH(greeting, &state->greetings, out) {
        n += greeting->agency == agency;
    }
    return n;
}

static Session *session_for(IngressState *state, const zframe_t *route, uint32_t agency) {
    uint64_t number = 0;
    if (sessions_n_of(state->sessions, agency) >= SESSIONS_PER_AGENCY_MAX || state->n_greetings >= GREETINGS_MAX ||
        n_greetings_of(state, agency) >= SESSIONS_PER_AGENCY_MAX)
        return NULL;
    do {
        if (clock_random(state->clock, (uint8_t *)&number, sizeof number) < 0)
            return NULL;
    } while (number == 0 || sessions_find(state->sessions, number) != NULL);
    return sessions_add(state->sessions, number, route, agency);
}

// Whoever's key was revoked may have a connection still: that key has an allowance of its own, not its agency's.
static bool afford(IngressState *state, const IngressPeer *caller) {
    bool known = agencies_of_user(state->agencies, caller->user) != NULL;
    const char *payer = known ? caller->user : denial_peer_of_user(caller->user);
    if (allowance_take(state->hellos, payer, clock_monotonic_ms(state->clock)))
        return true;
    ingress_note(state, caller->user, "a Hello was refused: this agency says too many");
    ingress_say_error_to(state, caller, 0, DONGBO__ERROR__CODE__TOO_OFTEN,
                         "Your agency's agents say Hello too often: wait some seconds before the next, and longer each "
                         "time. Find the one that begins over and over.");
    return false;
}

// Whose Hello it is; NULL when it was answered.
static const Agency *admit(IngressState *state, const IngressPeer *caller) {
    const Agency *agency = agencies_of_user(state->agencies, caller->user);
    if (agency != NULL)
        return agency;
    ingress_note(state, caller->user, "a Hello was refused: this key may not publish");
    ingress_say_error_to(state, caller, 0, DONGBO__ERROR__CODE__NOT_ALLOWED,
                         "This key may not publish: it is no agency's, or was revoked. Ask the exchange's operator.");
    return NULL;
}

static void hear_hello(IngressState *state, const IngressPeer *caller, const Frame *frame) {
    const zframe_t *route = caller->route;
    const char *user = caller->user;
    if (!afford(state, caller))
        return;
    const Dongbo__HelloPublish *hello = decode(state, frame, &dongbo__hello_publish__descriptor);
    const char *wrong = hello == NULL ? "The Hello does not decode: see PROTOCOL.md." : wrong_hello(hello);
    DenialAsked denials = {0};
    if (hello != NULL)
        denial_ask(&denials, hello->error_challenge);
    const IngressPeer asker = {route, user, &denials};
    const Agency *agency = admit(state, &asker);
    if (agency == NULL)
        return;
    if (wrong != NULL) {
        bad_frame(state, &asker,
                  hello != NULL && hello->protocol_version != PROTOCOL_VERSION ? DONGBO__ERROR__CODE__BAD_VERSION
                                                                               : DONGBO__ERROR__CODE__BAD_FRAME,
                  wrong);
        return;
    }
    Session *session = session_for(state, route, agency->grants.agency);
    if (session == NULL) {
        ingress_say_error_to(state, caller, 0, DONGBO__ERROR__CODE__INTERNAL,
                             "The exchange has as many sessions as it takes, or what it sent was not read: connect "
                             "again, read what comes, and try once more in a minute.");
        return;
    }
    snprintf(session->user, sizeof session->user, "%s", user);
    memcpy(session->transport, agencies_transport(state->agencies, user), KEY_BYTES);
    memcpy(session->stream, hello->stream.data, STREAM_BYTES);
    session->heard_ms = clock_monotonic_ms(state->clock);
    session->wants_proofs = hello->proofs;
    session->proved_sequence = hello->proven_sequence;
    session->proved_head = hello->proven_head;
    session->receipt_sequence = hello->receipt_sequence;
    session->signs_proofs = hello->proofs_challenge.len == PROOFS_CHALLENGE_BYTES;
    if (session->signs_proofs)
        memcpy(session->proofs_challenge, hello->proofs_challenge.data, PROOFS_CHALLENGE_BYTES);
    session->denials = denials;
    session->asks_next = hello->challenge.len == NEXT_KEYS_CHALLENGE_BYTES;
    if (session->asks_next)
        memcpy(session->challenge, hello->challenge.data, NEXT_KEYS_CHALLENGE_BYTES);
    Greeting *greeting = session->greeting;
    greeting->agency = session->agency;
    greeting->after = hello->verdict_position;
    greeting->verdict_epoch = hello->verdict_epoch;
    greeting->signs = hello->signed_verdicts;
    snprintf(greeting->agent, sizeof greeting->agent, "%s", hello->agent);
    snprintf(greeting->stream_kind, sizeof greeting->stream_kind, "%s", hello->stream_kind);
    session->bulk = strcmp(hello->stream_kind, "bulk") == 0;
    greeting->has_replaces = hello->replaces_stream.len == STREAM_BYTES;
    if (greeting->has_replaces)
        memcpy(greeting->replaces, hello->replaces_stream.data, STREAM_BYTES);
    send_greeting(state, session, GREETING_HELLO);
}

static void end_older(IngressState *state, const Session *newer) {
    for (Session *session = sessions_first(state->sessions); session != NULL;
         session = sessions_next(state->sessions)) {
        if (session->number != newer->number && session->open && session->session_epoch < newer->session_epoch &&
            memcmp(session->stream, newer->stream, STREAM_BYTES) == 0)
            ingress_end(state, session, DONGBO__ERROR__CODE__SESSION_REPLACED,
                        "A newer session of this stream was opened: two agents run on one spool, or its copy.");
    }
}

static void welcome(IngressState *state, Session *session, const Greeting *greeting) {
    if (greeting->refusal != NULL) {
        ingress_end(state, session, DONGBO__ERROR__CODE__NOT_ALLOWED, greeting->refusal);
        return;
    }
    session->open = true;
    session->session_epoch = greeting->session_epoch;
    session->verdict_position = session->told_position = greeting->after;
    session->history = session->wanted = session->proofs_due = true;
    // What was forgotten is proved no more, whatever it had.
    if (session->receipt_sequence > greeting->last_sequence)
        session->receipt_sequence = greeting->last_sequence;
    if (session->proved_sequence > greeting->last_sequence)
        session->proved_sequence = greeting->last_sequence;
    session->looked_ms = clock_monotonic_ms(state->clock);
    end_older(state, session);
    Dongbo__WelcomePublish message = DONGBO__WELCOME_PUBLISH__INIT;
    message.session = session->number;
    message.session_epoch = greeting->session_epoch;
    message.last_sequence = greeting->last_sequence;
    message.credit_bytes = ingress_credit(state, session);
    message.signing_key = (ProtobufCBinaryData){.data = (uint8_t *)state->keys->sign_public, .len = KEY_BYTES};
    message.epoch = greeting->epoch;
    if (session->asks_next)
        message.next_keys =
            next_keys_say(state->next_keys, &(ProtobufCBinaryData){sizeof session->challenge, session->challenge});
    if (ingress_say(state, session, FRAME_WELCOME_PUBLISH, &message.base) == 0)
        ingress_look_for_verdicts(state, session);
}

// ---- verdicts -----------------------------------------------------------------------------------------------------

void ingress_look_for_verdicts(IngressState *state, Session *session) {
    int64_t now = clock_monotonic_ms(state->clock);
    if (now - session->looked_ms >= LOOK_FOR_DECISIONS_MS)
        session->wanted = true;
    if (!session->open || !session->wanted || session->greeting == NULL || session->nonce != 0)
        return;
    session->wanted = false;
    session->looked_ms = now;
    session->greeting->after = session->verdict_position;
    session->greeting->decisions_only = !session->history;
    send_greeting(state, session, GREETING_VERDICTS);
}

// A chunk, and a ping after it: the next chunk is read once the agent has got that far.
static void say_verdicts(IngressState *state, Session *session, const Greeting *greeting) {
    session->verdict_position = greeting->after;
    session->wanted = session->wanted || greeting->more;
    // What was missed is told to its end, were it only that there was nothing.
    bool missed = session->history;
    session->history = session->history && greeting->more;
    if (!missed && greeting->n_verdicts == 0 && session->told_position == greeting->after) {
        ingress_look_for_verdicts(state, session);
        return;
    }
    session->told_position = greeting->after;
    Frame frame = {.type = FRAME_VERDICTS, .body = greeting->verdicts.data, .body_bytes = greeting->verdicts.n};
    Dongbo__Verdicts *message = decode(state, &frame, &dongbo__verdicts__descriptor);
    if (message == NULL) {
        ingress_end(state, session, DONGBO__ERROR__CODE__INTERNAL, "Verdicts could not be sent: try again.");
        return;
    }
    session->nonce = 0; // a Pong to an earlier ping is not to this one
    if (ingress_say(state, session, FRAME_VERDICTS, &message->base) == 0 && session->nonce == 0)
        ingress_ask(state, session);
}

void ingress_greeted(IngressState *state, Greeting *greeting) {
    LIST_REMOVE(greeting, out);
    state->n_greetings--;
    Session *session = sessions_find(state->sessions, greeting->session);
    if (session == NULL) {
        greeting_destroy(&greeting);
        return;
    }
    session->greeting = greeting;
    if (greeting->failed)
        ingress_end(state, session, DONGBO__ERROR__CODE__INTERNAL,
                    "The exchange cannot serve this session: try later.");
    else if (greeting->late && greeting->kind == GREETING_HELLO)
        ingress_end(state, session, DONGBO__ERROR__CODE__INTERNAL,
                    "The exchange's database does not answer: try again, another endpoint first.");
    else if (greeting->late)
        session->wanted = true; // asked again at the next tick
    else if (greeting->kind == GREETING_HELLO)
        welcome(state, session, greeting);
    else
        say_verdicts(state, session, greeting);
}

// ---- the rest -----------------------------------------------------------------------------------------------------

static void hear_ping(IngressState *state, Session *session, const Frame *frame) {
    const Dongbo__Ping *ping = decode(state, frame, &dongbo__ping__descriptor);
    Dongbo__Pong pong = DONGBO__PONG__INIT;
    pong.nonce = ping == NULL ? 0 : ping->nonce;
    ingress_say(state, session, FRAME_PONG, &pong.base);
}

static void hear_pong(IngressState *state, Session *session, const Frame *frame) {
    const Dongbo__Pong *pong = decode(state, frame, &dongbo__pong__descriptor);
    if (pong == NULL || pong->nonce != session->nonce || session->nonce == 0)
        return;
    session->nonce = 0;
    connections_read(session->connection, session->pinged_bytes);
    ingress_look_for_verdicts(state, session);
    ingress_look_for_proofs(state, session);
}

static void hear_in_session(IngressState *state, Session *session, const Frame *frame, zframe_t **owned) {
    session->heard_ms = clock_monotonic_ms(state->clock);
    switch (frame->type) {
    case FRAME_BATCH:
        ingress_batch(state, session, frame, owned);
        break;
    case FRAME_PING:
        hear_ping(state, session, frame);
        break;
    case FRAME_PONG:
        hear_pong(state, session, frame);
        break;
    case FRAME_GOODBYE:
        sessions_remove(state->sessions, session);
        break;
    default:
        ingress_end(state, session, DONGBO__ERROR__CODE__OUT_OF_ORDER,
                    "An agent's session takes Batch, Ping, Pong and Goodbye. Subscribers use the other port.");
    }
}

void ingress_hear(IngressState *state, zframe_t *route, zframe_t **owned, const char *user) {
    Frame frame;
    IngressPeer caller = {.route = route, .user = user};
    int fault = frame_read(zframe_data(*owned), zframe_size(*owned), &frame);
    if (fault == 2) {
        bad_frame(state, &caller, DONGBO__ERROR__CODE__BAD_VERSION, "This exchange speaks protocol version 1.");
        return;
    }
    if (fault != 0) {
        bad_frame(state, &caller, DONGBO__ERROR__CODE__BAD_FRAME,
                  "The frame's header is not one of this protocol: see PROTOCOL.md. Say Hello again.");
        return;
    }
    if (frame.type == FRAME_HELLO_PUBLISH) {
        hear_hello(state, &caller, &frame);
        return;
    }
    Session *session = frame.session == 0 ? NULL : sessions_find(state->sessions, frame.session);
    if (session != NULL && session->open && strcmp(session->user, user) == 0 && zframe_eq(session->route, route))
        hear_in_session(state, session, &frame, owned);
    else if (frame.type != FRAME_GOODBYE && frame.type != FRAME_PONG)
        ingress_say_error_to(state, &caller, frame.session, DONGBO__ERROR__CODE__NO_SESSION,
                             "There is no such session here: say Hello.");
}
