// SPDX-License-Identifier: Apache-2.0
//
// One entry for each record, its packed bytes replaced when it changes; each stands in a chain of its person and domain
// and in one of its key. Forgets nothing, and so takes memory for every record: some 250 bytes.
#include "operators/holdings.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024

typedef struct Entry {
    struct Entry *next[2]; // of the person's chain, and of the key's
    uint64_t hash[2];
    int64_t person, position;
    int domain;
    uint8_t *record;
    size_t n;
    char record_key[];
} Entry;

struct Holdings {
    Entry **slots[2];
    size_t n_slots, n; // a power of two; entries
    int64_t position;
};

void holdings_destroy(Holdings **pointer) {
    Holdings *holdings = *pointer;
    if (!holdings)
        return;
    for (size_t i = 0; holdings->slots[0] && i < holdings->n_slots; i++) {
        for (Entry *entry = holdings->slots[0][i]; entry;) {
            Entry *next = entry->next[0];
            free(entry->record);
            free(entry);
            entry = next;
        }
    }
    free(holdings->slots[0]);
    free(holdings->slots[1]);
    free(holdings);
    *pointer = NULL;
}

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for the records of the events' file");
}

static void insert(Entry **slots, size_t n_slots, int chain, Entry *entry) {
    Entry **slot = &slots[entry->hash[chain] & (n_slots - 1)];
    entry->next[chain] = *slot;
    *slot = entry;
}

// Both tables at twice the size, or as they are at first.
static int grow(Holdings *holdings) {
    size_t n_slots = holdings->n_slots ? 2 * holdings->n_slots : SLOTS_MIN;
    Entry **slots[2] = {calloc(n_slots, sizeof(Entry *)), calloc(n_slots, sizeof(Entry *))};
    if (!slots[0] || !slots[1]) {
        free(slots[0]);
        free(slots[1]);
        return no_memory();
    }
    for (size_t i = 0; i < holdings->n_slots; i++) {
        for (Entry *entry = holdings->slots[0][i], *next; entry; entry = next) {
            next = entry->next[0];
            insert(slots[0], n_slots, 0, entry);
            insert(slots[1], n_slots, 1, entry);
        }
    }
    for (int chain = 0; chain < 2; chain++) {
        free(holdings->slots[chain]);
        holdings->slots[chain] = slots[chain];
    }
    holdings->n_slots = n_slots;
    return 0;
}

int holdings_new(Holdings **ret) {
    Holdings *holdings = calloc(1, sizeof *holdings);
    if (!holdings)
        return no_memory();
    int r = grow(holdings);
    if (r < 0) {
        holdings_destroy(&holdings);
        return r;
    }
    *ret = holdings;
    return 0;
}

static int fill(const Holdings *holdings, Neighbourhood *hood, Arena *arena) {
    int chain = hood->of.person == 0;
    neighbourhood_clear(hood);
    hood->wanted = false;
    int r = 0;
    for (const Entry *entry = holdings->slots[chain][hood->hash & (holdings->n_slots - 1)]; r == 0 && entry;
         entry = entry->next[chain]) {
        bool same = chain ? strcmp(entry->record_key, hood->of.record_key) == 0 : entry->person == hood->of.person;
        NeighbourVersion version = {.name = {entry->person, entry->record_key},
                                    .position = entry->position,
                                    .record = entry->record,
                                    .n = entry->n};
        if (same && entry->domain == hood->domain)
            r = neighbourhood_add(hood, arena, &version);
    }
    return r;
}

int holdings_look_up(const Holdings *holdings, Work *work) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < work->n_hoods; i++)
        if (work->hoods[i]->wanted)
            r = fill(holdings, work->hoods[i], work->arena);
    for (size_t i = 0; r == 0 && i < work->n_items; i++) {
        Item *item = &work->items[i];
        const Neighbour *own =
            item->hood ? neighbourhood_find(item->hood, (NeighbourName){item->person->key, item->record_key}) : NULL;
        if (!own)
            continue;
        item->read = dongbo__record__unpack(arena_protobuf(work->arena), own->stored.len, own->stored.data);
        r = item->read ? 0 : no_memory();
    }
    return r;
}

static Entry *find(const Holdings *holdings, uint64_t hash, const Item *item) {
    Entry *entry = holdings->slots[0][hash & (holdings->n_slots - 1)];
    while (entry && (entry->person != item->person->key || entry->domain != item->domain ||
                     strcmp(entry->record_key, item->record_key) != 0))
        entry = entry->next[0];
    return entry;
}

static Entry *add(Holdings *holdings, const Item *item) {
    size_t key_n = strlen(item->record_key) + 1;
    if (holdings->n >= holdings->n_slots && grow(holdings) < 0)
        return NULL;
    Entry *entry = calloc(1, sizeof *entry + key_n);
    if (!entry)
        return NULL;
    entry->person = item->person->key;
    entry->domain = item->domain;
    memcpy(entry->record_key, item->record_key, key_n);
    entry->hash[0] = neighbourhood_hash((NeighbourName){entry->person, ""}, entry->domain);
    entry->hash[1] = neighbourhood_hash((NeighbourName){0, entry->record_key}, entry->domain);
    insert(holdings->slots[0], holdings->n_slots, 0, entry);
    insert(holdings->slots[1], holdings->n_slots, 1, entry);
    holdings->n++;
    return entry;
}

static int keep(Holdings *holdings, const Item *item) {
    Entry *entry = find(holdings, item->hood->hash, item);
    if (!entry)
        entry = add(holdings, item);
    size_t n = dongbo__record__get_packed_size(item->merged.record);
    uint8_t *record = entry ? realloc(entry->record, n + 1) : NULL;
    if (!record)
        return no_memory();
    entry->record = record;
    entry->n = dongbo__record__pack(item->merged.record, record);
    entry->position = ++holdings->position;
    return 0;
}

int holdings_keep(Holdings *holdings, const Work *work) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < work->n_items; i++) {
        const Item *item = &work->items[i];
        if (item->hood && item->merged.store && !item->merged.superseded)
            r = keep(holdings, item);
    }
    return r;
}
