// SPDX-License-Identifier: Apache-2.0
//
// The ZAP handler, asked as libzmq asks it (RFC 27), frame by frame; and the proof at start-up, which must fail where
// there is no handler or a handler that lets everybody in.
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/socket.h"
#include "proto/zap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <czmq.h>
#include <cmocka.h>

static int setup(void **state) {
    zsys_handler_set(NULL);
    return zap_new((Zap **)state);
}

static int teardown(void **state) {
    zap_destroy((Zap **)state);
    return 0;
}

static ZapKey key_of(uint8_t byte, const char *user) {
    ZapKey key = {0};
    memset(key.key, byte, KEY_BYTES);
    snprintf(key.user, sizeof(key.user), "%s", user);
    return key;
}

typedef struct Request {
    const char *version, *domain, *mechanism;
    uint8_t key;
    size_t key_bytes;
    int frames; // of the seven
} Request;

static const Request GOOD = {"1.0", "dongbo", "CURVE", 7, KEY_BYTES, 7};

// The status, and the user with 200.
static int ask(const Request *request, char user[64]) {
    uint8_t key[64];
    memset(key, request->key, sizeof(key));
    zsock_t *socket = zsock_new_req(">inproc://zeromq.zap.01");
    zsock_set_rcvtimeo(socket, 5000);
    zmsg_t *message = zmsg_new();
    const char *const texts[] = {request->version, "id-1", request->domain, "127.0.0.1", "", request->mechanism};
    for (int i = 0; i < request->frames && i < 6; i++)
        zmsg_addstr(message, texts[i]);
    for (int i = 6; i < request->frames; i++)
        zmsg_addmem(message, key, request->key_bytes);
    zmsg_send(&message, socket);
    zmsg_t *reply = zmsg_recv(socket);
    assert_non_null(reply);
    assert_int_equal(zmsg_size(reply), 6);
    char *version = zmsg_popstr(reply), *id = zmsg_popstr(reply), *status = zmsg_popstr(reply);
    char *text = zmsg_popstr(reply), *name = zmsg_popstr(reply);
    assert_string_equal(version, "1.0");
    if (request->frames > 1)
        assert_string_equal(id, "id-1");
    assert_int_equal(zframe_size(zmsg_first(reply)), 0); // no metadata
    snprintf(user, 64, "%s", name);
    int code = (int)strtol(status, NULL, 10);
    assert_true(code == 200 || user[0] == 0);
    freen(version);
    freen(id);
    freen(status);
    freen(text);
    freen(name);
    zmsg_destroy(&reply);
    zsock_destroy(&socket);
    return code;
}

static void test_the_list_decides(void **state) {
    Zap *zap = *state;
    char user[64];
    assert_int_equal(ask(&GOOD, user), 400); // the list begins empty
    ZapKey keys[200];
    for (int i = 0; i < 200; i++) {
        char name[64];
        snprintf(name, sizeof(name), "agency:%d", 199 - i);
        keys[i] = key_of((uint8_t)(199 - i), name); // not in order
    }
    assert_int_equal(zap_allow(zap, keys, 200), 0);
    for (int i = 0; i < 256; i++) {
        Request request = GOOD;
        request.key = (uint8_t)i;
        assert_int_equal(ask(&request, user), i < 200 ? 200 : 400);
        char name[64];
        snprintf(name, sizeof(name), i < 200 ? "agency:%d" : "", i);
        assert_string_equal(user, name);
    }
    ZapRefused refused;
    zap_refused(zap, &refused);
    assert_int_equal(refused.n, 1 + 56);
    assert_int_equal(zap_allow(zap, keys, 1), 0); // agency:199 alone
    assert_int_equal(ask(&GOOD, user), 400);
    assert_int_equal(zap_allow(zap, NULL, 0), 0);
    assert_int_equal(ask(&GOOD, user), 400);
}

// By whichever of its keys; others are let in, and whoever is put off is told to come again (RFC 27: 300).
static void test_a_party_connects_so_often(void **state) {
    Zap *zap = *state;
    char user[64];
    const ZapKey keys[] = {key_of(1, "agency:1:aa"), key_of(2, "agency:1:bb"), key_of(7, "agency:7:cc")};
    Request both[2] = {GOOD, GOOD};
    both[0].key = 1;
    both[1].key = 2;
    assert_int_equal(zap_allow(zap, keys, 3), 0);
    int n = 0;
    int64_t begin = zclock_mono();
    while (n < 2 * CONNECTIONS_BURST && ask(&both[n & 1], user) == 200)
        n++;
    int64_t passed_s = (zclock_mono() - begin) / 1000 + 1;
    assert_in_range(n, CONNECTIONS_BURST, CONNECTIONS_BURST + CONNECTIONS_PER_SECOND * passed_s);
    assert_string_equal(user, "");
    assert_int_equal(ask(&GOOD, user), 200);
    assert_string_equal(user, "agency:7:cc");
    ZapRefused refused;
    zap_refused(zap, &refused);
    assert_int_equal(refused.often, 1);
    assert_string_equal(refused.user, n & 1 ? "agency:1:bb" : "agency:1:aa");
    assert_int_equal(refused.n, 0);
}

static void test_only_our_curve_requests(void **state) {
    Zap *zap = *state;
    char user[64];
    ZapKey key = key_of(7, "agency:7");
    assert_int_equal(zap_allow(zap, &key, 1), 0);
    assert_int_equal(ask(&GOOD, user), 200);
    Request bad[10];
    for (int i = 0; i < 10; i++)
        bad[i] = GOOD;
    bad[0].version = "1.1";
    bad[1].domain = "";
    bad[2].domain = "dongbo2";
    bad[3].mechanism = "NULL";
    bad[4].mechanism = "PLAIN";
    bad[5].key_bytes = 31;
    bad[6].key_bytes = 33;
    bad[7].frames = 6;
    bad[8].frames = 8;
    bad[9].frames = 1;
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(&bad[i], user), 400);
    assert_int_equal(ask(&GOOD, user), 200); // and it still answers
}

static void test_one_in_a_process(void **state) {
    Zap *second = NULL;
    assert_int_equal(zap_new(&second), ERROR_CONFIG);
    assert_null(second);
}

static void test_one_after_another(void **state) {
    for (int i = 0; i < 50; i++) {
        Zap *zap = NULL;
        assert_int_equal(zap_new(&zap), 0);
        zap_destroy(&zap);
        assert_null(zap);
    }
}

static void test_proof(void **state) {
    Zap *zap = *state;
    Keys broker;
    char user[64];
    assert_int_equal(keys_generate(&broker), 0);
    ZapKey key = key_of(7, "agency:7");
    assert_int_equal(zap_allow(zap, &key, 1), 0);
    assert_int_equal(zap_prove(zap, &broker), 0);
    assert_int_equal(zap_prove(zap, &broker), 0);
    assert_int_equal(ask(&GOOD, user), 200); // the list is as it was
    Request nobody = GOOD;
    nobody.key = 0;
    assert_int_equal(ask(&nobody, user), 400); // and the probe is gone
}

// A handler that says 200 to everybody: the proof must see it.
static void yes_to_all(zsock_t *pipe, void *args) {
    zsock_t *rep = args;
    zpoller_t *poller = zpoller_new(pipe, rep, NULL);
    zsock_signal(pipe, 0);
    while (zpoller_wait(poller, -1) == rep) {
        zmsg_t *request = zmsg_recv(rep);
        char *version = zmsg_popstr(request), *id = zmsg_popstr(request);
        zstr_sendx(rep, version, id, "200", "OK", "anybody", "", NULL);
        freen(version);
        freen(id);
        zmsg_destroy(&request);
    }
    zpoller_destroy(&poller);
    zsock_destroy(&rep);
}

static void test_proof_fails_with_an_open_door(void **state) {
    Keys broker;
    zsys_handler_set(NULL);
    assert_int_equal(keys_generate(&broker), 0);
    zsock_t *rep = zsock_new_rep("@inproc://zeromq.zap.01");
    assert_non_null(rep);
    zactor_t *door = zactor_new(yes_to_all, rep);
    assert_int_equal(zap_prove(NULL, &broker), ERROR_CRYPTO);
    assert_non_null(strstr(error_text(), "let in"));
    zactor_destroy(&door);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_list_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_party_connects_so_often, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_our_curve_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_in_a_process, setup, teardown),
        cmocka_unit_test(test_one_after_another),
        cmocka_unit_test_setup_teardown(test_proof, setup, teardown),
        cmocka_unit_test(test_proof_fails_with_an_open_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
