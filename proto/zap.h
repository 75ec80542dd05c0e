// SPDX-License-Identifier: Apache-2.0
//
// Who may connect: a ZAP handler (RFC 27) of our own, an actor with an allow-list of CURVE public keys. Everything else
// is refused before it reaches a parser. Start it before any socket binds; zap_prove() shows that it refuses.
#pragma once

#include "proto/keys.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Zap Zap;
typedef struct ZapKey {
    uint8_t key[KEY_BYTES];
    char user[64];
} ZapKey;

// The kind of users that stand for a one-time token: let in at the enrolment door, and nowhere else.
#define ZAP_ENROLMENT "enrolment"
// Names the user that this key stands for: "agency:3:<hex of the key's first 8 bytes>". The key is part of it, so that
// a session ends with its key and not with the last key of its owner.
void zap_name(ZapKey *key, const char *kind, int32_t number);

// One in a process; it begins with nobody allowed. ERROR_CONFIG when there is one already. ERROR_MEMORY.
int zap_new(Zap **ret);
void zap_destroy(Zap **zap);
// Replaces the list (copied); takes effect before it returns. Does not cut sessions that are open: closing those of a
// key that was taken off is the caller's. Call it from one thread. ERROR_MEMORY.
int zap_allow(Zap *zap, const ZapKey *keys, size_t n);
// How many connections were refused so far, and who the last one was: for the log and for status.
typedef struct ZapRefused {
    uint64_t n;
    char address[64]; // as libzmq tells it; "" over a Unix socket
    char key[17];     // hex of its first 8 bytes; "" where it has none
    uint64_t often;   // ... and of known keys, whose party connects too often (CONNECTIONS_BURST)
    char user[64];    // the last of these
} ZapRefused;
void zap_refused(Zap *zap, ZapRefused *ret);
// Binds a socket on loopback with `keys` and proves that a random key is refused, and that one put on the list for this
// trial is let in. Call it before binding to the world. ERROR_CRYPTO when either is not so. zap NULL: the handler is
// not ours (tests have their own); only the refusal is proved.
int zap_prove(Zap *zap, const Keys *keys);
