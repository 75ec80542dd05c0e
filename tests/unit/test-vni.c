// SPDX-License-Identifier: Apache-2.0
//
// VNI letter by letter against the published comparison of character sets, whose table is written here as a program
// that knows only Western letters shows the bytes.
#include "agents/vni.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <utf8proc.h>

static const struct {
    const char *letter, *shown;
} LETTERS[] = {
    {"á", "aù"}, {"à", "aø"}, {"ả", "aû"}, {"ã", "aõ"}, {"ạ", "aï"}, {"ă", "aê"}, {"ắ", "aé"}, {"ằ", "aè"}, {"ẳ", "aú"},
    {"ẵ", "aü"}, {"ặ", "aë"}, {"â", "aâ"}, {"ấ", "aá"}, {"ầ", "aà"}, {"ẩ", "aå"}, {"ẫ", "aã"}, {"ậ", "aä"}, {"é", "eù"},
    {"è", "eø"}, {"ẻ", "eû"}, {"ẽ", "eõ"}, {"ẹ", "eï"}, {"ê", "eâ"}, {"ế", "eá"}, {"ề", "eà"}, {"ể", "eå"}, {"ễ", "eã"},
    {"ệ", "eä"}, {"í", "í"},  {"ì", "ì"},  {"ỉ", "æ"},  {"ĩ", "ó"},  {"ị", "ò"},  {"ó", "où"}, {"ò", "oø"}, {"ỏ", "oû"},
    {"õ", "oõ"}, {"ọ", "oï"}, {"ô", "oâ"}, {"ố", "oá"}, {"ồ", "oà"}, {"ổ", "oå"}, {"ỗ", "oã"}, {"ộ", "oä"}, {"ơ", "ô"},
    {"ớ", "ôù"}, {"ờ", "ôø"}, {"ở", "ôû"}, {"ỡ", "ôõ"}, {"ợ", "ôï"}, {"ú", "uù"}, {"ù", "uø"}, {"ủ", "uû"}, {"ũ", "uõ"},
    {"ụ", "uï"}, {"ư", "ö"},  {"ứ", "öù"}, {"ừ", "öø"}, {"ử", "öû"}, {"ữ", "öõ"}, {"ự", "öï"}, {"ý", "yù"}, {"ỳ", "yø"},
    {"ỷ", "yû"}, {"ỹ", "yõ"}, {"ỵ", "î"},  {"đ", "ñ"},
};

// Maps each letter; bytes as Latin-1 when asked. Returns the length.
static size_t rewrite(const char *text, int upper, int latin1, char *out) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    size_t used = 0;
    while (*at) {
        utf8proc_int32_t letter;
        at += utf8proc_iterate(at, -1, &letter);
        letter = upper ? utf8proc_toupper(letter) : letter;
        if (latin1)
            out[used++] = (char)letter;
        else
            used += (size_t)utf8proc_encode_char(letter, (utf8proc_uint8_t *)out + used);
    }
    out[used] = 0;
    return used;
}

static void assert_decodes(const char *bytes, size_t n, const char *expected) {
    char out[256];
    size_t got = vni_decode(bytes, n, out);
    assert_int_not_equal(got, VNI_FAILED);
    out[got] = 0;
    utf8proc_uint8_t *composed = utf8proc_NFC((const utf8proc_uint8_t *)out);
    assert_string_equal((char *)composed, expected);
    free(composed);
}

static void test_every_letter_both_ways(void **state) {
    int n_letters = 0;
    for (int upper = 0; upper < 2; upper++) {
        for (size_t i = 0; i < sizeof LETTERS / sizeof *LETTERS; i++, n_letters++) {
            char bytes[8], letter[8], back[16];
            size_t n = rewrite(LETTERS[i].shown, upper, 1, bytes);
            size_t n_letter = rewrite(LETTERS[i].letter, upper, 0, letter);
            assert_decodes(bytes, n, letter);
            assert_int_equal(vni_encode(letter, n_letter, back), n);
            assert_memory_equal(back, bytes, n);
        }
    }
    assert_int_equal(n_letters, 134);
}

static void test_words(void **state) {
    assert_decodes("NGUYE\xC3N", 7, "NGUYỄN");
    // Changing case by program leaves a small mark behind a capital.
    assert_decodes("A\xF9nh", 4, "Ánh");
    assert_decodes("\xD1\xF4\xF8ng, 12\x96", 10, "Đờng, 12–");
    char out[32];
    // In whatever normal form.
    assert_int_equal(vni_encode("Nguye\xCC\x82\xCC\x83n", 10, out), 7);
    assert_memory_equal(out, "Nguye\xE3n", 7);
}

static void test_refuses_what_it_has_not(void **state) {
    static const char *const NOT[] = {"b\xF9", "\xF9",  "a\xF9\xF8", "i\xF9", "e\xEA",
                                      "\x80",  "y\xEF", "\xD7",      "a \xF9"};
    char out[64];
    for (size_t i = 0; i < sizeof NOT / sizeof *NOT; i++)
        assert_int_equal(vni_decode(NOT[i], strlen(NOT[i]), out), VNI_FAILED);
    static const char *const NEITHER[] = {"ö",        "ñ", "日", "\xFF", "\xCC\x81", "i\xCC\x82", "a\xCC\x81\xCC\x80",
                                          "ố\xCC\x82"};
    for (size_t i = 0; i < sizeof NEITHER / sizeof *NEITHER; i++)
        assert_int_equal(vni_encode(NEITHER[i], strlen(NEITHER[i]), out), VNI_FAILED);
    assert_int_equal(vni_decode("", 0, out), 0);
    assert_int_equal(vni_decode("a\0b", 3, out), 3);
}

// Whatever the bytes, within the room that was promised.
static void test_hostile_bytes(void **state) {
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        char *bytes = malloc(33), *out = malloc(32 * VNI_DECODED_BYTES), *back = malloc(64);
        for (int i = 0; i < 32; i++)
            bytes[i] = (char)((random = random * 1664525 + 1013904223) >> 24 | (round & 1 ? 0xC0 : 0));
        size_t n = (size_t)(random >> 27);
        (void)vni_decode(bytes, n, out);
        (void)vni_encode(bytes, n, back);
        free(bytes);
        free(out);
        free(back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_letter_both_ways),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_refuses_what_it_has_not),
        cmocka_unit_test(test_hostile_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
