// SPDX-License-Identifier: Apache-2.0
//
// Two generations of open addressing. When the newer is full, the older is dropped and with it all knowledge of the
// positions that it held.
#include "broker/touched.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct Slot {
    uint64_t thing; // 0: free
    uint64_t position;
} Slot;

typedef struct Generation {
    Slot *slots;
    size_t n;
    uint64_t newest;
} Generation;

struct Touched {
    size_t n_max, mask;
    uint64_t floor, covered;
    Generation generations[2];
    int current;
};

int touched_new(Touched **ret, size_t n_max) {
    Touched *touched = calloc(1, sizeof *touched);
    if (touched == NULL)
        return error_fail(ERROR_MEMORY, "no memory for what was touched");
    size_t size = 16;
    while (size < 2 * n_max)
        size *= 2;
    touched->n_max = n_max;
    touched->mask = size - 1;
    for (int i = 0; i < 2; i++) {
        touched->generations[i].slots = calloc(size, sizeof(Slot));
        if (touched->generations[i].slots == NULL) {
            touched_destroy(&touched);
            return error_fail(ERROR_MEMORY, "no memory for what was touched");
        }
    }
    *ret = touched;
    return 0;
}

void touched_destroy(Touched **pointer) {
    Touched *touched = *pointer;
    if (touched == NULL)
        return;
    free(touched->generations[0].slots);
    free(touched->generations[1].slots);
    free(touched);
    *pointer = NULL;
}

static void generation_clear(const Touched *touched, Generation *generation) {
    memset(generation->slots, 0, (touched->mask + 1) * sizeof(Slot));
    generation->n = 0;
    generation->newest = 0;
}

void touched_restart(Touched *touched, uint64_t position) {
    generation_clear(touched, &touched->generations[0]);
    generation_clear(touched, &touched->generations[1]);
    touched->floor = touched->covered = position;
}

static Slot *find(const Touched *touched, const Generation *generation, uint64_t thing) {
    size_t at = thing & touched->mask;
    while (generation->slots[at].thing != 0 && generation->slots[at].thing != thing)
        at = (at + 1) & touched->mask;
    return &generation->slots[at];
}

static void rotate(Touched *touched) {
    touched->current = 1 - touched->current;
    Generation *oldest = &touched->generations[touched->current];
    if (oldest->newest > touched->floor)
        touched->floor = oldest->newest;
    generation_clear(touched, oldest);
}

void touched_add(Touched *touched, uint64_t thing, uint64_t position) {
    assert(thing != 0);
    Generation *generation = &touched->generations[touched->current];
    Slot *slot = find(touched, generation, thing);
    if (slot->thing == 0) {
        if (generation->n == touched->n_max) {
            rotate(touched);
            generation = &touched->generations[touched->current];
            slot = find(touched, generation, thing);
        }
        generation->n++;
        slot->thing = thing;
    }
    if (position > slot->position)
        slot->position = position;
    if (position > generation->newest)
        generation->newest = position;
}

void touched_cover(Touched *touched, uint64_t position) {
    if (position > touched->covered)
        touched->covered = position;
}

uint64_t touched_covered(const Touched *touched) {
    return touched->covered;
}

uint64_t touched_last(const Touched *touched, uint64_t thing) {
    uint64_t a = find(touched, &touched->generations[0], thing)->position;
    uint64_t b = find(touched, &touched->generations[1], thing)->position;
    return a > b ? a : b;
}

bool touched_forgot(const Touched *touched, uint64_t position) {
    return position < touched->floor;
}

bool touched_since(const Touched *touched, uint64_t thing, uint64_t position) {
    if (touched_forgot(touched, position))
        return true;
    return touched_last(touched, thing) > position;
}
