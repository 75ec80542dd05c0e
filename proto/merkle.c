// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 through one fetched EVP_MD and one reused EVP_MD_CTX: a hash allocates nothing and fetches nothing. Hashes
// cannot fail but by a broken OpenSSL, which ends the process: a wrong hash in the log could never be taken back.
#include "proto/merkle.h"

#include "proto/base/error.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

struct Merkle {
    EVP_MD *sha256;
    EVP_MD_CTX *context;
};

int merkle_new(Merkle **ret) {
    Merkle *merkle = calloc(1, sizeof(*merkle));
    if (merkle == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a hashing context");
    merkle->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    merkle->context = EVP_MD_CTX_new();
    if (merkle->sha256 == NULL || merkle->context == NULL ||
        EVP_DigestInit_ex2(merkle->context, merkle->sha256, NULL) != 1) {
        merkle_destroy(&merkle);
        return error_fail(ERROR_CRYPTO, "OpenSSL offers no SHA-256");
    }
    *ret = merkle;
    return 0;
}

void merkle_destroy(Merkle **merkle) {
    if (*merkle == NULL)
        return;
    EVP_MD_CTX_free((*merkle)->context);
    EVP_MD_free((*merkle)->sha256);
    free(*merkle);
    *merkle = NULL;
}

static void must(int ok) {
    if (ok != 1)
        abort();
}

// H(a ‖ b ‖ c); empty parts are skipped.
static void hash_parts(Merkle *merkle, const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n, const uint8_t *c,
                       size_t c_n, uint8_t out[HASH_BYTES]) {
    must(EVP_DigestInit_ex2(merkle->context, NULL, NULL));
    must(EVP_DigestUpdate(merkle->context, a, a_n));
    if (b_n > 0)
        must(EVP_DigestUpdate(merkle->context, b, b_n));
    if (c_n > 0)
        must(EVP_DigestUpdate(merkle->context, c, c_n));
    must(EVP_DigestFinal_ex(merkle->context, out, NULL));
}

void merkle_begin(Merkle *merkle) {
    must(EVP_DigestInit_ex2(merkle->context, NULL, NULL));
}

void merkle_add(Merkle *merkle, const void *data, size_t n) {
    must(EVP_DigestUpdate(merkle->context, data, n));
}

void merkle_end(Merkle *merkle, uint8_t out[HASH_BYTES]) {
    must(EVP_DigestFinal_ex(merkle->context, out, NULL));
}

void merkle_sha256(Merkle *merkle, const uint8_t *data, size_t n, uint8_t out[HASH_BYTES]) {
    hash_parts(merkle, data, n, NULL, 0, NULL, 0, out);
}

void merkle_leaf(Merkle *merkle, const uint8_t *data, size_t n, uint8_t out[HASH_BYTES]) {
    const uint8_t prefix = LEAF_PREFIX;
    hash_parts(merkle, &prefix, 1, data, n, NULL, 0, out);
}

void merkle_salted_leaf(Merkle *merkle, const uint8_t salt[SALT_BYTES], const uint8_t *event, size_t n,
                        uint8_t out[HASH_BYTES]) {
    uint8_t head[1 + SALT_BYTES] = {LEAF_PREFIX};
    memcpy(head + 1, salt, SALT_BYTES);
    hash_parts(merkle, head, sizeof(head), event, n, NULL, 0, out);
}

void merkle_node(Merkle *merkle, const uint8_t left[HASH_BYTES], const uint8_t right[HASH_BYTES],
                 uint8_t out[HASH_BYTES]) {
    uint8_t whole[1 + 2 * HASH_BYTES] = {NODE_PREFIX};
    memcpy(whole + 1, left, HASH_BYTES);
    memcpy(whole + 1 + HASH_BYTES, right, HASH_BYTES);
    hash_parts(merkle, whole, sizeof(whole), NULL, 0, NULL, 0, out);
}

void merkle_root(Merkle *merkle, uint8_t *leaves, size_t n, uint8_t out[HASH_BYTES]) {
    if (n == 0) {
        merkle_sha256(merkle, NULL, 0, out);
        return;
    }
    // Level by level, the odd one out going up as it is: the same tree as RFC 6962's split at the greatest power of
    // two.
    while (n > 1) {
        size_t pairs = n / 2;
        for (size_t i = 0; i < pairs; i++)
            merkle_node(merkle, leaves + 2 * i * HASH_BYTES, leaves + (2 * i + 1) * HASH_BYTES,
                        leaves + i * HASH_BYTES);
        if (n % 2 == 1)
            memmove(leaves + pairs * HASH_BYTES, leaves + (n - 1) * HASH_BYTES, HASH_BYTES);
        n = pairs + n % 2;
    }
    memcpy(out, leaves, HASH_BYTES);
}

static size_t frontier_nodes(const Frontier *frontier) {
    return (size_t)__builtin_popcountll(frontier->n);
}

size_t frontier_bytes(const Frontier *frontier) {
    return frontier_nodes(frontier) * HASH_BYTES;
}

int frontier_read(Frontier *frontier, uint64_t n, const uint8_t *data, size_t bytes) {
    // So that whatever is read takes further leaves: none adds as many again.
    if (n >> (FRONTIER_MAX - 1) != 0 || bytes != (size_t)__builtin_popcountll(n) * HASH_BYTES)
        return 1;
    frontier->n = n;
    if (bytes > 0)
        memcpy(frontier->nodes, data, bytes);
    return 0;
}

void frontier_add(Merkle *merkle, Frontier *frontier, const uint8_t leaf[HASH_BYTES]) {
    assert((frontier->n + 1) >> FRONTIER_MAX == 0);
    size_t nodes = frontier_nodes(frontier);
    uint8_t carry[HASH_BYTES];
    memcpy(carry, leaf, HASH_BYTES);
    // Each trailing one of n is a full subtree that the new one completes, as in adding one to a binary number.
    for (uint64_t rest = frontier->n; rest & 1; rest >>= 1)
        merkle_node(merkle, frontier->nodes[--nodes], carry, carry);
    memcpy(frontier->nodes[nodes], carry, HASH_BYTES);
    frontier->n++;
}

void frontier_root(Merkle *merkle, const Frontier *frontier, uint8_t out[HASH_BYTES]) {
    size_t nodes = frontier_nodes(frontier);
    if (nodes == 0) {
        merkle_sha256(merkle, NULL, 0, out);
        return;
    }
    memcpy(out, frontier->nodes[--nodes], HASH_BYTES);
    while (nodes > 0)
        merkle_node(merkle, frontier->nodes[--nodes], out, out);
}
