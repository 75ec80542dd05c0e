// SPDX-License-Identifier: Apache-2.0
//
// Notifications are taken off the connection and forgotten: what they say is read from the tables.
#include "operators/commits.h"
#include "proto/base/error.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

int commits_listen(Pg *exchange) {
    return pg_command(exchange, "LISTEN dongbo_commit");
}

int commits_wait(Pg *exchange, int reader, int timeout_ms) {
    bool told = pg_heard(exchange, NULL, NULL);
    bool connected = pg_connected(exchange);
    struct pollfd wait[2] = {{.fd = reader}, {.fd = connected ? PQsocket(pg_raw(exchange)) : -1, .events = POLLIN}};
    if (poll(wait, 2, told ? 0 : timeout_ms) < 0 && errno != EINTR)
        return error_fail(ERROR_SYSTEM, "poll: %s", strerror(errno));
    if (wait[0].revents & (POLLERR | POLLHUP))
        return 1;
    return connected ? pg_hear(exchange, NULL, NULL) : 0;
}
