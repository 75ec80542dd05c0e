// SPDX-License-Identifier: Apache-2.0
//
// From a decided work to what is stored of it: log entries, packed and compressed, and COPY rows for record versions
// and exceptions. Needs no position: rows are sorted and packed before the writer's lock, and the positions are put in
// under it. Pure.
#pragma once

#include "broker/item.h"
#include "broker/segment.h"

// Everything between `summary` and `entry_items` of the work, anew. A re-decision takes only items that have something
// new to say; the work may end up with no entries. ERROR_MEMORY.
int entries_build(Work *work);
// Under the lock: positions from `first` on, into the items and into the rows.
void entries_place(Work *work, uint64_t first);
// The segment that the work makes, without what only the lock decides (positions, epoch, times, population position).
void entries_segment(const Work *work, Segment *ret);
// This item as its agency is told of it; `position` 0 where it is not known yet. NULL for want of memory.
Dongbo__EventVerdict *entries_verdict(Arena *arena, const Item *item, uint64_t position);
// An entry, read from a payload, as its agency is told of it. NULL for want of memory.
Dongbo__EventVerdict *entries_verdict_of(Arena *arena, const Dongbo__Entry *entry, uint64_t position);
// What a search found for an event that a reviewer will look at; NULL otherwise.
const SearchAnswer *entries_found(const Item *item);
// A verdict that says nothing more than that the event was taken.
bool entries_is_plain(int verdict, size_t n_reasons);
bool entries_is_erased(const Dongbo__Entry *entry); // nothing is known of it any more
