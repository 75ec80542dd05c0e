// SPDX-License-Identifier: Apache-2.0
//
// Merkle trees with RFC 6962's hashing: leaf H(0x00 ‖ data), node H(0x01 ‖ left ‖ right), H = SHA-256; the tree over n
// leaves splits at the greatest power of two below n.
#pragma once

#include "proto/bounds.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Merkle Merkle; // hashing context, reused; one per thread

int merkle_new(Merkle **ret); // ERROR_CRYPTO, ERROR_MEMORY
void merkle_destroy(Merkle **merkle);

void merkle_sha256(Merkle *merkle, const uint8_t *data, size_t n, uint8_t out[HASH_BYTES]);
void merkle_leaf(Merkle *merkle, const uint8_t *data, size_t n, uint8_t out[HASH_BYTES]);
// H(0x00 ‖ salt ‖ event): an event's leaf.
void merkle_salted_leaf(Merkle *merkle, const uint8_t salt[SALT_BYTES], const uint8_t *event, size_t n,
                        uint8_t out[HASH_BYTES]);
// A hash over parts: begin, add as often as need be, end.
void merkle_begin(Merkle *merkle);
void merkle_add(Merkle *merkle, const void *data, size_t n);
void merkle_end(Merkle *merkle, uint8_t out[HASH_BYTES]);
void merkle_node(Merkle *merkle, const uint8_t left[HASH_BYTES], const uint8_t right[HASH_BYTES],
                 uint8_t out[HASH_BYTES]);
// Root over n ≥ 1 leaf hashes (n × 32 bytes); overwrites `leaves`. n = 0 gives SHA-256 of nothing.
void merkle_root(Merkle *merkle, uint8_t *leaves, size_t n, uint8_t out[HASH_BYTES]);

// The frontier of a growing tree: roots of the full subtrees, largest first, one per set bit of n.
#define FRONTIER_MAX 63
typedef struct Frontier {
    uint64_t n;
    uint8_t nodes[FRONTIER_MAX][HASH_BYTES];
} Frontier;
size_t frontier_bytes(const Frontier *frontier); // 32 × popcount(n)
// 1 when the bytes do not fit n.
int frontier_read(Frontier *frontier, uint64_t n, const uint8_t *data, size_t bytes);
void frontier_add(Merkle *merkle, Frontier *frontier, const uint8_t leaf[HASH_BYTES]);
void frontier_root(Merkle *merkle, const Frontier *frontier, uint8_t out[HASH_BYTES]);
