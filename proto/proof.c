// SPDX-License-Identifier: Apache-2.0
//
// Without recursion: a tree's split is the greatest power of two below its size, and a proof goes down one way.
#include "proto/proof.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

// n > 1
static uint64_t split(uint64_t n) {
    return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

static void turn_round(ProofRange *ranges, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        ProofRange kept = ranges[i];
        ranges[i] = ranges[n - 1 - i];
        ranges[n - 1 - i] = kept;
    }
}

size_t proof_inclusion(uint64_t leaf, uint64_t size, ProofRange ret[PROOF_MAX]) {
    ProofRange here = {0, size};
    size_t n = 0;
    assert(leaf < size);
    while (here.end - here.first > 1) {
        uint64_t middle = here.first + split(here.end - here.first);
        if (leaf < middle) {
            ret[n++] = (ProofRange){middle, here.end};
            here.end = middle;
        } else {
            ret[n++] = (ProofRange){here.first, middle};
            here.first = middle;
        }
    }
    turn_round(ret, n); // the lowest comes first
    return n;
}

size_t proof_consistency(uint64_t old, uint64_t size, ProofRange ret[PROOF_MAX]) {
    ProofRange here = {0, size};
    size_t n = 0;
    assert(old > 0 && old <= size);
    while (here.end != old) {
        uint64_t middle = here.first + split(here.end - here.first);
        if (old <= middle) {
            ret[n++] = (ProofRange){middle, here.end};
            here.end = middle;
        } else {
            ret[n++] = (ProofRange){here.first, middle};
            here.first = middle;
        }
    }
    if (here.first > 0) // else it is the old tree itself, whose root is known
        ret[n++] = here;
    turn_round(ret, n);
    return n;
}

int proof_range_root(Merkle *merkle, ProofRange range, const Frontier *before, const uint8_t last[HASH_BYTES],
                     uint8_t out[HASH_BYTES]) {
    if (range.end <= range.first || before->n != range.end - 1)
        return 1;
    Frontier part = {.n = before->n - range.first};
    uint64_t covered = 0;
    size_t node = 0, kept = 0;
    for (uint64_t rest = before->n; rest != 0; node++) {
        uint64_t bit = (uint64_t)1 << (63 - __builtin_clzll(rest));
        if (covered >= range.first)
            memcpy(part.nodes[kept++], before->nodes[node], HASH_BYTES);
        covered += bit;
        rest -= bit;
        if (covered > range.first && kept == 0)
            return 1; // it begins within a full subtree
    }
    frontier_add(merkle, &part, last);
    frontier_root(merkle, &part, out);
    return 0;
}

// ---- of leaves that are at hand ------------------------------------------------------------------------------------

static void range_root(Merkle *merkle, const uint8_t (*leaves)[HASH_BYTES], ProofRange range, uint8_t out[HASH_BYTES]) {
    Frontier frontier = {0};
    for (uint64_t i = range.first; i < range.end; i++)
        frontier_add(merkle, &frontier, leaves[i]);
    frontier_root(merkle, &frontier, out);
}

void proof_path(Merkle *merkle, const uint8_t (*leaves)[HASH_BYTES], size_t n, size_t index, ProofPath *ret) {
    ProofRange ranges[PROOF_MAX];
    ret->n = proof_inclusion(index, n, ranges);
    for (size_t i = 0; i < ret->n; i++)
        range_root(merkle, leaves, ranges[i], ret->hashes[i]);
}

size_t proof_nodes_count(size_t n) {
    size_t count = n;
    for (; n > 1; count += n)
        n = (n + 1) / 2;
    return count;
}

// The last one of an odd level has no sibling, and goes up as it is: so the tree splits at powers of two.
void proof_nodes_fill(Merkle *merkle, uint8_t (*nodes)[HASH_BYTES], size_t n) {
    for (uint8_t(*above)[HASH_BYTES] = nodes + n; n > 1; nodes = above, above += n) {
        for (size_t i = 0; i + 1 < n; i += 2)
            merkle_node(merkle, nodes[i], nodes[i + 1], above[i / 2]);
        if (n % 2 != 0)
            memcpy(above[n / 2], nodes[n - 1], HASH_BYTES);
        n = (n + 1) / 2;
    }
}

void proof_nodes_path(const uint8_t (*nodes)[HASH_BYTES], size_t n, size_t index, ProofPath *ret) {
    ret->n = 0;
    for (; n > 1; n = (n + 1) / 2, index /= 2) {
        size_t sibling = index ^ 1;
        if (sibling < n)
            memcpy(ret->hashes[ret->n++], nodes[sibling], HASH_BYTES);
        nodes += n;
    }
}

// ---- checking ------------------------------------------------------------------------------------------------------

int proof_path_read(ProtobufCBinaryData *const hashes, size_t n, ProofPath *ret) {
    if (n > PROOF_MAX)
        return 1;
    ret->n = n;
    for (size_t i = 0; i < n; i++) {
        if (hashes[i].len != HASH_BYTES)
            return 1;
        memcpy(ret->hashes[i], hashes[i].data, HASH_BYTES);
    }
    return 0;
}

int proof_root(Merkle *merkle, ProofPlace place, const uint8_t leaf[HASH_BYTES], const ProofPath *path,
               uint8_t out[HASH_BYTES]) {
    ProofRange ranges[PROOF_MAX];
    if (place.index >= place.size || place.size >> FRONTIER_MAX != 0 ||
        proof_inclusion(place.index, place.size, ranges) != path->n)
        return 1;
    uint8_t root[HASH_BYTES];
    memcpy(root, leaf, HASH_BYTES);
    for (size_t i = 0; i < path->n; i++) {
        if (ranges[i].first > place.index)
            merkle_node(merkle, root, path->hashes[i], root);
        else
            merkle_node(merkle, path->hashes[i], root, root);
    }
    memcpy(out, root, HASH_BYTES);
    return 0;
}

int proof_check_consistency(Merkle *merkle, ProofTree older, ProofTree newer, const ProofPath *path) {
    ProofRange ranges[PROOF_MAX];
    if (older.size == 0 || older.size > newer.size || newer.size >> FRONTIER_MAX != 0)
        return 1;
    if (proof_consistency(older.size, newer.size, ranges) != path->n)
        return 1;
    // Both roots grow from the subtree in which the older tree ends: what lies before it is in both, what lies behind
    // it only in the newer one.
    bool own = path->n == 0 || ranges[0].end != older.size;
    uint8_t old[HASH_BYTES], root[HASH_BYTES];
    memcpy(old, own ? older.root : path->hashes[0], HASH_BYTES);
    memcpy(root, old, HASH_BYTES);
    for (size_t i = own ? 0 : 1; i < path->n; i++) {
        if (ranges[i].first >= older.size) {
            merkle_node(merkle, root, path->hashes[i], root);
        } else {
            merkle_node(merkle, path->hashes[i], root, root);
            merkle_node(merkle, path->hashes[i], old, old);
        }
    }
    return memcmp(old, older.root, HASH_BYTES) != 0 || memcmp(root, newer.root, HASH_BYTES) != 0;
}
