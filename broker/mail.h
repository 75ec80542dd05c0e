// SPDX-License-Identifier: Apache-2.0
//
// How the broker's threads speak: a kind and a pointer over inproc sockets. The pointer's owner is whoever holds it
// last; what stands behind it is never looked at by two threads. Unbounded as a queue, for all that travels is counted
// elsewhere (works and greetings come from pools).
#pragma once

#include <czmq.h>

typedef enum MailKind {
    MAIL_WORK = 1,   // Work
    MAIL_AGENCIES,   // Agencies, a counted reference
    MAIL_GREETING,   // Greeting
    MAIL_PROVING,    // Proving
    MAIL_HEAD,       // uint64_t, to be freed: another head was signed, of the log up to this position
    MAIL_DECIDED,    // a stream, malloc'd: later decisions on it were stored
    MAIL_POPULATION, // NULL: the population store has moved, or open events were replaced
    MAIL_POLICY,     // NULL: operators changed something
    MAIL_REVIEW,     // NULL: an officer decided a case
    MAIL_FOLLOW,     // a Follow, and then its answer (follower.c)
    MAIL_RESTORED,   // NULL: the database is not the one that sessions were opened in
    MAIL_SWEEP,      // NULL: the writer put off a re-decision, and could do it now
} MailKind;

// The receiving end, one thread's. ERROR_PEER.
int mail_bind(zsock_t **ret, const char *endpoint);
// A sending end. ERROR_PEER.
int mail_connect(zsock_t **ret, const char *endpoint);
void mail_send(zsock_t *to, MailKind kind, void *pointer);
// Without blocking. 0; 1 when there is nothing.
int mail_receive(zsock_t *from, MailKind *ret_kind, void **ret_pointer);
