// SPDX-License-Identifier: Apache-2.0
//
// Old Vietnamese encodings to UTF-8 in NFC; what is not of an encoding is a condition.
#include "agents/encoding.h"

#include "broker/name.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static Arena *arena;

static int setup(void **state) {
    return arena_new(&arena, 65536);
}

static int teardown(void **state) {
    arena_destroy(&arena);
    return 0;
}

static int convert(const char *name, const char *bytes, MapText *ret) {
    Encoding *encoding;
    assert_int_equal(encoding_new(&encoding, name), 0);
    int r = encoding_convert(encoding, &(MapText){bytes, strlen(bytes)}, arena, ret);
    encoding_destroy(&encoding);
    return r;
}

static void test_converts_to_nfc(void **state) {
    static const struct {
        const char *encoding, *bytes, *utf8;
    } CASES[] = {
        {"TCVN5712-1", "Nguy\xD4n V\xA8n \xA7\xD4 B\xD7nh", "Nguyễn Văn Đễ Bình"},
        {"VISCII", "Nguy\xADn V\xE5n \xD0\xAD B\xECnh", "Nguyễn Văn Đễ Bình"},
        // a base letter and a tone, which NFC makes one letter of; also where the text ends in it
        {"CP1258", "Nguy\xEA\xDEn V\xE3n \xD0\xEA\xDE Bi\xCCnh", "Nguyễn Văn Đễ Bình"},
        {"CP1258", "L\xEA\xDE", "Lễ"},
        {"CP1258", "L\xEA", "Lê"},
        {"TCVN5712-1", "plain ASCII", "plain ASCII"},
        {"UTF-8", "Nguye\xCC\x82\xCC\x83n", "Nguyễn"},
        {"utf8", "caf\xC3\xA9 \xFF", "caf\xC3\xA9 \xFF"},
        {"TCVN3", "Nguy\xD4n V\xA8n \xA7\xD4 B\xD7nh", "Nguyễn Văn Đễ Bình"},
        {"VNI",
         "Nguye\xE3n Va\xEAn \xD1"
         "e\xE3 B\xECnh",
         "Nguyễn Văn Đễ Bình"},
        // saved as UTF-8 by a program that took the font's text for Western letters
        {"VNI-UTF8", "Nguyeãn Vaên Ñeã Bình", "Nguyễn Văn Đễ Bình"},
        {"TCVN3-UTF8", "NguyÔn V¨n §Ô B×nh", "Nguyễn Văn Đễ Bình"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        MapText text;
        assert_int_equal(convert(CASES[i].encoding, CASES[i].bytes, &text), 0);
        assert_string_equal(text.text, CASES[i].utf8);
        assert_int_equal(text.n, strlen(CASES[i].utf8));
    }
}

static void test_tells_what_is_not_of_the_encoding(void **state) {
    MapText text;
    assert_int_equal(convert("EUC-JP", "\xFF", &text), 1);
    // and is as good as new afterwards
    assert_int_equal(convert("EUC-JP", "abc", &text), 0);
    assert_int_equal(convert("VNI", "b\xF9", &text), 1);
    assert_int_equal(convert("VNI-UTF8", "Nguyễn", &text), 1);
    assert_int_equal(convert("UTF-8", "\xCC", &text), 1);
}

static void test_keeps_absent_columns_absent(void **state) {
    Encoding *encoding;
    MapText text;
    assert_int_equal(encoding_new(&encoding, "VISCII"), 0);
    assert_int_equal(encoding_convert(encoding, &(MapText){NULL, 0}, arena, &text), 0);
    assert_null(text.text);
    encoding_destroy(&encoding);
}

static void test_names_an_encoding_that_is_not_there(void **state) {
    Encoding *encoding = NULL;
    assert_int_equal(encoding_new(&encoding, "VPS-WIN"), ERROR_CONFIG);
    assert_null(encoding);
    assert_non_null(strstr(error_text(), "VPS-WIN"));
    static const char *const OTHER_ASCII[] = {"UTF-16", "UTF-16LE", "UTF-32", "UTF-7", "EBCDIC-US"};
    for (size_t i = 0; i < sizeof OTHER_ASCII / sizeof *OTHER_ASCII; i++)
        assert_int_equal(encoding_new(&encoding, OTHER_ASCII[i]), ERROR_CONFIG);
}

// Every letter that has an accent, both cases, through each encoding and back.
static void test_keeps_every_letter(void **state) {
    static const char *const NAMES[] = {"TCVN3", "VNI", "VISCII", "CP1258", "TCVN3-UTF8", "VNI-UTF8"};
    static const char LETTERS[] = "áàảãạăắằẳẵặâấầẩẫậéèẻẽẹêếềểễệíìỉĩịóòỏõọôốồổỗộơớờởỡợúùủũụưứừửữựýỳỷỹỵđ"
                                  "ÁÀẢÃẠĂẮẰẲẴẶÂẤẦẨẪẬÉÈẺẼẸÊẾỀỂỄỆÍÌỈĨỊÓÒỎÕỌÔỐỒỔỖỘƠỚỜỞỠỢÚÙỦŨỤƯỨỪỬỮỰÝỲỶỸỴĐ";
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        Encoding *encoding;
        int n = 0;
        assert_int_equal(encoding_new(&encoding, NAMES[i]), 0);
        for (const char *at = LETTERS; *at; n++) {
            size_t bytes = (unsigned char)*at >= 0xE0 ? 3 : 2;
            MapText letter = {arena_strndup(arena, at, bytes), bytes}, there, back;
            assert_int_equal(encoding_restore(encoding, &letter, arena, &there), 0);
            assert_int_equal(encoding_convert(encoding, &there, arena, &back), 0);
            assert_string_equal(back.text, letter.text);
            at += bytes;
        }
        assert_int_equal(n, 134);
        MapText text = {"Số \xE6\x97\xA5", 7}, back;
        assert_int_equal(encoding_restore(encoding, &text, arena, &back), 1);
        assert_ptr_equal(back.text, text.text);
        encoding_destroy(&encoding);
        arena_reset(arena);
    }
}

// However an agency writes it and in whatever encoding: one name, and what is stored beside the citizen is one text.
static void test_one_canonical_form(void **state) {
    static const char *const NAMES[] = {"UTF-8", "TCVN3", "VNI", "VISCII", "CP1258", "TCVN3-UTF8", "VNI-UTF8"};
    static const char *const WRITINGS[] = {"Đặng Thị Hòa Thủy Quý", "Đặng Thị Hoà Thuỷ Quý", "Đặng  thị hòa thuỷ quý",
                                           "Đặng Thị Hòa Thủy Quý"}; // the last one is decomposed
    char stored[64], folded[64];
    assert_true(text_fold_accents(WRITINGS[0], stored, sizeof stored) != (size_t)-1);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        Encoding *encoding;
        assert_int_equal(encoding_new(&encoding, NAMES[i]), 0);
        size_t n = sizeof WRITINGS / sizeof *WRITINGS - (i > 0); // only Unicode has marks apart from letters
        for (size_t k = 0; k < n; k++) {
            MapText name = {WRITINGS[k], strlen(WRITINGS[k])}, there, back;
            assert_int_equal(encoding_restore(encoding, &name, arena, &there), 0);
            assert_int_equal(encoding_convert(encoding, &there, arena, &back), 0);
            assert_int_equal(name_compare(back.text, WRITINGS[0]) & ~(unsigned)(NAME_CASE | NAME_TONE), 0);
            assert_true(text_fold_accents(back.text, folded, sizeof folded) != (size_t)-1);
            assert_string_equal(folded, stored);
        }
        encoding_destroy(&encoding);
        arena_reset(arena);
    }
}

static void test_knows_other_names(void **state) {
    Encoding *encoding;
    assert_int_equal(encoding_new(&encoding, "tcvn5712-1"), 0);
    assert_string_equal(encoding_name(encoding), "TCVN3");
    assert_true(encoding_loses_case(encoding));
    encoding_destroy(&encoding);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_converts_to_nfc),
        cmocka_unit_test(test_tells_what_is_not_of_the_encoding),
        cmocka_unit_test(test_keeps_absent_columns_absent),
        cmocka_unit_test(test_keeps_every_letter),
        cmocka_unit_test(test_one_canonical_form),
        cmocka_unit_test(test_knows_other_names),
        cmocka_unit_test(test_names_an_encoding_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
