// SPDX-License-Identifier: Apache-2.0
//
// A growable buffer. Knows the encodings that more than one writer needs (big-endian, hex, JSON strings) and no
// format: COPY, frames and records are written by their own modules.
#include "proto/base/bytes.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_SIZE_FIRST 256
#define BYTES_SIZE_MAX (SIZE_MAX / 4)

static const char hex_digits[] = "0123456789abcdef";

void bytes_free(Bytes *bytes) {
    free(bytes->data);
    *bytes = (Bytes){0};
}

void bytes_clear(Bytes *bytes) {
    bytes->n = 0;
    bytes->failed = false;
}

__attribute__((noinline, cold)) static bool grow(Bytes *bytes, size_t n) {
    if (n > BYTES_SIZE_MAX - bytes->n) {
        bytes->failed = true;
        return false;
    }
    size_t size = bytes->size ? bytes->size : BYTES_SIZE_FIRST;
    while (size < bytes->n + n)
        size *= 2;
    uint8_t *data = realloc(bytes->data, size);
    if (!data) {
        bytes->failed = true;
        return false;
    }
    bytes->data = data;
    bytes->size = size;
    return true;
}

uint8_t *bytes_reserve(Bytes *bytes, size_t n) {
    if (__builtin_expect(bytes->failed, 0))
        return NULL;
    if (__builtin_expect(!bytes->data || n > bytes->size - bytes->n, 0) && !grow(bytes, n))
        return NULL;
    return bytes->data + bytes->n;
}

void bytes_append(Bytes *bytes, const void *data, size_t n) {
    if (!n)
        return;
    uint8_t *at = bytes_reserve(bytes, n);
    if (!at)
        return;
    memcpy(at, data, n);
    bytes->n += n;
}

void bytes_append_text(Bytes *bytes, const char *text) {
    bytes_append(bytes, text, strlen(text));
}

void bytes_append_u8(Bytes *bytes, uint8_t value) {
    bytes_append(bytes, &value, sizeof value);
}

void bytes_append_u16(Bytes *bytes, uint16_t value) {
    value = htobe16(value);
    bytes_append(bytes, &value, sizeof value);
}

void bytes_append_u32(Bytes *bytes, uint32_t value) {
    value = htobe32(value);
    bytes_append(bytes, &value, sizeof value);
}

void bytes_append_u64(Bytes *bytes, uint64_t value) {
    value = htobe64(value);
    bytes_append(bytes, &value, sizeof value);
}

uint64_t bytes_get_number(const uint8_t *at, size_t n) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

void bytes_put_number(uint8_t *at, size_t n, uint64_t value) {
    for (; n > 0; value >>= 8)
        at[--n] = (uint8_t)value;
}

void bytes_append_message(Bytes *bytes, const ProtobufCMessage *message) {
    uint8_t *at = bytes_reserve(bytes, protobuf_c_message_get_packed_size(message));
    if (at)
        bytes->n += protobuf_c_message_pack(message, at);
}

static void append_escape(Bytes *bytes, uint8_t c) {
    char escape[6] = {'\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15]};
    size_t n = 2;
    switch (c) {
    case '"':
    case '\\':
        escape[1] = (char)c;
        break;
    case '\n':
        escape[1] = 'n';
        break;
    case '\r':
        escape[1] = 'r';
        break;
    case '\t':
        escape[1] = 't';
        break;
    default:
        n = sizeof escape;
    }
    bytes_append(bytes, escape, n);
}

void bytes_append_json(Bytes *bytes, const char *utf8) {
    bytes_append_json_n(bytes, utf8, strlen(utf8));
}

void bytes_append_json_n(Bytes *bytes, const char *utf8, size_t n) {
    bytes_append_u8(bytes, '"');
    const char *run = utf8, *end = utf8 + n;
    for (; utf8 < end; utf8++) {
        uint8_t c = (uint8_t)*utf8;
        if (__builtin_expect(c >= 0x20 && c != '"' && c != '\\', 1))
            continue;
        bytes_append(bytes, run, (size_t)(utf8 - run));
        append_escape(bytes, c);
        run = utf8 + 1;
    }
    bytes_append(bytes, run, (size_t)(utf8 - run));
    bytes_append_u8(bytes, '"');
}

static void put_hex(const uint8_t *data, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = (uint8_t)hex_digits[data[i] >> 4];
        out[2 * i + 1] = (uint8_t)hex_digits[data[i] & 15];
    }
}

void bytes_append_hex(Bytes *bytes, const uint8_t *data, size_t n) {
    uint8_t *at = bytes_reserve(bytes, n > BYTES_SIZE_MAX ? SIZE_MAX : 2 * n);
    if (!at)
        return;
    put_hex(data, n, at);
    bytes->n += 2 * n;
}

void hex_encode(const uint8_t *data, size_t n, char *out) {
    put_hex(data, n, (uint8_t *)out);
    out[2 * n] = '\0';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, uint8_t *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0)
            return 1;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * n] == '\0' ? 0 : 1;
}
