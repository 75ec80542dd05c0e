// SPDX-License-Identifier: Apache-2.0
//
// In which encoding a file, or one of its rows, reads as Vietnamese. Says how sure that is, by how many rows with
// accents read well in the best encoding and in the next one; it never chooses in silence, and text in ASCII reads
// alike in all of them.
#pragma once

#include "agents/encoding.h"
#include "agents/syllable.h"

#include <stdbool.h>

#define DETECT_CANDIDATES 7
// Looked at: so much of a file's beginning, and so many rows with accents.
#define DETECT_BYTES_MAX ((size_t)1024 * 1024)
#define DETECT_ROWS_MAX 400
// Below it, a file's encoding is not taken for known.
#define DETECT_CONFIDENCE_MIN 60

typedef struct Detect Detect;

int detect_new(Detect **ret);
void detect_destroy(Detect **detect);

typedef struct Detection {
    int best, next; // candidates; next -1 when none else fits a single row
    int rows;       // with accents, that were looked at; 0: ASCII only
    int n_best, n_next;
    int confidence; // percent: the share of those rows by which the best is ahead of the next
} Detection;

// From a file's beginning. `whole` when it has no more than this: otherwise its last line is not looked at.
int detect_file(Detect *detect, const char *data, size_t n, bool whole, Detection *ret);
const char *detect_name(int candidate);
Encoding *detect_encoding(Detect *detect, int candidate);

// Adds how a text reads that was converted from this encoding; nothing for one that is not there. 1: it is not UTF-8.
int detect_count(const Encoding *encoding, const MapText *value, SyllableCount *count);

// How a row's texts read in one encoding. Resets no arena.
typedef struct DetectRow {
    const MapText *texts;
    int n;
    bool decodes; // in its own encoding
    SyllableCount count;
} DetectRow;
int detect_read(Encoding *encoding, const DetectRow *row, Arena *arena, SyllableCount *count); // 1: does not decode

// Whether a row is in another encoding than its own: names of those in which it reads well, "VNI, TCVN3", and how many
// they are. Where it reads well in its own, too, what speaks for another must be words that are common in names; where
// it does not, two words or one of those; where it does not even decode, any.
typedef struct DetectOthers {
    int n;
    char names[80];
} DetectOthers;
int detect_others(Detect *detect, const Encoding *own, const DetectRow *row, DetectOthers *ret);
