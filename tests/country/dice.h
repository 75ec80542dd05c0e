// SPDX-License-Identifier: Apache-2.0
//
// Seeded randomness for the synthetic country: the same seed gives the same country on every machine. xoshiro256**,
// seeded by splitmix64 (Blackman and Vigna, 2018). Not for anything secret.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Dice {
    uint64_t state[4];
} Dice;

void dice_seed(Dice *dice, uint64_t seed);
uint64_t dice_next(Dice *dice);
// 0 <= result < n; n at least 1.
uint32_t dice_below(Dice *dice, uint32_t n);
bool dice_chance(Dice *dice, uint32_t per_mille);
// An index into weights summed up from left to right (the last one is the total).
size_t dice_pick(Dice *dice, const uint32_t *cumulative, size_t n);
void dice_shuffle(Dice *dice, uint32_t *values, size_t n);
