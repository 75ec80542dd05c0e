// SPDX-License-Identifier: Apache-2.0
//
// Receipts that agencies kept, to hold a log against: the batch that one names must be in the log, where it says, with
// the verdicts that it tells. Pure; whoever reads them has checked their signatures.
#pragma once

#include "broker/audit_lines.h"
#include "proto/keys.h"
#include "wire.pb-c.h"

typedef struct AuditReceipt {
    Dongbo__ReceiptBody *body; // its own
    const char *path;          // the caller's, for people
    bool found;                // in the log
} AuditReceipt;

typedef struct AuditReceipts {
    AuditReceipt *list; // by stream and first sequence, once sorted
    size_t n, size;
} AuditReceipts;

void audit_receipts_free(AuditReceipts *receipts);
// Takes one as an agent's spool keeps it (ReceiptBody and then its signature), or as it came (Receipt). 1 when it is
// none, 2 when none of these keys signed it. ERROR_MEMORY, ERROR_CRYPTO.
typedef struct AuditReceiptBytes {
    const uint8_t *data;
    size_t n;
    const char *path;
} AuditReceiptBytes;
int audit_receipts_add(AuditReceipts *receipts, const AuditReceiptBytes *bytes, Verifier *const *keys, size_t n_keys);
void audit_receipts_sort(AuditReceipts *receipts);
// Those of the batch that begins so: the first, and how many. Of none that were sorted: none.
size_t audit_receipts_find(const AuditReceipts *receipts, AuditBytes stream, uint64_t first_sequence,
                           size_t *ret_first);

// What does not fit; 0: all does. *ret_line: with AUDIT_RECEIPT_VERDICT, whose.
typedef enum AuditReceiptWrong {
    AUDIT_RECEIPT_FITS,
    AUDIT_RECEIPT_BATCH,  // of another batch, with the same first event
    AUDIT_RECEIPT_PLACE,  // elsewhere in the log, or at another time
    AUDIT_RECEIPT_HASH,   // in another segment
    AUDIT_RECEIPT_VERDICT // another verdict, or other reasons
} AuditReceiptWrong;
AuditReceiptWrong audit_receipt_compare(const Dongbo__ReceiptBody *body, const AuditRow *row, const AuditLine *lines,
                                        size_t n_lines, size_t *ret_line);
