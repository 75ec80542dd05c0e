// SPDX-License-Identifier: Apache-2.0
//
// Pairs of names and what differs between them, hostile ones among them; and that every way of writing one name is one
// name: NFC, NFD, base letters with combining tones, both places of the tone.
#include "broker/name.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <utf8proc.h>

typedef struct Pair {
    const char *said, *stored;
    unsigned expected;
} Pair;

static void expect(const char *said, const char *stored, unsigned expected) {
    unsigned found = name_compare(said, stored);
    if (found != expected)
        fail_msg("\"%s\" for \"%s\" is %#x, not %#x", said, stored, found, expected);
}

static void expect_all(const Pair *pairs, size_t n) {
    for (size_t i = 0; i < n; i++)
        expect(pairs[i].said, pairs[i].stored, pairs[i].expected);
}
#define EXPECT_ALL(pairs) expect_all(pairs, sizeof pairs / sizeof *pairs)

// What holds whichever of the two is the stored one.
static void expect_both_ways(const Pair *pairs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        expect(pairs[i].said, pairs[i].stored, pairs[i].expected);
        expect(pairs[i].stored, pairs[i].said, pairs[i].expected);
    }
}
#define EXPECT_BOTH_WAYS(pairs) expect_both_ways(pairs, sizeof pairs / sizeof *pairs)

static void test_one_name(void **state) {
    static const Pair PAIRS[] = {
        {"Nguyễn Văn An", "Nguyễn Văn An", 0},
        {"NGUYỄN VĂN AN", "Nguyễn Văn An", NAME_CASE},
        {"\tnguyễn\u00a0 văn an ", "Nguyễn Văn An", NAME_CASE},
        {"Nguye\u0302\u0303n Va\u0306n An", "Nguyễn Văn An", NAME_CASE}, // NFD
        {"Nguy\u00ea\u0303n V\u0103n An", "Nguyễn Văn An", NAME_CASE},   // as CP1258 comes out
        {"Ho\u0340ng Thuy\u0341", "Hòng Thuý", NAME_CASE},
        {"Hòa", "Hoà", NAME_TONE},
        {"HÒA", "hoà", NAME_TONE},
        {"Lê Thị Khỏe", "Lê Thị Khoẻ", NAME_TONE},
        {"Trần Thúy Loan", "Trần Thuý Loan", NAME_TONE},
        {"Thu\u0309y", "Thuỷ", NAME_TONE},
        {"Úy", "Uý", NAME_TONE},
        {"Ðỗ Văn \u00d0ức", "Đỗ Văn Đức", NAME_TONE}, // eth
        {"\u0189ỗ \u0256ạt", "Đỗ Đạt", NAME_TONE},
        {"ĐỖ HÒA", "Ðỗ Hoà", NAME_TONE},
    };
    EXPECT_BOTH_WAYS(PAIRS);
}

static void test_tone_moves_nowhere_else(void **state) {
    static const Pair PAIRS[] = {
        {"Qúy", "Quý", NAME_SIMILAR}, {"Hòan", "Hoàn", NAME_SIMILAR}, {"Mía", "Miá", NAME_SIMILAR},
        {"Hoá", "Hoà", NAME_SIMILAR}, {"Hóa", "Hoà", NAME_SIMILAR},   {"Khuỷu", "Khủyu", NAME_SIMILAR},
        {"Qùa", "Quà", NAME_SIMILAR},
    };
    EXPECT_BOTH_WAYS(PAIRS);
}

static void test_accents_lost(void **state) {
    static const Pair PAIRS[] = {
        {"Nguyen Van An", "Nguyễn Văn An", NAME_ACCENTS},
        {"NGUYEN VAN DUC", "Nguyễn Văn Đức", NAME_ACCENTS},
        {"Nguyen Văn Đức", "Nguyễn Văn Đức", NAME_ACCENTS}, // some words
        {"Nguyễn Văn Dức", "Nguyễn Văn Đức", NAME_ACCENTS}, // some letters
        {"Hoa", "Hòa", NAME_ACCENTS},
        {"Nguyen Hòa", "Nguyễn Hoà", NAME_ACCENTS},
        {"Nguyên Văn An", "Nguyễn Văn An", NAME_SIMILAR}, // ê is not ễ
        {"Nguyển Văn An", "Nguyễn Văn An", NAME_SIMILAR},
        {"Nguyễn Văn Ân", "Nguyễn Văn An", NAME_SIMILAR}, // has more than is stored
        {"Nguyễn Văn Ăn", "Nguyễn Văn Ân", NAME_SIMILAR},
        {"Đung", "Dung", NAME_SIMILAR},
        {"Nguyen Van An", "Nguyễn Văn Anh", NAME_SIMILAR},
        {"Mun\u0303oz", "Muñoz", NAME_CASE},
        {"Munoz", "Muñoz", NAME_ACCENTS},
    };
    EXPECT_ALL(PAIRS);
}

static void test_middle(void **state) {
    static const Pair BOTH[] = {
        {"Nguyễn Hoa", "Nguyễn Thị Hoa", NAME_MIDDLE},
        {"NGUYỄN HOA", "Nguyễn Thị Hoa", NAME_MIDDLE},
        {"Nguyễn Minh Hoa", "Nguyễn Thị Minh Hoa", NAME_MIDDLE},
        {"Nguyễn Minh Hoa", "Nguyễn Minh Thị Hoa", NAME_MIDDLE},
        {"Lê An", "Lê Văn An", NAME_MIDDLE},
        {"Nguyễn Hòa", "Nguyễn Thị Hoà", NAME_MIDDLE},
        {"Nguyễn Thị Hoa", "Nguyễn Văn Hoa", NAME_OTHER},
        {"Nguyễn Hoa", "Nguyễn Thị Văn Hoa", NAME_OTHER}, // one of them, not both
        {"Nguyễn Anh", "Nguyễn Minh Anh", NAME_OTHER},
        {"Văn An", "Văn Văn An", NAME_MIDDLE},
        {"An", "Văn An", NAME_OTHER},         // a surname
        {"Nguyễn", "Nguyễn Văn", NAME_OTHER}, // a given name
        {"Nguyễn Minh", "Nguyễn Minh Thị", NAME_OTHER},
        {"Thị", "Thị Thị", NAME_OTHER},
        {"Thị Thị", "Thị Thị Thị", NAME_MIDDLE},
    };
    static const Pair PAIRS[] = {
        {"NGUYEN HOA", "Nguyễn Thị Hoà", NAME_MIDDLE | NAME_ACCENTS},
        {"Nguyễn Thi Hoa", "Nguyễn Hoa", NAME_MIDDLE | NAME_ACCENTS},
        {"Nguyễn Hoa", "Nguyễn Thi Hoa", NAME_OTHER}, // Thi is a name
        {"Nguyễn Anh", "Nguyễn Vân Anh", NAME_OTHER}, // and so is Vân
        {"Nguyễn Vân Anh", "Nguyễn Anh", NAME_OTHER},
        {"Trần Thi An", "Trần Thị Thi An", NAME_MIDDLE},
        {"Trần Thi An", "Trần Thị An", NAME_ACCENTS},
    };
    EXPECT_BOTH_WAYS(BOTH);
    EXPECT_ALL(PAIRS);
}

static void test_order_spaces_spelling(void **state) {
    static const Pair BOTH[] = {
        {"An Văn Nguyễn", "Nguyễn Văn An", NAME_ORDER},
        {"An Nguyễn Văn", "Nguyễn Văn An", NAME_ORDER},
        {"AN NGUYỄN", "Nguyễn An", NAME_ORDER},
        {"Hòa Nguyễn", "Nguyễn Hoà", NAME_ORDER},
        {"Hoà Lê Hoa", "Lê Hoa Hoà", NAME_ORDER},
        {"An An Lê", "Lê An An", NAME_ORDER},
        {"An Lê Lê", "Lê An An", NAME_OTHER},
        {"NguyễnVănAn", "Nguyễn Văn An", NAME_SPACES},
        {"Nguyễn VănAn", "Nguyễn Văn An", NAME_SPACES},
        {"Ng uyễn Văn An", "Nguyễn Văn An", NAME_SPACES},
        {"NguyễnHòaAn", "Nguyễn Hoà An", NAME_SPACES},
        {"Hà My", "Hàm Y", NAME_SIMILAR}, // a space elsewhere is another name
        {"Hà MyAn", "Hàm Y An", NAME_OTHER},
        {"Lý", "Lí", NAME_SPELLING},
        {"Quý", "Quí", NAME_SPELLING},
        {"Nguyễn Mỹ Lý", "Nguyễn Mĩ Lí", NAME_SPELLING},
        {"Y Ban", "I Ban", NAME_SPELLING},
        {"Mai", "May", NAME_OTHER},
        {"Trần Thuý", "Trần Thuí", NAME_SIMILAR},
        {"Huy", "Hui", NAME_OTHER},
        {"Yên", "Iên", NAME_OTHER},
        {"Qúy", "Quí", NAME_OTHER},
    };
    EXPECT_BOTH_WAYS(BOTH);
}

// Each that has to be undone.
static void test_together(void **state) {
    static const Pair PAIRS[] = {
        {"HOA NGUYEN", "Nguyễn Thị Hoà", NAME_ACCENTS | NAME_MIDDLE | NAME_ORDER},
        {"NguyenHoa", "Nguyễn Thị Hoà", NAME_ACCENTS | NAME_MIDDLE | NAME_SPACES},
        {"NGUYENTHIHOA", "Nguyễn Thị Hoà", NAME_ACCENTS | NAME_SPACES},
        {"Hoa Thi Nguyen", "Nguyễn Hoà", NAME_ACCENTS | NAME_MIDDLE | NAME_ORDER},
        {"LI QUI", "Lý Quý", NAME_ACCENTS | NAME_SPELLING},
        {"Quí Lý", "Lý Quý", NAME_ORDER | NAME_SPELLING},
        {"QUI LY", "Lý Thị Quý", NAME_ACCENTS | NAME_MIDDLE | NAME_ORDER | NAME_SPELLING},
        {"LÝQUÍ", "Lý Quý", NAME_SPACES | NAME_SPELLING},
        {"Hoa Hoà Le", "Lê Hoà Hoá", NAME_ACCENTS | NAME_ORDER},
        {"AnVănNguyễn", "Nguyễn Văn An", NAME_OTHER}, // reversed and joined: nothing is certain any more
    };
    EXPECT_ALL(PAIRS);
}

static void test_similar(void **state) {
    static const Pair BOTH[] = {
        {"Nguyễn Văn Anh", "Nguyễn Văn An", NAME_SIMILAR},
        {"Nguyễn Văm An", "Nguyễn Văn An", NAME_SIMILAR},
        {"Nguyễn Văn Bình", "Nguyễn Văn Minh", NAME_SIMILAR},
        {"Ngyuễn Văn An", "Nguyễn Văn An", NAME_SIMILAR},
        {"Nguyễn Thị Hoa", "Nguyễn Thị Lan", NAME_OTHER}, // alike in what all have, not in what counts
        {"Trần Văn Bình", "Nguyễn Văn An", NAME_OTHER},
        {"An", "Ba", NAME_OTHER},
        {"한글", "漢字", NAME_OTHER},
    };
    EXPECT_BOTH_WAYS(BOTH);
}

static void test_hostile(void **state) {
    static const Pair PAIRS[] = {
        {"", "Nguyễn Văn An", NAME_EMPTY},
        {"  \t\u00a0\u200b", "Nguyễn Văn An", NAME_EMPTY},
        {"", "", NAME_EMPTY},
        {"\u0301\u0323 \u0302", "Nguyễn Văn An", NAME_EMPTY}, // marks without letters
        {"\u0301", "\u0300", NAME_EMPTY},
        {"An", "", NAME_OTHER},
        {"An", "\u0301\u0323", NAME_OTHER},
        {"Thị", "Thị", 0},
        {"Thi", "Thị", NAME_ACCENTS},
        {"Thị", "Văn", NAME_OTHER},
        {"Thị", "Nguyễn Thị Hoa", NAME_OTHER},
        {"a\u0301\u0301\u0301", "á", NAME_SIMILAR}, // no letter has two tones
        {"a\u0300\u0301", "á", NAME_SIMILAR},
        {"An\u0301\u0302\u0303\u0304\u0305", "An", NAME_SIMILAR},
        {"\xff", "\xfe", NAME_OTHER},
        {"\xff", "\xff", 0},
        {"An", "\xff", NAME_OTHER},
        {"N\xe1\xbb", "N", NAME_OTHER},
        {"-", ".", NAME_OTHER},
        {"1234", "1243", NAME_OTHER},
    };
    EXPECT_ALL(PAIRS);
}

static void fill(char *text, const char *with, size_t times) {
    size_t n = strlen(with);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * n, with, n);
    text[n * times] = '\0';
}

// Longer than anybody's name: compared as far as case, and never crashing or slow.
static void test_endless(void **state) {
    static char said[50000], stored[50000];
    static const char *const WITH[] = {"a", "ậ", "a ", "Thị ", "\u0301", "a\u0301\u0302", "\xff", "đ\u200d", "hoà "};
    for (size_t i = 0; i < sizeof WITH / sizeof *WITH; i++)
        for (size_t times = 1; times * strlen(WITH[i]) < 5000; times = times * 2 + 1) {
            fill(said, WITH[i], times);
            name_compare(said, "Nguyễn Thị Hoà");
            name_compare("Nguyễn Thị Hoà", said);
            for (size_t j = 0; j < sizeof WITH / sizeof *WITH; j++) {
                fill(stored, WITH[j], times);
                unsigned found = name_compare(said, stored);
                assert_true((found == 0) == (i == j));
            }
        }
    fill(said, "Ậ", NAME_LETTERS_MAX);
    fill(stored, "a", NAME_LETTERS_MAX);
    expect(stored, said, NAME_ACCENTS);
    fill(said, "Ậ", NAME_LETTERS_MAX + 1);
    fill(stored, "a", NAME_LETTERS_MAX + 1);
    expect(stored, said, NAME_OTHER);
    fill(stored, "ậ", NAME_LETTERS_MAX + 1);
    expect(stored, said, NAME_CASE);
    fill(said, "Ạ ", NAME_WORDS_MAX);
    fill(stored, "a ", NAME_WORDS_MAX);
    expect(stored, said, NAME_ACCENTS);
    fill(said, "Ạ ", NAME_WORDS_MAX + 1);
    fill(stored, "a ", NAME_WORDS_MAX + 1);
    expect(stored, said, NAME_SIMILAR);
}

// ---- one canonical form -------------------------------------------------------------------------------------------

static const char *const SYLLABLES[][2] = {
    // the tone on the first letter, and on the second
    {"Hòa", "Hoà"},   {"Hóa", "Hoá"},   {"Hỏa", "Hoả"}, {"Thõa", "Thoã"}, {"Họa", "Hoạ"},
    {"Khóe", "Khoé"}, {"Khỏe", "Khoẻ"}, {"Xòe", "Xoè"}, {"Thùy", "Thuỳ"}, {"Thúy", "Thuý"},
    {"Thủy", "Thuỷ"}, {"Lũy", "Luỹ"},   {"Tụy", "Tuỵ"}, {"Úy", "Uý"},
};

static void rewrite(const char *text, utf8proc_option_t form, char *out, size_t size) {
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t n = utf8proc_map((const uint8_t *)text, 0, &made, form | UTF8PROC_STABLE | UTF8PROC_NULLTERM);
    assert_true(n >= 0 && (size_t)n < size);
    memcpy(out, made, (size_t)n + 1);
    free(made);
}

static void test_every_writing_is_one_name(void **state) {
    for (size_t i = 0; i < sizeof SYLLABLES / sizeof *SYLLABLES; i++) {
        char names[4][128], folded[128], other[128];
        for (size_t place = 0; place < 2; place++) {
            char name[128];
            snprintf(name, sizeof name, "Đặng Thị %s Phượng", SYLLABLES[i][place]);
            rewrite(name, UTF8PROC_COMPOSE, names[2 * place], sizeof names[0]);
            rewrite(name, UTF8PROC_DECOMPOSE, names[2 * place + 1], sizeof names[0]);
        }
        assert_true(text_fold_accents(names[0], folded, sizeof folded) != (size_t)-1);
        for (size_t a = 0; a < 4; a++) {
            text_fold_accents(names[a], other, sizeof other);
            assert_string_equal(other, folded); // what is stored beside the citizen
            for (size_t b = 0; b < 4; b++)
                expect(names[a], names[b], a == b ? 0 : a / 2 == b / 2 ? NAME_CASE : NAME_TONE);
        }
    }
}

static void test_same_but_accents(void **state) {
    assert_true(name_same_but_accents("NGUYEN VAN AN", "Nguyễn Văn Ân"));
    assert_true(name_same_but_accents("Ân", "An"));
    assert_false(name_same_but_accents("An", "Anh"));
    assert_false(name_same_but_accents("\xff", "\xff"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_name),
        cmocka_unit_test(test_tone_moves_nowhere_else),
        cmocka_unit_test(test_accents_lost),
        cmocka_unit_test(test_middle),
        cmocka_unit_test(test_order_spaces_spelling),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_similar),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_every_writing_is_one_name),
        cmocka_unit_test(test_same_but_accents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
