// SPDX-License-Identifier: Apache-2.0
//
// Entries of a log that were erased, each until its tombstone comes, which is behind it. Whether one may lack it is
// said elsewhere (audit_notes.h).
#pragma once

#include "broker/audit.h"

typedef struct AuditGone {        // an entry that was
    uint64_t position, tombstone; // 0: none was seen yet
    uint8_t leaf[HASH_BYTES];
} AuditGone;

typedef struct AuditGoneList { // in the log's order
    AuditGone *list;
    size_t n, size;
} AuditGoneList;

void audit_gone_free(AuditGoneList *gone);
// In ascending order. 1: it is there already, for its payload's entry and its event are both gone. ERROR_MEMORY.
int audit_gone_add(AuditGoneList *gone, const AuditMark *mark);
AuditGone *audit_gone_find(const AuditGoneList *gone, uint64_t position); // NULL: that one is not gone
// Events and entries of a segment are examined one after the other: so they are put in order first.
void audit_gone_sort(AuditMark *marks, size_t n);
