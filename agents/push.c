// SPDX-License-Identifier: Apache-2.0
//
// See push.h. A lost connection shows in one of four ways: the transport tells, nothing can be sent, the exchange knows
// no such session, or nothing was heard for long. All begin a session anew; what has no receipt is sent again, byte for
// byte. An endpoint where nobody listens is left at once, one that does not answer at all after a second while there
// are others, longer in each round; one that has taken the connection gets the time that a loaded exchange needs.
#include "agents/push.h"

#include "agents/answer.h"
#include "agents/disowned.h"
#include "agents/doubt.h"
#include "agents/proofs.h"
#include "agents/resumption.h"
#include "agents/successor.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "proto/socket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define REACH_MS 1000   // to a connection, in the first round through a list of several endpoints
#define MISFIT_MS 60000 // keys that do not fit are tried again so often
#define ASK_MS 1000     // a silent exchange that owes receipts is asked so often
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define HOLD_MIN_MS 500 // after OVERLOADED or SCHEMA_NEWER
#define HOLD_MAX_MS 60000
#define SETTLED_MS 10000   // a session that has lasted so long is a good one
#define COMPLAIN_MS 60000  // an exchange that stays away is named again so often
#define FRAMES_AT_ONCE 256 // received in one step
#define FORKS_MAX 3        // without a receipt in between
#define ARENA_BYTES (8 * 1024 * 1024)

typedef enum PushState { PUSH_REST, PUSH_HELLO, PUSH_OPEN } PushState;

struct Push {
    PushOptions options;
    Verifier *verifier;
    Proofs *proofs;
    Arena *arena;
    Bytes out, raw;
    PushState state;
    unsigned endpoint; // index
    zsock_t *socket, *monitor;
    SocketNews news;
    bool hello_sent;
    Successor successor;
    Round round;      // by the exchange's present or next keys
    int64_t since_ms; // of this state
    int64_t next_ms;  // PUSH_REST: when to connect
    int64_t backoff_ms, reach_ms;
    unsigned tried; // endpoints, since the last wait
    int64_t complained_ms;
    char why[640];    // the last endpoint was left; "" when none was
    bool away;        // it has been said that the exchange is away
    char misfit[512]; // why an endpoint of this round cannot be ours; "" when none was such
    bool misfit_said;
    // the session
    SpoolStream stream;
    uint64_t session, counter, nonce; // counter: of our frames; nonce: of the last Ping
    uint64_t credit, sent;            // bytes, cumulative
    uint64_t next;                    // first sequence of the next batch to send
    int64_t heard_ms, asked_ms;
    int64_t hold_ms, hold_until_ms;
    uint64_t gap; // expected_sequence of the last GAP, and when it came
    int64_t gap_ms;
    bool up_to_date;
    // over sessions
    int64_t progress_ms;
    int forks;
    bool took;
    bool in_transaction; // of the frames being received
    bool fatal;          // the sentence kept is for people to act on
    Doubt doubt;         // of what would end it
};

int push_new(Push **ret, const PushOptions *options) {
    Push *push = calloc(1, sizeof *push);
    if (push == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a session");
    push->options = *options;
    push->backoff_ms = BACKOFF_MIN_MS;
    push->reach_ms = REACH_MS;
    push->hold_ms = HOLD_MIN_MS;
    round_begin(&push->round, options->broker, options->broker_next);
    push->successor = (Successor){.broker = options->broker, .path = options->broker_path, .round = &push->round};
    const uint8_t *const keys[2] = {options->broker->sign_public,
                                    options->broker_next != NULL ? options->broker_next->sign_public : NULL};
    int r = arena_new(&push->arena, ARENA_BYTES);
    if (r == 0)
        r = proofs_new(&push->proofs, options->spool, keys);
    if (r < 0) {
        push_destroy(&push);
        return r;
    }
    *ret = push;
    return 0;
}

static int send_message(Push *push, FrameType type, const ProtobufCMessage *message) {
    bytes_clear(&push->out);
    frame_write(&push->out, type, push->session, ++push->counter, message);
    if (push->out.failed)
        return error_fail(ERROR_MEMORY, "no memory for a frame");
    return socket_send(push->socket, push->out.data, push->out.n);
}

void push_destroy(Push **push) {
    if (*push == NULL)
        return;
    if ((*push)->state == PUSH_OPEN && send_message(*push, FRAME_GOODBYE, NULL) == 0)
        zsock_set_linger((*push)->socket, 200);
    socket_close_watched(&(*push)->socket, &(*push)->monitor);
    verifier_destroy(&(*push)->verifier);
    proofs_destroy(&(*push)->proofs);
    arena_destroy(&(*push)->arena);
    bytes_free(&(*push)->out);
    bytes_free(&(*push)->raw);
    free(*push);
    *push = NULL;
}

int push_poll(const Push *push, zmq_pollitem_t items[PUSH_POLL_ITEMS]) {
    if (push->socket == NULL)
        return 0;
    bool write = push->state == PUSH_HELLO && !push->hello_sent;
    items[0] = (zmq_pollitem_t){.socket = zsock_resolve(push->socket),
                                .events = (short)(ZMQ_POLLIN | (write ? ZMQ_POLLOUT : 0))};
    items[1] = (zmq_pollitem_t){.socket = zsock_resolve(push->monitor), .events = ZMQ_POLLIN};
    // What ended the connection is known; libzmq's own further tries are no news.
    return push->news < SOCKET_REFUSED ? 2 : 1;
}

bool push_is_open(const Push *push) {
    return push->state == PUSH_OPEN;
}

int64_t push_heard_ms(const Push *push) {
    return push->progress_ms;
}

const char *push_why(const Push *push) {
    return push->why;
}

const char *push_endpoint(const Push *push) {
    return push->options.endpoints[push->endpoint];
}

bool push_took_receipts(Push *push) {
    bool took = push->took;
    push->took = false;
    return took;
}

int push_waiting(Push *push, int64_t *ret) {
    SpoolStream stream;
    int r = spool_stream(push->options.spool, push->options.kind, &stream);
    return r < 0 ? r : spool_waiting(push->options.spool, stream.id, ret);
}

static int64_t now_ms(const Push *push) {
    return clock_monotonic_ms(push->options.clock);
}

// How long an endpoint may take for its next step towards a session.
static int64_t patience_ms(const Push *push) {
    return push->news == SOCKET_TRYING && push->options.n_endpoints > 1 ? push->reach_ms : HELLO_MS;
}

int push_wait_ms(const Push *push) {
    int64_t now = now_ms(push), at = now + ASK_MS;
    if (push->state == PUSH_REST)
        at = push->next_ms < at ? push->next_ms : at;
    else if (push->state == PUSH_HELLO)
        at = push->since_ms + patience_ms(push);
    else if (push->hold_until_ms > now && push->hold_until_ms < at)
        at = push->hold_until_ms;
    return at <= now ? 0 : (int)(at - now);
}

static void enter(Push *push, PushState state) {
    push->state = state;
    push->since_ms = now_ms(push);
}

// ---- beginning and ending sessions ----

// The whole list was tried: waits before it is tried again.
static int end_round(Push *push) {
    uint8_t random;
    int r = clock_random(push->options.clock, &random, 1);
    if (r < 0)
        return r;
    push->tried = 0;
    round_over(&push->round);
    push->next_ms += push->backoff_ms / 2 + push->backoff_ms * random / 256;
    push->backoff_ms = push->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : push->backoff_ms * 2;
    push->reach_ms = push->reach_ms * 2 > HELLO_MS ? HELLO_MS : push->reach_ms * 2;
    if (push->misfit[0] == 0)
        return 0;
    if (!push->options.patient) {
        push->fatal = true;
        return error_fail(ERROR_CONFIG, "%s", push->misfit);
    }
    if (!push->misfit_said)
        log_error("%s: %s; nothing is lost, it is tried again every %d s", push->options.kind, push->misfit,
                  MISFIT_MS / 1000);
    push->misfit_said = true;
    push->misfit[0] = 0;
    push->next_ms = now_ms(push) + MISFIT_MS;
    return 0;
}

// Leaves this endpoint for the next one: at once, or after a while when the whole list was tried.
static int leave(Push *push) {
    socket_close_watched(&push->socket, &push->monitor);
    push->endpoint = (push->endpoint + 1) % push->options.n_endpoints;
    push->next_ms = now_ms(push);
    enter(push, PUSH_REST);
    return ++push->tried >= push->options.n_endpoints ? end_round(push) : 0;
}

static int away(Push *push, const char *why) {
    int64_t now = now_ms(push);
    if (!push->away || now - push->complained_ms >= COMPLAIN_MS) {
        log_warn("%s: %s %s; nothing is lost, it is tried again", push->options.kind, push_endpoint(push), why);
        push->complained_ms = now;
    }
    push->away = true;
    snprintf(push->why, sizeof push->why, "%s %s", push_endpoint(push), why);
    return leave(push);
}

// Only its keeper, or the exchange's, can mend what the sentence kept says. Another endpoint may do.
static int misfit(Push *push) {
    snprintf(push->misfit, sizeof push->misfit, "%s", error_text());
    snprintf(push->why, sizeof push->why, "%s", error_text());
    return leave(push);
}

// The session is over, the connection perhaps not: says Hello again on the same socket.
static void begin_again(Push *push) {
    push->hello_sent = false;
    push->session = 0;
    enter(push, PUSH_HELLO);
}

static int connect_next(Push *push) {
    SocketPeer peer = {push_endpoint(push), push->options.keys, round_keys(&push->round)->curve_public};
    verifier_destroy(&push->verifier);
    int r = verifier_new(&push->verifier, round_keys(&push->round)->sign_public);
    if (r == 0)
        r = socket_connect_watched(&push->socket, &push->monitor, &peer);
    if (r < 0) {
        push->fatal = true;
        return error_context(r, "%s", push_endpoint(push));
    }
    push->news = SOCKET_TRYING;
    begin_again(push);
    return 0;
}

static int say_hello(Push *push) {
    int r = resumption_reseal(push->options.spool, push->options.kind, push->options.sealer);
    if (r == 0)
        r = spool_stream(push->options.spool, push->options.kind, &push->stream);
    if (r < 0)
        return r;
    Dongbo__HelloPublish hello = DONGBO__HELLO_PUBLISH__INIT;
    resumption_hello(&push->stream, &hello);
    hello.agent = (char *)push->options.agent;
    hello.program = "dongbo-agent 0.1";
    push->session = push->counter = 0;
    r = successor_ask(&push->successor, push->options.clock, &hello.challenge);
    if (r == 0)
        r = proofs_begin(push->proofs, &push->stream, &hello);
    if (r == 0)
        r = doubt_ask(&push->doubt, push->options.clock, &hello.error_challenge);
    if (r == 0)
        r = send_message(push, FRAME_HELLO_PUBLISH, &hello.base);
    push->hello_sent = r == 0;
    return r < 0 ? r : 0;
}

// One transaction holds all receipts and verdicts of a step.
static int transaction(Push *push) {
    if (push->in_transaction)
        return 0;
    int r = spool_begin(push->options.spool);
    push->in_transaction = r == 0;
    return r;
}

static int transaction_end(Push *push, int r) {
    if (!push->in_transaction)
        return r;
    push->in_transaction = false;
    Spool *spool = push->options.spool;
    if (r == 0)
        r = spool_trim(spool);
    if (r == 0)
        r = ledger_undecided_trim(spool);
    r = spool_end(spool, r);
    push->took = push->took || r == 0;
    // The verdict position moved.
    return r < 0 ? r : spool_stream(spool, push->options.kind, &push->stream);
}

// Opens another stream: this one cannot go on. Everything without a receipt is sealed again for it.
static int fork_stream(Push *push, const char *why) {
    if (push->forks == FORKS_MAX)
        return error_fail(ERROR_PEER, "the exchange refused %d new streams in a row; ask its operators", FORKS_MAX);
    log_warn("%s: %s; a new stream is opened and what is not acknowledged is sealed again", push->options.kind, why);
    int r = resumption_fork(push->options.spool, push->options.kind);
    push->forks += r == 0;
    if (r == 0)
        begin_again(push);
    return r;
}

// Batches beyond what the exchange has are sent again, also those that had a receipt: its database was restored.
static int resume(Push *push, uint64_t last_sequence) {
    int64_t forgotten;
    int r = resumption_find(push->options.spool, &push->stream, last_sequence, &forgotten);
    if (forgotten > 0)
        log_warn(
            "%s: the exchange has forgotten what it had acknowledged after event %llu; %lld batches are sent again",
            push->options.kind, (unsigned long long)last_sequence, (long long)forgotten);
    push->next = 0;
    if (r == 1)
        return fork_stream(push, "the exchange has more of this stream than this spool (restored from a backup?)");
    if (r == 0 && forgotten > 0) // verdicts are asked for again, too: from there, and not from where this session is
        begin_again(push);
    return r == 2 ? fork_stream(push, "the exchange lacks events that this spool has let go") : r;
}

static int take_welcome(Push *push, const Dongbo__WelcomePublish *welcome, uint64_t session) {
    if (push->state != PUSH_HELLO || !push->hello_sent) // it answers nothing, or a session that is over
        return 0;
    int r = answer_welcome(welcome, round_keys(&push->round)->sign_public, push_endpoint(push));
    if (r < 0)
        return r;
    if (successor_hear(&push->successor, welcome->next_keys) != 0) {
        const Keys *broker = push->options.broker;
        r = proofs_keys(push->proofs, (const uint8_t *const[]){broker[0].sign_public, broker[1].sign_public});
        if (r < 0)
            return r;
    }
    push->session = welcome->session != 0 ? welcome->session : session;
    push->credit = welcome->credit_bytes;
    push->sent = push->nonce = push->gap = 0;
    push->up_to_date = push->away = false;
    push->hold_until_ms = 0;
    push->misfit[0] = 0;
    push->asked_ms = push->progress_ms = now_ms(push);
    enter(push, PUSH_OPEN);
    log_info("%s: in session with %s, number %u of its stream, it has events up to %llu", push->options.kind,
             push_endpoint(push), welcome->session_epoch, (unsigned long long)welcome->last_sequence);
    r = transaction_end(push, 0);
    if (r == 0 && welcome->epoch != push->stream.verdict_epoch)
        r = resumption_epoch(push->options.spool, push->options.sealer, &push->stream, welcome->epoch);
    return r < 0 ? r : resume(push, welcome->last_sequence);
}

// ---- what the exchange says ----

static void raise_credit(Push *push, uint64_t credit) {
    if (credit > push->credit)
        push->credit = credit;
}

// The exchange serves us: what comes next is a first failure.
static void settle_in(Push *push) {
    push->tried = 0;
    push->backoff_ms = BACKOFF_MIN_MS;
    push->reach_ms = REACH_MS;
    push->misfit_said = false;
}

static int take_proofs(Push *push, const Frame *frame, const Dongbo__Proofs *message) {
    AnswerTo to = {.stream = push->stream.stream, .challenge = proofs_challenge(push->proofs)};
    Dongbo__Proofs said;
    int r = transaction_end(push, 0);
    if (r < 0)
        return r;
    int opened = answer_proofs(push->verifier, &to, message, push->arena, &said);
    if (opened < 0)
        return error_context(opened, "%s", push_endpoint(push));
    r = proofs_take(push->proofs, &push->stream, &(ProofsSaid){&said, opened == 0});
    if (r == 1) { // it is kept, and only people can tell what to do
        push->fatal = true;
        return proofs_keep_false(push->proofs, &push->stream,
                                 (ProtobufCBinaryData){frame->body_bytes, (uint8_t *)frame->body});
    }
    return r < 0 ? r : spool_stream(push->options.spool, push->options.kind, &push->stream);
}

static int take_receipt(Push *push, const Dongbo__Receipt *receipt) {
    const Dongbo__ReceiptBody *body = NULL;
    raise_credit(push, receipt->credit_bytes);
    int r = answer_receipt(push->verifier, receipt, push->arena, &push->raw, &body);
    if (r < 0)
        return error_context(r, "%s", push_endpoint(push));
    r = transaction(push);
    if (r == 0)
        r = verdicts_receipt(push->options.verdicts, &push->stream, body, &push->raw);
    if (r == 1)
        return error_fail(ERROR_PEER, "a receipt from %s answers no batch of this spool", push_endpoint(push));
    push->progress_ms = now_ms(push);
    push->forks = 0;
    push->hold_ms = HOLD_MIN_MS;
    settle_in(push);
    return r;
}

static int take_verdicts(Push *push, const Dongbo__Verdicts *message) {
    const SpoolStream *stream = &push->stream;
    AnswerTo to = {.stream = stream->stream, .epoch = stream->verdict_epoch, .signed_before = stream->verdicts_signed};
    Dongbo__Verdicts verdicts;
    int r = answer_verdicts(push->verifier, &to, message, push->arena, &verdicts);
    if (r < 0)
        return error_context(r, "%s", push_endpoint(push));
    bool first = r == 0 && !stream->verdicts_signed;
    r = transaction(push);
    if (r == 0 && first)
        r = spool_verdicts_signed(push->options.spool);
    if (r == 0)
        r = verdicts_later(push->options.verdicts, stream, &verdicts);
    push->up_to_date = push->up_to_date || !verdicts.more;
    push->progress_ms = now_ms(push);
    return r;
}

static int hold(Push *push, const Dongbo__Refusal *refusal, const char *why) {
    push->next = refusal->expected_sequence;
    push->hold_until_ms = now_ms(push) + push->hold_ms;
    if (push->hold_ms >= 4 * HOLD_MIN_MS)
        log_warn("%s: the exchange %s (%s); waiting %lld ms", push->options.kind, why, refusal->text,
                 (long long)push->hold_ms);
    push->hold_ms = push->hold_ms * 2 > HOLD_MAX_MS ? HOLD_MAX_MS : push->hold_ms * 2;
    return 0;
}

static int take_gap(Push *push, uint64_t expected) {
    int64_t now = now_ms(push);
    // Every batch behind the missing one is refused alike; going back once is enough.
    if (push->gap == expected && now - push->gap_ms < ASK_MS)
        return 0;
    push->gap = expected;
    push->gap_ms = now;
    SpoolBatch batch;
    int r = spool_next(push->options.spool, push->stream.id, expected, &batch);
    if (r == 1 || (r == 0 && batch.first_sequence != expected))
        return resume(push, expected - 1);
    push->next = expected;
    return r;
}

static int split(Push *push, uint64_t first_sequence) {
    int r = resumption_split(push->options.spool, push->options.sealer, first_sequence);
    if (r == 1)
        return error_fail(ERROR_PEER, "the exchange says that event %llu is too big; ask its operators",
                          (unsigned long long)first_sequence);
    push->next = first_sequence;
    return r;
}

// 0: what would end this is the exchange's word; ERROR_PEER: it is not, and passes.
static int check_word(Push *push, DoubtSaid said) {
    said.own = push->options.keys;
    push->fatal = doubt_is_signed(&push->doubt, &said, round_keys(&push->round)->sign_public);
    int r = push->fatal ? 0 : doubt_begin(&push->doubt, push->options.clock);
    return push->fatal || r < 0 ? r : error_fail(ERROR_PEER, DENIAL_UNSIGNED "%s", said.text);
}

static int take_refusal(Push *push, const Dongbo__Refusal *refusal) {
    int r = transaction_end(push, 0);
    if (r < 0)
        return r;
    raise_credit(push, refusal->credit_bytes);
    switch (refusal->code) {
    case DONGBO__REFUSAL__CODE__GAP:
        return take_gap(push, refusal->expected_sequence);
    case DONGBO__REFUSAL__CODE__TOO_BIG:
        return split(push, refusal->expected_sequence);
    case DONGBO__REFUSAL__CODE__FORK:
        return fork_stream(push, "the exchange has stored other events under these numbers (a spool restored from a "
                                 "backup?)");
    case DONGBO__REFUSAL__CODE__SCHEMA_NEWER:
        return hold(push, refusal, "is older than this agent and waits for its upgrade");
    case DONGBO__REFUSAL__CODE__OVERLOADED:
        return hold(push, refusal, "is overloaded");
    case DONGBO__REFUSAL__CODE__FENCED:
        r = check_word(push, (DoubtSaid){NULL, FRAME_REFUSAL, (int)refusal->code, refusal->text, refusal->signature});
        return r < 0 ? r
                     : error_fail(ERROR_PEER,
                                  "another dongbo-agent has taken over the %s stream of this spool (%s). Only one may "
                                  "run on it, or on a copy of it: stop that one first",
                                  push->options.kind, refusal->text);
    case DONGBO__REFUSAL__CODE__BAD_SIGNATURE:
        push->tried = push->options.n_endpoints; // another endpoint is the same exchange
        return disowned_explain(&(Disowned){push->options.spool, push->stream.id, refusal->expected_sequence,
                                            push->options.keys, refusal->text});
    default:
        return error_fail(ERROR_PEER, "the exchange refuses for a reason that this program does not know (%d: %s)",
                          (int)refusal->code, refusal->text);
    }
}

static int take_error(Push *push, const Dongbo__Error *error) {
    if (error->code == DONGBO__ERROR__CODE__NO_SESSION) {
        if (push->state == PUSH_OPEN)
            begin_again(push);
        return 0;
    }
    bool ends = error->code == DONGBO__ERROR__CODE__BAD_VERSION || error->code == DONGBO__ERROR__CODE__SESSION_REPLACED;
    int r =
        ends ? check_word(push, (DoubtSaid){NULL, FRAME_ERROR, (int)error->code, error->text, error->signature}) : 0;
    return r < 0 ? r : error_fail(ERROR_PEER, "the exchange at %s says: %s", push_endpoint(push), error->text);
}

// The exchange asks in order to know that what came before is stored.
static int take_ping(Push *push, const Dongbo__Ping *ping) {
    Dongbo__Pong pong = DONGBO__PONG__INIT;
    pong.nonce = ping->nonce;
    int r = transaction_end(push, 0);
    if (r == 0)
        r = send_message(push, FRAME_PONG, &pong.base);
    return r < 0 ? r : 0;
}

#define DECODED(type) ((const Dongbo__##type *)message)

static int take_message(Push *push, const Frame *frame, const ProtobufCMessage *message) {
    switch (frame->type) {
    case FRAME_WELCOME_PUBLISH:
        return take_welcome(push, DECODED(WelcomePublish), frame->session);
    case FRAME_RECEIPT:
        return take_receipt(push, DECODED(Receipt));
    case FRAME_VERDICTS:
        return take_verdicts(push, DECODED(Verdicts));
    case FRAME_PROOFS:
        return take_proofs(push, frame, DECODED(Proofs));
    case FRAME_REFUSAL:
        return take_refusal(push, DECODED(Refusal));
    case FRAME_PING:
        return take_ping(push, DECODED(Ping));
    case FRAME_PONG:
        return 0;
    case FRAME_ERROR:
        return take_error(push, DECODED(Error));
    default:
        return error_fail(ERROR_PEER, "the exchange at %s says goodbye", push_endpoint(push));
    }
}

static int take_frame(Push *push, const uint8_t *data, size_t n) {
    Frame frame;
    if (frame_read(data, n, &frame) != 0)
        return error_fail(ERROR_PEER, "what answers at %s is no exchange of this protocol", push_endpoint(push));
    // What belongs to an earlier session has been said to it; only Welcome and Error may come before there is one.
    bool early = frame.type == FRAME_WELCOME_PUBLISH || frame.type == FRAME_ERROR;
    bool ours = frame.session == push->session;
    if ((!early && (push->state != PUSH_OPEN || !ours)) || (frame.type == FRAME_ERROR && frame.session != 0 && !ours))
        return 0;
    push->heard_ms = now_ms(push);
    const ProtobufCMessageDescriptor *descriptor = answer_descriptor(frame.type);
    ProtobufCMessage *message = NULL;
    arena_reset(push->arena);
    if (descriptor != NULL && frame_decode(&frame, descriptor, arena_protobuf(push->arena), &message) != 0)
        return error_fail(ERROR_PEER, "%s from %s cannot be read", frame_type_name(frame.type), push_endpoint(push));
    return take_message(push, &frame, message);
}

static int receive(Push *push) {
    int r = 0;
    for (int n = 0; n < FRAMES_AT_ONCE && r == 0 && push->socket != NULL; n++) {
        zframe_t *frame = NULL;
        char user[64];
        int got = socket_receive(push->socket, NULL, &frame, user);
        if (got == 1)
            break;
        r = got == 0 ? take_frame(push, zframe_data(frame), zframe_size(frame))
                     : error_fail(ERROR_PEER, "%s sends messages of several frames", push_endpoint(push));
        zframe_destroy(&frame);
    }
    return transaction_end(push, r);
}

// ---- what we say ----

// 0; 1 when the connection is gone.
static int send_batches(Push *push) {
    if (now_ms(push) < push->hold_until_ms)
        return 0;
    for (;;) {
        SpoolBatch batch;
        int r = spool_next(push->options.spool, push->stream.id, push->next, &batch);
        if (r != 0)
            return r < 0 ? r : 0;
        if (push->sent + batch.sealed_bytes > push->credit)
            return 0;
        bytes_clear(&push->out);
        frame_write_bytes(&push->out, FRAME_BATCH, push->session, batch.first_sequence, batch.sealed,
                          batch.sealed_bytes);
        if (push->out.failed)
            return error_fail(ERROR_MEMORY, "no memory for a batch");
        r = socket_send(push->socket, push->out.data, push->out.n);
        if (r != 0)
            return r;
        push->sent += batch.sealed_bytes;
        push->next = batch.last_sequence + 1;
    }
}

static int send_ping(Push *push) {
    Dongbo__Ping ping = DONGBO__PING__INIT;
    ping.nonce = ++push->nonce;
    push->asked_ms = now_ms(push);
    return send_message(push, FRAME_PING, &ping.base);
}

bool push_is_up_to_date(const Push *push) {
    return push->state == PUSH_OPEN && push->up_to_date;
}

// Pings when it has been silent. 0; 1 when the connection is gone.
static int keep_alive(Push *push) {
    int64_t now = now_ms(push), waiting;
    int r = push_waiting(push, &waiting);
    if (r < 0)
        return r;
    int64_t every = waiting > 0 ? ASK_MS : PING_INTERVAL_MS;
    return now - push->heard_ms < every || now - push->asked_ms < every ? 0 : send_ping(push);
}

static int step_open(Push *push) {
    if (now_ms(push) - push->since_ms > SETTLED_MS && push->up_to_date)
        settle_in(push);
    if (now_ms(push) - push->heard_ms > PEER_SILENT_MS)
        return away(push, "has fallen silent");
    int r = send_batches(push);
    if (r == 0)
        r = keep_alive(push);
    if (r == 1)
        r = push->options.n_endpoints > 1 ? away(push, "is gone") : (begin_again(push), 0);
    return r;
}

static int step_hello(Push *push) {
    int r = push->hello_sent ? 0 : say_hello(push);
    if (r < 0 || now_ms(push) - push->since_ms < patience_ms(push))
        return r;
    return away(push, socket_news_text(push->news));
}

// What the transport tells of the connection.
static int hear_news(Push *push) {
    SocketNews news = socket_news(push->monitor, push->news);
    if (news == push->news)
        return 0;
    push->news = news;
    if (news == SOCKET_SECURED)
        round_secured(&push->round);
    if (news >= SOCKET_REFUSED)
        return away(push, socket_news_text(news));
    if (push->state == PUSH_HELLO)
        push->since_ms = now_ms(push);
    return 0;
}

int push_step(Push *push) {
    int r = 0;
    if (push->state == PUSH_REST && now_ms(push) >= push->next_ms)
        r = connect_next(push);
    if (r == 0 && push->state != PUSH_REST)
        r = receive(push);
    if (r == 0 && push->state != PUSH_REST)
        r = hear_news(push);
    if (r == 0 && push->state == PUSH_HELLO)
        r = step_hello(push);
    if (r == 0 && push->state == PUSH_OPEN)
        r = step_open(push);
    // What the exchange said and could not be taken is lost to this session: another one is told it anew.
    if ((r == ERROR_SYSTEM || r == ERROR_MEMORY) && push->state == PUSH_OPEN)
        begin_again(push);
    // A peer that misbehaves is left, and one that does not fit; what people must mend at once ends it all.
    if (r == ERROR_PEER && !push->fatal)
        r = away(push, error_text());
    push->next_ms += doubt_pause_ms(&push->doubt); // elsewhere first, and not at once
    if (r == ERROR_CONFIG && !push->fatal)
        r = misfit(push);
    return r;
}
