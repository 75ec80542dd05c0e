// SPDX-License-Identifier: Apache-2.0
//
// Exported files through an audit, frame by frame: threads take frames apart and examine them, the caller's links them
// in their order. Memory is that of a few frames, however long a file is.
#pragma once

#include "broker/audit.h"
#include "operators/progress.h"

typedef struct LogAudit LogAudit;
// threads: 0: as many as there are processors, within reason. keys, audit and receipts (which may be none): the
// caller's, who keeps them. ERROR_MEMORY, ERROR_CRYPTO.
typedef struct LogAuditOptions {
    Audit *audit;
    const AuditKeys *keys;
    AuditReceipts *receipts; // sorted
    int threads;
} LogAuditOptions;
int log_audit_new(LogAudit **ret, const LogAuditOptions *options);
void log_audit_destroy(LogAudit **log);
// 1: it cannot be opened or read, or is no whole export; error_text() says why, and where. ERROR_MEMORY, ERROR_SYSTEM,
// ERROR_CRYPTO.
int log_audit_file(LogAudit *log, const char *path);
