// SPDX-License-Identifier: Apache-2.0
//
// Values are interned: one hash table over (field, text). Shares are turned into milli-bits once, when sealed.
#include "broker/match/roster.h"
#include "broker/match/canon.h"
#include "proto/base/error.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RARITY_MAX 40000
// A day that is this many times commoner than a calendar makes it stands for "the year only".
#define PLACEHOLDER_TIMES 4
#define WHOLE_DATE_PLACEHOLDER_TIMES 30

uint64_t roster_hash(uint64_t seed, const void *data, size_t n) {
    const uint8_t *bytes = data;
    uint64_t hash = seed * 0x9e3779b97f4a7c15u ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ hash >> 32;
}

int roster_grow(void *array, size_t *size, size_t needed, size_t item_bytes) {
    if (needed <= *size)
        return 0;
    size_t grown = *size ? *size * 2 : 1024;
    while (grown < needed)
        grown *= 2;
    void *before, *after;
    memcpy(&before, array, sizeof before);
    after = realloc(before, grown * item_bytes);
    if (!after)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    memcpy(array, &after, sizeof after);
    *size = grown;
    return 0;
}

static int table_resize(Roster *roster, size_t size) {
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    for (size_t v = 1; v < roster->n_values; v++) {
        const RosterValue *value = &roster->value[v];
        size_t at = roster_hash(value->field, roster_text(roster, (uint32_t)v), value->n) & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = (uint32_t)v;
    }
    free(roster->table);
    roster->table = table;
    roster->table_size = size;
    return 0;
}

static void value_sets(RosterValue *value, const char *text) {
    for (size_t i = 0; i < value->n; i++) {
        uint8_t c = (uint8_t)text[i], next = (uint8_t)text[i + 1];
        if (c != ' ')
            value->letters |= (uint32_t)1 << (c & 31);
        if (i + 1 < value->n)
            value->bigrams |= (uint64_t)1 << ((c * 31u + next * 7u) & 63);
    }
}

static int intern(Roster *roster, uint32_t field, const char *text, uint32_t *ret) {
    *ret = 0;
    size_t n = strlen(text);
    if (n == 0)
        return 0;
    int r = 0;
    if (roster->n_values * 2 >= roster->table_size && (r = table_resize(roster, roster->table_size * 2)) < 0)
        return r;
    size_t at = roster_hash(field, text, n) & (roster->table_size - 1);
    for (; roster->table[at]; at = (at + 1) & (roster->table_size - 1)) {
        const RosterValue *value = &roster->value[roster->table[at]];
        if (value->field == field && value->n == n && memcmp(roster_text(roster, roster->table[at]), text, n) == 0) {
            *ret = roster->table[at];
            return 0;
        }
    }
    if ((r = roster_grow(&roster->value, &roster->values_size, roster->n_values + 1, sizeof *roster->value)) < 0)
        return r;
    roster->value[roster->n_values] =
        (RosterValue){.text = (uint32_t)roster->texts.n, .n = (uint16_t)n, .field = field};
    value_sets(&roster->value[roster->n_values], text);
    bytes_append(&roster->texts, text, n + 1);
    if (roster->texts.failed || roster->texts.n > UINT32_MAX)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    *ret = roster->table[at] = (uint32_t)roster->n_values++;
    return 0;
}

int roster_new(Roster **ret, const MatchField *fields, int n) {
    *ret = NULL;
    if (n < 1 || n > MATCH_FIELDS_MAX)
        return error_fail(ERROR_CONFIG, "between 1 and %d fields can be compared", MATCH_FIELDS_MAX);
    Roster *roster = calloc(1, sizeof *roster);
    if (!roster)
        return error_fail(ERROR_MEMORY, "no memory");
    for (int f = 0; f < n; f++) {
        roster->fields[f] = fields[f];
        roster->fields[f].slot = roster->n_slots;
        roster->n_slots += fields[f].kind == MATCH_NAME ? NAME_SLOTS : 1;
        roster->n_columns += fields[f].n_columns;
    }
    roster->n_fields = n;
    bytes_append(&roster->texts, "", 1);
    int r = roster_grow(&roster->value, &roster->values_size, 1, sizeof *roster->value);
    if (r == 0) {
        roster->value[0] = (RosterValue){0};
        roster->n_values = 1;
        r = table_resize(roster, 4096);
    }
    if (r < 0)
        roster_destroy(&roster);
    *ret = roster;
    return r;
}

void roster_destroy(Roster **roster) {
    if (!*roster)
        return;
    free((*roster)->values);
    free((*roster)->accents);
    free((*roster)->contents);
    free((*roster)->order);
    free((*roster)->value);
    free((*roster)->table);
    bytes_free(&(*roster)->texts);
    free(*roster);
    *roster = NULL;
}

// The parts of a name in one column: the first word, the last one, and what stands between.
static void words_split(const char *words, char *first, char *middle, char *last) {
    size_t n = strlen(words), n_first = strcspn(words, " ");
    memcpy(first, words, n_first);
    first[n_first] = '\0';
    if (n_first == n)
        return;
    const char *tail = strrchr(words, ' ') + 1;
    memcpy(last, tail, strlen(tail) + 1);
    if (tail - words <= (long)n_first + 1)
        return;
    size_t n_middle = (size_t)(tail - words) - n_first - 2;
    memcpy(middle, words + n_first + 1, n_middle);
    middle[n_middle] = '\0';
}

static void name_split(const char *cell, Canon parts[3]) {
    Canon words;
    canon_words(cell, &words);
    words_split(words.text, parts[NAME_FIRST].text, parts[NAME_INNER].text, parts[NAME_LAST].text);
    words_split(words.accented, parts[NAME_FIRST].accented, parts[NAME_INNER].accented, parts[NAME_LAST].accented);
}

static void text_append(char to[CANON_BYTES], const char *words) {
    size_t n = strlen(to), more = strlen(words);
    if (more == 0 || n + more + 2 > CANON_BYTES)
        return;
    if (n > 0)
        to[n++] = ' ';
    memcpy(to + n, words, more + 1);
}

static uint32_t spelling_of(const char *accented) {
    return (uint32_t)roster_hash(1, accented, strlen(accented));
}

static void name_columns(const char *const *cells, int n_columns, Canon parts[3]) {
    canon_part(cells[0], &parts[NAME_FIRST]);
    canon_part(cells[n_columns - 1], &parts[NAME_LAST]);
    for (int i = 1; i + 1 < n_columns; i++) {
        Canon words;
        canon_words(cells[i], &words);
        text_append(parts[NAME_INNER].text, words.text);
        text_append(parts[NAME_INNER].accented, words.accented);
    }
}

static int add_name(Roster *roster, const MatchField *field, const char *const *cells, uint32_t *values,
                    uint32_t *accents) {
    Canon parts[3];
    char joined[CANON_BYTES] = "";
    memset(parts, 0, sizeof parts);
    if (field->n_columns == 1)
        name_split(cells[0], parts);
    else
        name_columns(cells, field->n_columns, parts);
    uint32_t f = (uint32_t)(field - roster->fields);
    for (int part = 0; part < 3; part++) {
        int r = intern(roster, f, parts[part].text, &values[part]);
        if (r < 0)
            return r;
        accents[part] = spelling_of(parts[part].accented);
        text_append(joined, parts[part].text);
    }
    char bare[CANON_BYTES], *end = bare;
    for (const char *c = joined; *c; c++)
        if (*c != ' ')
            *end++ = *c;
    *end = '\0';
    return intern(roster, f + MATCH_FIELDS_MAX, bare, &values[NAME_JOINED]);
}

static int add_field(Roster *roster, const MatchField *field, const char *const *cells, uint32_t *values,
                     uint32_t *accents) {
    Canon canon;
    switch (field->kind) {
    case MATCH_NAME:
        return add_name(roster, field, cells, values, accents);
    case MATCH_DATE:
        canon_date(cells[0], field->format, &canon);
        break;
    case MATCH_TEXT:
        canon_words(cells[0], &canon);
        break;
    default:
        canon_part(cells[0], &canon);
    }
    *accents = spelling_of(canon.accented);
    return intern(roster, (uint32_t)(field - roster->fields), canon.text, values);
}

int roster_add(Roster *roster, bool right, const char *const *cells) {
    assert(!roster->order && (right || !roster->has_right));
    if (roster->n == MATCH_RECORDS_MAX)
        return error_fail(ERROR_CONFIG, "more than %d rows", MATCH_RECORDS_MAX);
    size_t width = (size_t)roster->n_slots, size = roster->rows_size;
    int r = roster_grow(&roster->values, &size, roster->n + 1, width * sizeof *roster->values);
    size = roster->rows_size;
    if (r < 0 || (r = roster_grow(&roster->accents, &size, roster->n + 1, width * sizeof *roster->accents)) < 0)
        return r;
    roster->rows_size = size;
    uint32_t *values = roster->values + roster->n * width, *accents = roster->accents + roster->n * width;
    memset(values, 0, width * sizeof *values);
    memset(accents, 0, width * sizeof *accents);
    const char *clean[MATCH_COLUMNS_MAX];
    for (int f = 0; f < roster->n_fields; f++) {
        const MatchField *field = &roster->fields[f];
        for (int i = 0; i < field->n_columns; i++)
            clean[i] = cells[i] ? cells[i] : "";
        if ((r = add_field(roster, field, clean, values + field->slot, accents + field->slot)) < 0)
            return r;
        cells += field->n_columns;
    }
    roster->n++;
    roster->has_right |= right;
    roster->n_left += !right;
    return 0;
}

static void count_all(Roster *roster) {
    for (size_t v = 0; v < roster->n_values; v++)
        memset(roster->value[v].count, 0, sizeof roster->value[v].count);
    for (size_t i = 0; i < roster->n; i++)
        for (int f = 0; f < roster->n_fields; f++) {
            const MatchField *field = &roster->fields[f];
            int parts = field->kind == MATCH_NAME ? 3 : 1;
            for (int part = 0; part < parts; part++)
                roster->value[roster_at(roster, i, field->slot + part)].count[part]++;
            if (field->kind == MATCH_NAME)
                roster->value[roster_at(roster, i, field->slot + NAME_JOINED)].count[0]++;
        }
}

static uint16_t rarity_of(double share) {
    double bits = -log2(share) * 1000;
    return bits < 0 ? 0 : bits > RARITY_MAX ? RARITY_MAX : (uint16_t)lround(bits);
}

typedef struct Calendar {
    uint32_t years[10000], days[10000]; // by month * 100 + day
    uint32_t n, n_values;
} Calendar;

static unsigned date_number(const Roster *roster, uint32_t value) {
    return (unsigned)strtoul(roster_text(roster, value), NULL, 10);
}

static void calendar_count(const Roster *roster, uint32_t field, Calendar *calendar) {
    memset(calendar, 0, sizeof *calendar);
    for (size_t v = 1; v < roster->n_values; v++) {
        const RosterValue *value = &roster->value[v];
        if (value->field != field || value->count[0] == 0)
            continue;
        unsigned date = date_number(roster, (uint32_t)v);
        calendar->years[date / 10000] += value->count[0];
        calendar->days[date % 10000] += value->count[0];
        calendar->n += value->count[0];
        calendar->n_values++;
    }
}

// What a value of a date stands for: itself, its year only, or nothing.
static int placeholder_as(Roster *roster, const Calendar *calendar, uint32_t v, uint32_t *ret) {
    unsigned date = date_number(roster, v);
    uint32_t count = roster->value[v].count[0];
    double by_calendar = (double)calendar->n / 365, by_year = (double)calendar->years[date / 10000];
    bool day_is_none = (date % 10000 == 101 || date % 10000 == 1231) && calendar->n >= 50 &&
                       calendar->days[date % 10000] > PLACEHOLDER_TIMES * by_calendar + 10;
    char year[9];
    *ret = v;
    // One whole date that too many share (01-01-1900): not even the year is meant.
    if (date % 10000 == 101 && (double)count > calendar->n / 100.0 + 10 && count > .8 * by_year &&
        count > WHOLE_DATE_PLACEHOLDER_TIMES * (double)calendar->n / calendar->n_values) {
        *ret = 0;
        return 0;
    }
    if (!day_is_none)
        return 0;
    snprintf(year, sizeof year, "%04u0000", date / 10000 % 10000);
    return intern(roster, roster->value[v].field, year, ret);
}

static int mend_dates(Roster *roster, const MatchField *field, Calendar *calendar) {
    uint32_t f = (uint32_t)(field - roster->fields);
    calendar_count(roster, f, calendar);
    size_t n = roster->n_values;
    uint32_t *as = calloc(n, sizeof *as);
    if (!as)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    int r = 0;
    for (size_t v = 1; v < n && r == 0; v++) {
        as[v] = (uint32_t)v;
        if (roster->value[v].field == f && roster->value[v].count[0] > 0)
            r = placeholder_as(roster, calendar, (uint32_t)v, &as[v]);
    }
    for (size_t i = 0; i < roster->n && r == 0; i++) {
        uint32_t *at = &roster->values[i * (size_t)roster->n_slots + (size_t)field->slot];
        roster->n_placeholders += as[*at] != *at;
        *at = as[*at];
    }
    free(as);
    return r;
}

// A date is as rare as its year times its day of the year: whole dates are too few to count.
static void rarity_dates(Roster *roster, const MatchField *field, const Calendar *calendar) {
    uint32_t f = (uint32_t)(field - roster->fields);
    double n = calendar->n, n_days = n - calendar->days[0];
    for (size_t v = 1; v < roster->n_values; v++) {
        RosterValue *value = &roster->value[v];
        if (value->field != f || value->count[0] == 0)
            continue;
        unsigned date = date_number(roster, (uint32_t)v), day = date % 10000;
        double share = calendar->years[date / 10000] / n;
        // A day is smoothed by the calendar's own 365: small lists do not know their rare days.
        if (day != 0)
            share *= (calendar->days[day] + 1) / (n_days + 365);
        value->rarity[0] = rarity_of(share);
    }
}

static void rarity_values(Roster *roster) {
    uint64_t n[MATCH_FIELDS_MAX * 2][3] = {{0}};
    for (size_t v = 1; v < roster->n_values; v++)
        for (int part = 0; part < 3; part++)
            n[roster->value[v].field][part] += roster->value[v].count[part];
    for (size_t v = 1; v < roster->n_values; v++) {
        RosterValue *value = &roster->value[v];
        for (int part = 0; part < 3; part++)
            if (n[value->field][part] > 0)
                value->rarity[part] =
                    rarity_of((value->count[part] ? value->count[part] : .5) / (double)n[value->field][part]);
    }
}

static int by_contents(const void *a, const void *b, void *of) {
    const uint64_t *contents = of;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (contents[i] != contents[j])
        return contents[i] < contents[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int sort_records(Roster *roster) {
    roster->contents = calloc(roster->n + 1, sizeof *roster->contents);
    roster->order = calloc(roster->n + 1, sizeof *roster->order);
    if (!roster->contents || !roster->order)
        return error_fail(ERROR_MEMORY, "no memory for lists of this size");
    for (size_t i = 0; i < roster->n; i++) {
        uint64_t hash = i >= roster->n_left;
        for (int slot = 0; slot < roster->n_slots; slot++) {
            uint32_t value = roster_at(roster, i, slot);
            hash =
                roster_hash(hash + roster_accents(roster, i, slot), roster_text(roster, value), roster->value[value].n);
        }
        roster->contents[i] = hash;
        roster->order[i] = (uint32_t)i;
    }
    qsort_r(roster->order, roster->n, sizeof *roster->order, by_contents, roster->contents);
    return 0;
}

int roster_seal(Roster *roster) {
    count_all(roster);
    Calendar *calendar = malloc(sizeof *calendar);
    if (!calendar)
        return error_fail(ERROR_MEMORY, "no memory");
    int r = 0;
    for (int f = 0; f < roster->n_fields && r == 0; f++)
        if (roster->fields[f].kind == MATCH_DATE)
            r = mend_dates(roster, &roster->fields[f], calendar);
    count_all(roster);
    rarity_values(roster);
    for (int f = 0; f < roster->n_fields && r == 0; f++)
        if (roster->fields[f].kind == MATCH_DATE) {
            calendar_count(roster, (uint32_t)f, calendar);
            rarity_dates(roster, &roster->fields[f], calendar);
        }
    free(calendar);
    return r < 0 ? r : sort_records(roster);
}
