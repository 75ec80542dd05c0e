// SPDX-License-Identifier: Apache-2.0
//
// What of the event behind an entry a subscription may be given beside the record: nothing, the proof that its agency
// said it, which tells nothing of what it says, or the event itself. Pure. An event says all that its agency knows of a
// person, and names whom its agency means; so it goes out only where whatever it may say is granted, and of whom the
// record is.
#pragma once

#include "broker/policy.h"

typedef enum OriginRight { ORIGIN_NOT, ORIGIN_LEAF, ORIGIN_EVENT } OriginRight;

// Of an entry that goes out with this passage. What goes over in a merger, and what is left of a record whose event was
// refused, is no event's doing; a record that is told again is that of the event which made it as it is; what a
// tombstone leaves comes with the proof of what was erased, without its content. ORIGIN_EVENT needs the number, all
// fields of the domain and all of the population's that a subject has, and origin_is_theirs() besides.
OriginRight origin_right(const PolicyVersion *version, const Dongbo__Entry *entry, PolicyPassage passage);
// A record that is the same as before, told for another number or home, or to who follows its person now.
bool origin_is_told_again(const Dongbo__Entry *entry);
const char *origin_right_word(OriginRight right); // NULL, "leaf", "event"
// Whether an event names its person by the number that the entry has, is of its domain and time, and holds nothing that
// this program does not know: nobody was granted that.
bool origin_is_theirs(const Dongbo__ChangeEvent *event, const Dongbo__Entry *entry);
