// SPDX-License-Identifier: Apache-2.0
//
// One-time tokens by which a party hands in its first keys. A token is the secret half of a CURVE key: whoever has it
// gets through the handshake at the enrolment door, whoever has not gets no further, and from what the exchange keeps,
// the public half, no token can be had.
#pragma once

#include "proto/keys.h"

// Six groups of five characters, with the 0: 26 random ones of 5 bits each, 4 that show a slip of the pen.
#define ENROLMENT_TOKEN_BYTES 36

int enrolment_token_new(char ret[ENROLMENT_TOKEN_BYTES]); // ERROR_CRYPTO
// The token's CURVE pair; as people type it: small letters, O for 0, I and L for 1, spaces and hyphens anywhere. 1 when
// this is no token, or one with a slip in it. ERROR_CRYPTO.
int enrolment_token_keys(const char *text, Keys *ret);

// What the party signs with its new signing key, so that nobody can hand in another's.
#define ENROLMENT_DOMAIN "dongbo enrol 1"
#define ENROLMENT_SIGNED_BYTES (3 * KEY_BYTES)
void enrolment_signed(const uint8_t door[KEY_BYTES], const uint8_t curve[KEY_BYTES], const uint8_t sign[KEY_BYTES],
                      uint8_t ret[ENROLMENT_SIGNED_BYTES]);
