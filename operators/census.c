// SPDX-License-Identifier: Apache-2.0
//
// Each citizen is a run of texts, each closed by 0, in chunks that are never moved; an open-addressed table of numbers
// leads to them. Rows are judged as `dongbo population load` judges them, but a wrong one does not stop the others.
#include "operators/census.h"
#include "operators/population.h"
#include "operators/progress.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1024 * 1024)
#define CITIZENS_MAX UINT32_MAX
#define FAULTS_SHOWN 20

// In the order of a run of texts.
static const PopulationColumn KEPT[] = {POPULATION_NUMBER,  POPULATION_NAME,     POPULATION_BIRTH_DATE,
                                        POPULATION_SEX,     POPULATION_PROVINCE, POPULATION_PROVINCE63,
                                        POPULATION_DIED_ON, POPULATION_MOTHER,   POPULATION_FATHER};
#define N_KEPT (sizeof KEPT / sizeof *KEPT)

typedef struct Chunk {
    struct Chunk *before;
    size_t n;
    char texts[CHUNK_BYTES];
} Chunk;

struct Census {
    Chunk *chunk;          // the last one
    const char **citizens; // where each one's texts begin
    size_t n, size;
    uint32_t *slots; // of a citizen, from 1; 0: free
    size_t mask;
    CensusCounts counts;
};

void census_destroy(Census **pointer) {
    Census *census = *pointer;
    if (!census)
        return;
    for (Chunk *chunk = census->chunk; chunk;) {
        Chunk *before = chunk->before;
        free(chunk);
        chunk = before;
    }
    free(census->citizens);
    free(census->slots);
    free(census);
    *pointer = NULL;
}

CensusCounts census_counts(const Census *census) {
    return census->counts;
}

static uint64_t hash_of(const char *number) {
    uint64_t hash = 0xCBF29CE484222325ULL; // FNV-1a, and its bits mixed: numbers differ in their last digits
    for (const unsigned char *at = (const unsigned char *)number; *at; at++)
        hash = (hash ^ *at) * 0x100000001B3ULL;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93ULL;
    return hash ^ hash >> 32;
}

// The slot of this number, or the free one where it would be.
static uint32_t *slot_of(const Census *census, const char *number) {
    size_t at = hash_of(number) & census->mask;
    while (census->slots[at] && strcmp(census->citizens[census->slots[at] - 1], number) != 0)
        at = (at + 1) & census->mask;
    return &census->slots[at];
}

static int no_memory(const Census *census) {
    return error_fail(ERROR_MEMORY, "no memory for more than %" PRIu64 " citizens", census->counts.citizens);
}

// The table is at most half full.
static int grow(Census *census) {
    if (census->n < census->size)
        return 0;
    size_t size = census->size ? 2 * census->size : 1024;
    const char **citizens = realloc(census->citizens, size * sizeof *citizens);
    if (!citizens)
        return no_memory(census);
    census->citizens = citizens;
    census->size = size;
    free(census->slots);
    census->slots = calloc(2 * size, sizeof *census->slots);
    if (!census->slots)
        return no_memory(census);
    census->mask = 2 * size - 1;
    for (size_t i = 0; i < census->n; i++)
        *slot_of(census, citizens[i]) = (uint32_t)i + 1;
    return 0;
}

static char *room(Census *census, size_t n) {
    if (!census->chunk || census->chunk->n + n > CHUNK_BYTES) {
        Chunk *chunk = malloc(sizeof *chunk);
        if (!chunk)
            return NULL;
        chunk->before = census->chunk;
        chunk->n = 0;
        census->chunk = chunk;
    }
    char *texts = census->chunk->texts + census->chunk->n;
    census->chunk->n += n;
    return texts;
}

static int add(Census *census, const PopulationHeader *header, const CsvRow *row) {
    int r = census->n < CITIZENS_MAX ? grow(census) : no_memory(census);
    if (r < 0)
        return r;
    uint32_t *slot = slot_of(census, row->fields[header->at[POPULATION_NUMBER]].text);
    if (*slot) {
        census->counts.repeated++;
        return 0;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < N_KEPT; i++)
        bytes += row->fields[header->at[KEPT[i]]].n + 1;
    char *texts = room(census, bytes); // a row is shorter than a chunk by far
    if (!texts)
        return no_memory(census);
    census->citizens[census->n++] = texts;
    *slot = (uint32_t)census->n;
    census->counts.citizens++;
    for (size_t i = 0; i < N_KEPT; i++) {
        const CsvField *field = &row->fields[header->at[KEPT[i]]];
        memcpy(texts, field->text, field->n + 1);
        texts += field->n + 1;
    }
    return 0;
}

void census_citizen(const Census *census, size_t place, CensusCitizen *ret) {
    const char *texts[N_KEPT], *at = census->citizens[place - 1];
    for (size_t i = 0; i < N_KEPT; i++) {
        texts[i] = at;
        at += strlen(at) + 1;
    }
    *ret = (CensusCitizen){.person = {.key = (int64_t)place,
                                      .citizen_number = texts[0],
                                      .full_name = texts[1],
                                      .birth_date = texts[2],
                                      .sex = texts[3],
                                      .residence_province = texts[4],
                                      .residence_province63 = texts[5],
                                      .died_on = texts[6],
                                      .mother_name = texts[7]},
                           .mother_name = texts[7],
                           .father_name = texts[8]};
}

bool census_find(const Census *census, const char *number, Person *ret) {
    CensusCitizen citizen;
    uint32_t place = census->n ? *slot_of(census, number) : 0;
    if (!place)
        return false;
    census_citizen(census, place, &citizen);
    *ret = citizen.person;
    return true;
}

// ---- the file -------------------------------------------------------------------------------------------------------

typedef struct Loading {
    Census *census;
    const char *path;
    const Rules *rules;
    Date today;
    PopulationHeader header;
    Progress progress;
} Loading;

static void say_fault(const Loading *loading, const CsvRow *row, const char *fault) {
    if (loading->census->counts.wrong > FAULTS_SHOWN)
        return;
    progress_end();
    log_warn("%s: row %" PRIu64 ": %s; it is left out", loading->path, row->number, fault);
}

static int take_row(Loading *loading, const CsvRow *row, const char *fault) {
    Census *census = loading->census;
    if (!fault)
        fault = population_row_fault(loading->rules, &loading->header, row, loading->today);
    if (!fault)
        return add(census, &loading->header, row);
    census->counts.wrong++;
    say_fault(loading, row, fault);
    return 0;
}

static int read_rows(Loading *loading, int fd) {
    CLEANUP(csv_destroy) Csv *csv = NULL;
    CsvRow row;
    uint64_t rows = 0;
    int r = csv_new(&csv, fd, ',');
    if (r == 0)
        r = csv_header(csv, &row);
    if (r > 0)
        return error_fail(ERROR_CONFIG, "no header row that can be read");
    if (r == 0)
        r = population_header(&row, &loading->header);
    while (r == 0 && (r = csv_next(csv, &row)) != 1) {
        if (r >= 0)
            r = take_row(loading, &row, r == 2 ? csv_fault_en(row.fault) : NULL);
        progress_show(&loading->progress, "read", ++rows, "citizens");
    }
    progress_end();
    return r < 0 ? r : 0;
}

int census_load(Census **ret, const char *path, const Rules *rules) {
    CLEANUP(census_destroy) Census *census = calloc(1, sizeof *census);
    if (!census)
        return error_fail(ERROR_MEMORY, "no memory for a population");
    Loading loading = {
        .census = census, .path = path, .rules = rules, .today = date_of_us(clock_now_us(clock_system()))};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    progress_begin(&loading.progress);
    int r = read_rows(&loading, fd);
    close(fd);
    if (r < 0)
        return error_context(r, "%s", path);
    *ret = census;
    census = NULL;
    return 0;
}
