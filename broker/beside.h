// SPDX-License-Identifier: Apache-2.0
//
// Whether a record, as an event leaves it, fits the person's other current records: the domain's rules from RULE_BESIDE
// on. Pure. What is missing now may come tomorrow, and what comes second is told what the first was not: as long as the
// rules only note, records do not depend on the order of events, and the reasons alone do.
#pragma once

#include "broker/neighbourhood.h"
#include "broker/rules.h"
#include "broker/verify.h"

typedef struct Beside {
    const DomainRules *rules;
    NeighbourName name;            // of the record
    const ProtobufCMessage *said;  // the event's body
    const ProtobufCMessage *after; // the record as the event leaves it; NULL where it leaves nothing new that holds
    const Dongbo__Record *before;  // as it was held; NULL for none
    bool tells;                    // the event says what happened: it neither corrects nor withdraws
    Neighbourhood *hood;           // the person's
    Neighbourhood *holders;        // of the record's key; NULL where no rule is about them
    Arena *arena;
} Beside;

// Adds a reason for each rule that is broken, with the rule's verdict. ERROR_MEMORY.
int beside_judge(const Beside *beside, Decision *decision);
