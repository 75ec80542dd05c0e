// SPDX-License-Identifier: Apache-2.0
//
// Bodies are flat and their field numbers are below 32 (proto/domain.h), so one word says which have been there.
#include "agents/record_body.h"

#include "proto/base/text.h"
#include "proto/domain.h"

#include <openssl/evp.h>
#include <string.h>

RecordBody record_body_begin(const Dongbo__FeedRecord *record) {
    const uint8_t *at = record->body.data; // NULL when there is nothing
    return (RecordBody){.descriptor = domain_descriptor((int)record->domain),
                        .at = at,
                        .end = at == NULL ? NULL : at + record->body.len};
}

int record_body_next(RecordBody *body) {
    int r = walk_next(&body->at, body->end, &body->field);
    if (r != 0)
        return r;
    body->known = protobuf_c_message_descriptor_get_field(body->descriptor, body->field.number);
    if (!body->known || body->field.number > DOMAIN_FIELDS_MAX)
        return 2;
    body->is_text = body->known->type == PROTOBUF_C_TYPE_STRING;
    uint32_t bit = 1u << body->field.number;
    if (body->field.type != (body->is_text ? 2u : 0u) || (body->seen & bit))
        return 2;
    const char *text = (const char *)body->field.data;
    if (body->is_text && (!text_is_utf8(text, body->field.n) || memchr(text, 0, body->field.n) != NULL))
        return 2;
    body->seen |= bit;
    return 0;
}

void record_body_append_number(Bytes *out, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    bytes_append(out, digits + at, sizeof digits - at);
}

int record_body_append_json(RecordBody *body, RecordBodyKey *key, Bytes *out) {
    int r;
    bytes_append_u8(out, '{');
    for (bool first = true; (r = record_body_next(body)) == 0; first = false) {
        if (!first)
            bytes_append_u8(out, ',');
        key(out, body->known->name);
        if (body->is_text)
            bytes_append_json_n(out, (const char *)body->field.data, body->field.n);
        else
            record_body_append_number(out, body->field.value);
    }
    bytes_append_u8(out, '}');
    return r == 1 ? 0 : 1;
}

void record_body_append_base64(Bytes *out, const ProtobufCBinaryData *data) {
    uint8_t *room = bytes_reserve(out, (data->len + 2) / 3 * 4 + 1);
    if (room)
        out->n += (size_t)EVP_EncodeBlock(room, data->data, (int)data->len);
}
