// SPDX-License-Identifier: Apache-2.0
//
// What `dongbo log verify` is given to hold a log against: heads that were kept elsewhere, and receipts that an agency
// kept. Read here, and their signatures checked.
#pragma once

#include "broker/audit.h"
#include "proto/base/options.h"

typedef struct LogExpected {
    uint64_t cosigned, good, unchecked, bad; // heads of witnesses; by their signatures
} LogExpected;
// Lines as a witness keeps them and dongbo log head --json prints them. witness: each must be co-signed, and by a key
// that was given it is checked. ERROR_CONFIG: a line is none. ERROR_MEMORY, ERROR_CRYPTO.
int log_expect_heads(Audit *audit, const AuditKeys *keys, const OptionList *paths, bool witness, LogExpected *ret);
// Sorted. ERROR_CONFIG: one is none, or is signed by none of the exchange's keys that were given.
int log_expect_receipts(AuditReceipts *receipts, const AuditKeys *keys, const OptionList *paths);
