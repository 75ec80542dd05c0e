// SPDX-License-Identifier: Apache-2.0
//
// Who is meant by an event whose number does not lead to its person? Fellegi and Sunter's sum, in milli-bits: how much
// likelier what was said is if this candidate is meant than if anybody is, by how often each level of likeness is seen
// of the right person (m, constants or learnt) and of anybody (u, from the store's own counts). Pure; the same
// input gives the same numbers. Refuses to accept anybody: it says how likely each is, and that it may be nobody.
#pragma once

#include "broker/bearers.h"
#include "broker/person.h"
#include "broker/rules.h"
#include "event.pb-c.h"
#include "proto/base/bytes.h"

#include <stddef.h>

#define SEARCH_VERSION 4          // of the constants and the levels
#define SEARCH_BLOCK_MAX 50       // more persons under one key: not enough data
#define SEARCH_CANDIDATES_MAX 512 // of one event; the keys have no more
#define SEARCH_MATCHES_MAX 5      // that a reviewer is shown
#define SEARCH_ONE 1000000        // posteriors are in millionths
#define SEARCH_SURE 999000        // known
#define SEARCH_DOUBT 20000        // worth a look

typedef enum SearchField {
    SEARCH_NAME,
    SEARCH_BIRTH,
    SEARCH_SEX,
    SEARCH_PROVINCE,
    SEARCH_MOTHER,
    SEARCH_FATHER,
    SEARCH_NUMBER,
    SEARCH_FIELDS
} SearchField;

typedef enum SearchLevel {
    SEARCH_MISSING, // not said, not held, or a placeholder: 0 bits
    SEARCH_EXACT,
    SEARCH_FOLDED,    // a name without its accents
    SEARCH_SHORT,     // without Thị, Văn
    SEARCH_ORDER,     // the same words in another order, or the same letters with other spaces
    SEARCH_NEAR,      // Jaro–Winkler from .94; a date or number one edit away
    SEARCH_GIVEN,     // the same given name
    SEARCH_ALIKE,     // Jaro–Winkler from .85
    SEARCH_SWAPPED,   // day and month
    SEARCH_YEAR_ONLY, // agrees, and one of the two has no day
    SEARCH_SAME_YEAR,
    SEARCH_ELSE,
    SEARCH_LEVELS
} SearchLevel;

// How many citizens have what the candidate has, by the store's model; 0 where it counted none.
typedef struct SearchCounts {
    int64_t name, said, given, birth, year, province, mother, father; // said: the name that the event says
} SearchCounts;

typedef struct SearchCandidate {
    Person person;
    const char *mother_name, *father_name;
    SearchCounts counts;
} SearchCandidate;

// log2 of m, in milli-bits: how often the right person shows a level, of an agency's events.
typedef struct SearchWeights {
    int64_t learnt; // the model that they were learnt as; 0: as shipped
    int32_t m[SEARCH_FIELDS][SEARCH_LEVELS];
} SearchWeights;
// Whatever was learnt, a person's evidence is never further than this from what the shipped weights give, so that no
// agency can talk itself into being believed: .999 is never less than .998 of them against nobody, .996 against others.
#define SEARCH_BOUND 1000 // milli-bits

typedef struct SearchQuestion {
    const Dongbo__Subject *subject;
    const char *number;           // as claimed
    int64_t number_of;            // the person whom it names now or named once, 0 for none
    const Bearers *bearers;       // who bore it, where it is nobody's now; NULL for nobody
    const Bearers *insured;       // whose the insurance number is. A reviewer sees both, however unlikely
    int64_t citizens;             // in the store, by its model
    int64_t model;                // the model's number
    bool too_large;               // more candidates than are looked at
    const SearchWeights *weights; // NULL: as shipped
} SearchQuestion;

typedef struct SearchMatch {
    int64_t person;
    const char *citizen_number;
    int32_t bits;       // evidence, milli-bits: of all fields, within the bound
    uint32_t posterior; // millionths
    bool kin;           // it may as well be a twin: never sure
    uint8_t level[SEARCH_FIELDS];
    int32_t field_bits[SEARCH_FIELDS];
} SearchMatch;

typedef struct SearchAnswer {
    SearchMatch matches[SEARCH_MATCHES_MAX]; // the likeliest first; of equals the older person first
    size_t n;                                // from SEARCH_DOUBT
    uint32_t nobody;                         // posterior of none of the candidates
    Person person;                           // the likeliest one, as the store has them, where search_sure()
    int64_t model, learnt;                   // by which it was judged
    bool too_large;
} SearchAnswer;

// `candidates` are sorted by this. Texts of matches and of the person are the candidates'.
void search_judge(const SearchQuestion *question, SearchCandidate *candidates, size_t n, SearchAnswer *ret);
// The likeliest one; NULL when nobody is likely, or nothing was looked for (`answer` NULL).
const SearchMatch *search_first(const SearchAnswer *answer);
// That one, if there is no doubt; NULL otherwise.
const SearchMatch *search_sure(const SearchAnswer *answer);
// One JSON object: what a reviewer is shown of it, without what names a person but their number and key.
void search_write(const SearchAnswer *answer, Bytes *out);
// The numbers that one wrong digit, or two side by side that changed places, turn into this one of twelve digits, and
// that can be the number of somebody of this sex and birth date. Returns how many.
#define SEARCH_NEIGHBOURS_MAX 119
typedef char SearchNumber[13];
size_t search_neighbours(const Rules *rules, const Dongbo__Subject *subject, const char *number,
                         SearchNumber out[SEARCH_NEIGHBOURS_MAX]);
const SearchWeights *search_shipped(void);
// What the fields of a candidate show, as search_judge() compares them.
void search_levels(const SearchQuestion *question, const SearchCandidate *candidate, uint8_t ret[SEARCH_FIELDS]);
const char *search_field_name(int field); // "full_name"
const char *search_level_name(int level); // "accents"
// 1990-02-01 of 1990-01-02; "" where that is no other date.
void search_swapped(const char *birth_date, char out[11]);
