// SPDX-License-Identifier: Apache-2.0
//
// A segment's bytes come back as they went in, its summary tells no person, and its hashes are what the header says,
// recomputed here byte by byte. Whatever of it is changed changes its leaf.

#include "broker/segment.h"
#include "proto/base/error.h"
#include "proto/bounds.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <cmocka.h>

typedef struct Sample {
    Dongbo__Entry entries[2];
    Dongbo__Entry *pointers[2];
    Dongbo__Reason reasons[2];
    Dongbo__Reason *reason_pointers[2];
    uint8_t leaf[HASH_BYTES], stream[STREAM_BYTES], root[HASH_BYTES], id[EVENT_ID_BYTES];
    uint8_t header[5], signature[SIGNATURE_BYTES];
    const uint8_t *leaves[2];
    const char *masked[2];
    Segment segment;
} Sample;

static void make_sample(Sample *s) {
    *s = (Sample){0};
    memset(s->leaf, 0xAB, sizeof s->leaf);
    memset(s->stream, 0xCD, sizeof s->stream);
    memset(s->root, 0xEF, sizeof s->root);
    memset(s->header, 0x12, sizeof s->header);
    memset(s->signature, 0x34, sizeof s->signature);
    for (int i = 0; i < 2; i++) {
        dongbo__entry__init(&s->entries[i]);
        dongbo__reason__init(&s->reasons[i]);
        s->pointers[i] = &s->entries[i];
        s->reason_pointers[i] = &s->reasons[i];
        s->entries[i].kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
        s->entries[i].domain = DONGBO__DOMAIN__HEALTH;
    }
    s->reasons[0].code = DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS;
    s->reasons[0].field = "subject.birth_date";
    s->reasons[0].expected = "1990-02-01";
    s->reasons[1].code = DONGBO__REASON_CODE__NAME_CASE;
    s->entries[0].sequence = 7;
    s->entries[0].verdict = DONGBO__VERDICT__MISMATCH;
    s->entries[0].citizen_number = "001090000001";
    s->entries[0].n_reasons = 2;
    s->entries[0].reasons = s->reason_pointers;
    s->entries[1].verdict = DONGBO__VERDICT__ACCEPTED;
    s->entries[1].sequence = 8;
    s->entries[1].text = "epoch 2";
    s->entries[1].event_id = (ProtobufCBinaryData){sizeof s->id, s->id};
    s->leaves[0] = s->leaf;
    s->masked[0] = "001*******01";
    s->segment = (Segment){.format = SEGMENT_FORMAT,
                           .first_position = 100,
                           .last_position = 101,
                           .epoch = 3,
                           .kind = 1,
                           .agency = 5,
                           .stream = s->stream,
                           .first_sequence = 7,
                           .last_sequence = 8,
                           .batch_root = s->root,
                           .header = {sizeof s->header, s->header},
                           .signature = s->signature,
                           .stored_at_us = 1646000000000000,
                           .population_position = 42,
                           .entries = (const Dongbo__Entry *const *)s->pointers,
                           .n_entries = 2,
                           .leaves = s->leaves,
                           .masked = s->masked};
}

static Arena *new_arena(void) {
    Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, BATCH_ARENA_BYTES), 0);
    return arena;
}

static void test_round_trip(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(segment_pack_free) SegmentPack packed = {0};
    CLEANUP(arena_destroy) Arena *arena = new_arena();
    assert_int_equal(segment_encode(NULL, &s.segment, &packed), 0);

    Dongbo__SegmentPayload *entries = NULL;
    assert_int_equal(segment_decode_payload(packed.payload.data, packed.payload.n, SEGMENT_FORMAT, arena, &entries), 0);
    assert_int_equal(entries->n_entries, 2);
    assert_string_equal(entries->entries[0]->citizen_number, "001090000001");
    assert_string_equal(entries->entries[0]->reasons[0]->expected, "1990-02-01");
    assert_int_equal(entries->entries[1]->event_id.len, EVENT_ID_BYTES);

    Dongbo__SegmentSummary *lines = NULL;
    assert_int_equal(segment_decode_summary(packed.summary.data, packed.summary.n, SEGMENT_FORMAT, arena, &lines), 0);
    assert_int_equal(lines->n_lines, 2);
    assert_int_equal(lines->lines[0]->sequence, 7);
    assert_int_equal(lines->lines[0]->verdict, DONGBO__VERDICT__MISMATCH);
    assert_string_equal(lines->lines[0]->citizen_masked, "001*******01");
    assert_int_equal(lines->lines[0]->leaf.len, HASH_BYTES);
    assert_int_equal(lines->lines[0]->n_reasons, 2);
    assert_string_equal(lines->lines[0]->reasons[0]->field, "subject.birth_date");
    assert_string_equal(lines->lines[0]->reasons[0]->expected, "");
    assert_int_equal(lines->lines[0]->reasons[1]->code, DONGBO__REASON_CODE__NAME_CASE);
    assert_int_equal(lines->lines[1]->leaf.len, 0);
    assert_string_equal(lines->lines[1]->citizen_masked, "");
    assert_string_equal(lines->lines[1]->text, "epoch 2");
    assert_int_equal(lines->lines[1]->commitment.len, HASH_BYTES);
    assert_int_equal(entries->salts.len, 2 * SALT_BYTES);
    assert_memory_not_equal(entries->salts.data, entries->salts.data + SALT_BYTES, SALT_BYTES);
}

static void test_no_entries(void **state) {
    Segment segment = {.kind = 3};
    CLEANUP(segment_pack_free) SegmentPack packed = {0};
    CLEANUP(arena_destroy) Arena *arena = new_arena();
    Dongbo__SegmentPayload *entries = NULL;
    Dongbo__SegmentSummary *lines = NULL;
    assert_int_equal(segment_encode(NULL, &segment, &packed), 0);
    assert_int_equal(segment_decode_payload(packed.payload.data, packed.payload.n, SEGMENT_FORMAT, arena, &entries), 0);
    assert_int_equal(segment_decode_summary(packed.summary.data, packed.summary.n, SEGMENT_FORMAT, arena, &lines), 0);
    assert_int_equal(entries->n_entries + lines->n_lines, 0);
}

static void test_refuses(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(segment_pack_free) SegmentPack packed = {0};
    CLEANUP(arena_destroy) Arena *arena = new_arena();
    assert_int_equal(segment_encode(NULL, &s.segment, &packed), 0);
    Dongbo__SegmentPayload *ret = NULL;
    assert_int_equal(segment_decode_payload(packed.payload.data, packed.payload.n, SEGMENT_FORMAT + 1, arena, &ret), 1);
    for (size_t n = 0; n < packed.payload.n; n++)
        assert_int_equal(segment_decode_payload(packed.payload.data, n, SEGMENT_FORMAT, arena, &ret), 1);
    assert_int_equal(segment_decode_payload((const uint8_t *)"garbage, not a frame", 20, SEGMENT_FORMAT, arena, &ret),
                     1);
    bytes_append(&packed.payload, packed.summary.data, packed.summary.n); // a second frame
    assert_int_equal(segment_decode_payload(packed.payload.data, packed.payload.n, SEGMENT_FORMAT, arena, &ret), 1);

    // A frame of plain zeros is no SegmentPayload; one that says it is huge is not even opened.
    static uint8_t zeros[1000];
    uint8_t frame[2048];
    size_t n = ZSTD_compress(frame, sizeof frame, zeros, sizeof zeros, 1);
    assert_int_equal(segment_decode_payload(frame, n, SEGMENT_FORMAT, arena, &ret), 1);
    size_t huge = (size_t)64 * 1024 * 1024 + 1;
    uint8_t *big = calloc(1, huge), *small = malloc(ZSTD_compressBound(huge));
    assert_non_null(big);
    assert_non_null(small);
    n = ZSTD_compress(small, ZSTD_compressBound(huge), big, huge, 1);
    size_t used = arena_used(arena);
    assert_int_equal(segment_decode_payload(small, n, SEGMENT_FORMAT, arena, &ret), 1);
    assert_int_equal(arena_used(arena), used);
    free(big);
    free(small);
    assert_null(ret);
}

static void test_batches(void **state) {
    uint8_t event[] = {1, 2}, packed[64];
    ProtobufCBinaryData events[] = {{2, event}, {2, event}};
    Dongbo__SealedBatch sealed = DONGBO__SEALED_BATCH__INIT;
    sealed.n_events = 2;
    sealed.events = events;
    size_t n = dongbo__sealed_batch__pack(&sealed, packed);
    CLEANUP(arena_destroy) Arena *arena = new_arena();
    const Dongbo__SealedBatch *read = segment_decode_batch(packed, n, 2, arena);
    assert_non_null(read);
    assert_int_equal(read->n_events, 2);
    assert_memory_equal(read->events[1].data, event, 2);
    assert_null(segment_decode_batch(packed, n, 1, arena));
    assert_null(segment_decode_batch(packed, n, 3, arena));
    assert_null(segment_decode_batch(packed, n - 1, 2, arena));
    assert_null(segment_decode_batch(packed, 0, 0, arena)); // erased
}

static void test_small_arena(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(segment_pack_free) SegmentPack packed = {0};
    CLEANUP(arena_destroy) Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, 256), 0);
    Dongbo__SegmentPayload *ret = NULL;
    assert_int_equal(segment_encode(NULL, &s.segment, &packed), 0);
    assert_int_equal(segment_decode_payload(packed.payload.data, packed.payload.n, SEGMENT_FORMAT, arena, &ret), 1);
}

// ---- the hashes, by hand ----------------------------------------------------------------------------------------

static size_t put(uint8_t *to, size_t at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        to[at + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return at + bytes;
}

static size_t fill(uint8_t *to, size_t at, uint8_t value, size_t bytes) {
    memset(to + at, value, bytes);
    return at + bytes;
}

static size_t copy(uint8_t *to, size_t at, const void *from, size_t bytes) {
    memcpy(to + at, from, bytes);
    return at + bytes;
}

// The sample's two entries, as they were committed to.
static void entries_by_hand(const uint8_t *commitments, uint8_t root[HASH_BYTES]) {
    uint8_t text[256], nodes[1 + 2 * HASH_BYTES] = {0x01}, said[HASH_BYTES];
    size_t n = put(text, 0, 0x00010204, 4); // event, health, MISMATCH
    n = fill(text, put(text, n, 7, 8), 0xAB, 32);
    n = copy(text, n, commitments, HASH_BYTES);
    n = put(text, fill(text, n, 0, 32), 2, 1); // nothing said, two reasons
    n = copy(text, put(text, n, 210, 2), "\x12subject.birth_date", 19);
    n = put(text, n, 202 << 8, 3); // of no field
    SHA256(text, n, nodes + 1);

    SHA256((const uint8_t *)"dongbo said 1\0\0epoch 2", 22, said);
    n = put(text, 0, 0x00010201, 4);
    n = fill(text, put(text, n, 8, 8), 0, 32);
    n = copy(text, n, commitments + HASH_BYTES, HASH_BYTES);
    n = put(text, copy(text, n, said, HASH_BYTES), 0, 1);
    SHA256(text, n, nodes + 1 + HASH_BYTES);
    SHA256(nodes, sizeof nodes, root);
}

static size_t header_by_hand(uint8_t *text, int format) {
    size_t n = put(text, 0, 0x00, 1);
    n = copy(text, n, format == 1 ? "dongbo segment 1" : "dongbo segment 2", 17);
    n = put(text, n, 3, 4);                      // epoch
    n = put(text, put(text, n, 100, 8), 101, 8); // positions
    n = put(text, n, 1, 1);                      // kind
    if (format == 2)
        n = put(text, n, 5, 4);              // agency
    n = fill(text, n, 0xCD, 16);             // stream
    n = put(text, put(text, n, 7, 8), 8, 8); // sequences
    n = fill(text, n, 0xEF, 32);             // root
    if (format == 2) {                       // header and signature
        uint8_t origin[5 + 64];
        fill(origin, fill(origin, 0, 0x12, 5), 0x34, 64);
        SHA256(origin, sizeof origin, text + n);
        n += HASH_BYTES;
    }
    n = put(text, n, 1646000000000000, 8); // stored at
    return put(text, n, 42, 8);            // population
}

static void link_by_hand(const uint8_t previous[HASH_BYTES], const uint8_t leaf[HASH_BYTES], uint8_t out[HASH_BYTES]) {
    uint8_t link[65] = {0x02};
    memcpy(link + 1, previous, 32);
    memcpy(link + 33, leaf, 32);
    SHA256(link, sizeof link, out);
}

typedef struct Stored {
    SegmentPack packed;
    Arena *arena;
    Merkle *merkle;
    Dongbo__SegmentSummary *summary;
    Dongbo__SegmentPayload *payload;
} Stored;

static void store(const Sample *s, Stored *to) {
    *to = (Stored){.arena = new_arena()};
    assert_int_equal(merkle_new(&to->merkle), 0);
    assert_int_equal(segment_encode(NULL, &s->segment, &to->packed), 0);
    const Bytes *payload = &to->packed.payload, *summary = &to->packed.summary;
    assert_int_equal(segment_decode_payload(payload->data, payload->n, SEGMENT_FORMAT, to->arena, &to->payload), 0);
    assert_int_equal(segment_decode_summary(summary->data, summary->n, SEGMENT_FORMAT, to->arena, &to->summary), 0);
}

static void stored_free(Stored *stored) {
    segment_pack_free(&stored->packed);
    merkle_destroy(&stored->merkle);
    arena_destroy(&stored->arena);
}

static void test_chain(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(stored_free) Stored stored;
    store(&s, &stored);
    uint8_t commitments[2 * HASH_BYTES], root[HASH_BYTES], text[512], leaf[HASH_BYTES];
    for (size_t i = 0; i < 2; i++) {
        uint8_t salted[512];
        size_t n = put(salted, 0, 0x00, 1);
        n = copy(salted, n, stored.payload->salts.data + i * SALT_BYTES, SALT_BYTES);
        n += dongbo__entry__pack(&s.entries[i], salted + n);
        SHA256(salted, n, commitments + i * HASH_BYTES);
    }
    entries_by_hand(commitments, root);
    assert_memory_equal(stored.packed.entries_root, root, HASH_BYTES);
    size_t n = header_by_hand(text, 2);
    SHA256(text, copy(text, n, root, HASH_BYTES), leaf);

    SegmentHead head = {0};
    uint8_t previous[HASH_BYTES] = {0}, hash[HASH_BYTES], node[HASH_BYTES];
    for (int i = 0; i < 2; i++) { // the same segment twice: chained, so hashes differ
        segment_chain(&s.segment, stored.packed.entries_root, stored.merkle, &head);
        assert_memory_equal(head.leaf, leaf, HASH_BYTES);
        link_by_hand(previous, leaf, hash);
        assert_memory_equal(head.hash, hash, HASH_BYTES);
        memcpy(previous, hash, HASH_BYTES);
    }
    assert_int_equal(head.epoch, 3);
    assert_int_equal(head.last_position, 101);
    assert_int_equal(head.leaf_index, 2);
    assert_int_equal(head.stored_at_us, 1646000000000000);
    assert_int_equal(head.population_position, 42);
    assert_int_equal(head.frontier.n, 2);
    frontier_root(stored.merkle, &head.frontier, root);
    merkle_node(stored.merkle, leaf, leaf, node);
    assert_memory_equal(root, node, HASH_BYTES);

    uint8_t read[HASH_BYTES];
    assert_int_equal(segment_leaf(&s.segment, stored.summary, stored.merkle, read), 0);
    assert_memory_equal(read, leaf, HASH_BYTES);
}

static void test_format_1_is_still_read(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(stored_free) Stored stored;
    store(&s, &stored);
    uint8_t text[512], leaf[HASH_BYTES], read[HASH_BYTES];
    size_t n = header_by_hand(text, 1);
    n = fill(text, n, 0xAB, 32);                      // first entry: leaf
    n = put(text, n, 0x020402, 3);                    // health, MISMATCH, two reasons
    n = put(text, put(text, n, 210, 2), 202, 2);      // BIRTH_DATE_DIFFERS, NAME_CASE
    n = put(text, fill(text, n, 0, 32), 0x020100, 3); // second entry: no leaf, health, ACCEPTED, none
    SHA256(text, n, leaf);
    s.segment.format = 1;
    for (size_t i = 0; i < 2; i++)
        stored.summary->lines[i]->commitment.len = 0;
    assert_int_equal(segment_leaf(&s.segment, stored.summary, stored.merkle, read), 0);
    assert_memory_equal(read, leaf, HASH_BYTES);
    s.segment.format = 3;
    assert_int_equal(segment_leaf(&s.segment, stored.summary, stored.merkle, read), 1);
}

// ---- what somebody could profit from changing --------------------------------------------------------------------

static bool leaf_differs(const Sample *s, Stored *stored) {
    Sample other;
    uint8_t before[HASH_BYTES], after[HASH_BYTES];
    make_sample(&other);
    SegmentHead head = {0};
    segment_chain(&other.segment, stored->packed.entries_root, stored->merkle, &head);
    memcpy(before, head.leaf, HASH_BYTES);
    return segment_leaf(&s->segment, stored->summary, stored->merkle, after) != 0 ||
           memcmp(before, after, HASH_BYTES) != 0;
}

static void test_every_field_of_the_row_is_bound(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(stored_free) Stored stored;
    store(&s, &stored);
    assert_false(leaf_differs(&s, &stored));
    uint8_t others[STREAM_BYTES + HASH_BYTES + SIGNATURE_BYTES] = {0};
#define BOUND(field, value)                                                                                            \
    do {                                                                                                               \
        make_sample(&s);                                                                                               \
        s.segment.field = (value);                                                                                     \
        assert_true(leaf_differs(&s, &stored));                                                                        \
    } while (0)
    BOUND(format, 1);
    BOUND(epoch, 4);
    BOUND(first_position, 99);
    BOUND(last_position, 102);
    BOUND(kind, 2);
    BOUND(agency, 6);
    BOUND(stream, others);
    BOUND(stream, NULL);
    BOUND(first_sequence, 6);
    BOUND(last_sequence, 9);
    BOUND(batch_root, others);
    BOUND(header.len, 4);
    BOUND(signature, others);
    BOUND(signature, NULL);
    BOUND(stored_at_us, 1646000000000001);
    BOUND(population_position, 41);
}

static void test_every_line_is_bound(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(stored_free) Stored stored;
    store(&s, &stored);
    Dongbo__SummaryLine *line = stored.summary->lines[0], kept = *line;
    Dongbo__Reason *reason = line->reasons[0], kept_reason = *reason;
    uint8_t others[HASH_BYTES] = {1};
    const ProtobufCBinaryData other = {HASH_BYTES, others}, cut = {HASH_BYTES - 1, others}, none = {0, NULL};
#define LINE_BOUND(of, field, value)                                                                                   \
    do {                                                                                                               \
        (of)->field = (value);                                                                                         \
        assert_true(leaf_differs(&s, &stored));                                                                        \
        *line = kept;                                                                                                  \
        *reason = kept_reason;                                                                                         \
        assert_false(leaf_differs(&s, &stored));                                                                       \
    } while (0)
    LINE_BOUND(line, kind, 2);
    LINE_BOUND(line, kind, 256 + 1); // what would be cut to the same byte
    LINE_BOUND(line, sequence, 8);
    LINE_BOUND(line, domain, 3);
    LINE_BOUND(line, domain, 256 + 2);
    LINE_BOUND(line, verdict, 1);
    LINE_BOUND(line, verdict, 256 + 4);
    LINE_BOUND(line, leaf, other);
    LINE_BOUND(line, leaf, none);
    LINE_BOUND(line, leaf, cut);
    LINE_BOUND(line, commitment, other);
    LINE_BOUND(line, commitment, none);
    LINE_BOUND(line, said, other);
    LINE_BOUND(line, text, (char *)"taken back");
    LINE_BOUND(line, decided_by, (char *)"officer_lan");
    LINE_BOUND(line, n_reasons, 1);
    LINE_BOUND(reason, code, 211);
    LINE_BOUND(reason, code, 65536 + 210);
    LINE_BOUND(reason, field, (char *)"subject.full_name");
    LINE_BOUND(reason, expected, (char *)"1990-02-01");
    Dongbo__SummaryLine *first = stored.summary->lines[0];
    stored.summary->lines[0] = stored.summary->lines[1];
    stored.summary->lines[1] = first;
    assert_true(leaf_differs(&s, &stored));
}

// Who decided and what was said may not flow into one another; what was erased keeps its hash.
static void test_what_was_said(void **state) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    uint8_t commitment[HASH_BYTES] = {7}, said[HASH_BYTES], one[HASH_BYTES], two[HASH_BYTES];
    Dongbo__SummaryLine line = DONGBO__SUMMARY_LINE__INIT;
    line.commitment = (ProtobufCBinaryData){HASH_BYTES, commitment};
    line.decided_by = (char *)"ab";
    line.text = (char *)"c";
    assert_int_equal(segment_entry_leaf(merkle, &line, one), 0);
    line.decided_by = (char *)"a";
    line.text = (char *)"bc";
    assert_int_equal(segment_entry_leaf(merkle, &line, two), 0);
    assert_memory_not_equal(one, two, HASH_BYTES);
    SHA256((const uint8_t *)"dongbo said 1\0a\0bc", 18, said);
    line.decided_by = line.text = (char *)"";
    line.said = (ProtobufCBinaryData){HASH_BYTES, said};
    assert_int_equal(segment_entry_leaf(merkle, &line, one), 0);
    assert_memory_equal(one, two, HASH_BYTES);
}

// ---- payloads ----------------------------------------------------------------------------------------------------

static int check_plain(const Stored *stored, const Bytes *plain, SegmentCheck *ret) {
    uint8_t frame[4096];
    size_t n = ZSTD_compress(frame, sizeof frame, plain->data, plain->n, 1);
    assert_false(ZSTD_isError(n));
    return segment_check_payload(frame, n, stored->summary, stored->merkle, ret);
}

static void open_payload(const Stored *stored, Bytes *plain) {
    uint8_t *at = bytes_reserve(plain, 4096);
    assert_non_null(at);
    plain->n = ZSTD_decompress(at, 4096, stored->packed.payload.data, stored->packed.payload.n);
    assert_false(ZSTD_isError(plain->n));
}

static void test_payload_is_what_was_committed_to(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(stored_free) Stored stored;
    store(&s, &stored);
    SegmentCheck check;
    const Bytes *payload = &stored.packed.payload;
    assert_int_equal(segment_check_payload(payload->data, payload->n, stored.summary, stored.merkle, &check), 0);
    assert_int_equal(check.n_whole, 2);
    assert_int_equal(check.n_erased, 0);
    assert_int_equal(segment_check_payload(payload->data, payload->n - 1, stored.summary, stored.merkle, &check), 1);

    CLEANUP(bytes_free) Bytes plain = {0};
    open_payload(&stored, &plain);
    size_t first_n = plain.data[1]; // of the first entry; shorter than 128
    for (size_t at = 0; at < plain.n; at++) {
        plain.data[at] ^= 1;
        int result = check_plain(&stored, &plain, &check);
        assert_true(result == 1 || result == 2);
        if (result == 2 && at < 2 + first_n)
            assert_int_equal(check.broken, 0);
        plain.data[at] ^= 1;
    }
    bytes_append_u8(&plain, 0x0A); // an entry more
    bytes_append_u8(&plain, 0);
    assert_int_equal(check_plain(&stored, &plain, &check), 1);
}

static void test_erased_entries_are_told_from_changed_ones(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(stored_free) Stored stored;
    store(&s, &stored);
    Dongbo__Entry empty = DONGBO__ENTRY__INIT;
    Dongbo__Entry *entries[] = {&empty, stored.payload->entries[1]};
    uint8_t salts[2 * SALT_BYTES] = {0};
    memcpy(salts + SALT_BYTES, stored.payload->salts.data + SALT_BYTES, SALT_BYTES);
    Dongbo__SegmentPayload erased = DONGBO__SEGMENT_PAYLOAD__INIT;
    erased.n_entries = 2;
    erased.entries = entries;
    erased.salts = (ProtobufCBinaryData){sizeof salts, salts};
    CLEANUP(bytes_free) Bytes plain = {0};
    SegmentCheck check;
    bytes_append_message(&plain, &erased.base);
    assert_int_equal(check_plain(&stored, &plain, &check), 0);
    assert_int_equal(check.n_whole, 1);
    assert_int_equal(check.n_erased, 1);
    salts[3] = 1; // the salt must go as well, or the entry could be guessed
    bytes_clear(&plain);
    bytes_append_message(&plain, &erased.base);
    assert_int_equal(check_plain(&stored, &plain, &check), 2);
    assert_int_equal(check.broken, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_entries),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_small_arena),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_format_1_is_still_read),
        cmocka_unit_test(test_every_field_of_the_row_is_bound),
        cmocka_unit_test(test_every_line_is_bound),
        cmocka_unit_test(test_what_was_said),
        cmocka_unit_test(test_payload_is_what_was_committed_to),
        cmocka_unit_test(test_erased_entries_are_told_from_changed_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
