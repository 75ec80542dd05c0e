// SPDX-License-Identifier: Apache-2.0
//
// Is this event about the person it names, and could it be true? Pure: an event, a person or none, the rules, the time;
// a verdict with reasons out. The number alone never accepts: name, birth date and sex are compared all the same.
#pragma once

#include "broker/person.h"
#include "broker/rules.h"
#include "proto/base/arena.h"
#include "proto/bounds.h"

#include <stdbool.h>
#include <stdint.h>

// What the exchange grants to the agency that speaks.
typedef struct Grants {
    uint32_t agency;
    const char *code; // "MOH"
    uint32_t domains; // bit n = domain n
    const char *const *provinces;
    size_t n_provinces; // 34-codes; none: all
    const char *const *told_fields;
    size_t n_told; // fields of a stored person it may be told
} Grants;

typedef struct Finding {
    int code;
    const char *field;
    const char *expected;
} Finding; // texts in the arena or constant
typedef struct Decision {
    int verdict; // Dongbo__Verdict; ACCEPTED here means "may be reconciled"
    Finding reasons[REASONS_MAX];
    size_t n_reasons;
} Decision;

// Adds a reason (ignored beyond REASONS_MAX) and raises the verdict to `verdict` when that is worse.
// Order: ACCEPTED < DEFERRED < MISMATCH < REJECTED.
void decision_add(Decision *decision, int verdict, int code, const char *field, const char *expected);

typedef struct VerifyContext {
    const Rules *rules;
    int64_t now_us;
    Arena *arena;
} VerifyContext;

// What can be said without the person: readable, granted, number's structure, the domain's fields and codes, clock. An
// identity card's number passes, and none where an insurance number is said: whether they lead to anybody is not known.
// A decision that is already MISMATCH or REJECTED needs no look-up.
void verify_form(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                 Decision *decision);
// What needs the person: found or not (DEFERRED/NOT_FOUND, or what is wrong with the number), name, birth date, sex,
// alive, dates against the life. For domain population, which changes the store itself, call verify_form() only.
void verify_person(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                   const Person *person, Decision *decision);
// Only what the rules say of the life of the person who is meant, as verify_person() does where all else agrees.
void verify_life(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                 const Person *person, Decision *decision);
// A stored value where the agency may be told it, "" otherwise.
const char *verify_told(const Grants *grants, const char *field, const char *value);

// The same of a person who was found otherwise, the event's number being missing or malformed: PERSON_FOUND, and
// whatever of the rest does not agree.
void verify_found(const VerifyContext *context, const Grants *grants, const Dongbo__ChangeEvent *event,
                  const Person *person, Decision *decision);

// Twelve digits, and what they say of their bearer (PPP G YY RRRRRR): whether that contradicts a sex, or a birth date.
bool verify_is_number(const char *number);
bool verify_number_denies_sex(const char *number, const char *sex);
bool verify_number_denies_birth(const char *number, const char *birth_date);

// Record key: the key fields' values, in order, joined by 0x1F; "" for domain population. In the arena, NULL at its
// limit. Of an event that verify_form() did not reject it is at most RECORD_KEY_BYTES_MAX long.
const char *verify_record_key(const VerifyContext *context, const Dongbo__ChangeEvent *event);
