// SPDX-License-Identifier: Apache-2.0
//
// Whose number is it, where it is nobody's present one? A number that was replaced, an identity card's (CMND, nine
// digits), or a social insurance number (ten; since August 2025 the citizen number serves as one): each names a person
// from one day to another, and some were given to two. Pure. Refuses to choose among several, and never decides by the
// number: whoever it names is compared with the event all the same.
#pragma once

#include "broker/person.h"
#include "proto/base/date.h"
#include "proto/domain.h"

#include <stddef.h>

#define BEARERS_MAX 8
#define BEARER_CCCD "cccd"
#define BEARER_CMND "cmnd"
#define BEARER_INSURANCE "insurance"

typedef struct Bearer {
    Person person;
    const char *from, *to; // FHIR dates, both inclusive; "" where it is not known, or still goes on
} Bearer;

// By person, one after another. More than there is room for are several all the same.
typedef struct Bearers {
    Bearer list[BEARERS_MAX];
    size_t n;
} Bearers;

typedef enum BearersAnswer {
    BEARERS_NONE,
    BEARERS_ONE,
    BEARERS_OTHER_TIME, // one, but not on that day
    BEARERS_SEVERAL,
} BearersAnswer;

// The kind of citizen number by its digits: BEARER_CCCD, BEARER_CMND; NULL for neither.
const char *bearers_kind(const char *number);
// The number by which the event's person was insured, where it is another than `claimed`; "" for none. Its kind is
// BEARER_CCCD where it is the citizen number, else BEARER_INSURANCE.
const char *bearers_insurance(const Dongbo__ChangeEvent *event, const char *claimed);
// Who bore the number on that day. *ret is set for BEARERS_ONE and BEARERS_OTHER_TIME. NULL has no bearers.
BearersAnswer bearers_on(const Bearers *bearers, Date day, const Person **ret);
// Who bore the number on whatever day; NULL for nobody, or several.
const Person *bearers_only(const Bearers *bearers);
// That one of them; NULL where they are not among them.
const Person *bearers_find(const Bearers *bearers, int64_t person);
bool bearers_have(const Bearers *bearers, int64_t person);
// One more, ignored beyond BEARERS_MAX. Texts stay the caller's.
void bearers_add(Bearers *bearers, const Bearer *bearer);
