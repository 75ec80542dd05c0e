// SPDX-License-Identifier: Apache-2.0
//
// Folding has two ways to one result: letters of the Vietnamese alphabet in their composed forms, which nearly every
// name consists of, go by a table; a text with anything else goes through utf8proc as a whole. Folds no i/y spellings
// and no tone placement: those are differences to report (broker's business), not to lose.
#include "proto/base/text.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

// Letters of a text that needs utf8proc. A text of TEXT_BYTES_MAX never decomposes into more.
#define FOLD_LETTERS_MAX 4096
#define FOLD_FAILED ((size_t)-1)

bool text_is_utf8(const char *text, size_t n) {
    const uint8_t *at = (const uint8_t *)text, *end = at + n;
    while (at < end) {
        utf8proc_int32_t letter;
        utf8proc_ssize_t taken = *at < 0x80 ? 1 : utf8proc_iterate(at, end - at, &letter);
        if (taken <= 0)
            return false;
        at += taken;
    }
    return true;
}

bool text_is_clean(const char *text, size_t n) {
    const uint8_t *at = (const uint8_t *)text, *end = at + n;
    while (at < end) {
        if (*at < 0x80) {
            if (*at < 0x20 || *at == 0x7F)
                return false;
            at++;
            continue;
        }
        utf8proc_int32_t letter;
        utf8proc_ssize_t taken = utf8proc_iterate(at, end - at, &letter);
        if (taken <= 0 || letter < 0xA0)
            return false;
        at += taken;
    }
    return true;
}

// Those up to U+036F begin with 0xCC and 0xCD.
bool text_has_marks(const char *text, size_t n) {
    return memchr(text, 0xCC, n) != NULL || memchr(text, 0xCD, n) != NULL;
}

bool text_is_same(const char *a, const char *b) {
    size_t n = 0;
    while (a[n] != 0 && a[n] == b[n])
        n++;
    if (a[n] == b[n])
        return true;
    // ASCII has no other form.
    if ((uint8_t)a[n] < 0x80 && (uint8_t)b[n] < 0x80)
        return false;
    if (!text_has_marks(a, strlen(a)) && !text_has_marks(b, strlen(b)))
        return false;
    utf8proc_uint8_t *one = utf8proc_NFC((const utf8proc_uint8_t *)a),
                     *other = utf8proc_NFC((const utf8proc_uint8_t *)b);
    bool same = one != NULL && other != NULL && strcmp((char *)one, (char *)other) == 0;
    free(one);
    free(other);
    return same;
}

static inline bool is_ascii_space(int32_t letter) {
    return letter == ' ' || (letter >= '\t' && letter <= '\r');
}

static bool is_space(int32_t letter) {
    if (letter < 0x80)
        return is_ascii_space(letter);
    utf8proc_category_t category = utf8proc_category(letter);
    return letter == 0x85 || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

// What spreadsheets and web pages leave around a value: zero-width spaces and byte order marks, too.
static bool is_around(int32_t letter) {
    return is_space(letter) || letter == 0x200B || letter == 0xFEFF;
}

void text_trim(const char **text, size_t *n) {
    const uint8_t *at = (const uint8_t *)*text, *end = at + *n;
    utf8proc_int32_t letter;
    utf8proc_ssize_t taken;
    while (at < end && (taken = utf8proc_iterate(at, end - at, &letter)) > 0 && is_around(letter))
        at += taken;
    while (at < end) {
        const uint8_t *last = end - 1;
        while (last > at && end - last < 4 && (*last & 0xC0) == 0x80)
            last--;
        if (utf8proc_iterate(last, end - last, &letter) != end - last || !is_around(letter))
            break;
        end = last;
    }
    *text = (const char *)at;
    *n = (size_t)(end - at);
}

void text_cut(char *text, size_t n_max) {
    size_t n = strnlen(text, n_max), start = n;
    while (start > 0 && n - start < 3 && ((uint8_t)text[start - 1] & 0xC0) == 0x80)
        start--;
    uint8_t lead = start > 0 ? (uint8_t)text[start - 1] : 0;
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    text[lead >= 0xC0 && n - start + 1 < want ? start - 1 : n] = '\0';
}

bool text_is_hidden(int32_t letter) {
    if (letter < 0xA0)
        return letter < 0x20 || letter >= 0x7F;
    utf8proc_category_t category = utf8proc_category(letter);
    return category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

void text_make_visible(char *text) {
    uint8_t *at = (uint8_t *)text, *end = at + strlen(text);
    while (at < end) {
        utf8proc_int32_t letter;
        utf8proc_ssize_t n = utf8proc_iterate(at, end - at, &letter);
        if (n <= 0 || text_is_hidden(letter))
            memset(at, '?', n > 0 ? (size_t)n : 1);
        at += n > 0 ? n : 1;
    }
}

// What is being written. Spaces wait until a letter follows, so that runs shrink and none is left at the end.
typedef struct Fold {
    char *out;
    size_t n, size;
    bool space;
    bool full;
} Fold;

static inline void put(Fold *fold, const uint8_t *bytes, size_t n) {
    bool space = fold->space && fold->n > 0;
    if (n + space >= fold->size - fold->n) { // one byte stays for the 0
        fold->full = true;
        return;
    }
    if (space)
        fold->out[fold->n++] = ' ';
    fold->space = false;
    for (size_t i = 0; i < n; i++)
        fold->out[fold->n++] = (char)bytes[i];
}

static inline void put_letter(Fold *fold, int32_t letter) {
    uint8_t bytes[4];
    if (letter < 0x80) {
        bytes[0] = (uint8_t)letter;
        put(fold, bytes, 1);
        return;
    }
    put(fold, bytes, (size_t)utf8proc_encode_char(letter, bytes));
}

static size_t finish(Fold *fold) {
    if (fold->full)
        return FOLD_FAILED;
    fold->out[fold->n] = '\0';
    return fold->n;
}

// À to ß as À-letters' bases; '.' has no base and is left to utf8proc.
static const char latin1_bases[] = "aaaaaa.ceeeeiiiidnooooo..uuuuy..";

// The lower-case letter and its base, for ASCII and composed Vietnamese (all of which NFC leaves alone). False for
// any other letter.
static inline bool fold_vietnamese(int32_t letter, int32_t *lower, int32_t *base) {
    if (letter < 0x80) {
        *lower = *base = letter >= 'A' && letter <= 'Z' ? letter + 32 : letter;
        return true;
    }
    if (letter >= 0x1EA0 && letter <= 0x1EF9) { // Ạ to ỹ, capital and small in turn
        *lower = letter | 1;
        *base = letter < 0x1EB8   ? 'a'
                : letter < 0x1EC8 ? 'e'
                : letter < 0x1ECC ? 'i'
                : letter < 0x1EE4 ? 'o'
                : letter < 0x1EF2 ? 'u'
                                  : 'y';
        return true;
    }
    if (letter >= 0xC0 && letter <= 0xFE) {
        *lower = letter | 0x20;
        *base = latin1_bases[letter & 0x1F];
        return *base != '.';
    }
    switch (letter | 1) {
    case 0x103: // ă
        *lower = 0x103;
        *base = 'a';
        return true;
    case 0x111: // đ
        *lower = 0x111;
        *base = 'd';
        return true;
    case 0x129: // ĩ
        *lower = 0x129;
        *base = 'i';
        return true;
    case 0x169: // ũ
        *lower = 0x169;
        *base = 'u';
        return true;
    case 0x1A1: // ơ
        *lower = 0x1A1;
        *base = 'o';
        return true;
    default:
        break;
    }
    *lower = 0x1B0; // ư, whose capital is odd
    *base = 'u';
    return letter == 0x1AF || letter == 0x1B0;
}

// One letter of two or three bytes, or 0: the careful decoder will say what it is.
static inline int32_t take_short(const uint8_t **at) {
    const uint8_t *p = *at;
    if (p[0] >= 0xC3 && p[0] <= 0xC6 && (p[1] & 0xC0) == 0x80) {
        *at = p + 2;
        return (p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    }
    if (p[0] == 0xE1 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
        *at = p + 3;
        return 0x1000 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    }
    return 0;
}

// False when the text has a letter that is not in the table: nothing is decided then.
static bool fold_by_table(const char *text, Fold *fold, bool accents) {
    const uint8_t *at = (const uint8_t *)text;
    while (*at) {
        int32_t letter = *at, lower, base;
        if (letter < 0x80)
            at++;
        else if ((letter = take_short(&at)) == 0)
            return false;
        if (is_ascii_space(letter)) {
            fold->space = true;
            continue;
        }
        if (!fold_vietnamese(letter, &lower, &base))
            return false;
        put_letter(fold, accents ? base : lower);
    }
    return true;
}

// đ, and ð and ɖ, whose capitals look like its own and are typed for it.
static bool is_d(int32_t letter) {
    return letter == 0x111 || letter == 0xF0 || letter == 0x256;
}

static bool fold_by_unicode(const char *text, Fold *fold, bool accents) {
    int32_t letters[FOLD_LETTERS_MAX];
    // IGNORE drops what is never seen (zero-width joiners, soft hyphens), as Unicode's caseless matching does.
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE | UTF8PROC_STABLE;
    if (accents)
        options |= UTF8PROC_STRIPMARK;
    utf8proc_ssize_t n =
        utf8proc_decompose((const uint8_t *)text, (utf8proc_ssize_t)strlen(text), letters, FOLD_LETTERS_MAX, options);
    if (n < 0 || n > FOLD_LETTERS_MAX)
        return false;
    n = utf8proc_normalize_utf32(letters, n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if (is_space(letters[i]))
            fold->space = true;
        else if (accents && is_d(letters[i]))
            put_letter(fold, 'd');
        else
            put_letter(fold, letters[i]);
    }
    return true;
}

static size_t fold_text(const char *text, char *out, size_t out_bytes, bool accents) {
    assert(out_bytes > 0);
    Fold fold = {.out = out, .size = out_bytes};
    if (fold_by_table(text, &fold, accents))
        return finish(&fold);
    fold = (Fold){.out = out, .size = out_bytes};
    if (fold_by_unicode(text, &fold, accents))
        return finish(&fold);
    return FOLD_FAILED;
}

size_t text_fold_case(const char *text, char *out, size_t out_bytes) {
    return fold_text(text, out, out_bytes, false);
}

size_t text_fold_accents(const char *text, char *out, size_t out_bytes) {
    return fold_text(text, out, out_bytes, true);
}

void text_mask_number(const char *number, char out[TEXT_MASK_BYTES]) {
    size_t length = strlen(number);
    size_t n = length < TEXT_MASK_BYTES - 1 ? length : TEXT_MASK_BYTES - 1;
    memset(out, '*', n);
    out[n] = '\0';
    if (length < 6)
        return;
    for (size_t i = 0; i < 3; i++)
        if (number[i] > 0x20 && number[i] < 0x7F)
            out[i] = number[i];
    for (size_t i = 1; i <= 2; i++)
        if (number[length - i] > 0x20 && number[length - i] < 0x7F)
            out[n - i] = number[length - i];
}

void text_mask_name(const char *name, char *out, size_t out_bytes) {
    assert(out_bytes > 0);
    const uint8_t *at = (const uint8_t *)name, *end = at + strlen(name);
    Fold fold = {.out = out, .size = out_bytes};
    for (bool in_word = false; at < end && !fold.full;) {
        int32_t letter;
        utf8proc_ssize_t taken = utf8proc_iterate(at, end - at, &letter);
        if (taken <= 0 || letter < 0x20 || (letter >= 0x7F && letter < 0xA0))
            letter = is_ascii_space(*at) ? ' ' : '?';
        at += taken > 0 ? taken : 1;
        if (is_space(letter)) {
            fold.space = true;
            in_word = false;
        } else if (!in_word) {
            uint8_t word[8];
            size_t n = (size_t)utf8proc_encode_char(letter, word);
            memcpy(word + n, "***", 3);
            put(&fold, word, n + 3);
            in_word = true;
        }
    }
    out[fold.n] = '\0';
}
