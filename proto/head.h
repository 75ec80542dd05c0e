// SPDX-License-Identifier: Apache-2.0
//
// Signed heads: what the exchange says of its log as a whole, now and then. PROTOCOL.md, The log, is the specification.
// Pure.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/keys.h"
#include "proto/merkle.h"
#include "wire.pb-c.h"

#define HEAD_BYTES_MAX 512 // a TreeHead, packed

// Packs and signs. ERROR_MEMORY, ERROR_CRYPTO.
int head_sign(const Dongbo__TreeHead *head, Signer *signer, Bytes *ret, uint8_t signature[SIGNATURE_BYTES]);
// Decodes into the arena, without a look at the signature. 1 when it is none.
int head_read(const uint8_t *data, size_t n, Arena *arena, const Dongbo__TreeHead **ret);
// 1 when it is none, 2 when this key did not sign it, ERROR_CRYPTO.
int head_open(const Dongbo__SignedHead *head, Verifier *verifier, Arena *arena, const Dongbo__TreeHead **ret);
// The exchange's keys: its present one, and one that it may go over to (the same again, or NULL). ERROR_CRYPTO,
// ERROR_MEMORY.
typedef struct HeadKeys HeadKeys;
int head_keys_new(HeadKeys **ret, const uint8_t *const sign_keys[2]);
void head_keys_destroy(HeadKeys **keys);
// By whichever signed it. As head_open(); 3 when it is by a key that is not one of these, and *ret is set.
int head_keys_open(HeadKeys *keys, const Dongbo__SignedHead *head, Arena *arena, const Dongbo__TreeHead **ret);

// Of two heads that the exchange signed. NULL: both may be of one log.
const char *head_compare(const Dongbo__TreeHead *before, const Dongbo__TreeHead *now);
// What the next head calls `previous`.
void head_hash(Merkle *merkle, ProtobufCBinaryData head, uint8_t out[HASH_BYTES]);

// ---- two heads that the exchange signed --------------------------------------------------------------------------

typedef enum HeadRelation {
    HEAD_SAME,
    HEAD_GOES_ON,     // the later names the earlier as the one before it
    HEAD_OPEN,        // nothing speaks against one log; a consistency proof would show it
    HEAD_SET_BACK,    // of two epochs, and not of one chain: the exchange was set back in between
    HEAD_CONTRADICTS, // there are two logs
} HeadRelation;
typedef struct HeadMark { // what is compared of a head
    uint32_t epoch;
    uint64_t number, size, last_position;
    int64_t signed_at_us;
    uint8_t hash[HASH_BYTES], previous[HASH_BYTES]; // previous: zeros in the first
} HeadMark;
void head_mark(Merkle *merkle, const Dongbo__TreeHead *tree, ProtobufCBinaryData head, HeadMark *ret);
// By epochs, and then by numbers: less than 0, 0, more than 0.
int head_order(const HeadMark *one, const HeadMark *other);
// In either order. *why: what contradicts, for people.
HeadRelation head_relate(const HeadMark *one, const HeadMark *other, const char **why);
