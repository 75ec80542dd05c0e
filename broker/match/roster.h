// SPDX-License-Identifier: Apache-2.0
//
// The lists to match, in memory: each record's fields in canonical form, each distinct value kept once with how common
// it is. Knows nothing of comparing. Values that only stand for "not known" become missing when the roster is sealed.
//
// A field occupies slots. A name has four (first part, middle parts, last part, all parts without spaces), every other
// kind one. Value 0 is missing.
#pragma once

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_FIELDS_MAX 24
#define MATCH_COLUMNS_MAX 8 // of one name
#define MATCH_SLOTS_MAX (MATCH_FIELDS_MAX * 4)
#define MATCH_RECORDS_MAX 20000000

typedef enum MatchKind { MATCH_NAME, MATCH_DATE, MATCH_CATEGORY, MATCH_TEXT, MATCH_IDENTIFIER, MATCH_KINDS } MatchKind;

typedef enum NameSlot { NAME_FIRST, NAME_INNER, NAME_LAST, NAME_JOINED, NAME_SLOTS } NameSlot;

typedef struct MatchField {
    const char *label;
    MatchKind kind;
    int n_columns;      // 1, or more for a name: given name first, surname last, or the other way in every list
    const char *format; // of a date: YYYY, MM, DD and what stands between; NULL: found out row by row
    int slot;           // its first one; set by roster_new()
} MatchField;

typedef struct RosterValue {
    uint32_t text; // offset into texts
    uint16_t n;
    uint16_t rarity[3]; // -log2 of its share, in milli-bits; of names by NameSlot, else [0]
    uint32_t count[3];
    uint32_t field;
    uint32_t letters; // sets, hashed: what rules out that two values are alike without looking at their texts
    uint64_t bigrams;
} RosterValue;

typedef struct Roster {
    MatchField fields[MATCH_FIELDS_MAX];
    int n_fields, n_slots, n_columns;
    size_t n, n_left;   // n_left == n: one list
    uint32_t *values;   // n * n_slots
    uint32_t *accents;  // beside values: tells spellings of one folded value apart
    uint64_t *contents; // n: a hash of all that a record says, whatever its row
    uint32_t *order;    // n: records sorted by contents; what sampling uses
    Bytes texts;        // of all values, each closed by 0
    RosterValue *value; // value[0] is missing
    size_t n_values, values_size, rows_size;
    uint32_t *table; // open addressing, by text and field
    size_t table_size;
    bool has_right;
    size_t n_placeholders; // cells made missing or cut to a year by roster_seal()
} Roster;

// fields are copied; their texts are not. ERROR_MEMORY, ERROR_CONFIG (too many).
int roster_new(Roster **ret, const MatchField *fields, int n);
void roster_destroy(Roster **roster);

// The left list first, then the right one, if there is one. cells: the columns of all fields one after the other; NULL
// or "" is missing. ERROR_MEMORY, ERROR_CONFIG (too many records).
int roster_add(Roster *roster, bool right, const char *const *cells);
// Counts, finds placeholders, sorts. No roster_add() afterwards.
int roster_seal(Roster *roster);

static inline uint32_t roster_at(const Roster *roster, size_t record, int slot) {
    return roster->values[record * (size_t)roster->n_slots + (size_t)slot];
}
static inline uint32_t roster_accents(const Roster *roster, size_t record, int slot) {
    return roster->accents[record * (size_t)roster->n_slots + (size_t)slot];
}
static inline const char *roster_text(const Roster *roster, uint32_t value) {
    return (const char *)roster->texts.data + roster->value[value].text;
}
// May the two be compared: any two of one list, or one of each.
static inline bool roster_crosses(const Roster *roster, uint32_t a, uint32_t b) {
    return !roster->has_right || (a < roster->n_left) != (b < roster->n_left);
}

uint64_t roster_hash(uint64_t seed, const void *data, size_t n);
// Fails like realloc, but keeps *array then. size doubles from what it was. ERROR_MEMORY.
int roster_grow(void *array, size_t *size, size_t needed, size_t item_bytes);
