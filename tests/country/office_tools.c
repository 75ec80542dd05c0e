// SPDX-License-Identifier: Apache-2.0
//
// What the offices share.

#include "tests/country/office_tools.h"

#include <assert.h>
#include <stdlib.h>

#define DAY_SECONDS 86400U

People people_draw(Country *country, int age_min, int age_max, int32_t day) {
    People people = {.indices = malloc(country->n * sizeof *people.indices)};
    assert(people.indices);
    for (uint32_t i = 0; i < country->n - country->n_later; i++) {
        const Citizen *citizen = &country->citizens[i];
        const int age = citizen_age_on(citizen, day);
        if (citizen->died == 0 && age >= age_min && age <= age_max)
            people.indices[people.n++] = i;
    }
    assert(people.n > 0);
    dice_shuffle(&country->dice, people.indices, people.n);
    return people;
}

void people_free(People *people) {
    free(people->indices);
    *people = (People){0};
}

uint32_t people_at(const People *people, uint32_t k) {
    return people->indices[k % people->n];
}

void office_write_header(Office *office, SheetId sheet) {
    const SheetColumn *column = SHEET_TABLE[sheet].columns;
    for (int n = 0; column->column; column++)
        if (column->form != COLUMN_CONSTANT)
            fprintf(office->sheet, "%s%s", n++ ? "," : "", column->column);
    fputc('\n', office->sheet);
    office->prefix = SHEET_TABLE[sheet].prefix;
    office->rows = 0;
}

uint32_t office_draw_moment(Office *office) {
    // Offices are open from seven to nineteen.
    return dice_below(&office->country->dice, CITIZENS_TODAY_DAY) * DAY_SECONDS + 7 * 3600 +
           dice_below(&office->country->dice, 12 * 3600);
}

int32_t office_day(const Office *office, uint32_t moment) {
    return office->country->today - CITIZENS_TODAY_DAY + 1 + (int32_t)(moment / DAY_SECONDS);
}

void office_write_truth(Office *office, const char *row_id, uint32_t citizen, ClaimKind kind) {
    const ClaimTruth *truth = &CLAIM_TRUTHS[kind];
    char number[NUMBER_TEXT_BYTES];
    citizen_number_text(&office->country->citizens[citizen], number);
    fprintf(office->truth, "%s,%s,%s,%s,%s\n", row_id, number, truth->name, truth->first, truth->final);
}

ClaimKind office_begin_row(Office *office, const RowHead *head) {
    Claim claim;
    // What is said again, or against a rule, is said of the right person.
    const ClaimKind claimed = head->kind >= CLAIM_LATER ? CLAIM_EXACT : head->kind;
    const ClaimKind made = claim_make(office->country, head->citizen, claimed, &claim);
    const ClaimKind kind = head->kind >= CLAIM_LATER ? head->kind : made;
    char row_id[24], day[DAYS_TEXT_BYTES];
    snprintf(row_id, sizeof row_id, "%s-%07u", office->prefix, ++office->rows);
    days_text(office_day(office, head->moment), day);
    const uint32_t second = head->moment % DAY_SECONDS;
    fprintf(office->sheet, "%s,%sT%02u:%02u:%02u+07:00,%s,%s,%s,%s", row_id, day, second / 3600, second / 60 % 60,
            second % 60, claim.number, claim.name, claim.born, claim.female ? head->female : head->male);
    office_write_truth(office, row_id, head->citizen, kind);
    return kind;
}
