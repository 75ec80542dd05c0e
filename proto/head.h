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
// What the next head calls `previous`.
void head_hash(Merkle *merkle, ProtobufCBinaryData head, uint8_t out[HASH_BYTES]);
