// SPDX-License-Identifier: Apache-2.0
//
// Protobuf's wire format (https://protobuf.dev/programming-guides/encoding/), one field at a time. Refuses groups,
// which proto3 does not have, tags and lengths that no decoder takes, and anything that runs over the end.
#include "proto/walk.h"

#include <stdbool.h>

#define VARINT_BYTES_MAX 10
#define SIZE_BYTES_MAX 5 // of a tag or a length, as protobuf-c reads them, and exchange.wire_fields()

static bool varint_read(const uint8_t **at, const uint8_t *end, unsigned bytes_max, uint64_t *ret) {
    uint64_t value = 0;
    const uint8_t *p = *at;
    for (unsigned i = 0; i < bytes_max && p < end; i++) {
        value |= (uint64_t)(*p & 0x7f) << (7 * i);
        if (!(*p++ & 0x80)) {
            *at = p;
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool bytes_read(const uint8_t **at, const uint8_t *end, uint64_t n, WalkField *ret) {
    if (n > (uint64_t)(end - *at))
        return false;
    ret->data = *at;
    ret->n = (size_t)n;
    *at += n;
    return true;
}

static bool content_read(const uint8_t **at, const uint8_t *end, WalkField *ret) {
    uint64_t n;
    switch (ret->type) {
    case 0:
        return varint_read(at, end, VARINT_BYTES_MAX, &ret->value);
    case 1:
        return bytes_read(at, end, 8, ret);
    case 2:
        return varint_read(at, end, SIZE_BYTES_MAX, &n) && bytes_read(at, end, n, ret);
    case 5:
        return bytes_read(at, end, 4, ret);
    default:
        return false;
    }
}

int walk_next(const uint8_t **at, const uint8_t *end, WalkField *ret) {
    if (*at == end)
        return 1;
    const uint8_t *p = *at;
    uint64_t tag;
    *ret = (WalkField){.start = p};
    if (!varint_read(&p, end, SIZE_BYTES_MAX, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return 2;
    ret->number = (unsigned)(tag >> 3);
    ret->type = (unsigned)(tag & 7);
    if (!content_read(&p, end, ret))
        return 2;
    ret->bytes = (size_t)(p - ret->start);
    *at = p;
    return 0;
}
