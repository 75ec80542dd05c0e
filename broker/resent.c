// SPDX-License-Identifier: Apache-2.0
//
// What makes two events one row's. Looks nothing up, and says nothing of what is in the row.
#include "broker/resent.h"

#include "broker/item.h"
#include "broker/name.h"

#include <string.h>

#define RETRACT DONGBO__OPERATION__RETRACT

static const Dongbo__Subject NOBODY = DONGBO__SUBJECT__INIT;

typedef struct Said {
    const char *number, *name, *birth_date;
} Said;

static const char *either(const char *first, const char *second) {
    return first[0] != '\0' ? first : second;
}

// Of whom: a population event says it in its body, too.
static Said said_of(const Dongbo__ChangeEvent *event) {
    const Dongbo__Subject *subject = event->subject == NULL ? &NOBODY : event->subject;
    if (event_domain(event) != DONGBO__DOMAIN__POPULATION)
        return (Said){subject->citizen_number, subject->full_name, subject->birth_date};
    const Dongbo__PopulationChange *change = event->population;
    return (Said){either(change->citizen_number, subject->citizen_number),
                  either(change->full_name, subject->full_name), either(change->birth_date, subject->birth_date)};
}

static uint64_t hash_on(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u; // FNV-1a
    return (hash ^ 0xFF) * 1099511628211u;
}

static const DomainRules *rules_of(const Rules *rules, const Dongbo__ChangeEvent *event) {
    return rules_domain(rules, event_domain(event));
}

uint64_t resent_key(const Rules *rules, const Dongbo__ChangeEvent *event) {
    const DomainRules *domain = event == NULL ? NULL : rules_of(rules, event);
    if (domain == NULL || event->source_key[0] == '\0')
        return 0;
    char number[12];
    uint64_t hash = hash_on(14695981039346656037u ^ (uint64_t)domain->domain, event->source_key);
    for (size_t i = 0; i < domain->n_key; i++)
        hash = hash_on(hash, field_text(event_body(event), domain->key[i]->number, number));
    return hash == 0 ? 1 : hash;
}

static bool same_record(const DomainRules *domain, const Dongbo__ChangeEvent *a, const Dongbo__ChangeEvent *b) {
    for (size_t i = 0; i < domain->n_key; i++)
        if (!field_equal(event_body(a), event_body(b), domain->key[i]->number))
            return false;
    return domain->domain != DONGBO__DOMAIN__POPULATION || strcmp(a->population->kind, b->population->kind) == 0;
}

static bool same_person(const Said *a, const Said *b) {
    if (a->number[0] != '\0' && strcmp(a->number, b->number) == 0)
        return true;
    return a->birth_date[0] != '\0' && strcmp(a->birth_date, b->birth_date) == 0 &&
           (name_compare(a->name, b->name) & (NAME_OTHER | NAME_EMPTY)) == 0 && b->name[0] != '\0';
}

bool resent_replaces(const Rules *rules, const Dongbo__ChangeEvent *newer, const Dongbo__ChangeEvent *older) {
    const DomainRules *domain = rules_of(rules, newer);
    if (domain == NULL || domain != rules_of(rules, older) || strcmp(newer->source_key, older->source_key) != 0 ||
        newer->event_time_us < older->event_time_us)
        return false;
    // A withdrawal that waits is not taken back by what says that the record holds: which came first is not known.
    if (older->operation == RETRACT && newer->operation != RETRACT)
        return false;
    Said now = said_of(newer), before = said_of(older);
    return same_record(domain, newer, older) && same_person(&now, &before);
}

bool resent_is_taken(const Work *work, const Item *item) {
    int verdict = item->decision.verdict;
    bool closes = work->review != NULL && work->review->action == REVIEW_REPLACED;
    return item->event != NULL && !item->dropped && !item->poisoned && !item->leaves && !closes &&
           (work->kind == WORK_BATCH || work->kind == WORK_REDECIDE) &&
           (verdict == DONGBO__VERDICT__ACCEPTED || verdict == DONGBO__VERDICT__UNCHANGED);
}
