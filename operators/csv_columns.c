// SPDX-License-Identifier: Apache-2.0
//
// See csv_columns.h.
#include "operators/csv_columns.h"
#include "proto/base/error.h"

#include <string.h>

int csv_columns_find(const CsvColumns *columns, const CsvRow *header, int *ret) {
    for (int column = 0; column < columns->n; column++)
        ret[column] = -1;
    for (int i = 0; i < header->n_fields; i++) {
        int column = 0;
        while (column < columns->n && strcmp(header->fields[i].text, columns->names[column]) != 0)
            column++;
        if (column == columns->n)
            return error_fail(ERROR_CONFIG, "unknown column \"%.64s\"", header->fields[i].text);
        if (ret[column] >= 0)
            return error_fail(ERROR_CONFIG, "column \"%s\" is there twice", columns->names[column]);
        ret[column] = i;
    }
    for (int column = 0; column < columns->n_needed; column++)
        if (ret[column] < 0)
            return error_fail(ERROR_CONFIG, "column \"%s\" is missing", columns->names[column]);
    return 0;
}
