// SPDX-License-Identifier: Apache-2.0
//
// By which of the exchange's keys its brokers are tried: the present one, or the one that follows it. A whole round
// through the endpoints in which nobody got through the handshake means that the exchange may have gone over to the
// other one, in either direction; one that anybody got through leaves it as it is. Knows neither endpoints nor sockets.
#pragma once

#include "proto/keys.h"

#include <stdbool.h>

typedef struct Round {
    const Keys *keys[2]; // present, next; outlive it. The latter NULL: none is known
    bool at_next;
    bool secured; // any endpoint of this round
} Round;

void round_begin(Round *ret, const Keys *present, const Keys *next);
const Keys *round_keys(const Round *round); // those that are tried now
void round_secured(Round *round);           // the handshake was over: they are the exchange's
void round_over(Round *round);              // every endpoint was tried
void round_settle(Round *round);            // what was next is present from now on
