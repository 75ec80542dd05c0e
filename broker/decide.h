// SPDX-License-Identifier: Apache-2.0
//
// From a batch's bytes and what was looked up to every event's verdict and record, in the order of the batch. Pure:
// whoever calls fills in persons and versions between the steps (the broker, a test, the simulator):
//   decide_items() or items of the caller's own → decide_forms() → [item->person, bearers, insured] → decide_bearer()
//   → decide_persons() → [item->found] → decide_found() → decide_hoods() → [item->read, item->hood] → decide_records()
// All from decide_persons() on may be called again with newer persons and versions; they begin anew.
#pragma once

#include "broker/item.h"

typedef struct DecideContext {
    const Rules *rules;
    int64_t now_us;
} DecideContext;

// n items as they begin, for the caller to give bytes to. NULL for want of memory.
Item *decide_items_new(Work *work, size_t n);
// Items of an opened batch; of an unreadable one, `count` items that are rejected as such. ERROR_MEMORY.
int decide_items(Work *work);
// Decodes the events and says what can be said without the person. ERROR_MEMORY.
int decide_forms(const DecideContext *context, Work *work);
bool decide_wants_person(const Item *item);
// Whose the number was at the time of the event, or the insurance number where there is no usable one: item->person
// from item->bearers and item->insured, where the present numbers gave nobody.
void decide_bearer(Item *item);
// A merger of somebody who went to another already than whom it names.
bool decide_went_elsewhere(const Item *item);
// A population event that makes its person known if they are not.
bool decide_brings_person(const Item *item);
// Compares with the person, or none, and finds the record's key. A population event needs its person to have a record,
// and waits for them unless it brings them.
int decide_persons(const DecideContext *context, Work *work);
// The number does not lead to the person who is meant, as far as the others' fields tell: item->found is to be filled
// in. What stays deferred for want of its person is searched once, when it comes, and again when it has waited too
// long.
bool decide_wants_search(const Work *work, const Item *item);
// What a search is asked of it. What is known of the store, and the agency's weights, are the caller's to add.
SearchQuestion decide_question(const Item *item);
// Of these: its number is well formed, and leads to nobody, or to somebody with another name and birth date, so that a
// number beside it may be meant.
bool decide_is_misled(const Item *item);
// Whether the agency's policy lets an event without a usable number be taken as that of whom a search is sure of.
bool decide_may_adopt(const DecideContext *context, const Work *work, const Item *item);
// Adds what a search found to the decisions, and adopts where that is the policy. After decide_persons(), before
// decide_records(). ERROR_MEMORY.
int decide_found(const DecideContext *context, Work *work);
// The present numbers of those who bore the claimed number, or the insurance number. Returns how many.
#define DECIDE_BEARERS_MAX (2 * BEARERS_MAX)
size_t decide_bearers(const Item *item, SearchNumber out[DECIDE_BEARERS_MAX]);
bool decide_wants_record(const Item *item);
// Gives each item of a domain with rules about other records its person's neighbourhood, one for all items of a person
// and domain, and where other persons' records of its key matter that of the key, one for all items of the key; those
// that are `wanted` are to be filled in: new ones, and those of items that are stale. ERROR_MEMORY.
int decide_hoods(const DecideContext *context, Work *work);
// Merges, several events on one record each onto the one before, and keys what is in question. ERROR_MEMORY.
int decide_records(const DecideContext *context, Work *work);
// After its neighbourhoods have moved and been read anew: whether the decision would be the same for all that. False
// where it cannot be told from this event alone.
bool decide_stands(const DecideContext *context, const Work *work, const Item *item);
// Sets `wanted` where an event would be kept although nothing of it holds: it may be a repeat, of one that lost or has
// been overwritten since. True when there is any.
bool decide_wants_repeats(Work *work);
// What is `repeated`, or is so within the batch, is UNCHANGED, and not kept once more. After decide_records().
void decide_repeats(Work *work);
