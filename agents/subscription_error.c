// SPDX-License-Identifier: Apache-2.0
//
// What an Error does to a receiver: what only a person can mend ends it, where the exchange has signed that.
#include "agents/subscription_state.h"

#include "proto/base/error.h"

// By either of the exchange's keys: it may be going over to the next one. Whoever knows none believes it.
static bool is_signed(const Subscription *s, const Dongbo__Error *error) {
    const uint8_t *const *keys = s->options.sign_keys;
    DoubtSaid said = {s->options.keys, FRAME_ERROR, (int)error->code, error->text, error->signature};
    return keys[0] == NULL || doubt_is_signed(&s->doubt, &said, keys[0]) ||
           (keys[1] != NULL && doubt_is_signed(&s->doubt, &said, keys[1]));
}

static int refuse(Subscription *s, const Dongbo__Error *error) {
    if (is_signed(s, error)) {
        s->gone = error->code == DONGBO__ERROR__CODE__POSITION_GONE;
        return subscription_say(s, REFUSED, "%s", error->text);
    }
    int r = doubt_begin(&s->doubt, s->options.clock);
    return r < 0 ? r : subscription_say(s, LOST, "%s " DENIAL_UNSIGNED "%s", s->endpoint, error->text);
}

int subscription_error(Subscription *s, const ProtobufCMessage *message) {
    const Dongbo__Error *error = (const Dongbo__Error *)message;
    int r;
    switch (error->code) {
    case DONGBO__ERROR__CODE__CURSOR_BAD:
        r = subscription_snapshot_forget(s);
        return r < 0 ? r : subscription_say(s, LOST, "%s", error->text);
    case DONGBO__ERROR__CODE__POSITION_GONE:
    case DONGBO__ERROR__CODE__BAD_VERSION:
    case DONGBO__ERROR__CODE__NOT_ALLOWED:
    case DONGBO__ERROR__CODE__UNKNOWN_SUBSCRIPTION:
    case DONGBO__ERROR__CODE__TOKEN_AHEAD:
    case DONGBO__ERROR__CODE__TOKEN_MISMATCH:
    case DONGBO__ERROR__CODE__SESSION_REPLACED:
        return refuse(s, error);
    default:
        return subscription_say(s, LOST, "%s", error->text);
    }
}
