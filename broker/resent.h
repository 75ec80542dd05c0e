// SPDX-License-Identifier: Apache-2.0
//
// Rows that an agency sends again, put right. Once the newer event is taken, the older one of the same row that waits
// for its person or for a reviewer is replaced. A source key alone does not make two events one row's: some are numbers
// of a file's lines, which every file has. So the older must also be about the same record of a person who is said to
// be the same, by number or by name and birth date: then at worst it is what the newer says all the same. Pure.
#pragma once

#include "broker/rules.h"

struct Item;
struct Work;

// By which an agency's events of one row are looked for; never 0. Others may have it too. 0: the event says no row.
uint64_t resent_key(const Rules *rules, const Dongbo__ChangeEvent *event);
// Both of one agency, and of the same key perhaps.
bool resent_replaces(const Rules *rules, const Dongbo__ChangeEvent *newer, const Dongbo__ChangeEvent *older);
// Whether the item is taken, so that it replaces what came before it.
bool resent_is_taken(const struct Work *work, const struct Item *item);
