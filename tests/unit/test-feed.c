// SPDX-License-Identifier: Apache-2.0
//
// The feed as a subscriber meets it: the real actor, a real server beside it (with-postgres), CURVE and ZAP; the log is
// written here. What is granted arrives, in order, without gaps, from any place; nothing else does, nor without credit.
#include "exchange-log.h"

#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "proto/socket.h"
#include "wire.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define WAIT_MS 10000 // for what must come
#define QUIET_MS 300  // for what must not

static Arena *arena; // of frames received

static int setup(void **state) {
    return exchange_start(state) | arena_new(&arena, 16 * 1024 * 1024);
}

static int teardown(void **state) {
    arena_destroy(&arena);
    return exchange_stop(state);
}

// ---- a subscriber ------------------------------------------------------------------------------------------------

typedef struct Client {
    zsock_t *socket;
    uint64_t session, sequence;
    uint64_t previous; // last position delivered
    uint64_t nonce;    // of the last ping
    bool deaf;         // leaves pings unanswered
    zframe_t *frame;   // last received; messages live in the arena until the next
} Client;

static void send_message(Client *client, FrameType type, const ProtobufCMessage *message) {
    Bytes out = {0};
    frame_write(&out, type, client->session, ++client->sequence, message);
    zmq_pollitem_t item = {zsock_resolve(client->socket), 0, ZMQ_POLLOUT, 0};
    assert_int_equal(zmq_poll(&item, 1, WAIT_MS), 1);
    assert_int_equal(socket_send(client->socket, out.data, out.n), 0);
    bytes_free(&out);
}

static void answer_ping(Client *client) {
    Dongbo__Pong pong = DONGBO__PONG__INIT;
    pong.nonce = client->nonce;
    send_message(client, FRAME_PONG, &pong.base);
}

// NULL when nothing comes in time.
static ProtobufCMessage *receive_any(Client *client, FrameType *type, int wait_ms) {
    static const struct {
        FrameType type;
        const ProtobufCMessageDescriptor *descriptor;
    } known[] = {
        {FRAME_WELCOME_SUBSCRIBE, &dongbo__welcome_subscribe__descriptor},
        {FRAME_RECORDS, &dongbo__records__descriptor},
        {FRAME_WATERMARK, &dongbo__watermark__descriptor},
        {FRAME_ERROR, &dongbo__error__descriptor},
        {FRAME_PONG, &dongbo__pong__descriptor},
        {FRAME_PING, &dongbo__ping__descriptor},
    };
    zmq_pollitem_t item = {zsock_resolve(client->socket), 0, ZMQ_POLLIN, 0};
    if (zmq_poll(&item, 1, wait_ms) != 1)
        return NULL;
    char user[64];
    zframe_destroy(&client->frame);
    assert_int_equal(socket_receive(client->socket, NULL, &client->frame, user), 0);
    Frame frame;
    exchange_ok(frame_read(zframe_data(client->frame), zframe_size(client->frame), &frame));
    *type = frame.type;
    arena_reset(arena);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == frame.type) {
            ProtobufCMessage *message;
            exchange_ok(frame_decode(&frame, known[i].descriptor, arena_protobuf(arena), &message));
            return message;
        }
    fail_msg("unexpected frame %s", frame_type_name(frame.type));
    return NULL;
}

// Answers pings by itself, unless it is deaf to them.
static ProtobufCMessage *receive(Client *client, FrameType *type, int wait_ms) {
    ProtobufCMessage *message;
    while ((message = receive_any(client, type, wait_ms)) && *type == FRAME_PING) {
        client->nonce = ((Dongbo__Ping *)message)->nonce;
        if (!client->deaf)
            answer_ping(client);
    }
    return message;
}

static void *expect(Client *client, FrameType type) {
    FrameType got;
    ProtobufCMessage *message = receive(client, &got, WAIT_MS);
    if (!message)
        fail_msg("no %s came", frame_type_name(type));
    if (got == FRAME_ERROR && type != FRAME_ERROR)
        fail_msg("an error came: %s", ((Dongbo__Error *)message)->text);
    if (got != type)
        fail_msg("%s came instead of %s", frame_type_name(got), frame_type_name(type));
    return message;
}

// No records and no errors.
static void expect_quiet(Client *client) {
    FrameType got;
    while (receive(client, &got, QUIET_MS))
        if (got != FRAME_WATERMARK) // what was filtered may be told
            fail_msg("%s came uncalled", frame_type_name(got));
}

static void expect_error(Client *client, Dongbo__Error__Code code) {
    Dongbo__Error *error = expect(client, FRAME_ERROR);
    assert_int_equal(error->code, code);
    assert_true(strlen(error->text) > 20);
}

static void connect_as(Client *client, const Keys *as) {
    *client = (Client){0};
    exchange_ok(socket_connect(&client->socket, exchange.endpoint, as, exchange.broker.curve_public));
}

static void leave(Client *client) {
    if (client->session)
        send_message(client, FRAME_GOODBYE, NULL);
    zsock_set_linger(client->socket, 1000);
    zsock_destroy(&client->socket);
    zframe_destroy(&client->frame);
}

static void say_hello(Client *client, const char *name, Dongbo__ResumeToken *token, bool from_start) {
    Dongbo__HelloSubscribe hello = DONGBO__HELLO_SUBSCRIBE__INIT;
    hello.protocol_version = PROTOCOL_VERSION;
    hello.subscription = (char *)name;
    hello.token = token;
    hello.from_start = from_start;
    send_message(client, FRAME_HELLO_SUBSCRIBE, &hello.base);
}

// Connects, says Hello and is welcomed at this position.
static void join(Client *client, int subscription, Dongbo__ResumeToken *token, bool from_start, uint64_t position) {
    char name[16];
    snprintf(name, sizeof name, "sub-%d", subscription);
    connect_as(client, &exchange.keys[subscription - 1]);
    say_hello(client, name, token, from_start);
    Dongbo__WelcomeSubscribe *welcome = expect(client, FRAME_WELCOME_SUBSCRIBE);
    assert_int_equal(welcome->position, position);
    assert_memory_equal(welcome->signing_key.data, exchange.broker.sign_public, KEY_BYTES);
    client->session = welcome->session;
    client->previous = position;
}

static void give_credit(Client *client, uint64_t bytes) {
    Dongbo__Credit credit = DONGBO__CREDIT__INIT;
    credit.bytes = bytes;
    send_message(client, FRAME_CREDIT, &credit.base);
}

// Reads Records until `last` is covered, and checks them against what exchange_append() wrote. *token is where it
// ended.
static void expect_records(Client *client, int subscription, uint64_t from, uint64_t last, Dongbo__ResumeToken *token,
                           uint8_t hash[HASH_BYTES]) {
    uint64_t covered = from, expected = from + 1;
    dongbo__resume_token__init(token);
    while (covered < last) {
        FrameType type;
        ProtobufCMessage *message = receive(client, &type, WAIT_MS);
        if (!message || (type != FRAME_RECORDS && type != FRAME_WATERMARK))
            fail_msg("%s after position %llu", message ? frame_type_name(type) : "nothing",
                     (unsigned long long)covered);
        Dongbo__ResumeToken *now =
            type == FRAME_WATERMARK ? ((Dongbo__Watermark *)message)->token : ((Dongbo__Records *)message)->token;
        if (type == FRAME_RECORDS) {
            Dongbo__Records *records = (Dongbo__Records *)message;
            assert_int_equal(records->first, covered + 1);
            assert_int_equal(records->previous, client->previous);
            assert_int_equal(records->last, now->position);
            for (size_t i = 0; i < records->n_records; i++, expected++) {
                Dongbo__FeedRecord *record = dongbo__feed_record__unpack(arena_protobuf(arena), records->records[i].len,
                                                                         records->records[i].data);
                while (!exchange_is_for(subscription, expected))
                    expected++;
                assert_int_equal(record->position, expected);
                assert_int_equal(record->previous, client->previous);
                assert_string_equal(record->agency, "MOH");
                assert_string_equal(record->citizen_number, subscription == 1 ? "" : "001099012345");
                Dongbo__Vaccination *body =
                    dongbo__vaccination__unpack(arena_protobuf(arena), record->body.len, record->body.data);
                char lot[32];
                snprintf(lot, sizeof lot, "LOT-%llu", (unsigned long long)expected);
                assert_string_equal(body->lot_number, lot);
                assert_string_equal(body->facility_code, "");
                client->previous = record->position;
            }
        }
        covered = now->position;
        token->epoch = now->epoch;
        token->position = now->position;
        memcpy(hash, now->segment_hash.data, HASH_BYTES);
        token->segment_hash = (ProtobufCBinaryData){HASH_BYTES, hash};
    }
    while (expected <= last && !exchange_is_for(subscription, expected))
        expected++;
    assert_true(expected > last);
}

static void test_a_new_subscriber_gets_all_that_is_granted(void **state) {
    for (int i = 0; i < 40; i++)
        exchange_append(i % 4 ? 7 : 301);
    Client one, two;
    Dongbo__ResumeToken token;
    uint8_t hash[HASH_BYTES];
    join(&one, 1, NULL, false, 0);
    join(&two, 2, NULL, false, 0);
    give_credit(&one, SUBSCRIBE_CREDIT_BYTES);
    give_credit(&two, SUBSCRIBE_CREDIT_BYTES);
    expect_records(&one, 1, 0, exchange.head.last_position, &token, hash);
    assert_memory_equal(hash, exchange.head.hash, HASH_BYTES);
    expect_records(&two, 2, 0, exchange.head.last_position, &token, hash);
    assert_memory_equal(hash, exchange.head.hash, HASH_BYTES);
    leave(&one);
    leave(&two);
}

static void test_the_end_is_told(void **state) {
    Client client;
    join(&client, 1, NULL, true, 0);
    Dongbo__ResumeToken token;
    uint8_t hash[HASH_BYTES];
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    expect_records(&client, 1, 0, exchange.head.last_position, &token, hash);
    Dongbo__Watermark *watermark = expect(&client, FRAME_WATERMARK);
    assert_true(watermark->at_head);
    assert_int_equal(watermark->head->position, exchange.head.last_position);
    assert_memory_equal(watermark->token->segment_hash.data, exchange.head.hash, HASH_BYTES);
    expect_quiet(&client);
    leave(&client);
}

static void test_nothing_without_credit(void **state) {
    Client client;
    join(&client, 1, NULL, true, 0);
    expect_quiet(&client);
    give_credit(&client, 700);
    Dongbo__Records *records = expect(&client, FRAME_RECORDS);
    assert_int_equal(records->first, 1);
    assert_true(zframe_size(client.frame) - FRAME_HEADER_BYTES <= 700);
    uint64_t last = records->last, sent = zframe_size(client.frame) - FRAME_HEADER_BYTES;
    expect_quiet(&client);
    give_credit(&client, 700); // said twice: no more
    expect_quiet(&client);
    give_credit(&client, sent + 5000);
    records = expect(&client, FRAME_RECORDS);
    assert_int_equal(records->first, last + 1);
    assert_true(zframe_size(client.frame) - FRAME_HEADER_BYTES <= 5000);
    leave(&client);
}

// Who asks for everything at once and never says that anything is stored gets one window, and no more is held for it.
static void test_boundless_credit_is_bounded(void **state) {
    for (int i = 0; i < 100; i++)
        exchange_append(1000);
    Client client;
    join(&client, 1, NULL, true, 0);
    client.deaf = true;
    FrameType type;
    size_t bytes = 0;
    for (int i = 0; i < 3; i++) {
        give_credit(&client, UINT64_MAX); // more does not come by asking for more, but by having read
        while (receive(&client, &type, QUIET_MS))
            if (type == FRAME_RECORDS)
                bytes += zframe_size(client.frame) - FRAME_HEADER_BYTES;
    }
    assert_in_range(bytes, SUBSCRIBE_CREDIT_BYTES - 256 * 1024, SUBSCRIBE_CREDIT_BYTES);
    client.deaf = false;
    answer_ping(&client);
    give_credit(&client, UINT64_MAX);
    expect(&client, FRAME_RECORDS);
    leave(&client);
}

// From every kind of place: within a segment, at its ends, in one that was filtered.
static void test_resumes_from_any_position(void **state) {
    for (uint64_t at = 1; at <= exchange.head.last_position; at += at < 330 ? 1 : 977) {
        Client client;
        Dongbo__ResumeToken token;
        uint8_t hash[HASH_BYTES], hash_then[HASH_BYTES];
        PGresult *result;
        static const Oid types[] = {20};
        static const PgStatement statement = {
            "hash", "SELECT hash FROM exchange.segment WHERE $1 BETWEEN first_position AND last_position", 1, types};
        if (at > 20 && at < 295)
            continue;
        PgParams params = {0};
        pg_param_i64(&params, (int64_t)at);
        exchange_ok(pg_run(exchange.pg, &statement, &params, &result));
        pg_params_free(&params);
        size_t n;
        memcpy(hash, pg_bytes(result, 0, 0, &n), HASH_BYTES);
        PQclear(result);
        dongbo__resume_token__init(&token);
        token.epoch = 1;
        token.position = at;
        token.segment_hash = (ProtobufCBinaryData){HASH_BYTES, hash};
        join(&client, 2, &token, false, at);
        give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
        expect_records(&client, 2, at, exchange.head.last_position, &token, hash_then);
        leave(&client);
    }
}

static void refuse_token(uint32_t epoch, uint64_t position, int flip, Dongbo__Error__Code code) {
    Client client;
    uint8_t hash[HASH_BYTES];
    memcpy(hash, exchange.head.hash, HASH_BYTES);
    hash[0] ^= (uint8_t)flip;
    Dongbo__ResumeToken token = DONGBO__RESUME_TOKEN__INIT;
    token.epoch = epoch;
    token.position = position;
    token.segment_hash = (ProtobufCBinaryData){HASH_BYTES, hash};
    connect_as(&client, &exchange.keys[0]);
    say_hello(&client, "sub-1", &token, false);
    expect_error(&client, code);
    leave(&client);
}

static void test_a_token_of_another_log_is_refused(void **state) {
    refuse_token(1, exchange.head.last_position + 1, 0, DONGBO__ERROR__CODE__TOKEN_AHEAD);
    refuse_token(1, exchange.head.last_position, 1, DONGBO__ERROR__CODE__TOKEN_MISMATCH);
    refuse_token(2, exchange.head.last_position, 0, DONGBO__ERROR__CODE__TOKEN_MISMATCH);
    refuse_token(1, 1, 0, DONGBO__ERROR__CODE__TOKEN_MISMATCH);
    Client client;
    Dongbo__ResumeToken token = DONGBO__RESUME_TOKEN__INIT;
    token.position = 1; // and no hash
    connect_as(&client, &exchange.keys[0]);
    say_hello(&client, "sub-1", &token, false);
    expect_error(&client, DONGBO__ERROR__CODE__TOKEN_MISMATCH);
    leave(&client);
}

static void test_the_key_says_who_speaks(void **state) {
    Client client;
    connect_as(&client, &exchange.keys[0]);
    say_hello(&client, "sub-2", NULL, false);
    expect_error(&client, DONGBO__ERROR__CODE__UNKNOWN_SUBSCRIPTION);
    leave(&client);
    // Another's session number is of no use.
    Client other;
    join(&other, 2, NULL, true, 0);
    connect_as(&client, &exchange.keys[0]);
    client.session = other.session;
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    expect_error(&client, DONGBO__ERROR__CODE__NO_SESSION);
    expect_quiet(&other);
    client.session = 0;
    leave(&client);
    leave(&other);
}

static void send_rubbish(Client *client) {
    assert_int_equal(socket_send(client->socket, "rubbish", 7), 0);
}

static void send_two_frames(Client *client) {
    assert_int_equal(zsock_send(client->socket, "ss", "DB", "and more"), 0);
}

static void send_another_ports_frame(Client *client) {
    send_message(client, FRAME_BATCH, NULL);
}

static void send_a_broken_hello(Client *client) {
    Bytes out = {0};
    frame_write_bytes(&out, FRAME_HELLO_SUBSCRIBE, 0, 1, (const uint8_t *)"\xff", 1);
    assert_int_equal(socket_send(client->socket, out.data, out.n), 0);
    bytes_free(&out);
}

static void test_malformed_words_end_the_session(void **state) {
    Client client;
    void (*const words[])(Client *) = {send_rubbish, send_two_frames, send_another_ports_frame, send_a_broken_hello};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        join(&client, 1, NULL, true, 0);
        words[i](&client);
        expect_error(&client, DONGBO__ERROR__CODE__BAD_FRAME);
        give_credit(&client, 1000);
        expect_error(&client, DONGBO__ERROR__CODE__NO_SESSION);
        client.session = 0;
        leave(&client);
    }
    join(&client, 1, NULL, false, 0);
    Dongbo__Ack ack = DONGBO__ACK__INIT;
    ack.position = 5;
    send_message(&client, FRAME_ACK, &ack.base);
    expect_error(&client, DONGBO__ERROR__CODE__OUT_OF_ORDER);
    leave(&client);
}

static void test_a_newer_session_replaces_the_older(void **state) {
    Client older, newer;
    join(&older, 1, NULL, false, 0);
    join(&newer, 1, NULL, false, 0);
    expect_error(&older, DONGBO__ERROR__CODE__SESSION_REPLACED);
    give_credit(&newer, SUBSCRIBE_CREDIT_BYTES);
    expect(&newer, FRAME_RECORDS);
    older.session = 0;
    leave(&older);
    leave(&newer);
}

static int64_t stored(const char *column) {
    static char sql[128];
    snprintf(sql, sizeof sql, "SELECT %s::text FROM exchange.subscription_position WHERE subscription = 1", column);
    PGresult *result = PQexec(pg_raw(exchange.pg), sql);
    int64_t value = PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    return value;
}

static void test_positions_are_accounted_for(void **state) {
    Client client;
    exchange_run("DELETE FROM exchange.subscription_position");
    join(&client, 1, NULL, true, 0);
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    leave(&client);
    join(&client, 1, NULL, false, 0);
    give_credit(&client, 1000);
    Dongbo__Records *records = expect(&client, FRAME_RECORDS);
    assert_true(stored("released") >= (int64_t)records->last);
    uint64_t last = records->last;
    Dongbo__Ack ack = DONGBO__ACK__INIT;
    ack.position = last;
    send_message(&client, FRAME_ACK, &ack.base);
    leave(&client);
    join(&client, 1, NULL, false, last); // without a token: from what was acknowledged
    assert_int_equal(stored("acked"), last);
    leave(&client);
}

static void test_a_commit_is_told_at_once(void **state) {
    Client client;
    Dongbo__ResumeToken token;
    uint8_t hash[HASH_BYTES];
    join(&client, 1, NULL, true, 0);
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    uint64_t before = exchange.head.last_position;
    expect_records(&client, 1, 0, before, &token, hash);
    assert_true(((Dongbo__Watermark *)expect(&client, FRAME_WATERMARK))->at_head);
    int64_t begin_ms = clock_monotonic_ms(clock_system());
    for (int i = 0; i < 20; i++) {
        exchange_append(3);
        exchange_tell();
        expect_records(&client, 1, exchange.head.last_position - 3, exchange.head.last_position, &token, hash);
        FrameType type;
        receive(&client, &type, 200); // the watermark
    }
    for (int i = 0; i < 5; i++) { // and by notification, as from another broker
        exchange_append(3);
        exchange_run("NOTIFY dongbo_commit");
        expect_records(&client, 1, exchange.head.last_position - 3, exchange.head.last_position, &token, hash);
        FrameType type;
        receive(&client, &type, 200);
    }
    assert_true(clock_monotonic_ms(clock_system()) - begin_ms < 10000); // not by the look once a second
    leave(&client);
}

static void test_policies_hold_from_their_position(void **state) {
    Client client;
    join(&client, 1, NULL, true, 0);
    char sql[512];
    // From the next position on only the dose is granted: nothing of it must show a lot.
    snprintf(
        sql, sizeof sql,
        "INSERT INTO exchange.subscription_policy VALUES (1, 2, %llu, 'a decree', '2020-01-01', '2090-01-01', '{2}',"
        " '{}', '{health.dose_number}')",
        (unsigned long long)exchange.head.last_position + 1);
    exchange_run(sql);
    exchange_append(4);
    Dongbo__WelcomeSubscribe *welcome = expect(&client, FRAME_WELCOME_SUBSCRIBE);
    assert_int_equal(welcome->n_fields, 1);
    assert_string_equal(welcome->fields[0], "health.dose_number");
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    uint64_t covered = 0;
    while (covered < exchange.head.last_position) {
        FrameType type;
        ProtobufCMessage *message = receive(&client, &type, WAIT_MS);
        assert_non_null(message);
        if (type != FRAME_RECORDS)
            continue;
        Dongbo__Records *records = (Dongbo__Records *)message;
        for (size_t i = 0; i < records->n_records; i++) {
            ProtobufCBinaryData *bytes = &records->records[i];
            Dongbo__FeedRecord *record = dongbo__feed_record__unpack(arena_protobuf(arena), bytes->len, bytes->data);
            bool before = record->position <= exchange.head.last_position - 4;
            assert_int_equal(memmem(bytes->data, bytes->len, "LOT-", 4) != NULL, before);
        }
        covered = records->last;
    }
    exchange_run("UPDATE exchange.subscription SET state = 'disabled' WHERE subscription = 1");
    FrameType type;
    ProtobufCMessage *message;
    while ((message = receive(&client, &type, WAIT_MS)) && type != FRAME_ERROR)
        continue;
    assert_non_null(message);
    assert_int_equal(((Dongbo__Error *)message)->code, DONGBO__ERROR__CODE__NOT_ALLOWED);
    say_hello(&client, "sub-1", NULL, false);
    expect_error(&client, DONGBO__ERROR__CODE__NOT_ALLOWED);
    exchange_run("UPDATE exchange.subscription SET state = 'active' WHERE subscription = 1;"
                 "DELETE FROM exchange.subscription_policy WHERE version = 2");
    leave(&client);
}

// Whether or not it is told of them: a segment is served under the policies that it was written under. Each round a
// policy and the first segment under it come at once, and the feed hears of the segment alone.
static void test_policies_need_no_notification(void **state) {
    Client client;
    Dongbo__ResumeToken token;
    uint8_t hash[HASH_BYTES];
    char sql[512];
    exchange_run("ALTER TABLE exchange.subscription_policy DISABLE TRIGGER notify_policy;"
                 "ALTER TABLE exchange.policy_change DISABLE TRIGGER notify_policy;"
                 "ALTER TABLE exchange.subscription DISABLE TRIGGER notify_policy");
    join(&client, 2, NULL, true, 0);
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    expect_records(&client, 2, 0, exchange.head.last_position, &token, hash);
    for (int version = 2; version < 22; version++) {
        uint64_t from = exchange.head.last_position + 1;
        exchange_run("BEGIN");
        snprintf(sql, sizeof sql,
                 "INSERT INTO exchange.subscription_policy VALUES (2, %d, %llu, 'a decree', '2020-01-01', '2090-01-01',"
                 " '{2}', '{}', '{health.%s}')",
                 version, (unsigned long long)from, version % 2 ? "lot_number" : "dose_number");
        exchange_run(sql);
        exchange_append(8);
        exchange_run("COMMIT");
        exchange_tell();
        uint64_t covered = 0;
        while (covered < exchange.head.last_position) {
            FrameType type;
            ProtobufCMessage *message = receive(&client, &type, WAIT_MS);
            assert_non_null(message);
            assert_true(type == FRAME_RECORDS || type == FRAME_WATERMARK || type == FRAME_WELCOME_SUBSCRIBE);
            if (type == FRAME_WATERMARK)
                covered = ((Dongbo__Watermark *)message)->token->position;
            if (type != FRAME_RECORDS)
                continue;
            Dongbo__Records *records = (Dongbo__Records *)message;
            for (size_t i = 0; i < records->n_records; i++)
                assert_int_equal(memmem(records->records[i].data, records->records[i].len, "LOT-", 4) != NULL,
                                 version % 2);
            covered = records->last;
        }
    }
    // Nor does one that ends it, when operators write down that they changed something.
    exchange_run("BEGIN; UPDATE exchange.subscription SET state = 'disabled' WHERE subscription = 2");
    snprintf(sql, sizeof sql, "INSERT INTO exchange.policy_change (text, position) VALUES ('disabled', %llu)",
             (unsigned long long)exchange.head.last_position + 1);
    exchange_run(sql);
    exchange_append(8);
    exchange_run("COMMIT");
    exchange_tell();
    FrameType type;
    ProtobufCMessage *message;
    while ((message = receive(&client, &type, WAIT_MS)) && type != FRAME_ERROR)
        assert_int_not_equal(type, FRAME_RECORDS);
    assert_int_equal(((Dongbo__Error *)message)->code, DONGBO__ERROR__CODE__NOT_ALLOWED);
    client.session = 0;
    leave(&client);
    exchange_run("ALTER TABLE exchange.subscription_policy ENABLE TRIGGER notify_policy;"
                 "ALTER TABLE exchange.policy_change ENABLE TRIGGER notify_policy;"
                 "ALTER TABLE exchange.subscription ENABLE TRIGGER notify_policy;"
                 "UPDATE exchange.subscription SET state = 'active' WHERE subscription = 2;"
                 "DELETE FROM exchange.subscription_policy WHERE version > 1");
}

// Of a subscription with two keys, one is taken back: its session ends, and it gets no other.
static void test_a_session_ends_with_its_key(void **state) {
    Client client;
    join(&client, 1, NULL, true, 0);
    exchange_run("INSERT INTO exchange.key (key, purpose, subscription) VALUES (sha256('another'), 'curve', 1)");
    exchange_run("UPDATE exchange.key SET revoked_at = now() WHERE subscription = 1 AND key <> sha256('another')");
    expect_error(&client, DONGBO__ERROR__CODE__NOT_ALLOWED);
    client.session = 0;
    say_hello(&client, "sub-1", NULL, false);
    expect_error(&client, DONGBO__ERROR__CODE__NOT_ALLOWED);
    exchange_run("UPDATE exchange.key SET revoked_at = NULL WHERE subscription = 1;"
                 "DELETE FROM exchange.key WHERE key = sha256('another')");
    leave(&client);
    join(&client, 1, NULL, true, 0);
    leave(&client);
}

// The database refuses one subscription's row: the others go on, and it is told.
static void test_what_fails_for_one_ends_that_one(void **state) {
    Client one, two;
    Dongbo__ResumeToken token;
    uint8_t hash[HASH_BYTES];
    exchange_run("DELETE FROM exchange.subscription_position");
    join(&one, 1, NULL, true, 0);
    join(&two, 2, NULL, true, 0);
    exchange_run(
        "ALTER TABLE exchange.subscription_position ADD CONSTRAINT poison CHECK (subscription <> 1) NOT VALID");
    give_credit(&one, SUBSCRIBE_CREDIT_BYTES);
    expect_error(&one, DONGBO__ERROR__CODE__INTERNAL);
    give_credit(&two, SUBSCRIBE_CREDIT_BYTES);
    expect_records(&two, 2, 0, exchange.head.last_position, &token, hash);
    exchange_run("ALTER TABLE exchange.subscription_position DROP CONSTRAINT poison");
    one.session = 0;
    leave(&one);
    leave(&two);
}

static void test_survives_its_database(void **state) {
    Client client;
    Dongbo__ResumeToken token;
    uint8_t hash[HASH_BYTES];
    join(&client, 2, NULL, true, 0);
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    expect_records(&client, 2, 0, exchange.head.last_position, &token, hash);
    expect(&client, FRAME_WATERMARK);
    exchange_run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dongbo feed'");
    exchange_append(30);
    expect_records(&client, 2, exchange.head.last_position - 30, exchange.head.last_position, &token, hash);
    leave(&client);
}

static void test_an_unreadable_segment_is_said(void **state) {
    Client client;
    exchange_append(3);
    char sql[160];
    snprintf(sql, sizeof sql, "UPDATE exchange.segment SET payload = 'rubbish' WHERE last_position = %llu",
             (unsigned long long)exchange.head.last_position);
    exchange_run(sql);
    join(&client, 1, NULL, true, 0);
    give_credit(&client, SUBSCRIBE_CREDIT_BYTES);
    uint64_t covered = 0;
    FrameType type;
    ProtobufCMessage *message;
    while ((message = receive(&client, &type, WAIT_MS)) && type == FRAME_RECORDS)
        covered = ((Dongbo__Records *)message)->last;
    assert_true(covered >= exchange.head.last_position - 6 && covered <= exchange.head.last_position - 3);
    assert_int_equal(type, FRAME_ERROR);
    assert_int_equal(((Dongbo__Error *)message)->code, DONGBO__ERROR__CODE__INTERNAL);
    client.session = 0;
    leave(&client);
    // Erased is another thing: there is nothing to send, and it goes on.
    snprintf(sql, sizeof sql, "UPDATE exchange.segment SET payload = NULL WHERE last_position = %llu",
             (unsigned long long)exchange.head.last_position);
    exchange_run(sql);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_subscriber_gets_all_that_is_granted),
        cmocka_unit_test(test_the_end_is_told),
        cmocka_unit_test(test_nothing_without_credit),
        cmocka_unit_test(test_resumes_from_any_position),
        cmocka_unit_test(test_a_token_of_another_log_is_refused),
        cmocka_unit_test(test_the_key_says_who_speaks),
        cmocka_unit_test(test_malformed_words_end_the_session),
        cmocka_unit_test(test_a_newer_session_replaces_the_older),
        cmocka_unit_test(test_positions_are_accounted_for),
        cmocka_unit_test(test_a_commit_is_told_at_once),
        cmocka_unit_test(test_policies_hold_from_their_position),
        cmocka_unit_test(test_policies_need_no_notification),
        cmocka_unit_test(test_a_session_ends_with_its_key),
        cmocka_unit_test(test_what_fails_for_one_ends_that_one),
        cmocka_unit_test(test_survives_its_database),
        cmocka_unit_test(test_an_unreadable_segment_is_said),
        cmocka_unit_test(test_boundless_credit_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
