// SPDX-License-Identifier: Apache-2.0
//
// What holds after an event is known only when it was merged: of the record as the batch has it by then, and of the
// store where no event has said it. Looks nothing up.
#include "broker/decide_population.h"

#include "broker/decide_merger.h"
#include "proto/base/date.h"

#include <string.h>

#define BIRTH_BIT (1u << 4)
#define DEATH_BIT (1u << 10)
#define MISMATCH DONGBO__VERDICT__MISMATCH

// Taken from the record where an event has said it, which may be one of this batch.
static const char *held_date(const char *merged, const char *stored) {
    return merged[0] != '\0' || stored == NULL ? merged : stored;
}

// Two records that are merged bring their dates together, and are not refused for them.
static bool dies_unborn(const Item *item) {
    const Dongbo__PopulationChange *body = (const Dongbo__PopulationChange *)item->merged.body;
    Date birth, death;
    return (item->merged.won & (BIRTH_BIT | DEATH_BIT)) != 0 && !population_is_merger(item->event->population) &&
           date_parse(held_date(body->birth_date, item->person->birth_date), &birth) == 0 &&
           date_parse(body->died_on, &death) == 0 && date_compare(death, birth) < 0;
}

static void deny_unborn(Item *item) {
    bool dies = (item->merged.won & DEATH_BIT) != 0;
    decision_add(&item->decision, MISMATCH,
                 dies ? DONGBO__REASON_CODE__DATE_BEFORE_BIRTH : DONGBO__REASON_CODE__PERIOD_REVERSED,
                 dies ? "died_on" : "birth_date", NULL);
}

int decide_population(const Merge *merge, const Dongbo__Record *coming, Item *item) {
    int result = population_is_merger(item->event->population)
                     ? decide_merger(merge, coming, item)
                     : reconcile(merge, item->onto, item->event, &item->merged);
    if (result != 0 || item->settled) // what was applied has moved the person
        return result;
    if (dies_unborn(item))
        deny_unborn(item);
    else
        return 0;
    item->merged = (Merged){0};
    return 0;
}
