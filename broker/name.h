// SPDX-License-Identifier: Apache-2.0
//
// One person's name, said by an agency and stored: what differs between the two. Pure, without allocation, integers
// only. It says what it sees; whether that may be accepted is policy (schemas/rules/names.yaml).
#pragma once

#include <stdbool.h>

// Two names whose differences are all of one layer have that one bit. The layers from NAME_ACCENTS on can come
// together ("HOA NGUYEN" for "Nguyễn Thị Hoà": accents, middle and order): every bit is then one thing that has to be
// undone for the names to be equal, and case and tone marks are not mentioned beside it. NAME_SIMILAR, NAME_OTHER and
// NAME_EMPTY always stand alone.
typedef enum NameDifference {
    NAME_CASE = 1 << 0, // equal in Unicode's NFC, case folded, runs of white space taken for one space
    NAME_TONE = 1 << 1, // ... and with the tone of open oa, oe, uy (not after q) on one place, Ð and Ɖ taken for Đ
    NAME_ACCENTS = 1 << 2,  // letters that are said bare are stored with accents; no letter has another accent
    NAME_MIDDLE = 1 << 3,   // one of the two has a middle word Thị or Văn more
    NAME_ORDER = 1 << 4,    // the same words in another order
    NAME_SPACES = 1 << 5,   // words run together, or words cut in pieces; not both
    NAME_SPELLING = 1 << 6, // i for y, or y for i, where both are written: Lý, Lí
    NAME_SIMILAR = 1 << 7,  // by Jaro–Winkler on the names without accents, and two letters off at most
    NAME_OTHER = 1 << 8,
    NAME_EMPTY = 1 << 9, // nothing is said: no letter at all
} NameDifference;

// Those that make no other name of it.
#define NAME_EQUAL (NAME_CASE | NAME_TONE)
// Those that an agency's policy may accept.
#define NAME_SOFT (NAME_ACCENTS | NAME_MIDDLE | NAME_ORDER | NAME_SPACES | NAME_SPELLING)

// 0 when they are equal byte for byte, else bits of NameDifference. Takes any bytes that end with 0; text that is no
// UTF-8 is NAME_OTHER than all that is not the same bytes. A name of more letters or words than anybody has
// (NAME_LETTERS_MAX, NAME_WORDS_MAX) is compared as far as NAME_CASE.
#define NAME_LETTERS_MAX 256
#define NAME_WORDS_MAX 32
unsigned name_compare(const char *said, const char *stored);

// Two names that are equal once case, spacing and all accents are folded, whichever of them has more.
bool name_same_but_accents(const char *a, const char *b);
