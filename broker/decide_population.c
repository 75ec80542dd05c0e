// SPDX-License-Identifier: Apache-2.0
//
// What holds after an event is known only when it was merged: of the record as the batch has it by then, and of the
// store where no event has said it. Looks nothing up.
#include "broker/decide_population.h"

#include "broker/claim.h"
#include "broker/decide_merger.h"
#include "proto/base/date.h"

#include <string.h>

#define KIND_BIT (1u << 1)
#define NUMBER_BIT (1u << 2)
#define BIRTH_BIT (1u << 4)
#define DEATH_BIT (1u << 10)
#define MISMATCH DONGBO__VERDICT__MISMATCH

// Taken from the record where an event has said it, which may be one of this batch.
static const char *held_date(const char *merged, const char *stored) {
    return merged[0] != '\0' || stored == NULL ? merged : stored;
}

// A death that was taken back is one of nobody, though the store still has it: it may not have been told yet.
static const char *held_death(const Item *item, const char *merged) {
    const Dongbo__Record *record = item->merged.record;
    for (size_t i = 0; i < record->n_origins; i++) {
        if ((claim_bits(record->origins[i]->cleared, record->origins[i]->n_cleared) & DEATH_BIT) != 0)
            return "";
    }
    return held_date(merged, item->person->died_on);
}

// Two records that are merged bring their dates together, and are not refused for them.
static bool dies_unborn(const Item *item) {
    const Dongbo__PopulationChange *body = (const Dongbo__PopulationChange *)item->merged.body;
    Date birth, death;
    return (item->merged.won & (BIRTH_BIT | DEATH_BIT)) != 0 && !population_is_merger(item->event->population) &&
           date_parse(held_date(body->birth_date, item->person->birth_date), &birth) == 0 &&
           date_parse(held_death(item, body->died_on), &death) == 0 && date_compare(death, birth) < 0;
}

static void deny_unborn(Item *item) {
    bool dies = (item->merged.won & DEATH_BIT) != 0;
    decision_add(&item->decision, MISMATCH,
                 dies ? DONGBO__REASON_CODE__DATE_BEFORE_BIRTH : DONGBO__REASON_CODE__PERIOD_REVERSED,
                 dies ? "died_on" : "birth_date", NULL);
}

// By the store, and by re-issues of the same batch, which the store has not been told of yet.
static const char *present_number(const Item *item) {
    for (const Item *before = item->earlier; before != NULL; before = before->earlier) {
        if ((before->merged.won & NUMBER_BIT) != 0 && population_is_reissue(before->event->population))
            return before->event->population->citizen_number;
    }
    return item->person->citizen_number;
}

static bool is_about_number(const Item *item) {
    const Dongbo__PopulationChange *change = item->event->population;
    return population_is_cancellation(change) || population_is_merger(change);
}

// One that was cancelled stays with whose it was, and '-' behind it.
static bool is_theirs(const Item *item, const char *present) {
    size_t n = strlen(item->claimed_number);
    return strncmp(present, item->claimed_number, n) == 0 && present[n + strspn(present + n, "-")] == '\0';
}

// Cancels a number that was replaced, or has one stay, though no re-issue outweighs it: in the record the number that
// holds would go, of which the event does not speak.
static bool ends_another(const Item *item) {
    return is_about_number(item) && (item->merged.won & NUMBER_BIT) != 0 && !is_theirs(item, present_number(item));
}

// Who cancels nothing that holds leaves no trace but in what they say besides.
static uint32_t yielded_fields(const Item *item) {
    return population_is_cancellation(item->event->population) ? KIND_BIT | NUMBER_BIT : NUMBER_BIT;
}

static int merge_event(const Merge *merge, const Dongbo__Record *coming, Item *item) {
    return population_is_merger(item->event->population) ? decide_merger(merge, coming, item)
                                                         : reconcile(merge, item->onto, item->event, &item->merged);
}

void decide_numbered(Item *item, const char *present) {
    if (is_about_number(item) && (item->yields || (item->merged.won & NUMBER_BIT) != 0))
        item->yields = !is_theirs(item, present);
}

int decide_population(const Merge *merge, const Dongbo__Record *coming, Item *item) {
    Merge yielding = *merge;
    yielding.yields = yielded_fields(item);
    int result = merge_event(item->settled && item->yields ? &yielding : merge, coming, item);
    if (result != 0 || item->settled) // what was applied has moved the person
        return result;
    item->yields = ends_another(item);
    if (item->yields)
        result = merge_event(&yielding, coming, item);
    if (result != 0 || !dies_unborn(item))
        return result;
    deny_unborn(item);
    item->merged = (Merged){0};
    return 0;
}
