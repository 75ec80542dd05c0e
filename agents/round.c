// SPDX-License-Identifier: Apache-2.0
#include "agents/round.h"

void round_begin(Round *ret, const Keys *present, const Keys *next) {
    *ret = (Round){.keys = {present, next}};
}

const Keys *round_keys(const Round *round) {
    return round->keys[round->at_next];
}

void round_secured(Round *round) {
    round->secured = true;
}

void round_settle(Round *round) {
    round->at_next = false;
}

void round_over(Round *round) {
    if (!round->secured && round->keys[1])
        round->at_next = !round->at_next;
    round->secured = false;
}
