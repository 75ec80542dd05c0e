// SPDX-License-Identifier: Apache-2.0
//
// Keys are made once for all records (a table of key kinds and hashes), sorted, and read in runs.
#include "broker/match/block.h"
#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 160         // of one record
#define LEVELS_MAX 3         // a block is split at most twice
#define PAIRS_BUDGET 8000000 // what the limit of a block aims at; lists that are larger get smaller blocks
#define LIMIT_MIN 12
#define LIMIT_MAX 160
#define PAIRS_PENDING (4u << 20)

typedef struct Key {
    uint64_t hash;
    uint32_t kind; // a record's keys ascend by kind; categories come last and only split
} Key;

typedef struct Entry {
    uint64_t hash;
    uint32_t record;
    uint32_t kind;
} Entry;

typedef struct Finder {
    const Roster *roster;
    Blocks *blocks;
    Key *keys;    // all records' keys, one record after the other
    size_t *from; // n + 1
    size_t n_keys, keys_size;
    uint8_t *covered;
    size_t n_sorted; // of blocks->pairs: sorted and unique so far
} Finder;

int blocks_sort(uint64_t *items, size_t n) {
    uint64_t *other = malloc((n + 1) * sizeof *other);
    if (!other)
        return error_fail(ERROR_MEMORY, "no memory for that many pairs");
    uint64_t *from = items, *to = other;
    for (int shift = 0; shift < 64; shift += 8) {
        size_t count[257] = {0};
        for (size_t i = 0; i < n; i++)
            count[(from[i] >> shift & 255) + 1]++;
        if (n > 0 && count[(from[0] >> shift & 255) + 1] == n)
            continue;
        for (int b = 0; b < 256; b++)
            count[b + 1] += count[b];
        for (size_t i = 0; i < n; i++)
            to[count[from[i] >> shift & 255]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
    free(other);
    return 0;
}

static int pairs_compact(Finder *finder) {
    Blocks *blocks = finder->blocks;
    int r = blocks_sort(blocks->pairs, blocks->n);
    size_t n = 0;
    for (size_t i = 0; i < blocks->n; i++)
        if (i == 0 || blocks->pairs[i] != blocks->pairs[i - 1])
            blocks->pairs[n++] = blocks->pairs[i];
    blocks->n = finder->n_sorted = n;
    return r;
}

// Keys of one record

typedef struct KeyList {
    Key items[KEYS_MAX];
    int n;
    uint32_t kind;
} KeyList;

static void key_add(KeyList *list, const char *text, size_t n) {
    if (list->n == KEYS_MAX || n == 0)
        return;
    uint64_t hash = roster_hash(list->kind + 11, text, n);
    for (int i = list->n; i-- > 0 && list->items[i].kind == list->kind;)
        if (list->items[i].hash == hash)
            return;
    list->items[list->n++] = (Key){hash, list->kind};
}

// Its consonants, doubled ones once, with the first letter whatever it is: what misspellings mostly leave alone.
static void key_add_sound(KeyList *list, const char *text, size_t n) {
    char out[6];
    size_t k = 0;
    for (size_t i = 0; i < n && k < 5; i++) {
        char c = text[i];
        if (i > 0 && (strchr("aeiouyhw", c) || c == text[i - 1]))
            continue;
        out[k++] = c == 'z' ? 's' : c == 'q' || c == 'c' ? 'k' : c;
    }
    key_add(list, out, k);
}

static void keys_of_words(KeyList *list, const char *text, size_t n_min) {
    while (*text) {
        size_t n = strcspn(text, " ");
        if (n >= n_min)
            key_add(list, text, n);
        text += n + (text[n] == ' ');
    }
}

static void keys_of_name(const Roster *roster, size_t record, const MatchField *field, KeyList *list) {
    const char *parts[NAME_SLOTS];
    for (int part = 0; part < NAME_SLOTS; part++)
        parts[part] = roster_text(roster, roster_at(roster, record, field->slot + part));
    key_add(list, parts[NAME_JOINED], strlen(parts[NAME_JOINED]));
    list->kind++;
    for (int part = 0; part < NAME_JOINED; part++)
        keys_of_words(list, parts[part], 2);
    list->kind++;
    for (int part = 0; part < NAME_JOINED; part += 2)
        key_add_sound(list, parts[part], strlen(parts[part]));
    list->kind++;
    for (int part = 0; part < NAME_JOINED; part += 2)
        key_add(list, parts[part], strnlen(parts[part], 3));
    list->kind++;
}

static void keys_of_date(const char *date, KeyList *list) {
    bool whole = date[0] && memcmp(date + 6, "00", 2) != 0;
    key_add(list, date, whole ? 8 : 0);
    list->kind++;
    key_add(list, date, whole ? 6 : 0);
    list->kind++;
    key_add(list, date + (whole ? 4 : 0), whole ? 4 : 0);
    if (whole) {
        char swapped[4] = {date[6], date[7], date[4], date[5]};
        key_add(list, swapped, 4);
    }
    list->kind++;
    if (whole) {
        char year_day[6] = {date[0], date[1], date[2], date[3], date[6], date[7]};
        key_add(list, year_day, 6);
    }
    list->kind++;
    key_add(list, date, date[0] ? 4 : 0);
    list->kind++;
}

static void keys_of_text(const char *text, KeyList *list) {
    key_add(list, text, strlen(text));
    list->kind++;
    keys_of_words(list, text, 3);
    list->kind++;
    key_add(list, text, strnlen(text, 5));
    list->kind++;
}

static void keys_of_identifier(const char *text, KeyList *list) {
    size_t n = strlen(text), half = n / 2;
    key_add(list, text, n);
    list->kind++;
    key_add(list, text, n >= 4 ? n - half : 0);
    list->kind++;
    key_add(list, text + half, n >= 4 ? n - half : 0);
    list->kind++;
}

// Categories only split: their kinds begin at CATEGORY_KIND.
#define CATEGORY_KIND 4096
static void keys_of(const Roster *roster, size_t record, KeyList *list) {
    list->n = 0;
    list->kind = 0;
    for (int f = 0; f < roster->n_fields; f++) {
        const MatchField *field = &roster->fields[f];
        const char *text = roster_text(roster, roster_at(roster, record, field->slot));
        if (field->kind == MATCH_NAME)
            keys_of_name(roster, record, field, list);
        else if (field->kind == MATCH_DATE)
            keys_of_date(text, list);
        else if (field->kind == MATCH_TEXT)
            keys_of_text(text, list);
        else if (field->kind == MATCH_IDENTIFIER)
            keys_of_identifier(text, list);
    }
    list->kind = CATEGORY_KIND;
    for (int f = 0; f < roster->n_fields; f++, list->kind++)
        if (roster->fields[f].kind == MATCH_CATEGORY) {
            uint32_t value = roster_at(roster, record, roster->fields[f].slot);
            key_add(list, roster_text(roster, value), roster->value[value].n);
        }
}

static int keys_make(Finder *finder) {
    const Roster *roster = finder->roster;
    KeyList list;
    for (size_t i = 0; i < roster->n; i++) {
        keys_of(roster, i, &list);
        int r = roster_grow(&finder->keys, &finder->keys_size, finder->n_keys + (size_t)list.n, sizeof *finder->keys);
        if (r < 0)
            return r;
        finder->from[i] = finder->n_keys;
        memcpy(finder->keys + finder->n_keys, list.items, (size_t)list.n * sizeof *list.items);
        finder->n_keys += (size_t)list.n;
    }
    finder->from[roster->n] = finder->n_keys;
    return 0;
}

// Runs of equal keys

static int by_hash(const void *a, const void *b) {
    const Entry *i = a, *j = b;
    if (i->hash != j->hash)
        return i->hash < j->hash ? -1 : 1;
    return i->record < j->record ? -1 : i->record > j->record;
}

static int emit(Finder *finder, const Entry *block, size_t n) {
    Blocks *blocks = finder->blocks;
    for (size_t i = 0; i < n; i++) {
        finder->covered[block[i].record] = 1;
        for (size_t j = i + 1; j < n; j++) {
            if (!roster_crosses(finder->roster, block[i].record, block[j].record))
                continue;
            int r = roster_grow(&blocks->pairs, &blocks->size, blocks->n + 1, sizeof *blocks->pairs);
            if (r < 0)
                return r;
            blocks->pairs[blocks->n++] = (uint64_t)block[i].record << 32 | block[j].record;
        }
    }
    return blocks->n > 2 * finder->n_sorted + PAIRS_PENDING ? pairs_compact(finder) : 0;
}

static bool is_small(const Finder *finder, const Entry *block, size_t n) {
    size_t left = 0;
    if (!finder->roster->has_right)
        return n <= finder->blocks->limit;
    while (left < n && block[left].record < finder->roster->n_left)
        left++; // sorted by record, and the left list comes first
    return left * (n - left) <= finder->blocks->limit * n / 2;
}

static int split(Finder *finder, const Entry *block, size_t n, int level);

static int read_runs(Finder *finder, const Entry *entries, size_t n, int level) {
    int r = 0;
    for (size_t i = 0, end; i < n && r == 0; i = end) {
        for (end = i + 1; end < n && entries[end].hash == entries[i].hash;)
            end++;
        if (end - i < 2)
            finder->covered[entries[i].record] = 1;
        else if (is_small(finder, entries + i, end - i))
            r = emit(finder, entries + i, end - i);
        else
            r = split(finder, entries + i, end - i, level);
    }
    return r;
}

// By every key of a later kind that its records have: a pair that shares an earlier one is in that one's block.
static int split(Finder *finder, const Entry *block, size_t n, int level) {
    if (level == LEVELS_MAX) {
        finder->blocks->n_too_large++;
        return 0;
    }
    size_t n_keys = 0;
    for (size_t i = 0; i < n; i++)
        n_keys += finder->from[block[i].record + 1] - finder->from[block[i].record];
    Entry *entries = malloc((n_keys + 1) * sizeof *entries);
    if (!entries)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    size_t n_entries = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = finder->from[block[i].record]; k < finder->from[block[i].record + 1]; k++)
            if (finder->keys[k].kind > block[i].kind)
                entries[n_entries++] = (Entry){finder->keys[k].hash, block[i].record, finder->keys[k].kind};
    qsort(entries, n_entries, sizeof *entries, by_hash);
    int r = read_runs(finder, entries, n_entries, level + 1);
    free(entries);
    return r;
}

// One kind at a time, so that the entries of one fit the memory.
static int find_kind(Finder *finder, uint32_t kind, Entry *entries) {
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < finder->roster->n; i++)
        for (size_t k = finder->from[i]; k < finder->from[i + 1]; k++)
            if (finder->keys[k].kind == kind)
                entries[n++] = (Entry){finder->keys[k].hash, (uint32_t)i, kind};
    qsort(entries, n, sizeof *entries, by_hash);
    r = read_runs(finder, entries, n, 1);
    return r;
}

static size_t block_limit(const Roster *roster, size_t n_kinds) {
    size_t limit = PAIRS_BUDGET / (roster->n * (n_kinds + 1) + 1);
    return limit < LIMIT_MIN ? LIMIT_MIN : limit > LIMIT_MAX ? LIMIT_MAX : limit;
}

static int find_all(Finder *finder) {
    int r = keys_make(finder);
    if (r < 0)
        return r;
    size_t most[CATEGORY_KIND] = {0}, widest = 1;
    uint32_t n_kinds = 0;
    for (size_t k = 0; k < finder->n_keys; k++) {
        uint32_t kind = finder->keys[k].kind;
        if (kind >= CATEGORY_KIND)
            continue;
        n_kinds = kind + 1 > n_kinds ? kind + 1 : n_kinds;
        widest = ++most[kind] > widest ? most[kind] : widest;
    }
    finder->blocks->limit = block_limit(finder->roster, n_kinds);
    Entry *entries = malloc((widest + 1) * sizeof *entries);
    if (!entries)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    for (uint32_t kind = 0; kind < n_kinds && r == 0; kind++)
        r = find_kind(finder, kind, entries);
    free(entries);
    return r < 0 ? r : pairs_compact(finder);
}

int blocks_find(const Roster *roster, Blocks *ret) {
    *ret = (Blocks){0};
    Finder finder = {.roster = roster, .blocks = ret};
    finder.from = calloc(roster->n + 1, sizeof *finder.from);
    finder.covered = calloc(roster->n + 1, 1);
    int r = finder.from && finder.covered ? find_all(&finder) : error_fail(ERROR_MEMORY, "no memory");
    for (size_t i = 0; i < roster->n && r == 0; i++)
        ret->n_not_covered += !finder.covered[i] && finder.from[i + 1] > finder.from[i];
    free(finder.keys);
    free(finder.from);
    free(finder.covered);
    if (r < 0)
        blocks_free(ret);
    return r;
}

void blocks_free(Blocks *blocks) {
    free(blocks->pairs);
    *blocks = (Blocks){0};
}
