// SPDX-License-Identifier: Apache-2.0
//
// Civil dates as FHIR R4 `date`: YYYY, YYYY-MM, YYYY-MM-DD. No zone; "today" is Asia/Ho_Chi_Minh's.
#pragma once

#include <stdint.h>

typedef struct Date {
    int16_t year;  // 1 to 9999; 0: no date
    uint8_t month; // 1 to 12; 0 when only the year is known
    uint8_t day;   // 1 to 31; 0 when not known
} Date;

// Returns 1 when the text is not a FHIR date or names no day of the calendar ("2021-02-29").
int date_parse(const char *text, Date *ret);
// The civil date in Asia/Ho_Chi_Minh at this instant.
Date date_of_us(int64_t us);

// Days since 1970-01-01 in the proleptic Gregorian calendar, and back. What is not known of a date counts as 1.
int64_t date_days(Date date);
Date date_of_days(int64_t days); // years 1 to 9999, clamped
// Writes "1990", "1990-05" or "1990-05-01"; "" for no date.
#define DATE_TEXT_BYTES 11
void date_format(Date date, char out[DATE_TEXT_BYTES]);

// Compares as far as both go. -1 surely earlier, 1 surely later, 0 equal or cannot be told ("1990" and "1990-05-01").
int date_compare(Date a, Date b);
// 1 when both say the same as far as both go, and 0 otherwise.
int date_agrees(Date a, Date b);
