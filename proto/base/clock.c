// SPDX-License-Identifier: Apache-2.0
//
// The machine's clock, and RFC 3339 text. No time zone database: the exchange speaks UTC, and civil days are
// Asia/Ho_Chi_Minh's, which has been UTC+7 without daylight saving since 1975.
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/base/error.h"

#include <ctype.h>
#include <limits.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define US_PER_S 1000000LL
#define US_PER_DAY (86400 * US_PER_S)
#define VIETNAM_OFFSET_S (7 * 3600)

static int64_t system_now_us(void *self) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static int64_t system_monotonic_ms(void *self) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int system_random(void *self, uint8_t *bytes, size_t n) {
    if (n > INT_MAX || RAND_bytes(bytes, (int)n) != 1)
        return error_fail(ERROR_CRYPTO, "the system gave no random bytes");
    return 0;
}

const Clock *clock_system(void) {
    static const Clock system = {system_now_us, system_monotonic_ms, system_random, NULL};
    return &system;
}

int64_t clock_now_us(const Clock *clock) {
    return clock->now_us(clock->self);
}

int64_t clock_monotonic_ms(const Clock *clock) {
    return clock->monotonic_ms(clock->self);
}

int clock_random(const Clock *clock, uint8_t *bytes, size_t n) {
    return clock->random(clock->self, bytes, n);
}

static void put_digits(char *out, int digits, int value) {
    while (digits > 0) {
        out[--digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

// What four digits of a year can say, in UTC.
static int64_t first_us(void) {
    return date_days((Date){1, 1, 1}) * US_PER_DAY;
}

static int64_t last_us(void) {
    return (date_days((Date){9999, 12, 31}) + 1) * US_PER_DAY - 1;
}

// Without snprintf: every log line, verdict and JSON record passes here.
void clock_format_us(int64_t us, char out[CLOCK_TEXT_BYTES]) {
    int64_t first = first_us(), last = last_us();
    us = us < first ? first : us > last ? last : us;
    int64_t days = (us - first) / US_PER_DAY + first / US_PER_DAY;
    int64_t rest = us - days * US_PER_DAY;
    int seconds = (int)(rest / US_PER_S);
    Date date = date_of_days(days);
    memcpy(out, "0000-00-00T00:00:00.000000Z", CLOCK_TEXT_BYTES);
    put_digits(out, 4, date.year);
    put_digits(out + 5, 2, date.month);
    put_digits(out + 8, 2, date.day);
    put_digits(out + 11, 2, seconds / 3600);
    put_digits(out + 14, 2, seconds / 60 % 60);
    put_digits(out + 17, 2, seconds % 60);
    put_digits(out + 20, 6, (int)(rest % US_PER_S));
}

// Takes exactly two digits; -1 when there are not two.
static int take_two(const char **at) {
    const char *p = *at;
    if (!isdigit((unsigned char)p[0]) || !isdigit((unsigned char)p[1]))
        return -1;
    *at = p + 2;
    return (p[0] - '0') * 10 + (p[1] - '0');
}

static bool take(const char **at, char wanted) {
    if (**at != wanted)
        return false;
    ++*at;
    return true;
}

// hh:mm:ss with a fraction if there is one; what is finer than a microsecond is dropped. 1 when it is none.
static int take_time(const char **at, int64_t *ret_us) {
    int hour = take_two(at);
    if (hour < 0 || hour > 23 || !take(at, ':'))
        return 1;
    int minute = take_two(at);
    if (minute < 0 || minute > 59 || !take(at, ':'))
        return 1;
    int second = take_two(at); // 60 is a leap second: the same instant as the next minute's first
    if (second < 0 || second > 60)
        return 1;
    int64_t us = 0;
    if (take(at, '.')) {
        if (!isdigit((unsigned char)**at))
            return 1;
        for (int64_t unit = US_PER_S / 10; isdigit((unsigned char)**at); unit /= 10, ++*at)
            us += unit * (**at - '0');
    }
    *ret_us = ((hour * 60 + minute) * 60 + second) * US_PER_S + us;
    return 0;
}

// "Z" or "+07:00". 1 when it is neither.
static int take_offset(const char **at, int *ret_s) {
    *ret_s = 0;
    if (take(at, 'Z') || take(at, 'z'))
        return 0;
    int sign = **at == '+' ? 1 : **at == '-' ? -1 : 0;
    if (!sign)
        return 1;
    ++*at;
    int hour = take_two(at);
    if (hour < 0 || hour > 23 || !take(at, ':'))
        return 1;
    int minute = take_two(at);
    if (minute < 0 || minute > 59)
        return 1;
    *ret_s = sign * (hour * 3600 + minute * 60);
    return 0;
}

int clock_parse_us(const char *text, int64_t *ret_us) {
    char day[DATE_TEXT_BYTES] = {0};
    Date date;
    size_t n = strnlen(text, DATE_TEXT_BYTES - 1);
    memcpy(day, text, n);
    if (n < DATE_TEXT_BYTES - 1 || date_parse(day, &date) != 0)
        return 1;
    const char *at = text + n;
    int64_t time_us = 0;
    int offset_s = VIETNAM_OFFSET_S;
    if (*at) {
        if (!take(&at, 'T') && !take(&at, 't') && !take(&at, ' '))
            return 1;
        if (take_time(&at, &time_us) != 0 || take_offset(&at, &offset_s) != 0 || *at)
            return 1;
    }
    int64_t us = date_days(date) * US_PER_DAY + time_us - offset_s * US_PER_S;
    if (us < first_us() || us > last_us())
        return 1;
    *ret_us = us;
    return 0;
}

#define MINUTES_BYTES 16 // "2022-03-01T08:00"

static bool is_hours_only(const char *offset) {
    return (*offset == '+' || *offset == '-') && strlen(offset) == 3;
}

int clock_parse_said_us(const char *text, int64_t *ret_us, bool *ret_assumed) {
    char whole[64];
    size_t n = strlen(text), at = MINUTES_BYTES;
    *ret_assumed = n == DATE_TEXT_BYTES - 1;
    if (n < MINUTES_BYTES || n > 40)
        return clock_parse_us(text, ret_us);
    bool seconds = text[at] == ':';
    if (seconds)
        at += 1 + strspn(text + at + 1, "0123456789.");
    *ret_assumed = text[at] == '\0';
    snprintf(whole, sizeof whole, "%.*s%s%s%s", (int)at, text, seconds ? "" : ":00", text + at,
             *ret_assumed               ? "+07:00"
             : is_hours_only(text + at) ? ":00"
                                        : "");
    return clock_parse_us(whole, ret_us);
}
