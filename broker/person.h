// SPDX-License-Identifier: Apache-2.0
//
// A person as the population store has them now. Plain data; texts live in the batch's arena.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct Person {
    int64_t key;                // immutable
    const char *citizen_number; // current; the last one where it was cancelled
    const char *full_name;
    const char *birth_date; // FHIR date
    const char *sex;
    const char *residence_province; // 34-code
    const char *residence_province63;
    const char *died_on;     // "" while alive
    const char *mother_name; // "" or NULL where it is not known
    bool by_alias;           // found under a number that is not the current one
    bool at_other_time;      // ... and was not theirs when the event happened
    bool by_insurance;       // found under a social insurance number
} Person;
