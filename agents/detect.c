// SPDX-License-Identifier: Apache-2.0
//
// See detect.h. A row counts for every encoding in which it reads well: what fits all of them tells them not apart.
#include "agents/detect.h"

#include "proto/base/csv.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A row in the widest form, through three conversions.
#define ARENA_BYTES ((size_t)16 * CSV_ROW_BYTES_MAX)
// So many different syllables make one of the encodings without a form of its own sure.
#define DISTINCT_WANTED SYLLABLE_DISTINCT_MAX

enum { UTF8 = 0 };
static const char *const NAMES[DETECT_CANDIDATES] = {"UTF-8",  "TCVN3",      "VNI",     "VISCII",
                                                     "CP1258", "TCVN3-UTF8", "VNI-UTF8"};

struct Detect {
    Encoding *encodings[DETECT_CANDIDATES];
    Arena *arena;
};

void detect_destroy(Detect **detect) {
    if (*detect == NULL)
        return;
    for (int i = 0; i < DETECT_CANDIDATES; i++)
        encoding_destroy(&(*detect)->encodings[i]);
    arena_destroy(&(*detect)->arena);
    free(*detect);
    *detect = NULL;
}

int detect_new(Detect **ret) {
    Detect *detect = calloc(1, sizeof *detect);
    if (detect == NULL)
        return error_fail(ERROR_MEMORY, "no memory to detect encodings");
    int r = arena_new(&detect->arena, ARENA_BYTES);
    for (int i = 0; i < DETECT_CANDIDATES && r == 0; i++)
        r = encoding_new(&detect->encodings[i], NAMES[i]);
    if (r < 0) {
        detect_destroy(&detect);
        return r;
    }
    *ret = detect;
    return 0;
}

const char *detect_name(int candidate) {
    return NAMES[candidate];
}

Encoding *detect_encoding(Detect *detect, int candidate) {
    return detect->encodings[candidate];
}

// Printable ASCII, tabs and line ends tell nothing.
static bool has_accents(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] >= 0x80)
            return true;
    return false;
}

int detect_count(const Encoding *encoding, const MapText *value, SyllableCount *count) {
    if (value->text == NULL || !has_accents(value->text, value->n))
        return 0;
    return syllable_count(value->text, value->n, encoding_loses_case(encoding), count);
}

int detect_read(Encoding *encoding, const DetectRow *row, Arena *arena, SyllableCount *count) {
    *count = (SyllableCount){.marked = 0};
    for (int i = 0; i < row->n; i++) {
        MapText value;
        int r = encoding_convert(encoding, &row->texts[i], arena, &value);
        if (r == 0)
            r = detect_count(encoding, &value, count);
        if (r != 0)
            return r;
    }
    return 0;
}

// ---- a file ----

typedef struct Tally {
    int rows;
    int hits[DETECT_CANDIDATES];
    SyllableCount distinct[DETECT_CANDIDATES];
} Tally;

static int tally_row(Detect *detect, const DetectRow *row, Tally *tally) {
    bool decodes = false;
    int hits = 0;
    for (int i = 0; i < DETECT_CANDIDATES; i++) {
        SyllableCount count;
        arena_reset(detect->arena);
        int r = detect_read(detect->encodings[i], row, detect->arena, &count);
        if (r < 0)
            return r;
        if (i == UTF8)
            decodes = r == 0;
        if (r != 0 || !syllable_reads_well(&count))
            continue;
        hits++;
        tally->hits[i]++;
        for (int k = 0; k < count.n_distinct; k++)
            syllable_add_distinct(&tally->distinct[i], count.distinct[k]);
    }
    // Other languages and odd spellings: what is valid as UTF-8 and nothing else is UTF-8.
    if (hits == 0 && decodes)
        tally->hits[UTF8]++;
    tally->rows++;
    return 0;
}

static void conclude(const Tally *tally, Detection *ret) {
    *ret = (Detection){.best = UTF8, .next = -1, .rows = tally->rows, .confidence = 100};
    if (tally->rows == 0)
        return;
    for (int i = 1; i < DETECT_CANDIDATES; i++)
        if (tally->hits[i] > tally->hits[ret->best])
            ret->best = i;
    for (int i = 0; i < DETECT_CANDIDATES; i++)
        if (i != ret->best && tally->hits[i] > 0 && (ret->next < 0 || tally->hits[i] > tally->hits[ret->next]))
            ret->next = i;
    ret->n_best = tally->hits[ret->best];
    ret->n_next = ret->next < 0 ? 0 : tally->hits[ret->next];
    ret->confidence = 100 * (ret->n_best - ret->n_next) / tally->rows;
    if (ret->best != UTF8)
        ret->confidence = ret->confidence * tally->distinct[ret->best].n_distinct / DISTINCT_WANTED;
}

int detect_file(Detect *detect, const char *data, size_t n, bool whole, Detection *ret) {
    static const char MARK[3] = {'\xEF', '\xBB', '\xBF'};
    Tally tally = {.rows = 0};
    size_t at = n >= sizeof MARK && memcmp(data, MARK, sizeof MARK) == 0 ? sizeof MARK : 0;
    while (at < n && tally.rows < DETECT_ROWS_MAX) {
        const char *line = data + at, *end = memchr(line, '\n', n - at);
        if (end == NULL && !whole)
            break;
        size_t bytes = end == NULL ? n - at : (size_t)(end - line);
        at += bytes + 1;
        if (bytes > CSV_ROW_BYTES_MAX || !has_accents(line, bytes))
            continue;
        int r = tally_row(detect, &(DetectRow){.texts = &(MapText){line, bytes}, .n = 1}, &tally);
        if (r < 0)
            return r;
    }
    conclude(&tally, ret);
    return 0;
}

// ---- a row ----

// False: what the row is in its own encoding leaves nothing to ask.
static bool is_doubtful(const Encoding *own, const DetectRow *row) {
    if (!row->decodes)
        return true;
    if (row->count.marked == 0 && row->count.odd == 0)
        return false;
    // A code page of one byte each reads anything, and some names of one as names of another.
    return !syllable_reads_well(&row->count) || (row->count.familiar == 0 && !encoding_is_within_utf8(own));
}

// Whether a row's reading in another encoding speaks for that one.
static bool speaks_for(const DetectRow *row, bool is_utf8, const SyllableCount *count) {
    if (!syllable_reads_well(count))
        return false;
    if (!row->decodes || is_utf8)
        return true;
    if (syllable_reads_well(&row->count))
        return count->familiar >= 2 && count->familiar * 2 >= count->good;
    return count->good >= 2 || count->familiar > 0;
}

static void add_other(int candidate, DetectOthers *ret) {
    size_t used = strlen(ret->names);
    snprintf(ret->names + used, sizeof ret->names - used, "%s%s", ret->n == 0 ? "" : ", ", NAMES[candidate]);
    ret->n++;
}

int detect_others(Detect *detect, const Encoding *own, const DetectRow *row, DetectOthers *ret) {
    bool is_utf8 = false;
    *ret = (DetectOthers){.n = 0};
    if (!is_doubtful(own, row))
        return 0;
    for (int i = 0; i < DETECT_CANDIDATES; i++) {
        SyllableCount count;
        if (strcmp(NAMES[i], encoding_name(own)) == 0)
            continue;
        arena_reset(detect->arena);
        int r = detect_read(detect->encodings[i], row, detect->arena, &count);
        if (r < 0)
            return r;
        if (r == 0 && speaks_for(row, i == UTF8, &count))
            add_other(i, ret);
        else if (r == 0 && i == UTF8)
            is_utf8 = count.marked + count.odd > 0;
    }
    // Bytes of one letter each are hardly ever UTF-8 by accident, whatever its language.
    if (ret->n == 0 && is_utf8 && !encoding_is_within_utf8(own) && !syllable_reads_well(&row->count))
        add_other(UTF8, ret);
    return 0;
}
