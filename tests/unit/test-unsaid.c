// SPDX-License-Identifier: Apache-2.0
//
// Words for "not known", however they are written; and what is a value, however odd.
#include "proto/base/unsaid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_dates_that_are_none(void **state) {
    static const char *const unsaid[] = {
        "",           "-",          "–",
        "—",          "...",        "…",
        "?",          "/ /",        "__/__/____",
        "không rõ",   "KHÔNG RÕ",   "K.rõ",
        "Khong  ro",  "N/A",        "n.a.",
        "#N/A",       "NULL",       "NaT",
        "Chưa biết",  "Không có",   "Không",
        "k.r.",       "0",          "00/00/0000",
        "0000-00-00", "xx/xx/xxxx", "kho\u0302ng ro\u0303",
    };
    static const char *const said[] = {
        "1990",
        "01/01/1900",
        "1990-00-00",
        "hôm qua",
        "không rõ ngày, năm 1950",
        "Nam",
        "khong ro rang",
        "10/2000",
        "\xff",
        "xx/xx/1950",
        "một văn bản dài hơn mọi từ nào có thể có ở đây, và không rõ",
    };
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++)
        if (!unsaid_is_date(unsaid[i]))
            fail_msg("\"%s\" says something", unsaid[i]);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (unsaid_is_date(said[i]))
            fail_msg("\"%s\" says nothing", said[i]);
}

static void test_names_are_none_of_the_words(void **state) {
    static const char *const names[] = {"", "na", "khong", "trong", "nina", "an", "x", "khongro1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(unsaid_is_word(names[i]));
    assert_true(unsaid_is_word("khongro"));
    assert_true(unsaid_is_word("nan"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_that_are_none),
        cmocka_unit_test(test_names_are_none_of_the_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
