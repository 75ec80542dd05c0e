// SPDX-License-Identifier: Apache-2.0
//
// Walks protobuf wire bytes against a descriptor before anything is decoded: depth, number of fields, string and
// bytes lengths, counts of repeated fields, UTF-8. protobuf-c has no such limits of its own.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CheckLimits {
    size_t fields_max;   // wire fields, all levels together
    size_t depth_max;    // the message itself is 1
    size_t string_max;   // any string
    size_t bytes_max;    // any bytes field
    size_t repeated_max; // elements of the repeated fields of any one message, taken together
} CheckLimits;

// A varint of at most 64 bits in its shortest form; *at moves behind it. 1 when it is not one, or is cut at `end`.
int check_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret);

extern const CheckLimits CHECK_EVENT; // a ChangeEvent, from proto/bounds.h
extern const CheckLimits CHECK_WIRE;  // any frame body

// 0; 1 malformed (groups, varints not in their shortest form, a value beyond its type, and a field or oneof given twice
// are malformed too, so that signed bytes have one meaning); 2 beyond a limit; 3 a string is not clean UTF-8
// (text_is_clean). Unknown fields are allowed and counted. With ret_field, the field at fault is named
// ("subject.full_name"; "" when there is none to name).
int check_message(const ProtobufCMessageDescriptor *descriptor, const CheckLimits *limits, const uint8_t *data,
                  size_t n, char ret_field[64]);
