// SPDX-License-Identifier: Apache-2.0
//
// By the policy alone where that is possible, so that whether an event comes says nothing of what it says.
#include "broker/origin_right.h"

#include <string.h>

static uint32_t fields_of(const ProtobufCMessageDescriptor *descriptor) {
    uint32_t fields = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        fields |= 1u << descriptor->fields[i].id;
    return fields;
}

// What a subject says of a person, as the population store's fields; its number is granted by itself.
static uint32_t fields_of_subject(void) {
    static const char *const NAMES[] = {"full_name",   "birth_date",  "sex",
                                        "mother_name", "father_name", "residence_province"};
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(DONGBO__DOMAIN__POPULATION);
    uint32_t fields = 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        fields |= 1u << field_by_name(descriptor, NAMES[i]);
    return fields;
}

static bool covers(const PolicyVersion *version, int domain, uint32_t fields) {
    return version->domains >> domain & 1 && (version->fields[domain] & fields) == fields;
}

bool origin_is_told_again(const Dongbo__Entry *entry) {
    return (entry->kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD || entry->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED) &&
           !entry->deleted;
}

OriginRight origin_right(const PolicyVersion *version, const Dongbo__Entry *entry, PolicyPassage passage) {
    int domain = (int)entry->domain;
    bool erased = entry->kind == DONGBO__ENTRY_KIND__ENTRY_ERASURE;
    bool made = entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION ||
                origin_is_told_again(entry);
    if (version->origins == POLICY_ORIGINS_NO || passage == POLICY_NOT || entry->verdict != DONGBO__VERDICT__ACCEPTED ||
        !(made || erased))
        return ORIGIN_NOT;
    if (version->origins != POLICY_ORIGINS_EVENTS || erased || passage == POLICY_LEAVES || !version->citizen_number ||
        !covers(version, domain, fields_of(domain_descriptor(domain))) ||
        !covers(version, DONGBO__DOMAIN__POPULATION, fields_of_subject()))
        return ORIGIN_LEAF;
    return ORIGIN_EVENT;
}

const char *origin_right_word(OriginRight right) {
    static const char *const WORDS[] = {[ORIGIN_NOT] = NULL, [ORIGIN_LEAF] = "leaf", [ORIGIN_EVENT] = "event"};
    return WORDS[right];
}

static bool is_known(const ProtobufCMessage *message) {
    return message && message->n_unknown_fields == 0;
}

bool origin_is_theirs(const Dongbo__ChangeEvent *event, const Dongbo__Entry *entry) {
    const Dongbo__Subject *subject = event->subject;
    return subject && event_domain(event) == (int)entry->domain && event->event_time_us == entry->event_time_us &&
           *subject->citizen_number && strcmp(subject->citizen_number, entry->citizen_number) == 0 &&
           is_known(&event->base) && is_known(&subject->base) && is_known(event_body(event));
}
