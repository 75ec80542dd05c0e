// SPDX-License-Identifier: Apache-2.0
//
// A growable byte buffer for what is written out: protobuf packing, COPY streams, JSON lines. Doubles; aborts never:
// a failed growth sets `failed`, later appends do nothing, and the owner checks once at the end.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Bytes {
    uint8_t *data;
    size_t n;
    size_t size;
    bool failed;
} Bytes;

void bytes_free(Bytes *bytes);  // contents only; {0} afterwards
void bytes_clear(Bytes *bytes); // keeps the memory
void bytes_append(Bytes *bytes, const void *data, size_t n);
void bytes_append_text(Bytes *bytes, const char *text);
void bytes_append_u8(Bytes *bytes, uint8_t value);
void bytes_append_u16(Bytes *bytes, uint16_t value); // big-endian, as COPY and frames want
void bytes_append_u32(Bytes *bytes, uint32_t value);
void bytes_append_u64(Bytes *bytes, uint64_t value);
void bytes_append_message(Bytes *bytes, const ProtobufCMessage *message); // packed, without length
void bytes_append_json(Bytes *bytes, const char *utf8);                   // quoted and escaped
void bytes_append_json_n(Bytes *bytes, const char *utf8, size_t n);       // the same, without a closing 0
void bytes_append_hex(Bytes *bytes, const uint8_t *data, size_t n);
// Room for n more bytes at data + n; NULL when it cannot be had. The caller then adds to n itself.
uint8_t *bytes_reserve(Bytes *bytes, size_t n);
// A number of n bytes, 8 at most, in place; big-endian likewise.
uint64_t bytes_get_number(const uint8_t *at, size_t n);
void bytes_put_number(uint8_t *at, size_t n, uint64_t value);

void hex_encode(const uint8_t *data, size_t n, char *out); // out: 2n + 1 bytes
int hex_decode(const char *text, uint8_t *out, size_t n);  // 1 when it is not exactly n bytes of hex
