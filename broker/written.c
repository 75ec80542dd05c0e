// SPDX-License-Identifier: Apache-2.0
//
// Two generations, each of open addressing over bytes in one piece. When the newer is full the older is dropped. A
// record that collides with another one's hash takes its place: that costs a look-up later, and nothing else.
#include "broker/written.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct Slot {
    uint64_t hash; // 0: free
    uint64_t position;
    int64_t person;
    int domain;
    uint32_t key_n, record_n;
    size_t at; // of the key; the record stands behind it
} Slot;

typedef struct Generation {
    Slot *slots;
    uint8_t *bytes;
    size_t n, bytes_n;
} Generation;

struct Written {
    size_t n_max, bytes_max, mask;
    Generation generations[2];
    int current;
};

int written_new(Written **ret, size_t n_max, size_t bytes_max) {
    Written *written = calloc(1, sizeof *written);
    if (written == NULL)
        return error_fail(ERROR_MEMORY, "no memory for what was written");
    size_t size = 16;
    while (size < 2 * n_max)
        size *= 2;
    written->n_max = n_max;
    written->bytes_max = bytes_max;
    written->mask = size - 1;
    for (int i = 0; i < 2; i++) {
        written->generations[i].slots = malloc(size * sizeof(Slot));
        written->generations[i].bytes = malloc(bytes_max);
        if (written->generations[i].slots == NULL || written->generations[i].bytes == NULL) {
            written_destroy(&written);
            return error_fail(ERROR_MEMORY, "no memory for what was written");
        }
        // Taken now, so that the broker is as large at first as it will ever be.
        memset(written->generations[i].slots, 0, size * sizeof(Slot));
        memset(written->generations[i].bytes, 0, bytes_max);
    }
    *ret = written;
    return 0;
}

void written_destroy(Written **pointer) {
    Written *written = *pointer;
    if (written == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        free(written->generations[i].slots);
        free(written->generations[i].bytes);
    }
    free(written);
    *pointer = NULL;
}

static void generation_clear(const Written *written, Generation *generation) {
    if (generation->n > 0)
        memset(generation->slots, 0, (written->mask + 1) * sizeof(Slot));
    generation->n = generation->bytes_n = 0;
}

void written_clear(Written *written) {
    generation_clear(written, &written->generations[0]);
    generation_clear(written, &written->generations[1]);
}

static Slot *find(const Written *written, const Generation *generation, uint64_t hash) {
    size_t at = hash & written->mask;
    while (generation->slots[at].hash != 0 && generation->slots[at].hash != hash)
        at = (at + 1) & written->mask;
    return &generation->slots[at];
}

void written_add(Written *written, const WrittenKey *key, const uint8_t *record, size_t n) {
    assert(key->hash != 0);
    size_t key_n = strlen(key->record_key);
    if (key_n + n > written->bytes_max)
        return;
    Generation *generation = &written->generations[written->current];
    if (generation->n == written->n_max || generation->bytes_n + key_n + n > written->bytes_max) {
        written->current = 1 - written->current;
        generation = &written->generations[written->current];
        generation_clear(written, generation);
    }
    Slot *slot = find(written, generation, key->hash);
    if (slot->hash == 0)
        generation->n++;
    *slot = (Slot){.hash = key->hash,
                   .position = key->position,
                   .person = key->person,
                   .domain = key->domain,
                   .key_n = (uint32_t)key_n,
                   .record_n = (uint32_t)n,
                   .at = generation->bytes_n};
    memcpy(generation->bytes + generation->bytes_n, key->record_key, key_n);
    memcpy(generation->bytes + generation->bytes_n + key_n, record, n);
    generation->bytes_n += key_n + n;
}

static bool is_of(const Generation *generation, const Slot *slot, const WrittenKey *key) {
    return slot->hash == key->hash && slot->position == key->position && slot->person == key->person &&
           slot->domain == key->domain && slot->key_n == strlen(key->record_key) &&
           memcmp(generation->bytes + slot->at, key->record_key, slot->key_n) == 0;
}

const uint8_t *written_find(const Written *written, const WrittenKey *key, size_t *ret_n) {
    for (int i = 0; i < 2; i++) {
        const Generation *generation = &written->generations[i];
        const Slot *slot = find(written, generation, key->hash);
        if (is_of(generation, slot, key)) {
            *ret_n = slot->record_n;
            return generation->bytes + slot->at + slot->key_n;
        }
    }
    return NULL;
}
