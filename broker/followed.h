// SPDX-License-Identifier: Apache-2.0
//
// Which entries of a segment are about persons whom a subscription followed at their positions: looked up once a
// segment, for all subscriptions together that want to know. Kept for the segments that were read last, so that memory
// is bounded by segments and subscriptions, however many persons are followed. A segment that is in the log never
// changes its answer.
#pragma once

#include "broker/reader.h"

typedef struct Followed Followed;

int followed_new(Followed **ret, FeedStore *store); // ERROR_MEMORY
void followed_destroy(Followed **followed);
void followed_forget(Followed *followed); // the database may have become another one

// The entries that are about those whom the subscription follows: bit i % 64 of word i / 64 is entry i's. NULL when it
// was not among those who were looked up. Until the next call.
const uint64_t *followed_bits(Followed *followed, const ReaderSegment *segment, int32_t subscription);
// Who wants to know: ascending, without repeats, not none.
typedef struct FollowedFor {
    int32_t *subscriptions;
    size_t n;
} FollowedFor;
// Looks a segment that was not erased up for all of them. ERROR_DATABASE, ERROR_MEMORY.
int followed_look(Followed *followed, const ReaderSegment *segment, const FollowedFor *all);
