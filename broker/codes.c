// SPDX-License-Identifier: Apache-2.0
//
// Code lists: each file's text is kept whole and cut into columns in place; a small open-addressing table over it
// answers "is there such a code" in some ten nanoseconds. Refuses a file that is not plainly well formed.

#include "broker/codes.h"

#include "proto/base/error.h"
#include "proto/base/text.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LISTS_MAX 64
#define COLUMNS_MAX 4
#define FILE_BYTES_MAX (1024 * 1024)

typedef struct Row {
    const char *columns[COLUMNS_MAX];
} Row;

struct CodeList {
    char *name;
    char *text;
    Row *rows;
    size_t n_rows;
    uint32_t *slots; // row + 1; 0 free
    size_t n_slots;  // a power of two, at least twice the rows
};

struct Codes {
    CodeList lists[LISTS_MAX];
    size_t n_lists;
};

static uint32_t hash_text(const char *text) {
    uint32_t hash = 2166136261u; // FNV-1a
    for (const char *c = text; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return hash;
}

static const Row *find_row(const CodeList *list, const char *code) {
    if (!list->n_slots)
        return NULL;
    size_t mask = list->n_slots - 1;
    for (size_t slot = hash_text(code) & mask; list->slots[slot]; slot = (slot + 1) & mask) {
        const Row *row = &list->rows[list->slots[slot] - 1];
        if (strcmp(row->columns[0], code) == 0)
            return row;
    }
    return NULL;
}

bool code_list_has(const CodeList *list, const char *code) {
    return find_row(list, code) != NULL;
}

size_t code_list_count(const CodeList *list) {
    return list->n_rows;
}

const char *code_list_name(const CodeList *list, const char *code) {
    return code_list_column(list, code, 1);
}

const char *code_list_column(const CodeList *list, const char *code, size_t column) {
    const Row *row = find_row(list, code);
    if (!row)
        return NULL;
    return column < COLUMNS_MAX && row->columns[column] ? row->columns[column] : "";
}

int code_list_place(const CodeList *list, const char *code) {
    const Row *row = find_row(list, code);
    return row ? (int)(row - list->rows) : -1;
}

const char *code_list_code(const CodeList *list, size_t n) {
    return n < list->n_rows ? list->rows[n].columns[0] : NULL;
}

static void free_list(CodeList *list) {
    free(list->name);
    free(list->text);
    free(list->rows);
    free(list->slots);
    *list = (CodeList){0};
}

static int read_file(const char *path, char **ret) {
    FILE *file = fopen(path, "re");
    if (!file)
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    struct stat status;
    bool is_small = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) && status.st_size < FILE_BYTES_MAX;
    size_t room = is_small ? (size_t)status.st_size + 1 : FILE_BYTES_MAX + 1; // a byte more, so that an excess shows
    char *text = malloc(room);
    size_t n = text ? fread(text, 1, room, file) : 0;
    int failed = ferror(file);
    fclose(file);
    if (!text)
        return error_fail(ERROR_MEMORY, "%s: no memory", path);
    if (failed || n == room || memchr(text, 0, n)) {
        free(text);
        return error_fail(ERROR_CONFIG, "%s: %s", path, failed ? "cannot be read" : "is no code list, or is too large");
    }
    text[n] = 0;
    *ret = text;
    return 0;
}

// Cuts one line into columns. What is wrong with it, or NULL.
static const char *cut_line(char *line, Row *row) {
    *row = (Row){0};
    size_t column = 0;
    char *rest = line, *cell;
    while ((cell = strsep(&rest, "\t"))) {
        if (column == COLUMNS_MAX)
            return "has too many columns";
        if (!text_is_clean(cell, strlen(cell)))
            return "has a byte that is not clean UTF-8 text";
        row->columns[column++] = cell;
    }
    if (!row->columns[0][0] || strlen(row->columns[0]) > CODE_BYTES_MAX)
        return "does not begin with a code of 1 to 64 bytes";
    if (column < 2 || !row->columns[1][0])
        return "has no name after its code";
    return NULL;
}

static size_t count_lines(const char *text) {
    size_t n = 1;
    for (const char *c = text; (c = strchr(c, '\n')); c++)
        n++;
    return n;
}

static int fill_list(CodeList *list, const char *path) {
    size_t n_lines = count_lines(list->text);
    list->n_slots = 4;
    while (list->n_slots < 2 * n_lines)
        list->n_slots *= 2;
    list->rows = calloc(n_lines, sizeof *list->rows);
    list->slots = calloc(list->n_slots, sizeof *list->slots);
    if (!list->rows || !list->slots)
        return error_fail(ERROR_MEMORY, "%s: no memory", path);

    char *rest = list->text, *line;
    for (size_t number = 1; (line = strsep(&rest, "\n")); number++) {
        if (!*line || *line == '#')
            continue;
        Row *row = &list->rows[list->n_rows];
        const char *fault = cut_line(line, row);
        if (!fault && find_row(list, row->columns[0]))
            fault = "repeats an earlier code";
        if (fault)
            return error_fail(ERROR_CONFIG, "%s:%zu: the line %s", path, number, fault);
        size_t slot = hash_text(row->columns[0]) & (list->n_slots - 1);
        while (list->slots[slot])
            slot = (slot + 1) & (list->n_slots - 1);
        list->slots[slot] = (uint32_t)++list->n_rows;
    }
    return list->n_rows ? 0 : error_fail(ERROR_CONFIG, "%s: has no code", path);
}

static int load_list(Codes *codes, const char *directory, const char *file_name) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, file_name) >= sizeof path)
        return error_fail(ERROR_CONFIG, "%s: path is too long", directory);
    if (codes->n_lists == LISTS_MAX)
        return error_fail(ERROR_CONFIG, "%s: more than %d code lists", directory, LISTS_MAX);
    CodeList *list = &codes->lists[codes->n_lists++];
    list->name = strndup(file_name, strlen(file_name) - strlen(".tsv"));
    if (!list->name)
        return error_fail(ERROR_MEMORY, "%s: no memory", path);
    int r = read_file(path, &list->text);
    return r ? r : fill_list(list, path);
}

static int is_list(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 4 && strcmp(entry->d_name + n - 4, ".tsv") == 0;
}

int codes_load(Codes **ret, const char *directory) {
    struct dirent **entries = NULL;
    int n = scandir(directory, &entries, is_list, alphasort);
    if (n < 0)
        return error_fail(ERROR_CONFIG, "%s: %s", directory, strerror(errno));
    Codes *codes = calloc(1, sizeof *codes);
    int r = codes ? 0 : error_fail(ERROR_MEMORY, "%s: no memory", directory);
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = load_list(codes, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (r < 0) {
        codes_destroy(&codes);
        return r;
    }
    *ret = codes;
    return 0;
}

void codes_destroy(Codes **codes) {
    if (!*codes)
        return;
    for (size_t i = 0; i < (*codes)->n_lists; i++)
        free_list(&(*codes)->lists[i]);
    free(*codes);
    *codes = NULL;
}

size_t codes_count(const Codes *codes) {
    return codes->n_lists;
}

const CodeList *codes_find(const Codes *codes, const char *list) {
    for (size_t i = 0; i < codes->n_lists; i++)
        if (strcmp(codes->lists[i].name, list) == 0)
            return &codes->lists[i];
    return NULL;
}

const char *codes_name(const Codes *codes, size_t n) {
    assert(n < codes->n_lists);
    return codes->lists[n].name;
}

const CodeList *codes_list(const Codes *codes, size_t n) {
    assert(n < codes->n_lists);
    return &codes->lists[n];
}
