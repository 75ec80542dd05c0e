// SPDX-License-Identifier: Apache-2.0
//
// Rows of a file, kept as texts until so many of them are sent to the database at once, each column as one array.
#pragma once

#include "proto/base/bytes.h"
#include "proto/base/pg-values.h"

#include <stdint.h>

#define STAGE_ROWS 10000

typedef struct Stage {
    Bytes texts;            // one after the other, each closed by 0
    uint32_t *at;           // where each begins, row by row
    uint64_t *numbers;      // of the rows, as the file numbers them
    int n, columns, filled; // whole rows; columns of each, and of the one that is being filled
} Stage;

int stage_new(Stage *ret, int columns); // ERROR_MEMORY
void stage_free(Stage *stage);
// The next column of the row that is being filled; n bytes.
void stage_add(Stage *stage, const char *text, size_t n);
// The row is whole. 1 when there is no room for another. ERROR_MEMORY.
int stage_end_row(Stage *stage, uint64_t number);
const char *stage_text(const Stage *stage, int row, int column);
void stage_param(const Stage *stage, int column, PgParams *params);
void stage_clear(Stage *stage);
