// SPDX-License-Identifier: Apache-2.0
//
// Seeded randomness. Takes nothing from the machine: no time, no /dev/urandom.

#include "tests/country/dice.h"

#include <assert.h>

static uint64_t rotate_left(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

void dice_seed(Dice *dice, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        dice->state[i] = z ^ (z >> 31);
    }
}

uint64_t dice_next(Dice *dice) {
    uint64_t *s = dice->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint32_t dice_below(Dice *dice, uint32_t n) {
    assert(n > 0);
    return (uint32_t)(((dice_next(dice) >> 32) * (uint64_t)n) >> 32);
}

bool dice_chance(Dice *dice, uint32_t per_mille) {
    return dice_below(dice, 1000) < per_mille;
}

size_t dice_pick(Dice *dice, const uint32_t *cumulative, size_t n) {
    assert(n > 0);
    const uint32_t at = dice_below(dice, cumulative[n - 1]);
    size_t low = 0, high = n - 1;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (cumulative[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void dice_shuffle(Dice *dice, uint32_t *values, size_t n) {
    for (size_t i = n; i > 1; i--) {
        const size_t j = dice_below(dice, (uint32_t)i);
        const uint32_t kept = values[i - 1];
        values[i - 1] = values[j];
        values[j] = kept;
    }
}
