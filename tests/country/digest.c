// SPDX-License-Identifier: Apache-2.0
//
// Digests: FNV-1a of each field, mixed and summed, so that the order of fields does not matter. Against accidents, not
// against enemies.

#include "tests/country/digest.h"

#include "proto/base/error.h"

#include <stdlib.h>

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
    return (hash ^ 0x1f) * 0x100000001b3ULL;
}

static uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

Digest digest_begin(const char *what, const char *number) {
    return (Digest){.sum = mixed(hash_text(hash_text(0xcbf29ce484222325ULL, what), number))};
}

void digest_add(Digest *digest, const char *name, const char *value) {
    digest->sum += mixed(hash_text(hash_text(0x9ae16a3b2f90404fULL, name), value));
}

int digest_bag_add(DigestBag *bag, Digest digest) {
    if (bag->n == bag->size) {
        const size_t size = bag->size ? bag->size * 2 : 1024;
        uint64_t *values = realloc(bag->values, size * sizeof *values);
        if (!values)
            return error_fail(ERROR_MEMORY, "no memory for %zu digests", size);
        bag->values = values;
        bag->size = size;
    }
    bag->values[bag->n++] = digest.sum;
    return 0;
}

void digest_bag_free(DigestBag *bag) {
    free(bag->values);
    *bag = (DigestBag){0};
}

static int by_value(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort(DigestBag *bag) {
    if (bag->n)
        qsort(bag->values, bag->n, sizeof *bag->values, by_value);
}

void digest_bag_compare(DigestBag *expected, DigestBag *found, size_t *ret_missing, size_t *ret_beyond) {
    size_t e = 0, f = 0;
    *ret_missing = *ret_beyond = 0;
    sort(expected);
    sort(found);
    while (e < expected->n || f < found->n) {
        if (f == found->n || (e < expected->n && expected->values[e] < found->values[f])) {
            ++*ret_missing;
            e++;
        } else if (e == expected->n || found->values[f] < expected->values[e]) {
            ++*ret_beyond;
            f++;
        } else {
            e++;
            f++;
        }
    }
}
