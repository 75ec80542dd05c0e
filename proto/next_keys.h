// SPDX-License-Identifier: Apache-2.0
//
// The keys that an exchange will go over to, as it tells its peers in Welcome (PROTOCOL.md, section 3): signed by its
// present signing key for the very challenge of the peer that asks, so that nobody can say it again later. Decides
// neither what is announced nor what becomes of it.
#pragma once

#include "proto/keys.h"
#include "wire.pb-c.h"

#define NEXT_KEYS_CHALLENGE_BYTES 16

typedef struct NextKeys NextKeys; // the exchange's side; one per thread
// `present` has its secrets. `next` NULL: nothing is announced, and *ret is NULL. ERROR_CRYPTO, ERROR_MEMORY.
int next_keys_new(NextKeys **ret, const Keys *present, const Keys *next);
void next_keys_destroy(NextKeys **next);
// What to say to this challenge, until the next call; NULL where there is nothing to say, or it is no challenge.
Dongbo__NextKeys *next_keys_say(NextKeys *next, const ProtobufCBinaryData *challenge);

// Whether the owner of this signing key said it, and to this challenge. 1: no. ERROR_CRYPTO, ERROR_MEMORY.
int next_keys_check(const Dongbo__NextKeys *said, const uint8_t challenge[NEXT_KEYS_CHALLENGE_BYTES],
                    const uint8_t sign_public[KEY_BYTES], Keys *ret);
