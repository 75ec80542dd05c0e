// SPDX-License-Identifier: Apache-2.0
//
// Folding is text_fold_accents(); bytes that are no UTF-8 are read as Latin-1, so that one bad cell costs nothing else.
#include "broker/match/canon.h"
#include "broker/match/roster.h"
#include "proto/base/text.h"
#include "proto/base/unsaid.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES 1024

// At most as much as folding can take, never cut inside a character.
static void latin1_to_utf8(const char *cell, char *out, size_t out_bytes) {
    size_t n = 0;
    for (; *cell && n + 3 < out_bytes; cell++) {
        uint8_t byte = (uint8_t)*cell;
        if (byte < 0x80) {
            out[n++] = (char)(byte < 0x20 || byte == 0x7f ? ' ' : byte);
        } else if (byte >= 0xa0) {
            out[n++] = (char)(0xc0 | byte >> 6);
            out[n++] = (char)(0x80 | (byte & 0x3f));
        }
    }
    out[n] = '\0';
}

static void fold(const char *cell, bool keep_accents, char *out) {
    char raw[CELL_BYTES / 2], folded[CELL_BYTES];
    size_t n = strlen(cell);
    if (n >= sizeof raw) {
        n = sizeof raw - 1;
        while (n > 0 && ((uint8_t)cell[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(raw, cell, n);
    raw[n] = '\0';
    size_t (*folder)(const char *, char *, size_t) = keep_accents ? text_fold_case : text_fold_accents;
    if (folder(raw, folded, sizeof folded) == (size_t)-1) {
        char utf8[CELL_BYTES];
        latin1_to_utf8(raw, utf8, sizeof utf8);
        if (folder(utf8, folded, sizeof folded) == (size_t)-1)
            folded[0] = '\0';
    }
    memcpy(out, folded, sizeof folded);
}

static bool is_letter(char c) {
    return isalnum((unsigned char)c) || (uint8_t)c >= 0x80;
}

// Cuts at CANON_BYTES, never inside a character. spaced: words stay apart.
static void squeeze(const char *folded, bool spaced, char out[CANON_BYTES]) {
    size_t n = 0;
    bool gap = false;
    for (const char *c = folded; *c && n + 2 < CANON_BYTES; c++) {
        if (is_letter(*c)) {
            if (gap && n > 0)
                out[n++] = ' ';
            out[n++] = *c;
            gap = false;
        } else if (spaced && *c != '.' && *c != '\'' && *c != '`') {
            gap = true;
        }
    }
    out[n] = '\0';
    text_cut(out, n);
    n = strlen(out);
    if (n > 0 && out[n - 1] == ' ') // before a letter that was cut off
        out[n - 1] = '\0';
}

static void canon(const char *cell, bool spaced, Canon *ret) {
    char folded[CELL_BYTES], bare[CANON_BYTES];
    fold(cell, false, folded);
    squeeze(folded, false, bare);
    squeeze(folded, spaced, ret->text);
    ret->accented[0] = '\0';
    if (unsaid_is_word(bare)) {
        ret->text[0] = '\0';
        return;
    }
    fold(cell, true, folded);
    squeeze(folded, spaced, ret->accented);
}

void canon_part(const char *cell, Canon *ret) {
    canon(cell, false, ret);
}

void canon_words(const char *cell, Canon *ret) {
    canon(cell, true, ret);
}

typedef struct Ymd {
    int year, month, day;
    bool year_short;
} Ymd;

#define DIGITS_MAX 9 // that an int takes

static int digits_value(const char *text, size_t n) {
    int value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

static size_t digits_run(const char *text, size_t most) {
    size_t n = 0;
    while (n < most && isdigit((unsigned char)text[n]))
        n++;
    return n;
}

// One part of a date at the front of a format: DD, or %d as strftime() has it. Returns how long it is there; 0: none.
static size_t format_part(const char *format, char *ret_letter, size_t *ret_digits) {
    size_t n = 0;
    char letter = (char)toupper((unsigned char)*format);
    if (letter == '%' && format[1] && strchr("Yymd", format[1])) {
        *ret_letter = (char)toupper((unsigned char)format[1]);
        *ret_digits = format[1] == 'Y' ? 4 : 2;
        return 2;
    }
    if (letter != 'Y' && letter != 'M' && letter != 'D')
        return 0;
    while (toupper((unsigned char)format[n]) == letter)
        n++;
    *ret_letter = letter;
    *ret_digits = n < DIGITS_MAX ? n : DIGITS_MAX;
    return n;
}

static bool date_by_format(const char *cell, const char *format, Ymd *ret) {
    while (*format) {
        char letter;
        size_t wanted, length = format_part(format, &letter, &wanted);
        if (length == 0) {
            if (*cell++ != *format++)
                return false;
            continue;
        }
        size_t n = digits_run(cell, wanted);
        if (n == 0 || (n < wanted && letter == 'Y'))
            return false;
        *(letter == 'Y' ? &ret->year : letter == 'M' ? &ret->month : &ret->day) = digits_value(cell, n);
        if (letter == 'Y')
            ret->year_short = n == 2;
        cell += n;
        format += length;
    }
    return !isdigit((unsigned char)*cell);
}

static int month_of(const char *word) {
    static const char *const MONTHS[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                         "jul", "aug", "sep", "oct", "nov", "dec"};
    for (int i = 0; i < 12; i++)
        if (strncasecmp(word, MONTHS[i], 3) == 0)
            return i + 1;
    return 0;
}

typedef struct Pieces {
    int value[3];
    size_t digits[3];
    int n, month; // month: from a word
} Pieces;

static bool date_pieces(const char *cell, Pieces *pieces) {
    while (*cell && *cell != 'T') {
        size_t n = digits_run(cell, DIGITS_MAX);
        if (n > 0) {
            if (pieces->n == 3)
                return true; // a time of day behind it
            pieces->value[pieces->n] = digits_value(cell, n);
            pieces->digits[pieces->n++] = n;
            cell += n;
        } else if (isalpha((unsigned char)*cell)) {
            if (!pieces->month)
                pieces->month = month_of(cell);
            while (isalpha((unsigned char)*cell))
                cell++;
        } else {
            cell++;
        }
    }
    return pieces->n > 0;
}

// Years stand where there are three or four digits; else day, month, year, as most of the world writes it.
static bool date_by_itself(const char *cell, Ymd *ret) {
    Pieces p = {{0}, {0}, 0, 0};
    if (!date_pieces(cell, &p))
        return false;
    if (p.n == 1 && p.digits[0] >= 7 && p.digits[0] <= 8) {
        *ret = (Ymd){p.value[0] / 10000, p.value[0] / 100 % 100, p.value[0] % 100, false};
        return true;
    }
    if (p.n == 1 && p.digits[0] == 4) {
        *ret = (Ymd){p.value[0], p.month, 0, false};
        return true;
    }
    if (p.month && p.n == 2) {
        int year = p.digits[0] > 2 ? 0 : 1;
        *ret = (Ymd){p.value[year], p.month, p.value[1 - year], p.digits[year] <= 2};
        return true;
    }
    if (p.n == 2 && p.digits[0] == 4) {
        *ret = (Ymd){p.value[0], p.value[1], 0, false};
        return true;
    }
    if (p.n != 3)
        return false;
    if (p.digits[0] > 2)
        *ret = (Ymd){p.value[0], p.value[1], p.value[2], false};
    else
        *ret = (Ymd){p.value[2], p.value[1], p.value[0], p.digits[2] <= 2};
    if (ret->month > 12 && ret->day <= 12 && p.digits[0] <= 2)
        *ret = (Ymd){ret->year, ret->day, ret->month, ret->year_short};
    return true;
}

void canon_date(const char *cell, const char *format, Canon *ret) {
    Ymd date = {0, 0, 0, false};
    ret->text[0] = ret->accented[0] = '\0';
    while (isspace((unsigned char)*cell))
        cell++;
    if (!(format && date_by_format(cell, format, &date))) {
        date = (Ymd){0, 0, 0, false};
        if (!date_by_itself(cell, &date))
            return;
    }
    if (date.year_short)
        date.year += date.year <= 30 ? 2000 : 1900;
    if (date.year <= 0 || date.year > 9999 || date.month > 99 || date.day > 99)
        return;
    snprintf(ret->text, sizeof ret->text, "%04u%02u%02u", (unsigned)date.year % 10000, (unsigned)date.month % 100,
             (unsigned)date.day % 100);
}
