// SPDX-License-Identifier: Apache-2.0
//
// What Vietnamese can be spelt like, in every normal form and case, and what it cannot.
#include "agents/syllable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <utf8proc.h>

static SyllableCount count_of(const char *text, bool case_lost) {
    SyllableCount count = {.marked = 0};
    assert_int_equal(syllable_count(text, strlen(text), case_lost, &count), 0);
    return count;
}

static const char NAMES[] =
    "Nguyễn Trần Lê Phạm Hoàng Vũ Bùi Đỗ Võ Huỳnh Đặng Trương Ngô Hồ Dương Đinh Đào Trịnh Đoàn Lý Lương Lưu Hà Tạ Phùng "
    "Lâm Thái Tô Nông Quách Vương Kiều Từ Hứa Tống Lã Thạch Đàm Diệp Triệu Mạc Doãn Khổng Nghiêm Thân Âu Văn Thị Ngọc "
    "Quốc Đức Hữu Xuân Thành Đình Tấn Tuấn Công Thế Hồng Trọng Tiến Mạnh Nhật Việt Chí Hải Phước Đăng Bá Bảo Viết Khánh "
    "Khắc Trường Vĩnh Phú Phúc Thiên Đại Mỹ Thúy Thuý Thùy Bích Diễm Tuyết Cẩm Quỳnh Như Yến Ánh Thảo Trúc Diệu Huyền Vân "
    "Tường Hiếu Dũng Đạt Cường Hùng Tùng Sơn Tâm Thắng Thịnh Hưng Quân Tài Trí Toàn Nghĩa Nhân Tú Lộc Tín Thiện Phát "
    "Thông Hòa Hoà Kiên Luân Lực Đông Hậu Quý Quyền Thuận Khôi Kỳ Bách Chiến Thủy Hương Hiền Hằng Hạnh Quyên Quyết Trâm "
    "Ngân Liên Phượng Huệ Thương Thơ Tuyền Giàu Giỏi Gìn Giếng Yên Yêu Ý Oánh Uyển Khuê Thuở Xoài Loan Nguyệt Khuya "
    "Đắk Lắk Hoạch Huỷ Quới Ở Ê Ưng Ước Ngoẹo Boong Soóc";

static void test_names_read_well(void **state) {
    SyllableCount count = count_of(NAMES, false);
    assert_int_equal(count.good, count.marked);
    assert_true(count.marked > 120);
    assert_int_equal(count.n_distinct, SYLLABLE_DISTINCT_MAX);
    utf8proc_uint8_t *apart = utf8proc_NFD((const utf8proc_uint8_t *)NAMES);
    SyllableCount same = count_of((const char *)apart, false);
    assert_int_equal(same.marked, count.marked);
    assert_int_equal(same.good, count.good);
    free(apart);
}

static void test_what_is_none(void **state) {
    static const char *const NONE[] = {"Nguyeãn", "Nguyeón", "Nguyeăn", "cạp1ắ", "bưc", "tòc", "thềch",  "José",
                                       "Zoé",     "NguyỄn",  "vẼn",     "ếế",    "đ",   "ngh́", "Nguyễnn"};
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++) {
        SyllableCount count = count_of(NONE[i], false);
        if (count.marked == 0 || syllable_reads_well(&count))
            fail_msg("%s reads well", NONE[i]);
    }
    static const char *const ODD[] = {"V¨n", "thÞ", "Hän", "日本", "¤"};
    for (size_t i = 0; i < sizeof ODD / sizeof *ODD; i++) {
        SyllableCount count = count_of(ODD[i], false);
        assert_int_equal(count.odd, i == 3 ? 2 : 1);
        assert_false(syllable_reads_well(&count));
    }
}

static void test_case(void **state) {
    SyllableCount upper = count_of("NGUYỄN ĐỨC", false), lost = count_of("NGUYễN ĐứC VĂN Lễ ÁNH", true);
    assert_int_equal(upper.good, 2);
    assert_int_equal(lost.good, 5);
    assert_int_equal(count_of("NGUYễN", false).good, 0);
    assert_int_equal(count_of("nguyỄn", true).good, 0);
}

static void test_knows_words_of_names(void **state) {
    SyllableCount count = count_of("Nguyễn Thị Ngọc Loát, NGUYỄN Phước Nữ; Lờ Vồn", false);
    assert_int_equal(count.familiar, 5);
    assert_int_equal(count.good, 9);
}

static void test_words_without_accents_tell_nothing(void **state) {
    SyllableCount count = count_of("Le Thanh Xwz 12-34, “An” – 5 m²…", false);
    assert_int_equal(count.marked, 0);
    assert_int_equal(count.odd, 0);
    assert_false(syllable_reads_well(&count));
}

static void test_not_utf8_is_told(void **state) {
    static const char *const BAD[] = {"Nguy\xC3", "\xFF", "\xE1\xBB", "a\x80"};
    SyllableCount count = {.marked = 0};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(syllable_count(BAD[i], strlen(BAD[i]), true, &count), 1);
    assert_int_equal(syllable_count("", 0, true, &count), 0);
    // A word without end.
    char *word = malloc(100000);
    memset(word, 'a', 100000);
    memcpy(word + 50000, "ế", 3);
    assert_int_equal(syllable_count(word, 100000, true, &count), 0);
    assert_int_equal(count.good, 0);
    free(word);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_read_well),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_words_without_accents_tell_nothing),
        cmocka_unit_test(test_not_utf8_is_told),
        cmocka_unit_test(test_knows_words_of_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
