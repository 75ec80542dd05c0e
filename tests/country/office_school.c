// SPDX-License-Identifier: Apache-2.0
//
// Education and Training, and Social Security: tables of invented sizes, in which a few rows in a hundred come again,
// are brought up to date, arrive late, are withdrawn or break a rule of their domain.

#include "tests/country/office_tools.h"

#include <stdlib.h>
#include <string.h>

#define LATER_SECONDS 3600U
#define MORNING_SECONDS 3600U // from midnight to before any office opens

typedef struct Enrolment {
    uint32_t citizen;
    char institution[16], programme[16];
    int level;
    const char *status;
    const char *operation;
    const char *end_date;
} Enrolment;

static Enrolment enrol(Office *office, uint32_t citizen) {
    static const int LEVEL_BY_AGE[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3};
    const Citizen *pupil = &office->country->citizens[citizen];
    const int age = citizen_age_on(pupil, days_of(2021, 12, 31));
    Enrolment enrolment = {.citizen = citizen, .status = "enrolled", .operation = "I", .end_date = ""};
    enrolment.level = age < 18 ? LEVEL_BY_AGE[age] : age < 23 ? 6 : 7;
    snprintf(enrolment.institution, sizeof enrolment.institution, "T%02u%d%03u", PLACE_TABLE[pupil->home].code34,
             enrolment.level, dice_below(&office->country->dice, 300));
    snprintf(enrolment.programme, sizeof enrolment.programme, "CT%d-%02d", enrolment.level, age % 100);
    return enrolment;
}

static ClaimKind write_enrolment(Office *office, const Enrolment *enrolment, ClaimKind kind, uint32_t moment) {
    const RowHead head = {
        .citizen = enrolment->citizen, .kind = kind, .moment = moment, .male = "male", .female = "female"};
    const ClaimKind made = office_begin_row(office, &head);
    fprintf(office->sheet, ",%s,%s,%s,%d,%s,2021-2022,2021-09-05,%s\n", enrolment->operation, enrolment->institution,
            enrolment->programme, enrolment->level, enrolment->status, enrolment->end_date);
    return made;
}

// What may follow an enrolment that was taken: per thousand of all rows.
static void follow_up(Office *office, Enrolment enrolment, uint32_t moment) {
    const uint32_t at = dice_below(&office->country->dice, 1000);
    if (at < 10) {
        write_enrolment(office, &enrolment, CLAIM_REPEATED, moment + LATER_SECONDS);
    } else if (at < 30) {
        enrolment.status = "transferred";
        write_enrolment(office, &enrolment, CLAIM_UPDATED, moment + LATER_SECONDS);
    } else if (at < 40) {
        enrolment.status = "suspended";
        write_enrolment(office, &enrolment, CLAIM_OLD_NEWS, moment % MORNING_SECONDS);
    } else if (at < 45) {
        enrolment.operation = "D";
        write_enrolment(office, &enrolment, CLAIM_RETRACTED, moment + LATER_SECONDS);
    }
}

void office_write_education(Office *office) {
    Dice *dice = &office->country->dice;
    office_write_header(office, SHEET_EDUCATION);
    People people = people_draw(office->country, 4, 24, office->country->today);
    const uint32_t n = office->scenario->education < people.n ? office->scenario->education : people.n;
    for (uint32_t k = 0; k < n; k++) {
        Enrolment enrolment = enrol(office, people_at(&people, k));
        const uint32_t moment = office_draw_moment(office), at = dice_below(dice, 1000);
        if (at < 15) {
            enrolment.level = 9;
            write_enrolment(office, &enrolment, CLAIM_CODE_UNKNOWN, moment);
        } else if (at < 25) {
            enrolment.end_date = "2021-05-31";
            write_enrolment(office, &enrolment, CLAIM_PERIOD_REVERSED, moment);
        } else if (at < 45) {
            write_enrolment(office, &enrolment, claim_draw_wrong(dice), moment);
        } else {
            write_enrolment(office, &enrolment, claim_draw_agreeing(dice), moment);
            follow_up(office, enrolment, moment);
        }
    }
    people_free(&people);
}

static void write_insurance(Office *office, uint32_t citizen, ClaimKind kind) {
    Dice *dice = &office->country->dice;
    const RowHead head = {
        .citizen = citizen, .kind = kind, .moment = office_draw_moment(office), .male = "male", .female = "female"};
    office_begin_row(office, &head);
    const uint32_t months_ago = 1 + dice_below(dice, 36);
    const int year = 2022 - (int)((months_ago + 9) / 12), month = 1 + (int)((months_ago * 11 + 2) % 12);
    const unsigned province = PLACE_TABLE[office->country->citizens[citizen].home].code34;
    fprintf(office->sheet, ",%010u,%04d-%02d-01,%s,DN%02u%05u,%u,%s4%02u%010u\n", 100000000U + office->rows, year,
            month, dice_chance(dice, 850) ? "compulsory" : "voluntary", province, dice_below(dice, 4000),
            kind == CLAIM_OUT_OF_RANGE ? 9999U : months_ago, dice_chance(dice, 800) ? "DN" : "GD", province,
            100000000U + office->rows);
}

void office_write_social_security(Office *office) {
    Dice *dice = &office->country->dice;
    office_write_header(office, SHEET_SOCIAL_SECURITY);
    People people = people_draw(office->country, 22, 61, office->country->today);
    for (uint32_t k = 0; k < office->scenario->social_security; k++) {
        const uint32_t at = dice_below(dice, 1000);
        const ClaimKind kind = at < 10   ? CLAIM_OUT_OF_RANGE
                               : at < 40 ? claim_draw_wrong(dice)
                               : at < 45 ? claim_draw_unusable(dice)
                                         : claim_draw_agreeing(dice);
        write_insurance(office, people_at(&people, k), kind);
    }
    people_free(&people);
}
