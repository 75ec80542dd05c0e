// SPDX-License-Identifier: Apache-2.0
//
// Who may connect: a ZAP handler (RFC 27) of our own, an actor with an allow-list of CURVE public keys. Everything else
// is refused before it reaches a parser. Start it before any socket binds; zap_prove() shows that it refuses.
#pragma once

#include "proto/bounds.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Zap Zap;
typedef struct ZapKey {
    uint8_t key[KEY_BYTES];
    char user[64];
} ZapKey;

int zap_new(Zap **ret);
void zap_destroy(Zap **zap);
// Replaces the list; takes effect before it returns.
int zap_allow(Zap *zap, const ZapKey *keys, size_t n);
// Binds a socket on inproc or loopback with `keys` and proves that a random key is refused. ERROR_CRYPTO when not.
struct Keys;
int zap_prove(const struct Keys *keys);
