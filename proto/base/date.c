// SPDX-License-Identifier: Apache-2.0
//
// Civil dates, partly known ones included: many citizens born before 1975 have a year only. Guesses nothing: what is
// not known compares as "cannot be told".
#include "proto/base/date.h"

#include <stdbool.h>
#include <string.h>

#define US_PER_DAY 86400000000LL
#define VIETNAM_OFFSET_US (7 * 3600000000LL)
#define DAYS_FIRST (-719162LL) // 0001-01-01
#define DAYS_LAST 2932896LL    // 9999-12-31

static int days_in_month(int year, int month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

// Value of exactly n digits, or -1.
static int digits(const char *text, int n) {
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

int date_parse(const char *text, Date *ret) {
    size_t n = strnlen(text, DATE_TEXT_BYTES);
    if (n != 4 && n != 7 && n != 10)
        return 1;
    int year = digits(text, 4), month = 0, day = 0;
    if (year < 1)
        return 1;
    if (n >= 7) {
        month = digits(text + 5, 2);
        if (text[4] != '-' || month < 1 || month > 12)
            return 1;
    }
    if (n == 10) {
        day = digits(text + 8, 2);
        if (text[7] != '-' || day < 1 || day > days_in_month(year, month))
            return 1;
    }
    *ret = (Date){(int16_t)year, (uint8_t)month, (uint8_t)day};
    return 0;
}

static void put_digits(char *out, int n, int value) {
    while (n > 0) {
        out[--n] = (char)('0' + value % 10);
        value /= 10;
    }
}

void date_format(Date date, char out[DATE_TEXT_BYTES]) {
    memset(out, 0, DATE_TEXT_BYTES);
    if (!date.year)
        return;
    put_digits(out, 4, date.year);
    if (!date.month)
        return;
    out[4] = '-';
    put_digits(out + 5, 2, date.month);
    if (!date.day)
        return;
    out[7] = '-';
    put_digits(out + 8, 2, date.day);
}

// Counts from 0000-03-01, so that the leap day is a year's last (Hinnant, "chrono-compatible low-level date
// algorithms"). Years here are positive, so that plain division will do.
int64_t date_days(Date date) {
    int64_t year = date.year;
    int month = date.month ? date.month : 1;
    int day = date.day ? date.day : 1;
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

Date date_of_days(int64_t days) {
    days = days < DAYS_FIRST ? DAYS_FIRST : days > DAYS_LAST ? DAYS_LAST : days;
    days += 719468;
    int64_t era = days / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    return (Date){(int16_t)year, (uint8_t)month, (uint8_t)day};
}

Date date_of_us(int64_t us) {
    int64_t days = us / US_PER_DAY, rest = us % US_PER_DAY;
    if (rest < 0) {
        days--;
        rest += US_PER_DAY;
    }
    return date_of_days(rest + VIETNAM_OFFSET_US >= US_PER_DAY ? days + 1 : days);
}

static int order(int a, int b) {
    return (a > b) - (a < b);
}

int date_compare(Date a, Date b) {
    if (!a.year || !b.year)
        return 0;
    if (a.year != b.year)
        return order(a.year, b.year);
    if (!a.month || !b.month)
        return 0;
    if (a.month != b.month)
        return order(a.month, b.month);
    if (!a.day || !b.day)
        return 0;
    return order(a.day, b.day);
}

int date_agrees(Date a, Date b) {
    return date_compare(a, b) == 0;
}
