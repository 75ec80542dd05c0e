// SPDX-License-Identifier: Apache-2.0
//
// Which encoding is found for files of made-up names in each of them: right or unclear, and never wrong and sure.
#include "agents/detect.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <utf8proc.h>

static const char *const SURNAMES[] = {"Nguyễn", "Trần", "Lê",  "Phạm",  "Hoàng", "Vũ",    "Bùi",  "Đỗ",
                                       "Huỳnh",  "Đặng", "Ngô", "Dương", "Đào",   "Trịnh", "Lý",   "Mai",
                                       "Lương",  "Lưu",  "Tạ",  "Phùng", "Quách", "Vương", "Kiều", "Hứa"};
static const char *const MIDDLES[] = {"Văn",  "Thị",  "Ngọc", "Quốc", "Đức",   "Hữu",  "Xuân", "Đình",
                                      "Công", "Thế",  "Hồng", "Mạnh", "Minh",  "Kim",  "Bích", "Tuyết",
                                      "Cẩm",  "Khắc", "Bá",   "Vĩnh", "Phước", "Diệu", "Gia",  "Thuỳ"};
static const char *const GIVENS[] = {"Anh",  "Tuấn", "Dũng",  "Đạt",   "Cường", "Hùng", "Sơn",    "Hải",
                                     "Tiến", "Phúc", "Thắng", "Nghĩa", "Bình",  "Tú",   "Lộc",    "Thiện",
                                     "Hòa",  "Quý",  "Kỳ",    "Thủy",  "Hương", "Ngân", "Phượng", "Huệ",
                                     "Mỹ",   "Yến",  "Loan",  "Nhung", "Uyên",  "Hậu",  "Nữ",     "Giỏi"};
#define PICK(table) table[roll() % (sizeof table / sizeof *table)]

static uint32_t dice;
static Detect *detect;
static Arena *arena;

static uint32_t roll(void) {
    dice = dice * 1664525 + 1013904223;
    return dice >> 16;
}

static int setup(void **state) {
    return detect_new(&detect) < 0 || arena_new(&arena, 1 << 22) < 0 ? -1 : 0;
}

static int teardown(void **state) {
    detect_destroy(&detect);
    arena_destroy(&arena);
    return 0;
}

static void change_letters(const char *text, utf8proc_int32_t (*change)(utf8proc_int32_t), char *out) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    size_t used = 0;
    while (*at) {
        utf8proc_int32_t letter;
        at += utf8proc_iterate(at, -1, &letter);
        used += (size_t)utf8proc_encode_char(change(letter), (utf8proc_uint8_t *)out + used);
    }
    out[used] = 0;
}

// A made-up name, sometimes in capitals.
static void name_draw(char *out, size_t size) {
    const char *surname = PICK(SURNAMES), *middle = PICK(MIDDLES), *given = PICK(GIVENS);
    snprintf(out, size, "%s %s %s", surname, middle, given);
    if (roll() % 16 != 0)
        return;
    char text[128];
    snprintf(text, sizeof text, "%s", out);
    change_letters(text, utf8proc_toupper, out);
}

// As the fonts of TCVN3 were used: no capital with a tone but in the capitals' font, in which it is a small letter.
static utf8proc_int32_t lose_case(utf8proc_int32_t letter) {
    char self[8] = "";
    utf8proc_encode_char(letter, (utf8proc_uint8_t *)self);
    return letter > 0x80 && strstr("ĂÂÊÔƠƯĐ", self) == NULL ? utf8proc_tolower(letter) : letter;
}

static const char *encoded(int candidate, const char *text) {
    char lost[256];
    MapText bytes;
    if (strncmp(detect_name(candidate), "TCVN3", 5) == 0)
        change_letters(text, lose_case, lost);
    else
        snprintf(lost, sizeof lost, "%s", text);
    MapText said = {lost, strlen(lost)};
    assert_int_equal(encoding_restore(detect_encoding(detect, candidate), &said, arena, &bytes), 0);
    return bytes.text == lost ? arena_strndup(arena, lost, strlen(lost)) : bytes.text;
}

static char file[1 << 20];
static size_t file_bytes;

static void file_begin(void) {
    arena_reset(arena);
    file_bytes = (size_t)snprintf(file, sizeof file, "id,name,born\n");
}

static void file_add(int candidate, int n) {
    for (int i = 0; i < n; i++) {
        char name[256];
        name_draw(name, sizeof name);
        file_bytes += (size_t)snprintf(file + file_bytes, sizeof file - file_bytes, "%d,%s,1980-01-02\n", i,
                                       encoded(candidate, name));
    }
}

static Detection found(void) {
    Detection ret;
    assert_int_equal(detect_file(detect, file, file_bytes, true, &ret), 0);
    return ret;
}

static void test_one_canonical_form(void **state) {
    dice = 7;
    for (int i = 0; i < 2000; i++) {
        char name[256], expected[256], got[256];
        arena_reset(arena);
        name_draw(name, sizeof name);
        text_fold_case(name, expected, sizeof expected);
        for (int k = 0; k < DETECT_CANDIDATES; k++) {
            const char *bytes = encoded(k, name);
            MapText back;
            assert_int_equal(
                encoding_convert(detect_encoding(detect, k), &(MapText){bytes, strlen(bytes)}, arena, &back), 0);
            text_fold_case(back.text, got, sizeof got);
            assert_string_equal(got, expected);
        }
        MapText back;
        char *apart = (char *)utf8proc_NFD((const utf8proc_uint8_t *)name);
        assert_int_equal(encoding_convert(detect_encoding(detect, 0), &(MapText){apart, strlen(apart)}, arena, &back),
                         0);
        assert_string_equal(back.text, name);
        text_fold_case(apart, got, sizeof got);
        assert_string_equal(got, expected);
        free(apart);
    }
}

// For every encoding, files of a few rows and of many: how often it is found, unclear, or taken for another one.
static void test_confusion(void **state) {
    static const struct {
        int rows, sure_percent; // how many of the files must be found
    } SIZES[] = {{1, 40}, {3, 85}, {10, 99}, {100, 100}};
    enum { FILES = 200 };
    dice = 11;
    for (size_t size = 0; size < sizeof SIZES / sizeof *SIZES; size++) {
        for (int truth = 0; truth < DETECT_CANDIDATES; truth++) {
            int sure = 0, least = 100;
            for (int i = 0; i < FILES; i++) {
                file_begin();
                file_add(truth, SIZES[size].rows);
                Detection ret = found();
                if (ret.confidence < DETECT_CONFIDENCE_MIN)
                    continue;
                if (ret.best != truth && ret.rows > 0)
                    fail_msg("%d rows in %s were taken for %s: %s", SIZES[size].rows, detect_name(truth),
                             detect_name(ret.best), file);
                least = ret.confidence < least ? ret.confidence : least;
                sure++;
            }
            print_message("%3d rows in %-10s found in %3d of %d files, least confidence %d\n", SIZES[size].rows,
                          detect_name(truth), sure, FILES, least);
            assert_true(sure * 100 >= FILES * SIZES[size].sure_percent);
        }
    }
}

static void test_ascii_fits_all(void **state) {
    file_begin();
    Detection ret = found();
    assert_int_equal(ret.rows, 0);
    assert_int_equal(ret.confidence, 100);
    assert_int_equal(detect_file(detect, "", 0, true, &ret), 0);
    assert_int_equal(ret.rows, 0);
}

// Half of it in one and half in another is not guessed; a few odd rows do not hide what the file is.
static void test_mixed_files(void **state) {
    dice = 5;
    for (int a = 0; a < DETECT_CANDIDATES; a++) {
        int b = (a + 2) % DETECT_CANDIDATES;
        file_begin();
        file_add(a, 20);
        file_add(b, 20);
        assert_true(found().confidence < DETECT_CONFIDENCE_MIN);
        file_begin();
        file_add(b, 2);
        file_add(a, 40);
        Detection ret = found();
        assert_int_equal(ret.best, a);
        assert_true(ret.confidence >= DETECT_CONFIDENCE_MIN);
    }
}

// One word over and over is no proof of an encoding, however well it reads.
static void test_one_word_is_no_proof(void **state) {
    file_begin();
    for (int i = 0; i < 50; i++)
        file_bytes += (size_t)snprintf(file + file_bytes, sizeof file - file_bytes, "%d,Le An,N\xF6\xF5\n", i);
    Detection ret = found();
    assert_int_equal(ret.n_best, 50);
    assert_int_equal(ret.n_next, 0);
    assert_true(ret.confidence < DETECT_CONFIDENCE_MIN);
}

// Valid UTF-8 is UTF-8 whatever its language, and bytes of no encoding that we know are not guessed.
static void test_other_languages(void **state) {
    Detection ret;
    static const char OTHERS[] = "id,name\n1,José\n2,Müller\n3,北京\n4,H'Đê Bkrông\n";
    assert_int_equal(detect_file(detect, OTHERS, strlen(OTHERS), true, &ret), 0);
    assert_int_equal(ret.best, 0);
    assert_true(ret.confidence >= DETECT_CONFIDENCE_MIN);
    static const char LATIN[] = "1,Jos\xE9\n2,M\xFCller\n3,Ren\xE9 Fran\xE7ois\n";
    assert_int_equal(detect_file(detect, LATIN, strlen(LATIN), true, &ret), 0);
    assert_true(ret.confidence < DETECT_CONFIDENCE_MIN);
}

static void test_hostile_bytes(void **state) {
    Detection ret;
    dice = 3;
    for (int round = 0; round < 300; round++) {
        size_t n = 4096;
        char *data = malloc(n);
        for (size_t i = 0; i < n; i++)
            data[i] = (char)(roll() >> 8);
        assert_int_equal(detect_file(detect, data, n, round & 1, &ret), 0);
        assert_true(ret.confidence < DETECT_CONFIDENCE_MIN || ret.rows == 0);
        free(data);
    }
    // One line without end, and a letter cut in two where the file ends and where reading does.
    char *line = malloc(1 << 20);
    memset(line, 0xE1, 1 << 20);
    assert_int_equal(detect_file(detect, line, 1 << 20, true, &ret), 0);
    assert_int_equal(ret.rows, 0);
    free(line);
    static const char CUT[] = "1,Nguyễn\n2,Trần\n3,Ph\xE1\xBA";
    assert_int_equal(detect_file(detect, CUT, strlen(CUT), true, &ret), 0);
    assert_int_equal(ret.rows, 3);
    assert_int_equal(ret.best, 0);
    assert_int_equal(detect_file(detect, CUT, strlen(CUT), false, &ret), 0);
    assert_int_equal(ret.rows, 2);
    assert_int_equal(ret.confidence, 100);
}

static DetectOthers others_of(int own, const MapText *texts, int n) {
    DetectRow row = {.texts = texts, .n = n};
    DetectOthers others;
    row.decodes = detect_read(detect_encoding(detect, own), &row, arena, &row.count) == 0;
    assert_int_equal(detect_others(detect, detect_encoding(detect, own), &row, &others), 0);
    return others;
}

static void test_rows_of_other_encodings(void **state) {
    for (int own = 0; own < DETECT_CANDIDATES; own++) {
        for (int other = 0; other < DETECT_CANDIDATES; other++) {
            arena_reset(arena);
            const char *bytes = encoded(other, "Nguyễn Thị Phượng");
            DetectOthers others = others_of(own, &(MapText){bytes, strlen(bytes)}, 1);
            assert_int_equal(others.n, own != other);
            assert_string_equal(others.names, own == other ? "" : detect_name(other));
        }
    }
}

// How many rows of names pass in a file of another encoding, by pairs; and none is refused in its own.
static void test_rows_that_pass(void **state) {
    enum { ROWS = 1000 };
    dice = 13;
    for (int own = 0; own < DETECT_CANDIDATES; own++) {
        for (int other = 0; other < DETECT_CANDIDATES; other++) {
            int passed = 0;
            for (int i = 0; i < ROWS; i++) {
                char name[256];
                arena_reset(arena);
                name_draw(name, sizeof name);
                const char *bytes = encoded(other, name);
                passed += others_of(own, &(MapText){bytes, strlen(bytes)}, 1).n == 0;
            }
            if (own == other)
                assert_int_equal(passed, ROWS);
            else
                assert_in_range(passed, 0, ROWS * 8 / 100);
        }
    }
}

// One foreign name is no row in another encoding.
static void test_foreign_rows_stay(void **state) {
    static const MapText NAMES[] = {{"Hän", 4}, {"Bjørn", 6}, {NULL, 0}};
    assert_int_equal(others_of(0, NAMES, 3).n, 0);
    // UTF-8 in a file of one byte a letter speaks for itself, in whatever language.
    assert_string_equal(others_of(1, NAMES, 3).names, "UTF-8");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_canonical_form),   cmocka_unit_test(test_confusion),
        cmocka_unit_test(test_ascii_fits_all),       cmocka_unit_test(test_mixed_files),
        cmocka_unit_test(test_one_word_is_no_proof), cmocka_unit_test(test_other_languages),
        cmocka_unit_test(test_hostile_bytes),        cmocka_unit_test(test_rows_of_other_encodings),
        cmocka_unit_test(test_rows_that_pass),       cmocka_unit_test(test_foreign_rows_stay),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
