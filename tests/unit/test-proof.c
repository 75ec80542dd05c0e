// SPDX-License-Identifier: Apache-2.0
//
// The proofs that RFC 6962 spells out itself (2.1.3, its tree of seven leaves), and every proof of every small tree: it
// is made of the same hashes from two rows of the log as from all leaves, it holds, and nothing that was changed does.
#include "proto/base/error.h"
#include "proto/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define N 70

static Merkle *merkle;
static uint8_t leaves[N][HASH_BYTES];
static Frontier frontiers[N + 1]; // by size
static uint8_t roots[N + 1][HASH_BYTES];

static int set_up(void **state) {
    assert_int_equal(merkle_new(&merkle), 0);
    for (size_t i = 0; i < N; i++) {
        uint8_t data = (uint8_t)i;
        merkle_leaf(merkle, &data, 1, leaves[i]);
        frontiers[i + 1] = frontiers[i];
        frontier_add(merkle, &frontiers[i + 1], leaves[i]);
        frontier_root(merkle, &frontiers[i + 1], roots[i + 1]);
    }
    return 0;
}

static int tear_down(void **state) {
    merkle_destroy(&merkle);
    return 0;
}

// The RFC's names of the nodes.
static const struct {
    char name;
    ProofRange range;
} NODES[] = {{'a', {0, 1}}, {'b', {1, 2}}, {'c', {2, 3}}, {'d', {3, 4}}, {'e', {4, 5}}, {'f', {5, 6}},
             {'g', {0, 2}}, {'h', {2, 4}}, {'i', {4, 6}}, {'j', {6, 7}}, {'k', {0, 4}}, {'l', {4, 7}}};

static void assert_named(const ProofRange *ranges, size_t n, const char *names) {
    char found[16] = "";
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < sizeof NODES / sizeof *NODES; j++) {
            if (NODES[j].range.first == ranges[i].first && NODES[j].range.end == ranges[i].end)
                found[i] = NODES[j].name;
        }
    }
    assert_string_equal(found, names);
}

static void test_the_rfcs_own_examples(void **state) {
    ProofRange ranges[PROOF_MAX];
    assert_named(ranges, proof_inclusion(0, 7, ranges), "bhl");
    assert_named(ranges, proof_inclusion(3, 7, ranges), "cgl");
    assert_named(ranges, proof_inclusion(4, 7, ranges), "fjk");
    assert_named(ranges, proof_inclusion(6, 7, ranges), "ik");
    assert_named(ranges, proof_consistency(3, 7, ranges), "cdgl");
    assert_named(ranges, proof_consistency(4, 7, ranges), "l");
    assert_named(ranges, proof_consistency(6, 7, ranges), "ijk");
    assert_int_equal(proof_consistency(7, 7, ranges), 0);
    assert_int_equal(proof_inclusion(0, 1, ranges), 0);
}

static void make(const ProofRange *ranges, size_t n, ProofPath *ret) {
    ret->n = n;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(proof_range_root(merkle, ranges[i], &frontiers[ranges[i].end - 1], leaves[ranges[i].end - 1],
                                          ret->hashes[i]),
                         0);
}

static void test_every_inclusion_holds(void **state) {
    static uint8_t nodes[4 * N][HASH_BYTES];
    for (size_t size = 1; size <= N; size++) {
        size_t count = proof_nodes_count(size);
        assert_true(count <= 4 * N);
        memcpy(nodes, leaves, size * HASH_BYTES);
        proof_nodes_fill(merkle, nodes, size);
        assert_memory_equal(nodes[count - 1], roots[size], HASH_BYTES);
        for (size_t index = 0; index < size; index++) {
            ProofRange ranges[PROOF_MAX];
            ProofPath path, whole;
            uint8_t root[HASH_BYTES];
            make(ranges, proof_inclusion(index, size, ranges), &path);
            proof_path(merkle, leaves, size, index, &whole);
            assert_int_equal(path.n, whole.n);
            assert_memory_equal(path.hashes, whole.hashes, path.n * HASH_BYTES);
            proof_nodes_path(nodes, size, index, &whole);
            assert_int_equal(path.n, whole.n);
            assert_memory_equal(path.hashes, whole.hashes, path.n * HASH_BYTES);
            assert_int_equal(proof_root(merkle, (ProofPlace){index, size}, leaves[index], &path, root), 0);
            assert_memory_equal(root, roots[size], HASH_BYTES);
            for (size_t i = 0; i < path.n; i++) {
                path.hashes[i][i % HASH_BYTES] ^= 1;
                assert_int_equal(proof_root(merkle, (ProofPlace){index, size}, leaves[index], &path, root), 0);
                assert_memory_not_equal(root, roots[size], HASH_BYTES);
                path.hashes[i][i % HASH_BYTES] ^= 1;
            }
            path.n++;
            assert_int_equal(proof_root(merkle, (ProofPlace){index, size}, leaves[index], &path, root), 1);
        }
    }
}

static void test_every_consistency_holds(void **state) {
    for (size_t size = 1; size <= N; size++) {
        for (size_t old = 1; old <= size; old++) {
            ProofRange ranges[PROOF_MAX];
            ProofPath path;
            ProofTree older = {old, roots[old]}, newer = {size, roots[size]};
            make(ranges, proof_consistency(old, size, ranges), &path);
            assert_int_equal(proof_check_consistency(merkle, older, newer, &path), 0);
            for (size_t i = 0; i < path.n; i++) {
                path.hashes[i][i % HASH_BYTES] ^= 1;
                assert_int_equal(proof_check_consistency(merkle, older, newer, &path), 1);
                path.hashes[i][i % HASH_BYTES] ^= 1;
            }
            // Another log of the same size.
            ProofTree other = {old, roots[old == 1 ? N : old - 1]};
            assert_int_equal(proof_check_consistency(merkle, other, newer, &path), 1);
            other = (ProofTree){size, roots[size == 1 ? N : size - 1]};
            assert_int_equal(proof_check_consistency(merkle, older, other, &path), 1);
        }
    }
}

static void test_what_is_no_proof(void **state) {
    uint8_t root[HASH_BYTES];
    ProofPath none = {0};
    ProofTree one = {1, roots[1]}, zero = {0, roots[0]};
    assert_int_equal(proof_root(merkle, (ProofPlace){1, 1}, leaves[0], &none, root), 1);
    assert_int_equal(proof_root(merkle, (ProofPlace){0, UINT64_MAX}, leaves[0], &none, root), 1);
    assert_int_equal(proof_check_consistency(merkle, zero, one, &none), 1);
    assert_int_equal(proof_check_consistency(merkle, (ProofTree){2, roots[2]}, one, &none), 1);
    // A range that begins within a full subtree, and a frontier of another size.
    assert_int_equal(proof_range_root(merkle, (ProofRange){1, 5}, &frontiers[4], leaves[4], root), 1);
    assert_int_equal(proof_range_root(merkle, (ProofRange){0, 4}, &frontiers[2], leaves[3], root), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rfcs_own_examples),
        cmocka_unit_test(test_every_inclusion_holds),
        cmocka_unit_test(test_every_consistency_holds),
        cmocka_unit_test(test_what_is_no_proof),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
