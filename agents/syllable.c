// SPDX-License-Identifier: Apache-2.0
//
// Words are spelt by the keys that a keyboard of VNI types for them (a6 â, a8 ă, e6 ê, o6 ô, o7 ơ, u7 ư, d9 đ; 1 to 5
// the tones sắc, huyền, hỏi, ngã, nặng, which are kept apart), so that tables stay in ASCII.
//
// Source of the rimes: the spelling of Hoàng Phê (ed.), Từ điển tiếng Việt, and -k as in Đắk Lắk.
#include "agents/syllable.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define KEYS_MAX 15

// Longest first where one begins another.
static const char *const INITIALS[] = {"ngh", "ng", "nh", "n",  "ch", "c", "d9", "d", "gh", "gi", "g", "kh", "k", "ph",
                                       "p",   "qu", "th", "tr", "t",  "b", "h",  "l", "m",  "r",  "s", "v",  "x", ""};

// In the order of strcmp().
static const char *const RIMES[] = {
    "a",     "a6c",    "a6m",   "a6n",   "a6ng",  "a6p",   "a6t",  "a6u",   "a6y",   "a8c",   "a8k",   "a8m",   "a8n",
    "a8ng",  "a8p",    "a8t",   "ac",    "ach",   "ai",    "ak",   "am",    "an",    "ang",   "anh",   "ao",    "ap",
    "at",    "au",     "ay",    "e",     "e6",    "e6ch",  "e6m",  "e6n",   "e6nh",  "e6p",   "e6t",   "e6u",   "ec",
    "em",    "en",     "eng",   "eo",    "ep",    "et",    "i",    "ia",    "ich",   "ie6c",  "ie6m",  "ie6n",  "ie6ng",
    "ie6p",  "ie6t",   "ie6u",  "im",    "in",    "inh",   "ip",   "it",    "iu",    "o",     "o6",    "o6c",   "o6i",
    "o6m",   "o6n",    "o6ng",  "o6p",   "o6t",   "o7",    "o7i",  "o7m",   "o7n",   "o7p",   "o7t",   "oa",    "oa8c",
    "oa8m",  "oa8n",   "oa8ng", "oa8t",  "oac",   "oach",  "oai",  "oam",   "oan",   "oang",  "oanh",  "oao",   "oap",
    "oat",   "oay",    "oc",    "oe",    "oen",   "oeo",   "oet",  "oi",    "om",    "on",    "ong",   "ooc",   "oong",
    "op",    "ot",     "u",     "u7",    "u7a",   "u7c",   "u7i",  "u7m",   "u7n",   "u7ng",  "u7o7c", "u7o7i", "u7o7m",
    "u7o7n", "u7o7ng", "u7o7p", "u7o7t", "u7o7u", "u7t",   "u7u",  "ua",    "ua6n",  "ua6ng", "ua6t",  "ua6y",  "uc",
    "ue6",   "ue6ch",  "ue6n",  "ue6nh", "ui",    "um",    "un",   "ung",   "uo6c",  "uo6i",  "uo6m",  "uo6n",  "uo6ng",
    "uo6t",  "uo7",    "up",    "ut",    "uy",    "uya",   "uych", "uye6n", "uye6t", "uyn",   "uynh",  "uyp",   "uyt",
    "uyu",   "y",      "ych",   "ye6m",  "ye6n",  "ye6ng", "ye6t", "ye6u",  "yn",    "ynh",   "yp",    "yt",
};

// The commonest words with accents of names, and nữ, with their tones; 0: none. In the order of strcmp(). Short ones
// are left out: other languages may have them in another encoding.
static const char *const FAMILIAR[] = {
    "bao3",     "bui2",   "co6ng0", "cu7o7ng2",  "d9a8ng5", "d9at5",  "d9inh2", "d9oan2", "d9u7c1", "du7o7ng0", "dung4",
    "hai3",     "ho6ng2", "hoang2", "hu7u4",     "hung2",   "huynh2", "khanh1", "la6m0",  "le60",   "manh5",    "ngoc5",
    "nguye6n4", "nu74",   "pham5",  "phu7o7ng0", "phuc1",   "quo6c1", "so7n0",  "ta6n1",  "thai1",  "thanh2",   "thi5",
    "tie6n1",   "tra6n2", "trong5", "tru7o7ng0", "tua6n1",  "tung2",  "va8n0",  "xua6n0",
};

// à to ÿ; ð is what many type for đ
static const char *const LATIN1[32] = {
    [0x00] = "a2", [0x01] = "a1", [0x02] = "a6", [0x03] = "a4", [0x08] = "e2", [0x09] = "e1",
    [0x0A] = "e6", [0x0C] = "i2", [0x0D] = "i1", [0x10] = "d9", [0x12] = "o2", [0x13] = "o1",
    [0x14] = "o6", [0x15] = "o4", [0x19] = "u2", [0x1A] = "u1", [0x1D] = "y1",
};
// ạ (U+1EA1) to ỹ, every second
static const char *const VIETNAMESE[45] = {
    "a5",  "a3",  "a61", "a62", "a63", "a64", "a65", "a81", "a82", "a83", "a84", "a85", "e5",  "e3",  "e4",
    "e61", "e62", "e63", "e64", "e65", "i3",  "i5",  "o5",  "o3",  "o61", "o62", "o63", "o64", "o65", "o71",
    "o72", "o73", "o74", "o75", "u5",  "u3",  "u71", "u72", "u73", "u74", "u75", "y2",  "y5",  "y3",  "y4",
};

typedef struct Word {
    char keys[KEYS_MAX + 1];
    int n, tone, n_tones;
    int letters, capitals, smalls; // of the letters whose case counts
    bool marked, first_capital, broken;
} Word;

// The keys of a composed letter that is not ASCII; NULL when Vietnamese has no such letter.
static const char *keys_of(utf8proc_int32_t letter, bool *ret_capital) {
    *ret_capital = false;
    if (letter >= 0x1EA0 && letter <= 0x1EF9) {
        *ret_capital = (letter & 1) == 0;
        return VIETNAMESE[(letter - 0x1EA0) / 2];
    }
    if (letter >= 0xC0 && letter <= 0xFF) {
        *ret_capital = letter < 0xE0;
        return LATIN1[letter & 0x1F];
    }
    *ret_capital = letter == 0x1AF || (letter != 0x1B0 && (letter & 1) == 0);
    switch (letter) {
    case 0x102:
    case 0x103:
        return "a8";
    case 0x110:
    case 0x111:
        return "d9";
    case 0x128:
    case 0x129:
        return "i4";
    case 0x168:
    case 0x169:
        return "u4";
    case 0x1A0:
    case 0x1A1:
        return "o7";
    case 0x1AF:
    case 0x1B0:
        return "u7";
    default:
        return NULL;
    }
}

// What stands on a letter, where it stands apart: one key. 0: none of ours.
static char key_of_mark(utf8proc_int32_t mark) {
    switch (mark) {
    case 0x301:
        return '1';
    case 0x300:
        return '2';
    case 0x309:
        return '3';
    case 0x303:
        return '4';
    case 0x323:
        return '5';
    case 0x302:
        return '6';
    case 0x31B:
        return '7';
    case 0x306:
        return '8';
    default:
        return 0;
    }
}

static void add_key(Word *word, char key) {
    if (key >= '1' && key <= '5') {
        word->tone = key - '0';
        word->n_tones++;
    } else if (word->n == KEYS_MAX) {
        word->broken = true;
    } else {
        word->keys[word->n++] = key;
    }
}

static void add_case(Word *word, bool capital) {
    if (word->letters++ == 0)
        word->first_capital = capital;
    word->capitals += capital;
    word->smalls += !capital;
}

#define COUNT(table) (sizeof table / sizeof *table)

static bool is_among(const char *const *words, size_t n, const char *keys) {
    size_t from = 0, to = n;
    while (from < to) {
        size_t middle = (from + to) / 2;
        int order = strcmp(keys, words[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return false;
}

static bool is_spelt(const Word *word) {
    for (size_t i = 0; i < COUNT(INITIALS); i++) {
        size_t n = strlen(INITIALS[i]);
        if ((n == 0 || INITIALS[i][0] == word->keys[0]) && strncmp(word->keys, INITIALS[i], n) == 0 &&
            is_among(RIMES, COUNT(RIMES), word->keys + n))
            return true;
    }
    return false;
}

// Before c, ch, p and t a syllable is in sắc or nặng.
static bool has_its_tone(const Word *word) {
    char last = word->keys[word->n - 1];
    bool stopped = last == 'c' || last == 'p' || last == 't' || (last == 'h' && word->keys[word->n - 2] == 'c');
    return word->n_tones <= 1 && (!stopped || word->tone == 1 || word->tone == 5);
}

static bool is_syllable(Word *word) {
    bool case_fits = word->capitals == 0 || word->smalls == 0 || (word->first_capital && word->capitals == 1);
    if (word->broken || word->n < 1 || !case_fits)
        return false;
    word->keys[word->n] = '\0';
    // A single consonant is none, and has_its_tone() looks one key back.
    return is_spelt(word) && (word->n == 1 || has_its_tone(word));
}

static uint32_t hash_of(const Word *word) {
    uint32_t hash = 2166136261u + (uint32_t)word->tone; // FNV-1a
    for (int i = 0; i < word->n; i++)
        hash = (hash ^ (uint8_t)word->keys[i]) * 16777619u;
    return hash;
}

void syllable_add_distinct(SyllableCount *count, uint32_t hash) {
    int i = 0;
    while (i < count->n_distinct && count->distinct[i] != hash)
        i++;
    if (i == count->n_distinct && i < SYLLABLE_DISTINCT_MAX)
        count->distinct[count->n_distinct++] = hash;
}

static bool is_familiar(const Word *word) {
    char keys[KEYS_MAX + 2];
    memcpy(keys, word->keys, (size_t)word->n);
    keys[word->n] = (char)('0' + word->tone);
    keys[word->n + 1] = '\0';
    return is_among(FAMILIAR, COUNT(FAMILIAR), keys);
}

static void end_word(Word *word, SyllableCount *count) {
    if (word->marked) {
        count->marked++;
        if (is_syllable(word)) {
            count->good++;
            count->familiar += is_familiar(word);
            syllable_add_distinct(count, hash_of(word));
        }
    }
    *word = (Word){.n = 0};
}

// Signs that any text may have, whatever its language.
static bool is_common_sign(utf8proc_int32_t letter) {
    return letter == 0xA0 || letter == 0xB0 || letter == 0xB2 || letter == 0xB3 || letter == 0xFEFF ||
           (letter >= 0x2010 && letter <= 0x2027);
}

static void add_other(Word *word, utf8proc_int32_t letter, bool case_lost, SyllableCount *count) {
    bool capital;
    const char *keys = keys_of(letter, &capital);
    char mark = keys == NULL && word->n > 0 ? key_of_mark(letter) : 0;
    if (mark != 0) {
        word->marked = true;
        add_key(word, mark);
    } else if (keys != NULL) {
        word->marked = true;
        if (capital || !case_lost)
            add_case(word, capital);
        for (; *keys; keys++)
            add_key(word, *keys);
    } else {
        end_word(word, count);
        count->odd += !is_common_sign(letter);
    }
}

int syllable_count(const char *text, size_t n, bool case_lost, SyllableCount *count) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text, *end = at + n;
    Word word = {.n = 0};
    while (at < end) {
        utf8proc_int32_t letter = *at;
        utf8proc_ssize_t taken = letter < 0x80 ? 1 : utf8proc_iterate(at, end - at, &letter);
        if (taken <= 0)
            return 1;
        at += taken;
        bool capital = letter >= 'A' && letter <= 'Z';
        if (capital || (letter >= 'a' && letter <= 'z')) {
            add_case(&word, capital);
            add_key(&word, (char)(letter | 0x20));
        } else if (letter < 0x80) {
            end_word(&word, count);
        } else {
            add_other(&word, letter, case_lost, count);
        }
    }
    end_word(&word, count);
    return 0;
}

bool syllable_reads_well(const SyllableCount *count) {
    return count->good > 0 && count->good * 5 >= (count->marked + count->odd) * 4;
}
