// SPDX-License-Identifier: Apache-2.0
#include "agents/doubt.h"

#define WAIT_MIN_MS 4000
#define WAIT_MAX_MS 256000
#define CALM_MS 3600000 // without any, the next is a first one; more than two who take turns wait for each other

int doubt_ask(Doubt *doubt, const Clock *clock, ProtobufCBinaryData *ret) {
    *ret = (ProtobufCBinaryData){DENIAL_CHALLENGE_BYTES, doubt->asked.challenge};
    doubt->asked.asked = true;
    return clock_random(clock, doubt->asked.challenge, sizeof doubt->asked.challenge);
}

bool doubt_is_signed(const Doubt *doubt, const DoubtSaid *said, const uint8_t sign_public[KEY_BYTES]) {
    char peer[DENIAL_PEER_BYTES];
    denial_peer_of_key(said->own->curve_public, peer);
    Denial denial = {peer, &doubt->asked, said->type, said->code, said->text};
    return denial_is_signed(&denial, sign_public, said->signature);
}

int doubt_begin(Doubt *doubt, const Clock *clock) {
    int64_t now_ms = clock_monotonic_ms(clock), twice_ms = 2 * doubt->wait_ms;
    uint8_t random;
    bool first = doubt->wait_ms == 0 || now_ms - doubt->at_ms > CALM_MS;
    doubt->wait_ms = first ? WAIT_MIN_MS : twice_ms < WAIT_MAX_MS ? twice_ms : WAIT_MAX_MS;
    doubt->at_ms = now_ms;
    int r = clock_random(clock, &random, 1);
    doubt->pause_ms = r < 0 ? 0 : doubt->wait_ms / 2 + doubt->wait_ms * random / 256;
    return r;
}

int64_t doubt_pause_ms(Doubt *doubt) {
    int64_t pause_ms = doubt->pause_ms;
    doubt->pause_ms = 0;
    return pause_ms;
}
