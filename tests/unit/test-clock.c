// SPDX-License-Identifier: Apache-2.0
//
// Instants and civil dates: text both ways, the calendar's edges, and what is no date at all.
#include "proto/base/clock.h"
#include "proto/base/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void check(const char *text, const char *utc) {
    int64_t us = 0;
    char out[CLOCK_TEXT_BYTES];
    if (clock_parse_us(text, &us) != 0)
        fail_msg("%s was not read", text);
    clock_format_us(us, out);
    assert_string_equal(out, utc);
}

static void test_instants(void **state) {
    check("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z");
    check("2022-03-01T08:00:00+07:00", "2022-03-01T01:00:00.000000Z");
    check("2022-03-01T08:00:00.5-02:30", "2022-03-01T10:30:00.500000Z");
    check("2022-03-01t08:00:00.1234569z", "2022-03-01T08:00:00.123456Z");
    check("2022-03-01 08:00:00Z", "2022-03-01T08:00:00.000000Z");
    check("2022-03-01", "2022-02-28T17:00:00.000000Z");
    check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z");
    check("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z");
    check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z");
    check("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z");
    check("0001-01-01T07:00:00+07:00", "0001-01-01T00:00:00.000000Z");
    check("9999-12-31T16:59:59-07:00", "9999-12-31T23:59:59.000000Z");
}

static void test_no_instants(void **state) {
    static const char *const texts[] = {
        "",
        "2022",
        "2022-03",
        "2022-03-01T",
        "2022-03-01T08:00",
        "2022-03-01T08:00:00",
        "2022-03-01T24:00:00Z",
        "2022-03-01T08:60:00Z",
        "2022-03-01T08:00:61Z",
        "2022-03-01T08:00:00.Z",
        "2022-03-01T08:00:00+7:00",
        "2022-03-01T08:00:00+07:00x",
        "2022-02-29T08:00:00Z",
        "2022-03-01x",
        "2022-03-01T08:00:00+07",
        "2022-3-01T08:00:00Z",
        "now",
        "0001-01-01", // in Vietnam, and the year before in UTC
        "0001-01-01T06:59:59+07:00",
        "9999-12-31T17:00:00-07:00",
    };
    int64_t us;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (clock_parse_us(texts[i], &us) != 1)
            fail_msg("%s was read", texts[i]);
}

static void check_said(const char *text, const char *utc, bool assumed) {
    int64_t us = 0;
    bool was_assumed = !assumed;
    char out[CLOCK_TEXT_BYTES];
    if (clock_parse_said_us(text, &us, &was_assumed) != 0)
        fail_msg("%s was not read", text);
    clock_format_us(us, out);
    assert_string_equal(out, utc);
    assert_int_equal(was_assumed, assumed);
}

static void test_instants_as_people_say_them(void **state) {
    check_said("2026-03-01", "2026-02-28T17:00:00.000000Z", true);
    check_said("2026-03-01T08:00", "2026-03-01T01:00:00.000000Z", true);
    check_said("2026-03-01 08:00:30", "2026-03-01T01:00:30.000000Z", true);
    check_said("2026-03-01T08:00:30.5", "2026-03-01T01:00:30.500000Z", true);
    check_said("2026-03-01T08:00Z", "2026-03-01T08:00:00.000000Z", false);
    check_said("2026-03-01T08:00+07:00", "2026-03-01T01:00:00.000000Z", false);
    check_said("2026-03-01T08:00:00Z", "2026-03-01T08:00:00.000000Z", false);
    check_said("2026-03-01 08:00:00.25+07", "2026-03-01T01:00:00.250000Z", false); // PostgreSQL's
    check_said("2026-03-01 08:00-03", "2026-03-01T11:00:00.000000Z", false);
    static const char *const texts[] = {"",
                                        "2026",
                                        "2026-03",
                                        "2026-03-01T",
                                        "2026-03-01T08",
                                        "2026-03-01T8:00",
                                        "2026-03-01T08:00:",
                                        "2026-03-01T08:00x",
                                        "2026-03-01T08:00:00+7",
                                        "2026-02-29T08:00",
                                        "2026-03-01T08:00:00.00000000000000000000000000000000000000000000"};
    int64_t us;
    bool assumed;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (clock_parse_said_us(texts[i], &us, &assumed) != 1)
            fail_msg("%s was read", texts[i]);
}

static void test_out_of_years(void **state) {
    char out[CLOCK_TEXT_BYTES];
    clock_format_us(INT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999999Z");
    clock_format_us(INT64_MIN, out);
    assert_string_equal(out, "0001-01-01T00:00:00.000000Z");
}

static void test_system(void **state) {
    const Clock *clock = clock_system();
    uint8_t a[16] = {0}, b[16] = {0};
    assert_true(clock_now_us(clock) > 1600000000000000LL);
    int64_t before = clock_monotonic_ms(clock);
    assert_true(clock_monotonic_ms(clock) >= before);
    assert_int_equal(clock_random(clock, a, sizeof a), 0);
    assert_int_equal(clock_random(clock, b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

static Date date(const char *text) {
    Date date = {0};
    if (date_parse(text, &date) != 0)
        fail_msg("%s was not read", text);
    return date;
}

static void test_dates(void **state) {
    static const char *const good[] = {"1990", "1990-05", "1990-05-31", "2000-02-29", "2024-02-29", "0001-01-01"};
    static const char *const bad[] = {
        "",           "0000",       "199",        "19900",       "1990-13",    "1990-00",
        "1990-5",     "1990-05-32", "2021-02-29", "1900-02-29",  "1990/05/01", "1990-05-1",
        "1990-05-00", "1990-04-31", "19a0",       "1990-05-01T", "+990",       "1990-"};
    char out[DATE_TEXT_BYTES];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        date_format(date(good[i]), out);
        assert_string_equal(out, good[i]);
    }
    Date none;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (date_parse(bad[i], &none) != 1)
            fail_msg("%s was read", bad[i]);
    date_format((Date){0}, out);
    assert_string_equal(out, "");
}

static void test_days(void **state) {
    assert_int_equal(date_days(date("1970-01-01")), 0);
    assert_int_equal(date_days(date("2000-03-01")), 11017);
    assert_int_equal(date_days(date("1990")), date_days(date("1990-01-01")));
    Date before = date_of_days(-719163); // clamped
    assert_int_equal(before.year, 1);
    for (int64_t days = -719162; days <= 2932896; days++) {
        Date day = date_of_days(days);
        if (date_days(day) != days)
            fail_msg("day %lld", (long long)days);
    }
    assert_int_equal(date_of_days(2932897).year, 9999);
}

static void test_today(void **state) {
    int64_t us;
    char out[DATE_TEXT_BYTES];
    clock_parse_us("2026-11-24T16:59:59.999999Z", &us);
    date_format(date_of_us(us), out);
    assert_string_equal(out, "2026-11-24");
    date_format(date_of_us(us + 1), out);
    assert_string_equal(out, "2026-11-25");
    date_format(date_of_us(-1), out);
    assert_string_equal(out, "1970-01-01");
    date_format(date_of_us(-7 * 3600000000LL - 1), out);
    assert_string_equal(out, "1969-12-31");
}

static void test_compare(void **state) {
    assert_int_equal(date_compare(date("1990"), date("1990-05-01")), 0);
    assert_int_equal(date_compare(date("1989"), date("1990-05-01")), -1);
    assert_int_equal(date_compare(date("1990-06"), date("1990-05-01")), 1);
    assert_int_equal(date_compare(date("1990-05"), date("1990-05-01")), 0);
    assert_int_equal(date_compare(date("1990-05-02"), date("1990-05-01")), 1);
    assert_int_equal(date_compare((Date){0}, date("1990-05-01")), 0);
    assert_int_equal(date_agrees(date("1990"), date("1990-05-01")), 1);
    assert_int_equal(date_agrees(date("1990-05-01"), date("1990-01-05")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instants),
        cmocka_unit_test(test_no_instants),
        cmocka_unit_test(test_instants_as_people_say_them),
        cmocka_unit_test(test_out_of_years),
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_today),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
