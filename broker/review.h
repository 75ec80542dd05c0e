// SPDX-License-Identifier: Apache-2.0
//
// What becomes of an event that an officer has decided. The officer's word stands above the comparison with the person,
// and above what the domain's rules leave to a reviewer. It does not above anything else: the event must be sayable,
// its person must be there, and what the rules do not let pass of that person's life (before birth, say) holds.
// What is held of a person (broker/guesses.h) is one case of different events: to accept it takes those that agree with
// the person, and refuses the others without a word of what differs. Pure. Refuses to take a population event, which
// would change the store itself: its agency says it again.
#pragma once

#include "broker/verify.h"

struct Item;
struct Work;

typedef enum ReviewAction {
    REVIEW_ACCEPT, // the number's bearer is meant
    REVIEW_LINK,   // the person with another number is meant
    REVIEW_REFUSE,
    REVIEW_REPLACED, // nobody's decision: the agency's newer event of the row was taken
} ReviewAction;

typedef struct Review {
    int64_t decision, review_case;
    ReviewAction action;
    const char *citizen_number; // whose it is, of REVIEW_LINK; "" otherwise
    const char *officer, *why;
} Review;

int review_action(const char *name, ReviewAction *ret); // 1 when it is none

// After verify_form(): what only a person could tell is left to the officer, and the person is looked up under the
// number that the officer named.
void review_form(const Review *review, struct Item *item);
// In place of verify_person(). An item that may not be taken so is left neither ACCEPTED nor, unless refused, decided.
void review_decide(const VerifyContext *context, const Grants *grants, const Review *review, struct Item *item);

// The same of an event whose word stands in a record, after verify_life().
void review_standing(const Review *review, struct Item *item);

#define REVIEW_TEXT_BYTES 256
// Whether some event of the work cannot be decided so; then none is, and `why` says it in words that name no citizen.
bool review_is_barred(const struct Work *work, char why[REVIEW_TEXT_BYTES]);
// What was decided, in words: "2 ACCEPTED, 1 UNCHANGED".
void review_outcome(const struct Work *work, char text[REVIEW_TEXT_BYTES]);
