// SPDX-License-Identifier: Apache-2.0
//
// The transport, and the only place that knows ZeroMQ's options (shared with zap.c): DEALER and ROUTER over CURVE, one
// frame a message, no linger on close beyond what is asked, TCP keepalive, no ZMTP heartbeats (they crash libzmq 4.3.4).
#pragma once

#include "proto/keys.h"

#include <czmq.h>
#include <stddef.h>
#include <stdint.h>

// ROUTER, MANDATORY, MAXMSGSIZE, HWM, HANDSHAKE_IVL, ZAP domain enforced. `endpoint` as tcp://127.0.0.1:7701 or
// ipc://…; ret_port gets the bound TCP port (endpoint may end in ":*"). A ZAP handler must be running.
int socket_bind(zsock_t **ret, const char *endpoint, const Keys *keys, int *ret_port);
// DEALER, IMMEDIATE, to one endpoint, knowing the broker's public key.
int socket_connect(zsock_t **ret, const char *endpoint, const Keys *keys, const uint8_t server_key[KEY_BYTES]);

// Sends one frame without blocking. 0; 1 when it cannot be taken now or the peer is gone.
int socket_send(zsock_t *socket, const void *data, size_t n);
// ROUTER: to this peer. `route` is the identity frame received with.
int socket_send_to(zsock_t *socket, const zframe_t *route, const void *data, size_t n);

// Receives without blocking. 0; 1 nothing there; 2 a message of more than one frame was dropped (ends that session;
// *ret_route is set for a ROUTER). For a ROUTER *ret_route gets the identity (caller destroys).
// user gets the ZAP User-Id ("agency:3", "subscription:7"; "" for a DEALER), 64 bytes.
int socket_receive(zsock_t *socket, zframe_t **ret_route, zframe_t **ret_frame, char user[64]);
