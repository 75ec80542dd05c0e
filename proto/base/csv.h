// SPDX-License-Identifier: Apache-2.0
//
// A streaming reader of RFC 4180 files, and its writer. A broken row is a condition of that row only: the reader goes
// on with the next line, so one lost quote never swallows a file. It knows nothing of encodings (the delimiter, quotes
// and line ends are ASCII in every encoding that agents read) and keeps at most one row beyond its buffer.
//
// A quote opens a field only as its first character; elsewhere it is text. Line ends are LF or CR LF, also inside
// quotes.
#pragma once

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_ROW_BYTES_MAX (64 * 1024)
#define CSV_FIELD_BYTES_MAX (16 * 1024)
#define CSV_COLUMNS_MAX 256

typedef enum CsvFault {
    CSV_FINE,
    CSV_QUOTE_OPEN,    // a quoted field that is not closed
    CSV_QUOTE_STRAY,   // text between a closing quote and the next delimiter
    CSV_COLUMNS_WRONG, // not as many columns as the header
    CSV_COLUMNS_TOO_MANY,
    CSV_FIELD_TOO_LONG,
    CSV_ROW_TOO_LONG,
    CSV_NUL_BYTE,
    CSV_FAULTS
} CsvFault;

typedef struct CsvField {
    const char *text; // closed by 0, unquoted
    size_t n;
} CsvField;

typedef struct CsvRow {
    uint64_t number; // as a spreadsheet counts: the header is row 1; blank lines count, and are not returned
    uint64_t offset; // of its first byte in the file
    uint64_t bytes;  // without the line end
    CsvFault fault;
    int n_fields;           // also with CSV_COLUMNS_WRONG
    const CsvField *fields; // valid until the next call; NULL when broken
} CsvRow;

typedef struct Csv Csv;

// Reads from fd's present offset, which is not closed here. ERROR_MEMORY.
int csv_new(Csv **ret, int fd, char delimiter);
void csv_destroy(Csv **csv);

// The first row; every later one must have as many columns. A UTF-8 byte order mark is skipped. As csv_next().
int csv_header(Csv *csv, CsvRow *ret);
// 0 a row; 1 the end; 2 a broken row (ret->fault, number, offset, bytes). ERROR_SYSTEM when the file cannot be read.
int csv_next(Csv *csv, CsvRow *ret);
// Goes on behind a row read earlier: at this offset, the next row has this number.
int csv_seek(Csv *csv, uint64_t offset, uint64_t number);
// Where the next row begins, for csv_seek() later.
uint64_t csv_offset(const Csv *csv);
uint64_t csv_number(const Csv *csv);
int csv_columns(const Csv *csv);
int csv_has_mark(const Csv *csv); // 1 when the header began with a byte order mark

// Splits one row that stands in memory (modified in place; data[n] must be writable) into at most CSV_COLUMNS_MAX
// fields. 0, or the CsvFault.
CsvFault csv_split(char *data, size_t n, char delimiter, CsvField *fields, int *ret_n);

// The delimiter that a header of one column holds instead of the one it was read with, as it is written in a
// configuration ("\t" for a tab); NULL when it holds none.
const char *csv_other_delimiter(const CsvRow *header, char delimiter);

// As spreadsheets leave them behind the data: nothing but delimiters.
bool csv_is_blank(const CsvRow *row);

// What went wrong, for the people who keep the file.
const char *csv_fault_vi(CsvFault fault);
const char *csv_fault_en(CsvFault fault);

// Appends a field, quoted where needed.
void csv_write(Bytes *out, const char *text, size_t n, char delimiter);
