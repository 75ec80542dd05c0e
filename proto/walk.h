// SPDX-License-Identifier: Apache-2.0
//
// Steps over a protobuf message's fields as they stand on the wire, without a descriptor and without memory of its own:
// for what copies or prints single fields and would waste a decoding. Checks bounds and nothing else; text is not
// checked (proto/check.h does that where bytes come from outside).
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct WalkField {
    unsigned number;
    unsigned type;        // wire type: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes
    const uint8_t *start; // the field as a whole, tag included
    size_t bytes;
    uint64_t value;      // of a varint
    const uint8_t *data; // of the others
    size_t n;
} WalkField;

// Where n bytes end that may be nowhere, for NULL is not to be counted on from.
static inline const uint8_t *walk_end(const uint8_t *data, size_t n) {
    return n > 0 ? data + n : data;
}

// Reads the field at *at and moves *at behind it. 0; 1 at the end; 2 malformed (groups are).
int walk_next(const uint8_t **at, const uint8_t *end, WalkField *ret);
