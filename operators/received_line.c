// SPDX-License-Identifier: Apache-2.0
//
// A table for each form: its keys, and how what stands there is read. What a value is depends on the domain in two
// places, the body and the names of what has changed, so these are read when all else has been.
#include "operators/received_line.h"

#include "operators/key_given.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/buckets.h"
#include "proto/domain.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reading {
    Arena *arena;
    ReceivedLine *line;
    const json_t *body, *changed;
    const char *body_key;
} Reading;

// 0; 1 when no receiver writes that. ERROR_MEMORY.
typedef int ReadValue(Reading *reading, const json_t *value);
typedef struct LineKey {
    const char *name;
    ReadValue *read;
    bool is_needed;
} LineKey;
typedef struct LineForm {
    const LineKey *keys;
    bool is_camel; // of names within the body, which has its domain's for a key
} LineForm;

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for a record");
}

int received_line_decode(const char *text, Arena *arena, uint8_t **ret) {
    size_t n = strlen(text);
    int padding = n >= 2 ? (text[n - 1] == '=') + (text[n - 2] == '=') : 0;
    *ret = n > 0 && n % 4 == 0 && n < INT32_MAX ? arena_alloc(arena, n / 4 * 3 + 1) : NULL;
    int bytes = *ret ? EVP_DecodeBlock(*ret, (const uint8_t *)text, (int)n) : -1;
    return bytes < padding ? -1 : bytes - padding;
}

// ---- values that both forms have ------------------------------------------------------------------------------------

static int read_text(const json_t *value, char **ret) {
    *ret = (char *)json_string_value(value);
    return *ret == NULL || **ret == 0;
}

static int read_number(Reading *reading, const json_t *value) {
    return read_text(value, &reading->line->record.citizen_number);
}

static int read_agency(Reading *reading, const json_t *value) {
    return read_text(value, &reading->line->record.agency) || json_string_length(value) >= KEY_GIVEN_WHO_BYTES;
}

// To the letter, so that it is one moment for every reader.
static int read_time(Reading *reading, const json_t *value) {
    const char *text = json_string_value(value);
    char again[CLOCK_TEXT_BYTES];
    int64_t *at = &reading->line->record.event_time_us;
    if (!text || clock_parse_us(text, at) != 0)
        return 1;
    clock_format_us(*at, again);
    return strcmp(text, again) != 0;
}

static int read_changed(Reading *reading, const json_t *value) {
    reading->changed = value;
    return !json_is_array(value);
}

// ---- the form plain -------------------------------------------------------------------------------------------------

static int plain_position(Reading *reading, const json_t *value) {
    reading->line->record.position = (uint64_t)json_integer_value(value);
    return !json_is_integer(value) || json_integer_value(value) <= 0;
}

static int plain_domain(Reading *reading, const json_t *value) {
    const char *text = json_string_value(value);
    reading->line->record.domain = (Dongbo__Domain)(text ? domain_by_name(text) : 0);
    return reading->line->record.domain == 0;
}

static int plain_change(Reading *reading, const json_t *value) {
    const char *text = json_string_value(value), *name;
    for (int change = 1; text && (name = change_name(change)) != NULL; change++) {
        if (strcmp(name, text) != 0)
            continue;
        reading->line->record.change = (Dongbo__ChangeKind)change;
        return 0;
    }
    return 1;
}

static int plain_id(Reading *reading, const json_t *value) {
    const char *text = json_string_value(value);
    uint8_t id[RECORD_ID_BYTES];
    return !text || hex_decode(text, id, sizeof id) != 0;
}

static int plain_fields(Reading *reading, const json_t *value) {
    reading->body = value;
    return !json_is_object(value);
}

// An object with a proof.
static int plain_origin(Reading *reading, const json_t *value) {
    reading->line->origin = value;
    reading->line->proof = json_string_value(json_object_get(value, "proof"));
    return reading->line->proof == NULL;
}

static const LineKey PLAIN[] = {
    {"position", plain_position, true}, {"domain", plain_domain, true},         {"change", plain_change, true},
    {"record", plain_id, true},         {"citizen_number", read_number, false}, {"person", plain_id, false},
    {"agency", read_agency, false},     {"event_time", read_time, true},        {"fields", plain_fields, true},
    {"changed", read_changed, true},    {"origin", plain_origin, false},        {0},
};

// ---- the form json --------------------------------------------------------------------------------------------------

// In decimal and as text, as the mapping has what may be beyond 2^53.
static int text_number(const json_t *value, uint64_t *ret) {
    const char *text = json_string_value(value);
    char *end = NULL;
    if (!text || *text < '1' || *text > '9')
        return 1;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno != 0 || *end != 0;
}

static int message_position(Reading *reading, const json_t *value) {
    return text_number(value, &reading->line->record.position);
}

static int message_previous(Reading *reading, const json_t *value) {
    uint64_t previous;
    return text_number(value, &previous);
}

static int enum_value(const ProtobufCEnumDescriptor *descriptor, const json_t *value) {
    const char *text = json_string_value(value);
    const ProtobufCEnumValue *known = text ? protobuf_c_enum_descriptor_get_value_by_name(descriptor, text) : NULL;
    return known ? known->value : 0;
}

static int message_domain(Reading *reading, const json_t *value) {
    reading->line->record.domain = (Dongbo__Domain)enum_value(&dongbo__domain__descriptor, value);
    return reading->line->record.domain == 0;
}

static int message_change(Reading *reading, const json_t *value) {
    reading->line->record.change = (Dongbo__ChangeKind)enum_value(&dongbo__change_kind__descriptor, value);
    return reading->line->record.change == 0;
}

static int message_id(Reading *reading, const json_t *value) {
    const char *text = json_string_value(value);
    uint8_t *id;
    return !text || received_line_decode(text, reading->arena, &id) != RECORD_ID_BYTES;
}

static int message_origin(Reading *reading, const json_t *value) {
    reading->line->proof = json_string_value(value);
    return reading->line->proof == NULL;
}

static const LineKey MESSAGE[] = {
    {"position", message_position, true},  {"domain", message_domain, true},  {"change", message_change, true},
    {"recordId", message_id, true},        {"personId", message_id, false},   {"citizenNumber", read_number, false},
    {"eventTime", read_time, true},        {"agency", read_agency, false},    {"changed", read_changed, false},
    {"previous", message_previous, false}, {"origin", message_origin, false}, {0},
};

// ---- what depends on the domain -------------------------------------------------------------------------------------

// Whether `key` is `name` in the mapping: social_security as socialSecurity.
static bool is_camel_of(const char *key, const char *name) {
    for (; *name; name++, key++) {
        bool joint = *name == '_' && name[1];
        name += joint;
        if (*key != (joint ? (char)toupper((unsigned char)*name) : *name))
            return false;
    }
    return *key == 0;
}

static unsigned field_find(const ProtobufCMessageDescriptor *descriptor, const char *key, bool is_camel) {
    if (!is_camel)
        return field_by_name(descriptor, key);
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (is_camel_of(key, descriptor->fields[i].name))
            return descriptor->fields[i].id;
    return 0;
}

static int field_read(ProtobufCMessage *body, unsigned number, const json_t *value, Arena *arena) {
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(body->descriptor, number);
    bool is_text = field->type == PROTOBUF_C_TYPE_STRING;
    if (is_text ? !json_is_string(value) : !json_is_integer(value))
        return 1;
    const char *text =
        is_text ? json_string_value(value) : arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return text ? field_set_text(body, number, text) : no_memory();
}

static int body_pack(const ProtobufCMessage *body, Arena *arena, ProtobufCBinaryData *ret) {
    ret->len = protobuf_c_message_get_packed_size(body);
    ret->data = arena_alloc(arena, ret->len + 1);
    if (!ret->data)
        return no_memory();
    protobuf_c_message_pack(body, ret->data);
    return 0;
}

static int body_read(Reading *reading, bool is_camel) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor((int)reading->line->record.domain);
    ProtobufCMessage *body = arena_alloc(reading->arena, descriptor->sizeof_message);
    const char *key;
    json_t *value;
    int r = 0;
    if (!body)
        return no_memory();
    protobuf_c_message_init(descriptor, body);
    json_object_foreach((json_t *)reading->body, key, value) {
        unsigned number = field_find(descriptor, key, is_camel);
        r = number ? field_read(body, number, value, reading->arena) : 1;
        if (r != 0) {
            reading->line->wrong = key;
            return r;
        }
    }
    return body_pack(body, reading->arena, &reading->line->record.body);
}

static int changed_read(Reading *reading) {
    Dongbo__FeedRecord *record = &reading->line->record;
    size_t i;
    json_t *value;
    reading->line->wrong = "changed";
    record->changed_fields =
        arena_alloc(reading->arena, (json_array_size(reading->changed) + 1) * sizeof *record->changed_fields);
    if (!record->changed_fields)
        return no_memory();
    json_array_foreach((json_t *)reading->changed, i, value) {
        const char *name = json_string_value(value);
        unsigned number = name ? field_by_name(domain_descriptor((int)record->domain), name) : 0;
        if (number == 0)
            return 1;
        record->changed_fields[record->n_changed_fields++] = number;
    }
    reading->line->wrong = NULL;
    return 0;
}

// ---- a line ---------------------------------------------------------------------------------------------------------

static int needed_check(const LineForm *form, const json_t *line, ReceivedLine *ret) {
    for (const LineKey *key = form->keys; key->name; key++) {
        if (!key->is_needed || json_object_get(line, key->name))
            continue;
        ret->wrong = key->name;
        return 1;
    }
    return 0;
}

static int value_read(const LineForm *form, Reading *reading, const char *name, const json_t *value) {
    for (const LineKey *key = form->keys; key->name; key++)
        if (strcmp(key->name, name) == 0)
            return key->read(reading, value);
    if (!form->is_camel || reading->body || !json_is_object(value))
        return 1;
    reading->body = value;
    reading->body_key = name;
    return 0;
}

static int record_read(const LineForm *form, const json_t *line, Reading *reading) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)line, name, value) {
        int r = value_read(form, reading, name, value);
        if (r == 0)
            continue;
        reading->line->wrong = name;
        return r;
    }
    if (reading->body_key && !is_camel_of(reading->body_key, domain_name((int)reading->line->record.domain))) {
        reading->line->wrong = reading->body_key;
        return 1;
    }
    int r = reading->body ? body_read(reading, form->is_camel) : 0;
    return r == 0 && reading->changed ? changed_read(reading) : r;
}

static bool is_border(const json_t *line) {
    const char *border = json_string_value(json_object_get(line, "snapshot"));
    return border && (strcmp(border, "begin") == 0 || strcmp(border, "end") == 0) && json_object_size(line) == 2 &&
           json_is_integer(json_object_get(line, "first"));
}

int received_line_read(const json_t *line, Arena *arena, ReceivedLine *ret) {
    const LineForm form =
        json_is_string(json_object_get(line, "position")) ? (LineForm){MESSAGE, true} : (LineForm){PLAIN, false};
    Reading reading = {.arena = arena, .line = ret};
    *ret = (ReceivedLine){.is_border = is_border(line)};
    dongbo__feed_record__init(&ret->record);
    if (ret->is_border)
        return 0;
    int r = needed_check(&form, line, ret);
    return r == 0 ? record_read(&form, line, &reading) : r;
}
