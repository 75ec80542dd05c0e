// SPDX-License-Identifier: Apache-2.0
//
// How far subscriptions are behind the head: in their own records where they are near it, for that takes reading what
// they have not acknowledged; in positions of the log otherwise. Refuses to read more than the log's last entries.
#pragma once

#include "proto/base/pg.h"

#include <stdbool.h>
#include <stdint.h>

#define LAG_ENTRIES_MAX 20000 // entries from the head back that are looked at

typedef struct Lag {
    int32_t subscription;
    int64_t acked, positions;
    int64_t records;   // of its own, by the policies in force there; -1: not counted
    int64_t stored_us; // when the first of what it has not acknowledged was stored; 0: nothing is
    bool is_counting;
} Lag;

// Of active subscriptions, in ascending order; *ret is freed by the caller. A role that may not read payloads gets
// positions only. ERROR_DATABASE, ERROR_MEMORY.
int lag_read(Pg *exchange, Lag **ret, int *ret_n);
const Lag *lag_find(const Lag *lags, int n, int32_t subscription); // NULL for none
int64_t lag_seconds(const Lag *lag);
