// SPDX-License-Identifier: Apache-2.0
//
// Whose events are that were decided on after they came. What an agency said under a wrong number, or under none, names
// nobody in its entry; whose it is the last decision says, an officer's or a broker's.
#pragma once

#include "operators/erase_find.h"

// Exceptions `x` of all events that are the family's ($1) or came under one of their numbers ($2); `owner` is whose the
// event is by the last decision, null where nobody's yet.
#define ERASE_DECIDED                                                                                                  \
    "(SELECT DISTINCT y.stream, y.sequence FROM exchange.seen_exception y "                                            \
    "WHERE y.person = ANY ($1) OR y.citizen_number = ANY ($2)) k CROSS JOIN LATERAL (SELECT e.*, "                     \
    "first_value(e.person) OVER (ORDER BY e.person IS NULL, e.position DESC) AS owner "                                \
    "FROM exchange.seen_exception e WHERE e.stream = k.stream AND e.sequence = k.sequence) x "

// ERASE_DECIDED's parameters.
void erase_decided_param(const EraseFind *find, PgParams *params);
// Reads find->decided, of the family. ERROR_DATABASE, ERROR_MEMORY.
int erase_decided_read(EraseFind *find);
// NULL: nothing was decided that is known here.
const EraseDecided *erase_decided_on(const EraseFind *find, const ProtobufCBinaryData *event_id);
