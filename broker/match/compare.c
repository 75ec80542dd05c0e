// SPDX-License-Identifier: Apache-2.0
//
// Equal values are seen by their numbers; only the others' texts are looked at, the cheap tests first.
#include "broker/match/compare.h"
#include "broker/match/likeness.h"

#include <stdlib.h>
#include <string.h>

int compare_components(const Roster *roster, Component components[COMPARE_COMPONENTS_MAX]) {
    static const int PARTS[3] = {NAME_FIRST, NAME_LAST, NAME_INNER};
    int n = 0;
    for (int f = 0; f < roster->n_fields; f++) {
        const MatchField *field = &roster->fields[f];
        int parts = field->kind == MATCH_NAME ? 3 : 1;
        for (int i = 0; i < parts && n < COMPARE_COMPONENTS_MAX; i++) {
            int part = parts == 3 ? PARTS[i] : 0;
            components[n++] = (Component){field->kind, f, field->slot + part, part};
        }
    }
    return n;
}

typedef struct Text {
    const char *text;
    size_t n;
    uint32_t letters; // of a value, not of its words
    uint64_t bigrams;
} Text;

static Text text_of(const Roster *roster, uint32_t value) {
    const RosterValue *of = &roster->value[value];
    return (Text){roster_text(roster, value), of->n, of->letters, of->bigrams};
}

static bool starts(Text longer, Text shorter) {
    return longer.n > shorter.n && memcmp(longer.text, shorter.text, shorter.n) == 0;
}

// The most that common letters and pairs of letters can come to, in thousandths.
static int winkler_at_most(Text a, Text b) {
    size_t only_a = (size_t)__builtin_popcount(a.letters & ~b.letters);
    size_t only_b = (size_t)__builtin_popcount(b.letters & ~a.letters);
    size_t common = a.n - only_a < b.n - only_b ? a.n - only_a : b.n - only_b;
    if (common == 0)
        return 0;
    int jaro = (int)((1000 * common / a.n + 1000 * common / b.n + 1000) / 3), prefix = 0;
    while (prefix < 4 && a.text[prefix] && a.text[prefix] == b.text[prefix])
        prefix++;
    return jaro + prefix * (1000 - jaro) / 10 + 1;
}

static int dice_at_most(Text a, Text b) {
    size_t only_a = (size_t)__builtin_popcountll(a.bigrams & ~b.bigrams);
    size_t only_b = (size_t)__builtin_popcountll(b.bigrams & ~a.bigrams);
    if (a.n < 2 || b.n < 2)
        return 1000;
    size_t common = a.n - 1 - only_a < b.n - 1 - only_b ? a.n - 1 - only_a : b.n - 1 - only_b;
    return (int)(2000 * common / (a.n + b.n - 2)) + 1;
}

static bool is_near(Text a, Text b) {
    size_t longer = a.n > b.n ? a.n : b.n;
    int most = longer >= 9 ? 2 : longer >= 4 ? 1 : 0;
    // An edit takes one letter away and brings one in, at most.
    if (__builtin_popcount(a.letters & ~b.letters) > most || __builtin_popcount(b.letters & ~a.letters) > most)
        return false;
    return most > 0 && likeness_edits(a.text, a.n, b.text, b.n, most) <= most;
}

// One part of a name, or a category.
static Level word_level(Text a, Text b) {
    if (is_near(a, b))
        return LEVEL_NEAR;
    if ((b.n == 1 || b.n >= 3) && starts(a, b))
        return LEVEL_PART;
    if ((a.n == 1 || a.n >= 3) && starts(b, a))
        return LEVEL_PART;
    if (a.n < 3 || b.n < 3 || winkler_at_most(a, b) < 820)
        return LEVEL_ELSE;
    int likeness = likeness_jaro_winkler(a.text, a.n, b.text, b.n);
    return likeness >= 940 ? LEVEL_NEAR : likeness >= 820 ? LEVEL_WEAK : LEVEL_ELSE;
}

static Level identifier_level(Text a, Text b) {
    int edits = likeness_edits(a.text, a.n, b.text, b.n, 2);
    size_t shorter = a.n < b.n ? a.n : b.n;
    if (edits == 1)
        return LEVEL_NEAR;
    if (shorter >= 5 && (starts(a, b) || starts(b, a) || (edits == 2 && shorter >= 6)))
        return LEVEL_PART;
    if (shorter >= 8 && dice_at_most(a, b) >= 500) {
        int likeness = likeness_dice(a.text, a.n, b.text, b.n);
        if (likeness >= 500)
            return likeness >= 700 ? LEVEL_MOVED : LEVEL_WEAK;
    }
    size_t half = shorter / 2 + shorter % 2;
    return half >= 2 && memcmp(a.text, b.text, half) == 0 ? LEVEL_WEAK : LEVEL_ELSE;
}

// Both as one word; lost and stray spaces.
static bool same_letters(Text a, Text b) {
    if (a.letters != b.letters)
        return false;
    size_t i = 0, j = 0;
    for (;;) {
        while (i < a.n && a.text[i] == ' ')
            i++;
        while (j < b.n && b.text[j] == ' ')
            j++;
        if (i == a.n || j == b.n)
            return i == a.n && j == b.n;
        if (a.text[i++] != b.text[j++])
            return false;
    }
}

static bool has_word(Text in, Text word) {
    for (size_t at = 0; at + word.n <= in.n; at++) {
        if ((at == 0 || in.text[at - 1] == ' ') && memcmp(in.text + at, word.text, word.n) == 0 &&
            (at + word.n == in.n || in.text[at + word.n] == ' '))
            return true;
        const char *space = memchr(in.text + at, ' ', in.n - at);
        if (!space)
            return false;
        at = (size_t)(space - in.text);
    }
    return false;
}

// How many words of a stand in b as well; *ret_n how many a has.
static int words_shared(Text a, Text b, int *ret_n) {
    int shared = 0;
    *ret_n = 0;
    for (size_t at = 0; at < a.n;) {
        const char *space = memchr(a.text + at, ' ', a.n - at);
        size_t end = space ? (size_t)(space - a.text) : a.n;
        shared += has_word(b, (Text){.text = a.text + at, .n = end - at});
        ++*ret_n;
        at = end + 1;
    }
    return shared;
}

static Level text_level(Text a, Text b) {
    if (same_letters(a, b))
        return LEVEL_FOLD;
    if (is_near(a, b))
        return LEVEL_NEAR;
    if (!(a.bigrams & b.bigrams))
        return LEVEL_ELSE;
    int a_words, b_words, shared = words_shared(a, b, &a_words);
    if (shared > 0) {
        words_shared(b, a, &b_words);
        if (shared >= (a_words < b_words ? a_words : b_words))
            return a_words == b_words ? LEVEL_FOLD : LEVEL_PART;
    }
    if (dice_at_most(a, b) < 400 && winkler_at_most(a, b) < 930)
        return LEVEL_ELSE;
    int likeness = likeness_dice(a.text, a.n, b.text, b.n);
    if (likeness >= 650 || (a.n >= 4 && b.n >= 4 && likeness_jaro_winkler(a.text, a.n, b.text, b.n) >= 930))
        return LEVEL_MOVED;
    return likeness >= 400 ? LEVEL_WEAK : LEVEL_ELSE;
}

// YYYYMMDD against YYYYMMDD, not equal.
static Level date_level(const char *a, const char *b) {
    bool year = memcmp(a, b, 4) == 0, month = memcmp(a + 4, b + 4, 2) == 0, day = memcmp(a + 6, b + 6, 2) == 0;
    bool year_only = memcmp(a + 6, "00", 2) == 0 || memcmp(b + 6, "00", 2) == 0;
    if (year_only && year)
        return LEVEL_PART;
    if (year && memcmp(a + 4, b + 6, 2) == 0 && memcmp(a + 6, b + 4, 2) == 0)
        return LEVEL_FOLD;
    int edits = likeness_edits(a, year_only ? 4 : 8, b, year_only ? 4 : 8, 2);
    if (edits == 1)
        return year_only ? LEVEL_WEAK : LEVEL_NEAR;
    if (year_only)
        return LEVEL_ELSE;
    if (year + month + day == 2 || (edits == 2 && (year || (month && day))))
        return LEVEL_MOVED;
    return year ? LEVEL_WEAK : LEVEL_ELSE;
}

typedef struct Pair {
    const Roster *roster;
    uint32_t a, b;
} Pair;

// Of one value on both sides: whether it is written with the same accents.
static Level same_value_level(const Pair *pair, int slot_a, int slot_b) {
    return roster_accents(pair->roster, pair->a, slot_a) == roster_accents(pair->roster, pair->b, slot_b) ? LEVEL_EXACT
                                                                                                          : LEVEL_FOLD;
}

static Level part_level(const Pair *pair, int slot_a, int slot_b) {
    uint32_t a = roster_at(pair->roster, pair->a, slot_a), b = roster_at(pair->roster, pair->b, slot_b);
    if (!a || !b)
        return LEVEL_MISSING;
    if (a == b)
        return same_value_level(pair, slot_a, slot_b);
    return word_level(text_of(pair->roster, a), text_of(pair->roster, b));
}

static uint16_t commoner(const Roster *roster, uint32_t a, uint32_t b, int part) {
    uint16_t of_a = roster->value[a].rarity[part], of_b = roster->value[b].rarity[part];
    return of_a < of_b ? of_a : of_b;
}

typedef struct NamePart {
    uint8_t level;
    uint16_t rarity;
} NamePart;

static bool in_middle(const Roster *roster, uint32_t value, uint32_t record, int slot) {
    uint32_t middle = roster_at(roster, record, slot + NAME_INNER);
    return value && middle && roster->value[value].n >= 2 && has_word(text_of(roster, middle), text_of(roster, value));
}

static NamePart name_part(const Pair *pair, int slot, int part) {
    const Roster *roster = pair->roster;
    uint32_t a = roster_at(roster, pair->a, slot + part), b = roster_at(roster, pair->b, slot + part);
    Level level = part_level(pair, slot + part, slot + part);
    if (level == LEVEL_MISSING || level >= LEVEL_WEAK) {
        bool of_a = in_middle(roster, a, pair->b, slot);
        if (of_a || in_middle(roster, b, pair->a, slot))
            return (NamePart){LEVEL_MOVED, roster->value[of_a ? a : b].rarity[part]};
    }
    return (NamePart){(uint8_t)level, level == LEVEL_MISSING ? 0 : commoner(roster, a, b, part)};
}

static bool is_like(Level level) {
    return level >= LEVEL_EXACT && level <= LEVEL_NEAR;
}

// One end of a against the other end of b.
typedef struct Cross {
    Level level;
    uint16_t rarity;
} Cross;

static Cross name_cross(const Pair *pair, int slot, int part_a, int part_b) {
    uint32_t a = roster_at(pair->roster, pair->a, slot + part_a);
    Cross cross = {part_level(pair, slot + part_a, slot + part_b), pair->roster->value[a].rarity[part_a]};
    return cross;
}

// Ends that have changed places. Each word is evidence once: of one that moved alone, the other ends are compared.
static void name_swap(const Pair *pair, int slot, NamePart *first, NamePart *last) {
    if (is_like(first->level) || is_like(last->level) || first->level == LEVEL_PART || last->level == LEVEL_PART)
        return;
    Cross to_last = name_cross(pair, slot, NAME_FIRST, NAME_LAST);
    Cross to_first = name_cross(pair, slot, NAME_LAST, NAME_FIRST);
    if (!is_like(to_last.level) && !is_like(to_first.level))
        return;
    bool both = is_like(to_last.level) && is_like(to_first.level);
    Cross moved = is_like(to_last.level) ? to_last : to_first, other = is_like(to_last.level) ? to_first : to_last;
    *first = (NamePart){LEVEL_MOVED, moved.rarity};
    *last = (NamePart){(uint8_t)(both ? LEVEL_MOVED : other.level), other.level == LEVEL_MISSING ? 0 : other.rarity};
}

static Level middle_level(const Pair *pair, int slot) {
    const Roster *roster = pair->roster;
    uint32_t a = roster_at(roster, pair->a, slot), b = roster_at(roster, pair->b, slot);
    if (!a || !b)
        return LEVEL_MISSING;
    if (a == b)
        return same_value_level(pair, slot, slot);
    Text of_a = text_of(roster, a), of_b = text_of(roster, b);
    int n;
    if (same_letters(of_a, of_b))
        return LEVEL_FOLD;
    if (words_shared(of_a, of_b, &n) > 0)
        return LEVEL_MOVED;
    return word_level(of_a, of_b);
}

// The three parts in their places; components: first, last, middle.
static void compare_name(const Pair *pair, const MatchField *field, uint8_t *level, uint16_t *rarity) {
    const Roster *roster = pair->roster;
    NamePart first = name_part(pair, field->slot, NAME_FIRST), last = name_part(pair, field->slot, NAME_LAST);
    name_swap(pair, field->slot, &first, &last);
    uint32_t joined_a = roster_at(roster, pair->a, field->slot + NAME_JOINED);
    uint32_t joined_b = roster_at(roster, pair->b, field->slot + NAME_JOINED);
    if (joined_a && joined_a == joined_b && first.level > LEVEL_FOLD) {
        // Only the spaces differ: one name, split in two ways.
        first = (NamePart){LEVEL_FOLD, roster->value[joined_a].rarity[0]};
        last = (NamePart){LEVEL_MISSING, 0};
    }
    level[0] = first.level;
    level[1] = last.level;
    level[2] = (uint8_t)middle_level(pair, field->slot + NAME_INNER);
    rarity[0] = first.rarity;
    rarity[1] = last.rarity;
    rarity[2] = level[2] == LEVEL_MISSING ? 0
                                          : commoner(roster, roster_at(roster, pair->a, field->slot + NAME_INNER),
                                                     roster_at(roster, pair->b, field->slot + NAME_INNER), NAME_INNER);
}

static Level value_level(const Roster *roster, MatchKind kind, uint32_t a, uint32_t b) {
    Text of_a = text_of(roster, a), of_b = text_of(roster, b);
    switch (kind) {
    case MATCH_DATE:
        return date_level(of_a.text, of_b.text);
    case MATCH_TEXT:
        return text_level(of_a, of_b);
    case MATCH_IDENTIFIER:
        return identifier_level(of_a, of_b);
    default:
        return word_level(of_a, of_b);
    }
}

static bool has_no_day(const Roster *roster, uint32_t date) {
    return memcmp(roster_text(roster, date) + 6, "00", 2) == 0;
}

static void compare_value(const Pair *pair, const MatchField *field, uint8_t *level, uint16_t *rarity) {
    const Roster *roster = pair->roster;
    uint32_t a = roster_at(roster, pair->a, field->slot), b = roster_at(roster, pair->b, field->slot);
    *rarity = 0;
    *level = LEVEL_MISSING;
    if (!a || !b)
        return;
    *rarity = commoner(roster, a, b, 0);
    if (a != b)
        *level = (uint8_t)value_level(roster, field->kind, a, b);
    else if (field->kind == MATCH_DATE && has_no_day(roster, a))
        *level = LEVEL_PART;
    else
        *level = (uint8_t)same_value_level(pair, field->slot, field->slot);
}

void compare_records(const Roster *roster, uint32_t a, uint32_t b, Comparison *ret) {
    Pair pair = {roster, a, b};
    int at = 0;
    for (int f = 0; f < roster->n_fields && at < COMPARE_COMPONENTS_MAX; f++) {
        const MatchField *field = &roster->fields[f];
        if (field->kind == MATCH_NAME) {
            compare_name(&pair, field, ret->level + at, ret->rarity + at);
            at += 3;
        } else {
            compare_value(&pair, field, ret->level + at, ret->rarity + at);
            at++;
        }
    }
}

const char *compare_level_name(MatchKind kind, Level level) {
    static const char *const NAME[LEVELS] = {"missing",     "exact",     "other accents or spaces", "a letter off",
                                             "abbreviated", "elsewhere", "somewhat alike",          "different"};
    static const char *const DATE[LEVELS] = {
        "missing", "exact", "day and month swapped", "a digit off", "year only", "two parts", "same year", "different"};
    static const char *const TEXT[LEVELS] = {"missing", "exact",      "same words",     "a letter off",
                                             "part of", "much alike", "somewhat alike", "different"};
    return kind == MATCH_DATE ? DATE[level] : kind == MATCH_NAME ? NAME[level] : TEXT[level];
}
