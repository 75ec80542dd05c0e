// SPDX-License-Identifier: Apache-2.0
//
// Time and randomness behind one small interface, so that a simulator can own them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Clock {
    int64_t (*now_us)(void *self);                       // microseconds since 1970 UTC
    int64_t (*monotonic_ms)(void *self);                 // for time-outs only
    int (*random)(void *self, uint8_t *bytes, size_t n); // cryptographically strong; ERROR_CRYPTO
    void *self;
} Clock;

// The machine's own clock and OpenSSL's random bytes.
const Clock *clock_system(void);

int64_t clock_now_us(const Clock *clock);
int64_t clock_monotonic_ms(const Clock *clock);
int clock_random(const Clock *clock, uint8_t *bytes, size_t n);

// Writes "2026-11-24T03:06:07.123456Z" (28 bytes with the 0). Years 0001 to 9999.
#define CLOCK_TEXT_BYTES 28
void clock_format_us(int64_t us, char out[CLOCK_TEXT_BYTES]);
// Reads RFC 3339 ("2022-03-01T08:00:00+07:00", "…Z", fraction optional), or a bare date as midnight in
// Asia/Ho_Chi_Minh (+07:00, no daylight saving since 1975). Returns 1 when it is neither, or not in the years 0001 to
// 9999 of UTC, which clock_format_us() could not write.
int clock_parse_us(const char *text, int64_t *ret_us);
// As people and databases say it: seconds, the offset, and the offset's minutes may be left out ("2022-03-01T08:00",
// "2022-03-01 08:00:00+07"). *ret_assumed: there was no offset, and Vietnamese time was taken.
int clock_parse_said_us(const char *text, int64_t *ret_us, bool *ret_assumed);
