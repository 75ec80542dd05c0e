// SPDX-License-Identifier: Apache-2.0
//
// A citizen by a number that is or was theirs. Numbers come from the command line or, with "-", from standard input,
// so that they need not stand in a shell's history. Everything here is personal data: whoever prints it masks it.
#pragma once

#include "operators/desk.h"

#include <stdint.h>

#define IDENTITY_NUMBER_BYTES 64

typedef struct Identity {
    char number[IDENTITY_NUMBER_BYTES]; // as asked for
    int64_t person;                     // 0: not in the population store
    PGresult *citizen;                  // one row, see identity.c for its columns; NULL when there is none
    PGresult *numbers;                  // number, kind, valid_from, valid_to: the current one first
    PGresult *learnt;                   // number: insurance numbers that events taught; NULL until asked for
} Identity;

typedef enum IdentityColumn {
    IDENTITY_PERSON,
    IDENTITY_NUMBER,
    IDENTITY_NAME,
    IDENTITY_BIRTH_DATE,
    IDENTITY_SEX,
    IDENTITY_PROVINCE,
    IDENTITY_COMMUNE,
    IDENTITY_DIED_ON,
} IdentityColumn;

// The number itself, or the first line of standard input for "-". ERROR_CONFIG when there is none.
int identity_read_number(const char *operand, char number[IDENTITY_NUMBER_BYTES]);
// Looks `ret->number` up. Not being found is no error: person stays 0. ERROR_CONFIG, ERROR_DATABASE.
int identity_find(Desk *desk, Identity *ret);
// Says to the exchange, which is open, that this person is looked at, under all of their numbers. ERROR_DATABASE.
int identity_look_at(const Desk *desk, const Identity *identity);
// Fills in `learnt`, of a person who was found. An operator's right. ERROR_DATABASE.
int identity_find_learnt(Pg *exchange, Identity *identity);
void identity_free(Identity *identity);
const char *identity_text(const Identity *identity, IdentityColumn column); // "" when there is no such citizen
// Whom this person was merged with: rows of person and the number under which that one went, "" of who did not; theirs
// among them. Of person 0 none. ERROR_DATABASE.
int identity_find_family(Pg *exchange, int64_t person, PGresult **ret);
// Is an entry theirs, by its person, 0 for none, and its number? Numbers go over to others, so that of an entry that
// has a person the number counts only where nobody is known (`family` NULL).
bool identity_is_of(const Identity *identity, const PGresult *family, int64_t person, const char *number);
// Writes to exchange.unmasking, and to the log, who is about to see what of whom, and why they say they must. Before
// anything unmasked is printed; the exchange is open.
int identity_note_unmasking(const Desk *desk, const char *what, const char *number);
