// SPDX-License-Identifier: Apache-2.0
//
// Merging an accepted event into the current record, field by field: the greater (authority, event time, event id)
// wins, deletions too. Pure, and the same whatever order events arrive in.
#pragma once

#include "broker/rules.h"
#include "broker/verify.h"
#include "proto/base/arena.h"
#include "store.pb-c.h"

typedef struct Merge {
    const Rules *rules;
    const Grants *grants;
    Arena *arena;
    uint32_t yields; // fields, as bits, of which the event's word does not stand, whatever it weighs; kept it is
} Merge;

typedef struct Merged {
    int verdict;            // ACCEPTED | UNCHANGED | SUPERSEDED
    bool store;             // a version must be inserted (also for UNCHANGED when an origin moved on)
    bool superseded;        // ... and marked so; its record is then the event alone
    Dongbo__Record *record; // to be stored when `store`
    ProtobufCMessage *body; // record->body, decoded: the state after, for the feed
    uint32_t won;           // fields that the event's word now stands for, as bits; none when superseded
    uint32_t changed;       // fields whose value changed, as bits
    bool deleted;           // the record is now retracted as a whole
} Merged;

// Stands for a stored version that does not decode at all.
extern const Dongbo__Record RECONCILE_UNREADABLE;

// current: the greatest unmarked version, NULL for none. ERROR_MEMORY only; 1 when current's bytes are unreadable.
int reconcile(const Merge *merge, const Dongbo__Record *current, const Dongbo__ChangeEvent *event, Merged *ret);
