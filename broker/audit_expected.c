// SPDX-License-Identifier: Apache-2.0
//
// In the order in which a log comes to them.
#include "broker/audit_expected.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

void audit_expected_free(AuditExpected *expected) {
    free(expected->heads);
    *expected = (AuditExpected){0};
}

int audit_expected_add(AuditExpected *expected, const Dongbo__TreeHead *tree, bool is_signed) {
    if (expected->n == AUDIT_EXPECTED_MAX)
        return 1;
    if (expected->n == expected->size) {
        size_t size = expected->size > 0 ? 2 * expected->size : 64;
        AuditHead *grown = realloc(expected->heads, size * sizeof *grown);
        if (grown == NULL)
            return error_fail(ERROR_MEMORY, "no memory for heads");
        expected->heads = grown;
        expected->size = size;
    }
    AuditHead *head = &expected->heads[expected->n++];
    *head = (AuditHead){.size = tree->size, .last_position = tree->last_position, .is_signed = is_signed};
    memcpy(head->root, tree->root.data, HASH_BYTES);
    memcpy(head->segment_hash, tree->segment_hash.data, HASH_BYTES);
    expected->sorted = false;
    return 0;
}

static int order(const void *one, const void *other) {
    const AuditHead *a = one, *b = other;
    return a->size < b->size ? -1 : a->size > b->size;
}

const AuditHead *audit_expected_next(AuditExpected *expected, uint64_t size) {
    if (!expected->sorted && expected->n > expected->next)
        qsort(expected->heads + expected->next, expected->n - expected->next, sizeof *expected->heads, order);
    expected->sorted = true;
    for (; expected->next < expected->n && expected->heads[expected->next].size < size; expected->next++)
        expected->passed++;
    bool is_here = expected->next < expected->n && expected->heads[expected->next].size == size;
    return is_here ? &expected->heads[expected->next++] : NULL;
}

uint64_t audit_expected_unmatched(const AuditExpected *expected) {
    return expected->passed + (expected->n - expected->next);
}

uint64_t audit_expected_later(const AuditExpected *expected) {
    return expected->n - expected->next;
}
