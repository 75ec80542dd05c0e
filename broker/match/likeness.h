// SPDX-License-Identifier: Apache-2.0
//
// How alike two short texts are. Works on bytes: callers fold case and accents first. No allocation, no locale; whole
// numbers only, so that every machine gives the same answer.
#pragma once

#include <stddef.h>

#define LIKENESS_BYTES_MAX 255 // what follows is not looked at

// Jaro–Winkler in thousandths, 1000 for equal (Winkler 1990; prefix weight .1, four letters at most).
int likeness_jaro_winkler(const char *a, size_t a_n, const char *b, size_t b_n);

// Insertions, deletions, substitutions and transpositions of neighbours (optimal string alignment) from a to b;
// most + 1 when it takes more than `most`, which is 3 at most.
int likeness_edits(const char *a, size_t a_n, const char *b, size_t b_n, int most);

// Shared pairs of letters over all pairs of letters (Dice), in thousandths. Spaces count as letters.
int likeness_dice(const char *a, size_t a_n, const char *b, size_t b_n);
