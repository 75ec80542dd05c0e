// SPDX-License-Identifier: Apache-2.0
//
// Several parts and programs may share one FILE: each writes what it knows whole, and all know the same.
#include "agents/successor.h"

#include "proto/base/error.h"
#include "proto/base/log.h"

#include <string.h>

int successor_ask(Successor *successor, const Clock *clock, ProtobufCBinaryData *ret) {
    *ret = (ProtobufCBinaryData){0};
    if (!successor->path)
        return 0;
    *ret = (ProtobufCBinaryData){NEXT_KEYS_CHALLENGE_BYTES, successor->challenge};
    return clock_random(clock, successor->challenge, sizeof successor->challenge);
}

static bool same(const Keys *a, const Keys *b) {
    return memcmp(a->curve_public, b->curve_public, KEY_BYTES) == 0 &&
           memcmp(a->sign_public, b->sign_public, KEY_BYTES) == 0;
}

static void complain(Successor *successor, const char *text) {
    if (!successor->complained)
        log_warn("%s: %s", successor->path, text);
    successor->complained = true;
}

// A keeper compared what they put there with the exchange's operators.
static bool is_keepers(const Successor *successor) {
    return !same(&successor->broker[0], &successor->broker[1]) && !keys_next_is_announced(successor->path);
}

static void keep(const Successor *successor, const Keys *next, bool moved) {
    char fingerprint[KEY_FINGERPRINT_BYTES];
    keys_fingerprint(next, fingerprint);
    int r = moved ? keys_put_exchange(&successor->broker[0], successor->path) : 0;
    if (r == 0)
        r = keys_put_next(next, successor->path);
    if (r == 0)
        log_info("the exchange will go over to other keys, fingerprint %s: they are kept in %s.next", fingerprint,
                 successor->path);
    else
        log_error("the exchange will go over to other keys, fingerprint %s, which are known until this agent ends: %s. "
                  "Let it write there, or put them into %s.next by hand",
                  fingerprint, error_text(), successor->path);
}

int successor_hear(Successor *successor, const Dongbo__NextKeys *said) {
    Keys next, *broker = successor->broker;
    const Keys *present = round_keys(successor->round);
    if (!successor->path || !said)
        return 0;
    if (next_keys_check(said, successor->challenge, present->sign_public, &next) != 0) {
        complain(successor, "the exchange names keys that it will go over to, and its present one did not sign that: "
                            "ask its operators");
        return 0;
    }
    if (same(&next, &broker[0]) || same(&next, &broker[1]))
        return 0;
    bool moved = same(present, &broker[1]) && !same(present, &broker[0]);
    if (!moved && is_keepers(successor)) {
        complain(successor, "the exchange names other next keys than FILE.next holds, which was put there by hand and "
                            "stays: ask its operators which are right");
        return 0;
    }
    if (moved) {
        broker[0] = broker[1];
        round_settle(successor->round);
    }
    keep(successor, &next, moved);
    broker[1] = next;
    return 1;
}
