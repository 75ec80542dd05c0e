// SPDX-License-Identifier: Apache-2.0
//
// Two records of one key become one, when their persons are found to be one. Of each field the greater claim stands, as
// if all events had been about that person from the start. Pure.
#pragma once

#include "broker/reconcile.h"

typedef struct Unite {
    const DomainRules *rules;
    Arena *arena;
    const Dongbo__Record *into;   // of the person who stays; NULL for none
    const Dongbo__Record *coming; // of the one who goes
    uint32_t kept;                // fields that are not taken over, as bits
} Unite;

// ret->verdict is ACCEPTED where a value or the record's being changes, else UNCHANGED. ERROR_MEMORY; 1 when either's
// bytes are unreadable.
int unite(const Unite *unite, Merged *ret);
// The version by which a record goes from the person who goes: all of it cleared by `by`, which says the event.
// What cannot be read goes as well, without its key fields. ERROR_MEMORY.
int unite_leave(const Unite *unite, const Dongbo__Origin *by, Merged *ret);
