// SPDX-License-Identifier: Apache-2.0
//
// The domains' rules as data: schemas/rules/*.yaml and schemas/codes/*.tsv, read once, immutable afterwards and
// shared by all threads. Unknown keys, fields, code lists and reasons are errors that name file and line.
#pragma once

#include "broker/codes.h"
#include "broker/intervals.h"
#include "proto/domain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum FieldType { FIELD_TEXT, FIELD_CODE, FIELD_DATE, FIELD_NUMBER, FIELD_DIGITS } FieldType;

// How a field is shown to whoever may not see the person's data.
typedef enum FieldMask {
    MASK_NONE,
    MASK_NAME,   // initials
    MASK_NUMBER, // its ends
    MASK_DATE,   // the year
    MASK_ALL,
} FieldMask;

// How a text may look, letter by letter: A is a Latin letter, 9 a digit, all else stands for itself.
#define SHAPES_MAX 4
#define SHAPE_BYTES 32
typedef struct RuleField {
    unsigned number; // in the body; 0 ends the list
    const char *name;
    FieldType type;
    bool required;
    bool lasting;              // always holds a value: cannot be cleared
    bool key;                  // part of the record key, in the order of the file
    size_t length_max;         // bytes
    size_t digits;             // FIELD_DIGITS: exactly so many; 0: up to length_max
    uint32_t minimum, maximum; // FIELD_NUMBER
    const CodeList *codes;     // FIELD_CODE
    bool by_code_set;          // said by the event's code set of provinces, and kept by today's (broker/commune.h)
    FieldMask personal;
    char shapes[SHAPES_MAX][SHAPE_BYTES]; // FIELD_TEXT: one of these; the first "" ends them; none: any
} RuleField;

// Checks between fields, each a kind and the field or fields it is about.
typedef enum RuleKind {
    RULE_NOT_IN_FUTURE,    // field is not after today
    RULE_NOT_BEFORE_BIRTH, // field is not before the person's birth date
    RULE_NOT_AFTER_DEATH,  // field is not after the person's death
    RULE_PERIOD,           // field is not after other
    RULE_ALIVE_AT_EVENT,   // the person is alive at the event's date: field, or the event time when field is 0
    RULE_REQUIRED_WHEN,    // field is said
    RULE_SHORTER_THAN,     // other is less than `limit` days after field
    RULE_AGE_AT_LEAST,     // the person is `limit` years old at field
    RULE_COMMUNE_KNOWN,    // field is a commune of the event's code set
    RULE_COMMUNE_OF,       // ... and it is in the province `other`, one of 34
    RULE_COMMUNE_WHOLE,    // field is, or has gone into, one of today's communes; a note where it is not
    // From here on: this record, as the event leaves it, beside the person's other current ones (broker/beside.h).
    RULE_ORDER,       // a greater number is not dated, in field, before a lesser one
    RULE_INTERVAL,    // `limit` days less than the table says, and more, since the number before
    RULE_NEAR,        // no other has a date in field less than `limit` days from this one's
    RULE_OVERLAP,     // no other's period from field to other has more than a day in common with this one's
    RULE_ONLY_ONE,    // there is no other
    RULE_PROGRESSION, // a lesser number does not begin, in field, after a greater one ended, in other
    RULE_STEPS,       // the greatest number of the others below this one is not below the least that leads to it
    RULE_GAP,         // no more than `limit` days lie between the periods from field to other
    RULE_BEGUN,       // field is said, or the record was there before
    RULE_HOLDER,      // no other person has a record of this key
} RuleKind;
#define RULE_BESIDE RULE_ORDER // the first kind that needs other records

#define RULE_VALUES_MAX 8
#define CONDITIONS_MAX 3
// A code field has one of these values or, negated, none of them. What is not said is none of any values.
typedef struct Condition {
    unsigned field;
    bool negated;
    const char *values[RULE_VALUES_MAX];
    size_t n_values;
} Condition;

typedef struct Rule {
    RuleKind kind;
    unsigned field, other;
    int code;    // Dongbo__ReasonCode
    int verdict; // of what breaks it: ACCEPTED (it is said and no more), MISMATCH or REJECTED
    uint32_t limit;
    unsigned when; // the rule holds only where this field has one of the values; 0: everywhere
    const char *values[RULE_VALUES_MAX];
    size_t n_values;
    // Of kinds from RULE_BESIDE on.
    unsigned number;       // of what is counted: a number, or a code, whose place in its list then counts
    uint32_t same, differ; // as bits: fields that both say, and of which all are equal, or all are not
    Condition where[CONDITIONS_MAX], others[CONDITIONS_MAX]; // which records it is about, on either side
    size_t n_where, n_others;
    Intervals *intervals;
    unsigned by[2]; // its lines are about these fields: the first that has one decides
} Rule;

typedef struct DomainRules {
    int domain;
    const RuleField *fields;
    size_t n_fields;
    const RuleField *key[8];
    size_t n_key;
    const RuleField *province; // by which an agency's province grants are judged; NULL: the subject's residence
    bool province_is_63;       // its codes are the 63 ones
    const RuleField *commune;  // what is kept of it is the code of today (broker/commune.h); NULL: there is none
    const RuleField *facility; // who made the entry for the agency: a clinic, a school, an employer; NULL: not said
    const Rule *rules;
    size_t n_rules;
    const Rule *beside; // those that need other records; they stand behind `rules`
    size_t n_beside;
    bool holders; // some of them are about other persons' records of the same key
} DomainRules;

typedef struct Rules Rules;
// schemas_dir holds rules/ and codes/. ERROR_CONFIG names the file, and line or field.
int rules_load(Rules **ret, const char *schemas_dir);
void rules_destroy(Rules **rules);
const RuleField *rules_field(const DomainRules *rules, unsigned number); // NULL when unknown
const DomainRules *rules_domain(const Rules *rules, int domain);         // NULL when unknown
// Rank of an agency's word on one field of a domain: greater wins. 1 where the file says nothing.
uint32_t rules_authority(const Rules *rules, int domain, const char *agency, unsigned field);
// The differences of a name (bits of broker/name.h) that may be accepted of an agency when all else agrees.
unsigned rules_accepted_names(const Rules *rules, const char *agency);
// What may be wrong with the number of an agency's event that is accepted all the same, when all else leaves no doubt
// who is meant.
#define NUMBER_MISSING 1u
#define NUMBER_MALFORMED 2u
unsigned rules_accepted_numbers(const Rules *rules, const char *agency);
// Known as birth-registration province (3 digits), as sex, as one of 63 provinces (2 digits), as one of 34 (2 digits).
bool rules_is_birth_province(const Rules *rules, const char *code3);
bool rules_is_sex(const Rules *rules, const char *code);
bool rules_is_province63(const Rules *rules, const char *code);
bool rules_is_province34(const Rules *rules, const char *code);
// The one of 34 that one of 63 has become; NULL when unknown.
const char *rules_province34_of(const Rules *rules, const char *code63);
// The communes since July 2025, or before.
const CodeList *rules_communes(const Rules *rules, bool is_63);
// Whether a subject says its province, and the body its commune, as of before July 2025.
bool rules_says_63(const Dongbo__Subject *subject);
// Its residence as one of 34, "" where that is unknown; what is said as one of 34 is not looked at.
const char *rules_residence34(const Rules *rules, const Dongbo__Subject *subject);
const CodeList *rules_codes(const Rules *rules, const char *list);
