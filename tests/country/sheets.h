// SPDX-License-Identifier: Apache-2.0
//
// The agencies' tables as CSV files: which there are, and what each column means in the exchange. The generator writes
// them, the scorer reads them; the mappings of deploy/sample say the same to the agents.
#pragma once

#include <stddef.h>

typedef enum SheetId {
    SHEET_E_ID,
    SHEET_ELECTRICITY,
    SHEET_STAY,
    SHEET_TEMPORARY,
    SHEET_VACCINATIONS,
    SHEET_EDUCATION,
    SHEET_SOCIAL_SECURITY,
    SHEET_POPULATION_LATER,
    SHEETS
} SheetId;

typedef enum ColumnForm {
    COLUMN_AS_IT_IS,
    COLUMN_DAY_FIRST, // DD/MM/YYYY
    COLUMN_CONSTANT,  // no column: the same in every row
} ColumnForm;

typedef struct SheetColumn {
    const char *column; // or the constant
    const char *field;  // of the domain's body; NULL when it is none
    ColumnForm form;
} SheetColumn;

#define SHEET_COLUMNS_MAX 20
typedef struct Sheet {
    const char *file;                       // "vaccinations.csv"
    const char *prefix;                     // of its rows' ids: "vac" in vac-0000001
    const char *agency;                     // "MOH"
    const char *domain;                     // "health"
    const char *operation;                  // the column that says "D" for a row that is withdrawn; NULL
    SheetColumn columns[SHEET_COLUMNS_MAX]; // in the order of the file; ends with a NULL column
} Sheet;

extern const Sheet SHEET_TABLE[SHEETS];
