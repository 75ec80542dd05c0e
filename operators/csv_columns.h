// SPDX-License-Identifier: Apache-2.0
//
// Which of a CSV file's columns is which, where they have known names and may stand in any order.
#pragma once

#include "proto/base/csv.h"

typedef struct CsvColumns {
    const char *const *names;
    int n, n_needed; // those that may be left out stand last
} CsvColumns;

// ret: n places in a row, -1 for a column that was left out. ERROR_CONFIG when one is missing, unknown or there twice.
int csv_columns_find(const CsvColumns *columns, const CsvRow *header, int *ret);
