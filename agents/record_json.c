// SPDX-License-Identifier: Apache-2.0
//
// A walk over the body's bytes with the domain's descriptor at hand is all it takes.
#include "agents/record_json.h"

#include "agents/record_body.h"
#include "proto/base/clock.h"
#include "proto/domain.h"

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

static int fields_append(RecordBody *body, Bytes *out) {
    int r;
    bytes_append_text(out, ",\"fields\":{");
    for (bool first = true; (r = record_body_next(body)) == 0; first = false) {
        bytes_append_text(out, first ? "\"" : ",\"");
        bytes_append_text(out, body->known->name);
        bytes_append(out, "\":", 2);
        if (body->is_text)
            bytes_append_json_n(out, (const char *)body->field.data, body->field.n);
        else
            number_append(out, body->field.value);
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
    RecordBody body = record_body_begin(record);
    if (!body.descriptor || change_name(record->change) == NULL)
        return 1;
    size_t before = out->n;
    head_append(record, out);
    int r = fields_append(&body, out);
    if (r == 0)
        r = changed_append(body.descriptor, record, out);
    bytes_append(out, "}\n", 2);
    if (r != 0)
        out->n = before;
    return r;
}
