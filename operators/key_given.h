// SPDX-License-Identifier: Apache-2.0
//
// A public key as `--keys` takes it: FILE, or WHO=FILE, where WHO is an agency's code or `exchange`.
#pragma once

#include "proto/bounds.h"

#include <stdint.h>

#define KEY_GIVEN_WHO_BYTES 32
#define KEY_GIVEN_EXCHANGE "exchange"

typedef struct KeyGiven {
    char who[KEY_GIVEN_WHO_BYTES]; // "": it is not said
    const char *path;              // within what was given
    uint8_t key[KEY_BYTES];
} KeyGiven;

// Reads no file. ERROR_CONFIG: what stands there is no agency's code, and what was meant perhaps.
int key_given_split(const char *given, KeyGiven *ret);
int key_given_read(const char *given, KeyGiven *ret); // likewise, and the key; keys_load() says what is wrong with it
