// SPDX-License-Identifier: Apache-2.0
//
// See csv.h. A row is first scanned without touching it, then unquoted in place: a row that turns out to be broken can
// so be scanned again from its second line.
#include "proto/base/csv.h"

#include "proto/base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Twice the longest row: one that still has to be read whole, and one being returned.
#define BUFFER_BYTES (4 * CSV_ROW_BYTES_MAX)

// A field as scanned: where it stands, and whether it is quoted.
typedef struct Span {
    uint32_t at, n;
    bool quoted, doubled; // doubled: holds "" to undo
} Span;

typedef struct Scan {
    Span spans[CSV_COLUMNS_MAX];
    int n;
    size_t end;   // behind the line end
    size_t bytes; // without it
    CsvFault fault;
} Scan;

struct Csv {
    int fd;
    char delimiter;
    bool at_end; // the file has no more than what is in the buffer
    bool mark;
    int columns;             // 0 before the header
    uint64_t offset, number; // of the next row
    size_t from, to;         // of what is unread in the buffer
    Scan scan;
    CsvField fields[CSV_COLUMNS_MAX];
    char buffer[BUFFER_BYTES + 1];
};

int csv_new(Csv **ret, int fd, char delimiter) {
    Csv *csv = malloc(sizeof *csv);
    if (csv == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a CSV reader");
    csv->fd = fd;
    csv->delimiter = delimiter;
    csv->at_end = csv->mark = false;
    csv->columns = 0;
    csv->offset = 0;
    csv->number = 1;
    csv->from = csv->to = 0;
    *ret = csv;
    return 0;
}

void csv_destroy(Csv **csv) {
    free(*csv);
    *csv = NULL;
}

uint64_t csv_offset(const Csv *csv) {
    return csv->offset;
}

uint64_t csv_number(const Csv *csv) {
    return csv->number;
}

int csv_columns(const Csv *csv) {
    return csv->columns;
}

int csv_has_mark(const Csv *csv) {
    return csv->mark;
}

int csv_seek(Csv *csv, uint64_t offset, uint64_t number) {
    if (lseek(csv->fd, (off_t)offset, SEEK_SET) < 0)
        return error_fail(ERROR_SYSTEM, "cannot go to byte %llu: %s", (unsigned long long)offset, strerror(errno));
    csv->offset = offset;
    csv->number = number;
    csv->from = csv->to = 0;
    csv->at_end = false;
    return 0;
}

// Has at least one whole row of the greatest length in the buffer, or all that the file still holds.
static int csv_fill(Csv *csv) {
    if (csv->at_end || csv->to - csv->from > CSV_ROW_BYTES_MAX + 2)
        return 0;
    memmove(csv->buffer, csv->buffer + csv->from, csv->to - csv->from);
    csv->to -= csv->from;
    csv->from = 0;
    while (!csv->at_end && csv->to < BUFFER_BYTES) {
        ssize_t n = read(csv->fd, csv->buffer + csv->to, BUFFER_BYTES - csv->to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_fail(ERROR_SYSTEM, "cannot read: %s", strerror(errno));
        csv->at_end = n == 0;
        csv->to += (size_t)n;
    }
    return 0;
}

static void csv_consume(Csv *csv, size_t n) {
    csv->from += n;
    csv->offset += n;
}

// The length of a line end at data[i], 0 when there is none.
static size_t line_end(const char *data, size_t n, size_t i) {
    if (data[i] == '\n')
        return 1;
    return data[i] == '\r' && i + 1 < n && data[i + 1] == '\n' ? 2 : 0;
}

// Scans a quoted field from behind its opening quote. Returns the index behind its closing quote, 0 when it has none.
static size_t scan_quoted(const char *data, size_t n, size_t i, Span *span) {
    for (span->at = (uint32_t)i; i < n; i++) {
        if (data[i] != '"')
            continue;
        if (i + 1 < n && data[i + 1] == '"') {
            span->doubled = true;
            i++;
            continue;
        }
        span->n = (uint32_t)(i - span->at);
        return i + 1;
    }
    return 0;
}

// Scans one field at i. Returns the index of what ends it (delimiter, line end or n).
static size_t scan_field(const char *data, size_t n, size_t i, char delimiter, Scan *scan) {
    Span *span = &scan->spans[scan->n++];
    *span = (Span){.at = (uint32_t)i};
    if (i < n && data[i] == '"') {
        span->quoted = true;
        i = scan_quoted(data, n, i + 1, span);
        if (i == 0) {
            scan->fault = CSV_QUOTE_OPEN;
            return n;
        }
        if (i < n && data[i] != delimiter && line_end(data, n, i) == 0)
            scan->fault = CSV_QUOTE_STRAY;
    } else {
        while (i < n && data[i] != delimiter && data[i] != '\n')
            i++;
        // The CR of a CR LF is no part of the field.
        size_t end = i < n && data[i] == '\n' && i > span->at && data[i - 1] == '\r' ? i - 1 : i;
        span->n = (uint32_t)(end - span->at);
        i = end;
    }
    if (span->n > CSV_FIELD_BYTES_MAX && scan->fault == CSV_FINE)
        scan->fault = CSV_FIELD_TOO_LONG;
    return i;
}

// Scans one row in data[0, n). With a fault, end and bytes are not set.
static void scan_row(const char *data, size_t n, char delimiter, Scan *scan) {
    size_t i = 0;
    scan->n = 0;
    scan->fault = CSV_FINE;
    for (;;) {
        if (scan->n == CSV_COLUMNS_MAX) {
            scan->fault = CSV_COLUMNS_TOO_MANY;
            return;
        }
        i = scan_field(data, n, i, delimiter, scan);
        if (scan->fault != CSV_FINE)
            return;
        if (i == n || data[i] != delimiter)
            break;
        i++;
    }
    scan->bytes = i;
    scan->end = i == n ? n : i + line_end(data, n, i);
}

// Unquotes in place and closes each field by 0.
static void fields_unquote(char *data, const Scan *scan, CsvField *fields) {
    for (int f = 0; f < scan->n; f++) {
        const Span *span = &scan->spans[f];
        char *text = data + span->at;
        size_t n = span->n;
        if (span->doubled) {
            size_t to = 0;
            for (size_t i = 0; i < span->n; i++) {
                text[to++] = text[i];
                if (text[i] == '"')
                    i++;
            }
            n = to;
        }
        text[n] = 0;
        fields[f] = (CsvField){text, n};
    }
}

CsvFault csv_split(char *data, size_t n, char delimiter, CsvField *fields, int *ret_n) {
    Scan scan;
    *ret_n = 0;
    scan_row(data, n, delimiter, &scan);
    if (scan.fault != CSV_FINE)
        return scan.fault;
    if (scan.end != n && scan.bytes != n)
        return CSV_QUOTE_STRAY;
    if (memchr(data, 0, scan.bytes) != NULL)
        return CSV_NUL_BYTE;
    fields_unquote(data, &scan, fields);
    *ret_n = scan.n;
    return CSV_FINE;
}

// Steps over the first line of a broken row, however long it is.
static int csv_skip_line(Csv *csv, CsvRow *ret) {
    for (;;) {
        const char *data = csv->buffer + csv->from;
        size_t n = csv->to - csv->from;
        const char *end = memchr(data, '\n', n);
        if (end != NULL) {
            size_t bytes = (size_t)(end - data);
            csv_consume(csv, bytes + 1);
            ret->bytes += bytes > 0 && end[-1] == '\r' ? bytes - 1 : bytes;
            return 0;
        }
        csv_consume(csv, n);
        ret->bytes += n;
        if (csv->at_end)
            return 0;
        int r = csv_fill(csv);
        if (r < 0)
            return r;
    }
}

static int csv_broken(Csv *csv, CsvFault fault, CsvRow *ret) {
    ret->fault = fault;
    ret->fields = NULL;
    ret->bytes = 0;
    int r = csv_skip_line(csv, ret);
    return r < 0 ? r : 2;
}

// A row whose form is whole, over several lines perhaps, and which is refused as such: the text within its quotes must
// not be taken for rows.
static int csv_unfit(Csv *csv, CsvFault fault, CsvRow *ret) {
    ret->fault = fault;
    ret->fields = NULL;
    ret->bytes = csv->scan.bytes;
    csv_consume(csv, csv->scan.end);
    return 2;
}

// Reads the row that begins at the buffer's unread part.
static int csv_row(Csv *csv, CsvRow *ret) {
    char *data = csv->buffer + csv->from;
    size_t n = csv->to - csv->from;
    size_t limit = n > CSV_ROW_BYTES_MAX + 2 ? CSV_ROW_BYTES_MAX + 2 : n;
    scan_row(data, limit, csv->delimiter, &csv->scan);
    Scan *scan = &csv->scan;
    if (limit < n && (scan->fault == CSV_QUOTE_OPEN || (scan->fault == CSV_FINE && scan->end == limit)))
        return csv_broken(csv, scan->fault == CSV_QUOTE_OPEN ? CSV_QUOTE_OPEN : CSV_ROW_TOO_LONG, ret);
    if (scan->fault != CSV_FINE)
        return csv_broken(csv, scan->fault, ret);
    ret->n_fields = scan->n;
    if (csv->columns != 0 && scan->n != csv->columns)
        return csv_unfit(csv, CSV_COLUMNS_WRONG, ret);
    if (memchr(data, 0, scan->bytes) != NULL)
        return csv_unfit(csv, CSV_NUL_BYTE, ret);
    fields_unquote(data, scan, csv->fields);
    ret->fault = CSV_FINE;
    ret->fields = csv->fields;
    ret->bytes = scan->bytes;
    csv_consume(csv, scan->end);
    return 0;
}

int csv_next(Csv *csv, CsvRow *ret) {
    for (;;) {
        int r = csv_fill(csv);
        if (r < 0)
            return r;
        if (csv->from == csv->to)
            return 1;
        size_t blank = line_end(csv->buffer + csv->from, csv->to - csv->from, 0);
        *ret = (CsvRow){.number = csv->number++, .offset = csv->offset};
        if (blank == 0)
            return csv_row(csv, ret);
        csv_consume(csv, blank);
    }
}

int csv_header(Csv *csv, CsvRow *ret) {
    static const char MARK[3] = {'\xEF', '\xBB', '\xBF'};
    assert(csv->columns == 0);
    int r = csv_fill(csv);
    if (r < 0)
        return r;
    if (csv->to - csv->from >= sizeof MARK && memcmp(csv->buffer + csv->from, MARK, sizeof MARK) == 0) {
        csv->mark = true;
        csv_consume(csv, sizeof MARK);
    }
    r = csv_next(csv, ret);
    if (r == 0)
        csv->columns = ret->n_fields;
    return r;
}

static const struct {
    const char *vi, *en;
} FAULTS[CSV_FAULTS] = {
    [CSV_FINE] = {"", ""},
    [CSV_QUOTE_OPEN] = {"Dấu ngoặc kép mở ra mà không đóng lại.", "A quotation mark is opened and never closed."},
    [CSV_QUOTE_STRAY] = {"Có chữ thừa sau dấu ngoặc kép đóng.", "There is text behind a closing quotation mark."},
    [CSV_COLUMNS_WRONG] = {"Số cột khác với dòng tiêu đề.", "The row has another number of columns than the header."},
    [CSV_COLUMNS_TOO_MANY] = {"Quá 256 cột.", "The row has more than 256 columns."},
    [CSV_FIELD_TOO_LONG] = {"Một ô dài quá 16 KiB.", "A field is longer than 16 KiB."},
    [CSV_ROW_TOO_LONG] = {"Dòng dài quá 64 KiB.", "The row is longer than 64 KiB."},
    [CSV_NUL_BYTE] = {"Dòng chứa ký tự NUL; có lẽ tệp là UTF-16.", "The row holds a NUL byte; the file may be UTF-16."},
};

const char *csv_other_delimiter(const CsvRow *header, char delimiter) {
    static const char *const DELIMITERS[] = {",", ";", "\t", "|"};
    for (size_t i = 0; header->n_fields == 1 && i < sizeof DELIMITERS / sizeof *DELIMITERS; i++)
        if (*DELIMITERS[i] != delimiter && strstr(header->fields[0].text, DELIMITERS[i]))
            return *DELIMITERS[i] == '\t' ? "\\t" : DELIMITERS[i];
    return NULL;
}

bool csv_is_blank(const CsvRow *row) {
    int i = 0;
    while (i < row->n_fields && row->fields[i].n == 0)
        i++;
    return i == row->n_fields;
}

const char *csv_fault_vi(CsvFault fault) {
    return FAULTS[fault].vi;
}

const char *csv_fault_en(CsvFault fault) {
    return FAULTS[fault].en;
}

void csv_write(Bytes *out, const char *text, size_t n, char delimiter) {
    bool quote = n == 0 ? false : text[0] == ' ' || text[n - 1] == ' ';
    for (size_t i = 0; i < n && !quote; i++)
        quote = text[i] == delimiter || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quote) {
        bytes_append(out, text, n);
        return;
    }
    bytes_append_u8(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            bytes_append_u8(out, '"');
        bytes_append_u8(out, (uint8_t)text[i]);
    }
    bytes_append_u8(out, '"');
}
