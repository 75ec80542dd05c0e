// SPDX-License-Identifier: Apache-2.0
//
// Keys are hashes of texts in one sorted array, and so are the values that are counted. A hash that two texts share
// brings a candidate more, who is then judged like any other.
#include "operators/canvass.h"
#include "broker/decide.h"
#include "broker/verify.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/bounds.h"

#include <stdlib.h>
#include <string.h>

#define FOLD_BYTES (4 * TEXT_BYTES_MAX)
#define KEYS 8
#define COUNTS 7

typedef enum Kind {
    KEY_ENDS, // surname and given name in either order, birth date
    KEY_GIVEN,
    KEY_LETTERS,
    KEY_YEAR,
    KEY_MOTHER,
    KEY_BORN_TO, // mother's name, birth date
    KEY_FAMILY,  // name but for its last word, birth date, province
    KEY_HOME,    // name, mother's name, province
    COUNT_NAME,
    COUNT_GIVEN,
    COUNT_BIRTH,
    COUNT_YEAR,
    COUNT_PROVINCE,
    COUNT_MOTHER,
    COUNT_FATHER,
} Kind;

typedef struct Entry {
    uint64_t hash;
    uint32_t n; // the citizen's place; or how many have the value
} __attribute__((packed)) Entry;

typedef struct Entries {
    Entry *list; // by hash, then n
    size_t n;
} Entries;

struct Canvass {
    const Census *census;
    const Rules *rules;
    Entries keys, counts;
};

// What keys are made of: `name` is folded, `mother` is not.
typedef struct Traits {
    const char *name, *birth, *sex, *province, *mother;
} Traits;

static uint64_t hash_begin(Kind kind) {
    return 0xCBF29CE484222325ULL ^ (uint64_t)kind << 56;
}

// The text and a mark behind it.
static uint64_t hash_add(uint64_t hash, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001B3ULL;
    return (hash ^ '/') * 0x100000001B3ULL;
}

static uint64_t hash_end(uint64_t hash) {
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93ULL;
    return hash ^ hash >> 32;
}

static uint64_t hash_text(Kind kind, const char *text, size_t n) {
    return hash_end(hash_add(hash_begin(kind), text, n));
}

// Known to the day; the first of January stands for "not known" too often.
static bool is_day(const char *birth) {
    return strlen(birth) == 10 && birth[4] == '-' && birth[7] == '-' && strcmp(birth + 4, "-01-01") != 0;
}

static bool is_year(const char *birth) {
    return strlen(birth) >= 4 && strncmp(birth, "1900", 4) != 0;
}

// "" where it does not fit.
static void fold(const char *name, char out[FOLD_BYTES]) {
    if (text_fold_accents(name, out, FOLD_BYTES) == (size_t)-1)
        out[0] = '\0';
}

static const char *last_word(const char *name) {
    const char *space = strrchr(name, ' ');
    return space ? space + 1 : name;
}

// Takes the word out wherever it stands between others.
static void without_word(const char *text, const char *word, char *out) {
    const char *found;
    while ((found = strstr(text, word)) != NULL) {
        memcpy(out, text, (size_t)(found - text));
        out += found - text;
        *out++ = ' ';
        text = found + strlen(word);
    }
    memcpy(out, text, strlen(text) + 1);
}

static uint64_t hash_ends(const Traits *traits) {
    const char *last = last_word(traits->name);
    size_t n_first = strcspn(traits->name, " "), n_last = strlen(last);
    size_t n = n_first < n_last ? n_first : n_last;
    int order = memcmp(traits->name, last, n);
    bool first_is_less = order ? order < 0 : n_first <= n_last;
    uint64_t hash = hash_begin(KEY_ENDS);
    hash = first_is_less ? hash_add(hash, traits->name, n_first) : hash_add(hash, last, n_last);
    hash = first_is_less ? hash_add(hash, last, n_last) : hash_add(hash, traits->name, n_first);
    return hash_end(hash_add(hash, traits->birth, 10));
}

static uint64_t hash_letters(const Traits *traits) {
    char letters[FOLD_BYTES];
    size_t n = 0;
    for (const char *at = traits->name; *at; at++)
        if (*at != ' ')
            letters[n++] = *at;
    return hash_end(hash_add(hash_add(hash_begin(KEY_LETTERS), letters, n), traits->birth, 10));
}

static uint64_t hash_year(const Traits *traits) {
    char without_thi[FOLD_BYTES], without_both[FOLD_BYTES];
    without_word(traits->name, " thi ", without_thi);
    without_word(without_thi, " van ", without_both);
    uint64_t hash = hash_add(hash_begin(KEY_YEAR), without_both, strlen(without_both));
    return hash_end(hash_add(hash_add(hash, traits->birth, 4), traits->province, strlen(traits->province)));
}

// Keys of which the mother's name is a part, as it is written but for its capitals. false where it does not fit.
static bool hash_mother(Kind kind, const Traits *traits, uint64_t *ret) {
    char mother[FOLD_BYTES];
    const char *given = last_word(traits->name);
    if (text_fold_case(traits->mother, mother, sizeof mother) == (size_t)-1)
        return false;
    uint64_t hash = hash_add(hash_begin(kind), mother, strlen(mother));
    if (kind == KEY_MOTHER)
        hash = hash_add(hash_add(hash, given, strlen(given)), traits->birth, 4);
    else if (kind == KEY_BORN_TO)
        hash = hash_add(hash, traits->birth, 10);
    else
        hash = hash_add(hash_add(hash, traits->name, strlen(traits->name)), traits->province, strlen(traits->province));
    *ret = hash_end(hash);
    return true;
}

static uint64_t hash_family(const Traits *traits, size_t n_before_given) {
    uint64_t hash = hash_add(hash_begin(KEY_FAMILY), traits->name, n_before_given);
    return hash_end(hash_add(hash_add(hash, traits->birth, 10), traits->province, strlen(traits->province)));
}

// false where a part of the key is missing.
static bool key_of(Kind kind, const Traits *traits, uint64_t *ret) {
    if (!*traits->name)
        return false;
    const char *given = last_word(traits->name), *sex = strstr(traits->sex, "male");
    switch (kind) {
    case KEY_ENDS:
        if (given == traits->name || !is_day(traits->birth))
            return false;
        *ret = hash_ends(traits);
        return true;
    case KEY_GIVEN:
        if (!is_day(traits->birth) || !sex || sex[4])
            return false;
        *ret = hash_add(hash_add(hash_begin(KEY_GIVEN), given, strlen(given)), traits->birth, 10);
        *ret = hash_end(hash_add(*ret, traits->sex, strlen(traits->sex)));
        return true;
    case KEY_LETTERS:
        if (!is_day(traits->birth))
            return false;
        *ret = hash_letters(traits);
        return true;
    case KEY_YEAR:
        if (!is_year(traits->birth) || !*traits->province)
            return false;
        *ret = hash_year(traits);
        return true;
    case KEY_FAMILY:
        if (given == traits->name || !is_day(traits->birth) || !*traits->province)
            return false;
        *ret = hash_family(traits, (size_t)(given - traits->name));
        return true;
    case KEY_HOME:
        return *traits->province && *traits->mother && hash_mother(kind, traits, ret);
    case KEY_BORN_TO:
        return is_day(traits->birth) && *traits->mother && hash_mother(kind, traits, ret);
    default:
        return is_year(traits->birth) && *traits->mother && hash_mother(kind, traits, ret);
    }
}

// ---- of everybody ---------------------------------------------------------------------------------------------------

static int by_hash(const void *a, const void *b) {
    const Entry *one = a, *other = b;
    if (one->hash != other->hash)
        return one->hash < other->hash ? -1 : 1;
    return (one->n > other->n) - (one->n < other->n);
}

static void add_value(Entries *counts, Kind kind, const char *text, size_t n) {
    counts->list[counts->n++] = (Entry){hash_text(kind, text, n), 1};
}

static void add_citizen(Canvass *canvass, size_t place) {
    CensusCitizen citizen;
    char name[FOLD_BYTES];
    census_citizen(canvass->census, place, &citizen);
    const Person *person = &citizen.person;
    fold(person->full_name, name);
    const Traits traits = {name, person->birth_date, person->sex, person->residence_province, citizen.mother_name};
    for (int kind = 0; kind < KEYS; kind++) {
        uint64_t hash;
        if (key_of((Kind)kind, &traits, &hash))
            canvass->keys.list[canvass->keys.n++] = (Entry){hash, (uint32_t)place};
    }
    const char *given = last_word(name);
    Entries *counts = &canvass->counts;
    add_value(counts, COUNT_NAME, name, strlen(name));
    add_value(counts, COUNT_GIVEN, given, strlen(given));
    add_value(counts, COUNT_BIRTH, person->birth_date, strlen(person->birth_date));
    add_value(counts, COUNT_YEAR, person->birth_date, strnlen(person->birth_date, 4));
    add_value(counts, COUNT_PROVINCE, person->residence_province, strlen(person->residence_province));
    add_value(counts, COUNT_MOTHER, citizen.mother_name, strlen(citizen.mother_name));
    add_value(counts, COUNT_FATHER, citizen.father_name, strlen(citizen.father_name));
}

// One entry for each value, with how many have it.
static void count_values(Entries *counts) {
    size_t n = 0;
    for (size_t i = 0; i < counts->n; i++) {
        if (n > 0 && counts->list[n - 1].hash == counts->list[i].hash)
            counts->list[n - 1].n++;
        else
            counts->list[n++] = counts->list[i];
    }
    counts->n = n;
    Entry *list = realloc(counts->list, (n + 1) * sizeof *list);
    counts->list = list ? list : counts->list;
}

int canvass_new(Canvass **ret, const Census *census, const Rules *rules) {
    CLEANUP(canvass_destroy) Canvass *canvass = calloc(1, sizeof *canvass);
    size_t n = census_counts(census).citizens;
    if (canvass) {
        canvass->census = census;
        canvass->rules = rules;
        canvass->keys.list = malloc((n * KEYS + 1) * sizeof(Entry));
        canvass->counts.list = malloc((n * COUNTS + 1) * sizeof(Entry));
    }
    if (!canvass || !canvass->keys.list || !canvass->counts.list)
        return error_fail(ERROR_MEMORY, "no memory for the keys of %zu citizens", n);
    for (size_t place = 1; place <= n; place++)
        add_citizen(canvass, place);
    qsort(canvass->keys.list, canvass->keys.n, sizeof(Entry), by_hash);
    qsort(canvass->counts.list, canvass->counts.n, sizeof(Entry), by_hash);
    count_values(&canvass->counts);
    *ret = canvass;
    canvass = NULL;
    return 0;
}

void canvass_destroy(Canvass **canvass) {
    if (!*canvass)
        return;
    free((*canvass)->keys.list);
    free((*canvass)->counts.list);
    free(*canvass);
    *canvass = NULL;
}

// The first entry with this hash, or where it would be.
static size_t first_of(const Entries *entries, uint64_t hash) {
    size_t from = 0, to = entries->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (entries->list[middle].hash < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

// ---- of one event ---------------------------------------------------------------------------------------------------

typedef struct Asking {
    const Canvass *canvass;
    SearchCandidate *candidates;
    size_t n;
    bool too_large;
    int64_t said; // how many have the name that is said
} Asking;

static int64_t count_of(const Canvass *canvass, Kind kind, const char *text, size_t n) {
    uint64_t hash = hash_text(kind, text, n);
    size_t at = first_of(&canvass->counts, hash);
    return at < canvass->counts.n && canvass->counts.list[at].hash == hash ? canvass->counts.list[at].n : 0;
}

// Of whole names the store counts only those that two or more have.
static int64_t count_shared(const Canvass *canvass, Kind kind, const char *text) {
    int64_t n = count_of(canvass, kind, text, strlen(text));
    return n > 1 ? n : 0;
}

static SearchCounts counts_of(const Asking *asking, const CensusCitizen *citizen) {
    const Canvass *canvass = asking->canvass;
    const char *birth = citizen->person.birth_date, *province = citizen->person.residence_province;
    char name[FOLD_BYTES];
    fold(citizen->person.full_name, name);
    const char *given = last_word(name);
    return (SearchCounts){.name = count_shared(canvass, COUNT_NAME, name),
                          .said = asking->said,
                          .given = count_of(canvass, COUNT_GIVEN, given, strlen(given)),
                          .birth = count_of(canvass, COUNT_BIRTH, birth, strlen(birth)),
                          .year = count_of(canvass, COUNT_YEAR, birth, strnlen(birth, 4)),
                          .province = count_of(canvass, COUNT_PROVINCE, province, strlen(province)),
                          .mother = count_shared(canvass, COUNT_MOTHER, citizen->mother_name),
                          .father = count_shared(canvass, COUNT_FATHER, citizen->father_name)};
}

static void add_candidate(Asking *asking, size_t place) {
    for (size_t i = 0; i < asking->n; i++)
        if (asking->candidates[i].person.key == (int64_t)place)
            return;
    if (asking->n == SEARCH_CANDIDATES_MAX) {
        asking->too_large = true;
        return;
    }
    CensusCitizen citizen;
    census_citizen(asking->canvass->census, place, &citizen);
    asking->candidates[asking->n++] = (SearchCandidate){.person = citizen.person,
                                                        .mother_name = citizen.mother_name,
                                                        .father_name = citizen.father_name,
                                                        .counts = counts_of(asking, &citizen)};
}

static void add_block(Asking *asking, Kind kind, const Traits *traits) {
    const Entries *keys = &asking->canvass->keys;
    uint64_t hash;
    if (!key_of(kind, traits, &hash))
        return;
    size_t first = first_of(keys, hash), n = 0;
    while (first + n < keys->n && keys->list[first + n].hash == hash && n <= SEARCH_BLOCK_MAX)
        n++;
    if (n > SEARCH_BLOCK_MAX) {
        asking->too_large = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        add_candidate(asking, keys->list[first + i].n);
}

static void add_bearer(Asking *asking, const char *number) {
    Person bearer;
    if (census_find(asking->canvass->census, number, &bearer))
        add_candidate(asking, (size_t)bearer.key);
}

static void find_candidates(Asking *asking, const Item *item) {
    const Dongbo__Subject *subject = item->event->subject;
    const char *number = item->claimed_number;
    char name[FOLD_BYTES], swapped[11];
    fold(subject->full_name, name);
    search_swapped(subject->birth_date, swapped);
    Traits traits = {name, subject->birth_date, subject->sex, rules_residence34(asking->canvass->rules, subject),
                     subject->mother_name};
    asking->said = count_shared(asking->canvass, COUNT_NAME, name);
    if (verify_is_number(number))
        add_bearer(asking, number);
    SearchNumber beside[SEARCH_NEIGHBOURS_MAX];
    size_t n = decide_is_misled(item) ? search_neighbours(asking->canvass->rules, subject, number, beside) : 0;
    for (size_t i = 0; i < n; i++)
        add_bearer(asking, beside[i]);
    SearchNumber former[DECIDE_BEARERS_MAX];
    n = decide_bearers(item, former);
    for (size_t i = 0; i < n; i++)
        add_bearer(asking, former[i]);
    for (int kind = 0; kind < KEYS; kind++)
        add_block(asking, (Kind)kind, &traits);
    traits.birth = swapped;
    add_block(asking, KEY_ENDS, &traits);
}

int canvass_ask(const Canvass *canvass, const Item *item, Arena *arena, const SearchAnswer **ret) {
    Asking asking = {.canvass = canvass};
    SearchAnswer *answer = arena_alloc(arena, sizeof *answer);
    ArenaMark mark = arena_mark(arena);
    asking.candidates = arena_alloc(arena, SEARCH_CANDIDATES_MAX * sizeof *asking.candidates);
    if (!answer || !asking.candidates)
        return error_fail(ERROR_MEMORY, "the candidates of one step do not fit");
    find_candidates(&asking, item);
    SearchQuestion question = decide_question(item);
    question.citizens = (int64_t)census_counts(canvass->census).citizens;
    question.model = 1;
    question.too_large = asking.too_large;
    search_judge(&question, asking.candidates, asking.n, answer);
    arena_rewind(arena, &mark);
    *ret = answer;
    return 0;
}
