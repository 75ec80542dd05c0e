// SPDX-License-Identifier: Apache-2.0
//
// The agencies of the synthetic country and what they have in their tables in March 2022, with the truth beside it.
// How many rows of each is the problem's own story; education and social security are invented.
#pragma once

#include "tests/country/citizens.h"

#include <stdio.h>

typedef struct Scenario {
    const char *name;
    uint32_t citizens;
    uint32_t e_id, e_id_ha_noi;
    uint32_t electricity;
    uint32_t stay, temporary;
    uint32_t vaccinations_agree, vaccinations_wrong, vaccinations_unusable, vaccinations_later;
    uint32_t education, social_security; // rows before repeats, updates and the like
    uint32_t born_later;                 // learned of later and in no other table
} Scenario;

// Sizes of "march-2022", divided by `divisor` (each rounded, so that totals are sums of their parts).
Scenario scenario_march_2022(uint32_t divisor);

typedef struct Office {
    Country *country;
    const Scenario *scenario;
    FILE *sheet;
    FILE *truth;        // row_id,citizen_number,kind,first_verdict,verdict
    const char *prefix; // of its rows' ids
    uint32_t rows;      // written to this sheet
} Office;

// Each writes the header and all rows of its table.
void office_write_e_id(Office *office);
void office_write_electricity(Office *office);
void office_write_stay(Office *office);
void office_write_temporary(Office *office);
void office_write_vaccinations(Office *office);
void office_write_education(Office *office);
void office_write_social_security(Office *office);
void office_write_population_later(Office *office);
// For measuring: as many vaccinations, all agreeing, one in five about a dose that was told before.
void office_write_bench(Office *office, uint32_t events);
