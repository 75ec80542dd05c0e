// SPDX-License-Identifier: Apache-2.0
//
// The one place where the seven domains are listed in C. Everything else about a body is read from its descriptor, so a
// new domain is one line here and one in event.proto. It judges no value: rules are data (schemas/), and verify reads
// them.
#include "proto/domain.h"

#include "verdict.pb-c.h"
#include "wire.pb-c.h"

#include <assert.h>
#include <string.h>

typedef struct DomainEntry {
    const char *name;
    const ProtobufCMessageDescriptor *descriptor;
    uint32_t keys;
} DomainEntry;
#define KEYS(a, b) (UINT32_C(1) << (a) | UINT32_C(1) << (b))

// Index = Domain.
static const DomainEntry DOMAINS[DOMAIN_MAX + 1] = {
    {NULL, NULL, 0},
    {"population", &dongbo__population_change__descriptor, 0},
    {"health", &dongbo__vaccination__descriptor, KEYS(1, 2)},
    {"education", &dongbo__enrolment__descriptor, KEYS(1, 2)},
    {"social_security", &dongbo__insurance_period__descriptor, KEYS(1, 2)},
    {"residence", &dongbo__residence_period__descriptor, KEYS(1, 2)},
    {"e_id", &dongbo__eid_account__descriptor, KEYS(1, 1)},
    {"electricity", &dongbo__electricity_contract__descriptor, KEYS(1, 1)},
};

// A body's field number in ChangeEvent is this plus its Domain.
#define BODY_NUMBER_BASE 10

static bool domain_known(int domain) {
    return domain >= DOMAIN_MIN && domain <= DOMAIN_MAX;
}

const char *domain_name(int domain) {
    return domain_known(domain) ? DOMAINS[domain].name : NULL;
}

int domain_by_name(const char *name) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        if (strcmp(DOMAINS[domain].name, name) == 0)
            return domain;
    return 0;
}

const ProtobufCMessageDescriptor *domain_descriptor(int domain) {
    return domain_known(domain) ? DOMAINS[domain].descriptor : NULL;
}

uint32_t domain_keys(int domain) {
    return domain_known(domain) ? DOMAINS[domain].keys : 0;
}

int event_domain(const Dongbo__ChangeEvent *event) {
    int domain = (int)event->body_case - BODY_NUMBER_BASE;
    return domain_known(domain) && event->population != NULL ? domain : DONGBO__DOMAIN__DOMAIN_UNSPECIFIED;
}

ProtobufCMessage *event_body(const Dongbo__ChangeEvent *event) {
    // The bodies share one union of pointers, and each starts with its ProtobufCMessage.
    return event_domain(event) != 0 ? (ProtobufCMessage *)event->population : NULL;
}

void event_set_body(Dongbo__ChangeEvent *event, int domain, ProtobufCMessage *body) {
    assert(domain_known(domain) && body->descriptor == DOMAINS[domain].descriptor);
    event->body_case = (Dongbo__ChangeEvent__BodyCase)(BODY_NUMBER_BASE + domain);
    event->population = (Dongbo__PopulationChange *)body;
}

static const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *descriptor, unsigned number) {
    // Bodies number their fields without holes, so the first guess is right for all of them.
    if (number - 1 < descriptor->n_fields && descriptor->fields[number - 1].id == number)
        return &descriptor->fields[number - 1];
    return protobuf_c_message_descriptor_get_field(descriptor, number);
}

static char **text_of(const ProtobufCMessage *body, const ProtobufCFieldDescriptor *field) {
    assert(field->type == PROTOBUF_C_TYPE_STRING);
    return (char **)((uint8_t *)body + field->offset);
}

static uint32_t *number_of(const ProtobufCMessage *body, const ProtobufCFieldDescriptor *field) {
    assert(field->type == PROTOBUF_C_TYPE_UINT32 && field->label != PROTOBUF_C_LABEL_REPEATED);
    return (uint32_t *)((uint8_t *)body + field->offset);
}

static bool said(const ProtobufCMessage *body, const ProtobufCFieldDescriptor *field) {
    if (field->type != PROTOBUF_C_TYPE_STRING)
        return *number_of(body, field) != 0;
    const char *text = *text_of(body, field);
    return text != NULL && text[0] != 0;
}

// Decimal digits backwards from the buffer's end: this runs per field, and snprintf() is ten times as dear.
static const char *number_text(uint32_t value, char buffer[12]) {
    char *at = buffer + 11;
    *at = 0;
    for (; value != 0; value /= 10)
        *--at = (char)('0' + value % 10);
    return at;
}

const char *change_name(int change) {
    static const char *const NAMES[] = {NULL, "upsert", "delete", "entered", "left"};
    return change >= 0 && change < (int)(sizeof NAMES / sizeof *NAMES) ? NAMES[change] : NULL;
}

bool change_lets_go(int change) {
    return change == DONGBO__CHANGE_KIND__CHANGE_DELETE || change == DONGBO__CHANGE_KIND__CHANGE_LEFT;
}

bool population_is_reissue(const Dongbo__PopulationChange *change) {
    return strcmp(change->kind, "number-reissued") == 0;
}

bool population_is_cancellation(const Dongbo__PopulationChange *change) {
    return strcmp(change->kind, "number-cancelled") == 0;
}

bool population_is_merger(const Dongbo__PopulationChange *change) {
    return strcmp(change->kind, "merged") == 0;
}

const char *field_text(const ProtobufCMessage *body, unsigned number, char buffer[12]) {
    const ProtobufCFieldDescriptor *field = field_find(body->descriptor, number);
    if (field == NULL)
        return "";
    if (field->type != PROTOBUF_C_TYPE_STRING)
        return number_text(*number_of(body, field), buffer);
    const char *text = *text_of(body, field);
    return text != NULL ? text : "";
}

bool field_is_said(const ProtobufCMessage *body, unsigned number) {
    const ProtobufCFieldDescriptor *field = field_find(body->descriptor, number);
    return field != NULL && said(body, field);
}

void field_copy(ProtobufCMessage *to, const ProtobufCMessage *from, unsigned number) {
    assert(to->descriptor == from->descriptor);
    const ProtobufCFieldDescriptor *field = field_find(to->descriptor, number);
    if (field == NULL)
        return;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        *text_of(to, field) = *text_of(from, field);
    else
        *number_of(to, field) = *number_of(from, field);
}

void field_clear(ProtobufCMessage *body, unsigned number) {
    const ProtobufCFieldDescriptor *field = field_find(body->descriptor, number);
    if (field == NULL)
        return;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        *text_of(body, field) = (char *)protobuf_c_empty_string;
    else
        *number_of(body, field) = 0;
}

bool field_equal(const ProtobufCMessage *a, const ProtobufCMessage *b, unsigned number) {
    char buffer_a[12], buffer_b[12];
    return strcmp(field_text(a, number, buffer_a), field_text(b, number, buffer_b)) == 0;
}

static int number_parse(const char *text, uint32_t *ret) {
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= UINT32_MAX; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (*at != 0 || at == text || value > UINT32_MAX)
        return 1;
    *ret = (uint32_t)value;
    return 0;
}

int field_set_text(ProtobufCMessage *body, unsigned number, const char *text) {
    const ProtobufCFieldDescriptor *field = field_find(body->descriptor, number);
    assert(field != NULL);
    if (field->type != PROTOBUF_C_TYPE_STRING)
        return number_parse(text, number_of(body, field));
    *text_of(body, field) = (char *)text;
    return 0;
}

static bool ends_in(const char *name, const char *end) {
    size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

bool field_is_date(const char *name) {
    return ends_in(name, "_date") || ends_in(name, "_on") || ends_in(name, "_start") || ends_in(name, "_end");
}

const char *field_name(const ProtobufCMessageDescriptor *descriptor, unsigned number) {
    const ProtobufCFieldDescriptor *field = field_find(descriptor, number);
    return field != NULL ? field->name : NULL;
}

unsigned field_by_name(const ProtobufCMessageDescriptor *descriptor, const char *name) {
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(descriptor, name);
    return field != NULL ? field->id : 0;
}

uint32_t fields_said(const ProtobufCMessage *body) {
    uint32_t set = 0;
    for (unsigned i = 0; i < body->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &body->descriptor->fields[i];
        if (said(body, field))
            set |= UINT32_C(1) << field->id;
    }
    return set;
}

const char *verdict_name(int verdict) {
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(&dongbo__verdict__descriptor, verdict);
    return verdict != 0 && value != NULL ? value->name : "?";
}

int verdict_by_name(const char *name) {
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(&dongbo__verdict__descriptor, name);
    return value != NULL ? value->value : 0;
}

bool verdict_is_open(int verdict) {
    return verdict == DONGBO__VERDICT__MISMATCH || verdict == DONGBO__VERDICT__DEFERRED;
}
