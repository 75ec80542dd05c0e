// SPDX-License-Identifier: Apache-2.0
//
// The queue holds records of the feed, of which each has a position of its own, or one chunk of a snapshot, which has
// none to go by: it is acknowledged as a whole.
#include "agents/library/kept.h"

#include "agents/library/library.h"
#include "agents/place_file.h"
#include "agents/record_body.h"
#include "agents/snapshot_place.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/domain.h"

#include <inttypes.h>
#include <stdlib.h>

#define LENGTH_BYTES 4
#define POSITION_BYTES 8
#define EPOCH_BYTES 4
#define POSITION_AT (2 * LENGTH_BYTES)
#define EPOCH_AT (POSITION_AT + POSITION_BYTES)
// An item: lengths of a record (0: a snapshot is complete) and of its proof of origin, position and epoch, the two.
#define HEAD_BYTES (EPOCH_AT + EPOCH_BYTES)

struct Kept {
    Sink sink; // first
    PlaceFile *file;
    SinkPlace place, boundary; // stored; behind the whole queue
    SinkSnapshot snapshot;     // that was begun, as stored; mark 0: none
    bool has_place;
    Bytes queue;
    const RecordOrigin *origin; // of the next record to be queued
    size_t at;                  // the next item to give out
    uint64_t queued, given;     // positions: of the last record in the queue, the greatest given out
    uint64_t acknowledged;
    uint32_t epoch;              // of which `given` and `acknowledged` are positions
    uint64_t given_before;       // the greatest given out in an epoch before that
    size_t told;                 // of the queue: before it the items' epoch is known
    int64_t mark;                // the queue is of this snapshot; 0: of the feed
    uint32_t mark_epoch;         // ... which begins in this epoch
    size_t acknowledged_bytes;   // of the queue, then
    bool whole, whole_stored;    // all of a chunk is here, and all was acknowledged
    SinkSnapshot snapshot_after; // with `boundary`, what is stored then
};

static Kept *owner(Sink *sink) {
    return (Kept *)sink;
}

static int store(Kept *k, const SinkPlace *place, const SinkSnapshot *snapshot) {
    char more[PLACE_MORE_BYTES];
    snapshot_place_print(snapshot, more, sizeof more);
    int r = place_file_write(k->file, place, more);
    if (r < 0)
        return r;
    k->place = *place;
    k->snapshot = *snapshot;
    k->has_place = true;
    return 0;
}

void kept_forget(Kept *k) {
    bytes_clear(&k->queue);
    k->at = k->told = k->acknowledged_bytes = 0;
    k->mark = 0;
    k->whole = k->whole_stored = false;
    k->queued = k->place.position;
    k->boundary = k->place;
}

bool kept_owes(const Kept *k) {
    if (k->mark)
        return k->acknowledged_bytes < k->queue.n;
    return k->queue.n && k->acknowledged < k->queued;
}

// ---- the feed -------------------------------------------------------------------------------------------------------

static int kept_begin(Sink *sink, SinkPlace *ret) {
    Kept *k = owner(sink);
    kept_forget(k);
    *ret = k->place;
    return k->has_place && k->place.position ? 0 : 1;
}

static int kept_grant(Sink *sink, char *const *fields, size_t n) {
    return 0; // a record names its own fields
}

static void kept_prove(Sink *sink, const RecordOrigin *origin) {
    owner(sink)->origin = origin;
}

static void item_begin(Kept *k, size_t n, size_t origin_n, uint64_t position) {
    bytes_append_u32(&k->queue, (uint32_t)n);
    bytes_append_u32(&k->queue, (uint32_t)origin_n);
    bytes_append_u64(&k->queue, position);
    bytes_append_u32(&k->queue, k->mark ? k->mark_epoch : k->epoch);
    k->queued = position;
}

static int kept_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Kept *k = owner(sink);
    const RecordOrigin *origin = k->origin;
    k->origin = NULL;
    RecordBody body = record_body_begin(record);
    int r = body.descriptor && change_name((int)record->change) ? 0 : 2;
    while (r == 0)
        r = record_body_next(&body);
    if (r == 2)
        return 1;
    item_begin(k, dongbo__feed_record__get_packed_size(record), origin ? origin->proof.len + 1 : 0, record->position);
    bytes_append_message(&k->queue, &record->base);
    if (origin) {
        bytes_append_u8(&k->queue, origin->has_event);
        bytes_append(&k->queue, origin->proof.data, origin->proof.len);
    }
    return k->queue.failed ? error_fail(ERROR_MEMORY, "no memory for records") : 0;
}

static size_t item_bytes(const KeptItem *item) {
    return HEAD_BYTES + item->n + item->origin_n;
}

static KeptItem item_read(const Kept *k, size_t at) {
    const uint8_t *head = k->queue.data + at;
    size_t n = (size_t)bytes_get_number(head, LENGTH_BYTES);
    return (KeptItem){.record = n ? head + HEAD_BYTES : NULL,
                      .n = n,
                      .origin = head + HEAD_BYTES + n,
                      .origin_n = (size_t)bytes_get_number(head + LENGTH_BYTES, LENGTH_BYTES),
                      .position = bytes_get_number(head + POSITION_AT, POSITION_BYTES),
                      .epoch = (uint32_t)bytes_get_number(head + EPOCH_AT, EPOCH_BYTES),
                      .snapshot = k->mark};
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// A log that was set back gives positions out anew: of those that were given out and acknowledged, the ones behind the
// boundary may be others now. What is in the queue behind it is as it is in the log of this epoch.
static void epoch_take(Kept *k, uint32_t epoch) {
    if (epoch > k->epoch) {
        k->epoch = epoch;
        k->given_before = k->given > k->given_before ? k->given : k->given_before;
        k->given = least(k->given, k->boundary.position);
        k->acknowledged = least(k->acknowledged, k->boundary.position);
    }
    for (; k->told < k->queue.n; k->told += HEAD_BYTES) {
        KeptItem item = item_read(k, k->told);
        bytes_put_number(k->queue.data + k->told + EPOCH_AT, EPOCH_BYTES, k->epoch);
        k->told += item.n + item.origin_n;
    }
}

// Not before the caller has acknowledged everything.
static int kept_commit(Sink *sink, const SinkPlace *place) {
    Kept *k = owner(sink);
    epoch_take(k, place->epoch);
    k->boundary = *place;
    if (kept_owes(k))
        return 1;
    bool stored = k->has_place && k->place.position == place->position && k->place.epoch == place->epoch &&
                  k->place.policy_version == place->policy_version;
    int r = stored ? 0 : store(k, place, &(SinkSnapshot){0});
    if (r < 0)
        return r;
    bytes_clear(&k->queue);
    k->at = k->told = 0;
    return 0;
}

// ---- a snapshot -----------------------------------------------------------------------------------------------------

static int snapshot_find(Sink *sink, SinkSnapshot *ret) {
    *ret = owner(sink)->snapshot;
    return ret->mark ? 0 : 1;
}

static int snapshot_begin(Sink *sink, const SinkSnapshot *snapshot) {
    kept_forget(owner(sink));
    owner(sink)->mark = snapshot->mark;
    owner(sink)->mark_epoch = snapshot->first.epoch;
    return 0;
}

static int whole_store(Kept *k) {
    int r = store(k, &k->boundary, &k->snapshot_after);
    if (r < 0)
        return r;
    k->whole_stored = true;
    if (!k->snapshot.mark) { // the feed goes on there, also where that is before what was given out
        k->acknowledged = k->given = k->place.position;
        k->epoch = k->place.epoch;
    }
    return 0;
}

static int whole_take(Kept *k) {
    int r = k->whole_stored || kept_owes(k) ? 0 : whole_store(k);
    if (r < 0)
        return r;
    if (!k->whole_stored)
        return 1;
    int64_t mark = k->snapshot.mark;
    kept_forget(k);
    k->mark = mark;
    return 0;
}

static int snapshot_commit(Sink *sink, const SinkSnapshot *snapshot, SinkTally *tally) {
    Kept *k = owner(sink);
    k->whole = true;
    k->boundary = k->place;
    k->snapshot_after = *snapshot;
    return whole_take(k);
}

static int snapshot_end(Sink *sink, const SinkSnapshot *snapshot, const SinkPlace *place, SinkTally *tally) {
    Kept *k = owner(sink);
    if (!k->whole)
        item_begin(k, 0, 0, place->position);
    if (k->queue.failed)
        return error_fail(ERROR_MEMORY, "no memory for records");
    k->whole = true;
    k->boundary = *place;
    k->snapshot_after = (SinkSnapshot){0};
    return whole_take(k);
}

// ---- the caller's side ----------------------------------------------------------------------------------------------

int kept_next(Kept *k, KeptItem *ret) {
    while (k->at < k->queue.n) {
        *ret = item_read(k, k->at);
        if (k->mark || ret->position > k->acknowledged)
            return 0;
        k->at += item_bytes(ret); // it came again
    }
    return 1;
}

void kept_gave(Kept *k) {
    KeptItem item;
    if (kept_next(k, &item) != 0)
        return;
    k->at += item_bytes(&item);
    if (!k->mark && item.position > k->given)
        k->given = item.position;
}

int kept_acknowledge(Kept *k, uint64_t position) {
    if (k->mark)
        return error_fail(ERROR_CONFIG, "a snapshot comes, whose records have no order: acknowledge all of what was "
                                        "given out (dongbo_subscriber_acknowledge_all)");
    if (position > k->given && position <= k->given_before)
        return 1; // of what may be forgotten over there; what is not comes again
    if (position > k->given)
        return error_fail(ERROR_CONFIG, "position %" PRIu64 " was not given out", position);
    if (position > k->acknowledged)
        k->acknowledged = position;
    if (kept_owes(k))
        return 1;
    return k->queue.n ? store(k, &k->boundary, &(SinkSnapshot){0}) : 0;
}

int kept_acknowledge_all(Kept *k) {
    if (!k->mark)
        return kept_acknowledge(k, k->given);
    k->acknowledged_bytes = k->at;
    if (kept_owes(k) || !k->whole)
        return 1;
    return k->whole_stored ? 0 : whole_store(k);
}

uint64_t kept_acknowledged(const Kept *k) {
    return k->acknowledged;
}

uint64_t kept_stored(const Kept *k) {
    return k->place.position;
}

int kept_accept_rights(Kept *k, uint32_t version) {
    SinkPlace place = k->place;
    place.policy_version = version;
    return version && k->has_place ? store(k, &place, &k->snapshot) : 0;
}

// ---- opening --------------------------------------------------------------------------------------------------------

static void sink_end(Sink *sink) {} // it is the subscriber's own

static const SinkSnapshots SNAPSHOTS = {
    .find = snapshot_find, .begin = snapshot_begin, .commit = snapshot_commit, .end = snapshot_end};

static int keep_head(Sink *sink, const char *line, size_t n) {
    return place_file_keep_head(owner(sink)->file, line, n);
}

static int kept_head(Sink *sink, Bytes *ret) {
    return place_file_kept_head(owner(sink)->file, ret);
}

static const SinkKind KEPT = {.begin = kept_begin,
                              .grant = kept_grant,
                              .write = kept_write,
                              .prove = kept_prove,
                              .commit = kept_commit,
                              .destroy = sink_end,
                              .snapshots = &SNAPSHOTS,
                              .keep_head = keep_head,
                              .kept_head = kept_head};

static int state_open(Kept *k, const char *state) {
    char more[PLACE_MORE_BYTES];
    int r = library_need(state, "state");
    if (r == 0)
        r = place_file_new(&k->file, state);
    if (r == 0)
        r = place_file_lock(k->file);
    if (r == 1)
        return error_fail(ERROR_CONFIG, "%s: another receiver works with it", state);
    if (r == 0)
        r = place_file_read(k->file, &k->place, more);
    if (r == 2 || (r == 0 && snapshot_place_read(more, &k->snapshot) != 0))
        return place_file_damaged(k->file);
    k->has_place = r == 0;
    k->acknowledged = k->given = k->place.position;
    k->epoch = k->place.epoch;
    return r < 0 ? r : 0;
}

int kept_new(Kept **ret, const char *state) {
    Kept *k = calloc(1, sizeof *k);
    if (!k)
        return error_fail(ERROR_MEMORY, "no memory for a subscriber");
    k->sink.kind = &KEPT;
    int r = state_open(k, state);
    if (r < 0)
        kept_destroy(&k);
    *ret = k;
    return r;
}

void kept_destroy(Kept **kept) {
    Kept *k = *kept;
    if (!k)
        return;
    place_file_destroy(&k->file);
    bytes_free(&k->queue);
    free(k);
    *kept = NULL;
}

Sink *kept_sink(Kept *k) {
    return &k->sink;
}

bool kept_is_new(const Kept *k) {
    return !k->has_place;
}
