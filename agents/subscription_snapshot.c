// SPDX-License-Identifier: Apache-2.0
//
// One request at a time, and the next one as soon as its cursor is known, so that the exchange reads while the sink
// writes. A chunk and its cursor become durable together; whatever is interrupted goes on behind what is stored.
#include "agents/subscription_state.h"

#include "proto/base/error.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <string.h>

// ---- asking --------------------------------------------------------------------------------------------------------

static int ask(Subscription *s) {
    Dongbo__SnapshotRequest request = DONGBO__SNAPSHOT_REQUEST__INIT;
    request.cursor = (ProtobufCBinaryData){s->snapshot.cursor_n, s->snapshot.cursor};
    if (s->phase == PHASE_REPAIR)
        request.buckets = (ProtobufCBinaryData){BUCKETS_MAP_BYTES, s->buckets};
    request.digests = s->phase == PHASE_DIGESTS;
    int r = subscription_send(s, FRAME_SNAPSHOT, &request.base);
    s->asked = s->asked || r == 0;
    s->owes_ask = r == 1;
    return r < 0 ? r : GO_ON;
}

int subscription_ask_again(Subscription *s) {
    return ask(s);
}

static int phase_begin(Subscription *s, SubscriptionPhase phase) {
    s->phase = phase;
    s->filling = false;
    s->n_snapshot = s->snapshot_bytes = 0;
    s->snapshot = (SinkSnapshot){.mark = clock_now_us(s->options.clock),
                                 .buckets = phase == PHASE_REPAIR ? s->buckets : NULL,
                                 .dry = s->options.dry && phase == PHASE_REPAIR};
    return ask(s);
}

int subscription_snapshot_begin(Subscription *s) {
    // Shares fill tables together, and a snapshot is of everything: none of them can tell what is too much.
    const SinkSnapshots *snapshots = s->options.shares > 0 ? NULL : s->options.sink->kind->snapshots;
    bool wanted = s->phase == PHASE_SNAPSHOT || (s->options.from == FROM_SNAPSHOT && !s->began);
    s->phase = PHASE_FEED;
    s->filling = s->asked = s->owes_ask = s->owes_part = false;
    s->n_snapshot = s->snapshot_bytes = 0;
    if (!snapshots)
        return wanted ? error_fail(ERROR_CONFIG, "%s takes no snapshot: leave --from out, or say start",
                                   s->options.shares > 0 ? "a receiver with a share" : "this kind of sink")
                      : 0;
    SinkSnapshot found = {0};
    int r = snapshots->find(s->options.sink, &found);
    if (r < 0 || (r == 1 && !wanted))
        return r < 0 ? r : 0;
    s->phase = PHASE_SNAPSHOT;
    s->snapshot = found;
    if (!found.mark)
        s->snapshot = (SinkSnapshot){.mark = clock_now_us(s->options.clock)};
    return 0;
}

void subscription_snapshot_want(Subscription *s) {
    s->phase = PHASE_SNAPSHOT;
    s->owes_part = false;
}

bool subscription_snapshot_itself(const Subscription *s) {
    const SinkKind *kind = s->options.sink->kind;
    return kind->replaces && kind->snapshots && s->options.shares == 0;
}

// Of a place that goes back the hash is not known yet: it is accepted with the first that comes.
static int rights_accept(Subscription *s) {
    s->options.accept_rights = s->dealt;
    s->place.policy_version = s->policy_version;
    return s->has_place && !s->dealt ? subscription_commit(s) : GO_ON;
}

// A snapshot must not be put beside what a program or a file's reader has taken for the whole without their being
// asked.
static int rights_tell(const Subscription *s) {
    bool itself = s->options.sink->kind->snapshots && s->options.shares == 0;
    log_warn("what is granted has changed (version %u, was %u), and what came before has only what was granted then. "
             "%s",
             s->policy_version, s->place.policy_version,
             itself ? "Run this receiver once with --from snapshot to get all of it again, or with --accept-rights if "
                      "what came is enough"
                    : "To get all of it again stop this receiver (all shares), take a snapshot by one without a share "
                      "into tables or files (--from snapshot --until-head), and run each again with --accept-rights; "
                      "do only the latter if what came is enough");
    return GO_ON;
}

bool subscription_rights_changed(const Subscription *s) {
    return s->session && s->phase == PHASE_FEED && s->place.policy_version != s->policy_version;
}

uint32_t subscription_accept_rights(Subscription *s) {
    s->options.accept_rights = s->session == 0;
    if (s->session)
        s->place.policy_version = s->policy_version;
    return s->session ? s->policy_version : 0;
}

int subscription_snapshot_welcome(Subscription *s) {
    if (s->phase == PHASE_SNAPSHOT && !s->asked) {
        log_info("%s a snapshot from %s", s->snapshot.begun ? "going on with" : "taking", s->endpoint);
        return ask(s);
    }
    if (s->options.accept_rights)
        return rights_accept(s);
    if (!subscription_rights_changed(s))
        return GO_ON;
    if (!subscription_snapshot_itself(s))
        return rights_tell(s);
    log_info("what is granted has changed (version %u, was %u): taking a snapshot", s->policy_version,
             s->place.policy_version);
    return phase_begin(s, PHASE_SNAPSHOT);
}

int subscription_snapshot_forget(Subscription *s) {
    if (s->phase != PHASE_SNAPSHOT)
        return 0;
    SinkTally none = {0};
    s->snapshot = (SinkSnapshot){.mark = clock_now_us(s->options.clock)};
    return s->options.sink->kind->snapshots->commit(s->options.sink, &s->snapshot, &none);
}

// ---- comparing -----------------------------------------------------------------------------------------------------

int subscription_compare(Subscription *s) {
    const SinkSnapshots *snapshots = s->options.sink->kind->snapshots;
    if (!snapshots || !snapshots->count || s->options.shares > 0)
        return error_fail(ERROR_CONFIG, "only a PostgreSQL sink of one receiver without a share can be compared");
    int r = s->theirs ? 0 : buckets_new(&s->theirs);
    if (r == 0 && !s->ours)
        r = buckets_new(&s->ours);
    if (r < 0)
        return r;
    buckets_clear(s->theirs);
    buckets_clear(s->ours);
    s->count = (SinkCount){0};
    s->counting = true;
    s->waits = false;
    return phase_begin(s, PHASE_DIGESTS);
}

// The feed is held from the first chunk on, and the next one is asked for when ours are counted: nothing moves
// meanwhile.
int subscription_count(Subscription *s) {
    if (s->phase != PHASE_DIGESTS || !s->counting || s->asked)
        return GO_ON;
    int r = s->options.sink->kind->snapshots->count(s->options.sink, s->ours, &s->count);
    s->counting = r == 1;
    if (r == 0 && s->waits)
        return ask(s);
    return r < 0 ? r : GO_ON;
}

static int digests_end(Subscription *s) {
    int r = GO_ON;
    while (r == GO_ON && s->counting)
        r = subscription_count(s);
    if (r != GO_ON)
        return r;
    unsigned n = buckets_differing(s->ours, s->theirs, s->buckets);
    if (n > 0)
        return phase_begin(s, PHASE_REPAIR);
    s->phase = PHASE_FEED;
    s->compared = true;
    return GO_ON;
}

static void cursor_take(Subscription *s, const Dongbo__SnapshotChunk *chunk) {
    if (chunk->cursor.len)
        memcpy(s->snapshot.cursor, chunk->cursor.data, chunk->cursor.len);
    s->snapshot.cursor_n = chunk->cursor.len;
}

static int digests_take(Subscription *s, const Dongbo__SnapshotChunk *chunk) {
    if (chunk->digests.len != BUCKETS_SUMS_BYTES)
        return subscription_say(s, LOST, "the broker's digests cannot be read");
    buckets_add_sums(s->theirs, chunk->digests.data);
    s->waits = !chunk->done && s->counting;
    if (chunk->done)
        return digests_end(s);
    return s->waits ? GO_ON : ask(s);
}

// ---- filling -------------------------------------------------------------------------------------------------------

static bool same_place(const SinkPlace *a, const Dongbo__ResumeToken *b) {
    return a->epoch == b->epoch && a->position == b->position &&
           (b->position == 0 || memcmp(a->hash, b->segment_hash.data, b->segment_hash.len) == 0);
}

// The first chunk in this session.
static int filling_begin(Subscription *s, const Dongbo__SnapshotChunk *chunk) {
    int r = s->pending ? subscription_commit(s) : 0; // what the feed brought before
    if (r < 0)
        return r;
    if (!s->snapshot.begun)
        subscription_place(&s->snapshot.first, chunk->first);
    r = s->options.sink->kind->snapshots->begin(s->options.sink, &s->snapshot);
    s->filling = r == 0;
    return r;
}

static int records_write(Subscription *s, const Dongbo__SnapshotChunk *chunk) {
    for (size_t i = 0; i < chunk->n_records; i++) {
        Dongbo__FeedRecord *record = subscription_record(s, &chunk->records[i]);
        if (!record || record->position != chunk->head->position ||
            record->change != DONGBO__CHANGE_KIND__CHANGE_UPSERT)
            return subscription_say(s, LOST, "a record of the snapshot cannot be read");
        int r = s->options.sink->kind->write(s->options.sink, record);
        if (r == 1)
            return subscription_say(s, REFUSED,
                                    "a record of the snapshot has fields that this program does not know. Install the "
                                    "newer dongbo-agent");
        if (r < 0)
            return r;
    }
    s->n_snapshot += chunk->n_records;
    return GO_ON;
}

// All was told: of everything, the place moves; of some buckets, it stays.
static SinkPlace filled_place(const Subscription *s) {
    SinkPlace place = s->phase == PHASE_SNAPSHOT ? s->snapshot.first : s->stored;
    place.policy_version = s->policy_version;
    return place;
}

static void filled(Subscription *s, uint64_t extra) {
    bool whole = s->phase == PHASE_SNAPSHOT;
    SinkPlace place = filled_place(s);
    s->phase = PHASE_FEED;
    s->filling = false;
    s->compared = s->compared || !whole;
    if (!whole) {
        log_info("%s: %" PRIu64 " records were sent again, %" PRIu64 " bytes", s->options.dry ? "compared" : "repaired",
                 s->n_snapshot, s->snapshot_bytes);
        return;
    }
    log_info("the snapshot is complete: %" PRIu64 " records, %" PRIu64 " bytes, %" PRIu64
             " other records let go; going on behind position %" PRIu64,
             s->n_snapshot, s->snapshot_bytes, extra, place.position);
    s->place = s->stored = place;
    s->previous = place.position;
    s->complete = 0;
    s->began = s->has_place = true;
    if (s->head > s->goal) // only there is it right
        s->goal = s->head;
}

int subscription_part_again(Subscription *s) {
    const SinkSnapshots *snapshots = s->options.sink->kind->snapshots;
    SinkTally tally = {0};
    SinkPlace place = filled_place(s);
    int r = s->last_part ? snapshots->end(s->options.sink, &s->snapshot, &place, &tally)
                         : snapshots->commit(s->options.sink, &s->snapshot, &tally);
    s->owes_part = r == 1;
    if (r != 0)
        return r < 0 ? r : GO_ON;
    s->moves++;
    s->tally.extra += tally.extra;
    s->tally.missing += tally.missing;
    s->tally.stale += tally.stale;
    if (s->last_part)
        filled(s, tally.extra);
    subscription_progress(s);
    return GO_ON;
}

static int filling_take(Subscription *s, const Dongbo__SnapshotChunk *chunk) {
    int r = s->filling ? 0 : filling_begin(s, chunk);
    if (r < 0)
        return r;
    if (!same_place(&s->snapshot.first, chunk->first))
        return subscription_say(s, LOST, "the broker mixes snapshots up");
    r = records_write(s, chunk);
    if (r != GO_ON)
        return r;
    s->records += chunk->n_records;
    s->last_part = chunk->done;
    s->persons = chunk->done ? 0 : chunk->persons_done;
    s->persons_total = chunk->done ? 0 : chunk->persons_total;
    if (!chunk->done) {
        cursor_take(s, chunk);
        s->snapshot.begun = true;
        r = ask(s);
    }
    return r == GO_ON ? subscription_part_again(s) : r;
}

int subscription_chunk_receive(Subscription *s, const ProtobufCMessage *message) {
    const Dongbo__SnapshotChunk *chunk = (const Dongbo__SnapshotChunk *)message;
    if (s->phase == PHASE_FEED || !s->asked)
        return subscription_say(s, LOST, "the broker sent a snapshot that was not asked for");
    if (!subscription_token_fits(chunk->first) || !subscription_token_fits(chunk->head) ||
        chunk->head->position < chunk->first->position || chunk->cursor.len > SNAPSHOT_CURSOR_BYTES_MAX ||
        chunk->done != (chunk->cursor.len == 0))
        return subscription_say(s, LOST, "a chunk of the snapshot contradicts itself");
    s->asked = false;
    s->head = chunk->head->position;
    int r;
    if (s->phase == PHASE_DIGESTS) {
        cursor_take(s, chunk);
        r = digests_take(s, chunk);
    } else {
        r = filling_take(s, chunk);
    }
    return r == GO_ON && !s->owes_part ? subscription_answer(s) : r;
}
