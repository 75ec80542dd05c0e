// SPDX-License-Identifier: Apache-2.0
//
// Columns may stand in any order; the two days may be left out as columns, too.
#include "operators/alias_file.h"
#include "broker/bearers.h"
#include "operators/csv_columns.h"
#include "operators/progress.h"
#include "proto/base/date.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_SHOWN 20

static const char *const COLUMNS[ALIAS_COLUMNS] = {"kind", "number", "citizen_number", "valid_from", "valid_to"};
static const CsvColumns HEADER = {COLUMNS, ALIAS_COLUMNS, ALIAS_FROM};
static const struct {
    const char *kind;
    size_t digits;
} KINDS[] = {{BEARER_CCCD, 12}, {BEARER_CMND, 9}, {BEARER_INSURANCE, 10}};

void alias_file_fault(AliasFile *file, uint64_t row, const char *fault) {
    if (file->wrong++ >= FAULTS_SHOWN)
        return;
    progress_end();
    fprintf(stderr, "%s: row %" PRIu64 ": %s; it is left out\n", file->path, row, fault);
}

static bool is_digits(const char *text, size_t n) {
    return strlen(text) == n && strspn(text, "0123456789") == n;
}

static const char *days_fault(const AliasRow *row) {
    Date from, to;
    bool has_from = row->texts[ALIAS_FROM][0] != '\0', has_to = row->texts[ALIAS_TO][0] != '\0';
    if (has_from && date_parse(row->texts[ALIAS_FROM], &from) != 0)
        return "valid_from is not a date (YYYY, YYYY-MM or YYYY-MM-DD)";
    if (has_to && date_parse(row->texts[ALIAS_TO], &to) != 0)
        return "valid_to is not a date (YYYY, YYYY-MM or YYYY-MM-DD)";
    return has_from && has_to && date_compare(to, from) < 0 ? "valid_to is before valid_from" : NULL;
}

static const char *row_fault(const AliasRow *row) {
    size_t kind = 0, n = sizeof KINDS / sizeof *KINDS;
    while (kind < n && strcmp(row->texts[ALIAS_KIND], KINDS[kind].kind) != 0)
        kind++;
    if (kind == n)
        return "kind is none of cccd, cmnd, insurance";
    if (!is_digits(row->texts[ALIAS_NUMBER], KINDS[kind].digits))
        return "number has not as many digits as its kind: cccd 12, cmnd 9, insurance 10";
    if (!is_digits(row->texts[ALIAS_CITIZEN], 12))
        return "citizen_number is not 12 digits";
    if (strcmp(row->texts[ALIAS_NUMBER], row->texts[ALIAS_CITIZEN]) == 0)
        return "number is the citizen_number itself";
    return days_fault(row);
}

static int read_rows(AliasFile *file, int fd, AliasTake take, void *context) {
    CLEANUP(csv_destroy) Csv *csv = NULL;
    Progress progress;
    CsvRow row;
    int at[ALIAS_COLUMNS];
    progress_begin(&progress);
    int r = csv_new(&csv, fd, ',');
    if (r == 0)
        r = csv_header(csv, &row);
    if (r > 0)
        return error_fail(ERROR_CONFIG, "no header row that can be read");
    if (r == 0)
        r = csv_columns_find(&HEADER, &row, at);
    while (r == 0 && (r = csv_next(csv, &row)) != 1) {
        if (r < 0)
            break;
        AliasRow alias = {.number = row.number};
        for (int column = 0; r == 0 && column < ALIAS_COLUMNS; column++)
            alias.texts[column] = at[column] < 0 ? "" : row.fields[at[column]].text;
        const char *fault = r == 2 ? csv_fault_en(row.fault) : row_fault(&alias);
        file->rows++;
        r = 0;
        if (fault)
            alias_file_fault(file, row.number, fault);
        else
            r = take(context, &alias);
        progress_show(&progress, "read", file->rows, "numbers");
    }
    progress_end();
    return r < 0 ? r : 0;
}

int alias_file_read(AliasFile *file, AliasTake take, void *context) {
    int fd = strcmp(file->path, "-") == 0 ? dup(STDIN_FILENO) : open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_fail(ERROR_CONFIG, "%s: %s", file->path, strerror(errno));
    int r = read_rows(file, fd, take, context);
    close(fd);
    return r < 0 ? error_context(r, "%s", file->path) : 0;
}
