// SPDX-License-Identifier: Apache-2.0
//
// Bodies are flat (proto/domain.h), so a walk over the wire with the domain's descriptor at hand is all it takes.
// Fields that the descriptor does not know are refused: a receiver must be told to upgrade, not be given half a record.
#include "agents/record_json.h"

#include "proto/base/clock.h"
#include "proto/domain.h"
#include "proto/walk.h"

static void number_append(Bytes *out, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    bytes_append(out, digits + at, sizeof digits - at);
}

// ,"key":"value"
static void text_append(Bytes *out, const char *key, const char *value) {
    bytes_append_text(out, key);
    bytes_append_json(out, value);
}

static int fields_append(const ProtobufCMessageDescriptor *descriptor, const ProtobufCBinaryData *body, Bytes *out) {
    const uint8_t *at = body->data, *end = body->data + body->len;
    WalkField field;
    int r;
    bytes_append_text(out, ",\"fields\":{");
    for (bool first = true; (r = walk_next(&at, end, &field)) == 0; first = false) {
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(descriptor, field.number);
        bool is_text = known && known->type == PROTOBUF_C_TYPE_STRING;
        if (!known || field.type != (is_text ? 2u : 0u))
            return 1;
        if (!first)
            bytes_append_u8(out, ',');
        bytes_append_u8(out, '"');
        bytes_append_text(out, known->name);
        bytes_append(out, "\":", 2);
        if (is_text)
            bytes_append_json_n(out, (const char *)field.data, field.n);
        else
            number_append(out, field.value);
    }
    bytes_append_u8(out, '}');
    return r == 1 ? 0 : 1;
}

static int changed_append(const ProtobufCMessageDescriptor *descriptor, const Dongbo__FeedRecord *record, Bytes *out) {
    bytes_append_text(out, ",\"changed\":[");
    for (size_t i = 0; i < record->n_changed_fields; i++) {
        const char *name = field_name(descriptor, record->changed_fields[i]);
        if (!name)
            return 1;
        bytes_append_text(out, i ? ",\"" : "\"");
        bytes_append_text(out, name);
        bytes_append_u8(out, '"');
    }
    bytes_append_u8(out, ']');
    return 0;
}

static void head_append(const Dongbo__FeedRecord *record, Bytes *out) {
    char time[CLOCK_TEXT_BYTES];
    bytes_append_text(out, "{\"position\":");
    number_append(out, record->position);
    text_append(out, ",\"domain\":", domain_name((int)record->domain));
    text_append(out, ",\"change\":", change_name(record->change));
    bytes_append_text(out, ",\"record\":\"");
    bytes_append_hex(out, record->record_id.data, record->record_id.len);
    bytes_append_u8(out, '"');
    if (*record->citizen_number)
        text_append(out, ",\"citizen_number\":", record->citizen_number);
    if (record->person_id.len) {
        bytes_append_text(out, ",\"person\":\"");
        bytes_append_hex(out, record->person_id.data, record->person_id.len);
        bytes_append_u8(out, '"');
    }
    if (*record->agency)
        text_append(out, ",\"agency\":", record->agency);
    clock_format_us(record->event_time_us, time);
    text_append(out, ",\"event_time\":", time);
}

int record_json_append(const Dongbo__FeedRecord *record, Bytes *out) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor((int)record->domain);
    if (!descriptor || change_name(record->change) == NULL)
        return 1;
    size_t before = out->n;
    head_append(record, out);
    int r = fields_append(descriptor, &record->body, out);
    if (r == 0)
        r = changed_append(descriptor, record, out);
    bytes_append(out, "}\n", 2);
    if (r != 0)
        out->n = before;
    return r;
}
