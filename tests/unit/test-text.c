// SPDX-License-Identifier: Apache-2.0
//
// Names as people write them: every way of typing one name folds to one text, the short path and utf8proc agree, and
// masks show no more than they say.
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static void folds(const char *text, const char *with_accents, const char *without) {
    char out[256];
    assert_int_equal(text_fold_case(text, out, sizeof out), strlen(with_accents));
    assert_string_equal(out, with_accents);
    assert_int_equal(text_fold_accents(text, out, sizeof out), strlen(without));
    assert_string_equal(out, without);
}

static void test_folds(void **state) {
    folds("", "", "");
    folds("   \t ", "", "");
    folds("Nguyễn Văn An", "nguyễn văn an", "nguyen van an");
    folds("  NGUYỄN\t\nVĂN  ĐỨC ", "nguyễn văn đức", "nguyen van duc");
    folds("Tr\u1ea7n \u0110\u1ee9c Ph\u01b0\u01a1ng", "trần đức phương", "tran duc phuong");
    folds("Ð\u1ed7 ð", "ð\u1ed7 ð", "do d");                     // eth typed for đ
    folds("\u0189\u1ed7 \u0256", "\u0256\u1ed7 \u0256", "do d"); // and the African one
    folds("hoà hòa", "hoà hòa", "hoa hoa");
    folds("Lý Lí", "lý lí", "ly li");
    folds("STRASSE Straße", "strasse strasse", "strasse strasse");
    folds("Ænima", "ænima", "ænima");
}

static void test_forms(void **state) {
    // NFD, and accents in either order
    folds("Nguye\u0302\u0303n", "nguy\u1ec5n", "nguyen");
    folds("A\u0302\u0323", "\u1ead", "a");
    folds("A\u0323\u0302", "\u1ead", "a");
    folds("u\u031b\u0301", "\u1ee9", "u");
    // no-break space, ideographic space, zero-width space, soft hyphen
    folds("an\u00a0b\u3000c\u200bd\u00ade", "an b cde", "an b cde");
    folds("\u00a0an\u00a0", "an", "an");
    folds("\ud55c\uae00", "\ud55c\uae00", "\ud55c\uae00");
}

// The same letter by utf8proc, undisturbed by ours: a character outside the table sends a text the long way.
static void test_short_path_agrees(void **state) {
    for (int32_t letter = 0x21; letter < 0x1F00; letter++) {
        char text[16] = {0}, longer[24], a[64], b[64];
        if (letter == 0x7F || !utf8proc_codepoint_valid(letter))
            continue;
        utf8proc_encode_char(letter, (uint8_t *)text);
        snprintf(longer, sizeof longer, "%s\u4e00", text);
        for (int accents = 0; accents < 2; accents++) {
            size_t (*fold)(const char *, char *, size_t) = accents ? text_fold_accents : text_fold_case;
            size_t n = fold(text, a, sizeof a), m = fold(longer, b, sizeof b);
            if (m != n + 3 || memcmp(a, b, n) != 0)
                fail_msg("U+%04X: %s, %s", (unsigned)letter, a, b);
        }
    }
}

// What is stored as folded says which version folded it. Whoever changes a result must raise TEXT_FOLD_VERSION, and
// then fold again what was stored by the version before.
static void test_fold_is_of_this_version(void **state) {
    static const int32_t MARKS[] = {0, 0x300, 0x301, 0x302, 0x303, 0x306, 0x309, 0x31B, 0x323, 0x340, 0x341};
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    for (int32_t letter = 0x20; letter < 0x1F00; letter = letter == 0x24F ? 0x1E00 : letter + 1) {
        if (letter >= 0x7F && letter < 0xA0)
            continue;
        for (size_t i = 0; i < sizeof MARKS / sizeof *MARKS; i++) {
            char text[16] = {0}, out[32];
            size_t n = (size_t)utf8proc_encode_char(letter, (uint8_t *)text);
            if (MARKS[i] != 0)
                utf8proc_encode_char(MARKS[i], (uint8_t *)text + n);
            assert_true(text_fold_accents(text, out, sizeof out) != (size_t)-1);
            for (const char *c = out; c == out || c[-1] != 0; c++)
                hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
        }
    }
    assert_int_equal(TEXT_FOLD_VERSION, 2);
    if (hash != 0x744d1de203b97442u)
        fail_msg("folded texts hash to 0x%llx", (unsigned long long)hash);
}

static void test_does_not_fit(void **state) {
    static char long_text[10001], room[10100];
    char out[8];
    assert_int_equal(text_fold_case("abcdefg", out, 8), 7);
    assert_int_equal(text_fold_case("abcdefg ", out, 8), 7);
    assert_int_equal(text_fold_case("abcdefgh", out, 8), (size_t)-1);
    assert_int_equal(text_fold_case("abcdef g", out, 8), (size_t)-1);
    assert_int_equal(text_fold_case("abcdeỗ", out, 8), (size_t)-1);
    assert_int_equal(text_fold_accents("abcdeỗ", out, 8), 6);
    assert_int_equal(text_fold_case("", out, 1), 0);
    for (size_t i = 0; i + 2 < sizeof long_text; i += 2)
        memcpy(long_text + i, "\u00f8", 3);
    assert_int_equal(text_fold_case(long_text, out, 8), (size_t)-1);
    assert_int_equal(text_fold_case(long_text, room, sizeof room), (size_t)-1); // 5,000 letters
    long_text[2 * 4096] = '\0';
    assert_int_equal(text_fold_case(long_text, room, sizeof room), 2 * 4096);
    memset(long_text, 'a', 10000); // no bound but the room's for what needs no utf8proc
    assert_int_equal(text_fold_case(long_text, room, sizeof room), 10000);
}

static void test_trims(void **state) {
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\u00a0\u200b", ""},
        {"an", "an"},
        {"  Văn  An ", "Văn  An"},
        {"\u202f\u3000an\u2028\ufeff", "an"},
        {"\x01 an", "\x01 an"},
        {" \xa0 an \xa0", "\xa0 an \xa0"}, // no UTF-8, though a no-break space in other encodings
        {" \x80\x80\x80\x80 ", "\x80\x80\x80\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i][0];
        size_t n = strlen(text);
        text_trim(&text, &n);
        assert_int_equal(n, strlen(cases[i][1]));
        assert_memory_equal(text, cases[i][1], n);
    }
}

static void test_not_utf8(void **state) {
    static const char *const bad[] = {"\xff", "a\xc3",   "\xc0\x80", "\xe1\xbb", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\x80", "\xc4\x41"};
    char out[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(text_fold_case(bad[i], out, sizeof out), (size_t)-1);
        assert_int_equal(text_fold_accents(bad[i], out, sizeof out), (size_t)-1);
        assert_false(text_is_clean(bad[i], strlen(bad[i])));
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    }
    assert_true(text_is_utf8("", 0));
    assert_true(text_is_utf8("Nguy\u1ec5n\0\x01\xC2\x85", 12));
}

static void test_clean(void **state) {
    assert_true(text_is_clean("", 0));
    assert_true(text_is_clean("Đỗ Thị 한 😀", strlen("Đỗ Thị 한 😀")));
    assert_false(text_is_clean("a\0b", 3));
    assert_false(text_is_clean("a\tb", 3));
    assert_false(text_is_clean("a\x7f", 2));
    assert_false(text_is_clean("\xc2\x85", 2));
    assert_true(text_is_clean("\u00a0", 2));
    assert_false(text_is_clean("ệ", 2)); // cut short
}

static void expect_cut(const char *text, size_t n_max, const char *expected) {
    char out[64];
    snprintf(out, sizeof out, "%s", text);
    text_cut(out, n_max);
    assert_string_equal(out, expected);
}

static void test_cut(void **state) {
    expect_cut("aệ", 64, "aệ");
    expect_cut("aệ", 4, "aệ");
    expect_cut("aệ", 3, "a");
    expect_cut("aệ", 2, "a");
    expect_cut("aệ", 1, "a");
    expect_cut("aệ", 0, "");
    expect_cut("ệ", 2, "");
    expect_cut("😀b", 5, "😀b");
    expect_cut("😀b", 4, "😀");
    expect_cut("😀b", 3, "");
    expect_cut("a\xe1\xbb", 64, "a"); // cut by somebody else before
    expect_cut("ab", 1, "a");
    expect_cut("", 5, "");
}

static void expect_visible(const char *text, const char *expected) {
    char out[64];
    snprintf(out, sizeof out, "%s", text);
    text_make_visible(out);
    assert_string_equal(out, expected);
}

static void test_same_in_any_normal_form(void **state) {
    assert_true(text_is_same("Nữ", "Nữ"));
    assert_true(text_is_same("Nữ", "Nu\xCC\x9B\xCC\x83"));
    assert_true(text_is_same("Nu\xCC\x83\xCC\x9B", "Nư\xCC\x83"));
    assert_false(text_is_same("Nữ", "nu\xCC\x9B\xCC\x83"));
    assert_false(text_is_same("Nữ", "Nữ "));
    assert_false(text_is_same("\xCC", "\xCD"));
    assert_true(text_is_same("\xCC", "\xCC"));
    assert_true(text_is_same("éa", "e\xCC\x81"
                                   "a"));
    assert_false(text_is_same("éa", "e\xCC\x81"
                                    "b"));
    assert_false(text_is_same("e", "e\xCC\x81"));
    assert_true(text_is_same("", ""));
}

static void test_visible(void **state) {
    expect_visible("Đỗ 한 😀", "Đỗ 한 😀");
    expect_visible("a\nb\033[31mred\ttab\x7f", "a?b?[31mred?tab?");
    expect_visible("\xc2\x9b"
                   "31m",
                   "??31m");
    expect_visible("caf\xe9", "caf?");
    expect_visible("a\xe1\xbb", "a??");
    // Right-to-left override, line separator, zero-width space: what follows would be read otherwise.
    expect_visible("An\u202e54", "An???54");
    expect_visible("a\u2028b\u200bc", "a???b???c");
}

static void mask_number(const char *number, const char *masked) {
    char out[TEXT_MASK_BYTES];
    text_mask_number(number, out);
    assert_string_equal(out, masked);
}

static void test_masks(void **state) {
    mask_number("001099012345", "001*******45");
    mask_number("123456", "123*56");
    mask_number("12345", "*****");
    mask_number("", "");
    mask_number("00109901234567890123", "001**********23");
    mask_number("0ộ099012345", "0**********45");
}

static void mask_name(const char *name, size_t bytes, const char *masked) {
    char out[64];
    text_mask_name(name, out, bytes);
    assert_string_equal(out, masked);
}

static void test_mask_names(void **state) {
    mask_name("Nguyễn Văn An", 64, "N*** V*** A***");
    mask_name("  Đỗ  Ánh ", 64, "Đ*** Á***");
    mask_name("", 64, "");
    mask_name("Nguyễn Văn An", 8, "N***");
    mask_name("\xff\x01 a", 64, "?*** a***");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_short_path_agrees),
        cmocka_unit_test(test_fold_is_of_this_version),
        cmocka_unit_test(test_does_not_fit),
        cmocka_unit_test(test_trims),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_same_in_any_normal_form),
        cmocka_unit_test(test_visible),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_mask_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
