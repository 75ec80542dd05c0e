// SPDX-License-Identifier: Apache-2.0
//
// One position of the sync log as a line: a JSON object, or columns for people, in colour on a terminal. Masked unless
// told otherwise. Pure: bytes in, text out.
#pragma once

#include "broker/audit.h"
#include "operators/names.h"
#include "proto/base/bytes.h"
#include "store.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Line {
    int64_t position;
    int64_t stored_at_us;
    uint32_t agency;
    const Dongbo__SummaryLine *summary;
    const Dongbo__Entry *entry; // NULL where the payload was not read, or is erased
} Line;

typedef enum LineStyle { LINE_PLAIN, LINE_COLOUR, LINE_JSON } LineStyle;

typedef struct LineFormat {
    LineStyle style;
    bool unmask;
    const Names *names;
} LineFormat;

const char *line_kind(int kind);                        // of an entry; "?" for none that is known
void line_header(const LineFormat *format, Bytes *out); // column heads; nothing for JSON
void line_write(const LineFormat *format, const Line *line, Bytes *out);
// That the log is broken there: what stands there, and what should.
void line_write_broken(const LineFormat *format, const AuditFinding *finding, Bytes *out);
