// SPDX-License-Identifier: Apache-2.0
//
// Asks an exchange's brokers for signed heads, one question at a time.
#pragma once

#include "agents/asker.h"

typedef struct HeadsPeer HeadsPeer;
int heads_peer_new(HeadsPeer **ret, const AskerOptions *options); // ERROR_MEMORY
void heads_peer_destroy(HeadsPeer **peer);
// The answer lives until the next question. 0; 1 the exchange refuses, as heads_peer_text() says, and has signed that;
// ERROR_PEER nobody answers for so long; ERROR_STOPPED; ERROR_MEMORY, ERROR_SYSTEM.
int heads_peer_ask(HeadsPeer *peer, uint64_t after, uint64_t size, const Dongbo__Heads **ret);
// What it is to be signed for: DENIAL_CHALLENGE_BYTES.
const uint8_t *heads_peer_challenge(const HeadsPeer *peer);
// Whether the last answer told of other keys that the exchange will go over to: they stand in the options' `exchange`.
bool heads_peer_learnt(const HeadsPeer *peer);
// What was answered is of no use: the next question goes to another broker. As heads_peer_ask(), but for 1.
int heads_peer_lose(HeadsPeer *peer, const char *why);
const char *heads_peer_text(const HeadsPeer *peer);
