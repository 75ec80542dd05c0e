// SPDX-License-Identifier: Apache-2.0
//
// A table with open addressing. Streams name themselves, so where one stands is mixed with a secret of this program's
// run: nobody can make many of them stand in one place.
#include "broker/audit_streams.h"

#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN ((size_t)1024)

typedef struct Slot {
    uint8_t stream[STREAM_BYTES];
    uint64_t last; // 0: free
} Slot;

struct AuditStreams {
    Slot *slots;
    size_t n, size; // size: a power of two
    uint64_t secret[2];
};

int audit_streams_new(AuditStreams **ret) {
    AuditStreams *streams = calloc(1, sizeof *streams);
    if (streams == NULL || (streams->slots = calloc(SLOTS_MIN, sizeof *streams->slots)) == NULL) {
        free(streams);
        return error_fail(ERROR_MEMORY, "no memory for streams");
    }
    streams->size = SLOTS_MIN;
    int r = clock_random(clock_system(), (uint8_t *)streams->secret, sizeof streams->secret);
    if (r < 0) {
        audit_streams_destroy(&streams);
        return r;
    }
    *ret = streams;
    return 0;
}

void audit_streams_destroy(AuditStreams **streams) {
    if (*streams == NULL)
        return;
    free((*streams)->slots);
    free(*streams);
    *streams = NULL;
}

size_t audit_streams_count(const AuditStreams *streams) {
    return streams->n;
}

static Slot *slot_of(const AuditStreams *streams, const uint8_t stream[STREAM_BYTES]) {
    uint64_t halves[2];
    memcpy(halves, stream, sizeof halves);
    uint64_t mixed = (halves[0] ^ streams->secret[0]) * ((halves[1] ^ streams->secret[1]) | 1);
    size_t at = (size_t)(mixed ^ mixed >> 29 ^ mixed >> 47) & (streams->size - 1);
    while (streams->slots[at].last != 0 && memcmp(streams->slots[at].stream, stream, STREAM_BYTES) != 0)
        at = (at + 1) & (streams->size - 1);
    return &streams->slots[at];
}

static int grow(AuditStreams *streams) {
    AuditStreams larger = {.size = 2 * streams->size, .secret = {streams->secret[0], streams->secret[1]}};
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (larger.slots == NULL)
        return error_fail(ERROR_MEMORY, "no memory for streams");
    for (size_t i = 0; i < streams->size; i++)
        if (streams->slots[i].last != 0)
            *slot_of(&larger, streams->slots[i].stream) = streams->slots[i];
    free(streams->slots);
    streams->slots = larger.slots;
    streams->size = larger.size;
    return 0;
}

int audit_streams_take(AuditStreams *streams, const AuditRange *range, bool whole, uint64_t *ret_should) {
    Slot *slot = slot_of(streams, range->stream);
    bool known = slot->last != 0;
    *ret_should = known ? slot->last + 1 : whole ? 1 : range->first;
    if (!known && streams->n == AUDIT_STREAMS_MAX)
        return 2;
    if (!known) {
        memcpy(slot->stream, range->stream, STREAM_BYTES);
        streams->n++;
    }
    slot->last = range->last;
    int r = streams->n > streams->size / 2 ? grow(streams) : 0;
    return r < 0 ? r : range->first != *ret_should;
}
