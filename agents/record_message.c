// SPDX-License-Identifier: Apache-2.0
//
// Written by hand straight from the record's bytes: the body goes over as it came, so nothing is decoded or copied
// twice, and a number's width cannot differ between the two forms.
#include "agents/record_message.h"

#include "agents/record_body.h"
#include "proto/base/clock.h"
#include "proto/domain.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BODY_NUMBER_BASE 20 // a body's field number is this plus its Domain
enum { POSITION = 1, DOMAIN = 2, CHANGE = 3, RECORD_ID = 4, CITIZEN_NUMBER = 5, EVENT_TIME = 6, AGENCY = 7 };
enum { CHANGED = 8, PREVIOUS = 10, PERSON_ID = 11, ORIGIN = 12 };

// ---- JSON -----------------------------------------------------------------------------------------------------------

// social_security: socialSecurity
static void camel_append(Bytes *out, const char *name) {
    for (; *name; name++) {
        bool joint = *name == '_' && name[1];
        name += joint;
        bytes_append_u8(out, (uint8_t)(joint ? toupper((unsigned char)*name) : *name));
    }
}

// "keyName":
static void key_append(Bytes *out, const char *name) {
    bytes_append_u8(out, '"');
    camel_append(out, name);
    bytes_append_text(out, "\":");
}

// In base64.
static void bytes_text_append(Bytes *out, const char *name, const ProtobufCBinaryData *data) {
    if (!data->len)
        return;
    bytes_append_u8(out, ',');
    key_append(out, name);
    bytes_append_u8(out, '"');
    record_body_append_base64(out, data);
    bytes_append_u8(out, '"');
}

static void text_append(Bytes *out, const char *name, const char *value) {
    if (!*value)
        return;
    bytes_append_u8(out, ',');
    key_append(out, name);
    bytes_append_json(out, value);
}

static void quoted_number_append(Bytes *out, uint64_t value) {
    bytes_append_u8(out, '"');
    record_body_append_number(out, value);
    bytes_append_u8(out, '"');
}

static const char *enum_text(const ProtobufCEnumDescriptor *descriptor, int value) {
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(descriptor, value);
    return known ? known->name : "";
}

static void head_append(const Dongbo__FeedRecord *record, Bytes *out) {
    char time[CLOCK_TEXT_BYTES];
    bytes_append_text(out, "{\"position\":");
    quoted_number_append(out, record->position);
    text_append(out, "domain", enum_text(&dongbo__domain__descriptor, (int)record->domain));
    text_append(out, "change", enum_text(&dongbo__change_kind__descriptor, (int)record->change));
    bytes_text_append(out, "record_id", &record->record_id);
    bytes_text_append(out, "person_id", &record->person_id);
    text_append(out, "citizen_number", record->citizen_number);
    clock_format_us(record->event_time_us, time);
    text_append(out, "event_time", time);
    text_append(out, "agency", record->agency);
}

static int changed_append(const ProtobufCMessageDescriptor *descriptor, const Dongbo__FeedRecord *record, Bytes *out) {
    for (size_t i = 0; i < record->n_changed_fields; i++) {
        const char *name = field_name(descriptor, record->changed_fields[i]);
        if (!name)
            return 1;
        bytes_append_text(out, i ? "," : ",\"changed\":[");
        bytes_append_json(out, name);
    }
    if (record->n_changed_fields)
        bytes_append_u8(out, ']');
    return 0;
}

static int body_append(RecordBody *body, const char *domain, Bytes *out) {
    bytes_append_u8(out, ',');
    key_append(out, domain);
    return record_body_append_json(body, key_append, out);
}

static bool is_readable(const Dongbo__FeedRecord *record) {
    return domain_name((int)record->domain) && change_name((int)record->change);
}

int record_message_append_json(const Dongbo__FeedRecord *record, const ProtobufCBinaryData *origin, Bytes *out) {
    RecordBody body = record_body_begin(record);
    size_t before = out->n;
    if (!is_readable(record))
        return 1;
    head_append(record, out);
    int r = changed_append(body.descriptor, record, out);
    if (record->previous) {
        bytes_append_text(out, ",\"previous\":");
        quoted_number_append(out, record->previous);
    }
    if (origin)
        bytes_text_append(out, "origin", origin);
    if (r == 0 && record->body.len)
        r = body_append(&body, domain_name((int)record->domain), out);
    bytes_append_text(out, "}\n");
    if (r != 0)
        out->n = before;
    return r;
}

// ---- protobuf's own encoding ----------------------------------------------------------------------------------------

static size_t varint_put(uint8_t *at, uint64_t value) {
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        at[n++] = (uint8_t)(value | 0x80);
    at[n++] = (uint8_t)value;
    return n;
}

#define VARINT_BYTES_MAX 10

static void varint_append(Bytes *out, uint64_t value) {
    uint8_t bytes[VARINT_BYTES_MAX];
    bytes_append(out, bytes, varint_put(bytes, value));
}

static void number_field_append(Bytes *out, unsigned number, uint64_t value) {
    if (!value)
        return;
    varint_append(out, number << 3);
    varint_append(out, value);
}

static void bytes_field_append(Bytes *out, unsigned number, const void *data, size_t n) {
    varint_append(out, number << 3 | 2);
    varint_append(out, n);
    bytes_append(out, data, n);
}

static void text_field_append(Bytes *out, unsigned number, const char *text) {
    if (*text)
        bytes_field_append(out, number, text, strlen(text));
}

static int message_append(const Dongbo__FeedRecord *record, const ProtobufCBinaryData *origin, Bytes *out) {
    RecordBody body = record_body_begin(record);
    char time[CLOCK_TEXT_BYTES];
    int r;
    clock_format_us(record->event_time_us, time);
    number_field_append(out, POSITION, record->position);
    number_field_append(out, DOMAIN, (uint64_t)record->domain);
    number_field_append(out, CHANGE, (uint64_t)record->change);
    bytes_field_append(out, RECORD_ID, record->record_id.data, record->record_id.len);
    text_field_append(out, CITIZEN_NUMBER, record->citizen_number);
    text_field_append(out, EVENT_TIME, time);
    text_field_append(out, AGENCY, record->agency);
    for (size_t i = 0; i < record->n_changed_fields; i++) {
        const char *name = field_name(body.descriptor, record->changed_fields[i]);
        if (!name)
            return 1;
        text_field_append(out, CHANGED, name);
    }
    number_field_append(out, PREVIOUS, record->previous);
    if (record->person_id.len)
        bytes_field_append(out, PERSON_ID, record->person_id.data, record->person_id.len);
    if (origin)
        bytes_field_append(out, ORIGIN, origin->data, origin->len);
    while ((r = record_body_next(&body)) == 0)
        ;
    if (record->body.len)
        bytes_field_append(out, BODY_NUMBER_BASE + (unsigned)record->domain, record->body.data, record->body.len);
    return r == 1 ? 0 : 1;
}

int record_message_append_delimited(const Dongbo__FeedRecord *record, const ProtobufCBinaryData *origin, Bytes *out) {
    size_t before = out->n;
    if (!is_readable(record))
        return 1;
    // Its length goes before it: room for the longest, then moved together.
    uint8_t length[VARINT_BYTES_MAX] = {0};
    bytes_append(out, length, sizeof length);
    int r = message_append(record, origin, out);
    if (r != 0 || out->failed) {
        out->n = before;
        return out->failed ? 0 : r;
    }
    uint8_t *message = out->data + before + sizeof length;
    size_t bytes = out->n - before - sizeof length, n = varint_put(length, bytes);
    memcpy(out->data + before, length, n);
    memmove(out->data + before + n, message, bytes);
    out->n = before + n + bytes;
    return 0;
}
