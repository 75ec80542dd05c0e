// SPDX-License-Identifier: Apache-2.0
//
// Where each stream of a log has come to: its batches follow each other without a hole or a repetition. A few bytes for
// each stream, of which an agency opens a bounded number a day.
#pragma once

#include "proto/bounds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_STREAMS_MAX ((size_t)1 << 22) // more are not followed

typedef struct AuditStreams AuditStreams;
int audit_streams_new(AuditStreams **ret); // ERROR_MEMORY, ERROR_CRYPTO
void audit_streams_destroy(AuditStreams **streams);

typedef struct AuditRange { // a batch's
    const uint8_t *stream;  // STREAM_BYTES
    uint64_t first, last;   // sequences
} AuditRange;
// 0; 1 when it does not go on from what came before of its stream: *ret_should is how it should begin. Of a stream that
// was not seen before nothing is known, unless `whole`: then all of the log was. 2 when there are too many streams.
// ERROR_MEMORY.
int audit_streams_take(AuditStreams *streams, const AuditRange *range, bool whole, uint64_t *ret_should);
size_t audit_streams_count(const AuditStreams *streams);
