// SPDX-License-Identifier: Apache-2.0
//
// The first row of a CSV file against what the mapping reads: where each column is, or what is wrong with the file, in
// words that say what to do. A column that the mapping reads must be there, once, unless it is optional; what it does
// not read may be anything.
#pragma once

#include "agents/encoding.h"
#include "agents/map.h"
#include "proto/base/csv.h"

typedef struct Header {
    const Map *map;
    Encoding *encoding;
    Arena *arena; // is reset
    char delimiter;
    const CsvRow *row;
} Header;

typedef struct HeaderFault {
    char vi[768], en[768];
} HeaderFault;

// 0, and columns[i] is -1 where an optional one is not there; 1 with a fault: the file is refused as a whole.
int header_bind(const Header *header, int columns[MAP_COLUMNS_MAX], HeaderFault *fault);
