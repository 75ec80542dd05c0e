// SPDX-License-Identifier: Apache-2.0
//
// Whom a population event is about. It is not compared with its person, whom it changes, but needs one; and the store
// goes by the number alone, whatever the day, so that one that several persons bore names none of them. Pure.
#pragma once

#include "broker/item.h"

// Of a settled event: the person whom the store applied it to or, where it was not told of it, whom it was decided on;
// 0 for none known, and of one that is not settled.
int64_t decide_settled_on(const Item *item);
// Whom the store takes of those who bore the claimed number, where it is nobody's; NULL for none, or several.
const Person *decide_bearer_in_store(const Item *item);
// One of its numbers is nobody's now and was several persons': nothing is told to the store. What it has applied is
// theirs to whom it did, whoever bears the number since.
bool decide_is_several(const Item *item);
// Adds why it is about nobody, or about somebody else than it says.
void decide_whom(Item *item);
// Whether a person comes in under a number that was replaced, also by what comes before in the batch, as nobody we
// know: it would make another of its owner. Of what was merged.
bool decide_is_somebody_else(const Item *item);
void decide_somebody_else(Item *item);
