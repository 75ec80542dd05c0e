// SPDX-License-Identifier: Apache-2.0
//
// The record versions that this broker wrote last, packed, by record: so that a batch which was read before they were
// written need not ask the database again for what the broker itself knows. Bounded in number and in bytes: it forgets
// the oldest. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Written Written;

// A version's record and where it stands. The key is not owned.
typedef struct WrittenKey {
    uint64_t hash; // record_hash() of the others; not 0
    int64_t person;
    int domain;
    const char *record_key;
    uint64_t position;
} WrittenKey;

// Keeps between n_max and 2 × n_max versions, of bytes_max to 2 × bytes_max bytes at most. ERROR_MEMORY.
int written_new(Written **ret, size_t n_max, size_t bytes_max);
void written_destroy(Written **written);
// Nothing that was added is to be relied on: the transaction did not commit.
void written_clear(Written *written);
// Copies; replaces an older version of the record. What does not fit is forgotten.
void written_add(Written *written, const WrittenKey *key, const uint8_t *record, size_t n);
// The packed record of exactly this version, until the next call of another function here; NULL when it is not known.
const uint8_t *written_find(const Written *written, const WrittenKey *key, size_t *ret_n);
