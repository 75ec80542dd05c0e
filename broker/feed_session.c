// SPDX-License-Identifier: Apache-2.0
//
// Sessions of the subscribe side. A subscription has one session at a time, the newest; a place in the feed is believed
// only when the segment that holds it has the hash that the subscriber remembers.
#include "broker/feed_session.h"

#include "broker/feed_account.h"
#include "broker/feed_asked.h"
#include "broker/feed_outside.h"
#include "broker/feed_place.h"
#include "broker/feed_snapshot.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MS 10000         // the database is told so often that a session goes on; see exchange.subscription_place
#define POLICIES_FRESH_MS 200 // so old policies may be when somebody says Hello
#define NOTE_BYTES 512
#define NO_ORIGINS                                                                                                     \
    "This subscription's rights do not allow proofs of origin. Receive without origin_proofs, or have the exchange's " \
    "operator allow them (dongbo subscription change --origin-proofs)."

// A Ping behind all that was sent: its Pong tells that it was read. Random, for nobody shall answer it unread; one that
// is outstanding is said again, and means what it meant.
static void ask(FeedState *state, Subscriber *subscriber) {
    Dongbo__Ping ping = DONGBO__PING__INIT;
    if (subscriber->nonce == 0) {
        subscriber->pinged_sent = subscriber->sent;
        subscriber->pinged_bytes = subscriber->connection->sent_bytes;
        if (clock_random(state->clock, (uint8_t *)&subscriber->nonce, sizeof subscriber->nonce) < 0)
            subscriber->nonce = 0;
    }
    ping.nonce = subscriber->nonce;
    feed_send(state, subscriber, FRAME_PING, &ping.base);
}

void feed_session_ask(FeedState *state, const Connection *connection) {
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));)
        if (one->connection == connection && one->nonce == 0) {
            ask(state, one);
            return;
        }
}

int feed_send(FeedState *state, Subscriber *subscriber, FrameType type, const ProtobufCMessage *message) {
    Connection *connection = subscriber->connection;
    bytes_clear(&state->out);
    frame_write(&state->out, type, subscriber->session, subscriber->sequence + 1, message);
    size_t n = state->out.n;
    if (state->out.failed || (type != FRAME_PING && !connections_takes(connection, n)))
        return 1;
    int r = socket_send_to(state->router, subscriber->route, state->out.data, n);
    if (r == 2) // nobody is there: it holds nothing any more
        connections_read(connection, connection->sent_bytes);
    if (r != 0)
        return 1;
    connections_sent(connection, n);
    subscriber->sequence++;
    if (type == FRAME_RECORDS || type == FRAME_CHUNK)
        subscriber->sent += n - FRAME_HEADER_BYTES;
    if (type != FRAME_PING && subscriber->nonce == 0 && connections_unread(connection) >= UNREAD_PING_BYTES)
        ask(state, subscriber);
    return 0;
}

void feed_token(Dongbo__ResumeToken *token, const FeedPlace *place) {
    dongbo__resume_token__init(token);
    token->epoch = place->epoch;
    token->position = place->position;
    token->segment_hash = (ProtobufCBinaryData){place->position ? HASH_BYTES : 0, (uint8_t *)place->hash};
}

// A line of the log that a receiver causes; "" is one that is not known. Not all of many are written.
__attribute__((format(printf, 3, 4))) static void note(FeedState *state, const char *user, const char *fmt, ...) {
    char text[NOTE_BYTES], hidden[QUOTA_TEXT_BYTES];
    const char *more = quota_take(&state->quota, user, clock_monotonic_ms(state->clock), hidden);
    if (!more)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    log_info("feed: %s%s", text, more);
}

void feed_session_end(FeedState *state, Subscriber *subscriber, Dongbo__Error__Code code, const char *text) {
    uint8_t signature[SIGNATURE_BYTES];
    Dongbo__Error error = DONGBO__ERROR__INIT;
    Denial said = {denial_peer_of_user(subscriber->user), &subscriber->denials, FRAME_ERROR, (int)code, text};
    error.code = code;
    error.text = (char *)text;
    error.signature = denial_sign(state->signer, &said, signature);
    if (code)
        feed_send(state, subscriber, FRAME_ERROR, &error.base);
    else
        feed_send(state, subscriber, FRAME_GOODBYE, NULL);
    if (state->connected)
        // A failure is noticed by the next statement, and the receiver has its own token.
        feed_store_close(state->store, subscriber);
    note(state, subscriber->user, "subscription %d ended at position %" PRIu64 "%s%s", (int)subscriber->subscription,
         subscriber->place.position, code ? ": " : "", code ? text : "");
    subscribers_close(state->subscribers, subscriber);
}

void feed_session_fail(FeedState *state, Subscriber *subscriber) {
    log_error("feed: subscription %d cannot be served: %s", (int)subscriber->subscription, error_text());
    feed_session_end(state, subscriber, DONGBO__ERROR__CODE__INTERNAL, FEED_CANNOT_SERVE);
}

// Another one is there instead, with so many shares in all.
static void replaced(FeedState *state, Subscriber *subscriber, int shares) {
    char text[200] = "Another receiver of this subscription said Hello. Run one at a time, or give each a share.";
    if (shares != subscriber->share.n && shares > 0)
        snprintf(text, sizeof text,
                 "This subscription is shared by %d receivers from now on. Give this one a share of %d, or stop it.",
                 shares, shares);
    else if (shares != subscriber->share.n)
        snprintf(text, sizeof text,
                 "Another receiver takes all of this subscription from now on. Stop those with a share.");
    else if (shares > 0)
        snprintf(text, sizeof text,
                 "Another receiver of share %d of %d said Hello. Give each receiver a share of its own.",
                 subscriber->share.i, shares);
    feed_session_end(state, subscriber, DONGBO__ERROR__CODE__SESSION_REPLACED, text);
}

int feed_session_over(FeedState *state, Subscriber *subscriber) {
    bool is_replaced = false;
    int shares = 0;
    int r = feed_store_is_replaced(state->store, subscriber, &is_replaced, &shares);
    if (r < 0)
        return r;
    if (is_replaced)
        replaced(state, subscriber, shares);
    else
        feed_session_end(state, subscriber, DONGBO__ERROR__CODE__NO_SESSION,
                         "The exchange's database has forgotten this session. Say Hello with your token.");
    return 0;
}

// Ends every session of that connection. True when there was one, which has then been told why.
static bool end_route(FeedState *state, zframe_t *route, const FeedAnswer *answer) {
    bool any = false;
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));) {
        if (!zframe_eq(one->route, route))
            continue;
        feed_session_end(state, one, answer->code, answer->text);
        any = true;
    }
    return any;
}

// ---- Hello -----------------------------------------------------------------------------------------------------

int32_t feed_session_subscription(const char *user) {
    return strncmp(user, "subscription:", 13) == 0 ? (int32_t)strtol(user + 13, NULL, 10) : 0;
}

// NULL with an answer when this peer may not have a session.
static const Policy *hello_policy(const FeedState *state, const Dongbo__HelloSubscribe *hello, const char *user,
                                  FeedAnswer *answer) {
    const Policy *policy = policy_set_find(state->policies, feed_session_subscription(user));
    if (!policy) {
        feed_answer(answer, DONGBO__ERROR__CODE__UNKNOWN_SUBSCRIPTION, FEED_NO_SUBSCRIPTION);
        return NULL;
    }
    if (strcmp(policy->name, hello->subscription) != 0) {
        feed_answer(answer, DONGBO__ERROR__CODE__UNKNOWN_SUBSCRIPTION,
                    "This key belongs to subscription \"%s\": set that name, or use the other subscription's key.",
                    policy->name);
        return NULL;
    }
    const char *refusal = policy_refusal(policy, user, policy_day(clock_now_us(state->clock)));
    if (refusal) {
        feed_answer(answer, DONGBO__ERROR__CODE__NOT_ALLOWED, "%s", refusal);
        return NULL;
    }
    return policy;
}

// One of one is all. False with an answer when there is no such share.
static bool hello_share(const Dongbo__HelloSubscribe *hello, Share *ret, FeedAnswer *answer) {
    bool all = hello->shares <= 1 && hello->share == hello->shares;
    *ret = (Share){0};
    if (!all && (hello->share < 1 || hello->share > hello->shares || hello->shares > SHARES_MAX))
        feed_answer(answer, DONGBO__ERROR__CODE__NOT_ALLOWED,
                    "There is no share %u of %u. Shares are numbered from 1, and %d at most.", hello->share,
                    hello->shares, SHARES_MAX);
    else if (!all && hello->snapshot)
        feed_answer(answer, DONGBO__ERROR__CODE__NOT_ALLOWED,
                    "A share cannot take a snapshot: it has all persons. Take it with one receiver without a share.");
    else if (!all)
        *ret = (Share){(int16_t)hello->share, (int16_t)hello->shares};
    return answer->code == 0;
}

// Granted fields by name, in the arena. NULL without memory.
static char **granted_fields(Arena *arena, const PolicyVersion *version, size_t *ret_n) {
    size_t n = 0;
    char **fields = arena_alloc(arena, (DOMAIN_MAX * DOMAIN_FIELDS_MAX + 2) * sizeof(char *));
    if (!fields)
        return NULL;
    if (version->citizen_number)
        fields[n++] = arena_strndup(arena, "citizen_number", 14);
    if (version->person_id)
        fields[n++] = arena_strndup(arena, "person_id", 9);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        for (unsigned field = 1; field <= DOMAIN_FIELDS_MAX; field++)
            if (version->domains >> domain & version->fields[domain] >> field & 1)
                fields[n++] =
                    arena_printf(arena, "%s.%s", domain_name(domain), field_name(domain_descriptor(domain), field));
    for (size_t i = 0; i < n; i++)
        if (!fields[i])
            return NULL;
    *ret_n = n;
    return fields;
}

static const ProtobufCBinaryData NOT_ASKED;

// Overwrites the arena. 1 when the socket does not take it now.
static int welcome_send(FeedState *state, Subscriber *subscriber, const Policy *policy,
                        const ProtobufCBinaryData *challenge) {
    const PolicyVersion *version = policy_current(policy);
    Dongbo__WelcomeSubscribe welcome = DONGBO__WELCOME_SUBSCRIBE__INIT;
    Dongbo__ResumeToken head;
    feed_token(&head, &state->head);
    welcome.session = subscriber->session;
    welcome.head = &head;
    welcome.position = subscriber->place.position;
    welcome.signing_key = (ProtobufCBinaryData){KEY_BYTES, (uint8_t *)state->keys->sign_public};
    welcome.policy_version = (uint32_t)version->version;
    welcome.policy_position = policy->n_versions > 1 ? version->position : 0;
    welcome.rights_position = policy->versions[0].position;
    welcome.origin_proofs = subscriber->origins;
    welcome.next_keys = next_keys_say(state->next_keys, challenge);
    arena_reset(state->arena);
    welcome.fields = granted_fields(state->arena, version, &welcome.n_fields);
    if (!welcome.fields)
        return error_fail(ERROR_MEMORY, "no memory for a welcome");
    if (feed_send(state, subscriber, FRAME_WELCOME_SUBSCRIBE, &welcome.base) != 0)
        return 1;
    subscriber->policy_version = version->version;
    return 0;
}

typedef struct Caller {
    zframe_t **route; // taken over with a session
    const char *user;
    Share share;
} Caller;

// Sessions of this broker that a new one is instead of. Those of other brokers end when they next tell of themselves.
static void older_end(FeedState *state, int32_t subscription, Share share) {
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));)
        if (one->subscription == subscription && (one->share.i == share.i || one->share.n != share.n))
            replaced(state, one, share.n);
}

static int session_open(FeedState *state, const Caller *caller, const Policy *policy, Subscriber **ret,
                        FeedAnswer *answer) {
    Connections *connections = subscribers_connections(state->subscribers);
    Connection *connection = connections_join(connections, *caller->route, (uint32_t)policy->subscription);
    if (!connection) {
        feed_answer(answer, DONGBO__ERROR__CODE__INTERNAL, FEED_NOT_READ);
        return 1;
    }
    older_end(state, policy->subscription, caller->share);
    CLEANUP(projector_destroy) Projector *projector = NULL;
    int r = projector_new(&projector, policy->secret);
    if (r == 0)
        r = subscribers_open(state->subscribers, *caller->route, projector, ret);
    if (r == 1)
        feed_answer(answer, DONGBO__ERROR__CODE__INTERNAL,
                    "This broker has no session left. Try another endpoint, or later.");
    if (r != 0) {
        connections_leave(connections, connection);
        return r;
    }
    (*ret)->connection = connection;
    *caller->route = NULL;
    projector = NULL;
    snprintf((*ret)->user, sizeof(*ret)->user, "%s", caller->user);
    (*ret)->subscription = policy->subscription;
    (*ret)->share = caller->share;
    (*ret)->heard_ms = (*ret)->pinged_ms = (*ret)->kept_ms = clock_monotonic_ms(state->clock);
    return 0;
}

// Whether it says itself that it holds what stands before this place, by the hash of the place's segment.
static bool holds(const Dongbo__HelloSubscribe *hello, const FeedPlace *place) {
    return !hello->snapshot && !hello->from_start && hello->token && hello->token->position == place->position;
}

// Where it is, before it is welcomed: 0, or the session is over again.
static int session_begin(FeedState *state, Subscriber *subscriber, const Dongbo__HelloSubscribe *hello,
                         const FeedPlace *place, const StoredPosition *stored) {
    subscriber->place = *place;
    subscriber->previous = subscriber->told_position = subscriber->began = place->position;
    subscriber->acked = hello->snapshot ? stored->acked : place->position; // nothing was received of what it replaces
    subscriber->acked_stored = stored->acked;
    subscriber->released = 0; // whatever may have gone out before: what was passed over below that may go out now
    int r = feed_store_open(state->store, subscriber);
    if (r == 0)
        r = holds(hello, place) ? feed_account_hold(state->store, subscriber, place->position)
                                : feed_account_pass(state->store, subscriber, place->position);
    if (r == 0 && holds(hello, place))
        r = feed_accounts_note(state->accounts, subscriber, place->position);
    if (r < 0 && r != ERROR_DATABASE)
        feed_session_fail(state, subscriber);
    else if (r < 0)
        subscribers_close(state->subscribers, subscriber);
    return r == ERROR_DATABASE ? r : 0;
}

// What an older session of the same share acknowledged just now is not stored yet.
static void acked_here(const FeedState *state, int32_t subscription, Share share, StoredPosition *stored) {
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));)
        if (one->subscription == subscription && one->share.i == share.i && one->share.n == share.n &&
            one->acked > stored->acked)
            stored->acked = one->acked;
}

static const char *share_text(Share share, char text[24]) {
    if (share.n)
        snprintf(text, 24, ", share %d of %d", share.i, share.n);
    return text;
}

static int hello_start(FeedState *state, const Caller *caller, const Dongbo__HelloSubscribe *hello,
                       const Policy *policy, FeedAnswer *answer) {
    StoredPosition stored;
    FeedPlace place;
    int r = feed_store_position(state->store, policy->subscription, caller->share, &stored);
    if (r == 0)
        acked_here(state, policy->subscription, caller->share, &stored);
    if (r == 0)
        r = feed_store_head(state->store, &state->head);
    if (r == 0 && hello->snapshot)
        place = state->head;
    else if (r == 0)
        r = feed_place_begin(state, hello, &stored, &place, answer);
    Subscriber *subscriber;
    if (r == 0)
        r = session_open(state, caller, policy, &subscriber, answer);
    if (r == 0)
        r = session_begin(state, subscriber, hello, &place, &stored);
    if (r != 0 || !subscriber->session)
        return r;
    subscriber->held = subscriber->owes_whole = hello->snapshot;
    subscriber->origins = hello->origin_proofs;
    denial_ask(&subscriber->denials, hello->error_challenge);
    note(state, caller->user, "subscription %s from position %" PRIu64 " of %" PRIu64 "%s", policy->name,
         place.position, state->head.position, share_text(caller->share, (char[24]){0}));
    r = welcome_send(state, subscriber, policy, &hello->challenge);
    if (r == 1) // gone again
        subscribers_close(state->subscribers, subscriber);
    return r < 0 ? r : 0;
}

static bool is_refused(const FeedState *state, const char *user) {
    const Policy *policy = state->policies ? policy_set_find(state->policies, feed_session_subscription(user)) : NULL;
    return !policy || policy_refusal(policy, user, policy_day(clock_now_us(state->clock)));
}

const char *feed_session_payer(const FeedState *state, const char *user) {
    return is_refused(state, user) ? denial_peer_of_user(user) : user;
}

static bool hello_afford(FeedState *state, const char *user, FeedAnswer *answer) {
    if (allowance_take(state->hellos, feed_session_payer(state, user), clock_monotonic_ms(state->clock)))
        return true;
    feed_answer(answer, DONGBO__ERROR__CODE__TOO_OFTEN,
                "Your receivers begin too often: wait some seconds, and longer each time. Do several run?");
    return false;
}

int feed_session_fresh(FeedState *state, const char *user, bool is_paid, FeedAnswer *answer) {
    bool refused = is_refused(state, user);
    if (!refused && clock_monotonic_ms(state->clock) - state->policies_ms < POLICIES_FRESH_MS)
        return 0;
    if (refused && !is_paid && !hello_afford(state, user, answer))
        return 1;
    return feed_session_policies(state);
}

static int hello_receive(FeedState *state, const Caller *caller, const Frame *frame, FeedAnswer *answer) {
    if (!hello_afford(state, caller->user, answer))
        return 1;
    int r = state->connected ? feed_session_fresh(state, caller->user, true, answer) : 0;
    if (r != 0)
        return r;
    ProtobufCMessage *message;
    if (frame_decode(frame, &dongbo__hello_subscribe__descriptor, arena_protobuf(state->arena), &message) != 0) {
        feed_answer(answer, DONGBO__ERROR__CODE__BAD_FRAME, "HelloSubscribe does not decode. Compare PROTOCOL.md.");
        return 1;
    }
    const Dongbo__HelloSubscribe *hello = (const Dongbo__HelloSubscribe *)message;
    if (hello->protocol_version != PROTOCOL_VERSION) {
        feed_answer(answer, DONGBO__ERROR__CODE__BAD_VERSION, "This exchange speaks protocol version %d.",
                    PROTOCOL_VERSION);
        return 1;
    }
    if (!state->connected) {
        feed_answer(answer, DONGBO__ERROR__CODE__INTERNAL,
                    "The exchange's database cannot be reached. Try again in a moment.");
        return 1;
    }
    Caller with = *caller;
    const Policy *policy = hello_policy(state, hello, caller->user, answer);
    if (policy && hello->origin_proofs && policy_current(policy)->origins == POLICY_ORIGINS_NO) {
        feed_answer(answer, DONGBO__ERROR__CODE__NOT_ALLOWED, NO_ORIGINS);
        return 1;
    }
    if (!policy || !hello_share(hello, &with.share, answer))
        return 1;
    return hello_start(state, &with, hello, policy, answer);
}

// ---- frames of a session -------------------------------------------------------------------------------------------

static int credit_receive(FeedState *state, Subscriber *subscriber, const Frame *frame) {
    ProtobufCMessage *message;
    if (frame_decode(frame, &dongbo__credit__descriptor, arena_protobuf(state->arena), &message) != 0)
        return 1;
    uint64_t credit = ((const Dongbo__Credit *)message)->bytes;
    // However much is asked for at once, no more than this is ever on its way; see subscriber_room(), too.
    if (credit > subscriber->sent + SUBSCRIBE_CREDIT_BYTES)
        credit = subscriber->sent + SUBSCRIBE_CREDIT_BYTES;
    if (credit > subscriber->credit) {
        subscriber->credit = credit;
        subscriber->starved = false;
    }
    return 0;
}

static int ack_receive(FeedState *state, Subscriber *subscriber, const Frame *frame) {
    ProtobufCMessage *message;
    if (frame_decode(frame, &dongbo__ack__descriptor, arena_protobuf(state->arena), &message) != 0)
        return 1;
    uint64_t position = ((const Dongbo__Ack *)message)->position;
    if (position > subscriber->place.position) {
        feed_session_end(state, subscriber, DONGBO__ERROR__CODE__OUT_OF_ORDER,
                         "Ack of a position that was not sent yet. Acknowledge what is stored, not what is expected.");
        return 0;
    }
    if (position > subscriber->acked && !subscriber->owes_whole)
        subscriber->acked = position;
    return 0;
}

static int ping_receive(FeedState *state, Subscriber *subscriber, const Frame *frame) {
    ProtobufCMessage *message;
    if (frame_decode(frame, &dongbo__ping__descriptor, arena_protobuf(state->arena), &message) != 0)
        return 1;
    Dongbo__Pong pong = DONGBO__PONG__INIT;
    pong.nonce = ((const Dongbo__Ping *)message)->nonce;
    feed_send(state, subscriber, FRAME_PONG, &pong.base);
    return 0;
}

static int pong_receive(FeedState *state, Subscriber *subscriber, const Frame *frame) {
    ProtobufCMessage *message;
    if (frame_decode(frame, &dongbo__pong__descriptor, arena_protobuf(state->arena), &message) != 0)
        return 1;
    if (subscriber->nonce == 0 || ((const Dongbo__Pong *)message)->nonce != subscriber->nonce)
        return 0;
    subscriber->nonce = 0;
    subscriber->read = subscriber->pinged_sent;
    subscriber->starved = false;
    connections_read(subscriber->connection, subscriber->pinged_bytes);
    if (connections_unread(subscriber->connection) >= UNREAD_PING_BYTES)
        ask(state, subscriber);
    return 0;
}

static void session_receive(FeedState *state, Subscriber *subscriber, const Frame *frame) {
    subscriber->heard_ms = clock_monotonic_ms(state->clock);
    subscriber->blocked_until_ms = 0;
    int r = 1;
    switch (frame->type) {
    case FRAME_CREDIT:
        r = credit_receive(state, subscriber, frame);
        break;
    case FRAME_ACK:
        r = ack_receive(state, subscriber, frame);
        break;
    case FRAME_SNAPSHOT:
        r = feed_snapshot_request(state, subscriber, frame);
        break;
    case FRAME_PING:
        r = ping_receive(state, subscriber, frame);
        break;
    case FRAME_PONG:
        r = pong_receive(state, subscriber, frame);
        break;
    case FRAME_GOODBYE:
        feed_session_end(state, subscriber, 0, "");
        return;
    default:
        break;
    }
    if (r != 0)
        feed_session_end(state, subscriber, DONGBO__ERROR__CODE__BAD_FRAME,
                         "A frame that does not decode or does not belong here. Compare PROTOCOL.md.");
}

static int frame_receive(FeedState *state, const Caller *caller, const Frame *frame, FeedAnswer *answer) {
    if (frame->type == FRAME_HELLO_SUBSCRIBE)
        return hello_receive(state, caller, frame, answer);
    if ((frame->type == FRAME_FOLLOW || frame->type == FRAME_ASK_HEADS) && frame->session == 0)
        return feed_asked(state, &(FeedAsked){*caller->route, caller->user, frame}, answer);
    if (frame->type == FRAME_PONG && frame->session == 0) {
        FeedPeer peer = feed_peer(*caller->route, caller->user);
        feed_outside_pong(state, &peer, frame);
        return 0;
    }
    Subscriber *subscriber = subscribers_find(state->subscribers, frame->session, *caller->route);
    if (!subscriber || strcmp(subscriber->user, caller->user) != 0) {
        if (frame->type != FRAME_GOODBYE && frame->type != FRAME_PONG)
            feed_answer(answer, DONGBO__ERROR__CODE__NO_SESSION, "This session is over. Say Hello with your token.");
        return 1;
    }
    session_receive(state, subscriber, frame);
    return 0;
}

int feed_session_frame(FeedState *state, zframe_t **route, zframe_t *frame, const char *user) {
    Frame read;
    FeedAnswer answer = {0};
    arena_reset(state->arena);
    int r = frame ? frame_read(zframe_data(frame), zframe_size(frame), &read) : 1;
    bool is_frame = r == 0;
    if (r == 1)
        feed_answer(&answer, DONGBO__ERROR__CODE__BAD_FRAME, "Not a frame of this protocol. Compare PROTOCOL.md.");
    else if (r == 2)
        feed_answer(&answer, DONGBO__ERROR__CODE__BAD_VERSION, "This exchange speaks protocol version %d.",
                    PROTOCOL_VERSION);
    else
        r = frame_receive(state, &(Caller){.route = route, .user = user}, &read, &answer);
    if (r < 0 && r != ERROR_DATABASE) {
        log_error("feed: %s cannot be served: %s", user, error_text());
        feed_answer(&answer, DONGBO__ERROR__CODE__INTERNAL, FEED_CANNOT_SERVE);
        r = 1;
    }
    bool bad = answer.code == DONGBO__ERROR__CODE__BAD_FRAME || answer.code == DONGBO__ERROR__CODE__BAD_VERSION;
    if (answer.code && *route && !(bad && end_route(state, *route, &answer))) {
        FeedPeer peer = feed_peer(*route, user);
        feed_outside_deny(state, &peer, is_frame ? &read : NULL, &answer);
        note(state, user, "refused %s: %s", *user ? user : "a peer", answer.text);
    }
    zframe_destroy(route);
    return r < 0 ? r : 0;
}

// ---- what happens by itself ------------------------------------------------------------------------------------

// Nothing of the log is sent to one that waits for a snapshot of everything: its place is the snapshot's, once it is
// done, whatever has been forgotten meanwhile.
static bool needs_place(const Subscriber *subscriber) {
    return !subscriber->owes_whole;
}

static void end_gone(FeedState *state, Subscriber *subscriber) {
    FeedAnswer answer;
    feed_answer_gone(state, subscriber->place.position + 1, &answer);
    feed_session_end(state, subscriber, answer.code, answer.text);
}

int feed_sure(FeedState *state) {
    int64_t now_ms = clock_monotonic_ms(state->clock), turn = 0;
    if (now_ms - state->sure_ms < FEED_SURE_MS)
        return 0;
    int r = feed_store_turn(state->store, &turn);
    if (r < 0 || turn != state->turn)
        return r < 0 ? r : 1;
    state->sure_ms = now_ms;
    return 0;
}

void feed_session_forget(FeedState *state) {
    reader_forget(state->reader);
    feed_origins_forget(state->origins);
}

// What was read before is forgotten, and the database told so.
static int let_go(FeedState *state, int64_t turn) {
    feed_session_forget(state);
    state->turn = turn;
    return feed_store_let_go(state->store, turn);
}

int feed_session_policies(FeedState *state) {
    CLEANUP(policy_set_destroy) PolicySet *set = NULL;
    FeedStamp stamp = {0};
    int64_t now_ms = clock_monotonic_ms(state->clock);
    int r = policy_set_new(&set);
    if (r == 0)
        r = feed_store_policies(state->store, set, &stamp);
    if (r == 0 && (stamp.turn != state->turn || !state->connected))
        r = let_go(state, stamp.turn);
    if (r == 0)
        r = feed_store_trimmed(state->store, &state->trimmed);
    if (r < 0)
        return r;
    state->sure_ms = now_ms;
    state->policy_stamp = stamp.policies;
    state->policies_ms = clock_monotonic_ms(state->clock);
    PolicySet *older = state->policies;
    state->policies = set;
    set = older;
    int32_t today = policy_day(clock_now_us(state->clock));
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));) {
        const Policy *policy = policy_set_find(state->policies, one->subscription);
        const char *refusal = policy ? policy_refusal(policy, one->user, today) : "This subscription was removed.";
        if (refusal)
            feed_session_end(state, one, DONGBO__ERROR__CODE__NOT_ALLOWED, refusal);
        else if (one->place.position < state->trimmed && needs_place(one))
            end_gone(state, one);
        else if (one->origins && policy_current(policy)->origins == POLICY_ORIGINS_NO)
            feed_session_end(state, one, DONGBO__ERROR__CODE__NOT_ALLOWED, NO_ORIGINS);
        else if (policy_current(policy)->version != one->policy_version &&
                 welcome_send(state, one, policy, &NOT_ASKED) < 0)
            feed_session_fail(state, one);
    }
    return 0;
}

int feed_session_recheck(FeedState *state) {
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));) {
        FeedAnswer answer = {0};
        FeedPlace place = {.position = one->place.position};
        int r = feed_place_find(state, &place, &answer);
        if (r < 0)
            return r;
        if (r == 0 && memcmp(place.hash, one->place.hash, HASH_BYTES) != 0)
            feed_answer(&answer, DONGBO__ERROR__CODE__TOKEN_MISMATCH,
                        "The exchange's database was replaced by another one. Say Hello with your token.");
        if (answer.code == DONGBO__ERROR__CODE__POSITION_GONE && !needs_place(one))
            continue;
        if (answer.code)
            feed_session_end(state, one, answer.code, answer.text);
    }
    return 0;
}

// What was acknowledged, for all of them together; who acknowledges nothing tells now and then that it is there.
static int sessions_keep(FeedState *state, int64_t now_ms) {
    Subscriber *kept[FEED_STORE_KEEP_MAX];
    bool over[FEED_STORE_KEEP_MAX];
    size_t at = 0;
    for (;;) {
        int n = 0;
        for (Subscriber *one; n < FEED_STORE_KEEP_MAX && (one = subscribers_next(state->subscribers, &at));)
            if (one->acked > one->acked_stored || now_ms - one->kept_ms >= KEEP_MS)
                kept[n++] = one;
        int r = n > 0 ? feed_store_keep(state->store, kept, n, over) : 0;
        for (int i = 0; i < n && r == 0; i++) {
            if (kept[i]->acked > kept[i]->acked_stored)
                kept[i]->acked_stored = kept[i]->acked;
            kept[i]->kept_ms = now_ms;
            r = over[i] ? feed_session_over(state, kept[i]) : 0;
        }
        if (n == 0 || r < 0)
            return r;
    }
}

static void silence_check(FeedState *state, Subscriber *one, int64_t now_ms) {
    if (now_ms - one->heard_ms > PEER_SILENT_MS) {
        note(state, one->user, "subscription %d is silent", (int)one->subscription);
        feed_session_end(state, one, DONGBO__ERROR__CODE__NO_SESSION,
                         "Nothing was heard of you for too long. Say Hello.");
        return;
    }
    if (now_ms - one->heard_ms < PING_INTERVAL_MS || now_ms - one->pinged_ms < PING_INTERVAL_MS)
        return;
    ask(state, one);
    one->pinged_ms = now_ms;
}

int feed_session_tick(FeedState *state) {
    int64_t now_ms = clock_monotonic_ms(state->clock);
    feed_outside_tick(state, now_ms);
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));)
        silence_check(state, one, now_ms);
    return state->connected ? sessions_keep(state, now_ms) : 0;
}
