// SPDX-License-Identifier: Apache-2.0
//
// Vietnamese names by frequency: surname, none to two middle names, given name, fitting to a sex.
#pragma once

#include "tests/country/dice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_TEXT_BYTES 64

// Indices into the tables of names.c; middle 0 is "none".
typedef struct Name {
    uint8_t surname;
    uint8_t middle[2];
    uint8_t given;
} Name;

// Sums the tables' weights up; once before any name is drawn, from then on the pool only is read.
typedef struct NamePool {
    uint32_t surnames[64], middles[2][128], givens[2][256];
    size_t n_surnames, n_middles, n_givens;
} NamePool;
void name_pool_fill(NamePool *pool);

Name name_draw(const NamePool *pool, Dice *dice, bool female);
// Another given name for the same person, different also without accents.
Name name_draw_other_given(const NamePool *pool, Dice *dice, bool female, Name name);
void name_text(Name name, char out[NAME_TEXT_BYTES]);
// The same without its first middle name; false when it has none.
bool name_without_middle(Name name, char out[NAME_TEXT_BYTES]);
bool name_equal(Name a, Name b);
