// SPDX-License-Identifier: Apache-2.0
//
// A session against an exchange that is scripted frame by frame, in one thread and with a clock that only the test
// moves: what is sent, what is sent again, and what ends it.
#include "agents/push.h"
#include "proto/denial.h"

#include "proto/base/error.h"
#include "proto/frame.h"
#include "proto/socket.h"
#include "proto/zap.h"
#include "tests/unit/publish-case.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define SESSION 77
#define WAIT_MS 5000
#define MUCH (1 << 20) // credit

typedef struct PushCase {
    PublishCase *test;
    Zap *zap;
    Keys exchange;
    Signer *signer;
    DenialAsked asked; // by the last Hello
    const Keys *word;  // by whose key what would end it is signed; NULL: by none
    zsock_t *router;
    char endpoint[128];
    char *endpoints[2];
    unsigned n_endpoints;
    bool impatient;
    Verdicts verdicts;
    Push *push;
    zframe_t *route;
    bool hear_pings;
    int result; // of the last push_step()
    Bytes said; // the last frame that the agent sent
    Frame frame;
} PushCase;

static void push_open(PushCase *c) {
    PublishCase *test = c->test;
    verdicts_free(&c->verdicts);
    c->verdicts = (Verdicts){.spool = test->spool};
    PushOptions options = {.spool = test->spool,
                           .sealer = test->sealer,
                           .verdicts = &c->verdicts,
                           .kind = "live",
                           .agent = "moh-1",
                           .keys = &test->keys,
                           .broker = &c->exchange,
                           .endpoints = c->endpoints,
                           .n_endpoints = c->n_endpoints,
                           .patient = !c->impatient,
                           .clock = &test->clock};
    assert_int_equal(push_new(&c->push, &options), 0);
}

static int setup(void **state) {
    PushCase *c = calloc(1, sizeof *c);
    assert_int_equal(publish_case_setup((void **)&c->test), 0);
    assert_int_equal(keys_generate(&c->exchange), 0);
    assert_int_equal(signer_new(&c->signer, c->exchange.sign_secret), 0);
    assert_int_equal(zap_new(&c->zap), 0);
    ZapKey key = {.user = "agency:1"};
    memcpy(key.key, c->test->keys.curve_public, KEY_BYTES);
    assert_int_equal(zap_allow(c->zap, &key, 1), 0);
    snprintf(c->endpoint, sizeof c->endpoint, "ipc://%s/exchange", c->test->directory);
    c->endpoints[0] = c->endpoint;
    c->n_endpoints = 1;
    assert_int_equal(socket_bind(&c->router, c->endpoint, &c->exchange, NULL), 0);
    push_open(c);
    *state = c;
    return 0;
}

static int teardown(void **state) {
    PushCase *c = *state;
    push_destroy(&c->push);
    verdicts_free(&c->verdicts);
    zframe_destroy(&c->route);
    zsock_destroy(&c->router);
    zap_destroy(&c->zap);
    signer_destroy(&c->signer);
    bytes_free(&c->said);
    publish_case_teardown((void **)&c->test);
    free(c);
    return 0;
}

static void wait_for_either(PushCase *c) {
    zmq_pollitem_t items[1 + PUSH_POLL_ITEMS] = {{.socket = zsock_resolve(c->router), .events = ZMQ_POLLIN}};
    int n = 1 + push_poll(c->push, items + 1);
    (void)zmq_poll(items, n, 20);
}

// Steps the agent until it says something. False when it has nothing to say for a while, or ended.
static bool hear(PushCase *c, int patience_ms) {
    for (int64_t end = zclock_mono() + patience_ms; zclock_mono() < end;) {
        zframe_t *route = NULL, *frame = NULL;
        char user[64];
        c->result = push_step(c->push);
        int got = socket_receive(c->router, &route, &frame, user);
        if (got == 0) {
            zframe_destroy(&c->route);
            c->route = route;
            bytes_clear(&c->said);
            bytes_append(&c->said, zframe_data(frame), zframe_size(frame));
            zframe_destroy(&frame);
            assert_int_equal(frame_read(c->said.data, c->said.n, &c->frame), 0);
            if (c->frame.type == FRAME_PING && !c->hear_pings)
                continue;
            return true;
        }
        if (c->result < 0)
            return false;
        wait_for_either(c);
    }
    return false;
}

static void expect(PushCase *c, FrameType type) {
    if (!hear(c, WAIT_MS))
        fail_msg("nothing said where %s was expected: %s", frame_type_name(type), error_text());
    assert_string_equal(frame_type_name(c->frame.type), frame_type_name(type));
}

static void expect_batch(PushCase *c, uint64_t first) {
    expect(c, FRAME_BATCH);
    assert_int_equal(c->frame.sequence, first);
}

static void expect_silence(PushCase *c) {
    if (hear(c, 150))
        fail_msg("%s was said", frame_type_name(c->frame.type));
}

static void say(PushCase *c, FrameType type, uint64_t session, const ProtobufCMessage *message) {
    Bytes out = {0};
    frame_write(&out, type, session, 1, message);
    assert_int_equal(socket_send_to(c->router, c->route, out.data, out.n), 0);
    bytes_free(&out);
}

static void say_welcome(PushCase *c, uint64_t last_sequence, uint64_t credit) {
    Dongbo__WelcomePublish welcome = DONGBO__WELCOME_PUBLISH__INIT;
    welcome.session = SESSION;
    welcome.last_sequence = last_sequence;
    welcome.credit_bytes = credit;
    welcome.signing_key = (ProtobufCBinaryData){KEY_BYTES, c->exchange.sign_public};
    say(c, FRAME_WELCOME_PUBLISH, SESSION, &welcome.base);
}

static ProtobufCBinaryData sign(PushCase *c, FrameType type, int code, uint8_t buffer[SIGNATURE_BYTES]) {
    char peer[DENIAL_PEER_BYTES];
    Signer *signer;
    if (c->word == NULL)
        return (ProtobufCBinaryData){0};
    denial_peer_of_key(c->test->keys.curve_public, peer);
    assert_int_equal(signer_new(&signer, c->word->sign_secret), 0);
    ProtobufCBinaryData made = denial_sign(signer, &(Denial){peer, &c->asked, type, code, "because"}, buffer);
    signer_destroy(&signer);
    return made;
}

static void say_refusal(PushCase *c, int code, uint64_t expected) {
    uint8_t signature[SIGNATURE_BYTES];
    Dongbo__Refusal refusal = DONGBO__REFUSAL__INIT;
    refusal.code = (Dongbo__Refusal__Code)code;
    refusal.expected_sequence = expected;
    refusal.text = "because";
    refusal.signature = sign(c, FRAME_REFUSAL, code, signature);
    say(c, FRAME_REFUSAL, SESSION, &refusal.base);
}

static void say_error(PushCase *c, int code, uint64_t session) {
    uint8_t signature[SIGNATURE_BYTES];
    Dongbo__Error error = DONGBO__ERROR__INIT;
    error.code = (Dongbo__Error__Code)code;
    error.text = "because";
    error.signature = sign(c, FRAME_ERROR, code, signature);
    say(c, FRAME_ERROR, session, &error.base);
}

// The receipt for this batch; with a byte of its signature changed when it is to be false.
static void say_receipt(PushCase *c, uint64_t first, uint64_t credit, bool good) {
    SpoolStream stream = publish_case_stream(c->test);
    SpoolBatch batch;
    uint8_t signature[SIGNATURE_BYTES];
    Bytes packed = {0};
    assert_int_equal(spool_find(c->test->spool, stream.id, first, &batch), 0);
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    body.stream = (ProtobufCBinaryData){STREAM_BYTES, stream.stream};
    body.first_sequence = batch.first_sequence;
    body.last_sequence = batch.last_sequence;
    body.batch_root = (ProtobufCBinaryData){HASH_BYTES, batch.root};
    bytes_append_message(&packed, &body.base);
    assert_int_equal(signer_sign(c->signer, "dongbo receipt 1", packed.data, packed.n, signature), 0);
    signature[5] ^= good ? 0 : 1;
    Dongbo__Receipt receipt = DONGBO__RECEIPT__INIT;
    receipt.body = (ProtobufCBinaryData){packed.n, packed.data};
    receipt.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    receipt.credit_bytes = credit;
    say(c, FRAME_RECEIPT, SESSION, &receipt.base);
    bytes_free(&packed);
}

static void advance(PushCase *c, int64_t ms) {
    c->test->now_us += ms * 1000;
}

static bool waits(PushCase *c) {
    int64_t waiting;
    assert_int_equal(push_waiting(c->push, &waiting), 0);
    return waiting != 0;
}

// Where it asks for verdicts from.
static uint64_t expect_hello(PushCase *c) {
    expect(c, FRAME_HELLO_PUBLISH);
    assert_int_equal(c->frame.session, 0);
    Dongbo__HelloPublish *hello = dongbo__hello_publish__unpack(NULL, c->frame.body_bytes, c->frame.body);
    assert_non_null(hello);
    denial_ask(&c->asked, hello->error_challenge);
    uint64_t verdict_position = hello->verdict_position;
    dongbo__hello_publish__free_unpacked(hello, NULL);
    return verdict_position;
}

static void begin(PushCase *c) {
    (void)expect_hello(c);
    say_welcome(c, 0, MUCH);
}

static void begin_sending(PushCase *c) {
    begin(c);
    expect_batch(c, 1);
}

// Another run of the agent; the first says goodbye.
static void restart(PushCase *c) {
    bool open = push_is_open(c->push);
    push_destroy(&c->push);
    push_open(c);
    if (open)
        expect(c, FRAME_GOODBYE);
}

static void test_delivers_in_order(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 3);
    publish_case_add(c->test, 2);
    begin_sending(c);
    assert_int_equal(c->frame.session, SESSION);
    expect_batch(c, 4);
    say_receipt(c, 1, MUCH, true);
    say_receipt(c, 4, MUCH, true);
    expect_silence(c);
    assert_false(waits(c));
    assert_true(push_took_receipts(c->push));
    assert_false(push_took_receipts(c->push));
    assert_int_equal(c->verdicts.counts[DONGBO__VERDICT__ACCEPTED], 5);
}

// Credit is an absolute limit, and what waits for it goes on when it grows.
static void test_keeps_to_its_credit(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 3);
    publish_case_add(c->test, 2);
    expect(c, FRAME_HELLO_PUBLISH);
    SpoolBatch batch;
    assert_int_equal(spool_next(c->test->spool, publish_case_stream(c->test).id, 0, &batch), 0);
    uint64_t first = batch.sealed_bytes;
    say_welcome(c, 0, first + 1);
    expect_batch(c, 1);
    expect_silence(c);
    say_receipt(c, 1, first + 1, true);
    expect_silence(c);
    say_receipt(c, 1, first + MUCH, true);
    expect_batch(c, 4);
}

// A receipt that the exchange did not sign lets nothing go; the session is left, and the batch sent again.
static void test_believes_no_false_receipt(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 3);
    begin_sending(c);
    say_receipt(c, 1, MUCH, false);
    expect_silence(c);
    assert_false(push_is_open(c->push));
    assert_true(waits(c));
    advance(c, 500);
    begin_sending(c);
}

// Welcomes with another signing key than the one configured.
static void say_strange_welcome(PushCase *c) {
    c->exchange.sign_public[0] ^= 1; // as the exchange says it, not as the agent, which reads it later, knows it
    say_welcome(c, 0, MUCH);
    c->exchange.sign_public[0] ^= 1;
}

// Nobody but a person can mend that: it asks again, but seldom, until the key is right.
static void test_goes_on_with_no_other_signing_key(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 3);
    for (int i = 0; i < 3; i++) {
        expect(c, FRAME_HELLO_PUBLISH);
        say_strange_welcome(c);
        expect_silence(c);
        assert_int_equal(c->result, 0);
        assert_false(push_is_open(c->push));
        advance(c, 59000);
        expect_silence(c);
        advance(c, 1100);
    }
    begin_sending(c);
}

static void test_ends_a_single_run_at_another_signing_key(void **state) {
    PushCase *c = *state;
    push_destroy(&c->push);
    c->impatient = true;
    push_open(c);
    expect(c, FRAME_HELLO_PUBLISH);
    say_strange_welcome(c);
    assert_false(hear(c, WAIT_MS));
    assert_int_equal(c->result, ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "another key"));
}

// The agent's own key must be known, too; every session would be refused alike.
static void test_asks_seldom_while_its_key_is_not_known(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 2);
    for (int i = 0; i < 2; i++) {
        begin(c);
        expect_batch(c, 1);
        say_refusal(c, DONGBO__REFUSAL__CODE__BAD_SIGNATURE, 1);
        expect_silence(c);
        assert_int_equal(c->result, 0);
        advance(c, 59000);
        expect_silence(c);
        advance(c, 1100);
    }
    begin_sending(c);
}

static void open_second_to(PushCase *c, const char *first) {
    push_destroy(&c->push);
    c->endpoints[0] = (char *)first;
    c->endpoints[1] = c->endpoint;
    c->n_endpoints = 2;
    push_open(c);
}

// The clock stands still: it is the transport that tells.
static void test_leaves_at_once_where_nobody_listens(void **state) {
    PushCase *c = *state;
    char nobody[160];
    snprintf(nobody, sizeof nobody, "ipc://%s/nobody", c->test->directory);
    open_second_to(c, nobody);
    begin(c);
    expect_silence(c);
    assert_true(push_is_open(c->push));
    // And at once when an exchange that was there is there no more.
    zsock_destroy(&c->router);
    for (int i = 0; i < 250 && push_is_open(c->push); i++) {
        zmq_pollitem_t items[PUSH_POLL_ITEMS];
        (void)zmq_poll(items, push_poll(c->push, items), 20);
        assert_int_equal(push_step(c->push), 0);
    }
    assert_false(push_is_open(c->push));
    assert_int_equal(socket_bind(&c->router, c->endpoint, &c->exchange, NULL), 0);
    advance(c, 500);
    begin(c);
    expect_silence(c);
}

// A listener that nobody takes connections from; the kernel takes so many by itself.
static int listen_deaf(char endpoint[64], int backlog) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, n), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    snprintf(endpoint, 64, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

static int connect_to(const char *endpoint) {
    int port = (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)connect(fd, (struct sockaddr *)&address, sizeof address);
    return fd;
}

// Nothing comes back at all, as from a machine that is off: a second is enough while there is another endpoint.
static void test_leaves_soon_what_does_not_answer_at_all(void **state) {
    PushCase *c = *state;
    char endpoint[64];
    int deaf = listen_deaf(endpoint, 0);
    int full[] = {connect_to(endpoint), connect_to(endpoint), connect_to(endpoint)};
    open_second_to(c, endpoint);
    expect_silence(c);
    advance(c, 900);
    expect_silence(c);
    advance(c, 200);
    begin(c);
    for (int i = 0; i < 3; i++)
        close(full[i]);
    close(deaf);
}

// A connection is taken, as by a machine under load: it gets its time, also while there is another.
static void test_gives_a_slow_exchange_its_time(void **state) {
    PushCase *c = *state;
    char endpoint[64];
    int slow = listen_deaf(endpoint, 16);
    open_second_to(c, endpoint);
    expect_silence(c);
    advance(c, 4800);
    expect_silence(c);
    advance(c, 300);
    begin(c);
    close(slow);
}

// Every batch behind a missing one is refused alike: it goes back once.
static void test_goes_back_once_for_a_gap(void **state) {
    PushCase *c = *state;
    for (int i = 0; i < 3; i++)
        publish_case_add(c->test, 2);
    begin_sending(c);
    expect_batch(c, 3);
    expect_batch(c, 5);
    say_refusal(c, DONGBO__REFUSAL__CODE__GAP, 1);
    say_refusal(c, DONGBO__REFUSAL__CODE__GAP, 1);
    expect_batch(c, 1);
    expect_batch(c, 3);
    expect_batch(c, 5);
    expect_silence(c);
}

// Waits longer each time; a receipt ends that.
static void test_waits_when_the_exchange_is_overloaded(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 2);
    begin(c);
    for (int ms = 500; ms <= 2000; ms *= 2) {
        expect_batch(c, 1);
        say_refusal(c, DONGBO__REFUSAL__CODE__OVERLOADED, 1);
        expect_silence(c);
        advance(c, ms - 10);
        expect_silence(c);
        advance(c, 20);
    }
    expect_batch(c, 1);
    say_receipt(c, 1, MUCH, true);
    expect_silence(c);
    assert_false(waits(c));
}

static void test_splits_what_is_too_big(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 5);
    begin_sending(c);
    say_refusal(c, DONGBO__REFUSAL__CODE__TOO_BIG, 1);
    expect_batch(c, 1);
    expect_batch(c, 3);
}

static void test_opens_a_new_stream_after_a_fork(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 2);
    publish_case_add(c->test, 3);
    SpoolStream old = publish_case_stream(c->test);
    begin_sending(c);
    expect_batch(c, 3);
    say_refusal(c, DONGBO__REFUSAL__CODE__FORK, 1);
    expect(c, FRAME_HELLO_PUBLISH);
    Dongbo__HelloPublish *hello = dongbo__hello_publish__unpack(NULL, c->frame.body_bytes, c->frame.body);
    assert_non_null(hello);
    assert_memory_not_equal(hello->stream.data, old.stream, STREAM_BYTES);
    assert_int_equal(hello->replaces_stream.len, STREAM_BYTES);
    assert_memory_equal(hello->replaces_stream.data, old.stream, STREAM_BYTES);
    dongbo__hello_publish__free_unpacked(hello, NULL);
    say_welcome(c, 0, MUCH);
    expect_batch(c, 1);
    expect_batch(c, 3);
}

// An exchange that has more than the spool ever sealed: the spool is the older one.
static void test_opens_a_new_stream_when_the_exchange_is_ahead(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 2);
    expect(c, FRAME_HELLO_PUBLISH);
    say_welcome(c, 900, MUCH);
    begin_sending(c);
}

// And asks again for what was said of it, which the session that found it does not tell.
static void test_sends_again_what_was_forgotten(void **state) {
    PushCase *c = *state;
    Dongbo__Verdicts verdicts = DONGBO__VERDICTS__INIT;
    publish_case_add(c->test, 2);
    publish_case_add(c->test, 2);
    begin_sending(c);
    expect_batch(c, 3);
    say_receipt(c, 1, MUCH, true);
    say_receipt(c, 3, MUCH, true);
    verdicts.last_position = 500;
    say(c, FRAME_VERDICTS, SESSION, &verdicts.base);
    expect_silence(c);
    restart(c);
    assert_int_equal(expect_hello(c), 500);
    say_welcome(c, 2, MUCH);
    say(c, FRAME_VERDICTS, SESSION, &verdicts.base);
    assert_int_equal(expect_hello(c), 0);
    say_welcome(c, 2, MUCH);
    expect_batch(c, 3);
    expect_silence(c);
}

static void test_says_hello_again_when_its_session_is_gone(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 2);
    begin_sending(c);
    say_error(c, DONGBO__ERROR__CODE__NO_SESSION, SESSION);
    begin_sending(c);
    // What is still said to an older session is not for this one.
    say_error(c, DONGBO__ERROR__CODE__SESSION_REPLACED, SESSION - 1);
    expect_silence(c);
    assert_int_equal(c->result, 0);
    assert_true(push_is_open(c->push));
}

// Said before Hello it may be about any stream: it is not taken for the answer.
static void test_takes_no_welcome_that_answers_nothing(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 3);
    begin_sending(c);
    say_error(c, DONGBO__ERROR__CODE__NO_SESSION, SESSION);
    say_welcome(c, 0, MUCH);
    begin_sending(c);
}

static void test_stops_when_another_has_taken_over(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 2);
    begin_sending(c);
    c->word = &c->exchange;
    say_refusal(c, DONGBO__REFUSAL__CODE__FENCED, 1);
    assert_false(hear(c, WAIT_MS));
    assert_int_equal(c->result, ERROR_PEER);
    assert_non_null(strstr(error_text(), "stop that one first"));
}

static void stop_by(PushCase *c, int code) {
    c->word = &c->exchange;
    begin(c);
    say_error(c, code, SESSION);
    assert_false(hear(c, WAIT_MS));
    assert_int_equal(c->result, ERROR_PEER);
    assert_non_null(strstr(error_text(), "says: because"));
}

static void test_stops_when_its_session_was_replaced(void **state) {
    stop_by(*state, DONGBO__ERROR__CODE__SESSION_REPLACED);
}

static void test_stops_at_another_version(void **state) {
    stop_by(*state, DONGBO__ERROR__CODE__BAD_VERSION);
}

// It waits, longer each time, and goes on.
static void expect_doubt(PushCase *c, int64_t least_ms, int64_t most_ms) {
    expect_silence(c);
    assert_int_equal(c->result, 0);
    assert_false(push_is_open(c->push));
    assert_non_null(strstr(push_why(c->push), "did not sign"));
    advance(c, least_ms);
    expect_silence(c);
    advance(c, most_ms - least_ms);
    begin_sending(c);
}

static void test_what_nobody_signed_passes(void **state) {
    PushCase *c = *state;
    Keys strange;
    assert_int_equal(keys_generate(&strange), 0);
    publish_case_add(c->test, 2);
    begin_sending(c);
    say_refusal(c, DONGBO__REFUSAL__CODE__FENCED, 1);
    expect_doubt(c, 1900, 8000);
    say_error(c, DONGBO__ERROR__CODE__SESSION_REPLACED, SESSION);
    expect_doubt(c, 3900, 16000);
    c->word = &strange;
    say_error(c, DONGBO__ERROR__CODE__BAD_VERSION, 0);
    expect_doubt(c, 7900, 32000);
    c->word = &c->exchange; // to another session
    c->asked.challenge[0] ^= 1;
    say_refusal(c, DONGBO__REFUSAL__CODE__FENCED, 1);
    expect_doubt(c, 15900, 64000);
    say_receipt(c, 1, MUCH, true);
    expect_silence(c);
    assert_false(waits(c));
}

// The exchange asks behind its verdicts: the answer says that they are stored.
static void test_stores_verdicts_before_it_answers(void **state) {
    PushCase *c = *state;
    begin(c);
    expect_silence(c);
    assert_false(push_is_up_to_date(c->push));
    Dongbo__Verdicts verdicts = DONGBO__VERDICTS__INIT;
    Dongbo__Ping ping = DONGBO__PING__INIT;
    verdicts.last_position = 500;
    verdicts.more = true;
    ping.nonce = 9;
    say(c, FRAME_VERDICTS, SESSION, &verdicts.base);
    say(c, FRAME_PING, SESSION, &ping.base);
    expect(c, FRAME_PONG);
    assert_int_equal(publish_case_stream(c->test).verdict_position, 500);
    assert_false(push_is_up_to_date(c->push));
    verdicts.last_position = 600;
    verdicts.more = false;
    say(c, FRAME_VERDICTS, SESSION, &verdicts.base);
    expect_silence(c);
    assert_true(push_is_up_to_date(c->push));
}

// Silence: first it asks, then it leaves.
static void test_leaves_a_silent_exchange(void **state) {
    PushCase *c = *state;
    publish_case_add(c->test, 2);
    begin_sending(c);
    advance(c, 1100);
    c->hear_pings = true;
    expect(c, FRAME_PING);
    advance(c, 25000);
    expect_silence(c);
    assert_false(push_is_open(c->push));
    advance(c, 500);
    begin_sending(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    zsys_handler_set(NULL);
    const struct CMUnitTest tests[] = {
        TEST(test_delivers_in_order),
        TEST(test_keeps_to_its_credit),
        TEST(test_believes_no_false_receipt),
        TEST(test_goes_on_with_no_other_signing_key),
        TEST(test_ends_a_single_run_at_another_signing_key),
        TEST(test_asks_seldom_while_its_key_is_not_known),
        TEST(test_leaves_at_once_where_nobody_listens),
        TEST(test_leaves_soon_what_does_not_answer_at_all),
        TEST(test_gives_a_slow_exchange_its_time),
        TEST(test_goes_back_once_for_a_gap),
        TEST(test_waits_when_the_exchange_is_overloaded),
        TEST(test_splits_what_is_too_big),
        TEST(test_opens_a_new_stream_after_a_fork),
        TEST(test_opens_a_new_stream_when_the_exchange_is_ahead),
        TEST(test_sends_again_what_was_forgotten),
        TEST(test_says_hello_again_when_its_session_is_gone),
        TEST(test_takes_no_welcome_that_answers_nothing),
        TEST(test_stops_when_another_has_taken_over),
        TEST(test_stops_when_its_session_was_replaced),
        TEST(test_stops_at_another_version),
        TEST(test_what_nobody_signed_passes),
        TEST(test_stores_verdicts_before_it_answers),
        TEST(test_leaves_a_silent_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
