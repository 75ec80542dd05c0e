// SPDX-License-Identifier: Apache-2.0
//
// A list that is looked through: most persons have a handful of records in a domain, and none has more than the bound.
#include "broker/neighbourhood.h"

#include "broker/item.h"
#include "proto/base/error.h"
#include "proto/domain.h"

#include <string.h>

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "the batch's neighbouring records do not fit");
}

uint64_t neighbourhood_hash(NeighbourName of, int domain) {
    return record_hash(of.person, domain, of.record_key);
}

void neighbourhood_clear(Neighbourhood *hood) {
    hood->n = hood->n_stored = hood->versions = hood->bytes_n = 0;
    hood->too_many = hood->too_many_moved = false;
}

void neighbourhood_begin(Neighbourhood *hood) {
    hood->n = hood->n_stored;
    hood->too_many_moved = false;
    for (size_t i = 0; i < hood->n; i++)
        hood->list[i].moved = false;
}

bool neighbourhood_too_many(const Neighbourhood *hood) {
    return hood->too_many || hood->too_many_moved;
}

static Neighbour *find(const Neighbourhood *hood, NeighbourName name) {
    for (size_t i = 0; i < hood->n; i++) {
        Neighbour *neighbour = &hood->list[i];
        if (neighbour->name.person == name.person && strcmp(neighbour->name.record_key, name.record_key) == 0)
            return neighbour;
    }
    return NULL;
}

const Neighbour *neighbourhood_find(const Neighbourhood *hood, NeighbourName name) {
    return find(hood, name);
}

static Neighbour *append(Neighbourhood *hood, Arena *arena) {
    if (hood->n == hood->room) {
        size_t room = hood->room == 0 ? 4 : 2 * hood->room;
        Neighbour *list = arena_alloc(arena, room * sizeof *list);
        if (list == NULL)
            return NULL;
        if (hood->n > 0)
            memcpy(list, hood->list, hood->n * sizeof *list);
        hood->list = list;
        hood->room = room;
    }
    Neighbour *neighbour = &hood->list[hood->n++];
    *neighbour = (Neighbour){0};
    return neighbour;
}

int neighbourhood_add(Neighbourhood *hood, Arena *arena, const NeighbourVersion *version) {
    neighbourhood_begin(hood);
    if (hood->too_many)
        return 0;
    Neighbour *neighbour = find(hood, version->name);
    if (neighbour != NULL && neighbour->position >= version->position)
        return 0;
    if (neighbour == NULL) {
        if (hood->n == NEIGHBOURS_MAX) {
            hood->too_many = true;
            return 0;
        }
        char *key = arena_strndup(arena, version->name.record_key, strlen(version->name.record_key));
        neighbour = key == NULL ? NULL : append(hood, arena);
        if (neighbour == NULL)
            return no_memory();
        neighbour->name = (NeighbourName){version->name.person, key};
        hood->n_stored = hood->n;
    }
    uint8_t *record = arena_alloc(arena, version->n + 1);
    if (record == NULL)
        return no_memory();
    memcpy(record, version->record, version->n);
    neighbour->position = version->position;
    neighbour->stored = (ProtobufCBinaryData){.data = record, .len = version->n};
    neighbour->decoded = false;
    neighbour->stored_body = NULL;
    return 0;
}

int neighbourhood_move(Neighbourhood *hood, Arena *arena, NeighbourName name, const ProtobufCMessage *body) {
    Neighbour *neighbour = find(hood, name);
    if (neighbour == NULL && hood->n >= NEIGHBOURS_MAX) {
        hood->too_many_moved = true;
        return 0;
    }
    if (neighbour == NULL)
        neighbour = append(hood, arena);
    if (neighbour == NULL)
        return no_memory();
    neighbour->name = name;
    neighbour->moved = true;
    neighbour->moved_to = body;
    return 0;
}

static int decode(const Neighbourhood *hood, Neighbour *neighbour, Arena *arena) {
    ProtobufCAllocator *allocator = arena_protobuf(arena);
    const Dongbo__Record *record = dongbo__record__unpack(allocator, neighbour->stored.len, neighbour->stored.data);
    if (record != NULL && !record->retracted)
        neighbour->stored_body =
            protobuf_c_message_unpack(domain_descriptor(hood->domain), allocator, record->body.len, record->body.data);
    if (neighbour->stored_body == NULL && arena_failed(arena))
        return no_memory();
    neighbour->decoded = true;
    return 0;
}

int neighbourhood_body(Neighbourhood *hood, size_t n, Arena *arena, const ProtobufCMessage **ret) {
    Neighbour *neighbour = &hood->list[n];
    int result = neighbour->moved || neighbour->decoded ? 0 : decode(hood, neighbour, arena);
    *ret = neighbour->moved ? neighbour->moved_to : neighbour->stored_body;
    return result;
}
