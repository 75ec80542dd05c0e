// SPDX-License-Identifier: Apache-2.0
//
// The current records that an event's own is judged beside: one person's in one domain, or all persons' of one key, as
// they stand in the store and as earlier events of the batch have left them. Decoded only when asked for. Bounded: more
// are too many to judge by, and it says so. Pure; all of it lives in the batch's arena.
#pragma once

#include "proto/base/arena.h"
#include "store.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEIGHBOURS_MAX 200
#define NEIGHBOUR_VERSIONS_MAX 400 // of all of them, that are read to find the current ones
#define NEIGHBOUR_BYTES_MAX (64 * 1024)

// Where records are found by their key alone; the exchange keeps an index for it (schemas/exchange/0009).
#define NEIGHBOURHOOD_KEY_DOMAIN DONGBO__DOMAIN__ELECTRICITY

typedef struct NeighbourName {
    int64_t person;
    const char *record_key;
} NeighbourName;

typedef struct Neighbour {
    NeighbourName name;
    int64_t position;                    // of the version in the store
    ProtobufCBinaryData stored;          // that version's Record, packed; no data where there is none
    const ProtobufCMessage *stored_body; // NULL: it was not decoded yet, or holds no more, or does not decode
    bool decoded;
    bool moved;                       // by an earlier event of the batch
    const ProtobufCMessage *moved_to; // NULL: it holds no more
} Neighbour;

typedef struct Neighbourhood {
    NeighbourName of; // a person and "", or no person (0) and a key
    int domain;
    uint64_t hash;
    int64_t position; // of the log, as of which it was read
    Neighbour *list;
    size_t n, n_stored, room;
    size_t items;             // of the batch, that are judged beside it
    bool wanted;              // it is to be looked up
    bool too_many;            // in the store
    bool too_many_moved;      // with what the batch adds
    size_t versions, bytes_n; // that were read
} Neighbourhood;

typedef struct NeighbourVersion {
    NeighbourName name;
    int64_t position;
    const uint8_t *record; // Record, packed
    size_t n;
} NeighbourVersion;

// 64 bits that stand for it in sets of touched ones; never 0.
uint64_t neighbourhood_hash(NeighbourName of, int domain);
// Nothing is known of it, and it is about to be looked up.
void neighbourhood_clear(Neighbourhood *hood);
// A version in the store, copied; of several of one record the one with the greatest position stays. What the batch
// made of them is forgotten. ERROR_MEMORY.
int neighbourhood_add(Neighbourhood *hood, Arena *arena, const NeighbourVersion *version);
// The batch is about to be decided, from its beginning.
void neighbourhood_begin(Neighbourhood *hood);
// An event of the batch leaves this record so; NULL: it holds no more. Both are kept as pointers. ERROR_MEMORY.
int neighbourhood_move(Neighbourhood *hood, Arena *arena, NeighbourName name, const ProtobufCMessage *body);
bool neighbourhood_too_many(const Neighbourhood *hood);
const Neighbour *neighbourhood_find(const Neighbourhood *hood, NeighbourName name);
// The n-th record's body as it stands now; NULL where it holds no more, or does not decode. ERROR_MEMORY.
int neighbourhood_body(Neighbourhood *hood, size_t n, Arena *arena, const ProtobufCMessage **ret);
