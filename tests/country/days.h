// SPDX-License-Identifier: Apache-2.0
//
// Civil dates as numbers of days since 1 January 1970, for a country that has to do sums with them.
#pragma once

#include <stdint.h>

#define DAYS_TEXT_BYTES 11

typedef struct Civil {
    int year, month, day;
} Civil;

int32_t days_of(int year, int month, int day);
Civil days_civil(int32_t days);
// "2022-03-01"
void days_text(int32_t days, char out[DAYS_TEXT_BYTES]);
