// SPDX-License-Identifier: Apache-2.0
//
// Learns from the exchange which keys it will go over to (proto/next_keys.h), believes what the key that is in use has
// signed, and keeps it beside that one's file as FILE.next, so that the next start knows it, too. What a keeper put
// there by hand is not written over. Where nothing can be written, it is known until the agent ends, and said so.
#pragma once

#include "agents/round.h"
#include "proto/base/clock.h"
#include "proto/next_keys.h"

typedef struct Successor {
    Keys *broker;     // two: the exchange's present and next; these change where something is learnt
    const char *path; // FILE. NULL: nothing is asked
    Round *round;     // over `broker`
    uint8_t challenge[NEXT_KEYS_CHALLENGE_BYTES];
    bool complained;
} Successor;

// For a Hello; empty where nothing is asked. ERROR_SYSTEM.
int successor_ask(Successor *successor, const Clock *clock, ProtobufCBinaryData *ret);
// Of its Welcome; may be NULL. 1 when the keys are others than they were.
int successor_hear(Successor *successor, const Dongbo__NextKeys *said);
