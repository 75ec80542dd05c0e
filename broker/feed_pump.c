// SPDX-License-Identifier: Apache-2.0
//
// A turn is bounded in segments and frames. Those far behind get one frame, and after each it is looked whether a live
// one has something to get, so that reading a long log does not hold up the others. A frame
// that the socket does not take is thrown away and made again later from the same place.
#include "broker/feed_pump.h"

#include "broker/feed_account.h"
#include "broker/feed_session.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_GOAL (128 * 1024)
#define FRAME_OVERHEAD 128   // of Records, without its records
#define RECORD_OVERHEAD 6    // tag and length of one record in it
#define NEAR_POSITIONS 16384 // of the head; who is farther behind than that is no live reader
#define FAR_TURNS 8
#define BLOCKED_RETRY_MS 20
#define WATERMARK_HEAD_MS 50  // at most so often at the head
#define WATERMARK_WAY_MS 1000 // while much is filtered on the way

// How much one turn may take.
typedef struct Budget {
    int frames, segments;
} Budget;
static const Budget NEAR_BUDGET = {4, 64}, FAR_BUDGET = {1, FEED_STORE_SEGMENTS};

// The frame that is being filled for one subscriber.
typedef struct Filling {
    FeedState *state;
    Subscriber *to;
    FeedPlace before; // to go back to when the frame cannot be sent
    uint64_t previous_before;
    size_t n;                 // records in it
    size_t room;              // bytes of records that fit, by goal and credit
    int frames, frames_max;   // sent in this turn, and may be
    const uint64_t *followed; // of the present segment, where the policy asks for that (followed.h)
} Filling;

typedef enum Step { STEP_ON, STEP_FULL, STEP_OVER } Step; // OVER: this subscriber's turn ends here

int feed_pump_advance(FeedState *state, uint64_t told) {
    if (told == UINT64_MAX)
        return feed_store_head(state->store, &state->head);
    for (int i = 0; i < FEED_STORE_SEGMENTS && state->head.position < told; i++) {
        const ReaderSegment *segment;
        int r = reader_get(state->reader, state->head.position + 1, &segment);
        if (r < 0)
            return r;
        if (r != 0)
            break;
        state->head = (FeedPlace){.epoch = segment->epoch, .position = segment->last};
        memcpy(state->head.hash, segment->hash, HASH_BYTES);
    }
    return state->head.position < told ? feed_store_head(state->store, &state->head) : 0;
}

static void filling_begin(Filling *filling) {
    Subscriber *to = filling->to;
    filling->before = to->place;
    filling->previous_before = to->previous;
    filling->n = 0;
    uint64_t credit = subscriber_room(to);
    filling->room = credit < FRAME_BYTES_GOAL ? (size_t)credit : FRAME_BYTES_GOAL;
    filling->room = filling->room > FRAME_OVERHEAD ? filling->room - FRAME_OVERHEAD : 0;
    bytes_clear(&filling->state->records);
    origin_parts_clear(&filling->state->parts);
}

static int piece_add(FeedState *state, size_t n, size_t bytes) {
    if (n == state->pieces_size) {
        size_t larger = state->pieces_size ? 2 * state->pieces_size : 1024;
        ProtobufCBinaryData *moved = realloc(state->pieces, larger * sizeof *moved);
        if (!moved)
            return error_fail(ERROR_MEMORY, "no memory for a feed frame");
        state->pieces = moved;
        state->pieces_size = larger;
    }
    state->pieces[n].len = bytes;
    return 0;
}

// Durable before the first byte goes out: what may have been seen is never understated. 1 when the session is over.
static int release(FeedState *state, Subscriber *to) {
    if (to->place.position <= to->released)
        return 0;
    uint64_t bound = feed_account_bound(to->place.position);
    int r = feed_accounts_note(state->accounts, to, bound);
    if (r == 0)
        r = feed_account_release(state->store, to, bound);
    if (r == 0)
        to->released = bound;
    return r;
}

// Sends what was filled. 0; 1 when it could not be sent now and the place is as before, or the session is over.
static int filling_send(Filling *filling) {
    FeedState *state = filling->state;
    Subscriber *to = filling->to;
    if (filling->n == 0)
        return 0;
    int r = feed_sure(state);
    if (r == 1) { // made again, of what is read then
        to->place = filling->before;
        to->previous = filling->previous_before;
        to->blocked_until_ms = clock_monotonic_ms(state->clock) + BLOCKED_RETRY_MS;
        filling_begin(filling);
        return 1;
    }
    if (r == 0)
        r = release(state, to);
    if (r != 0) {
        to->place = filling->before;
        to->previous = filling->previous_before;
        r = r == 1 ? feed_session_over(state, to) : r;
        return r < 0 ? r : 1;
    }
    uint8_t *at = state->records.data;
    for (size_t i = 0; i < filling->n; at += state->pieces[i++].len)
        state->pieces[i].data = at;
    Dongbo__ResumeToken token;
    feed_token(&token, &to->place);
    Dongbo__Records records = DONGBO__RECORDS__INIT;
    records.previous = filling->previous_before;
    records.first = to->told_position + 1;
    records.last = to->place.position;
    records.n_records = filling->n;
    records.records = state->pieces;
    records.token = &token;
    if (to->origins)
        origin_parts_give(&state->parts, &records);
    int64_t now_ms = clock_monotonic_ms(state->clock);
    if (feed_send(state, to, FRAME_RECORDS, &records.base) != 0) {
        to->place = filling->before;
        to->previous = filling->previous_before;
        to->blocked_until_ms = now_ms + BLOCKED_RETRY_MS;
        filling_begin(filling); // made again from there
        return 1;
    }
    to->told_ms = now_ms;
    to->told_position = to->place.position;
    to->told_head = false;
    filling->frames++;
    filling_begin(filling);
    return 0;
}

// Whether the entry is this subscription's, as far as followed persons go.
static bool concerns(const Filling *filling, const PolicyVersion *version, const Dongbo__Entry *entry, size_t index) {
    bool followed = filling->followed && filling->followed[index / 64] >> index % 64 & 1;
    return policy_concerns(version, filling->to->subscription, entry, followed);
}

// So many bytes the records are that were added, with what belongs to them.
static size_t filled(const Filling *filling, size_t n) {
    const FeedState *state = filling->state;
    size_t parts = filling->to->origins ? origin_parts_bytes(&state->parts) : 0;
    return state->records.n + n * RECORD_OVERHEAD + parts;
}

static int origin_add(FeedState *state, const ReaderSegment *segment, const Projection *projection) {
    OriginAsk ask = {.segment = segment,
                     .position = projection->position,
                     .right = origin_right(projection->version, projection->entry, projection->passage)};
    return feed_origins_append(state->origins, &ask, &state->parts);
}

// One entry into the frame. *ret_step FULL: the record did not fit and the place is still before it.
static int entry_add(Filling *filling, const Policy *policy, const ReaderSegment *segment, uint64_t position,
                     Step *ret_step) {
    FeedState *state = filling->state;
    Subscriber *to = filling->to;
    const Dongbo__Entry *entry = segment->entries[position - segment->first];
    const PolicyVersion *version = policy_at(policy, position);
    *ret_step = STEP_ON;
    PolicyPassage passage = version && concerns(filling, version, entry, (size_t)(position - segment->first))
                                ? policy_admits(version, entry, segment->stored_day)
                                : POLICY_NOT;
    if (passage == POLICY_NOT)
        return 0;
    int share = 0;
    int r = to->share.n ? projector_share(to->projector, entry->person, to->share.n, &share) : 0;
    if (r < 0 || share != to->share.i)
        return r;
    Projection projection = {.version = version,
                             .entry = entry,
                             .passage = passage,
                             .position = position,
                             .previous = to->previous,
                             .agency = policy_set_agency(state->policies, entry->agency)};
    size_t before = state->records.n;
    OriginMark mark = origin_parts_mark(&state->parts);
    r = projector_append(to->projector, &projection, &state->records);
    if (r == 1)
        return 0;
    if (r == 2)
        *ret_step = STEP_OVER;
    if (r != 0)
        return r < 0 ? r : 0;
    size_t bytes = state->records.n - before;
    r = to->origins ? origin_add(state, segment, &projection) : 0;
    if (r < 0)
        return r;
    if (filled(filling, filling->n + 1) > filling->room) {
        state->records.n = before;
        origin_parts_rewind(&state->parts, &mark);
        *ret_step = STEP_FULL;
        return 0;
    }
    r = piece_add(state, filling->n, bytes);
    if (r == 0) {
        filling->n++;
        to->previous = position;
    }
    return r;
}

static void place_move(Subscriber *to, const ReaderSegment *segment, uint64_t position) {
    to->place.position = position;
    to->place.epoch = segment->epoch;
    memcpy(to->place.hash, segment->hash, HASH_BYTES);
}

// The frame is full: send it and go on, or wait for credit when not even one record fits into what is left.
static int full(Filling *filling, Step *ret_step) {
    *ret_step = STEP_OVER;
    if (filling->n == 0) {
        filling->to->starved = true;
        return 0;
    }
    int r = filling_send(filling);
    if (r == 0 && filling->frames < filling->frames_max)
        *ret_step = STEP_ON;
    return r < 0 ? r : 0;
}

static int compare_subscriptions(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

// The subscriptions with a session that follow persons. To be freed.
static int followers(FeedState *state, FollowedFor *ret) {
    ret->subscriptions = malloc((subscribers_count(state->subscribers) + 1) * sizeof *ret->subscriptions);
    if (!ret->subscriptions)
        return error_fail(ERROR_MEMORY, "no memory for a feed frame");
    size_t at = 0, n = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));) {
        const Policy *policy = policy_set_find(state->policies, one->subscription);
        if (policy && policy->follows)
            ret->subscriptions[n++] = one->subscription;
    }
    qsort(ret->subscriptions, n, sizeof *ret->subscriptions, compare_subscriptions);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || ret->subscriptions[i] != ret->subscriptions[ret->n - 1])
            ret->subscriptions[ret->n++] = ret->subscriptions[i];
    return 0;
}

// Whom it concerns, of those who follow persons; once a segment for all who are there.
static int segment_followed(Filling *filling, const Policy *policy, const ReaderSegment *segment) {
    FeedState *state = filling->state;
    filling->followed = NULL;
    if (!policy->follows || !segment->entries)
        return 0;
    filling->followed = followed_bits(state->followed, segment, policy->subscription);
    if (filling->followed)
        return 0;
    FollowedFor all = {0};
    int r = followers(state, &all);
    if (r == 0)
        r = followed_look(state->followed, segment, &all);
    free(all.subscriptions);
    if (r == 0)
        filling->followed = followed_bits(state->followed, segment, policy->subscription);
    return r;
}

// Reads one segment from the subscriber's place on.
static int segment_add(Filling *filling, const ReaderSegment *segment, Step *ret_step) {
    Subscriber *to = filling->to;
    const Policy *policy = policy_set_find(filling->state->policies, to->subscription);
    *ret_step = STEP_ON;
    int looked = segment_followed(filling, policy, segment);
    if (looked < 0)
        return looked;
    while (segment->entries && to->place.position < segment->last) {
        uint64_t position = to->place.position + 1;
        int r = entry_add(filling, policy, segment, position, ret_step);
        if (r == 0 && *ret_step == STEP_FULL)
            r = full(filling, ret_step);
        else if (r == 0 && *ret_step == STEP_ON)
            place_move(to, segment, position);
        else if (r == 0)
            return 1;
        if (r < 0 || *ret_step == STEP_OVER)
            return r;
    }
    if (!segment->entries)
        place_move(to, segment, segment->last);
    return 0;
}

static void end_unreadable(Filling *filling) {
    char text[200];
    snprintf(text, sizeof text,
             "The log cannot be read at position %" PRIu64 ". The exchange's operator must look at it.",
             filling->to->place.position + 1);
    log_error("feed: %s", text);
    feed_session_end(filling->state, filling->to, DONGBO__ERROR__CODE__INTERNAL, text);
}

// The next segment, with the policies that hold in it. 0; 1 when this turn is over (the session may be, too).
static int segment_get(Filling *filling, const ReaderSegment **ret) {
    FeedState *state = filling->state;
    uint64_t session = filling->to->session;
    uint64_t since = stats_now();
    int r = reader_get(state->reader, filling->to->place.position + 1, ret);
    stats_add(state->stats, STATS_FEED_READ, &since);
    if (r == 2) {
        feed_session_end(state, filling->to, DONGBO__ERROR__CODE__POSITION_GONE,
                         "The next position is no longer kept. Take a snapshot (receive --from snapshot).");
        return 1;
    }
    if (r != 0)
        return r;
    if (!(*ret)->readable) {
        r = filling_send(filling);
        if (r == 0)
            end_unreadable(filling);
        return r < 0 ? r : 1;
    }
    // One without entries was trimmed, perhaps since that was last looked at: it is not to be passed over in silence.
    if ((*ret)->policy_stamp <= state->policy_stamp && (*ret)->entries)
        return 0;
    // What was filled so far is of before; a Welcome that tells of another grant comes behind it.
    r = filling_send(filling);
    int64_t turn = state->turn;
    if (r == 0)
        r = feed_session_policies(state);
    if (r != 0)
        return r;
    return filling->to->session == session && state->turn == turn ? 0 : 1;
}

static int subscriber_turn(FeedState *state, Subscriber *to, Budget budget) {
    Filling filling = {.state = state, .to = to, .frames_max = budget.frames};
    filling_begin(&filling);
    Step step = STEP_ON;
    for (int i = 0; i < budget.segments && step == STEP_ON && to->place.position < state->head.position; i++) {
        const ReaderSegment *segment;
        int r = segment_get(&filling, &segment);
        uint64_t since = stats_now();
        if (r == 0)
            r = segment_add(&filling, segment, &step);
        else if (r == 1)
            break;
        stats_add(state->stats, STATS_FEED_SEND, &since);
        if (r == 1) {
            r = filling_send(&filling);
            if (r == 0)
                end_unreadable(&filling);
        }
        if (r != 0) {
            if (r < 0 && to->session) {
                to->place = filling.before;
                to->previous = filling.previous_before;
            }
            return r < 0 ? r : 0;
        }
    }
    if (!to->session)
        return 0;
    int r = filling_send(&filling);
    return r < 0 ? r : 0;
}

// Sends a watermark when one is due. How long until then otherwise, -1 for never.
static int64_t watermark(FeedState *state, Subscriber *to, int64_t now_ms) {
    bool at_head = to->place.position == state->head.position;
    if (to->held)
        return -1;
    bool newer = at_head && to->told_signed != state->signed_number;
    if (to->told_position == to->place.position && (to->told_head || !at_head) && !newer)
        return -1;
    int64_t due_ms = to->told_ms + (at_head ? WATERMARK_HEAD_MS : WATERMARK_WAY_MS);
    if (due_ms > now_ms)
        return due_ms - now_ms;
    Dongbo__ResumeToken token, head;
    feed_token(&token, &to->place);
    feed_token(&head, &state->head);
    Dongbo__Watermark message = DONGBO__WATERMARK__INIT;
    message.token = &token;
    message.head = &head;
    message.at_head = at_head;
    Dongbo__SignedHead signed_head = DONGBO__SIGNED_HEAD__INIT;
    if (newer) {
        signed_head.head = (ProtobufCBinaryData){.data = state->signed_head.data, .len = state->signed_head.n};
        signed_head.signature = (ProtobufCBinaryData){.data = state->signature.data, .len = state->signature.n};
        message.signed_head = &signed_head;
    }
    if (feed_send(state, to, FRAME_WATERMARK, &message.base) != 0)
        return BLOCKED_RETRY_MS;
    to->told_ms = now_ms;
    to->told_position = to->place.position;
    to->told_head = at_head;
    if (newer)
        to->told_signed = state->signed_number;
    return -1;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms) {
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

// May this one be sent records now? If not, *ret_wait_ms says when (-1: when it speaks, or the log grows).
static bool can_go_on(const FeedState *state, const Subscriber *one, int64_t now_ms, int64_t *ret_wait_ms) {
    *ret_wait_ms = -1;
    if (one->held || one->place.position >= state->head.position || one->starved)
        return false;
    if (one->blocked_until_ms > now_ms)
        *ret_wait_ms = one->blocked_until_ms - now_ms;
    return *ret_wait_ms < 0;
}

// One turn for this one, if it can go on. *ret_wait_ms as of feed_pump_turn(), sooner than it was.
static int serve(FeedState *state, Subscriber *one, Budget budget, int64_t *ret_wait_ms) {
    int64_t now_ms = clock_monotonic_ms(state->clock), wait_ms;
    uint64_t session = one->session;
    if (can_go_on(state, one, now_ms, &wait_ms)) {
        int r = budget.frames ? subscriber_turn(state, one, budget) : 0;
        if (r == ERROR_DATABASE)
            return r;
        if (r < 0)
            feed_session_fail(state, one);
        if (one->session != session)
            return 0;
        if (can_go_on(state, one, now_ms, &wait_ms))
            wait_ms = 0;
    }
    *ret_wait_ms = sooner(*ret_wait_ms, wait_ms);
    *ret_wait_ms = sooner(*ret_wait_ms, watermark(state, one, now_ms));
    return 0;
}

static bool is_far(const FeedState *state, const Subscriber *one) {
    return state->head.position > one->place.position + NEAR_POSITIONS;
}

// Whose turn it is of those that are far behind: the same a few times, for it uses what was read ahead.
static Subscriber *far_next(FeedState *state) {
    int64_t now_ms = clock_monotonic_ms(state->clock), wait_ms;
    Subscriber *first = NULL, *next = NULL;
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));) {
        if (!is_far(state, one) || !can_go_on(state, one, now_ms, &wait_ms))
            continue;
        if (one->session == state->far && state->far_turns < FAR_TURNS)
            return one;
        first = first ? first : one;
        next = next || one <= state->far_slot ? next : one;
    }
    next = next ? next : first;
    if (next) {
        state->far_slot = next;
        state->far = next->session;
        state->far_turns = 0;
    }
    return next;
}

int feed_pump_turn(FeedState *state, int64_t *ret_wait_ms) {
    *ret_wait_ms = -1;
    size_t at = 0;
    for (Subscriber *one; (one = subscribers_next(state->subscribers, &at));) {
        int r = serve(state, one, is_far(state, one) ? (Budget){0} : NEAR_BUDGET, ret_wait_ms);
        if (r < 0)
            return r;
    }
    // Then a frame for one of those far behind, and back to whoever is live by now.
    Subscriber *far = far_next(state);
    if (!far)
        return 0;
    state->far_turns++;
    return serve(state, far, FAR_BUDGET, ret_wait_ms);
}
