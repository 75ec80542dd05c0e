// SPDX-License-Identifier: Apache-2.0
//
// Words are held folded and without what stands between their letters, so that "Không rõ", "KHONG RO" and "khong-ro"
// are one.
#include "proto/base/unsaid.h"
#include "proto/base/text.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#define WORD_BYTES 64

static const char *const WORDS[] = {
    "nan",          "nat",          "null",        "none",         "nil",    "unknown",   "notknown", "missing",
    "undefined",    "notavailable", "khongro",     "koro",         "chuaro", "khongbiet", "chuabiet", "khongcothongtin",
    "khongxacdinh", "chuaxacdinh",  "chuacapnhat", "notapplicable"};
// Also a name, or a part of one.
static const char *const SHORT_WORDS[] = {"na", "nd", "kr", "kro", "ko", "khong", "khongco", "chuaco", "trong"};

static bool is_among(const char *bare, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(bare, words[i]) == 0)
            return true;
    return false;
}

bool unsaid_is_word(const char *bare) {
    return is_among(bare, WORDS, sizeof WORDS / sizeof *WORDS);
}

static bool is_letter_or_digit(int32_t letter) {
    utf8proc_category_t category = utf8proc_category(letter);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

// In place.
static void leave_letters(char *folded) {
    const uint8_t *at = (const uint8_t *)folded, *end = at + strlen(folded);
    char *out = folded;
    for (utf8proc_ssize_t n; at < end; at += n) {
        utf8proc_int32_t letter;
        n = utf8proc_iterate(at, end - at, &letter);
        if (n <= 0)
            break; // folding gives none such
        if (!is_letter_or_digit(letter))
            continue;
        memmove(out, at, (size_t)n);
        out += n;
    }
    *out = '\0';
}

bool unsaid_is_name(const char *text) {
    char bare[WORD_BYTES];
    if (text_fold_accents(text, bare, sizeof bare) == (size_t)-1)
        return false; // longer than any of the words
    leave_letters(bare);
    return bare[0] == '\0' || unsaid_is_word(bare);
}

bool unsaid_is_date(const char *text) {
    char bare[WORD_BYTES];
    if (text_fold_accents(text, bare, sizeof bare) == (size_t)-1)
        return false;
    leave_letters(bare);
    return bare[strspn(bare, "0")] == '\0' || bare[strspn(bare, "x")] == '\0' || unsaid_is_word(bare) ||
           is_among(bare, SHORT_WORDS, sizeof SHORT_WORDS / sizeof *SHORT_WORDS);
}
