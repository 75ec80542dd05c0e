// SPDX-License-Identifier: Apache-2.0
//
// Records as 64-bit digests, so that what should be there and what is there can be compared as bags, whatever the
// order of fields and records.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Digest {
    uint64_t sum;
} Digest;
// what: "health/upsert"; number: "" when it is not part of it.
Digest digest_begin(const char *what, const char *number);
void digest_add(Digest *digest, const char *name, const char *value);

typedef struct DigestBag {
    uint64_t *values;
    size_t n, size;
} DigestBag;
int digest_bag_add(DigestBag *bag, Digest digest); // ERROR_MEMORY
void digest_bag_free(DigestBag *bag);
// Sorts both. How many of `expected` are missing from `found`, and how many are found beyond it.
void digest_bag_compare(DigestBag *expected, DigestBag *found, size_t *ret_missing, size_t *ret_beyond);
