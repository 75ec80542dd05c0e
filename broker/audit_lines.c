// SPDX-License-Identifier: Apache-2.0
//
// See audit_lines.h. Hashes by the words of PROTOCOL.md, not by the code that wrote the log.
#include "broker/audit_lines.h"

#include "proto/base/text.h"

#include <string.h>

static AuditBytes bytes_of(const WalkField *field) {
    return (AuditBytes){field->data, field->n};
}

// ---- reading ------------------------------------------------------------------------------------------------------

static bool take_row(AuditRow *row, const WalkField *field) {
    uint64_t *const numbers[] = {[1] = &row->first_position,
                                 [2] = &row->last_position,
                                 [3] = &row->epoch,
                                 [4] = &row->format,
                                 [5] = &row->kind,
                                 [6] = &row->agency,
                                 [8] = &row->first_sequence,
                                 [9] = &row->last_sequence,
                                 [11] = (uint64_t *)&row->stored_at_us,
                                 [12] = (uint64_t *)&row->population_position,
                                 [13] = &row->leaf_index};
    AuditBytes *const texts[] = {[7] = &row->stream,    [10] = &row->batch_root, [14] = &row->hash,
                                 [15] = &row->frontier, [16] = &row->summary,    [17] = &row->origin};
    if (field->number < sizeof numbers / sizeof *numbers && numbers[field->number])
        *numbers[field->number] = field->value;
    else if (field->number < sizeof texts / sizeof *texts && texts[field->number])
        *texts[field->number] = bytes_of(field);
    else
        return true; // of a newer program
    return field->type == (field->number < sizeof numbers / sizeof *numbers && numbers[field->number] ? 0 : 2);
}

static bool is_allowed(const AuditRow *row) {
    return row->first_position >= 1 && row->last_position >= row->first_position && row->last_position <= INT64_MAX &&
           row->last_position - row->first_position < AUDIT_LINES_MAX && row->epoch <= UINT32_MAX &&
           row->kind <= UINT8_MAX && row->agency <= UINT32_MAX && row->leaf_index < (uint64_t)1 << 62 &&
           row->hash.n == HASH_BYTES && (row->stream.n == 0 || row->stream.n == STREAM_BYTES) &&
           (row->batch_root.n == 0 || row->batch_root.n == HASH_BYTES);
}

int audit_row_read(AuditRow *row, const uint8_t *data, size_t n) {
    const uint8_t *at = data, *end = walk_end(data, n);
    WalkField field;
    int r;
    *row = (AuditRow){0};
    while ((r = walk_next(&at, end, &field)) == 0) {
        if (!take_row(row, &field))
            return 1;
    }
    return r == 1 && is_allowed(row) ? 0 : 1;
}

static int read_reason(AuditLine *line, AuditBytes bytes, bool is_line) {
    const uint8_t *at = bytes.data, *end = walk_end(at, bytes.n);
    WalkField field;
    int r;
    if (line->n_reasons == REASONS_MAX)
        return 1;
    AuditReason *reason = &line->reasons[line->n_reasons++];
    *reason = (AuditReason){0};
    while ((r = walk_next(&at, end, &field)) == 0) {
        if (field.number == 1 && field.type == 0)
            reason->code = field.value;
        else if (field.number == 2 && field.type == 2)
            reason->field = bytes_of(&field);
        else if (is_line)
            return 1; // nothing else is hashed
    }
    return r == 1 && reason->code <= UINT16_MAX && reason->field.n <= UINT8_MAX ? 0 : 1;
}

static void line_clear(AuditLine *line) {
    memset(line, 0, offsetof(AuditLine, reasons));
    line->n_reasons = 0;
    line->erased = false;
}

#define FIELDS 12

typedef struct LineShape { // which numbers a line's fields have in a message
    uint8_t kind, sequence, domain, verdict, reasons, leaf, citizen, text, decided_by, commitment, said;
} LineShape; // 0: not read

static const LineShape SUMMARY = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const LineShape ENTRY = {.kind = 1, .sequence = 2, .domain = 4, .verdict = 5, .reasons = 6, .citizen = 8};

// 1: broken, or a summary's line with what is not hashed.
static int line_fields(AuditLine *line, const LineShape *shape, AuditBytes bytes) {
    const uint8_t *at = bytes.data, *end = walk_end(at, bytes.n);
    uint64_t *numbers[FIELDS] = {NULL};
    AuditBytes *texts[FIELDS] = {NULL};
    WalkField field;
    int r;
    numbers[shape->kind] = &line->kind;
    numbers[shape->sequence] = &line->sequence;
    numbers[shape->domain] = &line->domain;
    numbers[shape->verdict] = &line->verdict;
    texts[shape->leaf] = &line->leaf;
    texts[shape->citizen] = &line->citizen;
    texts[shape->text] = &line->text;
    texts[shape->decided_by] = &line->decided_by;
    texts[shape->commitment] = &line->commitment;
    texts[shape->said] = &line->said;
    line_clear(line);
    while ((r = walk_next(&at, end, &field)) == 0) {
        unsigned n = field.number < FIELDS ? field.number : 0;
        if (field.type == 0 && n > 0 && numbers[n])
            *numbers[n] = field.value;
        else if (field.type == 2 && n > 0 && n == shape->reasons)
            r = read_reason(line, bytes_of(&field), shape == &SUMMARY);
        else if (field.type == 2 && n > 0 && texts[n])
            *texts[n] = bytes_of(&field);
        else if (shape == &SUMMARY)
            return 1;
        if (r != 0)
            return 1;
    }
    return r == 1 ? 0 : 1;
}

static int line_read(AuditLine *line, AuditBytes bytes) {
    int r = line_fields(line, &SUMMARY, bytes);
    bool allowed = (line->leaf.n == 0 || line->leaf.n == HASH_BYTES) && line->kind <= UINT8_MAX &&
                   (line->commitment.n == 0 || line->commitment.n == HASH_BYTES) && line->domain <= UINT8_MAX &&
                   (line->said.n == 0 || line->said.n == HASH_BYTES) && line->verdict <= UINT8_MAX;
    return r == 0 && allowed ? 0 : 1;
}

int audit_lines_read(AuditLine *lines, size_t *n_lines, AuditBytes summary) {
    const uint8_t *at = summary.data, *end = walk_end(at, summary.n);
    WalkField field;
    int r;
    *n_lines = 0;
    while ((r = walk_next(&at, end, &field)) == 0) {
        if (field.number != 1 || field.type != 2 || *n_lines == AUDIT_LINES_MAX ||
            line_read(&lines[(*n_lines)++], bytes_of(&field)) != 0)
            return 1;
    }
    return r == 1 ? 0 : 1;
}

int audit_entry_read(AuditLine *line, AuditBytes entry) {
    return line_fields(line, &ENTRY, entry);
}

// The middle of a number is masked in what everybody may see.
static bool is_mask(AuditBytes masked, AuditBytes number) {
    char text[TEXT_BYTES_MAX + 1], expected[TEXT_MASK_BYTES];
    if (number.n > TEXT_BYTES_MAX)
        return false;
    memcpy(text, number.data ? number.data : (const uint8_t *)"", number.n);
    text[number.n] = 0;
    text_mask_number(text, expected);
    return masked.n == strlen(expected) && (masked.n == 0 || memcmp(masked.data, expected, masked.n) == 0);
}

bool audit_lines_agree(const AuditLine *line, const AuditLine *entry) {
    if (line->kind != entry->kind || line->sequence != entry->sequence || line->domain != entry->domain ||
        line->verdict != entry->verdict || line->n_reasons != entry->n_reasons)
        return false;
    for (size_t i = 0; i < line->n_reasons; i++) {
        if (line->reasons[i].code != entry->reasons[i].code)
            return false;
    }
    return is_mask(line->citizen, entry->citizen);
}

int audit_batch_read(AuditBatch *batch, AuditBytes bytes) {
    const uint8_t *at = bytes.data;
    WalkField field;
    int r;
    *batch = (AuditBatch){.end = walk_end(at, bytes.n)};
    while ((r = walk_next(&at, batch->end, &field)) == 0) {
        if (field.type != 2 || field.number < 1 || field.number > 4)
            return 1;
        if (field.number == 4 && batch->n_events++ == 0)
            batch->first_event = (AuditBytes){field.start, (size_t)(batch->end - field.start)};
        if (field.number != 4 && batch->n_events > 0)
            return 1; // the order is part of the form
        if (field.number < 4)
            *(AuditBytes *[]){NULL, &batch->header, &batch->signature, &batch->salts}[field.number] = bytes_of(&field);
    }
    return r == 1 ? 0 : 1;
}

// ---- hashing ------------------------------------------------------------------------------------------------------

static const uint8_t ZEROS[HASH_BYTES];

static void append_hash(Bytes *to, AuditBytes hash) {
    bytes_append(to, hash.n == HASH_BYTES ? hash.data : ZEROS, HASH_BYTES);
}

static void append_place(Bytes *to, const AuditRow *row) {
    bytes_append_u32(to, (uint32_t)row->epoch);
    bytes_append_u64(to, row->first_position);
    bytes_append_u64(to, row->last_position);
    bytes_append_u8(to, (uint8_t)row->kind);
    if (row->format >= 2)
        bytes_append_u32(to, (uint32_t)row->agency);
    bytes_append(to, row->stream.n ? row->stream.data : ZEROS, STREAM_BYTES);
    bytes_append_u64(to, row->first_sequence);
    bytes_append_u64(to, row->last_sequence);
    append_hash(to, row->batch_root);
}

static void append_times(Bytes *to, const AuditRow *row) {
    bytes_append_u64(to, (uint64_t)row->stored_at_us);
    bytes_append_u64(to, (uint64_t)row->population_position);
}

static int finish(AuditHasher *hasher, uint8_t out[HASH_BYTES]) {
    if (hasher->scratch.failed)
        return 1;
    merkle_leaf(hasher->merkle, hasher->scratch.data, hasher->scratch.n, out);
    return 0;
}

static int leaf_1(AuditHasher *hasher, const AuditContent *content, uint8_t out[HASH_BYTES]) {
    static const char NAME[] = "dongbo segment 1"; // its 0 included
    Bytes *to = &hasher->scratch;
    bytes_clear(to);
    bytes_append(to, NAME, sizeof NAME);
    append_place(to, content->row);
    append_times(to, content->row);
    for (size_t i = 0; i < content->n; i++) {
        const AuditLine *line = &content->lines[i];
        append_hash(to, line->leaf);
        bytes_append_u8(to, (uint8_t)line->domain);
        bytes_append_u8(to, (uint8_t)line->verdict);
        bytes_append_u8(to, (uint8_t)line->n_reasons);
        for (size_t j = 0; j < line->n_reasons; j++)
            bytes_append_u16(to, (uint16_t)line->reasons[j].code);
    }
    return finish(hasher, out);
}

// Who decided, and in which words.
static void said_of(AuditHasher *hasher, const AuditLine *line, uint8_t out[HASH_BYTES]) {
    static const char NAME[] = "dongbo said 1"; // its 0 included
    Bytes *to = &hasher->scratch;
    memcpy(out, line->said.n ? line->said.data : ZEROS, HASH_BYTES);
    if (line->text.n == 0 && line->decided_by.n == 0)
        return;
    bytes_clear(to);
    bytes_append(to, NAME, sizeof NAME);
    bytes_append(to, line->decided_by.data, line->decided_by.n);
    bytes_append_u8(to, 0);
    bytes_append(to, line->text.data, line->text.n);
    if (!to->failed)
        merkle_sha256(hasher->merkle, to->data, to->n, out);
}

static uint8_t *put(uint8_t *to, const void *data, size_t n) {
    if (n > 0) // a reason without a field has no bytes at all
        memcpy(to, data, n);
    return to + n;
}

static uint8_t *put_hash(uint8_t *to, AuditBytes hash) {
    return put(to, hash.n == HASH_BYTES ? hash.data : ZEROS, HASH_BYTES);
}

// On the stack: what is gathered is short and its length bounded.
static void entry_leaf(AuditHasher *hasher, const AuditLine *line, uint8_t out[HASH_BYTES]) {
    uint8_t data[12 + 3 * HASH_BYTES + REASONS_MAX * (3 + UINT8_MAX)];
    uint8_t said[HASH_BYTES], *to = data;
    said_of(hasher, line, said);
    *to++ = (uint8_t)line->kind;
    *to++ = (uint8_t)line->domain;
    *to++ = (uint8_t)line->verdict;
    bytes_put_number(to, 8, line->sequence);
    to = put_hash(to + 8, line->leaf);
    to = put_hash(to, line->commitment);
    to = put(to, said, HASH_BYTES);
    *to++ = (uint8_t)line->n_reasons;
    for (size_t i = 0; i < line->n_reasons; i++) {
        const AuditReason *reason = &line->reasons[i];
        bytes_put_number(to, 2, reason->code);
        to[2] = (uint8_t)reason->field.n;
        to = put(to + 3, reason->field.data, reason->field.n);
    }
    merkle_leaf(hasher->merkle, data, (size_t)(to - data), out);
}

static int leaf_2(AuditHasher *hasher, const AuditContent *content, uint8_t out[HASH_BYTES]) {
    static const char NAME[] = "dongbo segment 2"; // its 0 included
    Bytes *to = &hasher->scratch, *leaves = &hasher->leaves;
    uint8_t origin[HASH_BYTES] = {0}, root[HASH_BYTES];
    bytes_clear(leaves);
    uint8_t *at = bytes_reserve(leaves, (content->n + 1) * HASH_BYTES);
    if (!at)
        return 1;
    for (size_t i = 0; i < content->n; i++)
        entry_leaf(hasher, &content->lines[i], at + i * HASH_BYTES);
    merkle_root(hasher->merkle, at, content->n, root);
    bytes_clear(to);
    bytes_append(to, content->header.data, content->header.n);
    bytes_append(to, content->signature.data, content->signature.n);
    if (content->header.n && !to->failed)
        merkle_sha256(hasher->merkle, to->data, to->n, origin);
    bytes_clear(to);
    bytes_append(to, NAME, sizeof NAME);
    append_place(to, content->row);
    bytes_append(to, origin, HASH_BYTES);
    append_times(to, content->row);
    bytes_append(to, root, HASH_BYTES);
    return finish(hasher, out);
}

int audit_leaf(AuditHasher *hasher, const AuditContent *content, uint8_t out[HASH_BYTES]) {
    if (content->row->format == 1)
        return leaf_1(hasher, content, out);
    return content->row->format == 2 ? leaf_2(hasher, content, out) : 1;
}

int audit_events_root(AuditHasher *hasher, const AuditContent *content, uint8_t out[HASH_BYTES]) {
    Bytes *leaves = &hasher->scratch;
    bytes_clear(leaves);
    for (size_t i = 0; i < content->n; i++)
        append_hash(leaves, content->lines[i].leaf);
    if (leaves->failed)
        return 1;
    merkle_root(hasher->merkle, leaves->data, content->n, out);
    return 0;
}
