// SPDX-License-Identifier: Apache-2.0
//
// What one subscription asks is counted: how much of it waits, and how often it asks for heads.
#include "broker/feed_asked.h"

#include "broker/feed_outside.h"
#include "broker/feed_session.h"

static bool heads_afford(FeedState *state, const char *user, FeedAnswer *answer) {
    if (allowance_take(state->asks, feed_session_payer(state, user), clock_monotonic_ms(state->clock)))
        return true;
    feed_answer(answer, DONGBO__ERROR__CODE__TOO_OFTEN,
                "Your witness asks too often: wait some seconds, and longer each time. Do several run?");
    return false;
}

static void answer_limit(const Frame *frame, FeedAnswer *answer) {
    if (frame->type == FRAME_FOLLOW)
        feed_answer(answer, DONGBO__ERROR__CODE__FOLLOW_LIMIT,
                    "A Follow has at most %d numbers and %d bytes, and %d may wait for their answers.",
                    FOLLOW_NUMBERS_MAX, FOLLOW_BYTES_MAX, FOLLOW_REQUESTS_MAX);
    else
        feed_answer(answer, DONGBO__ERROR__CODE__TOO_OFTEN, "%d questions may wait for their answers.",
                    FOLLOW_REQUESTS_MAX);
}

int feed_asked(FeedState *state, const FeedAsked *asked, FeedAnswer *answer) {
    bool is_list = asked->frame->type == FRAME_FOLLOW;
    FeedPeer peer = feed_peer(asked->route, asked->user);
    if (!is_list && !heads_afford(state, asked->user, answer))
        return 1;
    int r = state->connected ? feed_session_fresh(state, asked->user, !is_list, answer) : 0;
    if (r != 0)
        return r;
    int32_t subscription = feed_session_subscription(asked->user);
    const Policy *policy = state->policies ? policy_set_find(state->policies, subscription) : NULL;
    const char *refusal = NULL;
    if (!state->connected)
        feed_answer(answer, DONGBO__ERROR__CODE__INTERNAL, FEED_CANNOT_SERVE);
    else if (!policy)
        feed_answer(answer, DONGBO__ERROR__CODE__UNKNOWN_SUBSCRIPTION, FEED_NO_SUBSCRIPTION);
    else if ((refusal = policy_refusal(policy, asked->user, policy_day(clock_now_us(state->clock)))))
        feed_answer(answer, DONGBO__ERROR__CODE__NOT_ALLOWED, "%s", refusal);
    else if (is_list && !policy_current(policy)->followed_only)
        feed_answer(answer, DONGBO__ERROR__CODE__NOT_ALLOWED,
                    "This subscription keeps no list of persons: it receives all whom its rights cover.");
    else if (!feed_outside_has_room(state, &peer))
        feed_answer(answer, DONGBO__ERROR__CODE__INTERNAL, FEED_NOT_READ);
    else if ((r = follower_ask(state->follower, asked->route, policy, asked->frame)) == 2)
        feed_answer(answer, DONGBO__ERROR__CODE__INTERNAL, FEED_CANNOT_SERVE);
    else if (r == 1)
        answer_limit(asked->frame, answer);
    return answer->code ? 1 : 0;
}
