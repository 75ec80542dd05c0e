// SPDX-License-Identifier: Apache-2.0
//
// A list of connections, searched only when a session begins, and a list of the agencies that they are of.
#include "broker/connection.h"

#include "proto/base/error.h"
#include "proto/bounds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_BYTES 4096 // what ends a session need not be confirmed
#define OTHERS 0x80000000 // numbers of parties that are not at home on this port

struct Holder {
    uint32_t party;
    size_t n; // connections; 0: free
    size_t n_sessions;
    uint64_t unread_bytes;
};

struct Connections {
    Connection *list[SESSIONS_MAX];
    size_t n;
    Holder holders[SESSIONS_MAX]; // those in use, and free ones among them
    size_t n_holders;
};

int connections_new(Connections **ret) {
    *ret = calloc(1, sizeof **ret);
    return *ret == NULL ? error_fail(ERROR_MEMORY, "no memory for connections") : 0;
}

static void connection_destroy(Connection *connection) {
    zframe_destroy(&connection->route);
    free(connection);
}

void connections_destroy(Connections **pointer) {
    Connections *connections = *pointer;
    if (connections == NULL)
        return;
    for (size_t i = 0; i < connections->n; i++)
        connection_destroy(connections->list[i]);
    free(connections);
    *pointer = NULL;
}

size_t connections_sessions(const Connection *connection) {
    return connection->holder->n_sessions;
}

uint64_t connections_unread(const Connection *connection) {
    return connection->sent_bytes - connection->read_bytes;
}

static Holder *holder_of(Connections *connections, uint32_t party) {
    Holder *unused = NULL;
    for (size_t i = 0; i < connections->n_holders; i++) {
        Holder *holder = &connections->holders[i];
        if (holder->n > 0 && holder->party == party)
            return holder;
        if (holder->n == 0 && unused == NULL)
            unused = holder;
    }
    if (unused == NULL) // no more holders than connections
        unused = &connections->holders[connections->n_holders++];
    *unused = (Holder){.party = party};
    return unused;
}

// A route that another party had is another connection: that one is gone.
Connection *connections_find(const Connections *connections, const zframe_t *route, uint32_t party) {
    for (size_t i = 0; i < connections->n; i++) {
        Connection *connection = connections->list[i];
        if (connection->holder->party == party && zframe_eq(connection->route, (zframe_t *)route))
            return connection;
    }
    return NULL;
}

static Connection *add(Connections *connections, const zframe_t *route, uint32_t party) {
    if (connections->n == SESSIONS_MAX)
        return NULL;
    Holder *holder = holder_of(connections, party);
    if (holder->n == SESSIONS_PER_AGENCY_MAX)
        return NULL;
    Connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->route = zframe_dup((zframe_t *)route);
    if (connection->route == NULL) {
        free(connection);
        return NULL;
    }
    connection->holder = holder;
    holder->n++;
    connections->list[connections->n++] = connection;
    return connection;
}

void connections_forget(Connections *connections, Connection *connection) {
    assert(connection->n_sessions == 0);
    size_t at = 0;
    while (connections->list[at] != connection)
        at++;
    connections->list[at] = connections->list[--connections->n];
    connection->holder->unread_bytes -= connections_unread(connection);
    connection->holder->n--;
    connection_destroy(connection);
}

Connection *connections_hold(Connections *connections, const zframe_t *route, uint32_t party) {
    Connection *connection = connections_find(connections, route, party);
    return connection != NULL ? connection : add(connections, route, party);
}

uint32_t connections_party(const char *user, const char *kind) {
    const char *number = strchr(user, ':');
    size_t n = strlen(kind);
    if (number == NULL)
        return UINT32_MAX;
    uint32_t party = (uint32_t)strtol(number + 1, NULL, 10);
    return strncmp(user, kind, n) == 0 && user[n] == ':' ? party : party | OTHERS;
}

Connection *connections_join(Connections *connections, const zframe_t *route, uint32_t party) {
    Connection *connection = connections_hold(connections, route, party);
    if (connection == NULL)
        return NULL;
    if (!connections_takes(connection, FRAME_BODY_BYTES_MAX)) {
        if (connection->n_sessions == 0 && connections_unread(connection) == 0) // what was said outside stays counted
            connections_forget(connections, connection);
        return NULL;
    }
    connection->n_sessions++;
    connection->holder->n_sessions++;
    return connection;
}

void connections_leave(Connections *connections, Connection *connection) {
    connection->holder->n_sessions--;
    if (--connection->n_sessions == 0 && connections_unread(connection) <= FORGET_BYTES)
        connections_forget(connections, connection);
}

bool connections_takes(const Connection *connection, size_t n) {
    uint64_t unread = connections_unread(connection) + n;
    if (unread <= UNREAD_TOLD_BYTES) // why nothing more is said
        return true;
    return unread <= UNREAD_BYTES && connection->holder->unread_bytes + n <= UNREAD_AGENCY_BYTES;
}

void connections_sent(Connection *connection, size_t n) {
    connection->sent_bytes += n;
    connection->holder->unread_bytes += n;
}

void connections_read(Connection *connection, uint64_t sent_bytes) {
    assert(sent_bytes <= connection->sent_bytes);
    if (sent_bytes <= connection->read_bytes)
        return;
    connection->holder->unread_bytes -= sent_bytes - connection->read_bytes;
    connection->read_bytes = sent_bytes;
}

// From the end: forgetting the one at hand moves the last into its place, which has been seen already.
Connection *connections_next_idle(Connections *connections, size_t *left) {
    if (*left > connections->n)
        *left = connections->n;
    while (*left > 0) {
        Connection *connection = connections->list[--*left];
        if (connection->n_sessions == 0)
            return connection;
    }
    return NULL;
}
