// SPDX-License-Identifier: Apache-2.0
//
// Which files and outboxes lack answers: what their keeper still waits for. A file stands in done/ once each of its
// events has a receipt, and some of its rows may be decided on only weeks later. Reads the spool, and changes nothing.
#pragma once

#include "agents/ledger.h"

typedef struct Unanswered {
    Origin origin;
    int64_t waiting;   // events without a receipt
    int64_t undecided; // events with one, of which a later word may come
    int64_t owed;      // answers that were not handed back yet
} Unanswered;

// Calls each() for every one that lacks any, or is not read to its end, the oldest first. As it was at one time, also
// while an agent runs. ERROR_MEMORY, ERROR_SYSTEM.
typedef int (*UnansweredEach)(void *self, const Unanswered *one);
int unanswered_list(Spool *spool, UnansweredEach each, void *self);
