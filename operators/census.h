// SPDX-License-Identifier: Apache-2.0
//
// A population file in memory, for tools without a database: citizens by number. Some 100 bytes a citizen. Everything
// here is personal data; what is said about wrong rows names row and column only.
#pragma once

#include "broker/person.h"
#include "broker/rules.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Census Census;

typedef struct CensusCounts {
    uint64_t citizens;
    uint64_t wrong;    // rows that cannot be a citizen, left out; the first ones are named on standard error
    uint64_t repeated; // rows with a number that was there before; the first one stays
} CensusCounts;

// Reads the CSV file of `dongbo population load`. ERROR_CONFIG when it is none, ERROR_MEMORY, ERROR_SYSTEM.
int census_load(Census **ret, const char *path, const Rules *rules);
void census_destroy(Census **census);
CensusCounts census_counts(const Census *census);
// false when nobody has this number. Texts are the census's; the key is the citizen's place in the file, from 1.
typedef struct CensusCitizen {
    Person person;
    const char *mother_name, *father_name;
} CensusCitizen;
// The place-th citizen, from 1 to as many as there are.
void census_citizen(const Census *census, size_t place, CensusCitizen *ret);
bool census_find(const Census *census, const char *number, Person *ret);
