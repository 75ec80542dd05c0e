// SPDX-License-Identifier: Apache-2.0
//
// A receipt names every verdict other than a plain ACCEPTED.
#include "broker/audit_receipt.h"

#include "proto/base/error.h"
#include "proto/check.h"

#include <stdlib.h>
#include <string.h>

void audit_receipts_free(AuditReceipts *receipts) {
    for (size_t i = 0; i < receipts->n; i++)
        dongbo__receipt_body__free_unpacked(receipts->list[i].body, NULL);
    free(receipts->list);
    *receipts = (AuditReceipts){0};
}

// ---- reading -----------------------------------------------------------------------------------------------------

typedef struct Parts {
    AuditBytes body, signature;
} Parts;

static bool is_body(const uint8_t *data, size_t n) {
    return check_message(&dongbo__receipt_body__descriptor, &CHECK_WIRE, data, n, NULL) == 0;
}

// 1 when it is none.
static int split(const AuditReceiptBytes *bytes, Parts *ret) {
    const uint8_t *at = bytes->data, *end = walk_end(at, bytes->n);
    WalkField field;
    *ret = (Parts){0};
    while (walk_next(&at, end, &field) == 0) {
        if (field.number == 1 && field.type == 2)
            ret->body = (AuditBytes){field.data, field.n};
        if (field.number == 2 && field.type == 2)
            ret->signature = (AuditBytes){field.data, field.n};
    }
    if (at == end && ret->signature.n == SIGNATURE_BYTES && is_body(ret->body.data, ret->body.n))
        return 0;
    if (bytes->n <= SIGNATURE_BYTES || !is_body(bytes->data, bytes->n - SIGNATURE_BYTES))
        return 1;
    ret->body = (AuditBytes){bytes->data, bytes->n - SIGNATURE_BYTES};
    ret->signature = (AuditBytes){bytes->data + ret->body.n, SIGNATURE_BYTES};
    return 0;
}

// 2 when none of them did.
static int check_signature(const Parts *parts, Verifier *const *keys, size_t n_keys) {
    for (size_t i = 0; i < n_keys; i++) {
        int r = verifier_check(keys[i], "dongbo receipt 1", parts->body.data, parts->body.n, parts->signature.data);
        if (r <= 0)
            return r;
    }
    return 2;
}

int audit_receipts_add(AuditReceipts *receipts, const AuditReceiptBytes *bytes, Verifier *const *keys, size_t n_keys) {
    Parts parts;
    int r = split(bytes, &parts);
    if (r == 0)
        r = check_signature(&parts, keys, n_keys);
    if (r != 0)
        return r;
    size_t size = receipts->n < receipts->size ? receipts->size : 2 * receipts->size + 16;
    AuditReceipt *grown = size == receipts->size ? receipts->list : realloc(receipts->list, size * sizeof *grown);
    if (grown == NULL)
        return error_fail(ERROR_MEMORY, "no memory for receipts");
    receipts->list = grown;
    receipts->size = size;
    AuditReceipt *receipt = &grown[receipts->n];
    *receipt = (AuditReceipt){.path = bytes->path};
    receipt->body = dongbo__receipt_body__unpack(NULL, parts.body.n, parts.body.data);
    if (receipt->body == NULL || receipt->body->stream.len != STREAM_BYTES) {
        dongbo__receipt_body__free_unpacked(receipt->body, NULL);
        return 1;
    }
    receipts->n++;
    return 0;
}

// ---- finding -----------------------------------------------------------------------------------------------------

static int order(const uint8_t *stream, uint64_t first, const Dongbo__ReceiptBody *than) {
    int r = memcmp(stream, than->stream.data, STREAM_BYTES);
    return r != 0 ? r : first < than->first_sequence ? -1 : first > than->first_sequence;
}

static int compare_receipts(const void *a, const void *b) {
    const Dongbo__ReceiptBody *one = ((const AuditReceipt *)a)->body, *other = ((const AuditReceipt *)b)->body;
    return order(one->stream.data, one->first_sequence, other);
}

void audit_receipts_sort(AuditReceipts *receipts) {
    if (receipts->n > 1)
        qsort(receipts->list, receipts->n, sizeof *receipts->list, compare_receipts);
}

size_t audit_receipts_find(const AuditReceipts *receipts, AuditBytes stream, uint64_t first_sequence,
                           size_t *ret_first) {
    size_t from = 0, to = receipts->n, n = 0;
    if (stream.n != STREAM_BYTES)
        return 0;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (order(stream.data, first_sequence, receipts->list[middle].body) > 0)
            from = middle + 1;
        else
            to = middle;
    }
    *ret_first = from;
    while (from + n < receipts->n && order(stream.data, first_sequence, receipts->list[from + n].body) == 0)
        n++;
    return n;
}

// ---- comparing ---------------------------------------------------------------------------------------------------

static bool same(AuditBytes a, ProtobufCBinaryData b) {
    return a.n == b.len && (a.n == 0 || memcmp(a.data, b.data, a.n) == 0);
}

static bool tells(const AuditLine *line, const Dongbo__EventVerdict *verdict) {
    static const Dongbo__EventVerdict ACCEPTED = {.verdict = DONGBO__VERDICT__ACCEPTED};
    verdict = verdict != NULL ? verdict : &ACCEPTED;
    if (line->verdict != (uint64_t)verdict->verdict || line->n_reasons != verdict->n_reasons)
        return false;
    for (size_t i = 0; i < line->n_reasons; i++) {
        const AuditReason *reason = &line->reasons[i];
        const char *field = verdict->reasons[i]->field;
        if (reason->code != (uint64_t)verdict->reasons[i]->code || reason->field.n != strlen(field) ||
            memcmp(reason->field.data, field, reason->field.n) != 0)
            return false;
    }
    return true;
}

static const Dongbo__EventVerdict *verdict_of(const Dongbo__ReceiptBody *body, uint64_t sequence) {
    for (size_t i = 0; i < body->n_verdicts; i++)
        if (body->verdicts[i]->sequence == sequence)
            return body->verdicts[i];
    return NULL;
}

AuditReceiptWrong audit_receipt_compare(const Dongbo__ReceiptBody *body, const AuditRow *row, const AuditLine *lines,
                                        size_t n_lines, size_t *ret_line) {
    *ret_line = 0;
    if (body->last_sequence != row->last_sequence || !same(row->batch_root, body->batch_root))
        return AUDIT_RECEIPT_BATCH;
    if (!body->duplicate && (body->first_position != row->first_position || body->last_position != row->last_position ||
                             body->epoch != row->epoch || body->stored_at_us != row->stored_at_us))
        return AUDIT_RECEIPT_PLACE;
    if (body->segment_hash.len > 0 && !same(row->hash, body->segment_hash))
        return AUDIT_RECEIPT_HASH;
    for (size_t i = 0; i < n_lines; i++) {
        const Dongbo__EventVerdict *verdict = verdict_of(body, lines[i].sequence);
        *ret_line = i;
        // A later one does not tell of what was let go of by then.
        if ((verdict != NULL || !body->duplicate) && !tells(&lines[i], verdict))
            return AUDIT_RECEIPT_VERDICT;
    }
    return AUDIT_RECEIPT_FITS;
}
