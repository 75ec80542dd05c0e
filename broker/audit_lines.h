// SPDX-License-Identifier: Apache-2.0
//
// What an audit reads of a summary, a payload and a batch: straight from their bytes, without a decoding of each entry,
// for a log has many. Of a field that stands twice the last holds, as protobuf has it.
#pragma once

#include "proto/base/bytes.h"
#include "proto/bounds.h"
#include "proto/merkle.h"
#include "proto/walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_LINES_MAX (BATCH_BYTES_MAX / SALT_BYTES) // no segment has more entries

typedef struct AuditBytes {
    const uint8_t *data;
    size_t n;
} AuditBytes;

typedef struct AuditReason {
    uint64_t code;
    AuditBytes field;
} AuditReason;

typedef struct AuditLine {
    uint64_t kind, sequence, domain, verdict;
    AuditBytes leaf, commitment, said, text, decided_by;
    AuditBytes citizen; // masked; as it is, of an entry
    AuditReason reasons[REASONS_MAX];
    size_t n_reasons;
    bool erased; // of its payload
} AuditLine;

typedef struct AuditRow { // LogSegment
    uint64_t first_position, last_position, epoch, format, kind, agency, first_sequence, last_sequence, leaf_index;
    int64_t stored_at_us, population_position;
    AuditBytes stream, batch_root, hash, frontier, summary, origin;
} AuditRow;

// 1 when it is malformed, or says what no segment may.
int audit_row_read(AuditRow *row, const uint8_t *data, size_t n);
// lines: of AUDIT_LINES_MAX. 1 when it is malformed.
int audit_lines_read(AuditLine *lines, size_t *n_lines, AuditBytes summary);
// Kind, sequence, domain, verdict, number and reasons of a packed Entry, as if it were a line. 1 when it is malformed.
int audit_entry_read(AuditLine *line, AuditBytes entry);
// Whether the line is what is shown of this entry.
bool audit_lines_agree(const AuditLine *line, const AuditLine *entry);

// Header and signature of a SealedBatch, and salts and events where they are there.
typedef struct AuditBatch {
    AuditBytes header, signature, salts;
    AuditBytes first_event; // with its tag: audit_event_next() begins there
    const uint8_t *end;
    uint64_t n_events;
} AuditBatch;
// 1 when it is malformed.
int audit_batch_read(AuditBatch *batch, AuditBytes bytes);

typedef struct AuditHasher {
    Merkle *merkle;
    Bytes scratch; // what is hashed is gathered here
    Bytes leaves;
} AuditHasher;
// The segment's leaf, from its row, lines and origin (the batch's header and signature; empty: none). 1 when there is
// no memory, or the format is not known.
typedef struct AuditContent {
    const AuditRow *row;
    const AuditLine *lines;
    size_t n;
    AuditBytes header, signature;
} AuditContent;
int audit_leaf(AuditHasher *hasher, const AuditContent *content, uint8_t out[HASH_BYTES]);
// The root over the events' leaves as the summary has them. 1 when there is no memory.
int audit_events_root(AuditHasher *hasher, const AuditContent *content, uint8_t out[HASH_BYTES]);
