// SPDX-License-Identifier: Apache-2.0
//
// How many lines of the log peers may cause: enough for a trace of whoever misbehaves, and never so many that they fill
// a disk or bury the rest. Bounded for each peer, and for all of them together. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_SLOTS 64
#define QUOTA_LINES 6 // a minute, of one peer; peers that fall on one slot share them
#define QUOTA_TEXT_BYTES 64

typedef struct QuotaSlot {
    int64_t since_ms;
    unsigned lines, hidden;
} QuotaSlot;

typedef struct Quota {
    QuotaSlot slots[QUOTA_SLOTS]; // zeros to begin with
} Quota;

// NULL when a line about this peer is not to be written now. Else what to write behind it: how many were not since the
// last one, or "".
const char *quota_take(Quota *quota, const char *peer, int64_t now_ms, char text[QUOTA_TEXT_BYTES]);
