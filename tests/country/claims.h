// SPDX-License-Identifier: Apache-2.0
//
// What an agency writes about a person, and the documented ways in which it goes wrong. README.md has the shares.
#pragma once

#include "tests/country/citizens.h"

#include <stdbool.h>

typedef enum ClaimKind {
    // agree with the store
    CLAIM_EXACT,
    CLAIM_UPPER,      // NGUYỄN VĂN AN
    CLAIM_DECOMPOSED, // base letters and combining accents (NFD), as some keyboards and systems write
    CLAIM_YEAR_ONLY,  // the year of birth only
    // contradict it: a person must look
    CLAIM_ACCENTS_LOST,
    CLAIM_NAME_OTHER,
    CLAIM_MIDDLE_LOST,
    CLAIM_DATE_SWAPPED,
    CLAIM_DATE_DIGIT,
    CLAIM_YEAR_OFF,
    CLAIM_NUMBER_OTHER, // another living person's number
    CLAIM_NUMBER_TYPO,  // one digit wrong, and it is another living person's
    // no usable number
    CLAIM_NUMBER_CMND, // 9 digits, as before 2016
    CLAIM_NUMBER_SHORT,
    CLAIM_NUMBER_LONG,
    CLAIM_NUMBER_LETTER, // a letter O for a zero
    // about somebody the store learns of only later
    CLAIM_LATER,
    // the same agency again, about something it said before
    CLAIM_REPEATED,
    CLAIM_UPDATED,
    CLAIM_OLD_NEWS,
    CLAIM_RETRACTED,
    // against the domain's rules
    CLAIM_CODE_UNKNOWN,
    CLAIM_PERIOD_REVERSED,
    CLAIM_OUT_OF_RANGE,
    CLAIM_KINDS
} ClaimKind;

typedef struct ClaimTruth {
    const char *name;
    const char *first, *final; // verdicts
    const char *reason;        // among the first verdict's reasons; NULL where several are possible or none
    const char *or_else;       // ... or this one, by what the names happen to be
    const char *excuse;        // an agency's policy may accept it with this reason; NULL where none may
} ClaimTruth;
extern const ClaimTruth CLAIM_TRUTHS[CLAIM_KINDS];

typedef struct Claim {
    char number[16];
    char name[NAME_TEXT_BYTES * 3];
    char born[DAYS_TEXT_BYTES];
    bool female;
} Claim;

// Kinds of one group by their shares.
ClaimKind claim_draw_agreeing(Dice *dice);
ClaimKind claim_draw_wrong(Dice *dice);
ClaimKind claim_draw_unusable(Dice *dice);

// What is written about citizens[i]. A kind that cannot be had of this citizen (no accents to lose, no neighbour)
// becomes another of its group: the kind that was made is returned.
ClaimKind claim_make(Country *country, uint32_t i, ClaimKind kind, Claim *claim);
