// SPDX-License-Identifier: Apache-2.0
//
// Every reason of verdict.proto has its entry, in order, with two clean sentences of a length that fits a screen.
#include "proto/base/text.h"
#include "proto/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_every_code_has_an_entry(void **state) {
    const ProtobufCEnumDescriptor *codes = &dongbo__reason_code__descriptor;
    int n;
    const ReasonText *table = reason_table(&n);
    assert_int_equal(n, codes->n_values);
    for (int i = 0; i < n; i++) {
        assert_int_equal(table[i].code, codes->values[i].value);
        assert_string_equal(table[i].name, codes->values[i].name);
        assert_ptr_equal(reason_find(table[i].code), &table[i]);
        if (i > 0)
            assert_true(table[i].code > table[i - 1].code);
    }
}

static void test_unknown_codes(void **state) {
    static const int unknown[] = {-1, 1, 99, 119, 499, 501, INT32_MAX};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_int_equal(reason_find(unknown[i])->code, DONGBO__REASON_CODE__REASON_UNSPECIFIED);
}

static void test_sentences(void **state) {
    int n;
    const ReasonText *table = reason_table(&n);
    for (int i = 0; i < n; i++) {
        const char *const texts[] = {table[i].vi, table[i].en};
        for (int k = 0; k < 2; k++) {
            size_t length = strlen(texts[k]);
            assert_true(length > 30 && length < 240);
            assert_true(text_is_clean(texts[k], length));
            assert_int_equal(texts[k][length - 1], '.');
            for (int other = 0; other < i; other++)
                assert_string_not_equal(texts[k], k == 0 ? table[other].vi : table[other].en);
        }
        for (const char *c = table[i].en; *c != 0; c++)
            assert_true((unsigned char)*c < 0x80);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_an_entry),
        cmocka_unit_test(test_unknown_codes),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
