// SPDX-License-Identifier: Apache-2.0
//
// Levels by comparing texts, bits from two tables and the counts, posteriors from the bits. Looks nothing up.
#include "broker/search.h"

#include "broker/match/likeness.h"
#include "broker/match/model.h"
#include "broker/name.h"
#include "broker/verify.h"
#include "proto/base/date.h"
#include "proto/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLD_BYTES 4096
#define NUMBER_DIGITS 12
// The person is not in the store, or no key finds them: one in twenty (keys alone miss one in thirty of dirty rows).
#define NOBODY_BITS (-4248) // log2(.05 / .95)

// Of events whose person was known otherwise, how many show this level. A prior for any agency: the order of size of
// clerks' errors, not measured on one.
static const SearchWeights SHIPPED = {
    .m = {
        [SEARCH_NAME] = {[SEARCH_EXACT] = -269,     // .83
                         [SEARCH_FOLDED] = -3322,   // .10
                         [SEARCH_SHORT] = -5644,    // .02
                         [SEARCH_ORDER] = -7644,    // .005
                         [SEARCH_NEAR] = -5644,     // .02
                         [SEARCH_GIVEN] = -6644,    // .01
                         [SEARCH_ALIKE] = -7644,    // .005
                         [SEARCH_ELSE] = -6644},    // .01
        [SEARCH_BIRTH] = {[SEARCH_EXACT] = -120,    // .92
                          [SEARCH_SWAPPED] = -6059, // .015
                          [SEARCH_NEAR] = -5644,    // .02
                          [SEARCH_YEAR_ONLY] = -44, // .97 of those that say no more
                          [SEARCH_SAME_YEAR] = -6059,
                          [SEARCH_ELSE] = -5059},                           // .03
        [SEARCH_SEX] = {[SEARCH_EXACT] = -22, [SEARCH_ELSE] = -6059},       // .985, .015
        [SEARCH_PROVINCE] = {[SEARCH_EXACT] = -322, [SEARCH_ELSE] = -2322}, // .8, .2: people move
        [SEARCH_MOTHER] = {[SEARCH_EXACT] = -234,
                           [SEARCH_FOLDED] = -3644,
                           [SEARCH_SHORT] = -4322,
                           [SEARCH_NEAR] = -4322,
                           [SEARCH_ELSE] = -4644},
        [SEARCH_FATHER] = {[SEARCH_EXACT] = -234,
                           [SEARCH_FOLDED] = -3644,
                           [SEARCH_SHORT] = -4322,
                           [SEARCH_NEAR] = -4322,
                           [SEARCH_ELSE] = -4644},
        [SEARCH_NUMBER] = {[SEARCH_EXACT] = -44, [SEARCH_NEAR] = -6644, [SEARCH_ELSE] = -5644}, // .97, .01, .02
    }};

// What is compared many times is folded once.
typedef struct Said {
    const Dongbo__Subject *subject;
    const SearchQuestion *question;
    char name[FOLD_BYTES], accented[FOLD_BYTES], brief[FOLD_BYTES], letters[FOLD_BYTES], words[FOLD_BYTES];
    char mother[FOLD_BYTES], mother_brief[FOLD_BYTES], father[FOLD_BYTES], father_brief[FOLD_BYTES];
} Said;

static void fold(const char *text, char out[FOLD_BYTES]) {
    if (text_fold_accents(text, out, FOLD_BYTES) == (size_t)-1)
        out[0] = '\0';
}

static void fold_case(const char *text, char out[FOLD_BYTES]) {
    if (text_fold_case(text, out, FOLD_BYTES) == (size_t)-1)
        out[0] = '\0';
}

static void without_spaces(const char *text, char out[FOLD_BYTES]) {
    size_t n = 0;
    for (; *text; text++)
        if (*text != ' ')
            out[n++] = *text;
    out[n] = '\0';
}

static bool is_middle(const char *word, size_t n) {
    return n == 3 && (memcmp(word, "van", n) == 0 || memcmp(word, "thi", n) == 0);
}

// All but the words that are dropped often. The first and the last word are never those.
static void without_middle(const char *text, char out[FOLD_BYTES]) {
    size_t n = 0;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        size_t taken = length + (word[length] == ' ');
        if (word == text || taken == length || !is_middle(word, length)) {
            memcpy(out + n, word, taken);
            n += taken;
        }
        word += taken;
    }
    out[n] = '\0';
}

#define WORDS_MAX 32
static int compare_words(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Its words in the order of the alphabet; "" when there are too many.
static void sorted_words(const char *text, char out[FOLD_BYTES]) {
    char copy[FOLD_BYTES];
    const char *words[WORDS_MAX];
    size_t n = 0, at = 0;
    snprintf(copy, sizeof copy, "%s", text);
    out[0] = '\0';
    for (char *word = copy; *word;) {
        size_t length = strcspn(word, " ");
        bool more = word[length] == ' ';
        word[length] = '\0';
        if (n == WORDS_MAX)
            return;
        words[n++] = word;
        word += length + more;
    }
    qsort(words, n, sizeof *words, compare_words);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, FOLD_BYTES - at, "%s%s", i ? " " : "", words[i]);
}

// ---- levels -------------------------------------------------------------------------------------------------------

static bool is_like(const char *a, const char *b, int thousandths) {
    return likeness_jaro_winkler(a, strlen(a), b, strlen(b)) >= thousandths;
}

static const char *given_name(const char *folded) {
    const char *space = strrchr(folded, ' ');
    return space ? space + 1 : folded;
}

static bool is_same_name(const char *said, const char *held) {
    return (name_compare(said, held) & ~(unsigned)NAME_EQUAL) == 0;
}

// The first layer at which the two are alike.
static SearchLevel name_level(const Said *said, const char *name, const char *folded) {
    char other[FOLD_BYTES];
    if (!said->name[0] || !folded[0])
        return SEARCH_MISSING;
    if (strcmp(said->name, folded) == 0)
        return is_same_name(said->subject->full_name, name) ? SEARCH_EXACT : SEARCH_FOLDED;
    without_middle(folded, other);
    if (strcmp(said->brief, other) == 0)
        return SEARCH_SHORT;
    sorted_words(folded, other);
    if (other[0] && strcmp(said->words, other) == 0)
        return SEARCH_ORDER;
    without_spaces(folded, other);
    if (strcmp(said->letters, other) == 0)
        return SEARCH_ORDER;
    if (is_like(said->name, folded, 940))
        return SEARCH_NEAR;
    if (strcmp(given_name(said->name), given_name(folded)) == 0)
        return SEARCH_GIVEN;
    return is_like(said->name, folded, 850) ? SEARCH_ALIKE : SEARCH_ELSE;
}

// A date as far as it can be relied on: 1 January and 1900 are written where the day, or the year, is not known.
static Date date_known(const char *text) {
    Date date;
    if (date_parse(text, &date) != 0 || date.year == 1900)
        return (Date){0};
    if (date.month == 1 && date.day == 1)
        date.month = date.day = 0;
    return date;
}

static SearchLevel birth_level(const char *said, const char *held) {
    Date a = date_known(said), b = date_known(held);
    if (!a.year || !b.year)
        return SEARCH_MISSING;
    if (!a.day || !b.day)
        return date_agrees(a, b) ? SEARCH_YEAR_ONLY : a.year == b.year ? SEARCH_SAME_YEAR : SEARCH_ELSE;
    if (date_compare(a, b) == 0)
        return SEARCH_EXACT;
    if (a.year == b.year && a.month == b.day && a.day == b.month)
        return SEARCH_SWAPPED;
    if (likeness_edits(said, strlen(said), held, strlen(held), 1) == 1)
        return SEARCH_NEAR;
    return a.year == b.year ? SEARCH_SAME_YEAR : SEARCH_ELSE;
}

static bool is_sex(const char *sex) {
    return strcmp(sex, "male") == 0 || strcmp(sex, "female") == 0;
}

static SearchLevel sex_level(const char *said, const char *held) {
    if (!is_sex(said) || !is_sex(held))
        return SEARCH_MISSING;
    return strcmp(said, held) == 0 ? SEARCH_EXACT : SEARCH_ELSE;
}

static SearchLevel province_level(const Dongbo__Subject *subject, const Person *person) {
    const char *held = rules_says_63(subject) ? person->residence_province63 : person->residence_province;
    if (!*subject->residence_province || !*held)
        return SEARCH_MISSING;
    return strcmp(subject->residence_province, held) == 0 ? SEARCH_EXACT : SEARCH_ELSE;
}

typedef struct Parent {
    const char *said, *folded, *brief, *held;
} Parent;

static SearchLevel parent_level(const Parent *parent) {
    char folded[FOLD_BYTES], brief[FOLD_BYTES];
    fold(parent->held, folded);
    if (!parent->folded[0] || !folded[0])
        return SEARCH_MISSING;
    if (strcmp(parent->folded, folded) == 0)
        return strcmp(parent->said, parent->held) == 0 ? SEARCH_EXACT : SEARCH_FOLDED;
    without_middle(folded, brief);
    if (strcmp(parent->brief, brief) == 0)
        return SEARCH_SHORT;
    return is_like(parent->folded, folded, 940) ? SEARCH_NEAR : SEARCH_ELSE;
}

#define NUMBER_BYTES 24
// A number that lost or won a digit is still compared, and so is one with dots in it; one of another kind says nothing.
static SearchLevel number_level(const SearchQuestion *question, const Person *person) {
    char number[NUMBER_BYTES];
    size_t n = 0;
    if ((question->number_of == person->key && person->key != 0) || bearers_have(question->bearers, person->key))
        return SEARCH_EXACT;
    for (const char *at = question->number; *at && n < sizeof number; at++)
        if (!strchr(" .-", *at))
            number[n++] = *at;
    if (n < NUMBER_DIGITS - 1 || n > NUMBER_DIGITS + 1)
        return SEARCH_MISSING;
    int edits = likeness_edits(number, n, person->citizen_number, strlen(person->citizen_number), 1);
    return edits == 0 ? SEARCH_EXACT : edits == 1 ? SEARCH_NEAR : SEARCH_ELSE;
}

// ---- bits ---------------------------------------------------------------------------------------------------------

// -log2 of the share that n of all have, in milli-bits. Once more than was counted: what was seen once, or never, is
// not as rare as that.
static int32_t rarity(int64_t n, int64_t all) {
    return n >= all ? 0 : -model_log2((double)(n + 1) / (double)(all + 1));
}

static int32_t less(int32_t bits, int32_t by) {
    return bits > by ? bits - by : 0;
}

// -log2 u of a name; for less than equal names by the commoner of the two, and by how many names are as like.
static int32_t name_surprise(SearchLevel level, const SearchCounts *counts, int64_t all) {
    int64_t commoner = counts->name > counts->said ? counts->name : counts->said;
    switch (level) {
    case SEARCH_EXACT:
    case SEARCH_FOLDED:
        return rarity(commoner, all);
    case SEARCH_SHORT:
    case SEARCH_ORDER:
        return less(rarity(commoner, all), 1000); // two
    case SEARCH_NEAR:
        return less(rarity(commoner, all), 4322); // twenty
    case SEARCH_GIVEN:
        return rarity(counts->given, all);
    case SEARCH_ALIKE:
        return 5000;
    default:
        return 0;
    }
}

static int32_t birth_surprise(SearchLevel level, const SearchCounts *counts, int64_t all) {
    switch (level) {
    case SEARCH_EXACT:
    case SEARCH_SWAPPED:
        return rarity(counts->birth, all);
    case SEARCH_NEAR:
        return less(rarity(counts->birth, all), 4644); // some 25 dates
    case SEARCH_YEAR_ONLY:
    case SEARCH_SAME_YEAR:
        return rarity(counts->year, all);
    default:
        return 0;
    }
}

// Most names say the sex, so that it says little more where the names are alike.
static int32_t sex_surprise(SearchLevel level, SearchLevel name) {
    bool named = name != SEARCH_MISSING && name != SEARCH_ELSE;
    if (level == SEARCH_EXACT)
        return named ? 105 : 1000; // u .93, .5
    return named ? 3837 : 1000;    // u .07, .5
}

static int32_t parent_surprise(SearchLevel level, int64_t n, int64_t all) {
    if (level == SEARCH_EXACT || level == SEARCH_FOLDED)
        return rarity(n, all);
    if (level == SEARCH_SHORT)
        return less(rarity(n, all), 1000); // two
    return level == SEARCH_NEAR ? less(rarity(n, all), 4322) : 0;
}

static int32_t number_surprise(SearchLevel level, int64_t all) {
    int32_t one = model_log2((double)(all + 1));
    return level == SEARCH_EXACT  ? one
           : level == SEARCH_NEAR ? less(one, 2000)
                                  : 0; // some four neighbours are given out
}

static int32_t surprise(const SearchCandidate *candidate, const SearchMatch *match, int field, int64_t all) {
    SearchLevel level = match->level[field];
    const SearchCounts *counts = &candidate->counts;
    switch ((SearchField)field) {
    case SEARCH_NAME:
        return name_surprise(level, counts, all);
    case SEARCH_BIRTH:
        return birth_surprise(level, counts, all);
    case SEARCH_SEX:
        return sex_surprise(level, match->level[SEARCH_NAME]);
    case SEARCH_PROVINCE:
        return level == SEARCH_EXACT ? rarity(counts->province, all) : 0;
    case SEARCH_MOTHER:
        return parent_surprise(level, counts->mother, all);
    case SEARCH_FATHER:
        return parent_surprise(level, counts->father, all);
    default:
        return number_surprise(level, all);
    }
}

// The same words, the family's name first as before, and another last: Minh Anh and Anh Minh are two names.
static bool is_turned(const Said *said, const char *folded) {
    char letters[FOLD_BYTES];
    size_t surname = strcspn(folded, " ");
    without_spaces(folded, letters);
    return strcmp(said->letters, letters) != 0 && strcspn(said->name, " ") == surname &&
           memcmp(said->name, folded, surname) == 0;
}

// Twins share birth date, parents, province and most of a name, and the sum takes each for evidence of its own; the
// other twin may not be in the store yet. Only what is said of a number tells that it is this one. Without it another
// given name may be the other twin's, and so may this one's with other accents. A name that is written without any
// accents at all says nothing against this twin: whoever writes so writes all names so, and two twins whose names are
// the same but for accents are as rare as none (one birth in a hundred is of twins, one pair in hundreds is so named,
// and one of them would have to be missing from the store).
static bool is_kin(const Said *said, const Person *person, const char *folded, const SearchMatch *match) {
    SearchLevel level = (SearchLevel)match->level[SEARCH_NAME], number = (SearchLevel)match->level[SEARCH_NUMBER];
    if (number == SEARCH_EXACT || number == SEARCH_NEAR || level == SEARCH_EXACT || level == SEARCH_MISSING)
        return false;
    if (strcmp(given_name(said->name), given_name(folded)) != 0)
        return level != SEARCH_ORDER || is_turned(said, folded);
    char held[FOLD_BYTES];
    fold_case(person->full_name, held);
    bool bare = strcmp(said->accented, said->name) == 0;
    return !bare && !is_same_name(given_name(said->accented), given_name(held));
}

static void compare(const Said *said, const SearchCandidate *candidate, SearchMatch *ret) {
    const Dongbo__Subject *subject = said->subject;
    const Person *person = &candidate->person;
    const Parent mother = {subject->mother_name, said->mother, said->mother_brief, candidate->mother_name};
    const Parent father = {subject->father_name, said->father, said->father_brief, candidate->father_name};
    char folded[FOLD_BYTES];
    fold(person->full_name, folded);
    *ret = (SearchMatch){.person = person->key,
                         .citizen_number = person->citizen_number,
                         .level = {[SEARCH_NAME] = (uint8_t)name_level(said, person->full_name, folded),
                                   [SEARCH_BIRTH] = (uint8_t)birth_level(subject->birth_date, person->birth_date),
                                   [SEARCH_SEX] = (uint8_t)sex_level(subject->sex, person->sex),
                                   [SEARCH_PROVINCE] = (uint8_t)province_level(subject, person),
                                   [SEARCH_MOTHER] = (uint8_t)parent_level(&mother),
                                   [SEARCH_FATHER] = (uint8_t)parent_level(&father),
                                   [SEARCH_NUMBER] = (uint8_t)number_level(said->question, person)}};
    ret->kin = is_kin(said, person, folded, ret);
}

static void weigh(const SearchQuestion *question, const SearchCandidate *candidate, SearchMatch *match) {
    const SearchWeights *weights = question->weights ? question->weights : &SHIPPED;
    int32_t bound = 0; // what the shipped weights give
    for (int field = 0; field < SEARCH_FIELDS; field++) {
        SearchLevel level = (SearchLevel)match->level[field];
        if (level == SEARCH_MISSING)
            continue;
        int32_t rare = surprise(candidate, match, field, question->citizens);
        match->field_bits[field] = weights->m[field][level] + rare;
        match->bits += match->field_bits[field];
        bound += SHIPPED.m[field][level] + rare;
    }
    if (match->bits > bound + SEARCH_BOUND)
        match->bits = bound + SEARCH_BOUND;
    else if (match->bits < bound - SEARCH_BOUND)
        match->bits = bound - SEARCH_BOUND;
}

// ---- posteriors ---------------------------------------------------------------------------------------------------

static int by_person(const void *a, const void *b) {
    int64_t left = ((const SearchCandidate *)a)->person.key, right = ((const SearchCandidate *)b)->person.key;
    return left < right ? -1 : left > right;
}

// Into its place among the likeliest; of equals the first stays first.
static void keep(SearchAnswer *answer, const SearchMatch *match) {
    size_t at = answer->n;
    while (at > 0 && answer->matches[at - 1].bits < match->bits)
        at--;
    if (at == SEARCH_MATCHES_MAX)
        return;
    size_t n = answer->n < SEARCH_MATCHES_MAX ? answer->n++ : SEARCH_MATCHES_MAX - 1;
    memmove(&answer->matches[at + 1], &answer->matches[at], (n - at) * sizeof *match);
    answer->matches[at] = *match;
}

static double odds(int32_t bits, int32_t against) {
    return exp2((bits - against) / 1000.0);
}

static uint32_t millionths(double part, double whole) {
    return (uint32_t)(part / whole * SEARCH_ONE);
}

static void said_make(Said *said, const SearchQuestion *question) {
    said->subject = question->subject;
    said->question = question;
    fold(question->subject->full_name, said->name);
    fold_case(question->subject->full_name, said->accented);
    without_middle(said->name, said->brief);
    without_spaces(said->name, said->letters);
    sorted_words(said->name, said->words);
    fold(question->subject->mother_name, said->mother);
    fold(question->subject->father_name, said->father);
    without_middle(said->mother, said->mother_brief);
    without_middle(said->father, said->father_brief);
}

void search_judge(const SearchQuestion *question, SearchCandidate *candidates, size_t n, SearchAnswer *ret) {
    Said said;
    said_make(&said, question);
    *ret = (SearchAnswer){.too_large = question->too_large, .model = question->model, .nobody = SEARCH_ONE};
    ret->learnt = question->weights ? question->weights->learnt : 0;
    if (n == 0)
        return;
    qsort(candidates, n, sizeof *candidates, by_person);
    int32_t nobody = model_log2((double)(question->citizens + 1)) + NOBODY_BITS;
    double sum = 1; // all odds against nobody's
    for (size_t i = 0; i < n; i++) {
        SearchMatch match;
        compare(&said, &candidates[i], &match);
        weigh(question, &candidates[i], &match);
        sum += odds(match.bits, nobody);
        keep(ret, &match);
    }
    ret->nobody = millionths(1, sum);
    size_t kept = 0;
    for (size_t i = 0; i < ret->n; i++) {
        SearchMatch *match = &ret->matches[i];
        match->posterior = millionths(odds(match->bits, nobody), sum);
        if (match->kin && match->posterior >= SEARCH_SURE)
            match->posterior = SEARCH_SURE - 1;
        if (match->posterior >= SEARCH_DOUBT || bearers_have(question->bearers, match->person) ||
            bearers_have(question->insured, match->person))
            ret->matches[kept++] = *match;
    }
    ret->n = kept;
    const SearchMatch *sure = search_sure(ret);
    for (size_t i = 0; sure && i < n; i++)
        if (candidates[i].person.key == sure->person)
            ret->person = candidates[i].person;
}

const SearchWeights *search_shipped(void) {
    return &SHIPPED;
}

void search_levels(const SearchQuestion *question, const SearchCandidate *candidate, uint8_t ret[SEARCH_FIELDS]) {
    Said said;
    SearchMatch match;
    said_make(&said, question);
    compare(&said, candidate, &match);
    memcpy(ret, match.level, SEARCH_FIELDS);
}

const SearchMatch *search_first(const SearchAnswer *answer) {
    return answer && answer->n > 0 ? &answer->matches[0] : NULL;
}

const SearchMatch *search_sure(const SearchAnswer *answer) {
    const SearchMatch *first = search_first(answer);
    return first && !answer->too_large && first->posterior >= SEARCH_SURE ? first : NULL;
}

// ---- what is kept of it -------------------------------------------------------------------------------------------

static const char *const FIELD_NAMES[SEARCH_FIELDS] = {
    "full_name", "birth_date", "sex", "residence_province", "mother_name", "father_name", "citizen_number"};
static const char *const LEVEL_NAMES[SEARCH_LEVELS] = {"missing", "exact", "accents", "short", "order",     "near",
                                                       "given",   "alike", "swapped", "year",  "same year", "differs"};

const char *search_field_name(int field) {
    return FIELD_NAMES[field];
}

const char *search_level_name(int level) {
    return LEVEL_NAMES[level];
}

static void write_match(const SearchMatch *match, Bytes *out) {
    char text[96];
    snprintf(text, sizeof text, "{\"person\":%lld,\"citizen_number\":", (long long)match->person);
    bytes_append_text(out, text);
    bytes_append_json(out, match->citizen_number);
    snprintf(text, sizeof text, ",\"posterior\":%u,\"bits\":%d,\"fields\":{", match->posterior, match->bits);
    bytes_append_text(out, text);
    bool first = true;
    for (int field = 0; field < SEARCH_FIELDS; field++) {
        if (match->level[field] == SEARCH_MISSING)
            continue;
        snprintf(text, sizeof text, "%s\"%s\":{\"level\":\"%s\",\"bits\":%d}", first ? "" : ",", FIELD_NAMES[field],
                 LEVEL_NAMES[match->level[field]], match->field_bits[field]);
        bytes_append_text(out, text);
        first = false;
    }
    bytes_append_text(out, "}}");
}

void search_write(const SearchAnswer *answer, Bytes *out) {
    char text[160];
    snprintf(text, sizeof text,
             "{\"version\":%d,\"model\":%lld,\"learnt\":%lld,\"too_large\":%s,\"nobody\":%u,\"matches\":[",
             SEARCH_VERSION, (long long)answer->model, (long long)answer->learnt, answer->too_large ? "true" : "false",
             answer->nobody);
    bytes_append_text(out, text);
    for (size_t i = 0; i < answer->n; i++) {
        if (i > 0)
            bytes_append_text(out, ",");
        write_match(&answer->matches[i], out);
    }
    bytes_append_text(out, "]}");
}

typedef struct Neighbours {
    const Rules *rules;
    const Dongbo__Subject *subject;
    SearchNumber *out;
    size_t n;
} Neighbours;

static void add_neighbour(Neighbours *neighbours, const SearchNumber number) {
    char province[4] = {number[0], number[1], number[2], '\0'};
    if (!rules_is_birth_province(neighbours->rules, province) ||
        verify_number_denies_sex(number, neighbours->subject->sex) ||
        verify_number_denies_birth(number, neighbours->subject->birth_date))
        return;
    memcpy(neighbours->out[neighbours->n++], number, sizeof(SearchNumber));
}

size_t search_neighbours(const Rules *rules, const Dongbo__Subject *subject, const char *number,
                         SearchNumber out[SEARCH_NEIGHBOURS_MAX]) {
    Neighbours neighbours = {.rules = rules, .subject = subject, .out = out};
    SearchNumber other;
    if (!verify_is_number(number))
        return 0;
    memcpy(other, number, sizeof other);
    for (size_t i = 0; i < NUMBER_DIGITS; i++) {
        for (char digit = '0'; digit <= '9'; digit++) {
            other[i] = digit;
            if (digit != number[i])
                add_neighbour(&neighbours, other);
        }
        other[i] = number[i];
    }
    for (size_t i = 0; i + 1 < NUMBER_DIGITS; i++) {
        other[i] = number[i + 1];
        other[i + 1] = number[i];
        if (number[i] != number[i + 1])
            add_neighbour(&neighbours, other);
        memcpy(other, number, sizeof other);
    }
    return neighbours.n;
}

void search_swapped(const char *birth_date, char out[11]) {
    Date date;
    out[0] = '\0';
    if (date_parse(birth_date, &date) != 0 || !date.day || date.day > 12 || date.day == date.month)
        return;
    date_format((Date){.year = date.year, .month = date.day, .day = date.month}, out);
}
