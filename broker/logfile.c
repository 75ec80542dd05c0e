// SPDX-License-Identifier: Apache-2.0
//
// Frames and records of an exported log. Each frame says its size and carries a checksum, and is bounded before
// anything of it is decompressed. Refuses whatever is not such a frame.
#include "broker/logfile.h"

#include "proto/base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static const char MAGIC[] = "dongbo log 1\n"; // without its 0

#define RECORD_HEADER_BYTES 5
#define LEVEL 1
#define READ_BYTES ((size_t)256 * 1024)

// ---- writing ------------------------------------------------------------------------------------------------------

struct LogfileWriter {
    FILE *to;
    ZSTD_CCtx *compressor;
    Bytes plain, packed;
    uint64_t written;
};

int logfile_writer_new(LogfileWriter **ret, FILE *to) {
    LogfileWriter *writer = *ret = calloc(1, sizeof *writer);
    if (writer)
        *writer = (LogfileWriter){.to = to, .compressor = ZSTD_createCCtx()};
    if (!writer || !writer->compressor) {
        logfile_writer_destroy(ret);
        return error_fail(ERROR_MEMORY, "no memory to write an export");
    }
    ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_checksumFlag, 1);
    bytes_append(&writer->plain, MAGIC, sizeof MAGIC - 1);
    return 0;
}

void logfile_writer_destroy(LogfileWriter **writer) {
    if (!*writer)
        return;
    ZSTD_freeCCtx((*writer)->compressor);
    bytes_free(&(*writer)->plain);
    bytes_free(&(*writer)->packed);
    free(*writer);
    *writer = NULL;
}

static int write_frame(LogfileWriter *writer) {
    Bytes *plain = &writer->plain, *packed = &writer->packed;
    bytes_clear(packed);
    uint8_t *to = plain->failed ? NULL : bytes_reserve(packed, ZSTD_compressBound(plain->n));
    if (!to)
        return error_fail(ERROR_MEMORY, "no memory for %zu bytes of an export", plain->n);
    size_t n = ZSTD_compress2(writer->compressor, to, ZSTD_compressBound(plain->n), plain->data, plain->n);
    if (ZSTD_isError(n))
        return error_fail(ERROR_MEMORY, "zstd: %s", ZSTD_getErrorName(n));
    if (fwrite(to, 1, n, writer->to) != n)
        return error_fail(ERROR_SYSTEM, "the export cannot be written: %s", strerror(errno));
    writer->written += n;
    bytes_clear(plain);
    return 0;
}

static bool begins_group(LogfileType type) {
    return type != LOGFILE_PAYLOAD && type != LOGFILE_BATCH;
}

int logfile_put(LogfileWriter *writer, LogfileType type, const uint8_t *body, size_t n) {
    if (n > LOGFILE_RECORD_BYTES_MAX)
        return error_fail(ERROR_DATABASE, "a record of %zu bytes: an export takes %zu at most", n,
                          LOGFILE_RECORD_BYTES_MAX);
    int result = 0;
    if (begins_group(type) && writer->plain.n >= LOGFILE_FRAME_BYTES_GOAL)
        result = write_frame(writer);
    logfile_append(&writer->plain, type, body, n);
    return result;
}

int logfile_put_message(LogfileWriter *writer, LogfileType type, const ProtobufCMessage *message) {
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *body = malloc(n ? n : 1);
    if (!body)
        return error_fail(ERROR_MEMORY, "no memory for a record of %zu bytes", n);
    protobuf_c_message_pack(message, body);
    int result = logfile_put(writer, type, body, n);
    free(body);
    return result;
}

void logfile_append(Bytes *to, LogfileType type, const uint8_t *body, size_t n) {
    bytes_append_u8(to, (uint8_t)type);
    bytes_append_u32(to, (uint32_t)n);
    bytes_append(to, body, n);
}

void logfile_append_message(Bytes *to, LogfileType type, const ProtobufCMessage *message) {
    bytes_append_u8(to, (uint8_t)type);
    bytes_append_u32(to, (uint32_t)protobuf_c_message_get_packed_size(message));
    bytes_append_message(to, message);
}

int logfile_flush(LogfileWriter *writer) {
    int result = write_frame(writer);
    if (result == 0 && fflush(writer->to) != 0)
        result = error_fail(ERROR_SYSTEM, "the export cannot be written: %s", strerror(errno));
    return result;
}

uint64_t logfile_written(const LogfileWriter *writer) {
    return writer->written;
}

// ---- reading ------------------------------------------------------------------------------------------------------

struct Logfile {
    FILE *from;
    Bytes ahead;       // read, and not given out
    size_t start;      // where it begins
    uint64_t position; // of that, in the file
    bool end;
};

int logfile_open(Logfile **ret, const char *path) {
    Logfile *file = *ret = calloc(1, sizeof *file);
    if (!file)
        return error_fail(ERROR_MEMORY, "no memory to read an export");
    file->from = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file->from)
        return 0;
    int result = error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    logfile_close(ret);
    return result;
}

void logfile_close(Logfile **file) {
    if (!*file)
        return;
    if ((*file)->from && (*file)->from != stdin)
        fclose((*file)->from);
    bytes_free(&(*file)->ahead);
    free(*file);
    *file = NULL;
}

static int read_more(Logfile *file, size_t bytes) {
    if (file->start > 0) {
        memmove(file->ahead.data, file->ahead.data + file->start, file->ahead.n - file->start);
        file->ahead.n -= file->start;
        file->start = 0;
    }
    uint8_t *to = bytes_reserve(&file->ahead, bytes);
    if (!to)
        return error_fail(ERROR_MEMORY, "no memory to read an export");
    size_t n = fread(to, 1, bytes, file->from);
    if (n < bytes && ferror(file->from))
        return error_fail(ERROR_SYSTEM, "the export cannot be read: %s", strerror(errno));
    file->end = n < bytes;
    file->ahead.n += n;
    return 0;
}

static int refuse(const Logfile *file, const char *what) {
    error_fail(ERROR_CONFIG, "at byte %" PRIu64 ": %s", file->position, what);
    return 2;
}

// The frame's length in the file, or 0 while it is not all there.
static size_t frame_bytes(const Logfile *file) {
    size_t n = ZSTD_findFrameCompressedSize(file->ahead.data + file->start, file->ahead.n - file->start);
    return ZSTD_isError(n) ? 0 : n;
}

// Bounded by what the frame says of itself, so that no more is read of one that lies.
static int find_frame(Logfile *file, size_t *ret) {
    *ret = 0;
    for (size_t bytes = READ_BYTES; *ret == 0; bytes *= 2) {
        size_t there = file->ahead.n - file->start;
        const uint8_t *at = file->ahead.data + file->start;
        unsigned long long plain = there ? ZSTD_getFrameContentSize(at, there) : ZSTD_CONTENTSIZE_ERROR;
        if (there >= 18 || file->end) { // no frame's header is longer
            if (plain == ZSTD_CONTENTSIZE_UNKNOWN || plain == ZSTD_CONTENTSIZE_ERROR || plain == 0)
                return refuse(file, "this is no export of a log, or it is damaged");
            if (plain > LOGFILE_FRAME_BYTES_MAX)
                return refuse(file, "a frame that is longer than any of an export");
            *ret = frame_bytes(file);
        }
        if (*ret > 0)
            return 0;
        if (file->end)
            return refuse(file, "the file was cut, or is damaged");
        if (there > ZSTD_compressBound(LOGFILE_FRAME_BYTES_MAX))
            return refuse(file, "a frame that does not end");
        int result = read_more(file, bytes);
        if (result < 0)
            return result;
    }
    return 0;
}

uint64_t logfile_position(const Logfile *file) {
    return file->position;
}

int logfile_next(Logfile *file, Bytes *frame) {
    bytes_clear(frame);
    int result = file->ahead.n == file->start && !file->end ? read_more(file, READ_BYTES) : 0;
    if (result < 0 || (file->ahead.n == file->start && file->end))
        return result < 0 ? result : 1;
    size_t n = 0;
    result = find_frame(file, &n);
    if (result != 0)
        return result;
    bytes_append(frame, file->ahead.data + file->start, n);
    file->start += n;
    file->position += n;
    return frame->failed ? error_fail(ERROR_MEMORY, "no memory for a frame of %zu bytes", n) : 0;
}

int logfile_unpack(const uint8_t *frame, size_t n, Bytes *plain) {
    bytes_clear(plain);
    unsigned long long size = ZSTD_getFrameContentSize(frame, n);
    if (size > LOGFILE_FRAME_BYTES_MAX || ZSTD_findFrameCompressedSize(frame, n) != n) // errors are the greatest values
        return 1;
    uint8_t *to = bytes_reserve(plain, size ? size : 1);
    if (!to)
        return error_fail(ERROR_MEMORY, "no memory for a frame of %llu bytes", size);
    if (ZSTD_decompress(to, size, frame, n) != size)
        return 1;
    plain->n = size;
    return 0;
}

int logfile_magic(const uint8_t **at, const uint8_t *end) {
    size_t n = sizeof MAGIC - 1;
    if ((size_t)(end - *at) < n || memcmp(*at, MAGIC, n) != 0)
        return 1;
    *at += n;
    return 0;
}

int logfile_record(const uint8_t **at, const uint8_t *end, LogfileRecord *ret) {
    if (*at == end)
        return 1;
    size_t left = (size_t)(end - *at);
    size_t n = left < RECORD_HEADER_BYTES ? 0 : (size_t)bytes_get_number(*at + 1, 4);
    if (left < RECORD_HEADER_BYTES || n > left - RECORD_HEADER_BYTES || n > LOGFILE_RECORD_BYTES_MAX)
        return 2;
    *ret = (LogfileRecord){(LogfileType) * *at, *at + RECORD_HEADER_BYTES, n};
    *at += RECORD_HEADER_BYTES + n;
    return 0;
}

int logfile_check(const uint8_t *plain, size_t n, size_t skip) {
    const uint8_t *at = plain + skip, *end = plain + n, *from = at;
    LogfileRecord record;
    for (; logfile_record(&at, end, &record) == 0; from = at)
        if (begins_group(record.type) && (size_t)(from - plain) >= LOGFILE_FRAME_BYTES_GOAL)
            return 1;
    return 0;
}
