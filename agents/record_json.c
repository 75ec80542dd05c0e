// SPDX-License-Identifier: Apache-2.0
//
// A walk over the body's bytes with the domain's descriptor at hand is all it takes.
#include "agents/record_json.h"

#include "agents/record_body.h"
#include "proto/base/clock.h"
#include "proto/domain.h"

// ,"key":"value"
static void text_append(Bytes *out, const char *key, const char *value) {
    bytes_append_text(out, key);
    bytes_append_json(out, value);
}

static void key_append(Bytes *out, const char *name) {
    bytes_append_u8(out, '"');
    bytes_append_text(out, name);
    bytes_append(out, "\":", 2);
}

static int fields_append(RecordBody *body, Bytes *out) {
    bytes_append_text(out, ",\"fields\":");
    return record_body_append_json(body, key_append, out);
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
    record_body_append_number(out, record->position);
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

int record_json_append(const Dongbo__FeedRecord *record, const RecordOrigin *origin, Bytes *out) {
    RecordBody body = record_body_begin(record);
    if (!body.descriptor || change_name(record->change) == NULL)
        return 1;
    size_t before = out->n;
    head_append(record, out);
    int r = fields_append(&body, out);
    if (r == 0)
        r = changed_append(body.descriptor, record, out);
    if (origin) {
        bytes_append_text(out, ",\"origin\":");
        record_origin_append_json(origin, out);
    }
    bytes_append(out, "}\n", 2);
    if (r != 0)
        out->n = before;
    return r;
}
