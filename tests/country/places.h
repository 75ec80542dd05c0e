// SPDX-License-Identifier: Apache-2.0
//
// The 63 provinces that numbers speak of, the one of 34 each went into in July 2025, and how many people live there.
#pragma once

#include "tests/country/dice.h"

#include <stdint.h>

#define PLACES 63
#define PLACE_HA_NOI 0

typedef struct Place {
    uint8_t code; // as in a citizen number, of three digits, and as in the 63-code, of two
    uint8_t code34;
    uint16_t thousands; // inhabitants
    uint8_t pull;       // how strongly it draws people from elsewhere
} Place;

extern const Place PLACE_TABLE[PLACES];

// One by its number of inhabitants.
uint8_t place_draw(Dice *dice);
// Where somebody who leaves home goes.
uint8_t place_draw_destination(Dice *dice);
// One of a few communes of one of the 34 provinces, by today's code.
unsigned place_commune(unsigned code34, unsigned n);
