// SPDX-License-Identifier: Apache-2.0
#include "agents/record_origin.h"

#include "agents/record_body.h"
#include "proto/base/clock.h"

static void hex_append(Bytes *out, const char *key, const uint8_t *data, size_t n) {
    bytes_append_text(out, key);
    bytes_append_hex(out, data, n);
    bytes_append_u8(out, '"');
}

void record_origin_append_json(const RecordOrigin *origin, Bytes *out) {
    char time[CLOCK_TEXT_BYTES];
    bytes_append_text(out, "{\"key\":");
    bytes_append_json(out, origin->key_id);
    hex_append(out, ",\"stream\":\"", origin->stream, STREAM_BYTES);
    bytes_append_text(out, ",\"sequence\":");
    record_body_append_number(out, origin->sequence);
    clock_format_us(origin->sealed_at_us, time);
    bytes_append_text(out, ",\"sealed_at\":");
    bytes_append_json(out, time);
    hex_append(out, ",\"leaf\":\"", origin->leaf, HASH_BYTES);
    bytes_append_text(out, origin->has_event ? ",\"event\":true" : ",\"event\":false");
    if (origin->erased) {
        bytes_append_text(out, ",\"erased\":");
        record_body_append_number(out, origin->erased);
    }
    bytes_append_text(out, ",\"proof\":\"");
    record_body_append_base64(out, &origin->proof);
    bytes_append_text(out, "\"}");
}
