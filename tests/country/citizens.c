// SPDX-License-Identifier: Apache-2.0
//
// Makes people: an age pyramid as of 2022 (shares rounded from the census of 2019), names by frequency, four in five
// living where they were born, three in a hundred with a number one digit away from somebody else's.

#include "tests/country/citizens.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_RANDOM 1000000U
#define DEAD_PER_MILLE 15
#define NEIGHBOUR_PER_MILLE 30

// Per five years of age, from 0 to 4 on; the last is 85 to 99.
static const uint16_t AGE_SHARES[] = {80, 84, 82, 72, 70, 78, 88, 82, 72, 64, 58, 56, 48, 38, 24, 16, 12, 14};
#define AGE_BANDS (sizeof AGE_SHARES / sizeof *AGE_SHARES)

// Numbers in use: open addressing, 0 is free.
typedef struct NumberSet {
    uint64_t *slots;
    size_t mask;
} NumberSet;

static bool number_set_new(NumberSet *set, size_t n) {
    size_t size = 1024;
    while (size < n * 2)
        size *= 2;
    *set = (NumberSet){.slots = calloc(size, sizeof *set->slots), .mask = size - 1};
    return set->slots != NULL;
}

// False when it is there already.
static bool number_set_add(NumberSet *set, uint64_t number) {
    size_t at = (size_t)((number * 0x9e3779b97f4a7c15ULL) >> 20) & set->mask;
    while (set->slots[at] != 0) {
        if (set->slots[at] == number)
            return false;
        at = (at + 1) & set->mask;
    }
    set->slots[at] = number;
    return true;
}

static uint64_t number_of(const Citizen *citizen, uint32_t random) {
    const int year = days_civil(citizen->born).year;
    const unsigned sex_and_century = (year >= 2000 ? 2U : 0U) + (citizen->female ? 1U : 0U);
    return ((uint64_t)PLACE_TABLE[citizen->birth_place].code * 10 + sex_and_century) * 100000000ULL +
           (uint64_t)(year % 100) * NUMBER_RANDOM + random;
}

static int32_t draw_birth(Country *country) {
    uint32_t cumulative[AGE_BANDS], sum = 0;
    for (size_t i = 0; i < AGE_BANDS; i++)
        cumulative[i] = sum += AGE_SHARES[i];
    const size_t band = dice_pick(&country->dice, cumulative, AGE_BANDS);
    const uint32_t years = band == AGE_BANDS - 1 ? 15 : 5;
    // Nobody is younger than a month, so that every event of March is about somebody born.
    return country->today - 31 - (int32_t)band * 1826 - (int32_t)dice_below(&country->dice, years * 365);
}

static void draw_family(Country *country, Citizen *citizen) {
    citizen->name = name_draw(&country->names, &country->dice, citizen->female);
    citizen->mother = name_draw(&country->names, &country->dice, true);
    citizen->father = name_draw(&country->names, &country->dice, false);
    if (dice_chance(&country->dice, 960))
        citizen->father.surname = citizen->name.surname;
}

static void draw_life(Country *country, Citizen *citizen) {
    const int32_t age_days = country->today - citizen->born;
    citizen->home = dice_chance(&country->dice, 800) ? citizen->birth_place : place_draw_destination(&country->dice);
    citizen->commune = (uint16_t)(1 + dice_below(&country->dice, 99));
    citizen->year_only = age_days > 60 * 365 && dice_chance(&country->dice, 120);
    citizen->died = 0;
    if (!citizen->later && age_days > 12 * 365 && dice_chance(&country->dice, DEAD_PER_MILLE))
        citizen->died = country->today - 100 - (int32_t)dice_below(&country->dice, 6 * 365);
}

// A number one digit away from the one before, with the same year of birth, sex and province.
static bool make_neighbour(Country *country, NumberSet *set, uint32_t i) {
    static const uint32_t POWERS[] = {1, 10, 100, 1000, 10000, 100000};
    Citizen *citizen = &country->citizens[i], *other = &country->citizens[i - 1];
    if (other->died != 0 || other->later || citizen->later)
        return false;
    const uint32_t power = POWERS[dice_below(&country->dice, 6)];
    const uint32_t random = (uint32_t)(other->number % NUMBER_RANDOM);
    const uint32_t digit = random / power % 10;
    const uint32_t changed = (digit + 1 + dice_below(&country->dice, 9)) % 10;
    *citizen = (Citizen){.birth_place = other->birth_place, .female = other->female, .neighbour = i - 1};
    citizen->born = days_of(days_civil(other->born).year, 1, 1) + (int32_t)dice_below(&country->dice, 365);
    if (citizen->born > country->today - 31)
        citizen->born = other->born;
    citizen->number = number_of(citizen, random - digit * power + changed * power);
    if (!number_set_add(set, citizen->number))
        return false;
    other->neighbour = i;
    return true;
}

static void make_citizen(Country *country, NumberSet *set, uint32_t i) {
    Citizen *citizen = &country->citizens[i];
    citizen->neighbour = NO_CITIZEN;
    const bool later = citizen->later = i >= country->n - country->n_later;
    if (i == 0 || !dice_chance(&country->dice, NEIGHBOUR_PER_MILLE) || !make_neighbour(country, set, i)) {
        *citizen = (Citizen){.neighbour = NO_CITIZEN, .later = later};
        citizen->female = dice_chance(&country->dice, 502);
        citizen->birth_place = place_draw(&country->dice);
        citizen->born = draw_birth(country);
        do {
            citizen->number = number_of(citizen, dice_below(&country->dice, NUMBER_RANDOM));
        } while (!number_set_add(set, citizen->number));
    }
    draw_life(country, citizen);
    draw_family(country, citizen);
}

bool country_make(Country *country, uint64_t seed, uint32_t n, uint32_t n_later) {
    assert(n > n_later);
    *country = (Country){.citizens = calloc(n, sizeof *country->citizens), .n = n, .n_later = n_later};
    country->today = days_of(CITIZENS_TODAY_YEAR, CITIZENS_TODAY_MONTH, CITIZENS_TODAY_DAY);
    NumberSet set = {0};
    if (!country->citizens || !number_set_new(&set, n)) {
        country_free(country);
        return false;
    }
    name_pool_fill(&country->names);
    dice_seed(&country->dice, seed);
    for (uint32_t i = 0; i < n; i++)
        make_citizen(country, &set, i);
    free(set.slots);
    return true;
}

void country_free(Country *country) {
    free(country->citizens);
    country->citizens = NULL;
}

int citizen_age_on(const Citizen *citizen, int32_t day) {
    const Civil born = days_civil(citizen->born), then = days_civil(day);
    const bool had_birthday = then.month > born.month || (then.month == born.month && then.day >= born.day);
    return then.year - born.year - (had_birthday ? 0 : 1);
}

void citizen_number_text(const Citizen *citizen, char out[NUMBER_TEXT_BYTES]) {
    snprintf(out, NUMBER_TEXT_BYTES, "%012llu", (unsigned long long)(citizen->number % 1000000000000ULL));
}

void citizen_birth_text(const Citizen *citizen, char out[DAYS_TEXT_BYTES]) {
    days_text(citizen->born, out);
    if (citizen->year_only)
        out[4] = '\0';
}

typedef struct CitizenTexts {
    char number[NUMBER_TEXT_BYTES], born[DAYS_TEXT_BYTES], died[DAYS_TEXT_BYTES];
    char name[NAME_TEXT_BYTES], mother[NAME_TEXT_BYTES], father[NAME_TEXT_BYTES];
    const char *sex;
    unsigned province, province63, commune;
} CitizenTexts;

static void texts_of(const Citizen *citizen, CitizenTexts *texts) {
    citizen_number_text(citizen, texts->number);
    citizen_birth_text(citizen, texts->born);
    texts->died[0] = '\0';
    if (citizen->died)
        days_text(citizen->died, texts->died);
    name_text(citizen->name, texts->name);
    name_text(citizen->mother, texts->mother);
    name_text(citizen->father, texts->father);
    texts->sex = citizen->female ? "female" : "male";
    texts->province = PLACE_TABLE[citizen->home].code34;
    texts->province63 = PLACE_TABLE[citizen->home].code;
    texts->commune = place_commune(texts->province, citizen->commune);
}

void country_write_population(const Country *country, FILE *out) {
    fputs("citizen_number,full_name,birth_date,sex,mother_name,father_name,residence_province,residence_province63,"
          "residence_commune,died_on\n",
          out);
    CitizenTexts t;
    for (uint32_t i = 0; i < country->n - country->n_later; i++) {
        texts_of(&country->citizens[i], &t);
        fprintf(out, "%s,%s,%s,%s,%s,%s,%02u,%02u,%05u,%s\n", t.number, t.name, t.born, t.sex, t.mother, t.father,
                t.province, t.province63, t.commune, t.died);
    }
}

void country_write_later(const Country *country, FILE *out) {
    fputs("row_id,recorded_at,kind,citizen_number,full_name,birth_date,sex,mother_name,father_name,"
          "residence_province,residence_commune,died_on,old_number\n",
          out);
    CitizenTexts t;
    for (uint32_t i = country->n - country->n_later; i < country->n; i++) {
        const Citizen *citizen = &country->citizens[i];
        texts_of(citizen, &t);
        fprintf(out, "pop-%07u,2022-03-31T18:00:00+07:00,%s,%s,%s,%s,%s,%s,%s,%02u,%05u,,\n",
                i - (country->n - country->n_later) + 1, citizen->born > country->today - 365 ? "birth" : "registered",
                t.number, t.name, t.born, t.sex, t.mother, t.father, t.province, t.commune);
    }
}
