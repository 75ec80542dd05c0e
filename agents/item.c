// SPDX-License-Identifier: Apache-2.0
//
// See item.h. Five variable-length integers (7 bits a byte, low first), then the text.
#include "agents/item.h"

static void varint_append(Bytes *out, uint64_t value) {
    while (value >= 0x80) {
        bytes_append_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    bytes_append_u8(out, (uint8_t)value);
}

static int varint_read(const uint8_t **at, const uint8_t *end, uint64_t *ret) {
    *ret = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *ret |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return 0;
    }
    return 1;
}

void item_append(Bytes *out, const Item *item) {
    varint_append(out, (uint64_t)item->origin);
    varint_append(out, item->row);
    varint_append(out, item->offset);
    varint_append(out, item->bytes);
    varint_append(out, item->text == NULL ? 0 : item->text_bytes + 1);
    if (item->text != NULL)
        bytes_append(out, item->text, item->text_bytes);
}

int item_read(const uint8_t **at, const uint8_t *end, Item *ret) {
    uint64_t origin, text;
    *ret = (Item){0};
    if (varint_read(at, end, &origin) != 0 || varint_read(at, end, &ret->row) != 0 ||
        varint_read(at, end, &ret->offset) != 0 || varint_read(at, end, &ret->bytes) != 0 ||
        varint_read(at, end, &text) != 0)
        return 1;
    ret->origin = (int64_t)origin;
    if (text == 0)
        return 0;
    if (text - 1 > (size_t)(end - *at))
        return 1;
    ret->text = *at;
    ret->text_bytes = text - 1;
    *at += ret->text_bytes;
    return 0;
}

int item_find(const uint8_t *items, size_t bytes, uint64_t n, Item *ret) {
    const uint8_t *at = items, *end = items + bytes;
    for (uint64_t i = 0; i <= n; i++)
        if (item_read(&at, end, ret) != 0)
            return 1;
    return 0;
}
