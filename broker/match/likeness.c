// SPDX-License-Identifier: Apache-2.0
//
// Jaro–Winkler with bit sets for what is taken, edits in a band around the diagonal, and Dice over bigrams.
#include "broker/match/likeness.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t shorter(size_t a, size_t b) {
    return a < b ? a : b;
}

typedef struct Taken {
    uint64_t bits[4];
} Taken;

static int taken_is(const Taken *taken, size_t at) {
    return (int)(taken->bits[at / 64] >> (at % 64) & 1);
}

static void taken_set(Taken *taken, size_t at) {
    taken->bits[at / 64] |= (uint64_t)1 << (at % 64);
}

static size_t common_letters(const char *a, size_t a_n, const char *b, size_t b_n, Taken *in_a, Taken *in_b) {
    size_t longer = a_n > b_n ? a_n : b_n;
    size_t window = longer / 2 > 0 ? longer / 2 - 1 : 0, common = 0;
    for (size_t i = 0; i < a_n; i++) {
        size_t end = shorter(i + window + 1, b_n);
        for (size_t j = i > window ? i - window : 0; j < end; j++) {
            if (a[i] != b[j] || taken_is(in_b, j))
                continue;
            taken_set(in_a, i);
            taken_set(in_b, j);
            common++;
            break;
        }
    }
    return common;
}

int likeness_jaro_winkler(const char *a, size_t a_n, const char *b, size_t b_n) {
    a_n = shorter(a_n, LIKENESS_BYTES_MAX);
    b_n = shorter(b_n, LIKENESS_BYTES_MAX);
    Taken in_a = {{0}}, in_b = {{0}};
    size_t common = common_letters(a, a_n, b, b_n, &in_a, &in_b);
    if (common == 0)
        return a_n == 0 && b_n == 0 ? 1000 : 0;
    size_t moved = 0;
    for (size_t i = 0, j = 0; i < a_n; i++) {
        if (!taken_is(&in_a, i))
            continue;
        while (!taken_is(&in_b, j))
            j++;
        moved += a[i] != b[j++];
    }
    size_t prefix = 0;
    while (prefix < 4 && prefix < shorter(a_n, b_n) && a[prefix] == b[prefix])
        prefix++;
    size_t jaro = (1000 * common / a_n + 1000 * common / b_n + 1000 * (common - moved / 2) / common) / 3;
    return (int)(jaro + prefix * (1000 - jaro) / 10);
}

static int least(int a, int b, int c) {
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

// Row by row; cells outside the band of `most` around the diagonal cannot matter and count as most + 1.
static int edits_banded(const char *a, size_t a_n, const char *b, size_t b_n, int most) {
    uint8_t rows[3][LIKENESS_BYTES_MAX + 2];
    int far = most + 1;
    for (size_t j = 0; j <= b_n; j++)
        rows[0][j] = (uint8_t)((int)j < far ? (int)j : far);
    for (size_t i = 1; i <= a_n; i++) {
        uint8_t *row = rows[i % 3], *before = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        size_t low = i > (size_t)most ? i - (size_t)most : 1, high = shorter(b_n, i + (size_t)most);
        row[low - 1] = (uint8_t)(low == 1 && (int)i < far ? (int)i : far);
        int best = row[low - 1];
        for (size_t j = low; j <= high; j++) {
            int up = j == i + (size_t)most ? far : before[j];
            int cost = least(before[j - 1] + (a[i - 1] != b[j - 1]), up + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost = least(cost, second[j - 2] + 1, cost);
            row[j] = (uint8_t)(cost < far ? cost : far);
            best = row[j] < best ? row[j] : best;
        }
        if (high < b_n)
            row[high + 1] = (uint8_t)far;
        if (best > most)
            return far;
    }
    return rows[a_n % 3][b_n];
}

int likeness_edits(const char *a, size_t a_n, const char *b, size_t b_n, int most) {
    assert(most >= 0 && most <= 3);
    a_n = shorter(a_n, LIKENESS_BYTES_MAX);
    b_n = shorter(b_n, LIKENESS_BYTES_MAX);
    if (a_n > b_n + (size_t)most || b_n > a_n + (size_t)most)
        return most + 1;
    while (a_n > 0 && b_n > 0 && *a == *b) {
        a++, b++, a_n--, b_n--;
    }
    while (a_n > 0 && b_n > 0 && a[a_n - 1] == b[b_n - 1]) {
        a_n--, b_n--;
    }
    if (a_n == 0 || b_n == 0)
        return (int)(a_n + b_n); // at most `most`, as the lengths are
    return edits_banded(a, a_n, b, b_n, most);
}

static uint16_t bigram(const char *at) {
    return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

int likeness_dice(const char *a, size_t a_n, const char *b, size_t b_n) {
    a_n = shorter(a_n, LIKENESS_BYTES_MAX);
    b_n = shorter(b_n, LIKENESS_BYTES_MAX);
    if (a_n < 2 || b_n < 2)
        return a_n == b_n && memcmp(a, b, a_n) == 0 ? 1000 : 0;
    Taken in_b = {{0}};
    size_t common = 0;
    for (size_t i = 0; i + 1 < a_n; i++) {
        uint16_t wanted = bigram(a + i);
        for (size_t j = 0; j + 1 < b_n; j++) {
            if (bigram(b + j) != wanted || taken_is(&in_b, j))
                continue;
            taken_set(&in_b, j);
            common++;
            break;
        }
    }
    return (int)(2000 * common / (a_n + b_n - 2));
}
