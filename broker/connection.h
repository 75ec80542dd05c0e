// SPDX-License-Identifier: Apache-2.0
//
// The connections of one of the broker's ports, and how much was sent over each that is not known to have been read.
// That is memory of ours which the peer holds, so it is bounded for a connection, and for all of a party's together: an
// agency, or a subscription. Known by confirmation only: the socket tells nothing. A connection that holds something is
// remembered when its sessions are over, and so is one over which something was said outside of sessions. Knows no
// socket.
#pragma once

#include <czmq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Holder Holder; // of a party

typedef struct Connection {
    zframe_t *route;
    Holder *holder;
    size_t n_sessions;
    uint64_t sent_bytes;   // in all
    uint64_t read_bytes;   // of these, known to have been read
    int64_t probed_ms;     // without sessions: when it was last looked whether it is still there
    uint64_t nonce;        // of the Ping of no session that is outstanding, random; 0: none is
    uint64_t pinged_bytes; // what had been sent when it was
} Connection;

typedef struct Connections Connections;
int connections_new(Connections **ret); // ERROR_MEMORY
void connections_destroy(Connections **connections);
// One session more comes over this route. NULL when there are too many connections, of all or of this party, or when
// what the peer has not read leaves no room for another session's beginning; or no memory.
Connection *connections_join(Connections *connections, const zframe_t *route, uint32_t party);
// What is said over this route outside of sessions counts there. NULL when there are too many connections, or no
// memory: then nothing may be said.
Connection *connections_hold(Connections *connections, const zframe_t *route, uint32_t party);
// NULL: nothing is known of it.
Connection *connections_find(const Connections *connections, const zframe_t *route, uint32_t party);
// Whose connection it is by its key's user: of `kind`, as zap_name() has it, the number; others are no such number.
uint32_t connections_party(const char *user, const char *kind);
// One session less. Forgets it with its last one when (nearly) all was read.
void connections_leave(Connections *connections, Connection *connection);
size_t connections_sessions(const Connection *connection); // of its party, over all of its connections
uint64_t connections_unread(const Connection *connection); // bytes
// Whether n bytes more may be sent. A few may over a connection that reads, however much its party's others hold.
bool connections_takes(const Connection *connection, size_t n);
void connections_sent(Connection *connection, size_t n);
// All is known to have been read that was sent when sent_bytes was so much.
void connections_read(Connection *connection, uint64_t sent_bytes);
// Every connection without sessions in turn; NULL ends. *left is SIZE_MAX at first. The one that was returned last may
// be forgotten.
Connection *connections_next_idle(Connections *connections, size_t *left);
// An idle one is gone, and what it held with it.
void connections_forget(Connections *connections, Connection *connection);
