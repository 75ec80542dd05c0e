// SPDX-License-Identifier: Apache-2.0
//
// See csv_columns.h.
#include "operators/csv_columns.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <string.h>

static int place_of(const CsvColumns *columns, const char *name) {
    int column = 0;
    while (column < columns->n && strcmp(name, columns->names[column]) != 0)
        column++;
    return column;
}

// A first row that names none of the columns is no header: it may be a citizen's, and is not quoted.
static int check_is_header(const CsvColumns *columns, const CsvRow *header) {
    for (int i = 0; i < header->n_fields; i++)
        if (place_of(columns, header->fields[i].text) < columns->n)
            return 0;
    const char *delimiter = csv_other_delimiter(header, ',');
    if (delimiter)
        return error_fail(ERROR_CONFIG, "its columns are separated by \"%s\": save it with commas", delimiter);
    return error_fail(ERROR_CONFIG, "the first row names none of the columns (%s, %s ...): is there a header row?",
                      columns->names[0], columns->names[1]);
}

// With all of them, so that the next try need not guess.
static int fail_missing(const CsvColumns *columns, int column) {
    char all[256] = "";
    size_t n = 0;
    for (int i = 0; i < columns->n_needed && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i == 0 ? "" : ", ", columns->names[i]);
    return error_fail(ERROR_CONFIG, "column \"%s\" is missing: there must be %s (what is not known stays empty)",
                      columns->names[column], all);
}

int csv_columns_find(const CsvColumns *columns, const CsvRow *header, int *ret) {
    for (int column = 0; column < columns->n; column++)
        ret[column] = -1;
    int r = check_is_header(columns, header);
    if (r < 0)
        return r;
    for (int i = 0; i < header->n_fields; i++) {
        int column = place_of(columns, header->fields[i].text);
        if (column == columns->n)
            return error_fail(ERROR_CONFIG, "unknown column \"%.64s\"", header->fields[i].text);
        if (ret[column] >= 0)
            return error_fail(ERROR_CONFIG, "column \"%s\" is there twice", columns->names[column]);
        ret[column] = i;
    }
    for (int column = 0; column < columns->n_needed; column++)
        if (ret[column] < 0)
            return fail_missing(columns, column);
    return 0;
}
