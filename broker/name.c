// SPDX-License-Identifier: Apache-2.0
//
// Names as words of letters, a letter being its base, its shape (^, breve, horn, the stroke of đ) and its tone. Every
// difference that is looked for keeps the number of letters, but for a Thị or Văn, which are three: so lengths decide
// what is tried. Refuses to guess: an accent in another's place is never taken for one that was lost.
#include "broker/name.h"

#include "broker/match/likeness.h"
#include "proto/base/text.h"
#include "proto/bounds.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#define FOLD_BYTES (4 * TEXT_BYTES_MAX)
#define FOLD_FAILED ((size_t)-1)
#define POINTS_MAX (3 * NAME_LETTERS_MAX) // a letter and two marks
#define UNLIKE (-1)
#define MIDDLE_LETTERS 3 // of Thị, of Văn
#define SIMILAR_MIN 940  // thousandths
#define SIMILAR_EDITS_MAX 2

typedef struct Letter {
    int32_t base, shape, tone; // code points; 0: none
} Letter;

typedef struct Word {
    const Letter *letters;
    size_t n;
} Word;

typedef struct Words {
    Word words[NAME_WORDS_MAX];
    size_t n, n_letters;
} Words;

typedef struct Name {
    Letter letters[NAME_LETTERS_MAX];
    Words words;
} Name;

// ---- letters ------------------------------------------------------------------------------------------------------

static bool is_tone(int32_t mark) {
    return mark == 0x300 || mark == 0x301 || mark == 0x303 || mark == 0x309 || mark == 0x323;
}

static bool is_mark(int32_t point) {
    if (point < 0x300)
        return false;
    utf8proc_category_t category = utf8proc_category(point);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

// False when the letter has such a mark already: no name is written so.
static bool add_mark(Letter *letter, int32_t mark) {
    int32_t *at = is_tone(mark) ? &letter->tone : &letter->shape;
    if (*at)
        return false;
    *at = mark;
    return true;
}

// đ does not decompose; Ð and Ɖ (U+00D0, U+0189) look like its capital, and their small letters are ð and ɖ.
static Letter letter_of(int32_t point) {
    bool is_d = point == 0x111 || point == 0xF0 || point == 0x256;
    return is_d ? (Letter){'d', 0x111, 0} : (Letter){point, 0, 0};
}

static bool begin_word(Name *name, size_t at) {
    Words *words = &name->words;
    if (words->n == NAME_WORDS_MAX)
        return false;
    words->words[words->n++] = (Word){&name->letters[at], 0};
    return true;
}

// folded is what text_fold_case() gave. False when there are too many letters or words, or too many marks on one.
static bool read_name(const char *folded, size_t n, Name *name) {
    int32_t points[POINTS_MAX];
    utf8proc_ssize_t count = utf8proc_decompose((const uint8_t *)folded, (utf8proc_ssize_t)n, points, POINTS_MAX,
                                                UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
    if (count < 0 || count > POINTS_MAX)
        return false;
    name->words.n = name->words.n_letters = 0;
    bool in_word = false;
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        size_t letters = name->words.n_letters;
        if (points[i] == ' ') {
            in_word = false;
        } else if (in_word && is_mark(points[i])) {
            if (!add_mark(&name->letters[letters - 1], points[i]))
                return false;
        } else {
            if (letters == NAME_LETTERS_MAX || (!in_word && !begin_word(name, letters)))
                return false;
            in_word = true;
            name->letters[name->words.n_letters++] = letter_of(points[i]);
            name->words.words[name->words.n - 1].n++;
        }
    }
    return true;
}

// ---- words --------------------------------------------------------------------------------------------------------

static bool is_bare(const Letter *letter, int32_t base) {
    return letter->base == base && !letter->shape;
}

// Whether the word ends in oa, oe or uy, whose tone some write on the first letter and some on the second. The u of
// qu belongs to the consonant: quý is written in one way only.
static bool ends_open(Word word) {
    if (word.n < 2)
        return false;
    const Letter *a = &word.letters[word.n - 2], *b = a + 1;
    if (is_bare(a, 'o'))
        return is_bare(b, 'a') || is_bare(b, 'e');
    return is_bare(a, 'u') && is_bare(b, 'y') && !(word.n > 2 && a[-1].base == 'q');
}

// A letter's tone, where the tone of an open ending always stands on the last letter.
static int32_t tone_at(Word word, size_t i) {
    int32_t own = word.letters[i].tone;
    if (i + 2 < word.n || !ends_open(word))
        return own;
    int32_t a = word.letters[word.n - 2].tone, b = word.letters[word.n - 1].tone;
    if (a && b)
        return own;
    return i + 1 == word.n ? a | b : 0;
}

static bool is_vowel(int32_t base) {
    return base < 0x80 && strchr("aeiouy", base) != NULL;
}

// Whether the letter is an i or y of the kind that is spelt both ways: the last, and the only vowel (ly, quy; not uy,
// ay, where i and y are two sounds).
static bool is_either_i(Word word, size_t i) {
    int32_t base = word.letters[i].base;
    if (i + 1 != word.n || (base != 'i' && base != 'y'))
        return false;
    if (i == 0 || !is_vowel(word.letters[i - 1].base))
        return true;
    return i > 1 && word.letters[i - 1].base == 'u' && word.letters[i - 2].base == 'q';
}

// 0 for the same word, NAME_ACCENTS and NAME_SPELLING where that is all, UNLIKE otherwise. A letter that is said with
// any accent has lost none: Nguyên is not Nguyễn.
static int compare_words(Word said, Word stored) {
    if (said.n != stored.n)
        return UNLIKE;
    int differences = 0;
    for (size_t i = 0; i < said.n; i++) {
        const Letter *a = &said.letters[i], *b = &stored.letters[i];
        if (a->base != b->base) {
            if (!is_either_i(said, i) || !is_either_i(stored, i))
                return UNLIKE;
            differences |= NAME_SPELLING;
        }
        int32_t tone = tone_at(said, i);
        if (a->shape == b->shape && tone == tone_at(stored, i))
            continue;
        if (a->shape || tone)
            return UNLIKE;
        differences |= NAME_ACCENTS;
    }
    return differences;
}

// ---- names --------------------------------------------------------------------------------------------------------

static int compare_in_order(const Words *said, const Words *stored) {
    if (said->n != stored->n)
        return UNLIKE;
    int differences = 0;
    for (size_t i = 0; i < said->n; i++) {
        int of_word = compare_words(said->words[i], stored->words[i]);
        if (of_word == UNLIKE)
            return UNLIKE;
        differences |= of_word;
    }
    return differences;
}

// Takes the first stored word that is left and fits the said one; `exact`: that is the same.
static int take_word(Word said, const Words *stored, bool exact, uint32_t *taken) {
    for (size_t i = 0; i < stored->n; i++) {
        int differences = *taken >> i & 1 ? UNLIKE : compare_words(said, stored->words[i]);
        if (differences == UNLIKE || (exact && differences != 0))
            continue;
        *taken |= (uint32_t)1 << i;
        return differences;
    }
    return UNLIKE;
}

// Said words that have all their accents choose before those that fit several stored ones, so that of Hoa and Hoà each
// finds its own.
static int compare_any_order(const Words *said, const Words *stored) {
    if (said->n != stored->n)
        return UNLIKE;
    uint32_t taken = 0, settled = 0;
    int differences = NAME_ORDER;
    for (size_t i = 0; i < said->n; i++)
        settled |= (uint32_t)(take_word(said->words[i], stored, true, &taken) == 0) << i;
    for (size_t i = 0; i < said->n; i++) {
        int of_word = settled >> i & 1 ? 0 : take_word(said->words[i], stored, false, &taken);
        if (of_word == UNLIKE)
            return UNLIKE;
        differences |= of_word;
    }
    return differences;
}

// The same letters cut into words where `like` is cut. The new words stand on `letters`.
static void cut_like(const Words *words, const Words *like, Letter letters[NAME_LETTERS_MAX], Words *cut) {
    size_t n = 0, at = 0;
    for (size_t i = 0; i < words->n; i++) {
        memcpy(&letters[n], words->words[i].letters, words->words[i].n * sizeof(Letter));
        n += words->words[i].n;
    }
    *cut = (Words){.n = like->n, .n_letters = n};
    for (size_t i = 0; i < like->n; i++) {
        cut->words[i] = (Word){&letters[at], like->words[i].n};
        at += like->words[i].n;
    }
}

// Whether each word of one is made of whole words of the other. Hà My and Hàm Ý are two names.
static bool is_joined(const Words *joined, const Words *parted) {
    size_t at = 0;
    for (size_t i = 0; i < joined->n; i++) {
        size_t n = 0;
        while (n < joined->words[i].n && at < parted->n)
            n += parted->words[at++].n;
        if (n != joined->words[i].n)
            return false;
    }
    return true;
}

// Both have as many letters. The one with fewer words is cut like the other.
static int compare_without_spaces(const Words *said, const Words *stored) {
    Letter letters[NAME_LETTERS_MAX];
    Words cut;
    bool said_is_cut = said->n < stored->n;
    const Words *joined = said_is_cut ? said : stored, *parted = said_is_cut ? stored : said;
    if (joined->n == parted->n || !is_joined(joined, parted))
        return UNLIKE;
    cut_like(joined, parted, letters, &cut);
    int differences = said_is_cut ? compare_in_order(&cut, stored) : compare_in_order(said, &cut);
    return differences == UNLIKE ? UNLIKE : differences | NAME_SPACES;
}

static int compare_letters(const Words *said, const Words *stored) {
    int differences = compare_in_order(said, stored);
    if (differences == UNLIKE)
        differences = compare_any_order(said, stored);
    if (differences == UNLIKE)
        differences = compare_without_spaces(said, stored);
    return differences;
}

// 0 when the word is Thị or Văn; NAME_ACCENTS when it is one of them without accents, and bare_too.
static int compare_middle(Word word, bool bare_too) {
    static const Letter THI[] = {{'t', 0, 0}, {'h', 0, 0}, {'i', 0, 0x323}};
    static const Letter VAN[] = {{'v', 0, 0}, {'a', 0x306, 0}, {'n', 0, 0}};
    int thi = compare_words(word, (Word){THI, MIDDLE_LETTERS}), van = compare_words(word, (Word){VAN, MIDDLE_LETTERS});
    int differences = thi != UNLIKE ? thi : van;
    return differences == 0 || (differences == NAME_ACCENTS && bare_too) ? differences : UNLIKE;
}

// `longer` without one of its middle words Thị or Văn. Never its first or last word: Văn and Thị are also a surname
// and given names. A store that writes accents would have written them there too.
static int compare_without_middle(const Words *longer, const Words *shorter, bool longer_is_said) {
    for (size_t i = 1; i + 1 < longer->n; i++) {
        int of_middle = compare_middle(longer->words[i], longer_is_said);
        if (of_middle == UNLIKE)
            continue;
        Words rest = *longer;
        memmove(&rest.words[i], &rest.words[i + 1], (rest.n - i - 1) * sizeof(Word));
        rest.n--;
        rest.n_letters -= MIDDLE_LETTERS;
        int differences = longer_is_said ? compare_letters(&rest, shorter) : compare_letters(shorter, &rest);
        if (differences != UNLIKE)
            return differences | of_middle | NAME_MIDDLE;
    }
    return UNLIKE;
}

static int compare_names(const Words *said, const Words *stored) {
    if (said->n_letters == stored->n_letters)
        return compare_letters(said, stored);
    if (said->n_letters == stored->n_letters + MIDDLE_LETTERS)
        return compare_without_middle(said, stored, true);
    if (stored->n_letters == said->n_letters + MIDDLE_LETTERS)
        return compare_without_middle(stored, said, false);
    return UNLIKE;
}

// ---- texts --------------------------------------------------------------------------------------------------------

static bool is_similar(const char *a, size_t a_n, const char *b, size_t b_n) {
    if (a_n == 0 || b_n == 0 || a_n > LIKENESS_BYTES_MAX || b_n > LIKENESS_BYTES_MAX)
        return false;
    return likeness_jaro_winkler(a, a_n, b, b_n) >= SIMILAR_MIN &&
           likeness_edits(a, a_n, b, b_n, SIMILAR_EDITS_MAX) <= SIMILAR_EDITS_MAX;
}

// Names that no layer makes equal.
static unsigned compare_folded(const char *said, const char *stored) {
    char a[FOLD_BYTES], b[FOLD_BYTES];
    size_t n = text_fold_accents(said, a, sizeof a), m = text_fold_accents(stored, b, sizeof b);
    if (n == 0) // marks without a letter
        return NAME_EMPTY;
    return n != FOLD_FAILED && m != FOLD_FAILED && is_similar(a, n, b, m) ? NAME_SIMILAR : NAME_OTHER;
}

unsigned name_compare(const char *said, const char *stored) {
    if (*said && strcmp(said, stored) == 0)
        return 0;
    char a[FOLD_BYTES], b[FOLD_BYTES];
    size_t n = text_fold_case(said, a, sizeof a), m = text_fold_case(stored, b, sizeof b);
    if (n == 0)
        return NAME_EMPTY;
    if (n == FOLD_FAILED || m == FOLD_FAILED)
        return NAME_OTHER;
    if (n == m && memcmp(a, b, n) == 0)
        return NAME_CASE;
    Name of_said, of_stored;
    if (m > 0 && read_name(a, n, &of_said) && read_name(b, m, &of_stored)) {
        int differences = compare_names(&of_said.words, &of_stored.words);
        if (differences != UNLIKE)
            return differences ? (unsigned)differences : NAME_TONE;
    }
    return compare_folded(a, b);
}

bool name_same_but_accents(const char *left, const char *right) {
    char a[FOLD_BYTES], b[FOLD_BYTES];
    size_t n = text_fold_accents(left, a, sizeof a), m = text_fold_accents(right, b, sizeof b);
    return n != FOLD_FAILED && n == m && memcmp(a, b, n) == 0;
}
