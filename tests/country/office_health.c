// SPDX-License-Identifier: Apache-2.0
//
// The Ministry of Health's vaccinations: some agree with the store, some contradict it, some have no usable number,
// and some are of citizens whom the store learns of only later, in the scenario's exact counts.

#include "tests/country/office_tools.h"

#include <assert.h>
#include <stdlib.h>

typedef enum Group { GROUP_AGREE, GROUP_WRONG, GROUP_UNUSABLE, GROUP_LATER } Group;

// Rows yet to come, by group, in an order of no meaning.
static uint32_t *shuffled_groups(Office *office, uint32_t *ret_n) {
    const Scenario *scenario = office->scenario;
    const uint32_t counts[] = {scenario->vaccinations_agree, scenario->vaccinations_wrong,
                               scenario->vaccinations_unusable, scenario->vaccinations_later};
    uint32_t total = 0, n = 0;
    for (int group = GROUP_AGREE; group <= GROUP_LATER; group++)
        total += counts[group];
    uint32_t *groups = malloc(total * sizeof *groups);
    assert(groups);
    for (int group = GROUP_AGREE; group <= GROUP_LATER; group++)
        for (uint32_t i = 0; i < counts[group]; i++)
            groups[n++] = (uint32_t)group;
    dice_shuffle(&office->country->dice, groups, total);
    *ret_n = total;
    return groups;
}

static ClaimKind kind_of(Dice *dice, Group group) {
    switch (group) {
    case GROUP_AGREE:
        return claim_draw_agreeing(dice);
    case GROUP_WRONG:
        return claim_draw_wrong(dice);
    case GROUP_UNUSABLE:
        return claim_draw_unusable(dice);
    default:
        return CLAIM_LATER;
    }
}

// Doses two months apart, the first between June and October 2021.
static void write_dose(Office *office, uint32_t citizen, uint32_t dose) {
    static const char *const PRODUCTS[] = {"EU/1/20/1528", "EU/1/21/1529", "EU/1/20/1507", "BBIBP-CorV"};
    static const uint32_t SHARES[] = {360, 690, 760, 1000};
    Dice *dice = &office->country->dice;
    const unsigned province = PLACE_TABLE[office->country->citizens[citizen].home].code;
    const Civil day = days_civil(days_of(2021, 6, 1) + (int32_t)(dose - 1) * 60 + (int32_t)(citizen * 7919U % 140));
    const size_t product = dice_pick(dice, SHARES, 4);
    fprintf(office->sheet, ",%s,%u,L%zu%04u,%02d/%02d/%04d,CS%02u%04u,%s\n", PRODUCTS[product], dose, product,
            dice_below(dice, 10000), day.day, day.month, day.year, province, dice_below(dice, 600),
            dice_chance(dice, 50) ? "\"tiêm lưu động, đợt \"\"tháng 3\"\"\"" : "");
}

// Hands out (citizen, dose) pairs, each once: everybody's first dose before anybody's second.
typedef struct Queue {
    const uint32_t *citizens;
    uint32_t n, taken;
} Queue;

static uint32_t queue_take(Queue *queue, uint32_t *ret_dose) {
    *ret_dose = 1 + queue->taken / queue->n;
    return queue->citizens[queue->taken++ % queue->n];
}

static People later_people(const Country *country) {
    People people = {.indices = malloc((country->n_later + 1) * sizeof *people.indices)};
    assert(people.indices);
    for (uint32_t i = country->n - country->n_later; i < country->n; i++)
        if (citizen_age_on(&country->citizens[i], country->today) >= 13)
            people.indices[people.n++] = i;
    assert(people.n > 0);
    return people;
}

static People neighbours(const Country *country, const People *among) {
    People people = {.indices = malloc(among->n * sizeof *people.indices)};
    assert(people.indices);
    for (uint32_t k = 0; k < among->n; k++)
        if (country->citizens[among->indices[k]].neighbour != NO_CITIZEN)
            people.indices[people.n++] = among->indices[k];
    return people;
}

void office_write_vaccinations(Office *office) {
    Country *country = office->country;
    office_write_header(office, SHEET_VACCINATIONS);
    uint32_t n = 0, dose = 1, n_typos = 0;
    uint32_t *groups = shuffled_groups(office, &n);
    People known = people_draw(country, 13, 95, country->today), later = later_people(country);
    People typos = neighbours(country, &known);
    // Six doses in ten are somebody's first.
    Queue doses = {.citizens = known.indices, .n = n * 6 / 10 < known.n ? n * 6 / 10 + 1 : known.n};
    Queue doses_later = {.citizens = later.indices, .n = later.n};
    for (uint32_t k = 0; k < n; k++) {
        RowHead head = {.kind = kind_of(&country->dice, (Group)groups[k]),
                        .moment = office_draw_moment(office),
                        .male = "Nam",
                        .female = "Nữ"};
        head.citizen = queue_take(groups[k] == GROUP_LATER ? &doses_later : &doses, &dose);
        if (head.kind == CLAIM_NUMBER_TYPO && typos.n > 0)
            head.citizen = people_at(&typos, n_typos++);
        office_begin_row(office, &head);
        write_dose(office, head.citizen, dose);
    }
    free(groups);
    people_free(&known);
    people_free(&later);
    people_free(&typos);
}

void office_write_bench(Office *office, uint32_t events) {
    Country *country = office->country;
    office_write_header(office, SHEET_VACCINATIONS);
    People known = people_draw(country, 13, 95, country->today);
    Queue doses = {.citizens = known.indices, .n = known.n};
    for (uint32_t k = 0; k < events; k++) {
        const bool again = k >= 1000 && dice_chance(&country->dice, 200);
        uint32_t dose = 1, citizen;
        if (again) {
            const uint32_t earlier = dice_below(&country->dice, doses.taken);
            dose = 1 + earlier / doses.n;
            citizen = doses.citizens[earlier % doses.n];
        } else {
            citizen = queue_take(&doses, &dose);
        }
        // Time goes on, so that what comes again is news.
        const RowHead head = {.citizen = citizen,
                              .kind = again ? CLAIM_UPDATED : CLAIM_EXACT,
                              .moment = (uint32_t)((uint64_t)k * (CITIZENS_TODAY_DAY * 86400ULL) / events),
                              .male = "Nam",
                              .female = "Nữ"};
        office_begin_row(office, &head);
        write_dose(office, citizen, dose);
    }
    people_free(&known);
}
