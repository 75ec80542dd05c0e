// SPDX-License-Identifier: Apache-2.0
//
// RFC 6962's tree: the inputs and roots of certificate-transparency's reference tests, every size against the RFC's own
// recursive definition, and the frontier against both.
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define REFERENCE_N 8

static const char *const REFERENCE_LEAVES[REFERENCE_N] = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
};
static const char *const REFERENCE_ROOTS[REFERENCE_N] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void assert_hash(const uint8_t hash[HASH_BYTES], const char *hex) {
    char text[2 * HASH_BYTES + 1];
    hex_encode(hash, HASH_BYTES, text);
    assert_string_equal(text, hex);
}

static void reference_leaf(Merkle *merkle, int i, uint8_t out[HASH_BYTES]) {
    uint8_t data[16];
    size_t n = strlen(REFERENCE_LEAVES[i]) / 2;
    assert_int_equal(hex_decode(REFERENCE_LEAVES[i], data, n), 0);
    merkle_leaf(merkle, data, n, out);
}

static void test_reference_roots(void **state) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    Frontier frontier = {0};
    for (int n = 1; n <= REFERENCE_N; n++) {
        uint8_t leaves[REFERENCE_N * HASH_BYTES], root[HASH_BYTES];
        for (int i = 0; i < n; i++)
            reference_leaf(merkle, i, leaves + i * HASH_BYTES);
        frontier_add(merkle, &frontier, leaves + (n - 1) * HASH_BYTES);
        merkle_root(merkle, leaves, (size_t)n, root);
        assert_hash(root, REFERENCE_ROOTS[n - 1]);
        frontier_root(merkle, &frontier, root);
        assert_hash(root, REFERENCE_ROOTS[n - 1]);
    }
}

static void test_empty(void **state) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    const char *empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    uint8_t root[HASH_BYTES];
    merkle_root(merkle, NULL, 0, root);
    assert_hash(root, empty);
    Frontier frontier = {0};
    frontier_root(merkle, &frontier, root);
    assert_hash(root, empty);
    assert_int_equal(frontier_bytes(&frontier), 0);
}

// RFC 6962, 2.1, word for word.
static void rfc_root(Merkle *merkle, const uint8_t *leaves, size_t n, uint8_t out[HASH_BYTES]) {
    if (n == 1) {
        memcpy(out, leaves, HASH_BYTES);
        return;
    }
    size_t k = 1;
    while (2 * k < n)
        k *= 2;
    uint8_t left[HASH_BYTES], right[HASH_BYTES];
    rfc_root(merkle, leaves, k, left);
    rfc_root(merkle, leaves + k * HASH_BYTES, n - k, right);
    merkle_node(merkle, left, right, out);
}

static void test_every_size(void **state) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    enum { N = 130 };
    uint8_t leaves[N * HASH_BYTES], copy[N * HASH_BYTES];
    Frontier frontier = {0};
    for (unsigned n = 1; n <= N; n++) {
        uint8_t number = (uint8_t)n, expected[HASH_BYTES], root[HASH_BYTES];
        merkle_leaf(merkle, &number, 1, leaves + (n - 1) * HASH_BYTES);
        frontier_add(merkle, &frontier, leaves + (n - 1) * HASH_BYTES);
        rfc_root(merkle, leaves, n, expected);
        memcpy(copy, leaves, n * HASH_BYTES);
        merkle_root(merkle, copy, n, root);
        assert_memory_equal(root, expected, HASH_BYTES);

        Frontier again; // as a broker reads it back from the last segment
        assert_int_equal(frontier_read(&again, frontier.n, frontier.nodes[0], frontier_bytes(&frontier)), 0);
        frontier_root(merkle, &again, root);
        assert_memory_equal(root, expected, HASH_BYTES);
    }
}

static void test_frontier_must_fit(void **state) {
    uint8_t data[3 * HASH_BYTES] = {0};
    Frontier frontier;
    assert_int_equal(frontier_read(&frontier, 5, data, 2 * HASH_BYTES), 0);
    assert_int_equal(frontier_read(&frontier, 5, data, 3 * HASH_BYTES), 1);
    assert_int_equal(frontier_read(&frontier, 5, data, 2 * HASH_BYTES - 1), 1);
    assert_int_equal(frontier_read(&frontier, 0, data, HASH_BYTES), 1);
    assert_int_equal(frontier_read(&frontier, UINT64_C(1) << 63, data, HASH_BYTES), 1);
    // One that could take no further leaf, from a damaged log or a file of somebody's.
    static const uint8_t MANY[FRONTIER_MAX * HASH_BYTES];
    uint64_t all = (UINT64_C(1) << FRONTIER_MAX) - 1;
    assert_int_equal(frontier_read(&frontier, all, MANY, sizeof MANY), 1);
    assert_int_equal(frontier_read(&frontier, all - 1, MANY, sizeof MANY - HASH_BYTES), 1);
    assert_int_equal(frontier_read(&frontier, all >> 1, MANY, sizeof MANY - HASH_BYTES), 0);
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    frontier_add(merkle, &frontier, MANY);
}

static void test_salt_is_part_of_the_leaf(void **state) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    uint8_t joined[SALT_BYTES + 5], expected[HASH_BYTES], leaf[HASH_BYTES];
    for (uint8_t i = 0; i < SALT_BYTES; i++)
        joined[i] = i;
    memcpy(joined + SALT_BYTES, "event", 5);
    merkle_leaf(merkle, joined, sizeof(joined), expected);
    merkle_salted_leaf(merkle, joined, (const uint8_t *)"event", 5, leaf);
    assert_memory_equal(leaf, expected, HASH_BYTES);
    joined[0] ^= 1;
    merkle_salted_leaf(merkle, joined, (const uint8_t *)"event", 5, leaf);
    assert_memory_not_equal(leaf, expected, HASH_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_roots),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_frontier_must_fit),
        cmocka_unit_test(test_salt_is_part_of_the_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
