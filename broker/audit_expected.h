// SPDX-License-Identifier: Apache-2.0
//
// Signed heads that are known from elsewhere, until the log is as long as they say. Of each so much is kept as that
// takes, for a witness may have kept very many.
#pragma once

#include "proto/head.h"

#define AUDIT_EXPECTED_MAX ((size_t)1 << 20)

typedef struct AuditHead {
    uint64_t size, last_position;
    uint8_t root[HASH_BYTES], segment_hash[HASH_BYTES];
    bool is_signed; // by a key that was given
} AuditHead;

typedef struct AuditExpected {
    AuditHead *heads; // by size, once the first was asked for
    size_t n, size, next;
    bool sorted;
    uint64_t passed; // of a size that the log did not stop at, or never had here
} AuditExpected;

void audit_expected_free(AuditExpected *expected);
// tree: as head_read() gives it. 1 when there are too many; ERROR_MEMORY.
int audit_expected_add(AuditExpected *expected, const Dongbo__TreeHead *tree, bool is_signed);
// The next one of a log of this size, which never falls; NULL when there is none.
const AuditHead *audit_expected_next(AuditExpected *expected, uint64_t size);
uint64_t audit_expected_unmatched(const AuditExpected *expected);
uint64_t audit_expected_later(const AuditExpected *expected); // of these, of a longer log than was asked for last
