// SPDX-License-Identifier: Apache-2.0
//
// A session is believed frame by frame: sequence numbers, positions and `previous` must join without a gap before a
// record reaches the sink. Whatever does not fit ends the session, and the next one resumes from the sink's own place.
#include "agents/subscription_state.h"

#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/check.h"
#include "proto/frame.h"
#include "proto/socket.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define PROGRAM "dongbo-agent 0.1"
#define FRAME_ARENA_BYTES (32 * 1024 * 1024)
#define GROUP_BYTES (1024 * 1024) // received before a commit, at most about so many
#define HELLO_MS 5000             // to be let in once connected, and then for a Welcome
#define QUIET_PING_MS 1000        // nothing heard: ask
#define SILENT_MS 10000           // nothing heard although asked: lost
#define QUIET_COMMIT_MS 1000      // a place without records is stored at most so often

int subscription_say(Subscription *s, int result, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->text, sizeof s->text, fmt, args);
    va_end(args);
    return result;
}

static int64_t now_ms(const Subscription *s) {
    return clock_monotonic_ms(s->options.clock);
}

int subscription_send(Subscription *s, FrameType type, const ProtobufCMessage *message) {
    bytes_clear(&s->out);
    frame_write(&s->out, type, s->session, s->sequence_out + 1, message);
    if (s->out.failed)
        return error_fail(ERROR_MEMORY, "no memory for a frame");
    if (socket_send(s->socket, s->out.data, s->out.n) != 0)
        return 1;
    s->sequence_out++;
    return 0;
}

// ---- what was received becomes durable, then acknowledged -------------------------------------------------------

int subscription_answer(Subscription *s) {
    Dongbo__Ack ack = DONGBO__ACK__INIT;
    Dongbo__Credit credit = DONGBO__CREDIT__INIT;
    // What is stored may be of a log that is gone, and then further than this one goes: a snapshot is to replace it.
    ack.position = s->phase == PHASE_SNAPSHOT ? 0 : s->stored.position;
    s->credit = credit.bytes = s->received_bytes + SUBSCRIBE_CREDIT_BYTES;
    int r = subscription_send(s, FRAME_ACK, &ack.base);
    if (r == 0)
        r = subscription_send(s, FRAME_CREDIT, &credit.base);
    s->owes_answer = r == 1;
    return r < 0 ? r : 0;
}

int subscription_commit(Subscription *s) {
    // Nothing was written of what is there, and the place that is stored is further.
    bool there = s->place.position < s->complete;
    int r = there ? 0 : s->options.sink->kind->commit(s->options.sink, &s->place);
    if (r != 0)
        return r < 0 ? r : 0;
    s->moves += s->stored.position != s->place.position;
    s->stored = s->place;
    s->records += s->pending;
    s->pending = 0;
    s->group_bytes = 0;
    s->began = true;
    s->options.accept_rights = s->options.accept_rights && there;
    s->dealt = s->dealt && there;
    s->committed_ms = now_ms(s);
    subscription_progress(s);
    return subscription_answer(s);
}

void subscription_progress(Subscription *s) {
    SubscriptionProgress progress = {.position = s->stored.position,
                                     .head = s->head,
                                     .records = s->records,
                                     .rights_changed = subscription_rights_changed(s),
                                     .persons = s->persons,
                                     .persons_total = s->persons_total};
    if (s->options.progress)
        s->options.progress(s->options.progress_self, &progress);
}

static bool at_goal(const Subscription *s) {
    return s->options.until_head && s->has_goal && s->phase == PHASE_FEED && s->place.position >= s->goal;
}

// Whether now is the time to commit; when the socket is empty, or enough has come together.
static int commit_due(Subscription *s) {
    bool quiet = s->place.position != s->stored.position, ending = at_goal(s) || zsys_interrupted;
    if (s->owes_part) {
        int stored = subscription_part_again(s);
        return stored == GO_ON && !s->owes_part ? subscription_answer(s) : stored;
    }
    if (s->pending || (quiet && (at_goal(s) || now_ms(s) - s->committed_ms >= QUIET_COMMIT_MS))) {
        int r = subscription_commit(s);
        return r == 0 && ending ? subscription_head_keep(s, true) : r;
    }
    int r = s->owes_answer ? subscription_answer(s) : 0;
    if (r == 0)
        r = subscription_head_keep(s, ending);
    return r == 0 && s->owes_ask ? subscription_ask_again(s) : r;
}

// ---- frames --------------------------------------------------------------------------------------------------------

void subscription_place(SinkPlace *place, const Dongbo__ResumeToken *token) {
    place->epoch = token->epoch;
    place->position = token->position;
    memset(place->hash, 0, HASH_BYTES);
    if (token->segment_hash.len)
        memcpy(place->hash, token->segment_hash.data, token->segment_hash.len);
}

bool subscription_token_fits(const Dongbo__ResumeToken *token) {
    // A position beyond what a database can count to would be greater than all to come.
    return token && token->position <= INT64_MAX && token->segment_hash.len == (token->position ? HASH_BYTES : 0);
}

// The head becomes the sink's place at once; the next session goes on there as any other.
static int head_take(Subscription *s, const Dongbo__ResumeToken *head) {
    subscription_place(&s->place, head);
    int r = s->options.sink->kind->commit(s->options.sink, &s->place);
    s->began = s->began || r == 0;
    s->moves += r == 0;
    return r < 0 ? r : AGAIN;
}

// What is asked for goes out before the credit, so that no record of the feed comes before it.
static int session_opened(Subscription *s) {
    s->moves += s->place.position == s->head;
    if (!s->has_goal)
        s->goal = s->head;
    s->has_goal = true;
    int r = subscription_snapshot_welcome(s);
    return r == GO_ON ? subscription_answer(s) : r;
}

static uint64_t rights_begin(const Dongbo__WelcomeSubscribe *welcome) {
    return welcome->policy_position > welcome->rights_position ? welcome->policy_position : welcome->rights_position;
}

// To whoever begins before their rights do, and takes no snapshot by itself: nothing comes of what is held already.
static void rights_hint(const Subscription *s, const Dongbo__WelcomeSubscribe *welcome) {
    if (!s->has_place && welcome->position + 1 < rights_begin(welcome) && !subscription_snapshot_itself(s))
        log_info("the rights hold from position %" PRIu64 " on: what was stored before is not in the feed as they have "
                 "it; --from snapshot brings all that is held now",
                 rights_begin(welcome));
}

// By which rights that is what is held, or will be.
static void rights_take(Subscription *s, const Dongbo__WelcomeSubscribe *welcome) {
    uint32_t *held = &s->place.policy_version;
    bool all = s->from != FROM_POSITION && (s->from != FROM_TIME || s->held);
    bool older = !s->session && all && welcome->position + 1 < rights_begin(welcome);
    s->policy_version = welcome->policy_version;
    if (older && subscription_snapshot_itself(s))
        *held = 0; // what was granted before would come first, and stay
    else if (*held == 0)
        *held = welcome->policy_version;
}

static int next_keys_take(Subscription *s, const Dongbo__NextKeys *said) {
    Successor *successor = s->options.successor;
    if (!successor || successor_hear(successor, said) == 0)
        return 0;
    const uint8_t *const keys[2] = {successor->broker[0].sign_public, successor->broker[1].sign_public};
    s->options.broker_key = round_keys(successor->round)->curve_public;
    return s->heads ? head_watch_keys(s->heads, keys) : 0;
}

static int welcome_receive(Subscription *s, const ProtobufCMessage *message) {
    const Dongbo__WelcomeSubscribe *welcome = (const Dongbo__WelcomeSubscribe *)message;
    if (s->origins && !welcome->origin_proofs)
        return subscription_say(s, REFUSED, "the exchange is older than this program and has no proofs of origin");
    if (!subscription_token_fits(welcome->head) || welcome->session == 0 || welcome->position > welcome->head->position)
        return subscription_say(s, LOST, "the broker's Welcome cannot be read");
    int r = s->options.sink->kind->grant(s->options.sink, welcome->fields, welcome->n_fields);
    if (r == 0)
        r = next_keys_take(s, welcome->next_keys);
    if (r < 0)
        return r;
    s->head = welcome->head->position;
    rights_take(s, welcome);
    if (s->session) // again: what is granted has changed
        return welcome->session == s->session ? subscription_snapshot_welcome(s)
                                              : subscription_say(s, LOST, "the broker mixes sessions up");
    if (s->phase == PHASE_SNAPSHOT) {
        s->session = welcome->session;
        s->previous = s->place.position;
        return session_opened(s);
    }
    // Its persons were others' until now, also of one who takes all: what of it comes again is there, and has no
    // effect.
    s->dealt = s->has_place && welcome->position < s->place.position;
    if (s->has_place && welcome->position != s->place.position && !s->dealt)
        return subscription_say(s, LOST, "the broker wants to go on from another position than ours");
    if (!s->has_place && s->from == FROM_POSITION && welcome->position != s->options.from_position)
        return subscription_say(s, REFUSED, "the broker is older than this program and cannot begin at a position");
    if (s->held && welcome->position > s->held)
        return error_fail(ERROR_CONFIG,
                          "the sink holds records up to position %" PRIu64
                          " only, and what was stored from that time on "
                          "begins behind %" PRIu64 ": leave --from out, or name an earlier time",
                          s->held, welcome->position);
    // What a snapshot let go would come back, and stay.
    s->complete = s->dealt && s->place.complete ? s->place.position : 0;
    s->session = welcome->session;
    // Nothing may come for long that would give the sink a place.
    bool at_head = s->from == FROM_HEAD || (s->from == FROM_TIME && welcome->position == s->head);
    if (at_head && s->head)
        return head_take(s, welcome->head);
    if (s->dealt && s->options.shares > 0)
        log_info("share %d of %d begins anew behind position %" PRIu64, s->options.share, s->options.shares,
                 welcome->position);
    else if (s->dealt)
        log_info("it begins anew behind position %" PRIu64 ", where the last share of this subscription was",
                 welcome->position);
    s->place.position = s->stored.position = s->previous = welcome->position;
    log_info("receiving from %s after position %" PRIu64 "%s, head %" PRIu64, s->endpoint, welcome->position,
             s->from == FROM_START ? " (from the start)" : "", s->head);
    rights_hint(s, welcome);
    return session_opened(s);
}

Dongbo__FeedRecord *subscription_record(Subscription *s, const ProtobufCBinaryData *bytes) {
    char field[64];
    if (check_message(&dongbo__feed_record__descriptor, &CHECK_WIRE, bytes->data, bytes->len, field) != 0)
        return NULL;
    Dongbo__FeedRecord *record = dongbo__feed_record__unpack(arena_protobuf(s->arena), bytes->len, bytes->data);
    bool whole = record && record->record_id.len == RECORD_ID_BYTES &&
                 (record->person_id.len == 0 || record->person_id.len == RECORD_ID_BYTES);
    return whole ? record : NULL;
}

// Decodes all records of the frame and checks that they join. NULL with a text when they do not.
static Dongbo__FeedRecord **records_decode(Subscription *s, const Dongbo__Records *frame) {
    Dongbo__FeedRecord **records = arena_alloc(s->arena, (frame->n_records + 1) * sizeof *records);
    uint64_t previous = s->previous;
    for (size_t i = 0; records && i < frame->n_records; i++) {
        records[i] = subscription_record(s, &frame->records[i]);
        if (!records[i]) {
            subscription_say(s, LOST, "a record after position %" PRIu64 " cannot be decoded", previous);
            return NULL;
        }
        const Dongbo__FeedRecord *record = records[i];
        if (record->previous != previous || record->position <= previous || record->position > frame->last) {
            subscription_say(s, LOST, "a record is missing after position %" PRIu64, previous);
            return NULL;
        }
        previous = record->position;
    }
    if (!records)
        subscription_say(s, LOST, "a frame of records is too large");
    return records;
}

static int record_write(Subscription *s, const Dongbo__FeedRecord *record, const RecordOrigin *origin) {
    Sink *sink = s->options.sink;
    if (record->position <= s->complete) {
        s->previous = record->position;
        return GO_ON;
    }
    if (origin && sink->kind->prove)
        sink->kind->prove(sink, origin);
    int r = sink->kind->write(sink, record);
    if (r == 1)
        return subscription_say(s, REFUSED,
                                "the record at position %" PRIu64 " has fields that this program does not know. "
                                "Install the newer dongbo-agent",
                                record->position);
    if (r == 0)
        s->previous = record->position;
    return r;
}

static int records_receive(Subscription *s, const ProtobufCMessage *message) {
    const Dongbo__Records *frame = (const Dongbo__Records *)message;
    if (!subscription_token_fits(frame->token) || frame->token->position != frame->last || frame->last < frame->first)
        return subscription_say(s, LOST, "a frame of records contradicts itself");
    if (frame->first != s->place.position + 1 || frame->previous != s->previous)
        return subscription_say(s, LOST, "positions after %" PRIu64 " are missing", s->place.position);
    Dongbo__FeedRecord **records = records_decode(s, frame);
    if (!records)
        return LOST;
    const RecordOrigin *const *origins = NULL;
    int r = s->origins ? origin_judge_frame(s->origins, frame, records, s->arena, &origins) : 0;
    if (r != 0)
        return r < 0 ? r : subscription_say(s, r == 2 ? REFUSED : LOST, "%s", origin_judge_text(s->origins));
    for (size_t i = 0; i < frame->n_records; i++) {
        r = record_write(s, records[i], origins ? origins[i] : NULL);
        if (r != 0)
            return r;
    }
    s->pending += frame->n_records;
    subscription_place(&s->place, frame->token);
    return GO_ON;
}

static int watermark_receive(Subscription *s, const ProtobufCMessage *message) {
    const Dongbo__Watermark *watermark = (const Dongbo__Watermark *)message;
    if (!subscription_token_fits(watermark->token) || !subscription_token_fits(watermark->head) ||
        watermark->token->position < s->place.position)
        return subscription_say(s, LOST, "a watermark contradicts what came before");
    s->head = watermark->head->position;
    if (watermark->token->position > s->place.position)
        subscription_place(&s->place, watermark->token);
    if (watermark->signed_head && s->heads)
        head_watch_take(s->heads, watermark->signed_head, &s->place);
    return GO_ON;
}

static int ping_receive(Subscription *s, const ProtobufCMessage *message) {
    Dongbo__Pong pong = DONGBO__PONG__INIT;
    pong.nonce = ((const Dongbo__Ping *)message)->nonce;
    int r = subscription_send(s, FRAME_PONG, &pong.base);
    return r < 0 ? r : GO_ON;
}

static int pong_receive(Subscription *s, const ProtobufCMessage *message) {
    return GO_ON;
}

typedef struct Handler {
    FrameType type;
    const ProtobufCMessageDescriptor *descriptor;
    int (*receive)(Subscription *s, const ProtobufCMessage *message);
} Handler;

static const Handler HANDLERS[] = {
    {FRAME_WELCOME_SUBSCRIBE, &dongbo__welcome_subscribe__descriptor, welcome_receive},
    {FRAME_RECORDS, &dongbo__records__descriptor, records_receive},
    {FRAME_CHUNK, &dongbo__snapshot_chunk__descriptor, subscription_chunk_receive},
    {FRAME_WATERMARK, &dongbo__watermark__descriptor, watermark_receive},
    {FRAME_PING, &dongbo__ping__descriptor, ping_receive},
    {FRAME_PONG, &dongbo__pong__descriptor, pong_receive},
    {FRAME_ERROR, &dongbo__error__descriptor, subscription_error},
};

static const Handler *handler_of(FrameType type) {
    for (size_t i = 0; i < sizeof HANDLERS / sizeof *HANDLERS; i++)
        if (HANDLERS[i].type == type)
            return &HANDLERS[i];
    return NULL;
}

static int frame_receive(Subscription *s, zframe_t *bytes) {
    Frame frame;
    if (frame_read(zframe_data(bytes), zframe_size(bytes), &frame) != 0)
        return subscription_say(s, LOST, "what came is not a frame of this protocol");
    if (frame.type == FRAME_GOODBYE)
        return subscription_say(s, LOST, "the broker is stopping");
    const Handler *handler = handler_of(frame.type);
    ProtobufCMessage *message;
    arena_reset(s->arena);
    if (!handler || frame_decode(&frame, handler->descriptor, arena_protobuf(s->arena), &message) != 0)
        return subscription_say(s, LOST, "a frame of the broker (%s) cannot be read", frame_type_name(frame.type));
    if (frame.type == FRAME_ERROR)
        return subscription_error(s, message);
    if (frame.type == FRAME_PING && frame.session == 0) // whether this connection still stands
        return GO_ON;
    if (!s->session && frame.type != FRAME_WELCOME_SUBSCRIBE)
        return subscription_say(s, LOST, "the broker did not say Welcome first");
    if (frame.sequence != s->sequence_in + 1)
        return subscription_say(s, LOST, "a frame of the broker is missing");
    s->sequence_in = frame.sequence;
    if (frame.type == FRAME_RECORDS || frame.type == FRAME_CHUNK)
        s->received_bytes += frame.body_bytes;
    if (frame.type == FRAME_CHUNK)
        s->snapshot_bytes += frame.body_bytes;
    if (frame.type == FRAME_RECORDS)
        s->group_bytes += frame.body_bytes;
    s->heard_ms = s->served_ms = now_ms(s);
    return handler->receive(s, message);
}

// Takes what is there, up to one group.
static int drain(Subscription *s) {
    int r = GO_ON;
    while (r == GO_ON && s->group_bytes < GROUP_BYTES && !s->owes_part) {
        zframe_t *route = NULL, *bytes = NULL;
        char user[64];
        r = socket_receive(s->socket, &route, &bytes, user);
        if (r == 1)
            return GO_ON;
        r = r == 2  ? subscription_say(s, LOST, "what came is not a frame of this protocol")
            : r < 0 ? r
                    : frame_receive(s, bytes);
        zframe_destroy(&bytes);
        zframe_destroy(&route);
    }
    return r;
}

// ---- the session ---------------------------------------------------------------------------------------------------

// Waits for bytes to read, or also for room to write, and for news of the connection. 0, or ERROR_SYSTEM.
static int wait_socket(Subscription *s, short events, int64_t wait_ms) {
    zmq_pollitem_t items[] = {{zsock_resolve(s->socket), 0, events, 0}, {zsock_resolve(s->monitor), 0, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, (long)(wait_ms > 0 ? wait_ms : 0)) < 0 && errno != EINTR)
        return error_fail(ERROR_SYSTEM, "cannot wait for the broker: %s", zmq_strerror(errno));
    return 0;
}

// What the transport tells: a connection that is over is lost at once.
static int news_hear(Subscription *s) {
    SocketNews news = socket_news(s->monitor, s->news);
    if (news == s->news)
        return GO_ON;
    s->news = news;
    s->news_ms = now_ms(s);
    return news < SOCKET_REFUSED ? GO_ON : subscription_say(s, LOST, "%s %s", s->endpoint, socket_news_text(news));
}

// How long it may take until the next step towards a session.
static int64_t patience_ms(const Subscription *s) {
    int64_t due = s->news_ms + (s->news == SOCKET_TRYING ? s->reach_ms : HELLO_MS);
    int64_t patience = s->served_ms + s->options.timeout_ms;
    return (s->options.timeout_ms && patience < due ? patience : due) - now_ms(s);
}

// 0; 1 when it cannot be sent yet.
static int hello_send(Subscription *s) {
    Dongbo__HelloSubscribe hello = DONGBO__HELLO_SUBSCRIBE__INIT;
    Dongbo__ResumeToken token = DONGBO__RESUME_TOKEN__INIT;
    token.epoch = s->place.epoch;
    token.position = s->place.position;
    token.segment_hash = (ProtobufCBinaryData){s->place.position ? HASH_BYTES : 0, s->place.hash};
    hello.protocol_version = PROTOCOL_VERSION;
    hello.subscription = (char *)s->options.name;
    // A share that is new begins where those before it were, unless somebody says the start.
    bool start = s->options.shares > 0 && s->from == FROM_START && s->options.from == FROM_START;
    hello.snapshot = s->phase == PHASE_SNAPSHOT;
    hello.token = (s->has_place || start) && !hello.snapshot ? &token : NULL;
    hello.from_start = s->from == FROM_START && !start;
    hello.share = (uint32_t)s->options.share;
    hello.shares = (uint32_t)s->options.shares;
    hello.from_position = s->from == FROM_POSITION ? s->options.from_position : 0;
    hello.from_time_us = s->from == FROM_TIME ? s->options.from_time_us : 0;
    hello.origin_proofs = s->origins != NULL;
    hello.program = (char *)PROGRAM;
    int r = s->options.successor ? successor_ask(s->options.successor, s->options.clock, &hello.challenge) : 0;
    if (r < 0)
        return r;
    r = doubt_ask(&s->doubt, s->options.clock, &hello.error_challenge);
    return r < 0 ? r : subscription_send(s, FRAME_HELLO_SUBSCRIBE, &hello.base);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// Says Hello as soon as that is possible, then waits for the Welcome.
static int welcome_step(Subscription *s, int64_t wait_ms) {
    int r = s->said ? drain(s) : hello_send(s);
    if (r < 0 || (s->said && (r != GO_ON || s->session)))
        return r;
    if (!s->said && r == 0)
        s->news_ms = now_ms(s);
    s->said = s->said || r == 0;
    r = news_hear(s);
    if (r != GO_ON)
        return r;
    if (patience_ms(s) <= 0)
        return subscription_say(s, LOST, "%s %s", s->endpoint, socket_news_text(s->news));
    return wait_socket(s, s->said ? ZMQ_POLLIN : ZMQ_POLLOUT, least(patience_ms(s), wait_ms));
}

static int quiet_check(Subscription *s) {
    int64_t now = now_ms(s), silent_ms = SILENT_MS;
    if (s->options.timeout_ms && s->options.timeout_ms < silent_ms)
        silent_ms = s->options.timeout_ms;
    if (now - s->heard_ms >= silent_ms)
        return subscription_say(s, LOST, "nothing was heard of the broker for %" PRId64 " seconds", silent_ms / 1000);
    if (now - s->heard_ms < QUIET_PING_MS || now - s->pinged_ms < QUIET_PING_MS)
        return GO_ON;
    s->pinged_ms = now;
    Dongbo__Ping ping = DONGBO__PING__INIT;
    ping.nonce = s->sequence_out + 1;
    int r = subscription_send(s, FRAME_PING, &ping.base);
    return r < 0 ? r : GO_ON;
}

static int sink_idle(Subscription *s) {
    Sink *sink = s->options.sink;
    return sink->kind->idle && !s->pending ? sink->kind->idle(sink) : GO_ON;
}

static int session_step(Subscription *s, int64_t wait_ms) {
    int r = drain(s);
    int committed = r == GO_ON || r == LOST ? commit_due(s) : 0; // whole frames only
    if (committed < 0)
        return committed;
    if (r != GO_ON)
        return r;
    if (at_goal(s) && s->options.reconcile && !s->compared)
        r = subscription_compare(s);
    if (r != GO_ON)
        return r;
    if (at_goal(s))
        return DONE;
    r = news_hear(s);
    if (r == GO_ON)
        r = quiet_check(s);
    if (r == GO_ON)
        r = sink_idle(s);
    if (r == GO_ON)
        r = subscription_count(s);
    if (s->phase == PHASE_DIGESTS && s->waits && s->counting)
        wait_ms = 0;
    if (r == GO_ON)
        r = wait_socket(s, ZMQ_POLLIN, s->owes_answer || s->owes_ask ? least(20, wait_ms) : wait_ms);
    return r;
}

// Where this session begins, by what the sink holds.
static int from_choose(Subscription *s) {
    SubscriptionFrom asked = s->began ? FROM_SINK : s->options.from;
    if (s->phase == PHASE_SNAPSHOT)
        return 0;
    s->from = asked;
    if (!s->has_place) {
        s->from = asked == FROM_SINK ? FROM_START : asked;
        return 0;
    }
    if (asked == FROM_SINK)
        return 0;
    if ((asked != FROM_START && asked != FROM_TIME) || !s->options.sink->kind->replaces)
        return error_fail(ERROR_CONFIG,
                          "the sink holds records up to position %" PRIu64
                          ": leave --from out to go on behind them, or "
                          "name a new, empty sink",
                          s->place.position);
    s->has_place = false;
    s->held = asked == FROM_TIME ? s->place.position : 0;
    s->place = (SinkPlace){0};
    return 0;
}

static int session_begin(Subscription *s) {
    s->session = s->sequence_out = s->sequence_in = s->pending = 0;
    s->group_bytes = s->received_bytes = s->held = s->complete = 0;
    s->owes_answer = s->said = s->gone = s->dealt = false;
    s->heard_ms = s->pinged_ms = s->committed_ms = now_ms(s);
    int r = s->owes_part ? subscription_part_again(s) : 0; // it may be stored by now
    s->place = s->stored = (SinkPlace){0};
    if (r == 0)
        r = s->options.sink->kind->begin(s->options.sink, &s->place);
    if (r < 0)
        return r;
    s->has_place = r == 0;
    s->stored = s->place;
    r = subscription_head_resume(s);
    if (r < 0)
        return r;
    r = subscription_snapshot_begin(s);
    if (r == 0)
        r = from_choose(s);
    if (r < 0)
        return r;
    s->news = SOCKET_TRYING;
    s->news_ms = now_ms(s);
    SocketPeer peer = {s->endpoint, s->options.keys, s->options.broker_key};
    return socket_connect_watched(&s->socket, &s->monitor, &peer);
}

static void session_end(Subscription *s) {
    if (!s->socket)
        return;
    if (s->session)
        subscription_send(s, FRAME_GOODBYE, NULL);
    zsock_set_linger(s->socket, 200); // for the last Ack
    socket_close_watched(&s->socket, &s->monitor);
}

static int step(Subscription *s, int64_t wait_ms) {
    if (!s->socket)
        return session_begin(s);
    if (zsys_interrupted) {
        int r = s->session ? commit_due(s) : 0;
        return r < 0 ? r : DONE;
    }
    return s->session ? session_step(s, wait_ms) : welcome_step(s, wait_ms);
}

int subscription_step(Subscription *s, const SubscriptionStep *options) {
    s->endpoint = options->endpoint;
    s->reach_ms = options->reach_ms;
    int r = step(s, options->wait_ms);
    if (r == GO_ON)
        return 0;
    session_end(s);
    return r == AGAIN ? 0 : r;
}

int subscription_run(Subscription *s, const char *endpoint, int64_t reach_ms) {
    SubscriptionStep options = {.endpoint = endpoint, .reach_ms = reach_ms, .wait_ms = QUIET_PING_MS};
    int r;
    while ((r = subscription_step(s, &options)) == 0)
        ;
    return r == DONE ? 0 : r;
}

bool subscription_is_full(const Subscription *s) {
    return s->socket && (s->group_bytes >= GROUP_BYTES || s->owes_part);
}

bool subscription_is_gone(const Subscription *s) {
    return s->gone;
}

void subscription_take_snapshot(Subscription *s) {
    session_end(s);
    subscription_snapshot_want(s);
}

int subscription_new(Subscription **ret, const SubscriptionOptions *options) {
    Subscription *s = calloc(1, sizeof *s);
    if (!s)
        return error_fail(ERROR_MEMORY, "no memory for a subscription");
    s->options = *options;
    s->served_ms = clock_monotonic_ms(options->clock);
    int r = arena_new(&s->arena, FRAME_ARENA_BYTES);
    if (r == 0 && options->sign_keys[0])
        r = head_watch_new(&s->heads, options->sign_keys, options->clock);
    if (r == 0 && options->n_agency_keys > 0)
        r = origin_judge_new(&s->origins, options->agency_keys, options->n_agency_keys);
    if (r < 0)
        subscription_destroy(&s);
    *ret = s;
    return r;
}

void subscription_destroy(Subscription **subscription) {
    Subscription *s = *subscription;
    if (!s)
        return;
    session_end(s);
    socket_close_watched(&s->socket, &s->monitor);
    arena_destroy(&s->arena);
    head_watch_destroy(&s->heads);
    origin_judge_destroy(&s->origins);
    bytes_free(&s->out);
    buckets_destroy(&s->theirs);
    buckets_destroy(&s->ours);
    free(s);
    *subscription = NULL;
}

const char *subscription_text(const Subscription *s) {
    return s->text;
}

void subscription_tally(const Subscription *s, SinkTally *ret) {
    *ret = s->tally;
}

void subscription_set_broker(Subscription *s, const uint8_t key[KEY_BYTES]) {
    s->options.broker_key = key;
}

bool subscription_was_secured(const Subscription *s) {
    return s->news == SOCKET_SECURED || s->news == SOCKET_LOST;
}

int64_t subscription_doubt_ms(Subscription *s) {
    return doubt_pause_ms(&s->doubt);
}

uint64_t subscription_moves(const Subscription *s) {
    return s->moves;
}

int64_t subscription_served_ms(const Subscription *s) {
    return s->served_ms;
}
