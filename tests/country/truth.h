// SPDX-License-Identifier: Apache-2.0
//
// The truth of a run, read back from what `country` wrote: every row of every table, whom it is about, what should
// become of it, and what has been seen of it so far.
#pragma once

#include "tests/country/claims.h"
#include "tests/country/sheets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct TruthPerson {
    uint64_t number;
    unsigned province; // residence, 34-code
} TruthPerson;

typedef struct TruthRow {
    const char *line;          // the table's line, closed by 0
    const TruthPerson *person; // whom it is about, really
    uint8_t sheet, kind;
    // seen in the log
    uint32_t seen;          // how often
    uint8_t first, present; // Dongbo__Verdict
    bool reason_seen;       // the expected one, with the first verdict
    bool another;           // decided on, and on another person
    bool excused;           // accepted by an agency's policy, with the reason that says so
} TruthRow;

typedef struct Truth {
    bool lenient; // agencies' policies may accept what they can excuse
    TruthRow *rows;
    size_t n;
    size_t base[SHEETS + 1]; // a sheet's rows are base[sheet] to base[sheet + 1]
    TruthPerson *people;     // by number
    size_t n_people;
    char *texts[SHEETS + 3]; // the files, whole
} Truth;

// ERROR_SYSTEM, ERROR_DATA when the files do not fit together.
int truth_load(Truth *truth, const char *directory);
void truth_free(Truth *truth);
// The row of this id ("vac-0000123"); NULL when there is none.
TruthRow *truth_find(Truth *truth, const char *row_id);
// Whether a record of it should be there, after what has been seen.
bool truth_is_held(const TruthRow *row);
const TruthPerson *truth_person(const Truth *truth, uint64_t number); // NULL when there is none

// Splits one CSV line into its fields, in place. Returns how many; at most max are written.
size_t truth_split(char *line, char **fields, size_t max);

// Calls each() for every field of the domain's body that the row says, as the exchange should hold it.
typedef void (*TruthField)(void *self, const char *name, const char *value);
void truth_fields(const TruthRow *row, TruthField each, void *self);
