// SPDX-License-Identifier: Apache-2.0
//
// Where errors come from: events, and those of them that were refused, by agency, domain, facility and month, and the
// refused ones by reason. Pure counting; the memory grows with the groups, of which there are QUALITY_GROUPS_MAX.
#pragma once

#include "verdict.pb-c.h"

#include <stddef.h>
#include <stdint.h>

#define QUALITY_GROUPS_MAX 200000 // facilities beyond them count together, as QUALITY_OTHERS
#define QUALITY_OTHERS "(others)"
#define QUALITY_FACILITY_BYTES 72
#define QUALITY_FIELD_BYTES 48
#define QUALITY_REASONS_MAX 48 // of one group; what comes after the last place counts there, without a name

typedef struct QualityKey {
    uint32_t agency;
    int domain;                            // 0: unreadable
    int month;                             // 202203; 0 where months are not told apart
    char facility[QUALITY_FACILITY_BYTES]; // "" where none is said, or facilities are not told apart
} QualityKey;

typedef struct QualityReason {
    int code; // Dongbo__ReasonCode
    char field[QUALITY_FIELD_BYTES];
    uint64_t n;
} QualityReason;

typedef struct QualityGroup {
    QualityKey key;
    uint64_t events;
    uint64_t refused;       // MISMATCH and REJECTED as things stand
    uint64_t waiting;       // DEFERRED
    QualityReason *reasons; // of the refused, the most frequent first
    size_t n_reasons;
} QualityGroup;

typedef struct Quality Quality;

int quality_new(Quality **ret); // ERROR_MEMORY
void quality_destroy(Quality **quality);
int quality_add_event(Quality *quality, const QualityKey *key); // ERROR_MEMORY
// One of the events added that was not taken, with its present verdict. ERROR_MEMORY.
int quality_add_verdict(Quality *quality, const QualityKey *key, const Dongbo__EventVerdict *verdict);
// The same counts with less told apart.
typedef enum QualityKeep { QUALITY_KEEP_FACILITY = 1, QUALITY_KEEP_MONTH = 2 } QualityKeep;
int quality_roll_up(const Quality *quality, unsigned keep, Quality **ret); // ERROR_MEMORY
// By agency, domain, facility and month. Valid until something is added.
const QualityGroup *quality_groups(Quality *quality, size_t *ret_n);
double quality_share(const QualityGroup *group); // refused of events, 0 to 1
