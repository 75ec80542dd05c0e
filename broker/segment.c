// SPDX-License-Identifier: Apache-2.0
//
// A segment's bytes and hashes. Reading back is bounded by what a frame says it holds before anything is
// decompressed, and by the arena after. Refuses to guess: bytes of another format, or more than one frame, do not
// decode, and a line that says more than is hashed has no leaf.

#include "broker/segment.h"

#include "broker/about.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/inclusion.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define LEVEL 1
#define DECODED_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define ENTRY_TAG 0x0A // field 1 and field 2 of SegmentPayload
#define SALTS_TAG 0x12

static const uint8_t ZEROS[HASH_BYTES];

struct SegmentCoder {
    ZSTD_CCtx *compressor;
    Merkle *merkle;
    const Clock *clock;
    Bytes plain;              // what is to be compressed
    Bytes salts, commitments; // of all entries
};

int segment_coder_new(SegmentCoder **ret, const Clock *clock) {
    SegmentCoder *coder = calloc(1, sizeof *coder);
    if (coder == NULL)
        return error_fail(ERROR_MEMORY, "segment: no memory to pack");
    coder->clock = clock;
    coder->compressor = ZSTD_createCCtx();
    int result = coder->compressor == NULL ? error_fail(ERROR_MEMORY, "segment: no memory to compress")
                                           : merkle_new(&coder->merkle);
    if (result < 0) {
        segment_coder_destroy(&coder);
        return result;
    }
    *ret = coder;
    return 0;
}

void segment_coder_destroy(SegmentCoder **pointer) {
    SegmentCoder *coder = *pointer;
    if (coder == NULL)
        return;
    ZSTD_freeCCtx(coder->compressor);
    merkle_destroy(&coder->merkle);
    bytes_free(&coder->plain);
    bytes_free(&coder->salts);
    bytes_free(&coder->commitments);
    free(coder);
    *pointer = NULL;
}

void segment_pack_free(SegmentPack *pack) {
    bytes_free(&pack->summary);
    bytes_free(&pack->payload);
    bytes_free(&pack->about);
}

void segment_pack_clear(SegmentPack *pack) {
    Bytes *buffers[] = {&pack->summary, &pack->payload, &pack->about};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        if (buffers[i]->failed)
            bytes_free(buffers[i]);
        bytes_clear(buffers[i]);
    }
}

// ---- hashing ------------------------------------------------------------------------------------------------------

int segment_entry_leaf(Merkle *merkle, const Dongbo__SummaryLine *line, uint8_t out[HASH_BYTES]) {
    return inclusion_line(merkle, line, out);
}

int segment_entries_root(Merkle *merkle, const Dongbo__SegmentSummary *summary, uint8_t out[HASH_BYTES]) {
    Frontier frontier = {0};
    for (size_t i = 0; i < summary->n_lines; i++) {
        uint8_t leaf[HASH_BYTES];
        if (segment_entry_leaf(merkle, summary->lines[i], leaf) != 0)
            return 1;
        frontier_add(merkle, &frontier, leaf);
    }
    frontier_root(merkle, &frontier, out);
    return 0;
}

static void hash_number(Merkle *merkle, size_t n, uint64_t number) {
    uint8_t bytes[8];
    bytes_put_number(bytes, n, number);
    merkle_add(merkle, bytes, n);
}

static const uint8_t *or_zeros(const uint8_t *bytes) {
    return bytes != NULL ? bytes : ZEROS;
}

static void hash_segment(const Segment *segment, const uint8_t entries_root[HASH_BYTES], Merkle *merkle,
                         uint8_t out[HASH_BYTES]) {
    InclusionRow row = {.epoch = segment->epoch,
                        .first_position = segment->first_position,
                        .last_position = segment->last_position,
                        .kind = segment->kind,
                        .agency = segment->agency,
                        .stream = segment->stream,
                        .first_sequence = segment->first_sequence,
                        .last_sequence = segment->last_sequence,
                        .batch_root = segment->batch_root,
                        .header = segment->header,
                        .signature = segment->signature,
                        .stored_at_us = segment->stored_at_us,
                        .population_position = segment->population_position};
    inclusion_leaf(merkle, &row, entries_root, out);
}

// Format 1's. 1 when a line does not fit.
static int hash_segment_1(const Segment *segment, const Dongbo__SegmentSummary *summary, Merkle *merkle,
                          uint8_t out[HASH_BYTES]) {
    static const char NAME[] = "\0dongbo segment 1"; // the leaf's prefix, and its own 0 included
    merkle_begin(merkle);
    merkle_add(merkle, NAME, sizeof NAME);
    hash_number(merkle, 4, segment->epoch);
    hash_number(merkle, 8, segment->first_position);
    hash_number(merkle, 8, segment->last_position);
    hash_number(merkle, 1, (uint64_t)segment->kind);
    merkle_add(merkle, or_zeros(segment->stream), STREAM_BYTES);
    hash_number(merkle, 8, segment->first_sequence);
    hash_number(merkle, 8, segment->last_sequence);
    merkle_add(merkle, or_zeros(segment->batch_root), HASH_BYTES);
    hash_number(merkle, 8, (uint64_t)segment->stored_at_us);
    hash_number(merkle, 8, (uint64_t)segment->population_position);
    bool fit = true;
    for (size_t i = 0; i < summary->n_lines; i++) {
        const Dongbo__SummaryLine *line = summary->lines[i];
        fit = fit && (line->leaf.len == 0 || line->leaf.len == HASH_BYTES) && (uint32_t)line->domain <= UINT8_MAX &&
              (uint32_t)line->verdict <= UINT8_MAX && line->n_reasons <= REASONS_MAX;
        merkle_add(merkle, line->leaf.len == HASH_BYTES ? line->leaf.data : ZEROS, HASH_BYTES);
        hash_number(merkle, 1, (uint64_t)line->domain);
        hash_number(merkle, 1, (uint64_t)line->verdict);
        hash_number(merkle, 1, line->n_reasons);
        for (size_t j = 0; j < line->n_reasons; j++) {
            fit = fit && (uint32_t)line->reasons[j]->code <= UINT16_MAX;
            hash_number(merkle, 2, (uint64_t)line->reasons[j]->code);
        }
    }
    merkle_end(merkle, out);
    return fit ? 0 : 1;
}

int segment_leaf(const Segment *segment, const Dongbo__SegmentSummary *summary, Merkle *merkle,
                 uint8_t out[HASH_BYTES]) {
    if (segment->kind < 0 || segment->kind > UINT8_MAX)
        return 1;
    if (segment->format == 1)
        return hash_segment_1(segment, summary, merkle, out);
    uint8_t root[HASH_BYTES];
    if (segment->format != SEGMENT_FORMAT || segment_entries_root(merkle, summary, root) != 0)
        return 1;
    hash_segment(segment, root, merkle, out);
    return 0;
}

void segment_chain(const Segment *segment, const uint8_t entries_root[HASH_BYTES], Merkle *merkle, SegmentHead *head) {
    uint8_t *leaf = head->leaf;
    hash_segment(segment, entries_root, merkle, leaf);
    inclusion_link(merkle, head->hash, leaf, head->hash);
    frontier_add(merkle, &head->frontier, leaf);
    head->leaf_index++;
    head->epoch = segment->epoch;
    head->last_position = segment->last_position;
    head->stored_at_us = segment->stored_at_us;
    head->population_position = segment->population_position;
}

// ---- writing ------------------------------------------------------------------------------------------------------

static int compress(SegmentCoder *coder, Bytes *out) {
    const Bytes *plain = &coder->plain;
    uint8_t *to = plain->failed ? NULL : bytes_reserve(out, ZSTD_compressBound(plain->n));
    if (to == NULL)
        return error_fail(ERROR_MEMORY, "segment: no memory for %zu bytes", plain->n);
    size_t written =
        ZSTD_compressCCtx(coder->compressor, to, ZSTD_compressBound(plain->n), plain->data, plain->n, LEVEL);
    if (ZSTD_isError(written))
        return error_fail(ERROR_MEMORY, "segment: zstd: %s", ZSTD_getErrorName(written));
    out->n += written;
    return 0;
}

static void append_field(Bytes *to, uint8_t tag, size_t n) {
    bytes_append_u8(to, tag);
    for (; n >= 0x80; n >>= 7)
        bytes_append_u8(to, (uint8_t)(n | 0x80));
    bytes_append_u8(to, (uint8_t)n);
}

// Packs each entry where it is to stand, and commits to these very bytes.
static int encode_payload(SegmentCoder *coder, const Segment *segment, Bytes *payload) {
    size_t n = segment->n_entries;
    Bytes *plain = &coder->plain;
    bytes_clear(&coder->salts);
    bytes_clear(&coder->commitments);
    uint8_t *salts = bytes_reserve(&coder->salts, n * SALT_BYTES);
    uint8_t *commitments = bytes_reserve(&coder->commitments, n * HASH_BYTES);
    if (n > 0 && (salts == NULL || commitments == NULL))
        return error_fail(ERROR_MEMORY, "segment: no memory for %zu entries", n);
    int result = n > 0 ? clock_random(coder->clock, salts, n * SALT_BYTES) : 0;
    if (result < 0)
        return result;
    bytes_clear(plain);
    for (size_t i = 0; i < n; i++) {
        size_t size = dongbo__entry__get_packed_size(segment->entries[i]);
        append_field(plain, ENTRY_TAG, size);
        uint8_t *at = bytes_reserve(plain, size);
        if (at == NULL)
            break;
        dongbo__entry__pack(segment->entries[i], at);
        plain->n += size;
        merkle_salted_leaf(coder->merkle, salts + i * SALT_BYTES, at, size, commitments + i * HASH_BYTES);
    }
    append_field(plain, SALTS_TAG, n * SALT_BYTES);
    bytes_append(plain, salts, n * SALT_BYTES);
    return compress(coder, payload);
}

static size_t count_reasons(const Segment *segment) {
    size_t n = 0;
    for (size_t i = 0; i < segment->n_entries; i++)
        n += segment->entries[i]->n_reasons;
    return n;
}

// One line's messages: what a summary needs of one entry, in memory that all lines share.
typedef struct Lines {
    uint8_t *commitments; // the coder's
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
        line->commitment = (ProtobufCBinaryData){HASH_BYTES, to->commitments + i * HASH_BYTES};
        if (segment->masked && segment->masked[i])
            line->citizen_masked = (char *)segment->masked[i];
    }
}

static int encode_summary(SegmentCoder *coder, const Segment *segment, SegmentPack *pack) {
    size_t n = segment->n_entries, n_reasons = count_reasons(segment);
    Lines lines = {coder->commitments.data, malloc((n + 1) * sizeof *lines.lines),
                   malloc((n + 1) * sizeof *lines.line_pointers), malloc((n_reasons + 1) * sizeof *lines.reasons),
                   malloc((n_reasons + 1) * sizeof *lines.reason_pointers)};
    int r = ERROR_MEMORY;
    if (lines.lines && lines.line_pointers && lines.reasons && lines.reason_pointers) {
        summarize(segment, &lines);
        Dongbo__SegmentSummary message = DONGBO__SEGMENT_SUMMARY__INIT;
        message.n_lines = n;
        message.lines = lines.line_pointers;
        // What the broker itself says always fits.
        r = segment_entries_root(coder->merkle, &message, pack->entries_root);
        assert(r == 0);
        bytes_clear(&coder->plain);
        bytes_append_message(&coder->plain, &message.base);
        r = compress(coder, &pack->summary);
    } else {
        error_fail(ERROR_MEMORY, "segment: no memory for %zu summary lines", n);
    }
    free(lines.lines);
    free(lines.line_pointers);
    free(lines.reasons);
    free(lines.reason_pointers);
    return r;
}

int segment_encode(SegmentCoder *coder, const Segment *segment, SegmentPack *pack) {
    SegmentCoder *own = NULL;
    int result = coder == NULL ? segment_coder_new(&own, clock_system()) : 0;
    if (coder == NULL)
        coder = own;
    if (result == 0)
        result = encode_payload(coder, segment, &pack->payload);
    if (result == 0)
        result = encode_summary(coder, segment, pack);
    if (result == 0)
        result = about_build(segment->entries, segment->n_entries, &pack->about);
    segment_coder_destroy(&own);
    return result;
}

// ---- reading ------------------------------------------------------------------------------------------------------

// What a frame holds; the caller frees it. 1 when that cannot be read; ERROR_MEMORY.
static int decompress(const uint8_t *data, size_t n, uint8_t **ret, size_t *ret_n) {
    unsigned long long size = ZSTD_getFrameContentSize(data, n);
    if (size > DECODED_BYTES_MAX || ZSTD_findFrameCompressedSize(data, n) != n) // errors are the greatest values
        return 1;
    uint8_t *plain = malloc(size ? size : 1);
    if (!plain)
        return error_fail(ERROR_MEMORY, "no memory for a segment");
    if (ZSTD_decompress(plain, size, data, n) != size) {
        free(plain);
        return 1;
    }
    *ret = plain;
    *ret_n = size;
    return 0;
}

static int decode(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t n, Arena *arena,
                  ProtobufCMessage **ret) {
    uint8_t *plain;
    size_t size;
    int r = decompress(data, n, &plain, &size);
    if (r != 0)
        return r;
    *ret = protobuf_c_message_unpack(descriptor, arena_protobuf(arena), size, plain);
    free(plain);
    if (*ret == NULL && arena_starved(arena))
        return error_fail(ERROR_MEMORY, "no memory for a segment");
    return *ret ? 0 : 1;
}

static bool is_format(int format) {
    return format >= 1 && format <= SEGMENT_FORMAT;
}

int segment_decode_payload(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentPayload **ret) {
    ProtobufCMessage *message;
    int r = is_format(format) ? decode(&dongbo__segment_payload__descriptor, data, n, arena, &message) : 1;
    if (r == 0)
        *ret = (Dongbo__SegmentPayload *)message;
    return r;
}

int segment_decode_summary(const uint8_t *data, size_t n, int format, Arena *arena, Dongbo__SegmentSummary **ret) {
    ProtobufCMessage *message;
    int r = is_format(format) ? decode(&dongbo__segment_summary__descriptor, data, n, arena, &message) : 1;
    if (r == 0)
        *ret = (Dongbo__SegmentSummary *)message;
    return r;
}

const Dongbo__SealedBatch *segment_decode_batch(const uint8_t *data, size_t n, uint64_t n_events, Arena *arena) {
    const Dongbo__SealedBatch *batch = n ? dongbo__sealed_batch__unpack(arena_protobuf(arena), n, data) : NULL;
    return batch && batch->n_events == n_events ? batch : NULL;
}

// ---- checking a payload ------------------------------------------------------------------------------------------

// The next field's tag and bytes, as this program packs them: every field of a payload has a length.
typedef struct Walk {
    const uint8_t *at, *end;
    uint8_t tag;
    ProtobufCBinaryData field;
} Walk;

static bool walk(Walk *walk) {
    uint64_t n = 0;
    if (walk->at == walk->end)
        return false;
    walk->tag = *walk->at++;
    for (unsigned shift = 0;; shift += 7) {
        if (walk->at == walk->end || shift > 28)
            return false;
        uint8_t byte = *walk->at++;
        n |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            break;
    }
    if ((walk->tag != ENTRY_TAG && walk->tag != SALTS_TAG) || n > (uint64_t)(walk->end - walk->at))
        return false;
    walk->field = (ProtobufCBinaryData){.data = (uint8_t *)walk->at, .len = n};
    walk->at += n;
    return true;
}

// Entries, then salts, and nothing else.
static int find_salts(const uint8_t *plain, size_t size, size_t n_entries, const uint8_t **ret) {
    Walk walked = {.at = plain, .end = plain + size};
    for (size_t i = 0; i < n_entries; i++) {
        if (!walk(&walked) || walked.tag != ENTRY_TAG)
            return 1;
    }
    if (!walk(&walked) || walked.tag != SALTS_TAG || walked.field.len != n_entries * SALT_BYTES ||
        walked.at != walked.end)
        return 1;
    *ret = walked.field.data;
    return 0;
}

static int check_entries(const uint8_t *plain, const uint8_t *salts, const Dongbo__SegmentSummary *summary,
                         Merkle *merkle, SegmentCheck *ret) {
    Walk walked = {.at = plain, .end = salts};
    for (size_t i = 0; i < summary->n_lines; i++) {
        const Dongbo__SummaryLine *line = summary->lines[i];
        const uint8_t *salt = salts + i * SALT_BYTES;
        uint8_t commitment[HASH_BYTES];
        walk(&walked);
        merkle_salted_leaf(merkle, salt, walked.field.data, walked.field.len, commitment);
        if (line->commitment.len == HASH_BYTES && memcmp(commitment, line->commitment.data, HASH_BYTES) == 0) {
            ret->n_whole++;
        } else if (walked.field.len == 0 && memcmp(salt, ZEROS, SALT_BYTES) == 0) {
            ret->n_erased++;
        } else {
            ret->broken = i;
            return 2;
        }
    }
    return 0;
}

int segment_check_payload(const uint8_t *data, size_t n, const Dongbo__SegmentSummary *summary, Merkle *merkle,
                          SegmentCheck *ret) {
    uint8_t *plain;
    size_t size;
    *ret = (SegmentCheck){0};
    if (decompress(data, n, &plain, &size) != 0)
        return 1;
    const uint8_t *salts = NULL;
    int result = find_salts(plain, size, summary->n_lines, &salts);
    if (result == 0)
        result = check_entries(plain, salts, summary, merkle, ret);
    free(plain);
    return result;
}
