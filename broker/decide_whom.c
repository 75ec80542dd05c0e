// SPDX-License-Identifier: Apache-2.0
//
// Nothing is chosen here: who is meant where the number is several persons' is for a person to say.
#include "broker/decide_whom.h"

#include "broker/decide.h"
#include "broker/name.h"

#include <string.h>

#define DEFERRED DONGBO__VERDICT__DEFERRED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define SUBJECT_NUMBER "subject.citizen_number"
#define NUMBER_BIT (1u << 2)
#define NAME_BIT (1u << 3)
#define BIRTH_BIT (1u << 4)

static bool is_applied(const Item *item) {
    return item->settled && item->applied_to != 0;
}

int64_t decide_settled_on(const Item *item) {
    return !item->settled ? 0 : is_applied(item) ? item->applied_to : item->settled_on;
}

const Person *decide_bearer_in_store(const Item *item) {
    int64_t key = decide_settled_on(item);
    const Person *settled = key != 0 ? bearers_find(item->bearers, key) : NULL;
    return settled != NULL ? settled : bearers_only(item->bearers);
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

// ---- somebody else -------------------------------------------------------------------------------------------------

static const char *new_number(const Item *item) {
    return item->event->population->citizen_number;
}

// Whether this event of the batch says anew whose the claimed number is, of one person.
static bool says_whose(const Item *item, const Item *earlier) {
    const Dongbo__PopulationChange *change = earlier->event->population;
    return (earlier->merged.won & NUMBER_BIT) != 0 &&
           (population_is_reissue(change) ||
            (population_is_cancellation(change) && strcmp(earlier->claimed_number, item->claimed_number) == 0));
}

static bool takes_away(const Item *item, const Item *earlier) {
    return population_is_cancellation(earlier->event->population) ||
           strcmp(new_number(earlier), item->claimed_number) != 0;
}

// Whether the claimed number is not its person's present one by then, and since which event of the batch; NULL where
// that is not known, or was so before.
static bool is_replaced(const Item *item, const Item **ret_since) {
    const Item *last = NULL;
    *ret_since = NULL;
    if (item->person->by_alias)
        return true;
    for (const Item *earlier = item->earlier; earlier != NULL; earlier = earlier->earlier) {
        if (!says_whose(item, earlier))
            continue;
        last = last == NULL ? earlier : last;
        if (takes_away(item, earlier))
            *ret_since = earlier;
    }
    return last != NULL ? takes_away(item, last)
                        : strcmp(item->person->citizen_number, item->claimed_number) != 0; // they went to this person
}

// Whether another person was given the claimed number since it was first taken away: then the store knows whose it is.
static bool is_given_since(const Item *item, const Item *since) {
    for (const Item *other = since; other != NULL && other < item; other++) {
        if (other->domain == DONGBO__DOMAIN__POPULATION && (other->merged.won & NUMBER_BIT) != 0 &&
            other->person->key != item->person->key && population_is_reissue(other->event->population) &&
            strcmp(new_number(other), item->claimed_number) == 0)
            return true;
    }
    return false;
}

// What events of the batch have made of the person.
static const Dongbo__PopulationChange *body_before(const Item *item) {
    for (const Item *earlier = item->earlier; earlier != NULL; earlier = earlier->earlier) {
        if (earlier->merged.store && !earlier->merged.superseded)
            return (const Dongbo__PopulationChange *)earlier->merged.body;
    }
    return NULL;
}

static const char *held(const char *said, const char *stored) {
    return said != NULL && said[0] != '\0' ? said : stored == NULL ? "" : stored;
}

static bool is_nobody_known(const Item *item) {
    const Dongbo__PopulationChange *change = item->event->population, *body = body_before(item);
    const char *name = held(body == NULL ? NULL : body->full_name, item->person->full_name);
    const char *birth_date = held(body == NULL ? NULL : body->birth_date, item->person->birth_date);
    Date said, stored;
    bool same_birth =
        date_parse(change->birth_date, &said) == 0 && date_parse(birth_date, &stored) == 0 && date_agrees(said, stored);
    return !same_birth && !name_same_but_accents(change->full_name, name);
}

bool decide_is_somebody_else(const Item *item) {
    const Item *since;
    return !item->settled && item->domain == DONGBO__DOMAIN__POPULATION && decide_brings_person(item) &&
           (item->merged.won & NAME_BIT) != 0 && (item->merged.won & BIRTH_BIT) != 0 && is_replaced(item, &since) &&
           is_nobody_known(item) && !is_given_since(item, since);
}

void decide_somebody_else(Item *item) {
    item->merged = (Merged){0};
    decision_add(&item->decision, MISMATCH, DONGBO__REASON_CODE__ID_NOT_CURRENT, "citizen_number", NULL);
    decision_add(&item->decision, MISMATCH, DONGBO__REASON_CODE__NAME_DIFFERS, "full_name", NULL);
    decision_add(&item->decision, MISMATCH, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS, "birth_date", NULL);
}
