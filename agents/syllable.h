// SPDX-License-Identifier: Apache-2.0
//
// Whether text reads as Vietnamese: its words with accents are syllables that the language can have (initial, rime, at
// most one tone, and the right one before a stop). Knows how syllables are built, not which ones are words, and says
// nothing of words without accents, which read alike in every encoding.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYLLABLE_DISTINCT_MAX 3

typedef struct SyllableCount {
    int marked;   // words with accents
    int good;     // of those, syllables
    int familiar; // of those, words that are common in names
    int odd;      // letters and signs that Vietnamese text does not have
    int n_distinct;
    uint32_t distinct[SYLLABLE_DISTINCT_MAX]; // of the good ones, the first that differ
} SyllableCount;

// Adds what is in this UTF-8 text, in whatever normal form. 1 when it is not UTF-8. Where case may have been lost (the
// capitals of TCVN3 came from a font of their own), small letters with accents are taken in words of capitals too.
int syllable_count(const char *text, size_t n, bool case_lost, SyllableCount *count);
// One more good syllable, unless it is among the distinct ones already or they are enough.
void syllable_add_distinct(SyllableCount *count, uint32_t hash);
// There are words with accents, and four of five at least are syllables.
bool syllable_reads_well(const SyllableCount *count);
