// SPDX-License-Identifier: Apache-2.0
//
// A segment's bytes and hashes. Reading back is bounded by what a frame says it holds before anything is
// decompressed, and by the arena after. Refuses to guess: bytes of another format, or more than one frame, do not
// decode.

#include "broker/segment.h"

#include "proto/base/error.h"
#include "proto/bounds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL 1
#define DECODED_BYTES_MAX ((size_t)64 * 1024 * 1024)

static const uint8_t ZEROS[HASH_BYTES];

// ---- writing ------------------------------------------------------------------------------------------------------

static int compress(ZSTD_CCtx *context, const ProtobufCMessage *message, Bytes *out) {
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(n ? n : 1);
    uint8_t *to = packed ? bytes_reserve(out, ZSTD_compressBound(n)) : NULL;
    if (!to) {
        free(packed);
        return error_fail(ERROR_MEMORY, "segment: no memory for %zu bytes", n);
    }
    protobuf_c_message_pack(message, packed);
    size_t written = ZSTD_compressCCtx(context, to, ZSTD_compressBound(n), packed, n, LEVEL);
    free(packed);
    if (ZSTD_isError(written))
        return error_fail(ERROR_MEMORY, "segment: zstd: %s", ZSTD_getErrorName(written));
    out->n += written;
    return 0;
}

static int encode_payload(ZSTD_CCtx *context, const Segment *segment, Bytes *payload) {
    Dongbo__SegmentPayload message = DONGBO__SEGMENT_PAYLOAD__INIT;
    message.n_entries = segment->n_entries;
    message.entries = (Dongbo__Entry **)segment->entries; // packing does not write
    return compress(context, &message.base, payload);
}

static size_t count_reasons(const Segment *segment) {
    size_t n = 0;
    for (size_t i = 0; i < segment->n_entries; i++)
        n += segment->entries[i]->n_reasons;
    return n;
}

// One line's messages: what a summary needs of one entry, in memory that all lines share.
typedef struct Lines {
    Dongbo__SummaryLine *lines;
    Dongbo__SummaryLine **line_pointers;
    Dongbo__Reason *reasons;
    Dongbo__Reason **reason_pointers;
} Lines;

static void summarize(const Segment *segment, Lines *to) {
    Dongbo__Reason *reason = to->reasons;
    Dongbo__Reason **pointer = to->reason_pointers;
    for (size_t i = 0; i < segment->n_entries; i++) {
        const Dongbo__Entry *entry = segment->entries[i];
        Dongbo__SummaryLine *line = to->line_pointers[i] = &to->lines[i];
        dongbo__summary_line__init(line);
        line->kind = entry->kind;
        line->sequence = entry->sequence;
        line->domain = entry->domain;
        line->verdict = entry->verdict;
        line->text = entry->text;
        line->decided_by = entry->decided_by;
        line->n_reasons = entry->n_reasons;
        line->reasons = pointer;
        for (size_t j = 0; j < entry->n_reasons; j++) {
            dongbo__reason__init(reason);
            reason->code = entry->reasons[j]->code;
            reason->field = entry->reasons[j]->field;
            *pointer++ = reason++;
        }
        if (segment->leaves && segment->leaves[i])
            line->leaf = (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)segment->leaves[i]};
        if (segment->masked && segment->masked[i])
            line->citizen_masked = (char *)segment->masked[i];
    }
}

static int encode_summary(ZSTD_CCtx *context, const Segment *segment, Bytes *summary) {
    size_t n = segment->n_entries, n_reasons = count_reasons(segment);
    Lines lines = {malloc((n + 1) * sizeof *lines.lines), malloc((n + 1) * sizeof *lines.line_pointers),
                   malloc((n_reasons + 1) * sizeof *lines.reasons),
                   malloc((n_reasons + 1) * sizeof *lines.reason_pointers)};
    int r = ERROR_MEMORY;
    if (lines.lines && lines.line_pointers && lines.reasons && lines.reason_pointers) {
        summarize(segment, &lines);
        Dongbo__SegmentSummary message = DONGBO__SEGMENT_SUMMARY__INIT;
        message.n_lines = n;
        message.lines = lines.line_pointers;
        r = compress(context, &message.base, summary);
    } else {
        error_fail(ERROR_MEMORY, "segment: no memory for %zu summary lines", n);
    }
    free(lines.lines);
    free(lines.line_pointers);
    free(lines.reasons);
    free(lines.reason_pointers);
    return r;
}

int segment_encode(ZSTD_CCtx *compressor, const Segment *segment, Bytes *summary, Bytes *payload) {
    ZSTD_CCtx *context = compressor ? compressor : ZSTD_createCCtx();
    if (!context)
        return error_fail(ERROR_MEMORY, "segment: no memory to compress");
    int r = encode_payload(context, segment, payload);
    if (r == 0)
        r = encode_summary(context, segment, summary);
    if (!compressor)
        ZSTD_freeCCtx(context);
    return r;
}

// ---- chaining -----------------------------------------------------------------------------------------------------

static void append_entry(Bytes *to, const Segment *segment, size_t i) {
    const Dongbo__Entry *entry = segment->entries[i];
    const uint8_t *leaf = segment->leaves ? segment->leaves[i] : NULL;
    assert(entry->n_reasons <= REASONS_MAX);
    bytes_append(to, leaf ? leaf : ZEROS, HASH_BYTES);
    bytes_append_u8(to, (uint8_t)entry->domain);
    bytes_append_u8(to, (uint8_t)entry->verdict);
    bytes_append_u8(to, (uint8_t)entry->n_reasons);
    for (size_t j = 0; j < entry->n_reasons; j++)
        bytes_append_u16(to, (uint16_t)entry->reasons[j]->code);
}

static void append_segment(Bytes *to, const Segment *segment) {
    static const char NAME[] = "dongbo segment 1"; // its 0 included
    bytes_append(to, NAME, sizeof NAME);
    bytes_append_u32(to, segment->epoch);
    bytes_append_u64(to, segment->first_position);
    bytes_append_u64(to, segment->last_position);
    bytes_append_u8(to, (uint8_t)segment->kind);
    bytes_append(to, segment->stream ? segment->stream : ZEROS, STREAM_BYTES);
    bytes_append_u64(to, segment->first_sequence);
    bytes_append_u64(to, segment->last_sequence);
    bytes_append(to, segment->batch_root ? segment->batch_root : ZEROS, HASH_BYTES);
    bytes_append_u64(to, (uint64_t)segment->stored_at_us);
    bytes_append_u64(to, (uint64_t)segment->population_position);
    for (size_t i = 0; i < segment->n_entries; i++)
        append_entry(to, segment, i);
}

int segment_chain(const Segment *segment, Merkle *merkle, SegmentHead *head) {
    Bytes bytes = {0};
    append_segment(&bytes, segment);
    if (bytes.failed) {
        bytes_free(&bytes);
        return error_fail(ERROR_MEMORY, "segment: no memory to hash %zu entries", segment->n_entries);
    }
    uint8_t leaf[HASH_BYTES], link[1 + 2 * HASH_BYTES];
    merkle_leaf(merkle, bytes.data, bytes.n, leaf);
    bytes_free(&bytes);

    link[0] = 0x02;
    memcpy(link + 1, head->hash, HASH_BYTES);
    memcpy(link + 1 + HASH_BYTES, leaf, HASH_BYTES);
    merkle_sha256(merkle, link, sizeof link, head->hash);
    frontier_add(merkle, &head->frontier, leaf);
    head->leaf_index++;
    head->epoch = segment->epoch;
    head->last_position = segment->last_position;
    head->stored_at_us = segment->stored_at_us;
    head->population_position = segment->population_position;
    return 0;
}

// ---- reading ------------------------------------------------------------------------------------------------------

static int decode(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t n, Arena *arena,
                  ProtobufCMessage **ret) {
    unsigned long long size = ZSTD_getFrameContentSize(data, n);
    if (size > DECODED_BYTES_MAX || ZSTD_findFrameCompressedSize(data, n) != n) // errors are the greatest values
        return 1;
    uint8_t *plain = malloc(size ? size : 1);
    if (!plain)
        return 1;
    size_t written = ZSTD_decompress(plain, size, data, n);
    *ret = written == size ? protobuf_c_message_unpack(descriptor, arena_protobuf(arena), size, plain) : NULL;
    free(plain);
    return *ret ? 0 : 1;
}

int segment_decode_payload(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentPayload **ret) {
    ProtobufCMessage *message;
    if (format != SEGMENT_FORMAT || decode(&dongbo__segment_payload__descriptor, data, n, arena, &message) != 0)
        return 1;
    *ret = (Dongbo__SegmentPayload *)message;
    return 0;
}

int segment_decode_summary(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentSummary **ret) {
    ProtobufCMessage *message;
    if (format != SEGMENT_FORMAT || decode(&dongbo__segment_summary__descriptor, data, n, arena, &message) != 0)
        return 1;
    *ret = (Dongbo__SegmentSummary *)message;
    return 0;
}

const Dongbo__SealedBatch *segment_decode_batch(const uint8_t *data, size_t n, uint64_t n_events, Arena *arena) {
    const Dongbo__SealedBatch *batch = n ? dongbo__sealed_batch__unpack(arena_protobuf(arena), n, data) : NULL;
    return batch && batch->n_events == n_events ? batch : NULL;
}
