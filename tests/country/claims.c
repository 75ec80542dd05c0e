// SPDX-License-Identifier: Apache-2.0
//
// Claims about persons, right and wrong. Each wrong one is certain to contradict the store, never by chance to agree.

#include "tests/country/claims.h"
#include "tests/country/spelling.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const ClaimTruth CLAIM_TRUTHS[CLAIM_KINDS] = {
    [CLAIM_EXACT] = {"exact", "ACCEPTED", "ACCEPTED", NULL, NULL, NULL},
    [CLAIM_UPPER] = {"upper-case", "ACCEPTED", "ACCEPTED", "NAME_CASE", NULL, NULL},
    [CLAIM_DECOMPOSED] = {"decomposed", "ACCEPTED", "ACCEPTED", NULL, NULL, NULL},
    [CLAIM_YEAR_ONLY] = {"year-only", "ACCEPTED", "ACCEPTED", "BIRTH_DATE_YEAR_ONLY", NULL, NULL},
    [CLAIM_ACCENTS_LOST] = {"accents-lost", "MISMATCH", "MISMATCH", "NAME_ACCENTS_LOST", NULL, "NAME_ACCENTS_LOST"},
    [CLAIM_NAME_OTHER] = {"name-other", "MISMATCH", "MISMATCH", "NAME_DIFFERS", "NAME_SIMILAR", NULL},
    [CLAIM_MIDDLE_LOST] = {"middle-lost", "MISMATCH", "MISMATCH", "NAME_DIFFERS", "NAME_MIDDLE", NULL},
    [CLAIM_DATE_SWAPPED] = {"date-swapped", "MISMATCH", "MISMATCH", "BIRTH_DATE_DIFFERS", NULL, NULL},
    [CLAIM_DATE_DIGIT] = {"date-digit", "MISMATCH", "MISMATCH", "BIRTH_DATE_DIFFERS", NULL, NULL},
    [CLAIM_YEAR_OFF] = {"year-off", "MISMATCH", "MISMATCH", "ID_BIRTH_YEAR", NULL, NULL},
    [CLAIM_NUMBER_OTHER] = {"number-other", "MISMATCH", "MISMATCH", NULL, NULL, NULL},
    [CLAIM_NUMBER_TYPO] = {"number-typo", "MISMATCH", "MISMATCH", NULL, NULL, NULL},
    [CLAIM_NUMBER_CMND] = {"number-cmnd", "MISMATCH", "MISMATCH", "ID_FORMAT", NULL, "PERSON_FOUND"},
    [CLAIM_NUMBER_SHORT] = {"number-short", "MISMATCH", "MISMATCH", "ID_FORMAT", NULL, "PERSON_FOUND"},
    [CLAIM_NUMBER_LONG] = {"number-long", "MISMATCH", "MISMATCH", "ID_FORMAT", NULL, "PERSON_FOUND"},
    [CLAIM_NUMBER_LETTER] = {"number-letter", "MISMATCH", "MISMATCH", "ID_FORMAT", NULL, "PERSON_FOUND"},
    [CLAIM_LATER] = {"later", "DEFERRED", "ACCEPTED", "NOT_FOUND", NULL, NULL},
    [CLAIM_REPEATED] = {"repeated", "UNCHANGED", "UNCHANGED", NULL, NULL, NULL},
    [CLAIM_UPDATED] = {"updated", "ACCEPTED", "ACCEPTED", NULL, NULL, NULL},
    [CLAIM_OLD_NEWS] = {"old-news", "SUPERSEDED", "SUPERSEDED", NULL, NULL, NULL},
    [CLAIM_RETRACTED] = {"retracted", "ACCEPTED", "ACCEPTED", NULL, NULL, NULL},
    [CLAIM_CODE_UNKNOWN] = {"code-unknown", "REJECTED", "REJECTED", "CODE_UNKNOWN", NULL, NULL},
    [CLAIM_PERIOD_REVERSED] = {"period-reversed", "REJECTED", "REJECTED", "PERIOD_REVERSED", NULL, NULL},
    [CLAIM_OUT_OF_RANGE] = {"out-of-range", "REJECTED", "REJECTED", "NUMBER_RANGE", NULL, NULL},
};

// Shares are cumulative, per thousand of their group.
ClaimKind claim_draw_agreeing(Dice *dice) {
    static const uint32_t SHARES[] = {930, 960, 985, 1000};
    return (ClaimKind)(CLAIM_EXACT + dice_pick(dice, SHARES, 4));
}

ClaimKind claim_draw_wrong(Dice *dice) {
    static const uint32_t SHARES[] = {340, 460, 570, 730, 810, 870, 940, 1000};
    return (ClaimKind)(CLAIM_ACCENTS_LOST + dice_pick(dice, SHARES, 8));
}

ClaimKind claim_draw_unusable(Dice *dice) {
    static const uint32_t SHARES[] = {620, 800, 900, 1000};
    return (ClaimKind)(CLAIM_NUMBER_CMND + dice_pick(dice, SHARES, 4));
}

static bool spell(const Citizen *citizen, ClaimKind kind, Claim *claim) {
    char right[NAME_TEXT_BYTES];
    name_text(citizen->name, right);
    if (kind == CLAIM_UPPER)
        spelling_upper(right, claim->name, sizeof claim->name);
    else if (kind == CLAIM_DECOMPOSED)
        spelling_decomposed(right, claim->name, sizeof claim->name);
    else if (kind == CLAIM_ACCENTS_LOST)
        spelling_without_accents(right, claim->name, sizeof claim->name);
    else
        return name_without_middle(citizen->name, claim->name);
    return kind != CLAIM_ACCENTS_LOST || strcmp(right, claim->name) != 0;
}

static bool misdate(const Citizen *citizen, ClaimKind kind, Claim *claim) {
    if (citizen->year_only)
        return false;
    Civil born = days_civil(citizen->born);
    if (kind == CLAIM_YEAR_ONLY) {
        claim->born[4] = '\0';
        return true;
    }
    if (kind == CLAIM_DATE_SWAPPED) {
        if (born.day > 12 || born.day == born.month)
            return false;
        const int month = born.month;
        born.month = born.day;
        born.day = month;
    } else if (kind == CLAIM_DATE_DIGIT) {
        born.day = born.day > 20 ? born.day - 10 : born.day < 9 ? born.day + 1 : born.day - 1;
    } else {
        born.year -= 1;
        if (born.month == 2 && born.day == 29)
            born.day = 28;
    }
    days_text(days_of(born.year, born.month, born.day), claim->born);
    return true;
}

// Somebody else, known to the store and alive, grown up so that no date of the event stands before their birth.
static bool misnumber(Country *country, const Citizen *citizen, ClaimKind kind, Claim *claim) {
    for (int attempt = 0; attempt < 100; attempt++) {
        const uint32_t other =
            kind == CLAIM_NUMBER_TYPO ? citizen->neighbour : dice_below(&country->dice, country->n - country->n_later);
        if (other == NO_CITIZEN)
            return false;
        const Citizen *victim = &country->citizens[other];
        if (victim != citizen && victim->died == 0 && citizen_age_on(victim, country->today) >= 18 &&
            !name_equal(victim->name, citizen->name)) {
            citizen_number_text(victim, claim->number);
            return true;
        }
    }
    return false;
}

static void break_number(Country *country, ClaimKind kind, Claim *claim) {
    if (kind == CLAIM_NUMBER_CMND) {
        snprintf(claim->number, sizeof claim->number, "%09u", dice_below(&country->dice, 400000000) + 10000000);
    } else if (kind == CLAIM_NUMBER_SHORT) {
        const size_t at = 6 + dice_below(&country->dice, 6);
        memmove(claim->number + at, claim->number + at + 1, strlen(claim->number + at));
    } else if (kind == CLAIM_NUMBER_LONG) {
        const size_t n = strlen(claim->number);
        claim->number[n] = claim->number[n - 1];
        claim->number[n + 1] = '\0';
    } else {
        claim->number[0] = 'O'; // every number begins with a zero
    }
}

ClaimKind claim_make(Country *country, uint32_t i, ClaimKind kind, Claim *claim) {
    const Citizen *citizen = &country->citizens[i];
    memset(claim, 0, sizeof *claim);
    citizen_number_text(citizen, claim->number);
    name_text(citizen->name, claim->name);
    citizen_birth_text(citizen, claim->born);
    claim->female = citizen->female;
    if (kind >= CLAIM_NUMBER_CMND && kind <= CLAIM_NUMBER_LETTER) {
        break_number(country, kind, claim);
        return kind;
    }
    if (kind == CLAIM_YEAR_ONLY && citizen->year_only)
        return CLAIM_EXACT; // the store does not know more either
    bool made = true;
    if (kind == CLAIM_UPPER || kind == CLAIM_DECOMPOSED || kind == CLAIM_ACCENTS_LOST || kind == CLAIM_MIDDLE_LOST)
        made = spell(citizen, kind, claim);
    else if (kind == CLAIM_YEAR_ONLY || (kind >= CLAIM_DATE_SWAPPED && kind <= CLAIM_YEAR_OFF))
        made = misdate(citizen, kind, claim);
    else if (kind == CLAIM_NUMBER_OTHER || kind == CLAIM_NUMBER_TYPO)
        made = misnumber(country, citizen, kind, claim);
    if (!made || kind == CLAIM_NAME_OTHER) {
        kind = CLAIM_NAME_OTHER;
        name_text(name_draw_other_given(&country->names, &country->dice, citizen->female, citizen->name), claim->name);
    }
    return kind;
}
