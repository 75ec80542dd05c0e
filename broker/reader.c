// SPDX-License-Identifier: Apache-2.0
//
// The slots are a plain array, searched in full: there are few, and a search is nothing beside decoding a segment.
#include "broker/reader.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 32                           // four readings ahead
#define SLOT_BYTES_MAX (64u * 1024 * 1024) // as segment_decode_payload() bounds it
#define SLOT_BYTES_KEPT (2u * 1024 * 1024) // a slot that once held more gives its memory back

typedef struct Slot {
    ReaderSegment segment; // last = 0: empty
    Arena *arena;
    uint64_t used;
} Slot;

struct Reader {
    FeedStore *store;
    uint64_t uses;
    Slot slots[SLOTS];
};

int reader_new(Reader **ret, FeedStore *store) {
    *ret = calloc(1, sizeof(Reader));
    if (!*ret)
        return error_fail(ERROR_MEMORY, "no memory for the feed");
    (*ret)->store = store;
    return 0;
}

void reader_destroy(Reader **reader) {
    if (!*reader)
        return;
    for (int i = 0; i < SLOTS; i++)
        arena_destroy(&(*reader)->slots[i].arena);
    free(*reader);
    *reader = NULL;
}

void reader_forget(Reader *reader) {
    for (int i = 0; i < SLOTS; i++)
        reader->slots[i].segment.last = 0;
}

static Slot *find(Reader *reader, uint64_t position) {
    for (int i = 0; i < SLOTS; i++) {
        Slot *slot = &reader->slots[i];
        if (slot->segment.last && slot->segment.first <= position && position <= slot->segment.last)
            return slot;
    }
    return NULL;
}

static Slot *oldest(Reader *reader) {
    Slot *ret = &reader->slots[0];
    for (int i = 0; i < SLOTS; i++) {
        if (reader->slots[i].segment.last == 0)
            return &reader->slots[i];
        if (reader->slots[i].used < ret->used)
            ret = &reader->slots[i];
    }
    return ret;
}

static int arena_ready(Slot *slot) {
    if (slot->arena && arena_used(slot->arena) > SLOT_BYTES_KEPT)
        arena_destroy(&slot->arena);
    if (!slot->arena)
        return arena_new(&slot->arena, SLOT_BYTES_MAX);
    arena_reset(slot->arena);
    return 0;
}

// What is being erased is as if it had been: before its content goes nobody is sent it any more.
static int blank(const PGresult *result, int row, const ReaderSegment *segment) {
    PgElement *erased = NULL;
    int n = segment->entries ? feed_store_row_erased(result, row, &erased) : 0;
    for (int i = 0; i < n; i++)
        dongbo__entry__init(segment->entries[(uint64_t)pg_element_int(erased[i]) - segment->first]);
    free(erased);
    return n < 0 ? n : 0;
}

static int fill(Reader *reader, const PGresult *result, int at, const SegmentRow *row) {
    Slot *slot = oldest(reader);
    slot->segment.last = 0;
    int r = arena_ready(slot);
    if (r < 0)
        return r;
    ReaderSegment segment = {.first = row->first,
                             .last = row->last,
                             .epoch = row->epoch,
                             .stored_day = policy_day(row->stored_at_us),
                             .policy_stamp = row->policy_stamp,
                             .readable = row->hash != NULL};
    if (row->hash)
        memcpy(segment.hash, row->hash, HASH_BYTES);
    if (row->payload) {
        Dongbo__SegmentPayload *payload;
        r = segment_decode_payload(row->payload, row->payload_n, row->format, slot->arena, &payload);
        if (r < 0)
            return r;
        segment.readable &= r == 0 && payload->n_entries == row->last - row->first + 1;
        if (segment.readable)
            segment.entries = payload->entries;
    }
    r = blank(result, at, &segment);
    if (r < 0)
        return r;
    slot->segment = segment;
    slot->used = ++reader->uses;
    return 0;
}

// Of the rows read for `position`: 0 the first holds it or a later one does; otherwise as reader_get().
static int judge(const PGresult *result, uint64_t position) {
    for (int row = 0; row < PQntuples(result); row++) {
        SegmentRow segment;
        feed_store_row(result, row, &segment);
        if (segment.last >= position)
            return segment.first <= position ? 0 : 2;
    }
    return 1;
}

static int load(Reader *reader, uint64_t position) {
    PGresult *result;
    int r = feed_store_segments(reader->store, position, &result);
    if (r < 0)
        return r;
    r = judge(result, position);
    for (int row = 0; r == 0 && row < PQntuples(result); row++) {
        SegmentRow segment;
        feed_store_row(result, row, &segment);
        if (segment.last >= position && !find(reader, segment.first))
            r = fill(reader, result, row, &segment);
    }
    PQclear(result);
    return r;
}

int reader_get(Reader *reader, uint64_t position, const ReaderSegment **ret) {
    Slot *slot = find(reader, position);
    if (!slot) {
        int r = load(reader, position);
        if (r != 0)
            return r;
        slot = find(reader, position);
    }
    slot->used = ++reader->uses;
    *ret = &slot->segment;
    return 0;
}
