// SPDX-License-Identifier: Apache-2.0
//
// How often each peer may do what costs us something: so much at once, and then so much a second. What one peer uses up
// is no other's. A fixed piece of memory, however many there are. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ALLOWANCE_NAME_BYTES 64

typedef struct AllowanceRate {
    uint32_t burst; // at once
    uint32_t per_second;
} AllowanceRate;

typedef struct Allowance Allowance;
int allowance_new(Allowance **ret, AllowanceRate rate); // ERROR_MEMORY
void allowance_destroy(Allowance **allowance);
// Once more. The peer is who stands for a key: "agency:3" of "agency:3:5f…", so that further keys give no more. False
// when its allowance is used up; that costs it nothing further.
bool allowance_take(Allowance *allowance, const char *peer, int64_t now_ms);
