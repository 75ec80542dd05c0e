// SPDX-License-Identifier: Apache-2.0
//
// The CSV file of numbers that are nobody's present citizen number: kind, number, citizen_number, valid_from, valid_to.
// Read once, row by row; a wrong row is named and left out, the others go on. These are citizens' data: what is said
// about a row never quotes it.
#pragma once

#include "proto/base/csv.h"

#include <stdint.h>

typedef enum AliasColumn { ALIAS_KIND, ALIAS_NUMBER, ALIAS_CITIZEN, ALIAS_FROM, ALIAS_TO, ALIAS_COLUMNS } AliasColumn;

typedef struct AliasRow {
    uint64_t number; // in the file
    const char *texts[ALIAS_COLUMNS];
} AliasRow;

typedef struct AliasFile {
    const char *path;     // "-" is standard input
    uint64_t rows, wrong; // wrong ones are counted in rows too
} AliasFile;

typedef int (*AliasTake)(void *context, const AliasRow *row);
// Gives every good row to `take`, whose negative answer ends it. ERROR_CONFIG where this is no such file.
int alias_file_read(AliasFile *file, AliasTake take, void *context);
// Says what is wrong with a row, of the first ones, and counts it.
void alias_file_fault(AliasFile *file, uint64_t row, const char *fault);
