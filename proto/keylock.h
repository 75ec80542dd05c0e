// SPDX-License-Identifier: Apache-2.0
//
// A key file's secrets under a passphrase: scrypt (RFC 7914) makes a key of it, AES-256-GCM locks with that, and the
// public halves are held with it, so that no other file's secrets can be put in their place. OpenSSL does both.
#pragma once

#include "proto/passphrase.h"

#include <stdint.h>

#define KEYLOCK_SECRET_BYTES 64 // both secrets
#define KEYLOCK_PUBLIC_BYTES 64 // both public halves
// "scrypt-aes256gcm 16 SALT NONCE SECRETS-AND-TAG", the last three in hexadecimal, with the 0.
#define KEYLOCK_TEXT_BYTES (17 + 3 + 33 + 25 + 161)

typedef struct KeylockBytes {
    uint8_t publics[KEYLOCK_PUBLIC_BYTES];
    uint8_t secrets[KEYLOCK_SECRET_BYTES];
} KeylockBytes;

int keylock_close(const KeylockBytes *bytes, const Passphrase *passphrase, char ret[KEYLOCK_TEXT_BYTES]);
// Fills bytes->secrets. 1: another passphrase, or the file was changed; 2: this is no such text, or one that would take
// more memory than is allowed. ERROR_CRYPTO.
int keylock_open(const char *text, const Passphrase *passphrase, KeylockBytes *bytes);
