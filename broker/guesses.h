// SPDX-License-Identifier: Apache-2.0
//
// How often an agency may say something else of the person whom a number names and be told what of it is wrong. An
// answer to each would tell whoever goes on long enough that person's name and birth date. What counts is how many
// different things it said that did not agree: the same wrong row is told of as often as it comes, and so are many
// persons' wrong rows. Beyond GUESSES_MAX nothing new is judged, wrong or right, but left to a reviewer. Pure: what was
// told before comes from the log's own tables, written in the transactions that told it.
#pragma once

#include "broker/item.h"

// Whether the event was compared with the person whom its number names, and its verdict would tell how that went.
bool guesses_concern(const Work *work, const Item *item);
// After decide_persons() and decide_found(), before decide_hoods(): settles whether an event is told of, in the order
// of the batch. Of one in which nothing differs item->guesses need only be known where GUESSES_MAX were told of.
// ERROR_MEMORY.
int guesses_judge(Work *work);
