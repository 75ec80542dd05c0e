// SPDX-License-Identifier: Apache-2.0
//
// A request waits as a few hundred bytes, and a session has one at most; the chunk that is being read or sent is the
// only one in memory. One that the socket does not take is thrown away and read again.
#include "broker/feed_snapshot.h"

#include "broker/feed_account.h"
#include "broker/feed_session.h"
#include "proto/base/error.h"
#include "proto/base/mistake.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKED_RETRY_MS 20
#define BEHIND_MS 5000 // a standby may lag so long as the population store, and nobody is told
#define BEHIND_RETRY_MS 100
#define CANNOT_READ "The exchange cannot read a snapshot now. Ask again with the last cursor, in a moment."

typedef struct SnapshotAsk {
    uint64_t ticket;   // of its turn
    int64_t behind_ms; // when the population store was first found behind the log; 0: it was not
    bool begins;
    SnapshotAsked asked;
    SnapshotPlace place;
} SnapshotAsk;

static void begin_again(FeedState *state, Subscriber *subscriber, const char *why) {
    char text[300];
    snprintf(text, sizeof text, "%s Begin the snapshot again, without a cursor.", why);
    feed_session_end(state, subscriber, DONGBO__ERROR__CODE__CURSOR_BAD, text);
}

// ---- asking --------------------------------------------------------------------------------------------------------

// Whether the log still has this place. 0; 1 when it has not; ERROR_DATABASE.
static int place_check(FeedState *state, const FeedPlace *place) {
    const ReaderSegment *segment;
    if (place->position < state->trimmed) // its segment has its hash still, and those behind it nothing to tell
        return 1;
    int r = reader_get(state->reader, place->position ? place->position : 1, &segment);
    if (r < 0)
        return r;
    if (place->position == 0)
        return r == 2 ? 1 : 0;
    return r == 0 && memcmp(segment->hash, place->hash, HASH_BYTES) == 0 ? 0 : 1;
}

// Fills the ask. 0; 1 not a request; 2 with why, when the cursor leads nowhere.
static int ask_read(FeedState *state, const Subscriber *subscriber, const Dongbo__SnapshotRequest *request,
                    SnapshotAsk *ask, const char **ret_why) {
    const Policy *policy = policy_set_find(state->policies, subscriber->subscription);
    if (request->buckets.len != 0 && request->buckets.len != BUCKETS_MAP_BYTES)
        return 1;
    ask->asked = (SnapshotAsked){
        .subscription = subscriber->subscription, .digests = request->digests, .of_buckets = request->buckets.len != 0};
    memcpy(ask->asked.secret, policy->secret, sizeof policy->secret);
    if (ask->asked.of_buckets)
        memcpy(ask->asked.buckets, request->buckets.data, BUCKETS_MAP_BYTES);
    ask->begins = request->cursor.len == 0;
    if (ask->begins)
        return 0;
    int r = snapshot_cursor_open(request->cursor.data, request->cursor.len, &ask->asked, &ask->place);
    *ret_why = "This cursor is none that this exchange gave to this subscription for this request.";
    if (r != 0)
        return r < 0 ? r : 2;
    *ret_why = "What is granted has changed since this cursor was given.";
    if (ask->place.policy_version != policy_current(policy)->version)
        return 2;
    r = subscriber->chunks ? 0 : place_check(state, &ask->place.first);
    *ret_why = "The log does not go on any more from where this cursor's snapshot began.";
    if (r != 0)
        return r > 0 ? 2 : r;
    // Or records of positions that the log has forgotten would stand before those that come again.
    r = place_check(state, &ask->place.last);
    *ret_why = "The log does not have any more what this cursor's snapshot told.";
    return r > 0 ? 2 : r;
}

int feed_snapshot_request(FeedState *state, Subscriber *subscriber, const Frame *frame) {
    ProtobufCMessage *message;
    if (frame_decode(frame, &dongbo__snapshot_request__descriptor, arena_protobuf(state->arena), &message) != 0)
        return 1;
    if (subscriber->ask) {
        feed_session_end(state, subscriber, DONGBO__ERROR__CODE__OUT_OF_ORDER,
                         "A request while the chunk before has not come yet. Ask for one after the other.");
        return 0;
    }
    if (subscriber->share.n) {
        feed_session_end(
            state, subscriber, DONGBO__ERROR__CODE__NOT_ALLOWED,
            "A share cannot take a snapshot: it has all persons. Take it with one receiver without a share.");
        return 0;
    }
    const char *why = "";
    SnapshotAsk *ask = calloc(1, sizeof *ask);
    if (!ask) {
        error_fail(ERROR_MEMORY, "no memory for a snapshot");
        feed_session_fail(state, subscriber);
        return 0;
    }
    int r = state->connected ? ask_read(state, subscriber, (const Dongbo__SnapshotRequest *)message, ask, &why)
                             : ERROR_DATABASE;
    if (r == 0) {
        ask->ticket = ++state->snapshot_tickets;
        subscriber->ask = ask;
        subscriber->held = true;
        return 0;
    }
    free(ask);
    if (r == 2)
        begin_again(state, subscriber, why);
    else if (r < 0)
        feed_session_end(state, subscriber, DONGBO__ERROR__CODE__INTERNAL, CANNOT_READ);
    return r == 1;
}

// ---- reading -------------------------------------------------------------------------------------------------------

// A chunk is sent as a whole, and how long it is shows when it has been read.
static bool has_credit(const Subscriber *one) {
    return subscriber_room(one) >= FRAME_BODY_BYTES_MAX;
}

// Whose turn it is: who has waited longest. NULL for nobody; then *ret_wait_ms says when to look again.
static Subscriber *next_find(const FeedState *state, int64_t *ret_wait_ms) {
    int64_t now_ms = clock_monotonic_ms(state->clock);
    Subscriber *ret = NULL;
    size_t at = 0;
    *ret_wait_ms = -1;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));) {
        if (!one->ask || !has_credit(one))
            continue;
        if (one->blocked_until_ms > now_ms)
            *ret_wait_ms = BLOCKED_RETRY_MS;
        else if (!ret || one->ask->ticket < ret->ask->ticket)
            ret = one;
    }
    return ret;
}

static void give(FeedState *state, Subscriber *subscriber) {
    SnapshotWork *work = state->snapshot;
    const SnapshotAsk *ask = subscriber->ask;
    work->session = subscriber->session;
    work->asked = ask->asked;
    work->version = *policy_current(policy_set_find(state->policies, subscriber->subscription));
    work->begins = ask->begins;
    work->turn = state->turn;
    work->place = ask->place;
    state->reading = true;
    snapshot_give(state->snapshots, work);
}

// ---- sending -------------------------------------------------------------------------------------------------------

static int pieces_fill(FeedState *state, const SnapshotWork *work) {
    if (work->n > state->pieces_size) {
        ProtobufCBinaryData *moved = realloc(state->pieces, work->n * sizeof *moved);
        if (!moved)
            return error_fail(ERROR_MEMORY, "no memory for a snapshot");
        state->pieces = moved;
        state->pieces_size = work->n;
    }
    uint8_t *at = work->records.data;
    for (size_t i = 0; i < work->n; at += work->sizes[i++])
        state->pieces[i] = (ProtobufCBinaryData){work->sizes[i], at};
    return 0;
}

// 0; 1 when the socket does not take it now.
static int chunk_send(FeedState *state, Subscriber *to, SnapshotWork *work) {
    Dongbo__SnapshotChunk chunk = DONGBO__SNAPSHOT_CHUNK__INIT;
    Dongbo__ResumeToken first, head;
    uint8_t cursor[SNAPSHOT_CURSOR_BYTES_MAX];
    int r = pieces_fill(state, work);
    work->place.last = work->head;
    if (r == 0 && !work->done)
        r = snapshot_cursor_seal(&work->place, &work->asked, state->clock, cursor, &chunk.cursor.len);
    if (r < 0)
        return r;
    feed_token(&first, &work->place.first);
    feed_token(&head, &work->head);
    chunk.n_records = work->n;
    chunk.records = state->pieces;
    chunk.cursor.data = cursor;
    chunk.first = &first;
    chunk.head = &head;
    chunk.done = work->done;
    chunk.persons_done = work->place.persons;
    chunk.persons_total = work->persons_total;
    if (work->asked.digests)
        chunk.digests = (ProtobufCBinaryData){BUCKETS_SUMS_BYTES, (uint8_t *)buckets_sums(work->sums)};
    return feed_send(state, to, FRAME_CHUNK, &chunk.base);
}

// Behind its end the feed goes on.
static bool tells_whole(const SnapshotWork *work) {
    return work->done && !work->asked.digests && !work->asked.of_buckets;
}

// Before the first byte goes out, as release() of the feed, for nothing may fail behind it: that the feed passes over
// what a whole one tells, too. What is of no record tells of nobody.
static int account(FeedState *state, const Subscriber *to, SnapshotWork *work) {
    int passed = tells_whole(work) ? feed_account_pass(state->store, to, work->place.first.position) : 0;
    if (passed < 0 || (!work->tells && work->place.release == 0))
        return passed;
    const SnapshotAccount account = {.subscription = to->subscription,
                                     .first = work->place.first.position,
                                     .head = work->head.position,
                                     .done = work->done,
                                     .digests = work->asked.digests};
    int r = feed_account_snapshot(state->store, &account, &work->place.release);
    to->ask->place.release = work->place.release; // where it is read again
    return r;
}

// The last chunk is out: the feed goes on, behind the first one's head when all was told.
static void finish(Subscriber *to, const SnapshotWork *work) {
    to->chunks = 0;
    to->held = to->owes_whole;
    if (!tells_whole(work))
        return;
    to->held = to->owes_whole = false;
    to->place = MISTAKE(FIRST_HEAD_LATE) ? work->head : work->place.first;
    to->previous = to->told_position = to->began = work->place.first.position;
    to->told_head = to->starved = false;
}

static int answer(FeedState *state, Subscriber *to, SnapshotWork *work) {
    const Policy *policy = policy_set_find(state->policies, to->subscription);
    if (policy_current(policy)->version != work->version.version) {
        begin_again(state, to, "What is granted has changed meanwhile.");
        return 0;
    }
    int r = feed_sure(state);
    if (r < 0)
        return r;
    if (r == 1 || work->turn != state->turn) { // something of it may have been erased: it is read again
        to->blocked_until_ms = clock_monotonic_ms(state->clock) + BLOCKED_RETRY_MS;
        return 0;
    }
    r = tells_whole(work) ? place_check(state, &work->place.first) : 0;
    if (r == 0 && work->done) // no later request asks whether the log still has it
        r = place_check(state, &work->head);
    if (r == 0 && !to->ask->begins) // set back since it was asked for
        r = place_check(state, &to->ask->place.last);
    if (r == 1) {
        begin_again(state, to, "The log does not go on any more from where this snapshot began.");
        return 0;
    }
    if (r == 0)
        r = account(state, to, work);
    if (r == 0)
        r = chunk_send(state, to, work);
    if (r < 0)
        return r;
    if (r == 1) {
        to->blocked_until_ms = clock_monotonic_ms(state->clock) + BLOCKED_RETRY_MS;
        return 0;
    }
    free(to->ask);
    to->ask = NULL;
    to->chunks++;
    if (work->done)
        finish(to, work);
    return 0;
}

static Subscriber *session_find(const FeedState *state, uint64_t session) {
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));)
        if (one->session == session)
            return one;
    return NULL;
}

// Whether it is read again by itself, as batches are decided again.
static bool waits_for_population(const FeedState *state, Subscriber *to) {
    int64_t now_ms = clock_monotonic_ms(state->clock);
    if (to->ask->behind_ms == 0)
        to->ask->behind_ms = now_ms;
    to->blocked_until_ms = now_ms + BEHIND_RETRY_MS;
    return now_ms - to->ask->behind_ms < BEHIND_MS;
}

// Whoever asked may have left meanwhile.
static int answer_take(FeedState *state, SnapshotWork *work) {
    Subscriber *to = session_find(state, work->session);
    if (!to)
        return 0;
    if (work->result == 1 && waits_for_population(state, to))
        return 0;
    if (work->result != 0) {
        log_error("feed: subscription %d gets no snapshot: %s", (int)to->subscription, work->why);
        feed_session_end(state, to, DONGBO__ERROR__CODE__INTERNAL, CANNOT_READ);
        return 0;
    }
    // What was granted when it was read is known here, or is read first.
    int r = work->policy_stamp > state->policy_stamp ? feed_session_policies(state) : 0;
    to = session_find(state, work->session);
    if (r == 0 && to)
        r = answer(state, to, work);
    if (r < 0 && r != ERROR_DATABASE) {
        if (to)
            feed_session_fail(state, to);
        r = 0;
    }
    return r;
}

int feed_snapshot_turn(FeedState *state, int64_t *ret_wait_ms) {
    int r = 0;
    if (state->reading && snapshot_take(state->snapshots)) {
        state->reading = false;
        r = answer_take(state, state->snapshot);
    }
    *ret_wait_ms = -1;
    Subscriber *next = r == 0 && !state->reading ? next_find(state, ret_wait_ms) : NULL;
    if (next)
        give(state, next);
    return r;
}
