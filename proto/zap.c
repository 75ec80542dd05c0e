// SPDX-License-Identifier: Apache-2.0
//
// The ZAP handler: a thread with the REP socket that libzmq asks (RFC 27), and a list in order of its keys. The list is
// handed over whole, so that no lock is shared. What is not exactly a CURVE request of our domain by a key on the list
// is answered 400, and a party that connects too often 300, which lets it try again later. It neither reads key files
// nor the database: who may is the broker's to know.
#include "proto/zap.h"

#include "proto/base/allowance.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/socket.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_VERSION "1.0"
#define ZAP_REQUEST_FRAMES 7 // version, request id, domain, address, identity, mechanism, key
#define PROBE_USER "probe"

struct Zap {
    zactor_t *actor;
};

typedef struct List {
    size_t n;
    ZapKey keys[]; // in order
} List;

typedef struct Handler {
    zsock_t *rep; // ours once the actor runs
    zsock_t *pipe;
    List *list;   // NULL: nobody
    ZapKey probe; // user "" when there is none
    ZapRefused refused;
    Allowance *connections;
} Handler;

static int compare_keys(const void *a, const void *b) {
    return memcmp(((const ZapKey *)a)->key, ((const ZapKey *)b)->key, KEY_BYTES);
}

// ---- the actor ------------------------------------------------------------------------------------------------

// The user whom this key belongs to; NULL when nobody.
static const char *find_user(const Handler *handler, const uint8_t *key) {
    ZapKey wanted;
    memcpy(wanted.key, key, KEY_BYTES);
    if (handler->probe.user[0] != 0 && compare_keys(&wanted, &handler->probe) == 0)
        return handler->probe.user;
    if (handler->list == NULL)
        return NULL;
    const ZapKey *found = bsearch(&wanted, handler->list->keys, handler->list->n, sizeof(ZapKey), compare_keys);
    return found != NULL ? found->user : NULL;
}

static bool frame_is(zframe_t *frame, const char *text) {
    return zframe_size(frame) == strlen(text) && memcmp(zframe_data(frame), text, strlen(text)) == 0;
}

static const char *decide(const Handler *handler, zframe_t *const frames[ZAP_REQUEST_FRAMES], size_t n) {
    if (n != ZAP_REQUEST_FRAMES || !frame_is(frames[0], ZAP_VERSION) || !frame_is(frames[5], "CURVE") ||
        zframe_size(frames[6]) != KEY_BYTES)
        return NULL;
    bool is_door = frame_is(frames[2], SOCKET_DOOR_DOMAIN);
    if (!is_door && !frame_is(frames[2], SOCKET_ZAP_DOMAIN))
        return NULL;
    const char *user = find_user(handler, zframe_data(frames[6]));
    bool is_token = user != NULL && strncmp(user, ZAP_ENROLMENT ":", sizeof ZAP_ENROLMENT) == 0;
    return is_token == is_door ? user : NULL;
}

static void note_refused(ZapRefused *refused, zframe_t *const frames[ZAP_REQUEST_FRAMES], size_t n) {
    refused->n++;
    refused->address[0] = refused->key[0] = 0;
    if (n > 3)
        snprintf(refused->address, sizeof refused->address, "%.*s", (int)zframe_size(frames[3]),
                 (const char *)zframe_data(frames[3]));
    if (n == ZAP_REQUEST_FRAMES && zframe_size(frames[6]) == KEY_BYTES)
        hex_encode(zframe_data(frames[6]), 8, refused->key);
}

static const char *status_of(Handler *handler, const char *user) {
    if (user == NULL)
        return "400";
    if (user == handler->probe.user || allowance_take(handler->connections, user, zclock_mono()))
        return "200";
    handler->refused.often++;
    snprintf(handler->refused.user, sizeof handler->refused.user, "%s", user);
    return "300";
}

// A REP socket must answer each request before it takes the next, so even what is no request gets its answer.
static void answer(Handler *handler) {
    zmsg_t *request = zmsg_recv(handler->rep);
    if (request == NULL)
        return;
    zframe_t *frames[ZAP_REQUEST_FRAMES] = {NULL};
    size_t n = 0;
    for (zframe_t *frame = zmsg_first(request); frame != NULL; frame = zmsg_next(request), n++)
        if (n < ZAP_REQUEST_FRAMES)
            frames[n] = frame;
    const char *user = decide(handler, frames, n);
    const char *status = status_of(handler, user);
    bool allowed = strcmp(status, "200") == 0;
    if (user == NULL)
        note_refused(&handler->refused, frames, n);
    zmsg_t *reply = zmsg_new();
    zmsg_addstr(reply, ZAP_VERSION);
    zmsg_addmem(reply, frames[1] != NULL ? zframe_data(frames[1]) : NULL,
                frames[1] != NULL ? zframe_size(frames[1]) : 0);
    zmsg_addstr(reply, status);
    zmsg_addstr(reply, allowed ? "OK" : user != NULL ? "this party connects too often" : "this key is not known here");
    zmsg_addstr(reply, allowed ? user : "");
    zmsg_addmem(reply, NULL, 0);
    zmsg_send(&reply, handler->rep);
    zmsg_destroy(&request);
}

// Commands are a word and a pointer, answered by a signal once they hold. 1 when the actor shall end.
static int obey(Handler *handler) {
    char *word = NULL;
    void *argument = NULL;
    if (zsock_recv(handler->pipe, "sp", &word, &argument) != 0)
        return errno == EINTR ? 0 : 1; // else the context is gone
    int r = 0;
    if (streq(word, "$TERM")) {
        r = 1;
    } else if (streq(word, "ALLOW")) {
        free(handler->list);
        handler->list = argument;
    } else if (streq(word, "PROBE")) {
        handler->probe = *(const ZapKey *)argument;
    } else if (streq(word, "COUNT")) {
        *(ZapRefused *)argument = handler->refused;
    }
    freen(word);
    if (r == 0)
        zsock_signal(handler->pipe, 0);
    return r;
}

static void run(zsock_t *pipe, void *args) {
    Handler *handler = args;
    handler->pipe = pipe;
    zpoller_t *poller = zpoller_new(pipe, handler->rep, NULL);
    assert(poller != NULL);
    zpoller_set_nonstop(poller, true); // signals are for the program's own loop, which ends this one by $TERM
    zsock_signal(pipe, 0);
    for (int r = 0; r == 0;) {
        void *ready = zpoller_wait(poller, -1);
        if (ready == handler->rep)
            answer(handler);
        else if (ready == pipe)
            r = obey(handler);
        else if (errno == ETERM)
            r = 1;
    }
    zpoller_destroy(&poller);
    // At once; closing alone leaves the name taken until libzmq's own thread has got to it.
    zsock_unbind(handler->rep, "%s", ZAP_ENDPOINT);
    zsock_destroy(&handler->rep);
    free(handler->list);
    allowance_destroy(&handler->connections);
    free(handler);
}

void zap_name(ZapKey *key, const char *kind, int32_t number) {
    char hex[17];
    hex_encode(key->key, 8, hex);
    snprintf(key->user, sizeof key->user, "%s:%" PRId32 ":%s", kind, number, hex);
}

// ---- its owner's side -----------------------------------------------------------------------------------------

int zap_new(Zap **ret) {
    Zap *zap = calloc(1, sizeof(*zap));
    Handler *handler = calloc(1, sizeof(*handler));
    int r = zap == NULL || handler == NULL ? error_fail(ERROR_MEMORY, "no memory for a ZAP handler") : 0;
    if (r == 0)
        r = allowance_new(&handler->connections, (AllowanceRate){CONNECTIONS_BURST, CONNECTIONS_PER_SECOND});
    if (r == 0 && (handler->rep = zsock_new_rep("@" ZAP_ENDPOINT)) == NULL)
        r = error_fail(ERROR_CONFIG, "there is a ZAP handler in this process already");
    if (r == 0) {
        zsock_set_linger(handler->rep, 0);
        zap->actor = zactor_new(run, handler);
        if (zap->actor == NULL) {
            zsock_destroy(&handler->rep);
            r = error_fail(ERROR_MEMORY, "no thread for a ZAP handler");
        }
    }
    if (r != 0) {
        if (handler != NULL)
            allowance_destroy(&handler->connections);
        free(handler);
        free(zap);
        return r;
    }
    *ret = zap;
    return 0;
}

void zap_destroy(Zap **zap) {
    if (*zap == NULL)
        return;
    zactor_destroy(&(*zap)->actor);
    free(*zap);
    *zap = NULL;
}

// Returns once the actor has done it.
static void command(Zap *zap, const char *word, void *argument) {
    zsock_send(zap->actor, "sp", word, argument);
    // A signal must not end the wait: the argument is the caller's and the actor may not have read it yet.
    while (zsock_wait(zap->actor) < 0 && errno == EINTR)
        continue;
}

int zap_allow(Zap *zap, const ZapKey *keys, size_t n) {
    List *list = malloc(sizeof(*list) + n * sizeof(ZapKey));
    if (list == NULL)
        return error_fail(ERROR_MEMORY, "no memory for %zu keys", n);
    list->n = n;
    if (n > 0)
        memcpy(list->keys, keys, n * sizeof(ZapKey));
    qsort(list->keys, n, sizeof(ZapKey), compare_keys);
    command(zap, "ALLOW", list);
    return 0;
}

void zap_refused(Zap *zap, ZapRefused *ret) {
    command(zap, "COUNT", ret);
}

// ---- the proof ------------------------------------------------------------------------------------------------

// What the ROUTER's monitor says of the next handshake: ZMQ_EVENT_HANDSHAKE_…, 0 when nothing in time.
static int next_handshake(void *monitor) {
    const int64_t deadline = zclock_mono() + ZAP_PROVE_MS;
    for (int64_t left; (left = deadline - zclock_mono()) > 0;) {
        zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, (long)left) <= 0)
            continue;
        // Frame 1: event (16 bits) and value, in the machine's order; frame 2: the address.
        uint8_t event[6];
        char address[256];
        int n = zmq_recv(monitor, event, sizeof(event), ZMQ_DONTWAIT);
        zmq_recv(monitor, address, sizeof(address), ZMQ_DONTWAIT);
        if (n != sizeof(event))
            continue;
        uint16_t kind;
        memcpy(&kind, event, sizeof(kind));
        return kind;
    }
    return 0;
}

typedef struct Trial {
    zsock_t *router;
    void *monitor;
    char endpoint[64];
    const uint8_t *server_key;
} Trial;

static int trial_open(Trial *trial, const Keys *keys) {
    int port;
    int r = socket_bind(&trial->router, "tcp://127.0.0.1:*", keys, &port);
    if (r != 0)
        return r;
    trial->server_key = keys->curve_public;
    snprintf(trial->endpoint, sizeof(trial->endpoint), "tcp://127.0.0.1:%d", port);
    char name[64];
    snprintf(name, sizeof(name), "inproc://dongbo-zap-prove-%d", port);
    const int events =
        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    trial->monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    if (trial->monitor == NULL || zmq_socket_monitor(zsock_resolve(trial->router), name, events) != 0 ||
        zmq_connect(trial->monitor, name) != 0)
        return error_fail(ERROR_CRYPTO, "cannot watch a trial connection: %s", zmq_strerror(errno));
    return 0;
}

static void trial_close(Trial *trial) {
    if (trial->router != NULL)
        zmq_socket_monitor(zsock_resolve(trial->router), NULL, 0);
    zsock_destroy(&trial->router);
    if (trial->monitor != NULL)
        zmq_close(trial->monitor);
}

static int trial_run(const Trial *trial, const Keys *client, int expected, const char *otherwise) {
    zsock_t *dealer = NULL;
    int r = socket_connect(&dealer, trial->endpoint, client, trial->server_key);
    if (r == 0) {
        int event = next_handshake(trial->monitor);
        if (event == 0)
            r = error_fail(ERROR_CRYPTO, "a trial connection to %s had no answer in %d ms", trial->endpoint,
                           ZAP_PROVE_MS);
        else if (event != expected)
            r = error_fail(ERROR_CRYPTO, "%s", otherwise);
    }
    zsock_destroy(&dealer);
    return r;
}

static void set_probe(Zap *zap, const uint8_t *key) {
    ZapKey probe = {0};
    if (key != NULL) {
        memcpy(probe.key, key, KEY_BYTES);
        snprintf(probe.user, sizeof(probe.user), "%s", PROBE_USER);
    }
    command(zap, "PROBE", &probe);
}

static int prove_admission(Zap *zap, const Trial *trial) {
    Keys known;
    int r = keys_generate(&known);
    if (r != 0)
        return r;
    set_probe(zap, known.curve_public);
    r = trial_run(trial, &known, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, "a key on the list was refused");
    set_probe(zap, NULL);
    keys_wipe(&known);
    return r;
}

static int prove_refusal(const Trial *trial) {
    Keys stranger;
    int r = keys_generate(&stranger);
    if (r != 0)
        return r;
    return trial_run(trial, &stranger, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
                     "a key that nobody knows was let in: no handler of ours is asked");
}

int zap_prove(Zap *zap, const Keys *keys) {
    Trial trial = {0};
    int r = trial_open(&trial, keys);
    if (r == 0)
        r = prove_refusal(&trial);
    if (r == 0 && zap != NULL)
        r = prove_admission(zap, &trial);
    trial_close(&trial);
    return r;
}
