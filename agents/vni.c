// SPDX-License-Identifier: Apache-2.0
//
// The codes are those of the comparison of Vietnamese character sets published by the Vietnamese Unicode project
// (https://vietunicode.sourceforge.net/charset/), and agree with the tables of the input method xvnkb (vni.h, 2002).
// Capitals stand 0x20 below their small letters, as in Latin-1.
#include "agents/vni.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#define CAPITAL_BIT 0x20

enum { ACUTE = 0x301, GRAVE = 0x300, HOOK = 0x309, TILDE = 0x303, DOT = 0x323 };
enum { CIRCUMFLEX = 0x302, BREVE = 0x306, HORN = 0x31B };

// Small letters of one byte: the plain letter, then what it bears. đ does not decompose.
typedef struct Single {
    uint8_t byte;
    uint16_t letter, hat, tone;
} Single;
static const Single SINGLES[] = {
    {0xF1, 0x111, 0, 0},  {0xF4, 'o', HORN, 0},  {0xF6, 'u', HORN, 0}, {0xED, 'i', 0, ACUTE}, {0xEC, 'i', 0, GRAVE},
    {0xE6, 'i', 0, HOOK}, {0xF3, 'i', 0, TILDE}, {0xF2, 'i', 0, DOT},  {0xEE, 'y', 0, DOT},
};

// The second byte, and the letters that may stand before it.
typedef struct Mark {
    uint8_t byte;
    uint16_t hat, tone;
    const char *letters; // small; \xF4 and \xF6 are ơ and ư
} Mark;
static const Mark MARKS[] = {
    {0xF9, 0, ACUTE, "aeouy\xF4\xF6"}, {0xF8, 0, GRAVE, "aeouy\xF4\xF6"}, {0xFB, 0, HOOK, "aeouy\xF4\xF6"},
    {0xF5, 0, TILDE, "aeouy\xF4\xF6"}, {0xEF, 0, DOT, "aeou\xF4\xF6"},    {0xE2, CIRCUMFLEX, 0, "aeo"},
    {0xE1, CIRCUMFLEX, ACUTE, "aeo"},  {0xE0, CIRCUMFLEX, GRAVE, "aeo"},  {0xE5, CIRCUMFLEX, HOOK, "aeo"},
    {0xE3, CIRCUMFLEX, TILDE, "aeo"},  {0xE4, CIRCUMFLEX, DOT, "aeo"},    {0xEA, BREVE, 0, "a"},
    {0xE9, BREVE, ACUTE, "a"},         {0xE8, BREVE, GRAVE, "a"},         {0xFA, BREVE, HOOK, "a"},
    {0xFC, BREVE, TILDE, "a"},         {0xEB, BREVE, DOT, "a"},
};

// What the fonts leave as Windows has it: the no-break space, dashes and quotation marks that editors put in.
static const struct {
    uint8_t byte;
    uint16_t letter;
} SIGNS[] = {{0x85, 0x2026}, {0x91, 0x2018}, {0x92, 0x2019}, {0x93, 0x201C},
             {0x94, 0x201D}, {0x96, 0x2013}, {0x97, 0x2014}, {0xA0, 0xA0}};

#define COUNT(table) (sizeof table / sizeof *table)

static const Single *single_of(uint8_t byte) {
    for (size_t i = 0; i < COUNT(SINGLES); i++)
        if (SINGLES[i].byte == byte)
            return &SINGLES[i];
    return NULL;
}

static uint8_t to_small(uint8_t byte) {
    return (byte >= 'A' && byte <= 'Z') || byte >= 0xC0 ? byte | CAPITAL_BIT : byte;
}

// The mark, if it may stand behind this byte. Programs that change case put small marks behind capitals: a letter is
// as its base is.
static const Mark *mark_behind(uint8_t before, uint8_t byte) {
    uint8_t base = to_small(before);
    for (size_t i = 0; i < COUNT(MARKS) && byte >= 0xC0; i++)
        if (MARKS[i].byte == (byte | CAPITAL_BIT))
            return base != 0 && strchr(MARKS[i].letters, (char)base) != NULL ? &MARKS[i] : NULL;
    return NULL;
}

static char *put(char *to, uint16_t letter) {
    return letter == 0 ? to : to + utf8proc_encode_char(letter, (utf8proc_uint8_t *)to);
}

static char *put_single(char *to, const Single *single, bool capital) {
    uint16_t letter = single->letter;
    if (capital)
        letter = letter == 0x111 ? 0x110 : letter - CAPITAL_BIT;
    return put(put(put(to, letter), single->hat), single->tone);
}

static uint16_t sign_of(uint8_t byte) {
    for (size_t i = 0; i < COUNT(SIGNS); i++)
        if (SIGNS[i].byte == byte)
            return SIGNS[i].letter;
    return 0;
}

size_t vni_decode(const char *bytes, size_t n, char *out) {
    char *to = out;
    uint8_t before = 0; // 0 behind a mark: a letter bears one
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)bytes[i];
        const Mark *mark = mark_behind(before, byte);
        before = mark != NULL ? 0 : byte;
        if (mark != NULL) {
            to = put(put(to, mark->hat), mark->tone);
            continue;
        }
        const Single *single = byte >= 0xC0 ? single_of(byte | CAPITAL_BIT) : NULL;
        uint16_t letter = byte < 0x80 ? byte : sign_of(byte);
        if (byte == 0)
            *to++ = 0;
        else if (single != NULL)
            to = put_single(to, single, (byte & CAPITAL_BIT) == 0);
        else if (letter != 0)
            to = put(to, letter);
        else
            return VNI_FAILED;
    }
    return (size_t)(to - out);
}

// ---- back ----

static size_t put_mark(uint8_t base, uint16_t hat, uint16_t tone, bool capital, char *out) {
    for (size_t i = 0; i < COUNT(MARKS); i++) {
        const Mark *mark = &MARKS[i];
        if (mark->hat == hat && mark->tone == tone && strchr(mark->letters, (char)to_small(base)) != NULL) {
            out[0] = (char)base;
            out[1] = (char)(capital ? mark->byte & ~CAPITAL_BIT : mark->byte);
            return 2;
        }
    }
    return VNI_FAILED;
}

// A letter apart from its marks, as text goes through one by one.
typedef struct Bearing {
    utf8proc_int32_t letter; // -1: none yet
    uint16_t hat, tone;
} Bearing;

// One letter with what it bears. Returns the bytes written.
static size_t put_letter(const Bearing *bearing, char *out) {
    utf8proc_int32_t letter = bearing->letter;
    uint16_t hat = bearing->hat, tone = bearing->tone;
    if (letter < 0)
        return 0;
    bool capital = (letter >= 'A' && letter <= 'Z') || letter == 0x110;
    uint16_t small = (uint16_t)(letter == 0x110 ? 0x111 : capital ? letter + CAPITAL_BIT : letter);
    for (size_t i = 0; i < COUNT(SINGLES); i++) {
        const Single *single = &SINGLES[i];
        uint8_t byte = (uint8_t)(capital ? single->byte & ~CAPITAL_BIT : single->byte);
        if (single->letter != small || single->hat != hat)
            continue;
        if (single->tone == tone) {
            out[0] = (char)byte;
            return 1;
        }
        if (hat == HORN)
            return put_mark(byte, 0, tone, capital, out);
    }
    if (hat != 0 || tone != 0)
        return letter < 0x80 ? put_mark((uint8_t)letter, hat, tone, capital, out) : VNI_FAILED;
    if (letter < 0x80) {
        out[0] = (char)letter;
        return 1;
    }
    for (size_t i = 0; i < COUNT(SIGNS); i++) {
        if (SIGNS[i].letter == letter) {
            out[0] = (char)SIGNS[i].byte;
            return 1;
        }
    }
    return VNI_FAILED;
}

static bool bear(Bearing *bearing, utf8proc_int32_t mark) {
    uint16_t *where = mark == CIRCUMFLEX || mark == BREVE || mark == HORN ? &bearing->hat : &bearing->tone;
    if (bearing->letter < 0 || *where != 0)
        return false;
    *where = (uint16_t)mark;
    return true;
}

size_t vni_encode(const char *text, size_t n, char *out) {
    Bearing bearing = {.letter = -1};
    size_t used = 0, part;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t letter, parts[8];
        utf8proc_ssize_t taken =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &letter);
        int last = 0;
        utf8proc_ssize_t n_parts =
            taken <= 0 ? -1 : utf8proc_decompose_char(letter, parts, 8, UTF8PROC_DECOMPOSE, &last);
        if (n_parts < 0 || n_parts > 8)
            return VNI_FAILED;
        i += (size_t)taken;
        for (utf8proc_ssize_t k = 0; k < n_parts; k++) {
            if (parts[k] >= 0x300 && parts[k] < 0x370) {
                if (!bear(&bearing, parts[k]))
                    return VNI_FAILED;
                continue;
            }
            part = put_letter(&bearing, out + used);
            if (part == VNI_FAILED)
                return VNI_FAILED;
            used += part;
            bearing = (Bearing){.letter = parts[k]};
        }
    }
    part = put_letter(&bearing, out + used);
    return part == VNI_FAILED ? VNI_FAILED : used + part;
}
