// SPDX-License-Identifier: Apache-2.0
//
// The JSON keys are a contract with scripts: position, time, kind, agency, sequence, event_id, domain, citizen,
// verdict, reasons; `text` on lines that are not about an event. Absent values are null.
#include "operators/line.h"
#include "operators/columns.h"
#include "proto/base/clock.h"
#include "proto/domain.h"
#include "proto/event.h"
#include "proto/reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const KINDS[] = {
    [DONGBO__ENTRY_KIND__ENTRY_UNSPECIFIED] = "?",     [DONGBO__ENTRY_KIND__ENTRY_EVENT] = "event",
    [DONGBO__ENTRY_KIND__ENTRY_DECISION] = "decision", [DONGBO__ENTRY_KIND__ENTRY_EPOCH] = "epoch",
    [DONGBO__ENTRY_KIND__ENTRY_POLICY] = "policy",     [DONGBO__ENTRY_KIND__ENTRY_STREAM] = "stream",
    [DONGBO__ENTRY_KIND__ENTRY_MERGER] = "merger",     [DONGBO__ENTRY_KIND__ENTRY_RETOLD] = "retold",
    [DONGBO__ENTRY_KIND__ENTRY_FOLLOWED] = "followed", [DONGBO__ENTRY_KIND__ENTRY_ERASURE] = "erasure",
};
static const char *const COLOURS[] = {
    [DONGBO__VERDICT__VERDICT_UNSPECIFIED] = "", [DONGBO__VERDICT__ACCEPTED] = "\033[32m",
    [DONGBO__VERDICT__UNCHANGED] = "\033[2m",    [DONGBO__VERDICT__SUPERSEDED] = "\033[2m",
    [DONGBO__VERDICT__MISMATCH] = "\033[33m",    [DONGBO__VERDICT__DEFERRED] = "\033[36m",
    [DONGBO__VERDICT__REJECTED] = "\033[31m",
};

const char *line_kind(int kind) {
    return (size_t)kind < sizeof KINDS / sizeof *KINDS ? KINDS[kind] : "?";
}

// What is told again is of an event, too, but for who moved by none.
static bool is_about_event(const Dongbo__SummaryLine *summary) {
    return summary->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || summary->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION ||
           summary->kind == DONGBO__ENTRY_KIND__ENTRY_MERGER || summary->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED ||
           (summary->kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD && summary->domain != 0);
}

static const char *citizen_of(const LineFormat *format, const Line *line) {
    return format->unmask && line->entry ? line->entry->citizen_number : line->summary->citizen_masked;
}

static void number(Bytes *out, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    bytes_append_text(out, text);
}

static void json_text(Bytes *out, const char *key, const char *value) {
    bytes_append_text(out, key);
    if (value && *value)
        bytes_append_json(out, value);
    else
        bytes_append_text(out, "null");
}

static void json_reasons(const LineFormat *format, const Line *line, Bytes *out) {
    // The payload's reasons have the stored values that were told; the summary's have not.
    Dongbo__Reason **reasons = format->unmask && line->entry ? line->entry->reasons : line->summary->reasons;
    size_t n = format->unmask && line->entry ? line->entry->n_reasons : line->summary->n_reasons;
    bytes_append_text(out, ",\"reasons\":[");
    for (size_t i = 0; i < n; i++) {
        json_text(out, i ? ",{\"code\":" : "{\"code\":", reason_find((int)reasons[i]->code)->name);
        json_text(out, ",\"field\":", reasons[i]->field);
        if (*reasons[i]->expected && format->unmask)
            json_text(out, ",\"expected\":", reasons[i]->expected);
        bytes_append_text(out, "}");
    }
    bytes_append_text(out, "]");
}

static void write_json(const LineFormat *format, const Line *line, Bytes *out) {
    const Dongbo__SummaryLine *summary = line->summary;
    char time[CLOCK_TEXT_BYTES];
    clock_format_us(line->stored_at_us, time);
    bytes_append_text(out, "{\"position\":");
    number(out, line->position);
    json_text(out, ",\"time\":", time);
    json_text(out, ",\"kind\":", line_kind((int)summary->kind));
    json_text(out, ",\"agency\":", names_agency(format->names, line->agency));
    bytes_append_text(out, ",\"sequence\":");
    if (summary->sequence)
        number(out, (int64_t)summary->sequence);
    else
        bytes_append_text(out, "null");
    bytes_append_text(out, ",\"event_id\":");
    if (line->entry && line->entry->event_id.len) {
        bytes_append_text(out, "\"");
        bytes_append_hex(out, line->entry->event_id.data, line->entry->event_id.len);
        bytes_append_text(out, "\"");
    } else {
        bytes_append_text(out, "null");
    }
    json_text(out, ",\"domain\":", domain_name((int)summary->domain));
    json_text(out, ",\"citizen\":", citizen_of(format, line));
    json_text(out, ",\"verdict\":", summary->verdict ? verdict_name((int)summary->verdict) : NULL);
    json_reasons(format, line, out);
    if (*summary->text)
        json_text(out, ",\"text\":", summary->text);
    if (*summary->decided_by)
        json_text(out, ",\"decided_by\":", summary->decided_by);
    if (format->unmask && line->entry && *line->entry->why)
        json_text(out, ",\"why\":", line->entry->why);
    bytes_append_text(out, "}\n");
}

// Pads by what the text takes on a terminal; too long a text pushes the rest, and is never cut.
static void column(Bytes *out, const char *text, int width) {
    columns_append(out, text);
    for (int n = columns_width(text); n < width; n++)
        bytes_append_u8(out, ' ');
    bytes_append_u8(out, ' ');
}

void line_header(const LineFormat *format, Bytes *out) {
    if (format->style == LINE_JSON)
        return;
    if (format->style == LINE_COLOUR)
        bytes_append_text(out, "\033[1m");
    bytes_append_text(out, "  POSITION TIME                 AGENCY  SEQUENCE DOMAIN          CITIZEN      VERDICT    "
                           "REASONS");
    bytes_append_text(out, format->style == LINE_COLOUR ? "\033[0m\n" : "\n");
}

// Why there is a verdict beside the event's first one.
static void write_occasion(const Dongbo__SummaryLine *summary, Bytes *out) {
    if (*summary->text) {
        bytes_append_text(out, "(");
        columns_append(out, summary->text);
        bytes_append_text(out, ")");
    } else if (*summary->decided_by) {
        bytes_append_text(out, "(decided by ");
        columns_append(out, summary->decided_by);
        bytes_append_text(out, ")");
    } else {
        bytes_append_text(out, "(decided again)");
    }
}

static void write_why(const LineFormat *format, const Line *line, Bytes *out) {
    if (!format->unmask || !line->entry || !*line->entry->why)
        return;
    bytes_append_text(out, ": ");
    columns_append(out, line->entry->why);
}

static void write_columns(const LineFormat *format, const Line *line, Bytes *out) {
    const Dongbo__SummaryLine *summary = line->summary;
    const char *domain = domain_name((int)summary->domain);
    size_t verdict = (size_t)summary->verdict;
    bool colour = format->style == LINE_COLOUR && verdict < sizeof COLOURS / sizeof *COLOURS;
    char time[CLOCK_TEXT_BYTES], text[64];
    clock_format_us(line->stored_at_us, time);
    snprintf(text, sizeof text, "%10" PRId64 " %.19sZ ", line->position, time);
    bytes_append_text(out, text);
    column(out, names_agency(format->names, line->agency), 6);
    snprintf(text, sizeof text, "%9" PRIu64 " ", summary->sequence);
    bytes_append_text(out, text);
    if (!is_about_event(summary)) {
        column(out, line_kind((int)summary->kind), 15);
        columns_append(out, summary->text);
        if (*summary->decided_by) {
            bytes_append_text(out, " (by ");
            columns_append(out, summary->decided_by);
            bytes_append_text(out, ")");
        }
        write_why(format, line, out);
        bytes_append_text(out, "\n");
        return;
    }
    column(out, domain ? domain : "-", 15);
    column(out, citizen_of(format, line), 12);
    if (colour)
        bytes_append_text(out, COLOURS[verdict]);
    bool again = summary->kind != DONGBO__ENTRY_KIND__ENTRY_EVENT;
    if (again || summary->n_reasons)
        column(out, verdict_name((int)summary->verdict), 10);
    else
        bytes_append_text(out, verdict_name((int)summary->verdict));
    if (colour)
        bytes_append_text(out, "\033[0m");
    if (again)
        write_occasion(summary, out);
    for (size_t i = 0; i < summary->n_reasons; i++) {
        const Dongbo__Reason *reason = summary->reasons[i];
        bytes_append_text(out, i ? ", " : again ? " " : "");
        bytes_append_text(out, reason_find((int)reason->code)->name);
        if (*reason->field) {
            bytes_append_u8(out, ' ');
            columns_append(out, reason->field);
        }
    }
    write_why(format, line, out);
    bytes_append_text(out, "\n");
}

void line_write(const LineFormat *format, const Line *line, Bytes *out) {
    if (format->style == LINE_JSON)
        write_json(format, line, out);
    else
        write_columns(format, line, out);
}

void line_write_broken(const LineFormat *format, const AuditFinding *finding, Bytes *out) {
    char text[64];
    if (format->style == LINE_JSON) {
        bytes_append_text(out, "{\"position\":");
        number(out, (int64_t)finding->position);
        json_text(out, ",\"broken\":", finding->what);
        json_text(out, ",\"is\":", finding->is);
        json_text(out, ",\"should\":", finding->should);
        bytes_append_text(out, "}\n");
        return;
    }
    snprintf(text, sizeof text, "%10" PRIu64 " ", finding->position);
    bytes_append_text(out, text);
    bytes_append_text(out, format->style == LINE_COLOUR ? "\033[31mBROKEN\033[0m " : "BROKEN ");
    bytes_append_text(out, finding->what);
    bytes_append_text(out, ": is ");
    bytes_append_text(out, *finding->is ? finding->is : "missing");
    bytes_append_text(out, ", should be ");
    bytes_append_text(out, *finding->should ? finding->should : "missing");
    bytes_append_text(out, "\n");
}
