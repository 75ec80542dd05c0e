// SPDX-License-Identifier: Apache-2.0
//
// A row of the population CSV file, checked before anything is loaded. Sentences name the row and the column, never a
// value: these are citizens' data.
#pragma once

#include "broker/rules.h"
#include "proto/base/csv.h"
#include "proto/base/date.h"

#include <stddef.h>

typedef enum PopulationColumn {
    POPULATION_NUMBER,
    POPULATION_NAME,
    POPULATION_BIRTH_DATE,
    POPULATION_SEX,
    POPULATION_MOTHER,
    POPULATION_FATHER,
    POPULATION_PROVINCE,
    POPULATION_PROVINCE63,
    POPULATION_COMMUNE,
    POPULATION_DIED_ON,
    POPULATION_COLUMNS
} PopulationColumn;

// Which of the file's columns is which. ERROR_CONFIG when one is missing, unknown or there twice.
typedef struct PopulationHeader {
    int at[POPULATION_COLUMNS];
} PopulationHeader;
int population_header(const CsvRow *row, PopulationHeader *ret);

// NULL when the row can be loaded; else what is wrong with it, as a phrase ("birth_date is not a date").
const char *population_row_fault(const Rules *rules, const PopulationHeader *header, const CsvRow *row, Date today);
