// SPDX-License-Identifier: Apache-2.0
//
// Notifications are taken off the connection and forgotten: what they say is read from the tables.
#include "operators/commits.h"
#include "proto/base/error.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

int commits_listen(Pg *exchange) {
    return pg_command(exchange, "LISTEN dongbo_commit");
}

static bool take(PGconn *connection) {
    bool any = false;
    for (PGnotify *notify; connection && (notify = PQnotifies(connection)); PQfreemem(notify))
        any = true;
    return any;
}

int commits_wait(Pg *exchange, int reader, int timeout_ms) {
    PGconn *connection = pg_raw(exchange);
    bool told = take(connection); // with the answer to a statement, of which no poll tells any more
    struct pollfd wait[2] = {{.fd = reader}, {.fd = connection ? PQsocket(connection) : -1, .events = POLLIN}};
    if (poll(wait, 2, told ? 0 : timeout_ms) < 0 && errno != EINTR)
        return error_fail(ERROR_SYSTEM, "poll: %s", strerror(errno));
    if (wait[0].revents & (POLLERR | POLLHUP))
        return 1;
    if (connection && !PQconsumeInput(connection))
        return error_fail(ERROR_DATABASE, "the database went away");
    (void)take(connection);
    return 0;
}
