// SPDX-License-Identifier: Apache-2.0
//
// The log's entries about one person: of theirs, and of whoever was merged into them or they into.
#pragma once

#include "proto/base/pg.h"
#include "store.pb-c.h"

#include <stdbool.h>

typedef struct DisclosureTrace DisclosureTrace;

typedef struct DisclosureEntry {
    const Dongbo__Entry *entry;   // until the call ends
    const Dongbo__Entry *version; // what its version of the record says, where there is one; nearly always the entry
    int64_t position, stored_us;
    int64_t until; // a record's version that holds from position on: up to where; 0: it makes none
    // The log's content was let go. The entry is made of the record's version: where the person lived, whose change it
    // was and what it changed is not known.
    bool is_trimmed;
} DisclosureEntry;
typedef int DisclosureVisit(void *self, const DisclosureEntry *entry);

// Finds where their entries stand. ERROR_DATABASE, ERROR_MEMORY.
int disclosure_trace_new(DisclosureTrace **ret, Pg *exchange, int64_t person);
void disclosure_trace_destroy(DisclosureTrace **trace);
// All of them, in rising position; what the visit gives other than 0 ends it and is given back. ERROR_DATABASE,
// ERROR_MEMORY.
int disclosure_trace_read(DisclosureTrace *trace, DisclosureVisit *visit, void *self);
// First positions of segments that may hold further entries of theirs, and have no content any more: after a read.
const int64_t *disclosure_trace_unknown(const DisclosureTrace *trace, size_t *ret_n);
// Their person keys as an array parameter.
void disclosure_trace_param(const DisclosureTrace *trace, PgParams *params);
