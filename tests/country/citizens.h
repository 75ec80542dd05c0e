// SPDX-License-Identifier: Apache-2.0
//
// The people of the synthetic country: who they are, in truth. Numbers are unique and built as the law says
// (Decree 137/2015/ND-CP, Circular 07/2016/TT-BCA): PPP G YY RRRRRR.
#pragma once

#include "tests/country/days.h"
#include "tests/country/names.h"
#include "tests/country/places.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NUMBER_TEXT_BYTES 13
#define NO_CITIZEN UINT32_MAX
// The day on which this country stands still: agencies' data are from the month before.
#define CITIZENS_TODAY_YEAR 2022
#define CITIZENS_TODAY_MONTH 3
#define CITIZENS_TODAY_DAY 31

typedef struct Citizen {
    uint64_t number;
    uint32_t neighbour; // of another citizen whose number differs in one digit only; NO_CITIZEN
    int32_t born;       // days since 1970
    int32_t died;       // 0 while alive
    Name name, mother, father;
    uint16_t commune;    // which one of the province of residence
    uint8_t birth_place; // index into PLACE_TABLE
    uint8_t home;
    bool female;
    bool year_only; // the store knows the year of birth only
    bool later;     // the store learns of this citizen only later
} Citizen;

typedef struct Country {
    Citizen *citizens;
    uint32_t n, n_later; // the later ones stand last
    int32_t today;
    NamePool names;
    Dice dice;
} Country;

// Makes n citizens of whom the store will know n_later only later. False when memory is not enough.
bool country_make(Country *country, uint64_t seed, uint32_t n, uint32_t n_later);
void country_free(Country *country);

int citizen_age_on(const Citizen *citizen, int32_t day); // whole years
void citizen_number_text(const Citizen *citizen, char out[NUMBER_TEXT_BYTES]);
void citizen_birth_text(const Citizen *citizen, char out[DAYS_TEXT_BYTES]); // as in the store: a year or a date

// population.csv: what the store knows from the start; population_later.csv: events that bring the rest.
void country_write_population(const Country *country, FILE *out);
void country_write_later(const Country *country, FILE *out);
