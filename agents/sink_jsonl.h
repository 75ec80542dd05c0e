// SPDX-License-Identifier: Apache-2.0
//
// A directory of records-NNNNNN.jsonl files, one JSON object a line (or .pb: protobuf, each record behind its length),
// and a file `position` that says how far they are whole: place in the feed, file, length in bytes. What stands in a
// file beyond that length was cut off by a crash and is removed at the next start. One receiver at a time (a lock on
// the directory). A file is complete, and may be moved away, once the one with the next number is there.
//
// A snapshot stands between two lines of its own, {"snapshot":"begin","first":N} and {"snapshot":"end","first":N}. At
// the latter, what a reader held when it read the former, and that no line between them brought, is gone. Another
// "begin" before the "end": it began again, and so does the reader. While it lasts, `position` has its cursor.
#pragma once

#include "agents/record_format.h"
#include "agents/sink.h"
#include "proto/base/clock.h"

typedef struct SinkJsonlOptions {
    const char *directory;    // made when it is not there
    uint64_t file_bytes_max;  // a new file is begun beyond it, between two commits; 0: 256 MiB
    int64_t file_seconds_max; // likewise when the file is so old and not empty; 0: never
    RecordFormat format;
    const Clock *clock; // NULL: the system's
} SinkJsonlOptions;

// ERROR_CONFIG (in use, damaged, not a directory), ERROR_SYSTEM, ERROR_MEMORY.
int sink_jsonl_new(Sink **ret, const SinkJsonlOptions *options);
