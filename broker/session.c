// SPDX-License-Identifier: Apache-2.0
//
// A dense array of sessions and an open-addressing index by number. Ends none by itself.
#include "broker/session.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_SIZE (4 * SESSIONS_MAX) // a power of two, at most a quarter full

struct Sessions {
    Session *list[SESSIONS_MAX];
    size_t n;
    Connections *connections;
    size_t cursor;              // of sessions_next(), counted from the end so that removal is harmless
    uint16_t index[INDEX_SIZE]; // place in the list, plus 1
};

int sessions_new(Sessions **ret) {
    *ret = calloc(1, sizeof **ret);
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for sessions");
    int result = connections_new(&(*ret)->connections);
    if (result < 0)
        sessions_destroy(ret);
    return result;
}

Connections *sessions_connections(Sessions *sessions) {
    return sessions->connections;
}

static void session_destroy(Sessions *sessions, Session *session) {
    if (session->connection != NULL)
        connections_leave(sessions->connections, session->connection);
    greeting_destroy(&session->greeting);
    proving_destroy(&session->proving);
    free(session);
}

void sessions_destroy(Sessions **pointer) {
    Sessions *sessions = *pointer;
    if (sessions == NULL)
        return;
    for (size_t i = 0; i < sessions->n; i++)
        session_destroy(sessions, sessions->list[i]);
    connections_destroy(&sessions->connections);
    free(sessions);
    *pointer = NULL;
}

size_t sessions_n(const Sessions *sessions) {
    return sessions->n;
}

size_t sessions_n_of(const Sessions *sessions, uint32_t agency) {
    size_t n = 0;
    for (size_t i = 0; i < sessions->n; i++)
        n += sessions->list[i]->agency == agency;
    return n;
}

static size_t slot_of(const Sessions *sessions, uint64_t number) {
    size_t slot = number & (INDEX_SIZE - 1);
    while (sessions->index[slot] != 0 && sessions->list[sessions->index[slot] - 1]->number != number)
        slot = (slot + 1) & (INDEX_SIZE - 1);
    return slot;
}

Session *sessions_add(Sessions *sessions, uint64_t number, const zframe_t *route, uint32_t agency) {
    if (sessions->n == SESSIONS_MAX)
        return NULL;
    Session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->number = number;
    session->agency = agency;
    session->connection = connections_join(sessions->connections, route, agency);
    session->greeting = calloc(1, sizeof *session->greeting);
    session->proving = calloc(1, sizeof *session->proving);
    if (session->connection == NULL || session->greeting == NULL || session->proving == NULL) {
        session_destroy(sessions, session);
        return NULL;
    }
    session->route = session->connection->route;
    size_t slot = slot_of(sessions, number);
    sessions->list[sessions->n++] = session;
    sessions->index[slot] = (uint16_t)sessions->n;
    return session;
}

Session *sessions_find(const Sessions *sessions, uint64_t number) {
    uint16_t place = sessions->index[slot_of(sessions, number)];
    return place == 0 ? NULL : sessions->list[place - 1];
}

// Those after it move up, so that every search still ends at a free slot.
static void index_free(Sessions *sessions, size_t slot) {
    size_t next = slot;
    for (;;) {
        sessions->index[slot] = 0;
        for (;;) {
            next = (next + 1) & (INDEX_SIZE - 1);
            if (sessions->index[next] == 0)
                return;
            size_t home = sessions->list[sessions->index[next] - 1]->number & (INDEX_SIZE - 1);
            bool between = slot <= next ? slot < home && home <= next : slot < home || home <= next;
            if (!between)
                break;
        }
        sessions->index[slot] = sessions->index[next];
        slot = next;
    }
}

void sessions_remove(Sessions *sessions, Session *session) {
    size_t slot = slot_of(sessions, session->number);
    size_t place = sessions->index[slot] - 1u;
    index_free(sessions, slot);
    Session *last = sessions->list[sessions->n - 1];
    if (last != session) {
        sessions->index[slot_of(sessions, last->number)] = (uint16_t)(place + 1);
        sessions->list[place] = last;
    }
    sessions->n--;
    session_destroy(sessions, session);
}

Session *sessions_first(Sessions *sessions) {
    sessions->cursor = sessions->n;
    return sessions_next(sessions);
}

// From the end: removing the one at hand moves the last into its place, which has been seen already.
Session *sessions_next(Sessions *sessions) {
    if (sessions->cursor > sessions->n)
        sessions->cursor = sessions->n;
    return sessions->cursor == 0 ? NULL : sessions->list[--sessions->cursor];
}
