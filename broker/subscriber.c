// SPDX-License-Identifier: Apache-2.0
//
// A session's number carries its slot in the low bits, so that a frame finds its session without a search, and random
// bits above, so that an old number never fits a new session.
#include "broker/subscriber.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define SLOT_BITS 12
_Static_assert(SESSIONS_MAX <= 1 << SLOT_BITS, "a slot must fit into a session's number");

struct Subscribers {
    const Clock *clock;
    Connections *connections;
    size_t n_used; // slots ever used
    size_t n_open;
    Subscriber slots[SESSIONS_MAX];
};

int subscribers_new(Subscribers **ret, const Clock *clock) {
    *ret = calloc(1, sizeof(Subscribers));
    if (!*ret)
        return error_fail(ERROR_MEMORY, "no memory for sessions");
    (*ret)->clock = clock;
    int r = connections_new(&(*ret)->connections);
    if (r < 0)
        subscribers_destroy(ret);
    return r;
}

void subscribers_destroy(Subscribers **subscribers) {
    if (!*subscribers)
        return;
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(*subscribers, &at));)
        subscribers_close(*subscribers, one);
    connections_destroy(&(*subscribers)->connections);
    free(*subscribers);
    *subscribers = NULL;
}

static Subscriber *free_slot(Subscribers *subscribers) {
    for (size_t i = 0; i < subscribers->n_used; i++)
        if (subscribers->slots[i].session == 0)
            return &subscribers->slots[i];
    return subscribers->n_used < SESSIONS_MAX ? &subscribers->slots[subscribers->n_used++] : NULL;
}

int subscribers_open(Subscribers *subscribers, zframe_t *route, Projector *projector, Subscriber **ret) {
    uint64_t number;
    int r = clock_random(subscribers->clock, (uint8_t *)&number, sizeof number);
    if (r < 0)
        return r;
    Subscriber *slot = free_slot(subscribers);
    if (!slot)
        return 1;
    number |= 1ULL << SLOT_BITS; // never 0
    number = number >> SLOT_BITS << SLOT_BITS | (uint64_t)(slot - subscribers->slots);
    *slot = (Subscriber){.session = number, .route = route, .projector = projector};
    subscribers->n_open++;
    *ret = slot;
    return 0;
}

Connections *subscribers_connections(Subscribers *subscribers) {
    return subscribers->connections;
}

uint64_t subscriber_room(const Subscriber *subscriber) {
    uint64_t most = subscriber->read + SUBSCRIBE_CREDIT_BYTES;
    uint64_t may = subscriber->credit < most ? subscriber->credit : most;
    return may > subscriber->sent ? may - subscriber->sent : 0;
}

void subscribers_close(Subscribers *subscribers, Subscriber *subscriber) {
    if (subscriber->connection)
        connections_leave(subscribers->connections, subscriber->connection);
    subscriber->connection = NULL;
    zframe_destroy(&subscriber->route);
    projector_destroy(&subscriber->projector);
    free(subscriber->ask);
    subscriber->ask = NULL;
    subscriber->session = 0;
    subscribers->n_open--;
}

Subscriber *subscribers_find(Subscribers *subscribers, uint64_t session, zframe_t *route) {
    size_t slot = session & ((1 << SLOT_BITS) - 1);
    if (session == 0 || slot >= subscribers->n_used)
        return NULL;
    Subscriber *one = &subscribers->slots[slot];
    return one->session == session && zframe_eq(one->route, route) ? one : NULL;
}

size_t subscribers_count(const Subscribers *subscribers) {
    return subscribers->n_open;
}

Subscriber *subscribers_next(Subscribers *subscribers, size_t *at) {
    while (*at < subscribers->n_used) {
        Subscriber *one = &subscribers->slots[(*at)++];
        if (one->session)
            return one;
    }
    return NULL;
}
