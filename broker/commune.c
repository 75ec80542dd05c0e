// SPDX-License-Identifier: Apache-2.0
//
// Two code lists: communes34 has each one's province, communes63 its province of then and its successors, parted by
// spaces.
#include "broker/commune.h"

#define COLUMN_PROVINCE 2
#define COLUMN_SUCCESSORS 3

const char *commune_province34(const Rules *rules, const char *code, bool is_63) {
    const char *province = code_list_column(rules_communes(rules, is_63), code, COLUMN_PROVINCE);
    return province && is_63 ? rules_province34_of(rules, province) : province;
}

const char *commune_today(const Rules *rules, const char *code, bool is_63) {
    const CodeList *today = rules_communes(rules, false);
    if (is_63)
        code = code_list_column(rules_communes(rules, true), code, COLUMN_SUCCESSORS);
    return code && code_list_has(today, code) ? code : NULL;
}

const char *commune_province_today(const Rules *rules, const char *code63) {
    const char *today = rules_province34_of(rules, code63);
    return today ? today : "";
}

void commune_settle(const Rules *rules, Dongbo__ChangeEvent *event) {
    const DomainRules *domain = rules_domain(rules, event_domain(event));
    if (!domain || !event->subject || !rules_says_63(event->subject))
        return;
    char unused[12];
    ProtobufCMessage *body = event_body(event);
    for (const RuleField *field = domain->fields; field->number; field++)
        if (field->by_code_set)
            field_set_text(body, field->number, commune_province_today(rules, field_text(body, field->number, unused)));
    if (!domain->commune)
        return;
    const char *today = commune_today(rules, field_text(body, domain->commune->number, unused), true);
    field_set_text(body, domain->commune->number, today ? today : "");
}
