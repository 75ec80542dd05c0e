// SPDX-License-Identifier: Apache-2.0
//
// Reads the tables and the truth. Knows the generator's own files and no others: no broken rows, no other encodings.

#include "tests/country/truth.h"

#include "proto/base/error.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 1024

static int read_whole(const char *directory, const char *name, char **ret) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return error_fail(ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    const size_t n = text ? fread(text, 1, (size_t)size, file) : 0;
    fclose(file);
    if (!text || n != (size_t)size) {
        free(text);
        return error_fail(ERROR_SYSTEM, "%s: could not be read whole", path);
    }
    text[n] = '\0';
    *ret = text;
    return 0;
}

// The next line, closed by 0; NULL at the end. The generator writes no line breaks inside fields.
static char *next_line(char **at) {
    char *line = *at, *end = strchr(line, '\n');
    if (!*line || !end)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return line;
}

size_t truth_split(char *line, char **fields, size_t max) {
    size_t n = 0;
    char *in = line, *out = line;
    for (bool last = false; !last; n++) {
        if (n < max)
            fields[n] = out;
        const bool quoted = *in == '"';
        in += quoted;
        while (*in && (quoted || *in != ',')) {
            if (quoted && *in == '"' && *++in != '"')
                break;
            *out++ = *in++;
        }
        last = *in != ',';
        in++;
        *out++ = '\0';
    }
    return n;
}

static int by_number(const void *a, const void *b) {
    const uint64_t x = ((const TruthPerson *)a)->number, y = ((const TruthPerson *)b)->number;
    return x < y ? -1 : x > y;
}

const TruthPerson *truth_person(const Truth *truth, uint64_t number) {
    const TruthPerson key = {.number = number};
    return bsearch(&key, truth->people, truth->n_people, sizeof key, by_number);
}

bool truth_is_held(const TruthRow *row) {
    return row->excused || strcmp(CLAIM_TRUTHS[row->kind].final, "ACCEPTED") == 0;
}

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        n++;
    return n;
}

static size_t column_of(const char *header, const char *name) {
    char copy[LINE_BYTES_MAX], *fields[SHEET_COLUMNS_MAX];
    snprintf(copy, sizeof copy, "%s", header);
    const size_t n = truth_split(copy, fields, SHEET_COLUMNS_MAX);
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i], name) == 0)
            return i;
    return SIZE_MAX;
}

// Adds the people of one file. Its text is a copy that is used up here.
static int add_people(Truth *truth, char *text, size_t room) {
    char *fields[SHEET_COLUMNS_MAX], *at = text, *line = next_line(&at);
    const size_t number = line ? column_of(line, "citizen_number") : SIZE_MAX;
    const size_t province = line ? column_of(line, "residence_province") : SIZE_MAX;
    if (number == SIZE_MAX || province == SIZE_MAX)
        return error_fail(ERROR_DATA, "a population without numbers or provinces");
    while ((line = next_line(&at)) != NULL) {
        const size_t n = truth_split(line, fields, SHEET_COLUMNS_MAX);
        assert(n > province && truth->n_people < room);
        truth->people[truth->n_people++] = (TruthPerson){.number = strtoull(fields[number], NULL, 10),
                                                         .province = (unsigned)strtoul(fields[province], NULL, 10)};
    }
    return 0;
}

static int load_people(Truth *truth, const char *directory) {
    char **now = &truth->texts[SHEETS], **later = &truth->texts[SHEETS + 1];
    int r = read_whole(directory, "population.csv", now);
    if (r == 0)
        r = read_whole(directory, SHEET_TABLE[SHEET_POPULATION_LATER].file, later);
    if (r < 0)
        return r;
    const size_t room = count_lines(*now) + count_lines(*later);
    truth->people = calloc(room, sizeof *truth->people);
    if (!truth->people)
        return error_fail(ERROR_MEMORY, "no memory for %zu people", room);
    r = add_people(truth, *now, room);
    if (r == 0)
        r = add_people(truth, *later, room);
    qsort(truth->people, truth->n_people, sizeof *truth->people, by_number);
    return r;
}

static int load_sheet(Truth *truth, const char *directory, int sheet) {
    char **text = &truth->texts[sheet];
    const int r = read_whole(directory, SHEET_TABLE[sheet].file, text);
    if (r < 0)
        return r;
    const size_t n = count_lines(*text);
    TruthRow *rows = realloc(truth->rows, (truth->n + n) * sizeof *rows);
    if (!rows)
        return error_fail(ERROR_MEMORY, "no memory for %zu rows", truth->n + n);
    truth->rows = rows;
    char *at = *text, *line = next_line(&at);
    while ((line = next_line(&at)) != NULL)
        truth->rows[truth->n++] = (TruthRow){.line = line, .sheet = (uint8_t)sheet};
    truth->base[sheet + 1] = truth->n;
    return 0;
}

TruthRow *truth_find(Truth *truth, const char *row_id) {
    const char *dash = strchr(row_id, '-');
    for (int sheet = 0; dash && sheet < SHEETS; sheet++) {
        const char *prefix = SHEET_TABLE[sheet].prefix;
        if (strlen(prefix) != (size_t)(dash - row_id) || strncmp(row_id, prefix, strlen(prefix)) != 0)
            continue;
        const size_t n = strtoul(dash + 1, NULL, 10), at = truth->base[sheet] + n - 1;
        return n >= 1 && at < truth->base[sheet + 1] ? &truth->rows[at] : NULL;
    }
    return NULL;
}

static int load_verdicts(Truth *truth, const char *directory) {
    char **text = &truth->texts[SHEETS + 2], *fields[5];
    const int r = read_whole(directory, "truth.csv", text);
    if (r < 0)
        return r;
    char *at = *text, *line = next_line(&at);
    size_t n = 0;
    while ((line = next_line(&at)) != NULL) {
        TruthRow *row = truth_split(line, fields, 5) == 5 ? truth_find(truth, fields[0]) : NULL;
        int kind = 0;
        while (row && kind < CLAIM_KINDS && strcmp(CLAIM_TRUTHS[kind].name, fields[2]) != 0)
            kind++;
        if (!row || kind == CLAIM_KINDS)
            return error_fail(ERROR_DATA, "truth.csv does not fit the tables beside it");
        row->kind = (uint8_t)kind;
        row->person = truth_person(truth, strtoull(fields[1], NULL, 10));
        n++;
    }
    return n == truth->n ? 0 : error_fail(ERROR_DATA, "truth.csv has %zu rows, the tables %zu", n, truth->n);
}

int truth_load(Truth *truth, const char *directory) {
    *truth = (Truth){0};
    int r = load_people(truth, directory);
    for (int sheet = 0; r == 0 && sheet < SHEETS; sheet++)
        r = load_sheet(truth, directory, sheet);
    return r == 0 ? load_verdicts(truth, directory) : r;
}

void truth_free(Truth *truth) {
    for (size_t i = 0; i < SHEETS + 3; i++)
        free(truth->texts[i]);
    free(truth->rows);
    free(truth->people);
    *truth = (Truth){0};
}

void truth_fields(const TruthRow *row, TruthField each, void *self) {
    char copy[LINE_BYTES_MAX], *fields[SHEET_COLUMNS_MAX], date[DAYS_TEXT_BYTES];
    snprintf(copy, sizeof copy, "%s", row->line);
    const size_t n = truth_split(copy, fields, SHEET_COLUMNS_MAX);
    size_t at = 0;
    for (const SheetColumn *column = SHEET_TABLE[row->sheet].columns; column->column; column++) {
        const char *value = column->form == COLUMN_CONSTANT ? column->column : at < n ? fields[at] : "";
        at += column->form != COLUMN_CONSTANT;
        if (!column->field || !value[0])
            continue;
        if (column->form == COLUMN_DAY_FIRST && strlen(value) == 10) {
            snprintf(date, sizeof date, "%.4s-%.2s-%.2s", value + 6, value + 3, value);
            value = date;
        }
        each(self, column->field, value);
    }
}
