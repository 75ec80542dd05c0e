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

struct Share {
    uint32_t agency;
    size_t n; // connections; 0: free
    size_t n_sessions;
    uint64_t unread_bytes;
};

struct Connections {
    Connection *list[SESSIONS_MAX];
    size_t n;
    Share shares[SESSIONS_MAX]; // those in use, and free ones among them
    size_t n_shares;
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
    return connection->share->n_sessions;
}

uint64_t connections_unread(const Connection *connection) {
    return connection->sent_bytes - connection->read_bytes;
}

static Share *share_of(Connections *connections, uint32_t agency) {
    Share *unused = NULL;
    for (size_t i = 0; i < connections->n_shares; i++) {
        Share *share = &connections->shares[i];
        if (share->n > 0 && share->agency == agency)
            return share;
        if (share->n == 0 && unused == NULL)
            unused = share;
    }
    if (unused == NULL) // no more shares than connections
        unused = &connections->shares[connections->n_shares++];
    *unused = (Share){.agency = agency};
    return unused;
}

// A route that another agency had is another connection: that one is gone.
static Connection *find(const Connections *connections, const zframe_t *route, uint32_t agency) {
    for (size_t i = 0; i < connections->n; i++) {
        Connection *connection = connections->list[i];
        if (connection->share->agency == agency && zframe_eq(connection->route, (zframe_t *)route))
            return connection;
    }
    return NULL;
}

static Connection *add(Connections *connections, const zframe_t *route, uint32_t agency) {
    if (connections->n == SESSIONS_MAX)
        return NULL;
    Share *share = share_of(connections, agency);
    if (share->n == SESSIONS_PER_AGENCY_MAX)
        return NULL;
    Connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->route = zframe_dup((zframe_t *)route);
    if (connection->route == NULL) {
        free(connection);
        return NULL;
    }
    connection->share = share;
    share->n++;
    connections->list[connections->n++] = connection;
    return connection;
}

void connections_forget(Connections *connections, Connection *connection) {
    assert(connection->n_sessions == 0);
    size_t at = 0;
    while (connections->list[at] != connection)
        at++;
    connections->list[at] = connections->list[--connections->n];
    connection->share->unread_bytes -= connections_unread(connection);
    connection->share->n--;
    connection_destroy(connection);
}

Connection *connections_join(Connections *connections, const zframe_t *route, uint32_t agency) {
    Connection *connection = find(connections, route, agency);
    if (connection == NULL)
        connection = add(connections, route, agency);
    if (connection == NULL)
        return NULL;
    connection->n_sessions++;
    connection->share->n_sessions++;
    if (connections_takes(connection, FRAME_BODY_BYTES_MAX))
        return connection;
    connections_leave(connections, connection);
    return NULL;
}

void connections_leave(Connections *connections, Connection *connection) {
    connection->share->n_sessions--;
    if (--connection->n_sessions == 0 && connections_unread(connection) <= FORGET_BYTES)
        connections_forget(connections, connection);
}

bool connections_takes(const Connection *connection, size_t n) {
    return connections_unread(connection) + n <= UNREAD_BYTES &&
           connection->share->unread_bytes + n <= UNREAD_AGENCY_BYTES;
}

void connections_sent(Connection *connection, size_t n) {
    connection->sent_bytes += n;
    connection->share->unread_bytes += n;
}

void connections_read(Connection *connection, uint64_t sent_bytes) {
    assert(sent_bytes <= connection->sent_bytes);
    if (sent_bytes <= connection->read_bytes)
        return;
    connection->share->unread_bytes -= sent_bytes - connection->read_bytes;
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
