// SPDX-License-Identifier: Apache-2.0
//
// A person as an event says them beside a person as the population store has them, field by field: what differs, how
// nearly, by how much it speaks for them being the same (what a search left, broker/search.h), and which reasons name
// the field. Pure. Judges nothing: where nobody weighed the two, it only tells equal from unequal.
#pragma once

#include "broker/rules.h"
#include "event.pb-c.h"
#include "verdict.pb-c.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ComparisonField {
    COMPARISON_NUMBER,
    COMPARISON_NAME,
    COMPARISON_BIRTH_DATE,
    COMPARISON_SEX,
    COMPARISON_MOTHER,
    COMPARISON_FATHER,
    COMPARISON_PROVINCE,
    COMPARISON_FIELDS,
} ComparisonField;

#define COMPARISON_REASONS_BYTES 128
typedef struct ComparisonRow {
    const RuleField *field;  // its name, and how it is masked
    const char *said, *held; // unmasked; "" where not said, not held
    const char *agrees;      // a search's level ("exact", "accents", "near", ...); "" where there is nothing to tell
    bool differs;            // both are there, and are not the same
    bool weighed;            // by a search
    int64_t bits;            // milli-bits
    char reasons[COMPARISON_REASONS_BYTES]; // their names
} ComparisonRow;

typedef struct Comparison {
    ComparisonRow rows[COMPARISON_FIELDS];
} Comparison;

typedef struct ComparisonSides {
    const Dongbo__Subject *said;
    const char *held[COMPARISON_FIELDS]; // the province in the code set that the event uses
    const json_t *weights;               // a match's "fields"; NULL where nobody weighed
    const Dongbo__EventVerdict *verdict; // whose reasons are about this person; NULL where they are about another
} ComparisonSides;

// What is pointed to must outlive *ret.
void comparison_make(const ComparisonSides *sides, Comparison *ret);
// How a field of the subject is shown to whoever may not see the person.
const RuleField *comparison_field(ComparisonField field);
