// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "tests/fuzz/transport.h"

#include "proto/socket.h"

#include <string.h>

#define QUEUE_MAX 64

static Bytes queue[QUEUE_MAX];
static FrameType types[QUEUE_MAX];
static bool raw[QUEUE_MAX];
static uint64_t sessions[QUEUE_MAX];
static unsigned n_queue, next_in_queue, n_sent;
static unsigned held_from = QUEUE_MAX; // until something was sent
static uint64_t sequence;              // of what was said in this connection
static int connected;                  // a socket is any address that is not NULL

void transport_clear(void) {
    n_queue = next_in_queue = n_sent = 0;
    held_from = QUEUE_MAX;
    sequence = 0;
}

static void add(FrameType type, uint64_t session, const ProtobufCBinaryData *body, bool is_raw) {
    if (n_queue == QUEUE_MAX)
        return;
    bytes_clear(&queue[n_queue]);
    bytes_append(&queue[n_queue], body->data, body->len);
    types[n_queue] = type;
    sessions[n_queue] = session;
    raw[n_queue++] = is_raw;
}

void transport_say(FrameType type, uint64_t session, const ProtobufCBinaryData *body) {
    add(type, session, body, false);
}

void transport_say_bytes(const ProtobufCBinaryData *bytes) {
    add(FRAME_GOODBYE, 0, bytes, true);
}

void transport_wait_for_them(void) {
    held_from = n_queue;
}

bool transport_is_empty(void) {
    return next_in_queue == n_queue;
}

unsigned transport_sent(void) {
    return n_sent;
}

// ---- proto/socket.h, as the linker calls it ----

int __wrap_socket_connect_watched(zsock_t **ret, zsock_t **ret_monitor, const SocketPeer *peer);
int __wrap_socket_connect_watched(zsock_t **ret, zsock_t **ret_monitor, const SocketPeer *peer) {
    *ret = *ret_monitor = (zsock_t *)&connected;
    sequence = 0;
    return 0;
}

void __wrap_socket_close_watched(zsock_t **socket, zsock_t **monitor);
void __wrap_socket_close_watched(zsock_t **socket, zsock_t **monitor) {
    *socket = *monitor = NULL;
}

SocketNews __wrap_socket_news(zsock_t *monitor, SocketNews before);
SocketNews __wrap_socket_news(zsock_t *monitor, SocketNews before) {
    return SOCKET_SECURED;
}

int __wrap_socket_send(zsock_t *socket, const void *data, size_t n);
int __wrap_socket_send(zsock_t *socket, const void *data, size_t n) {
    Frame frame;
    FUZZ_ASSERT(socket != NULL && frame_read(data, n, &frame) == 0);
    n_sent++;
    return 0;
}

int __wrap_socket_receive(zsock_t *socket, zframe_t **ret_route, zframe_t **ret_frame, char user[64]);
int __wrap_socket_receive(zsock_t *socket, zframe_t **ret_route, zframe_t **ret_frame, char user[64]) {
    if (transport_is_empty() || (next_in_queue >= held_from && n_sent == 0))
        return 1;
    unsigned i = next_in_queue++;
    Bytes out = {0};
    if (raw[i])
        bytes_append(&out, queue[i].data, queue[i].n);
    else
        frame_write_bytes(&out, types[i], sessions[i], ++sequence, queue[i].data, queue[i].n);
    *ret_frame = zframe_new(out.data, out.n);
    FUZZ_ASSERT(*ret_frame != NULL);
    user[0] = 0;
    bytes_free(&out);
    return 0;
}

// ---- what waits ----

void __wrap_zsock_set_linger(void *socket, int linger);
void __wrap_zsock_set_linger(void *socket, int linger) {}

void *__wrap_zsock_resolve(void *socket);
void *__wrap_zsock_resolve(void *socket) {
    return socket;
}

int __wrap_zmq_poll(zmq_pollitem_t *items, int n, long timeout_ms);
int __wrap_zmq_poll(zmq_pollitem_t *items, int n, long timeout_ms) {
    for (int i = 0; i < n; i++)
        items[i].revents = 0;
    return 0;
}
