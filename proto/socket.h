// SPDX-License-Identifier: Apache-2.0
//
// The transport, and the only place that knows ZeroMQ's options (shared with zap.c): DEALER and ROUTER over CURVE, one
// frame a message, no linger on close beyond what is asked, TCP keepalive, no ZMTP heartbeats (they crash
// libzmq 4.3.4).
#pragma once

#include "proto/keys.h"

#include <czmq.h>
#include <stddef.h>
#include <stdint.h>

// The ZAP domains that a ROUTER here asks for, and the only ones that zap.c answers: for parties, and for tokens.
#define SOCKET_ZAP_DOMAIN "dongbo"
#define SOCKET_DOOR_DOMAIN "dongbo-enrol"

// ROUTER, MANDATORY, MAXMSGSIZE, HWM, HANDSHAKE_IVL, ZAP domain enforced. `endpoint` as tcp://127.0.0.1:7701 or
// ipc://…; ret_port (may be NULL) gets the bound TCP port (endpoint may end in ":*"), 0 for ipc. A ZAP handler must be
// running. LINGER is 0. ERROR_CONFIG (the endpoint is taken or wrong), ERROR_CRYPTO, ERROR_MEMORY.
int socket_bind(zsock_t **ret, const char *endpoint, const Keys *keys, int *ret_port);
// The same for the enrolment door, whose ZAP domain admits tokens only.
int socket_bind_door(zsock_t **ret, const char *endpoint, const Keys *keys, int *ret_port);
// DEALER, IMMEDIATE, to one endpoint, knowing the broker's public key. Connects, and reconnects, in the background.
// LINGER is 0: who wants a last message to leave sets zsock_set_linger() before destroying it. Errors as above.
int socket_connect(zsock_t **ret, const char *endpoint, const Keys *keys, const uint8_t server_key[KEY_BYTES]);

// What became of a DEALER's connection, as libzmq's monitor tells it.
typedef enum SocketNews {
    SOCKET_TRYING,  // nothing has answered yet
    SOCKET_REACHED, // something takes connections there
    SOCKET_SECURED, // it has the key that it must have, and lets ours in
    SOCKET_REFUSED, // nobody listens there
    SOCKET_DENIED,  // it does not let our key in
    SOCKET_BROKEN,  // the handshake was broken off
    SOCKET_LOST,    // it was secured, and is gone
} SocketNews;

typedef struct SocketPeer {
    const char *endpoint;
    const Keys *keys;          // ours
    const uint8_t *server_key; // KEY_BYTES
} SocketPeer;

// As socket_connect(). *ret_monitor is readable when there is news, from the connection's first moment on; destroyed
// with socket_close_watched().
int socket_connect_watched(zsock_t **ret, zsock_t **ret_monitor, const SocketPeer *peer);
void socket_close_watched(zsock_t **socket, zsock_t **monitor);
// What there is now, `before` being what there was. Does not block.
SocketNews socket_news(zsock_t *monitor, SocketNews before);
// "nobody listens there": goes behind an endpoint's name. For all that ends a connection.
const char *socket_news_text(SocketNews news);

// Sends one frame without blocking. 0; 1 when it cannot be taken now or the peer is gone.
int socket_send(zsock_t *socket, const void *data, size_t n);
// ROUTER: to this peer; 2 when there is no such peer (any more). `route` is the identity frame received with, and stays
// the caller's.
int socket_send_to(zsock_t *socket, const zframe_t *route, const void *data, size_t n);

// Receives without blocking. 0; 1 nothing there; 2 a message of more than one frame was dropped (ends that session;
// *ret_route is set for a ROUTER). For a ROUTER *ret_route gets the identity; ret_route may be NULL for a DEALER. The
// caller destroys both; what is not set is NULL.
// user gets the ZAP User-Id (of zap_name(); "" for a DEALER), 64 bytes.
int socket_receive(zsock_t *socket, zframe_t **ret_route, zframe_t **ret_frame, char user[64]);
