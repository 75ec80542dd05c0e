// SPDX-License-Identifier: Apache-2.0
//
// Sockets over loopback with a ZAP handler: who gets in and who does not, what a message may be, and what sending
// answers when nobody takes it. Waits are polls with a bound, never sleeps.
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/socket.h"
#include "proto/zap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define WAIT_MS 10000 // for what must come
#define QUIET_MS 300  // for what must not

static Keys broker, agency;
static Zap *zap;

static int setup(void **state) {
    zsys_handler_set(NULL);
    ZapKey allowed = {.user = "agency:3"};
    int r = keys_generate(&broker) | keys_generate(&agency) | zap_new(&zap);
    memcpy(allowed.key, agency.curve_public, KEY_BYTES);
    return r | zap_allow(zap, &allowed, 1);
}

static int teardown(void **state) {
    zap_destroy(&zap);
    return 0;
}

static bool poll_for(zsock_t *socket, short events, int timeout_ms) {
    zmq_pollitem_t item = {.socket = zsock_resolve(socket), .events = events};
    return zmq_poll(&item, 1, timeout_ms) == 1;
}

static void bind_loopback(zsock_t **router, char endpoint[64]) {
    int port = 0;
    assert_int_equal(socket_bind(router, "tcp://127.0.0.1:*", &broker, &port), 0);
    assert_true(port > 0);
    snprintf(endpoint, 64, "tcp://127.0.0.1:%d", port);
}

static void connect_as(zsock_t **dealer, const char *endpoint, const Keys *keys) {
    assert_int_equal(socket_connect(dealer, endpoint, keys, broker.curve_public), 0);
}

// Expects one frame with this text at the router.
static zframe_t *expect(zsock_t *router, const char *text) {
    zframe_t *route = NULL, *frame = NULL;
    char user[64];
    assert_true(poll_for(router, ZMQ_POLLIN, WAIT_MS));
    assert_int_equal(socket_receive(router, &route, &frame, user), 0);
    assert_string_equal(user, "agency:3");
    assert_true(zframe_streq(frame, text));
    zframe_destroy(&frame);
    return route;
}

static void exchange(const char *endpoint, zsock_t *router) {
    zsock_t *dealer = NULL;
    connect_as(&dealer, endpoint, &agency);
    assert_true(poll_for(dealer, ZMQ_POLLOUT, WAIT_MS));
    assert_int_equal(socket_send(dealer, "hello", 5), 0);
    zframe_t *route = expect(router, "hello"), *frame = NULL;
    assert_int_equal(socket_send_to(router, route, "welcome", 7), 0);
    zframe_destroy(&route);
    assert_true(poll_for(dealer, ZMQ_POLLIN, WAIT_MS));
    char user[64];
    assert_int_equal(socket_receive(dealer, NULL, &frame, user), 0);
    assert_true(zframe_streq(frame, "welcome"));
    assert_string_equal(user, "");
    zframe_destroy(&frame);
    assert_int_equal(socket_receive(dealer, NULL, &frame, user), 1);
    assert_null(frame);
    assert_int_equal(socket_receive(router, &route, &frame, user), 1);
    assert_null(route);
    zsock_destroy(&dealer);
}

static void test_exchange_over_tcp(void **state) {
    zsock_t *router = NULL;
    char endpoint[64];
    bind_loopback(&router, endpoint);
    exchange(endpoint, router);
    zsock_destroy(&router);
}

static void test_exchange_over_ipc(void **state) {
    zsock_t *router = NULL;
    char endpoint[64];
    int port = -1;
    snprintf(endpoint, sizeof(endpoint), "ipc:///tmp/dongbo-test-socket-%d", (int)getpid());
    assert_int_equal(socket_bind(&router, endpoint, &broker, &port), 0);
    assert_int_equal(port, 0);
    exchange(endpoint, router);
    zsock_destroy(&router);
    unlink(endpoint + strlen("ipc://"));
}

static void test_unknown_key_gets_nowhere(void **state) {
    zsock_t *router = NULL, *dealer = NULL;
    char endpoint[64];
    Keys stranger;
    assert_int_equal(keys_generate(&stranger), 0);
    bind_loopback(&router, endpoint);
    ZapRefused before, after;
    char key[17];
    zap_refused(zap, &before);
    connect_as(&dealer, endpoint, &stranger);
    assert_false(poll_for(dealer, ZMQ_POLLOUT, QUIET_MS));
    assert_int_equal(socket_send(dealer, "hello", 5), 1);
    assert_false(poll_for(router, ZMQ_POLLIN, 0));
    zap_refused(zap, &after);
    assert_true(after.n > before.n);
    hex_encode(stranger.curve_public, 8, key);
    assert_string_equal(after.key, key);
    assert_string_equal(after.address, "127.0.0.1");
    zsock_destroy(&dealer);
    zsock_destroy(&router);
}

static void test_without_curve_gets_nowhere(void **state) {
    zsock_t *router = NULL;
    char endpoint[64];
    bind_loopback(&router, endpoint);
    zsock_t *plain = zsock_new(ZMQ_DEALER);
    zsock_set_linger(plain, 0);
    assert_int_equal(zsock_connect(plain, "%s", endpoint), 0);
    zstr_send(plain, "hello");
    assert_false(poll_for(router, ZMQ_POLLIN, QUIET_MS));
    zsock_destroy(&plain);
    zsock_destroy(&router);
}

static void test_wrong_server_key(void **state) {
    zsock_t *router = NULL, *dealer = NULL;
    char endpoint[64];
    bind_loopback(&router, endpoint);
    assert_int_equal(socket_connect(&dealer, endpoint, &agency, agency.curve_public), 0);
    assert_false(poll_for(dealer, ZMQ_POLLOUT, QUIET_MS));
    zsock_destroy(&dealer);
    zsock_destroy(&router);
}

static void test_more_than_one_frame(void **state) {
    zsock_t *router = NULL, *dealer = NULL;
    char endpoint[64], user[64];
    bind_loopback(&router, endpoint);
    connect_as(&dealer, endpoint, &agency);
    assert_true(poll_for(dealer, ZMQ_POLLOUT, WAIT_MS));
    zmsg_t *message = zmsg_new();
    for (int i = 0; i < 5; i++)
        zmsg_addstr(message, "part");
    assert_int_equal(zmsg_send(&message, dealer), 0);
    assert_int_equal(socket_send(dealer, "after", 5), 0);
    zframe_t *route = NULL, *frame = NULL;
    assert_true(poll_for(router, ZMQ_POLLIN, WAIT_MS));
    assert_int_equal(socket_receive(router, &route, &frame, user), 2);
    assert_non_null(route);
    assert_null(frame);
    zframe_destroy(&route);
    route = expect(router, "after");
    // And back: a DEALER drops such a message as well.
    zframe_send(&route, router, ZFRAME_MORE);
    zstr_sendx(router, "a", "b", NULL);
    assert_true(poll_for(dealer, ZMQ_POLLIN, WAIT_MS));
    assert_int_equal(socket_receive(dealer, NULL, &frame, user), 2);
    assert_null(frame);
    assert_int_equal(socket_receive(dealer, NULL, &frame, user), 1);
    zsock_destroy(&dealer);
    zsock_destroy(&router);
}

static void test_too_long_a_frame_ends_the_connection(void **state) {
    zsock_t *router = NULL, *dealer = NULL;
    char endpoint[64], user[64];
    size_t most = FRAME_HEADER_BYTES + FRAME_BODY_BYTES_MAX;
    uint8_t *large = calloc(1, most + 1);
    bind_loopback(&router, endpoint);
    connect_as(&dealer, endpoint, &agency);
    assert_true(poll_for(dealer, ZMQ_POLLOUT, WAIT_MS));
    assert_int_equal(socket_send(dealer, large, most), 0);
    zframe_t *route = NULL, *frame = NULL;
    assert_true(poll_for(router, ZMQ_POLLIN, WAIT_MS));
    assert_int_equal(socket_receive(router, &route, &frame, user), 0);
    assert_int_equal(zframe_size(frame), most);
    zframe_destroy(&frame);
    assert_int_equal(socket_send(dealer, large, most + 1), 0);
    // The old connection goes; what comes next comes over a new one, from another route.
    do
        assert_true(poll_for(dealer, ZMQ_POLLOUT, WAIT_MS));
    while (socket_send(dealer, "again", 5) != 0 || !poll_for(router, ZMQ_POLLIN, QUIET_MS));
    zframe_t *next = expect(router, "again");
    assert_false(zframe_eq(next, route));
    assert_int_equal(socket_send_to(router, route, "x", 1), 2);
    zframe_destroy(&next);
    zframe_destroy(&route);
    zsock_destroy(&dealer);
    zsock_destroy(&router);
    free(large);
}

static void test_no_such_peer(void **state) {
    zsock_t *router = NULL;
    char endpoint[64];
    bind_loopback(&router, endpoint);
    zframe_t *route = zframe_new("nobody", 6);
    assert_int_equal(socket_send_to(router, route, "x", 1), 2);
    zframe_destroy(&route);
    zsock_destroy(&router);
}

static void test_nobody_listens(void **state) {
    zsock_t *dealer = NULL;
    connect_as(&dealer, "tcp://127.0.0.1:1", &agency);
    assert_int_equal(socket_send(dealer, "hello", 5), 1);
    zsock_destroy(&dealer);
}

// A reader that does not read: sending answers 1 at last, and never blocks nor drops in silence.
// Until it is this, or nothing comes any more.
static void expect_news(zsock_t *monitor, SocketNews *news, SocketNews expected) {
    while (*news != expected && poll_for(monitor, ZMQ_POLLIN, WAIT_MS))
        *news = socket_news(monitor, *news);
    assert_int_equal(*news, expected);
}

static void test_news_of_a_connection(void **state) {
    zsock_t *router = NULL, *dealer = NULL, *monitor = NULL;
    char endpoint[64];
    Keys stranger;
    assert_int_equal(keys_generate(&stranger), 0);
    bind_loopback(&router, endpoint);
    SocketPeer peer = {endpoint, &stranger, broker.curve_public};
    SocketNews news = SOCKET_TRYING;
    assert_int_equal(socket_connect_watched(&dealer, &monitor, &peer), 0);
    expect_news(monitor, &news, SOCKET_DENIED);
    // What ended it stays so.
    assert_false(poll_for(dealer, ZMQ_POLLOUT, QUIET_MS));
    assert_int_equal(socket_news(monitor, news), SOCKET_DENIED);
    socket_close_watched(&dealer, &monitor);
    assert_null(dealer);
    assert_null(monitor);

    peer = (SocketPeer){endpoint, &agency, agency.curve_public};
    news = SOCKET_TRYING;
    assert_int_equal(socket_connect_watched(&dealer, &monitor, &peer), 0);
    expect_news(monitor, &news, SOCKET_BROKEN);
    socket_close_watched(&dealer, &monitor);

    peer.server_key = broker.curve_public;
    news = SOCKET_TRYING;
    assert_int_equal(socket_connect_watched(&dealer, &monitor, &peer), 0);
    expect_news(monitor, &news, SOCKET_SECURED);
    zsock_destroy(&router);
    expect_news(monitor, &news, SOCKET_LOST);
    socket_close_watched(&dealer, &monitor);

    news = SOCKET_TRYING;
    assert_int_equal(socket_connect_watched(&dealer, &monitor, &peer), 0);
    expect_news(monitor, &news, SOCKET_REFUSED);
    assert_string_equal(socket_news_text(news), "cannot be reached: nobody listens there");
    socket_close_watched(&dealer, &monitor);
}

static void test_slow_reader(void **state) {
    zsock_t *router = NULL, *dealer = NULL;
    char endpoint[64], user[64];
    bind_loopback(&router, endpoint);
    connect_as(&dealer, endpoint, &agency);
    assert_true(poll_for(dealer, ZMQ_POLLOUT, WAIT_MS));
    assert_int_equal(socket_send(dealer, "hello", 5), 0);
    zframe_t *route = expect(router, "hello"), *frame = NULL;
    uint8_t *block = calloc(1, 65536);
    int sent = 0, received = 0;
    while (socket_send_to(router, route, block, 65536) == 0)
        assert_true(++sent < 10 * SOCKET_HWM);
    assert_true(sent >= SOCKET_HWM);
    while (received < sent) {
        assert_true(poll_for(dealer, ZMQ_POLLIN, WAIT_MS));
        while (socket_receive(dealer, NULL, &frame, user) == 0) {
            received++;
            zframe_destroy(&frame);
        }
    }
    assert_int_equal(received, sent);
    free(block);
    zframe_destroy(&route);
    zsock_destroy(&dealer);
    zsock_destroy(&router);
}

// With the agency's key, but with a routing id of its own choice.
static zsock_t *connect_named(const char *endpoint, const char *name) {
    zsock_t *dealer = zsock_new(ZMQ_DEALER);
    zsock_set_linger(dealer, 0);
    zsock_set_immediate(dealer, 1);
    zsock_set_identity(dealer, name);
    zsock_set_curve_serverkey_bin(dealer, broker.curve_public);
    zsock_set_curve_publickey_bin(dealer, agency.curve_public);
    zsock_set_curve_secretkey_bin(dealer, agency.curve_secret);
    assert_int_equal(zsock_connect(dealer, "%s", endpoint), 0);
    assert_true(poll_for(dealer, ZMQ_POLLOUT, WAIT_MS));
    return dealer;
}

// Who takes a routing id that is in use gets nothing, and the first keeps its place.
static void test_routing_id_is_not_taken_over(void **state) {
    zsock_t *router = NULL;
    char endpoint[64], user[64];
    bind_loopback(&router, endpoint);
    zsock_t *first = connect_named(endpoint, "same");
    assert_int_equal(socket_send(first, "first", 5), 0);
    zframe_t *route = expect(router, "first"), *frame = NULL;
    zsock_t *second = connect_named(endpoint, "same");
    socket_send(second, "second", 6);
    assert_false(poll_for(router, ZMQ_POLLIN, QUIET_MS));
    assert_int_equal(socket_send_to(router, route, "yours", 5), 0);
    assert_true(poll_for(first, ZMQ_POLLIN, WAIT_MS));
    assert_int_equal(socket_receive(first, NULL, &frame, user), 0);
    assert_true(zframe_streq(frame, "yours"));
    zframe_destroy(&frame);
    zframe_destroy(&route);
    zsock_destroy(&first);
    zsock_destroy(&second);
    zsock_destroy(&router);
}

static void test_endpoints_that_are_wrong(void **state) {
    zsock_t *router = NULL, *other = NULL;
    char endpoint[64];
    bind_loopback(&router, endpoint);
    assert_int_equal(socket_bind(&other, endpoint, &broker, NULL), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), endpoint));
    assert_int_equal(socket_bind(&other, "7701", &broker, NULL), ERROR_CONFIG);
    assert_int_equal(socket_connect(&other, "tcp://", &agency, broker.curve_public), ERROR_CONFIG);
    assert_null(other);
    zsock_destroy(&router);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange_over_tcp),
        cmocka_unit_test(test_exchange_over_ipc),
        cmocka_unit_test(test_unknown_key_gets_nowhere),
        cmocka_unit_test(test_without_curve_gets_nowhere),
        cmocka_unit_test(test_wrong_server_key),
        cmocka_unit_test(test_more_than_one_frame),
        cmocka_unit_test(test_too_long_a_frame_ends_the_connection),
        cmocka_unit_test(test_no_such_peer),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_news_of_a_connection),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_routing_id_is_not_taken_over),
        cmocka_unit_test(test_endpoints_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
