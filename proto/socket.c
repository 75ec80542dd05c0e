// SPDX-License-Identifier: Apache-2.0
//
// Sockets made and used. Every option that keeps us safe is set here and checked: a socket that would take unknown
// keys, endless messages or forged identities is not made at all. Never blocks, never queues beyond ZeroMQ's own marks.
#include "proto/socket.h"

#include "proto/base/error.h"
#include "proto/bounds.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

// In libzmq's headers among the DRAFT options, yet compiled in always. Without it, CURVE lets every key in as long as
// no ZAP handler runs.
#define OPTION_ZAP_ENFORCE_DOMAIN 93

// The limit is held against what comes over the wire, where a CURVE message command adds so many bytes to a frame.
#define CURVE_OVERHEAD_BYTES 33
#define MESSAGE_BYTES_MAX (FRAME_HEADER_BYTES + FRAME_BODY_BYTES_MAX + CURVE_OVERHEAD_BYTES)

#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3

// What both sides set. No ZMTP heartbeats: a DEALER with a small receive mark dies of them (libzmq #3596).
static void set_common(zsock_t *socket) {
    zsock_set_linger(socket, 0);
    zsock_set_sndhwm(socket, SOCKET_HWM);
    zsock_set_rcvhwm(socket, SOCKET_RECEIVE_HWM);
    zsock_set_maxmsgsize(socket, MESSAGE_BYTES_MAX);
    zsock_set_handshake_ivl(socket, HANDSHAKE_IVL_MS);
    zsock_set_tcp_keepalive(socket, 1);
    zsock_set_tcp_keepalive_idle(socket, KEEPALIVE_IDLE_S);
    zsock_set_tcp_keepalive_intvl(socket, KEEPALIVE_INTERVAL_S);
    zsock_set_tcp_keepalive_cnt(socket, KEEPALIVE_PROBES);
    zsock_set_tcp_maxrt(socket, PEER_SILENT_MS);
}

// CZMQ's setters tell nothing of failure; of these two it must be known.
static int verify_guards(zsock_t *socket, bool server) {
    if (zsock_mechanism(socket) != ZMQ_CURVE || (zsock_curve_server(socket) != 0) != server ||
        zsock_maxmsgsize(socket) != MESSAGE_BYTES_MAX)
        return error_fail(ERROR_CRYPTO, "libzmq did not take CURVE or a message limit");
    return 0;
}

static int guard_server(zsock_t *socket, const Keys *keys, const char *domain) {
    set_common(socket);
    zsock_set_router_mandatory(socket, 1);
    zsock_set_backlog(socket, SOCKET_BACKLOG);
    zsock_set_zap_domain(socket, domain);
    zsock_set_curve_server(socket, 1);
    zsock_set_curve_secretkey_bin(socket, keys->curve_secret);
    const int on = 1;
    if (zmq_setsockopt(zsock_resolve(socket), OPTION_ZAP_ENFORCE_DOMAIN, &on, sizeof(on)) != 0)
        return error_fail(ERROR_CRYPTO, "libzmq cannot be made to refuse unknown keys: %s", zmq_strerror(errno));
    return verify_guards(socket, true);
}

static int guard_client(zsock_t *socket, const Keys *keys, const uint8_t server_key[KEY_BYTES]) {
    set_common(socket);
    zsock_set_immediate(socket, 1);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(socket, RECONNECT_MAX_MS);
    zsock_set_connect_timeout(socket, HANDSHAKE_IVL_MS);
    zsock_set_curve_serverkey_bin(socket, server_key);
    zsock_set_curve_publickey_bin(socket, keys->curve_public);
    zsock_set_curve_secretkey_bin(socket, keys->curve_secret);
    return verify_guards(socket, false);
}

// The TCP port at the end of "tcp://127.0.0.1:7701"; 0 for other transports.
static int port_of(zsock_t *socket) {
    char *endpoint = zsock_last_endpoint(socket);
    int port = 0;
    if (endpoint != NULL && strncmp(endpoint, "tcp://", 6) == 0)
        port = (int)strtol(strrchr(endpoint, ':') + 1, NULL, 10);
    freen(endpoint);
    return port;
}

static int new_socket(zsock_t **ret, int type, const char *endpoint) {
    *ret = zsock_new(type);
    return *ret != NULL ? 0 : error_fail(ERROR_MEMORY, "no socket for %s: %s", endpoint, zmq_strerror(errno));
}

typedef struct Place {
    const char *endpoint, *domain;
} Place;

static int bind_place(zsock_t **ret, const Place *place, const Keys *keys, int *ret_port) {
    const char *endpoint = place->endpoint;
    zsock_t *socket = NULL;
    int r = new_socket(&socket, ZMQ_ROUTER, endpoint);
    if (r == 0)
        r = guard_server(socket, keys, place->domain);
    if (r == 0 && zmq_bind(zsock_resolve(socket), endpoint) != 0)
        r = error_fail(ERROR_CONFIG, "cannot listen at %s: %s", endpoint, zmq_strerror(errno));
    if (r != 0) {
        zsock_destroy(&socket);
        return r;
    }
    if (ret_port != NULL)
        *ret_port = port_of(socket);
    *ret = socket;
    return 0;
}

int socket_bind(zsock_t **ret, const char *endpoint, const Keys *keys, int *ret_port) {
    return bind_place(ret, &(Place){endpoint, SOCKET_ZAP_DOMAIN}, keys, ret_port);
}

int socket_bind_door(zsock_t **ret, const char *endpoint, const Keys *keys, int *ret_port) {
    return bind_place(ret, &(Place){endpoint, SOCKET_DOOR_DOMAIN}, keys, ret_port);
}

// The rest of a message that has more frames than it may. ZeroMQ delivers whole messages only, so all of it is there.
static void drop_rest(zsock_t *socket) {
    while (zsock_rcvmore(socket)) {
        zframe_t *frame = zframe_recv_nowait(socket);
        if (frame == NULL)
            return;
        zframe_destroy(&frame);
    }
}

// A monitor's name is random: libzmq lets go of a closed one's some time later.
static int watch(zsock_t *socket, zsock_t **ret_monitor, const char *endpoint) {
    char address[64];
    zuuid_t *name = zuuid_new();
    if (name == NULL)
        return error_fail(ERROR_MEMORY, "no monitor for %s", endpoint);
    snprintf(address, sizeof address, "inproc://monitor-%s", zuuid_str(name));
    zuuid_destroy(&name);
    if (zmq_socket_monitor(zsock_resolve(socket), address, ZMQ_EVENT_ALL) != 0)
        return error_fail(ERROR_MEMORY, "no monitor for %s: %s", endpoint, zmq_strerror(errno));
    int r = new_socket(ret_monitor, ZMQ_PAIR, endpoint);
    if (r == 0 && zmq_connect(zsock_resolve(*ret_monitor), address) != 0)
        r = error_fail(ERROR_MEMORY, "no monitor for %s: %s", endpoint, zmq_strerror(errno));
    return r;
}

// ret_monitor may be NULL.
static int connect_to(zsock_t **ret, zsock_t **ret_monitor, const SocketPeer *peer) {
    zsock_t *socket = NULL, *monitor = NULL;
    int r = new_socket(&socket, ZMQ_DEALER, peer->endpoint);
    if (r == 0)
        r = guard_client(socket, peer->keys, peer->server_key);
    if (r == 0 && ret_monitor != NULL)
        r = watch(socket, &monitor, peer->endpoint);
    if (r == 0 && zmq_connect(zsock_resolve(socket), peer->endpoint) != 0)
        r = error_fail(ERROR_CONFIG, "cannot connect to %s: %s", peer->endpoint, zmq_strerror(errno));
    if (r != 0) {
        socket_close_watched(&socket, &monitor);
        return r;
    }
    *ret = socket;
    if (ret_monitor != NULL)
        *ret_monitor = monitor;
    return 0;
}

int socket_connect(zsock_t **ret, const char *endpoint, const Keys *keys, const uint8_t server_key[KEY_BYTES]) {
    return connect_to(ret, NULL, &(SocketPeer){endpoint, keys, server_key});
}

int socket_connect_watched(zsock_t **ret, zsock_t **ret_monitor, const SocketPeer *peer) {
    return connect_to(ret, ret_monitor, peer);
}

void socket_close_watched(zsock_t **socket, zsock_t **monitor) {
    if (*socket != NULL && *monitor != NULL)
        (void)zmq_socket_monitor(zsock_resolve(*socket), NULL, 0);
    zsock_destroy(monitor);
    zsock_destroy(socket);
}

static SocketNews news_of(unsigned event, SocketNews before) {
    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        return SOCKET_REACHED;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return SOCKET_SECURED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return SOCKET_DENIED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return SOCKET_BROKEN;
    case ZMQ_EVENT_CLOSED:
    case ZMQ_EVENT_CONNECT_RETRIED:
        return before == SOCKET_TRYING ? SOCKET_REFUSED : before;
    case ZMQ_EVENT_DISCONNECTED:
        return before == SOCKET_SECURED ? SOCKET_LOST : before == SOCKET_REACHED ? SOCKET_BROKEN : before;
    default:
        return before;
    }
}

SocketNews socket_news(zsock_t *monitor, SocketNews before) {
    uint8_t event[6]; // its number and a value, in this machine's order; the endpoint's name follows
    void *handle = zsock_resolve(monitor);
    // What ended a connection stays, whatever libzmq tries behind it.
    while (before < SOCKET_REFUSED && zmq_recv(handle, event, sizeof event, ZMQ_DONTWAIT) == (int)sizeof event) {
        uint16_t number;
        memcpy(&number, event, sizeof number);
        drop_rest(monitor);
        before = news_of(number, before);
    }
    return before;
}

const char *socket_news_text(SocketNews news) {
    static const char *const TEXTS[] = {
        [SOCKET_TRYING] = "does not answer",
        [SOCKET_REACHED] = "takes the connection and says nothing; is it a broker?",
        [SOCKET_SECURED] = "takes the connection and does not answer",
        [SOCKET_REFUSED] = "cannot be reached: nobody listens there",
        [SOCKET_DENIED] = "does not let this key in: its operators must add it",
        [SOCKET_BROKEN] = "broke the handshake off; is broker.key its public key file?",
        [SOCKET_LOST] = "is gone",
    };
    return TEXTS[news];
}

// 0, or 1 for whatever keeps this frame from leaving: full, not connected (DEALER); 2 for no such peer (ROUTER).
static int send_frame(void *handle, const void *data, size_t n, int flags) {
    int r;
    do
        r = zmq_send(handle, data, n, ZMQ_DONTWAIT | flags);
    while (r < 0 && errno == EINTR);
    return r >= 0 ? 0 : errno == EHOSTUNREACH ? 2 : 1;
}

int socket_send(zsock_t *socket, const void *data, size_t n) {
    return send_frame(zsock_resolve(socket), data, n, 0);
}

int socket_send_to(zsock_t *socket, const zframe_t *route, const void *data, size_t n) {
    zframe_t *identity = (zframe_t *)route; // CZMQ's getters are not const
    void *handle = zsock_resolve(socket);
    int r = send_frame(handle, zframe_data(identity), zframe_size(identity), ZMQ_SNDMORE);
    return r != 0 ? r : send_frame(handle, data, n, 0);
}

int socket_receive(zsock_t *socket, zframe_t **ret_route, zframe_t **ret_frame, char user[64]) {
    zframe_t *route = NULL;
    *ret_frame = NULL;
    user[0] = 0;
    if (ret_route != NULL)
        *ret_route = NULL;
    zframe_t *frame = zframe_recv_nowait(socket);
    if (frame == NULL)
        return 1;
    if (zsock_type(socket) == ZMQ_ROUTER) {
        route = frame;
        frame = zframe_more(route) ? zframe_recv_nowait(socket) : NULL;
        *ret_route = route;
    }
    if (frame == NULL || zframe_more(frame)) {
        drop_rest(socket);
        zframe_destroy(&frame);
        return 2;
    }
    const char *id = zframe_meta(frame, "User-Id");
    if (id != NULL && strlen(id) < 64)
        snprintf(user, 64, "%s", id);
    *ret_frame = frame;
    return 0;
}
