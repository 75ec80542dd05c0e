// SPDX-License-Identifier: Apache-2.0
//
// A file that the log was exported to: records, each of a type, a length and a body, in zstd frames that can be read
// one at a time (PROTOCOL.md, Log exports). Knows nothing of what the records say.
#pragma once

#include "proto/base/bytes.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <stdio.h>

typedef enum LogfileType {
    LOGFILE_BEGIN = 1,
    LOGFILE_AGENCY = 2,
    LOGFILE_EPOCH = 3,
    LOGFILE_TRIM = 4,
    LOGFILE_ERASURE = 5,
    LOGFILE_SEGMENT = 6, // begins a group, with the records of the two types behind it
    LOGFILE_PAYLOAD = 7,
    LOGFILE_BATCH = 8,
    LOGFILE_HEAD = 9, // behind the last segment that it covers
    LOGFILE_END = 15,
} LogfileType;

#define LOGFILE_RECORD_BYTES_MAX ((size_t)66 * 1024 * 1024)
#define LOGFILE_FRAME_BYTES_GOAL ((size_t)1024 * 1024)      // a frame is ended once it has so much, between groups
#define LOGFILE_FRAME_BYTES_MAX ((size_t)136 * 1024 * 1024) // a group of the largest records fits

// ---- writing ------------------------------------------------------------------------------------------------------

typedef struct LogfileWriter LogfileWriter;
// `to` stays the caller's. ERROR_MEMORY.
int logfile_writer_new(LogfileWriter **ret, FILE *to);
void logfile_writer_destroy(LogfileWriter **writer);
// ERROR_MEMORY; ERROR_SYSTEM: it cannot be written; ERROR_DATABASE: longer than a record may be.
int logfile_put(LogfileWriter *writer, LogfileType type, const uint8_t *body, size_t n);
int logfile_put_message(LogfileWriter *writer, LogfileType type, const ProtobufCMessage *message);
int logfile_flush(LogfileWriter *writer); // what is left, to the file and out of stdio's hands
uint64_t logfile_written(const LogfileWriter *writer);

// One record, behind others in memory; what a file's frames hold.
void logfile_append(Bytes *to, LogfileType type, const uint8_t *body, size_t n);
void logfile_append_message(Bytes *to, LogfileType type, const ProtobufCMessage *message);

// ---- reading ------------------------------------------------------------------------------------------------------

typedef struct Logfile Logfile;
// path "-": standard input. ERROR_CONFIG: it cannot be opened. ERROR_MEMORY.
int logfile_open(Logfile **ret, const char *path);
void logfile_close(Logfile **file);
// Where in the file the next frame begins.
uint64_t logfile_position(const Logfile *file);
// The next frame as it stands in the file, in `frame`, which is cleared first. 1 at the end; 2 when there is no whole
// frame of a bounded size: error_text() says what is there. ERROR_MEMORY, ERROR_SYSTEM.
int logfile_next(Logfile *file, Bytes *frame);
// Decompresses one frame (of an export, or of a stored segment) into `plain`, which is cleared first. 1 when it is
// damaged, or longer than a frame may be; ERROR_MEMORY.
int logfile_unpack(const uint8_t *frame, size_t n, Bytes *plain);

// 1 when a group begins where a frame would have ended: whoever wrote it meant many records to be taken in at once.
int logfile_check(const uint8_t *plain, size_t n, size_t skip);
// What the first frame begins with. 1 when it does not; *at is behind it otherwise.
int logfile_magic(const uint8_t **at, const uint8_t *end);

typedef struct LogfileRecord {
    LogfileType type; // or one that is not known here
    const uint8_t *body;
    size_t n;
} LogfileRecord;
// 1 at the end; 2 malformed.
int logfile_record(const uint8_t **at, const uint8_t *end, LogfileRecord *ret);
