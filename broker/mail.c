// SPDX-License-Identifier: Apache-2.0
//
// PUSH and PULL over inproc. Never blocks.
#include "broker/mail.h"

#include "proto/base/error.h"

#include <zmq.h>

static int open_socket(zsock_t **ret, int type, const char *endpoint) {
    zsock_t *socket = zsock_new(type);
    if (socket == NULL)
        return error_fail(ERROR_PEER, "no socket for %s: %s", endpoint, zmq_strerror(zmq_errno()));
    zsock_set_sndhwm(socket, 0);
    zsock_set_rcvhwm(socket, 0);
    zsock_set_linger(socket, 0);
    int result = type == ZMQ_PULL ? zsock_bind(socket, "%s", endpoint) : zsock_connect(socket, "%s", endpoint);
    if (result < 0) {
        zsock_destroy(&socket);
        return error_fail(ERROR_PEER, "%s: %s", endpoint, zmq_strerror(zmq_errno()));
    }
    *ret = socket;
    return 0;
}

int mail_bind(zsock_t **ret, const char *endpoint) {
    return open_socket(ret, ZMQ_PULL, endpoint);
}

int mail_connect(zsock_t **ret, const char *endpoint) {
    return open_socket(ret, ZMQ_PUSH, endpoint);
}

typedef struct Mail {
    MailKind kind;
    void *pointer;
} Mail;

void mail_send(zsock_t *to, MailKind kind, void *pointer) {
    Mail mail = {.kind = kind, .pointer = pointer};
    // Without a high-water mark this can only fail at shutdown, when the pools are freed by their owner.
    zmq_send(zsock_resolve(to), &mail, sizeof mail, ZMQ_DONTWAIT);
}

int mail_receive(zsock_t *from, MailKind *ret_kind, void **ret_pointer) {
    Mail mail;
    int n = zmq_recv(zsock_resolve(from), &mail, sizeof mail, ZMQ_DONTWAIT);
    if (n != sizeof mail)
        return 1;
    *ret_kind = mail.kind;
    *ret_pointer = mail.pointer;
    return 0;
}
