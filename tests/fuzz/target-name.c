// SPDX-License-Identifier: Apache-2.0
//
// Two texts as people write them, apart by a 0 byte: folding, comparing, masking, dates and cells of foreign lists.
// Folding a folded text changes nothing, a name equals itself, and who is compared with whom does not matter where it
// must not.
#include "broker/match/canon.h"
#include "broker/name.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include "proto/base/unsaid.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#define MUCH ((size_t)256 * 1024)

typedef size_t Fold(const char *text, char *out, size_t out_bytes);

static void check_fold(Fold *fold, const char *text) {
    static char once[MUCH], twice[MUCH];
    size_t n = fold(text, once, sizeof once);
    if (n == (size_t)-1)
        return;
    FUZZ_ASSERT(once[n] == 0 && text_is_utf8(once, n));
    FUZZ_ASSERT(fold(once, twice, sizeof twice) == n && memcmp(once, twice, n) == 0);
    char small[16];
    size_t fits = fold(text, small, sizeof small);
    FUZZ_ASSERT(fits == (size_t)-1 || (fits == n && memcmp(small, once, n) == 0));
}

static void check_text(const char *text, size_t n) {
    char masked[TEXT_MASK_BYTES], name[64], cut[128];
    check_fold(text_fold_case, text);
    check_fold(text_fold_accents, text);
    FUZZ_ASSERT(!text_is_clean(text, n) || text_is_utf8(text, n));
    FUZZ_ASSERT(!text_is_utf8(text, n) || text_is_same(text, text));
    const char *trimmed = text;
    size_t trimmed_n = n;
    text_trim(&trimmed, &trimmed_n);
    FUZZ_ASSERT(trimmed >= text && trimmed + trimmed_n <= text + n);
    text_mask_number(text, masked);
    text_mask_name(text, name, sizeof name);
    FUZZ_ASSERT(text_is_utf8(name, strlen(name)) || !text_is_utf8(text, n));
    snprintf(cut, sizeof cut, "%s", text);
    text_cut(cut, 100);
    FUZZ_ASSERT(strlen(cut) <= 100);
    text_make_visible(cut);
    FUZZ_ASSERT(text_is_clean(cut, strlen(cut)));
    (void)unsaid_is_word(text);
    (void)unsaid_is_name(text);
    (void)unsaid_is_date(text);
}

static void check_dates(const char *text, const char *format) {
    Date date, again;
    int64_t us;
    bool assumed;
    if (date_parse(text, &date) == 0) {
        char written[DATE_TEXT_BYTES];
        date_format(date, written);
        FUZZ_ASSERT(date_parse(written, &again) == 0 && date_compare(date, again) == 0);
    }
    if (clock_parse_us(text, &us) == 0) {
        char written[CLOCK_TEXT_BYTES];
        int64_t read;
        clock_format_us(us, written);
        FUZZ_ASSERT(clock_parse_us(written, &read) == 0 && read == us);
    }
    (void)clock_parse_said_us(text, &us, &assumed);
    Canon canon, once;
    canon_part(text, &canon);
    canon_part(canon.text, &once);
    FUZZ_ASSERT(strcmp(canon.text, once.text) == 0);
    canon_words(text, &canon);
    canon_words(canon.text, &once);
    FUZZ_ASSERT(strcmp(canon.text, once.text) == 0);
    canon_date(text, NULL, &canon);
    canon_date(text, format, &canon);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    FuzzInput input = {data, data + n};
    size_t a_n, b_n;
    const char *a = fuzz_text(&input, 0, &a_n), *b = fuzz_text(&input, 1, &b_n);
    check_text(a, a_n);
    check_dates(a, b);
    unsigned forth = name_compare(a, b), back = name_compare(b, a);
    FUZZ_ASSERT((name_compare(a, a) | NAME_EMPTY) == NAME_EMPTY);
    FUZZ_ASSERT((forth == 0) == (back == 0) && (forth != 0 || strcmp(a, b) == 0));
    FUZZ_ASSERT((forth & NAME_EQUAL) == forth ? (back & NAME_EQUAL) == back : 1);
    FUZZ_ASSERT(name_same_but_accents(a, b) == name_same_but_accents(b, a));
    FUZZ_ASSERT(text_is_same(a, b) == text_is_same(b, a));
    return 0;
}

void fuzz_seeds(void) {
    static const char *const PAIRS[][2] = {{"Nguyễn Văn An", "NGUYEN VAN AN"},
                                           {"Hoà Bình", "Hòa Bình"},
                                           {"Lý Thị Hoa", "Lí Hoa"},
                                           {"Đặng Thuỳ", "Ðặng Thùy"},
                                           {"An Nguyễn", "Nguyễn  An "},
                                           {"2022-03-01", "DD/MM/YYYY"},
                                           {"1/3/22", "%d/%m/%y"},
                                           {"2022-03-01T08:00:00+07:00", ""},
                                           {"không rõ", "N/A"},
                                           {"Nguye\xcc\x82\xcc\x83n", "Nguyễn"},
                                           {"NguyenVanAn", "Nguyễn Văn An"}};
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        Bytes out = {0};
        char name[16];
        bytes_append(&out, PAIRS[i][0], strlen(PAIRS[i][0]) + 1);
        bytes_append_text(&out, PAIRS[i][1]);
        snprintf(name, sizeof name, "pair-%zu", i);
        fuzz_seed(name, out.data, out.n);
        bytes_free(&out);
    }
}
