// SPDX-License-Identifier: Apache-2.0
//
// What the offices share: who may appear in a table, a row's opening columns, its line of truth. Internal to them.
#pragma once

#include "tests/country/claims.h"
#include "tests/country/offices.h"
#include "tests/country/sheets.h"

// Indices of citizens whom the store knows, alive, within these ages on the day; shuffled. Never empty.
typedef struct People {
    uint32_t *indices;
    uint32_t n;
} People;
People people_draw(Country *country, int age_min, int age_max, int32_t day);
void people_free(People *people);
// The k-th, beginning again after the last.
uint32_t people_at(const People *people, uint32_t k);

// From here on rows of this sheet are written.
void office_write_header(Office *office, SheetId sheet);
// A row's first six columns and its truth. moment: seconds into March 2022. Returns the kind that was made.
typedef struct RowHead {
    uint32_t citizen;
    ClaimKind kind;
    uint32_t moment;
    const char *male, *female;
} RowHead;
ClaimKind office_begin_row(Office *office, const RowHead *head);
uint32_t office_draw_moment(Office *office);
// The day of March 2022 on which this moment lies.
int32_t office_day(const Office *office, uint32_t moment);
// A truth line without a claim: for rows that repeat an earlier claim.
void office_write_truth(Office *office, const char *row_id, uint32_t citizen, ClaimKind kind);
