// SPDX-License-Identifier: Apache-2.0
//
// Inclusion and consistency proofs of a growing Merkle tree, RFC 6962, 2.1.1 and 2.1.2: which subtrees they are made
// of, how a subtree's root follows from two stored rows, and checking. Pure.
#pragma once

#include "proto/merkle.h"

#include <protobuf-c/protobuf-c.h>

#define PROOF_MAGIC "dongbo proof 1\n" // a file of a Proof begins so
#define PROOF_MAX (2 * FRONTIER_MAX)   // hashes of any proof

typedef struct ProofRange { // of leaves
    uint64_t first, end;
} ProofRange;
// Ranges whose roots are the proof, in its order; how many. That leaf `leaf` is in the tree of `size` leaves
// (leaf < size), and that the tree of `size` leaves begins with that of `old` (0 < old <= size).
size_t proof_inclusion(uint64_t leaf, uint64_t size, ProofRange ret[PROOF_MAX]);
size_t proof_consistency(uint64_t old, uint64_t size, ProofRange ret[PROOF_MAX]);
// A range's root, of its last leaf and of the frontier before that one (of end - 1 leaves): so each hash of a proof
// costs two rows of the log. 1 when the range is none of a proof's.
int proof_range_root(Merkle *merkle, ProofRange range, const Frontier *before, const uint8_t last[HASH_BYTES],
                     uint8_t out[HASH_BYTES]);

typedef struct ProofPath {
    size_t n;
    uint8_t hashes[PROOF_MAX][HASH_BYTES];
} ProofPath;
// The path in a tree all of whose leaves are at hand (n > index).
void proof_path(Merkle *merkle, const uint8_t (*leaves)[HASH_BYTES], size_t n, size_t index, ProofPath *ret);
// A tree all of whose nodes are at hand, so that a path from it costs no hashing: its leaves, then each level above,
// the root last. How many there are in all; filling in what stands above n leaves; a path (n > index).
size_t proof_nodes_count(size_t n);
void proof_nodes_fill(Merkle *merkle, uint8_t (*nodes)[HASH_BYTES], size_t n);
void proof_nodes_path(const uint8_t (*nodes)[HASH_BYTES], size_t n, size_t index, ProofPath *ret);
typedef struct ProofPlace {
    uint64_t index, size;
} ProofPlace;
int proof_path_read(ProtobufCBinaryData *const hashes, size_t n, ProofPath *ret); // 1 when they are none
// The root that a leaf at this place has by this path. 1 when the path is not of this length.
int proof_root(Merkle *merkle, ProofPlace place, const uint8_t leaf[HASH_BYTES], const ProofPath *path,
               uint8_t out[HASH_BYTES]);
typedef struct ProofTree {
    uint64_t size;
    const uint8_t *root;
} ProofTree;
// 1 when the path does not show that the newer tree begins with the older one.
int proof_check_consistency(Merkle *merkle, ProofTree older, ProofTree newer, const ProofPath *path);
