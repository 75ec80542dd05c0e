// SPDX-License-Identifier: Apache-2.0
//
// One segment by itself: its leaf out of its content, the batch against the agency's signature and the leaves that the
// log committed to, the payload against the summary. Nothing is believed of what a file says of itself.
#include "broker/audit.h"

#include "broker/audit_lines.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/check.h"
#include "store.pb-c.h"
#include "wire.pb-c.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_ARENA_BYTES ((size_t)64 * 1024)
static const char TRIMMED[] = "log trimmed up to position ";
static const char ERASED[] = "erased position ";

struct AuditExaminer {
    const AuditKeys *keys;
    Verifier *verifiers[AUDIT_KEYS_MAX];
    AuditHasher hasher;
    Arena *arena; // for a batch's header
    AuditLine *lines;
    // The segment at hand.
    AuditFrame *frame;
    AuditSegment *segment;
    AuditRow row;
    AuditContent content;
    bool failed;                   // for want of memory
    const AuditReceipts *receipts; // NULL: none
    const Dongbo__BatchHeader *header;
};

int audit_examiner_new(AuditExaminer **ret, const AuditKeys *keys) {
    AuditExaminer *examiner = *ret = calloc(1, sizeof *examiner);
    if (!examiner)
        return error_fail(ERROR_MEMORY, "no memory to verify a log");
    examiner->keys = keys;
    examiner->lines = malloc(AUDIT_LINES_MAX * sizeof *examiner->lines);
    int r = examiner->lines ? arena_new(&examiner->arena, HEADER_ARENA_BYTES) : ERROR_MEMORY;
    if (r == 0)
        r = merkle_new(&examiner->hasher.merkle);
    for (int i = 0; r == 0 && i < keys->n; i++)
        r = verifier_new(&examiner->verifiers[i], keys->list[i].key);
    if (r < 0)
        audit_examiner_destroy(ret);
    return r;
}

void audit_examiner_receipts(AuditExaminer *examiner, const AuditReceipts *receipts) {
    examiner->receipts = receipts;
}

void audit_examiner_destroy(AuditExaminer **examiner) {
    if (!*examiner)
        return;
    for (int i = 0; i < AUDIT_KEYS_MAX; i++)
        verifier_destroy(&(*examiner)->verifiers[i]);
    merkle_destroy(&(*examiner)->hasher.merkle);
    bytes_free(&(*examiner)->hasher.scratch);
    bytes_free(&(*examiner)->hasher.leaves);
    arena_destroy(&(*examiner)->arena);
    free((*examiner)->lines);
    free(*examiner);
    *examiner = NULL;
}

// ---- findings -----------------------------------------------------------------------------------------------------

// For texts of the caller's; NULL when no more are kept.
static AuditFinding *find(AuditExaminer *examiner, size_t entry, const char *what) {
    AuditFindings *findings = &examiner->segment->findings;
    if (findings->n == AUDIT_FINDINGS_MAX)
        return NULL;
    AuditFinding *finding = &findings->list[findings->n++];
    *finding = (AuditFinding){.position = examiner->row.first_position + entry, .what = what};
    return finding;
}

static void find_hash(AuditExaminer *examiner, size_t entry, const char *what, const uint8_t *is,
                      const uint8_t *should) {
    AuditFinding *finding = find(examiner, entry, what);
    if (!finding)
        return;
    if (is)
        hex_encode(is, HASH_BYTES, finding->is);
    if (should)
        hex_encode(should, HASH_BYTES, finding->should);
}

static void find_text(AuditExaminer *examiner, size_t entry, const char *what, const char *is, const char *should) {
    AuditFinding *finding = find(examiner, entry, what);
    if (!finding)
        return;
    snprintf(finding->is, sizeof finding->is, "%s", is);
    snprintf(finding->should, sizeof finding->should, "%s", should);
}

static void find_number(AuditExaminer *examiner, const char *what, uint64_t is, uint64_t should) {
    AuditFinding *finding = find(examiner, 0, what);
    if (!finding)
        return;
    snprintf(finding->is, sizeof finding->is, "%" PRIu64, is);
    snprintf(finding->should, sizeof finding->should, "%" PRIu64, should);
}

// ---- what was erased ----------------------------------------------------------------------------------------------

static int room(void **list, size_t *size, size_t n, size_t bytes) {
    if (n < *size)
        return 0;
    size_t more = *size ? 2 * *size : 64;
    void *grown = realloc(*list, more * bytes);
    if (!grown)
        return error_fail(ERROR_MEMORY, "no memory for %zu records", more);
    *list = grown;
    *size = more;
    return 0;
}

static AuditMark *mark(AuditExaminer *examiner, size_t entry) {
    AuditFrame *frame = examiner->frame;
    if (room((void **)&frame->marks, &frame->marks_size, frame->n_marks, sizeof *frame->marks) < 0) {
        examiner->failed = true;
        return NULL;
    }
    AuditMark *made = &frame->marks[frame->n_marks++];
    *made = (AuditMark){.position = examiner->row.first_position + entry};
    if (entry < examiner->content.n && examiner->lines[entry].leaf.n == HASH_BYTES)
        memcpy(made->leaf, examiner->lines[entry].leaf.data, HASH_BYTES);
    return made;
}

static bool is_zeros(const uint8_t *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

// ---- summary ------------------------------------------------------------------------------------------------------

static const char *number_after(AuditBytes text, const char *words, uint64_t *ret) {
    char copy[128];
    size_t n = strlen(words);
    if (text.n <= n || memcmp(text.data, words, n) != 0)
        return NULL;
    snprintf(copy, sizeof copy, "%.*s", (int)(text.n - n < sizeof copy ? text.n - n : sizeof copy - 1), text.data + n);
    char *end;
    *ret = strtoull(copy, &end, 10);
    return end == copy ? NULL : words;
}

static void note_trims(AuditExaminer *examiner) {
    for (size_t i = 0; i < examiner->content.n; i++) {
        const AuditLine *line = &examiner->lines[i];
        uint64_t position;
        if (line->kind == DONGBO__ENTRY_KIND__ENTRY_POLICY && number_after(line->text, TRIMMED, &position) &&
            position > examiner->segment->trims)
            examiner->segment->trims = position;
    }
}

static void copy_text(char *to, size_t size, AuditBytes text) {
    size_t n = text.n < size ? text.n : size - 1;
    memcpy(to, text.data ? text.data : (const uint8_t *)"", n);
    to[n] = 0;
    text_cut(to, n); // no half a letter
    text_make_visible(to);
}

static void note_tombstones(AuditExaminer *examiner) {
    for (size_t i = 0; i < examiner->content.n; i++) {
        const AuditLine *line = &examiner->lines[i];
        uint64_t position;
        AuditMark *made = number_after(line->text, ERASED, &position) ? mark(examiner, i) : NULL;
        if (!made)
            continue;
        made->is_tombstone = true;
        made->erased = position;
        copy_text(made->by, sizeof made->by, line->decided_by);
        const uint8_t *colon = memchr(line->text.data, ':', line->text.n);
        if (colon && (size_t)(colon + 2 - line->text.data) <= line->text.n)
            copy_text(made->order, sizeof made->order,
                      (AuditBytes){colon + 2, line->text.n - (size_t)(colon + 2 - line->text.data)});
    }
}

// As the exchange stores one that its agency signed, but that holds nothing readable behind the signature.
static bool is_unread(const AuditLine *line) {
    return line->n_reasons == 1 && line->reasons[0].code == DONGBO__REASON_CODE__BATCH_UNREADABLE;
}

static bool is_unreadable(const AuditExaminer *examiner) {
    return examiner->content.n > 0 && is_unread(examiner->lines);
}

// Each event of a batch, in order, has an entry, and nothing else has: an event without a batch is nobody's word. What
// could not be read tells of no event.
static void check_line(AuditExaminer *examiner, size_t i) {
    const AuditRow *row = &examiner->row;
    const AuditLine *line = &examiner->lines[i];
    bool of_batch = row->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT;
    if ((line->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT) != of_batch)
        find_text(examiner, i, "kind of an entry", of_batch ? "none of a batch" : "an event without a batch",
                  "its segment's");
    if (of_batch && line->sequence != row->first_sequence + i)
        find_text(examiner, i, "sequence of an entry", "another than its place's in the batch", "its place's");
    if (of_batch && is_unreadable(examiner) &&
        (!is_unread(line) || line->leaf.n > 0 || line->verdict != DONGBO__VERDICT__REJECTED))
        find_text(examiner, i, "batch that could not be read", "an event beside it", "rejected as a whole");
}

static int read_summary(AuditExaminer *examiner) {
    size_t n = 0;
    AuditRow *row = &examiner->row;
    if (audit_lines_read(examiner->lines, &n, row->summary) != 0) {
        error_fail(ERROR_CONFIG, "the summary at position %" PRIu64 " is malformed", row->first_position);
        return 1;
    }
    examiner->content = (AuditContent){.row = row, .lines = examiner->lines, .n = n};
    uint64_t positions = row->last_position - row->first_position + 1;
    if (n != positions)
        find_number(examiner, "number of entries", n, positions);
    else if (row->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT && row->last_sequence - row->first_sequence + 1 != n)
        find_number(examiner, "number of entries", n, row->last_sequence - row->first_sequence + 1);
    for (size_t i = 0; i < n; i++)
        check_line(examiner, i);
    if (row->kind == DONGBO__ENTRY_KIND__ENTRY_POLICY)
        note_trims(examiner);
    if (row->kind == DONGBO__ENTRY_KIND__ENTRY_ERASURE)
        note_tombstones(examiner);
    return 0;
}

// ---- batch --------------------------------------------------------------------------------------------------------

static int read_header(AuditExaminer *examiner, AuditBytes bytes) {
    arena_reset(examiner->arena);
    examiner->header = NULL;
    if (check_message(&dongbo__batch_header__descriptor, &CHECK_EVENT, bytes.data, bytes.n, NULL) != 0)
        return 1;
    examiner->header = dongbo__batch_header__unpack(arena_protobuf(examiner->arena), bytes.n, bytes.data);
    return examiner->header && strlen(examiner->header->key_id) < KEY_ID_TEXT_BYTES ? 0 : 1;
}

static int check_signature(AuditExaminer *examiner, AuditBytes header, AuditBytes signature) {
    AuditSegment *segment = examiner->segment;
    snprintf(segment->key_id, sizeof segment->key_id, "%s", examiner->header->key_id);
    text_make_visible(segment->key_id);
    segment->signature = AUDIT_NO_KEY;
    for (int i = 0; i < examiner->keys->n && segment->signature != AUDIT_SIGNED; i++) {
        if (strcmp(examiner->keys->list[i].id, segment->key_id) != 0)
            continue;
        int r = signature.n != SIGNATURE_BYTES
                    ? 1
                    : verifier_check(examiner->verifiers[i], "dongbo batch 1", header.data, header.n, signature.data);
        if (r < 0)
            return r;
        segment->signature = r == 0 ? AUDIT_SIGNED : AUDIT_NOT_SIGNED;
        segment->key = i;
    }
    if (segment->signature == AUDIT_NOT_SIGNED)
        find_text(examiner, 0, "signature", "not the key's", segment->key_id);
    return 0;
}

static bool same(AuditBytes a, AuditBytes b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.data, b.data, a.n) == 0);
}

static void check_header(AuditExaminer *examiner) {
    const Dongbo__BatchHeader *header = examiner->header;
    const AuditRow *row = &examiner->row;
    if (!same((AuditBytes){header->stream.data, header->stream.len}, row->stream))
        find_text(examiner, 0, "stream", "another than its batch was signed for", "the batch's");
    if (header->first_sequence != row->first_sequence)
        find_number(examiner, "first sequence", row->first_sequence, header->first_sequence);
    if (header->first_sequence + header->count - 1 != row->last_sequence)
        find_number(examiner, "last sequence", row->last_sequence, header->first_sequence + header->count - 1);
    if (!same((AuditBytes){header->root.data, header->root.len}, row->batch_root))
        find_hash(examiner, 0, "batch root", row->batch_root.n ? row->batch_root.data : NULL,
                  header->root.len == HASH_BYTES ? header->root.data : NULL);
}

static void check_events(AuditExaminer *examiner, const AuditBatch *batch) {
    const uint8_t *at = batch->first_event.data;
    WalkField field;
    uint8_t leaf[HASH_BYTES];
    if (batch->n_events != examiner->content.n || batch->salts.n != batch->n_events * SALT_BYTES) {
        find_number(examiner, "number of events in the batch", batch->n_events, examiner->content.n);
        return;
    }
    for (size_t i = 0; i < batch->n_events && walk_next(&at, batch->end, &field) == 0; i++) {
        const uint8_t *salt = batch->salts.data + i * SALT_BYTES;
        const AuditLine *line = &examiner->lines[i];
        merkle_salted_leaf(examiner->hasher.merkle, salt, field.data, field.n, leaf);
        if (line->leaf.n == HASH_BYTES && memcmp(leaf, line->leaf.data, HASH_BYTES) == 0)
            continue;
        if (field.n == 0 && is_zeros(salt, SALT_BYTES))
            mark(examiner, i);
        else
            find_hash(examiner, i, "event", leaf, line->leaf.n == HASH_BYTES ? line->leaf.data : NULL);
    }
}

// Whoever may not see payloads still sees that the leaves are those that the agency signed.
static int check_root(AuditExaminer *examiner) {
    uint8_t root[HASH_BYTES];
    if (audit_events_root(&examiner->hasher, &examiner->content, root) != 0)
        return error_fail(ERROR_MEMORY, "no memory for a batch's root");
    if (memcmp(root, examiner->row.batch_root.data, HASH_BYTES) != 0)
        find_hash(examiner, 0, "root over the events' leaves", root, examiner->row.batch_root.data);
    return 0;
}

// What is kept of a batch when it goes. Format 1 had none.
static void check_origin(AuditExaminer *examiner, const AuditBatch *batch) {
    AuditBatch origin;
    if (examiner->row.format >= 2 &&
        (audit_batch_read(&origin, examiner->row.origin) != 0 || !same(origin.header, batch->header) ||
         !same(origin.signature, batch->signature) || origin.salts.n > 0 || origin.n_events > 0))
        find_text(examiner, 0, "origin", "not the batch's header and signature", "the batch's");
}

static int check_batch(AuditExaminer *examiner, const LogfileRecord *record) {
    bool unreadable = is_unreadable(examiner);
    AuditBatch batch = {0};
    AuditBytes bytes = record ? (AuditBytes){record->body, record->n} : examiner->row.origin;
    if (examiner->row.batch_root.n == HASH_BYTES && !unreadable) {
        int r = check_root(examiner);
        if (r < 0)
            return r;
    }
    if (bytes.n == 0) {
        if (examiner->row.format >= 2) // of the first format nothing is left of a batch that was let go
            find_text(examiner, 0, "origin", "none", "the header that an agency signed");
        return 0;
    }
    bool malformed = audit_batch_read(&batch, bytes) != 0;
    if (batch.header.n == 0 || read_header(examiner, batch.header) != 0 || (malformed && !unreadable)) {
        find_text(examiner, 0, "batch", "malformed", "as its agency sealed it");
        return 0;
    }
    int r = check_signature(examiner, batch.header, batch.signature);
    if (r < 0)
        return r;
    check_header(examiner);
    check_origin(examiner, &batch);
    if (record && !unreadable)
        check_events(examiner, &batch);
    examiner->content.header = batch.header;
    examiner->content.signature = batch.signature;
    return 0;
}

// ---- payload ------------------------------------------------------------------------------------------------------

// They stand behind the entries that they belong to.
static int find_salts(const LogfileRecord *payload, AuditBytes *ret) {
    const uint8_t *at = payload->body, *end = walk_end(at, payload->n);
    WalkField field;
    int r;
    *ret = (AuditBytes){0};
    while ((r = walk_next(&at, end, &field)) == 0) {
        if (field.number == 2 && field.type == 2)
            *ret = (AuditBytes){field.data, field.n};
    }
    return r == 1 ? 0 : 1;
}

// 1 when it is malformed.
static int check_entry(AuditExaminer *examiner, size_t i, AuditBytes bytes, const uint8_t *salt) {
    const AuditLine *line = &examiner->lines[i];
    AuditLine entry;
    uint8_t commitment[HASH_BYTES];
    if (bytes.n == 0 && (!salt || is_zeros(salt, SALT_BYTES))) {
        mark(examiner, i);
        return 0;
    }
    if (audit_entry_read(&entry, bytes) != 0)
        return 1;
    if (!audit_lines_agree(line, &entry))
        find_text(examiner, i, "entry", "another event, verdict or number than is shown", "what is shown of it");
    if (!salt)
        return 0;
    merkle_salted_leaf(examiner->hasher.merkle, salt, bytes.data, bytes.n, commitment);
    if (line->commitment.n != HASH_BYTES || memcmp(commitment, line->commitment.data, HASH_BYTES) != 0)
        find_hash(examiner, i, "entry", commitment, line->commitment.n == HASH_BYTES ? line->commitment.data : NULL);
    return 0;
}

static void check_payload(AuditExaminer *examiner, const LogfileRecord *record) {
    const uint8_t *at = record->body, *end = walk_end(at, record->n);
    bool salted = examiner->row.format >= 2;
    AuditBytes salts;
    WalkField field;
    size_t n = 0;
    int r = find_salts(record, &salts);
    examiner->segment->has_payload = true;
    if (r == 0 && salted && salts.n != examiner->content.n * SALT_BYTES)
        r = 2;
    while (r == 0 && (r = walk_next(&at, end, &field)) == 0) {
        if (field.number == 2 && salted)
            continue;
        if (field.number != 1 || field.type != 2 ||
            (n < examiner->content.n && check_entry(examiner, n, (AuditBytes){field.data, field.n},
                                                    salted ? salts.data + n * SALT_BYTES : NULL) != 0))
            r = 2;
        n++;
    }
    if (r == 2)
        find_text(examiner, 0, "payload", "malformed", "as it was stored");
    else if (n != examiner->content.n)
        find_number(examiner, "number of entries in the payload", n, examiner->content.n);
}

// Its events have no leaves; the content of its first entry binds what came.
static void check_unread(AuditExaminer *examiner, const LogfileRecord *payload, const LogfileRecord *batch) {
    const uint8_t *at = payload->body, *end = walk_end(at, payload->n);
    WalkField entry, field;
    AuditBytes said = {0};
    uint8_t hash[HASH_BYTES];
    if (walk_next(&at, end, &entry) != 0 || entry.type != 2)
        return; // told of already
    for (at = entry.data; walk_next(&at, walk_end(entry.data, entry.n), &field) == 0;) {
        if (field.number == 24 && field.type == 2)
            said = (AuditBytes){field.data, field.n};
    }
    merkle_sha256(examiner->hasher.merkle, batch->body, batch->n, hash);
    if (said.n != HASH_BYTES || memcmp(hash, said.data, HASH_BYTES) != 0)
        find_hash(examiner, 0, "batch that could not be read", hash, said.n == HASH_BYTES ? said.data : NULL);
}

// ---- receipts -----------------------------------------------------------------------------------------------------

static void check_receipt(AuditExaminer *examiner, const AuditReceipt *receipt) {
    static const struct {
        const char *what, *is;
    } TEXTS[] = {[AUDIT_RECEIPT_BATCH] = {"batch of a receipt", "another one, with the same first event"},
                 [AUDIT_RECEIPT_PLACE] = {"place of a receipt", "another position, epoch or time"},
                 [AUDIT_RECEIPT_HASH] = {"segment of a receipt", "another segment"},
                 [AUDIT_RECEIPT_VERDICT] = {"verdict of a receipt", "another verdict, or other reasons"}};
    size_t line = 0;
    AuditReceiptWrong wrong =
        audit_receipt_compare(receipt->body, &examiner->row, examiner->lines, examiner->content.n, &line);
    if (wrong != AUDIT_RECEIPT_FITS)
        find_text(examiner, line, TEXTS[wrong].what, TEXTS[wrong].is, receipt->path);
}

static void check_receipts(AuditExaminer *examiner) {
    AuditSegment *segment = examiner->segment;
    if (examiner->receipts == NULL || examiner->row.kind != DONGBO__ENTRY_KIND__ENTRY_EVENT)
        return;
    segment->n_receipts = audit_receipts_find(examiner->receipts, examiner->row.stream, examiner->row.first_sequence,
                                              &segment->first_receipt);
    for (size_t i = 0; i < segment->n_receipts; i++)
        check_receipt(examiner, &examiner->receipts->list[segment->first_receipt + i]);
}

// ---- the segment --------------------------------------------------------------------------------------------------

typedef struct Group {
    LogfileRecord segment, payload, batch;
    bool has_payload, has_batch;
} Group;

static void fill(AuditExaminer *examiner) {
    AuditSegment *segment = examiner->segment;
    const AuditRow *row = &examiner->row;
    *segment = (AuditSegment){.first_position = row->first_position,
                              .last_position = row->last_position,
                              .leaf_index = row->leaf_index,
                              .epoch = (uint32_t)row->epoch,
                              .agency = (uint32_t)row->agency,
                              .kind = (int)row->kind,
                              .format = row->format > INT_MAX ? INT_MAX : (int)row->format,
                              .stored_at_us = row->stored_at_us,
                              .population_position = row->population_position,
                              .frontier = row->frontier.data,
                              .frontier_n = row->frontier.n};
    memcpy(segment->hash, row->hash.data, HASH_BYTES);
    if (row->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT && row->stream.n == STREAM_BYTES) {
        segment->stream = row->stream.data;
        segment->first_sequence = row->first_sequence;
        segment->last_sequence = row->last_sequence;
    }
}

static int examine_group(AuditExaminer *examiner, const Group *group, AuditSegment *segment) {
    AuditRow *row = &examiner->row;
    examiner->segment = segment;
    if (audit_row_read(row, group->segment.body, group->segment.n) != 0) {
        error_fail(ERROR_CONFIG, "a segment's record is malformed");
        return 1;
    }
    fill(examiner);
    segment->has_batch = group->has_batch;
    int r = read_summary(examiner);
    if (r == 0 && row->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT)
        r = check_batch(examiner, group->has_batch ? &group->batch : NULL);
    if (r != 0)
        return r;
    check_receipts(examiner);
    size_t n_marks = examiner->frame->n_marks;
    if (group->has_payload)
        check_payload(examiner, &group->payload);
    segment->lost_batch = is_unreadable(examiner) && examiner->frame->n_marks > n_marks;
    if (group->has_payload && group->has_batch && row->format >= 2 && is_unreadable(examiner))
        check_unread(examiner, &group->payload, &group->batch);
    if (audit_leaf(&examiner->hasher, &examiner->content, segment->leaf) == 0)
        return 0;
    error_fail(ERROR_CONFIG,
               "the segment at position %" PRIu64 " is of format %" PRIu64 ", which this program does not "
               "know: take a newer one",
               row->first_position, row->format);
    return 1;
}

bool audit_lacks(const AuditSegment *segment, AuditFinding *ret) {
    bool batch = segment->has_batch || segment->lost_batch || segment->kind != DONGBO__ENTRY_KIND__ENTRY_EVENT;
    *ret = (AuditFinding){.position = segment->first_position, .what = segment->has_payload ? "batch" : "payload"};
    snprintf(ret->is, sizeof ret->is, "missing");
    snprintf(ret->should, sizeof ret->should, "there, for nothing says that it was let go");
    return !segment->has_payload || !batch;
}

AuditFinding audit_lacks_tombstone(uint64_t position) {
    return (AuditFinding){
        .position = position, .what = "entry", .is = "erased", .should = "there, for no tombstone says by whose order"};
}

// ---- a frame ------------------------------------------------------------------------------------------------------

void audit_frame_free(AuditFrame *frame) {
    bytes_free(&frame->plain);
    free(frame->items);
    free(frame->segments);
    free(frame->marks);
    *frame = (AuditFrame){0};
}

// The records that belong to it, and no others.
static int read_group(const uint8_t **at, const uint8_t *end, Group *group) {
    LogfileRecord next;
    for (const uint8_t *ahead = *at; logfile_record(&ahead, end, &next) == 0; *at = ahead) {
        if (next.type == LOGFILE_PAYLOAD && !group->has_payload && !group->has_batch) {
            group->payload = next;
            group->has_payload = true;
        } else if (next.type == LOGFILE_BATCH && !group->has_batch) {
            group->batch = next;
            group->has_batch = true;
        } else {
            break;
        }
    }
    return 0;
}

static int examine_next(AuditExaminer *examiner, AuditFrame *frame, const uint8_t **at, const LogfileRecord *record) {
    int r = room((void **)&frame->items, &frame->items_size, frame->n_items, sizeof *frame->items);
    if (r == 0)
        r = room((void **)&frame->segments, &frame->segments_size, frame->n_segments, sizeof *frame->segments);
    if (r < 0)
        return r;
    bool is_segment = record->type == LOGFILE_SEGMENT;
    frame->items[frame->n_items++] = (AuditItem){*record, is_segment};
    if (!is_segment)
        return 0;
    Group group = {.segment = *record};
    r = read_group(at, frame->plain.data + frame->plain.n, &group);
    return r < 0 ? r : examine_group(examiner, &group, &frame->segments[frame->n_segments++]);
}

int audit_examine(AuditExaminer *examiner, AuditFrame *frame, size_t skip) {
    static const uint8_t NOTHING[1];
    const uint8_t *data = frame->plain.n > 0 ? frame->plain.data : NOTHING; // no buffer where there was never a byte
    const uint8_t *at = data + skip, *end = data + frame->plain.n;
    LogfileRecord record;
    int r;
    frame->n_items = frame->n_segments = frame->n_marks = 0;
    examiner->frame = frame;
    examiner->failed = false;
    while ((r = logfile_record(&at, end, &record)) == 0) {
        r = examine_next(examiner, frame, &at, &record);
        if (r != 0)
            return r;
    }
    if (examiner->failed)
        return error_fail(ERROR_MEMORY, "no memory for what was erased");
    if (r == 1)
        return 0;
    error_fail(ERROR_CONFIG, "a record that is cut or longer than any");
    return 1;
}
