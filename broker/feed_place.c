// SPDX-License-Identifier: Apache-2.0
//
// A place is believed when the segment that holds it has the hash that is said with it; else the answer says what
// became of the log. Guesses nothing: who is ahead of the log is not sent back in silence.
#include "broker/feed_place.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void feed_answer(FeedAnswer *answer, Dongbo__Error__Code code, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(answer->text, sizeof answer->text, fmt, args);
    va_end(args);
    answer->code = code;
}

static int answer_mismatch(FeedState *state, const Dongbo__ResumeToken *token, FeedAnswer *answer) {
    uint64_t position;
    char reason[128];
    int r = feed_store_epoch(state->store, token->epoch, &position, reason);
    if (r < 0)
        return r;
    if (r == 0)
        feed_answer(answer, DONGBO__ERROR__CODE__TOKEN_MISMATCH,
                    "Position %" PRIu64
                    " of your token (epoch %u) is not in this exchange's log: epoch %u ended before "
                    "position %" PRIu64 " (%s). Records after it may differ: receive again into an empty sink.",
                    token->position, token->epoch, token->epoch, position, reason);
    else
        feed_answer(
            answer, DONGBO__ERROR__CODE__TOKEN_MISMATCH,
            "Position %" PRIu64 " of your token (epoch %u) has another hash in this exchange's log (its epoch is "
            "%u). Is this the right exchange? If so, its database was restored, and its operator has not declared "
            "that (dongbo epoch new): ask for it, then receive again into an empty sink.",
            token->position, token->epoch, state->head.epoch);
    return 0;
}

void feed_answer_gone(const FeedState *state, uint64_t position, FeedAnswer *answer) {
    feed_answer(answer, DONGBO__ERROR__CODE__POSITION_GONE,
                "Position %" PRIu64 " is no longer kept: the log begins with %" PRIu64
                ". Take a snapshot (receive --from snapshot).",
                position, state->trimmed + 1);
}

int feed_place_find(FeedState *state, FeedPlace *place, FeedAnswer *answer) {
    if (place->position > state->head.position) {
        feed_answer(
            answer, DONGBO__ERROR__CODE__TOKEN_AHEAD,
            "You are at position %" PRIu64 ", but this exchange's log ends at %" PRIu64 " (epoch %u): it was "
            "restored from an older copy. Keep what you have and ask the exchange's operator, who declares that "
            "(dongbo epoch new); once agencies have sent again what is lacking, receive again into an empty sink.",
            place->position, state->head.position, state->head.epoch);
        return 1;
    }
    const ReaderSegment *segment;
    uint64_t held = place->position ? place->position : 1;
    int r = state->head.position ? reader_get(state->reader, held, &segment) : 1;
    if (r < 0)
        return r;
    if (r == 2 || (r == 1 && place->position) || place->position < state->trimmed) {
        feed_answer_gone(state, place->position + 1, answer);
        return 1;
    }
    if (r == 0 && place->position) {
        place->epoch = segment->epoch;
        memcpy(place->hash, segment->hash, HASH_BYTES);
    }
    return 0;
}

// Behind which position it asks to begin.
static int place_asked(FeedState *state, const Dongbo__HelloSubscribe *hello, uint64_t acked, uint64_t *ret) {
    *ret = hello->from_start      ? 0
           : hello->token         ? hello->token->position
           : hello->from_position ? hello->from_position
                                  : acked;
    if (hello->from_start || hello->token || hello->from_position || hello->from_time_us == 0)
        return 0;
    return feed_store_before(state->store, hello->from_time_us, ret);
}

// What a store that is empty lacks of everything is all; of a share's persons, what no share before it has.
static bool deals(const Dongbo__HelloSubscribe *hello, const StoredPosition *stored) {
    if (!stored->fresh)
        return false;
    return hello->from_start ? hello->shares > 1 : hello->token && hello->token->position > stored->acked;
}

// The place that is asked for, if this log has it.
static int place_check(FeedState *state, const Dongbo__HelloSubscribe *hello, const StoredPosition *stored,
                       FeedPlace *place, FeedAnswer *answer) {
    const Dongbo__ResumeToken *token = hello->from_start ? NULL : hello->token;
    int r = place_asked(state, hello, stored->acked, &place->position);
    if (r == 0)
        r = feed_place_find(state, place, answer);
    if (r != 0 || !token || token->position == 0)
        return r;
    if (token->epoch == place->epoch && token->segment_hash.len == HASH_BYTES &&
        memcmp(token->segment_hash.data, place->hash, HASH_BYTES) == 0)
        return 0;
    r = answer_mismatch(state, token, answer);
    return r < 0 ? r : 1;
}

int feed_place_begin(FeedState *state, const Dongbo__HelloSubscribe *hello, const StoredPosition *stored,
                     FeedPlace *place, FeedAnswer *answer) {
    bool dealt = deals(hello, stored);
    *place = (FeedPlace){0};
    // Who holds what this log has forgotten is told so, also where it would begin before that.
    int r = dealt && hello->from_start ? 0 : place_check(state, hello, stored, place, answer);
    if (r != 0 || !dealt)
        return r;
    // Its persons were others' until now, and what it holds is another share's.
    *place = (FeedPlace){.position = stored->acked};
    return feed_place_find(state, place, answer);
}
