// SPDX-License-Identifier: Apache-2.0
//
// One attempt at a time, asked for and answered over the thread's pipe: whoever holds the turn may use the session.
#include "broker/connector.h"

#include "broker/thread.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define CONNECT "connect"

typedef struct Attempts {
    Pg *pg;
    const char *settings;
} Attempts;

struct Connector {
    Pg *pg;
    zactor_t *thread;
    bool under_way;
};

static void run(zsock_t *pipe, void *state) {
    const Attempts *attempts = state;
    for (;;) {
        char *word = zstr_recv(pipe);
        bool wanted = word != NULL && strcmp(word, CONNECT) == 0;
        zstr_free(&word);
        if (!wanted)
            return;
        int result = pg_connect(attempts->pg);
        if (result == 0)
            result = pg_command(attempts->pg, attempts->settings);
        if (result < 0)
            pg_disconnect(attempts->pg);
        zstr_send(pipe, result < 0 ? error_text() : "");
    }
}

int connector_new(Connector **ret, Pg *pg, const char *settings) {
    static const ThreadKind kind = {"a connection", run, free};
    Connector *connector = calloc(1, sizeof *connector);
    Attempts *attempts = calloc(1, sizeof *attempts);
    if (connector == NULL || attempts == NULL) {
        free(connector);
        free(attempts);
        return error_fail(ERROR_MEMORY, "no memory for a connection");
    }
    connector->pg = pg;
    *attempts = (Attempts){.pg = pg, .settings = settings};
    int result = thread_start(&connector->thread, &kind, attempts);
    if (result < 0) {
        free(connector);
        return result;
    }
    *ret = connector;
    return 0;
}

void connector_destroy(Connector **pointer) {
    Connector *connector = *pointer;
    if (connector == NULL)
        return;
    zactor_destroy(&connector->thread);
    free(connector);
    *pointer = NULL;
}

void connector_begin(Connector *connector) {
    if (!connector->under_way)
        connector->under_way = zstr_send(connector->thread, CONNECT) == 0;
}

bool connector_is_under_way(const Connector *connector) {
    return connector->under_way;
}

bool connector_is_ready(const Connector *connector) {
    return !connector->under_way && pg_connected(connector->pg);
}

void *connector_socket(Connector *connector) {
    return zsock_resolve(connector->thread);
}

int connector_end(Connector *connector) {
    char *reason = zstr_recv(connector->thread);
    connector->under_way = false;
    int result =
        reason != NULL && reason[0] == '\0' ? 0 : error_fail(ERROR_DATABASE, "%s", reason == NULL ? "" : reason);
    zstr_free(&reason);
    return result;
}
