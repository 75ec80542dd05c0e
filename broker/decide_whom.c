// SPDX-License-Identifier: Apache-2.0
//
// Nothing is chosen here: who is meant where the number is several persons' is for a person to say.
#include "broker/decide_whom.h"

#include "broker/decide.h"

#define DEFERRED DONGBO__VERDICT__DEFERRED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define SUBJECT_NUMBER "subject.citizen_number"

static bool is_applied(const Item *item) {
    return item->settled && item->applied_to != 0;
}

const Person *decide_bearer_in_store(const Item *item) {
    const Person *applied = is_applied(item) ? bearers_find(item->bearers, item->applied_to) : NULL;
    return applied != NULL ? applied : bearers_only(item->bearers);
}

static bool is_claimed_of_several(const Item *item) {
    return item->person == NULL && item->bearers != NULL && bearers_only(item->bearers) == NULL;
}

bool decide_is_several(const Item *item) {
    return !is_applied(item) && (item->goes_several || is_claimed_of_several(item));
}

// A merger says in its body who stays.
static const char *claimed_field(const Item *item) {
    return population_is_merger(item->event->population) ? "citizen_number" : SUBJECT_NUMBER;
}

void decide_whom(Item *item) {
    if (decide_went_elsewhere(item)) // of whoever they are now, their agency says so under the present number
        decision_add(&item->decision, MISMATCH, DONGBO__REASON_CODE__ID_NOT_CURRENT, SUBJECT_NUMBER, NULL);
    else if (decide_is_several(item))
        decision_add(&item->decision, MISMATCH, DONGBO__REASON_CODE__ID_AMBIGUOUS,
                     item->goes_several ? SUBJECT_NUMBER : claimed_field(item), NULL);
    else if (item->taken_in_store)
        decision_add(&item->decision, DEFERRED, DONGBO__REASON_CODE__NUMBER_TAKEN, "citizen_number", NULL);
    else if (item->unknown_to_store || (item->person == NULL && !decide_brings_person(item)))
        decision_add(&item->decision, DEFERRED, DONGBO__REASON_CODE__NOT_FOUND,
                     item->person == NULL ? claimed_field(item) : SUBJECT_NUMBER, NULL);
}
