// SPDX-License-Identifier: Apache-2.0
//
// Two records side by side: one level per component. Pure and without weights: what a level is worth, the model says.
// A name is three components (first part, last part, middle parts), every other field is one.
#pragma once

#include "broker/match/roster.h"

#define COMPARE_COMPONENTS_MAX 48

typedef enum Level {
    LEVEL_MISSING, // on either side: says nothing
    LEVEL_EXACT,
    LEVEL_FOLD,  // the same but for accents, spaces or the order of words; a date with day and month swapped
    LEVEL_NEAR,  // one or two letters off; one digit of a date
    LEVEL_PART,  // one is the beginning of the other, or an initial; the same year, where one date has no more
    LEVEL_MOVED, // part of a name that stands elsewhere in the other; a text that is much alike; two parts of a date
    LEVEL_WEAK,  // somewhat alike; the same year
    LEVEL_ELSE,
    LEVELS
} Level;

typedef struct Component {
    MatchKind kind;
    int field, slot, part; // part: a name's NameSlot, else 0
} Component;

typedef struct Comparison {
    uint8_t level[COMPARE_COMPONENTS_MAX];
    uint16_t rarity[COMPARE_COMPONENTS_MAX]; // of the commoner of the two values, milli-bits; 0 where missing
} Comparison;

// What is compared, in the fields' order; a name's first and last part stand side by side. Returns how many.
int compare_components(const Roster *roster, Component components[COMPARE_COMPONENTS_MAX]);
void compare_records(const Roster *roster, uint32_t a, uint32_t b, Comparison *ret);

// "one letter off", as a reason: what this level says of a component of this kind.
const char *compare_level_name(MatchKind kind, Level level);
