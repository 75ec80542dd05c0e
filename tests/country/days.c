// SPDX-License-Identifier: Apache-2.0
//
// The proleptic Gregorian calendar in both directions (Hinnant, "chrono-compatible low-level date algorithms").

#include "tests/country/days.h"

#include <stdio.h>

int32_t days_of(int year, int month, int day) {
    const int y = month <= 2 ? year - 1 : year;
    const int era = (y >= 0 ? y : y - 399) / 400;
    const int year_of_era = y - era * 400;
    const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

Civil days_civil(int32_t days) {
    const int z = days + 719468;
    const int era = (z >= 0 ? z : z - 146096) / 146097;
    const int day_of_era = z - era * 146097;
    const int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int shifted = (5 * day_of_year + 2) / 153;
    const int month = shifted < 10 ? shifted + 3 : shifted - 9;
    return (Civil){.year = year_of_era + era * 400 + (month <= 2),
                   .month = month,
                   .day = day_of_year - (153 * shifted + 2) / 5 + 1};
}

void days_text(int32_t days, char out[DAYS_TEXT_BYTES]) {
    const Civil date = days_civil(days);
    snprintf(out, DAYS_TEXT_BYTES, "%04u-%02u-%02u", (unsigned)date.year % 10000, (unsigned)date.month % 100,
             (unsigned)date.day % 100);
}
