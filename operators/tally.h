// SPDX-License-Identifier: Apache-2.0
//
// Counts taken from what PostgreSQL holds, in pages, so that memory does not grow with the log: verdicts from the
// segments' masked summaries and the exceptions' present state, records from their current versions.
#pragma once

#include "proto/base/pg.h"
#include "proto/domain.h"

#include <stdint.h>

#define TALLY_VERDICTS 7  // by Dongbo__Verdict
#define TALLY_REASONS 128 // places in reason_table()
#define TALLY_NAMES 128

// Counts by a short text: a code.
typedef struct TallyNamed {
    int n;
    struct {
        char name[24];
        uint64_t count;
    } list[TALLY_NAMES]; // what comes after the last place counts as "other"
} TallyNamed;
void tally_named_add(TallyNamed *named, const char *name);
void tally_named_sort(TallyNamed *named); // greatest first, then by name
uint64_t tally_named_total(const TallyNamed *named);

typedef struct Tally {
    uint64_t events, decisions;
    uint64_t first[DOMAIN_MAX + 1][TALLY_VERDICTS]; // domain 0: unreadable events
    uint64_t present[DOMAIN_MAX + 1][TALLY_VERDICTS];
    uint64_t reasons[DOMAIN_MAX + 1][TALLY_VERDICTS][TALLY_REASONS]; // of first verdicts
    uint64_t records[DOMAIN_MAX + 1];                                // current and not withdrawn
    uint64_t mismatches, likely_known, likely_possible; // open ones; with somebody beyond doubt, with somebody else
    TallyNamed e_id_by_province;                        // 63 codes
    TallyNamed electricity_by_status;
    TallyNamed temporary_stay_by_reporter;
    TallyNamed temporary_residence_by_status;
} Tally;

// Both in one snapshot. ERROR_DATABASE, ERROR_MEMORY. *ret is calloc'd.
int tally_read(Tally **ret, Pg *exchange);
