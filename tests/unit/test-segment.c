// SPDX-License-Identifier: Apache-2.0
//
// A segment's bytes come back as they went in, its summary tells no person, and its hash is what the header says,
// recomputed here byte by byte.

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
    const uint8_t *leaves[2];
    const char *masked[2];
    Segment segment;
} Sample;

static void make_sample(Sample *s) {
    *s = (Sample){0};
    memset(s->leaf, 0xAB, sizeof s->leaf);
    memset(s->stream, 0xCD, sizeof s->stream);
    memset(s->root, 0xEF, sizeof s->root);
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
    s->segment = (Segment){.first_position = 100,
                           .last_position = 101,
                           .epoch = 3,
                           .kind = 1,
                           .agency = 5,
                           .stream = s->stream,
                           .first_sequence = 7,
                           .last_sequence = 8,
                           .batch_root = s->root,
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
    CLEANUP(bytes_free) Bytes summary = {0}, payload = {0};
    CLEANUP(arena_destroy) Arena *arena = new_arena();
    assert_int_equal(segment_encode(NULL, &s.segment, &summary, &payload), 0);

    Dongbo__SegmentPayload *entries = NULL;
    assert_int_equal(segment_decode_payload(payload.data, payload.n, SEGMENT_FORMAT, arena, &entries), 0);
    assert_int_equal(entries->n_entries, 2);
    assert_string_equal(entries->entries[0]->citizen_number, "001090000001");
    assert_string_equal(entries->entries[0]->reasons[0]->expected, "1990-02-01");
    assert_int_equal(entries->entries[1]->event_id.len, EVENT_ID_BYTES);

    Dongbo__SegmentSummary *lines = NULL;
    assert_int_equal(segment_decode_summary(summary.data, summary.n, SEGMENT_FORMAT, arena, &lines), 0);
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
}

static void test_no_entries(void **state) {
    Segment segment = {.kind = 3};
    CLEANUP(bytes_free) Bytes summary = {0}, payload = {0};
    CLEANUP(arena_destroy) Arena *arena = new_arena();
    Dongbo__SegmentPayload *entries = NULL;
    Dongbo__SegmentSummary *lines = NULL;
    assert_int_equal(segment_encode(NULL, &segment, &summary, &payload), 0);
    assert_int_equal(segment_decode_payload(payload.data, payload.n, SEGMENT_FORMAT, arena, &entries), 0);
    assert_int_equal(segment_decode_summary(summary.data, summary.n, SEGMENT_FORMAT, arena, &lines), 0);
    assert_int_equal(entries->n_entries + lines->n_lines, 0);
}

static void test_refuses(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(bytes_free) Bytes summary = {0}, payload = {0};
    CLEANUP(arena_destroy) Arena *arena = new_arena();
    assert_int_equal(segment_encode(NULL, &s.segment, &summary, &payload), 0);
    Dongbo__SegmentPayload *ret = NULL;
    assert_int_equal(segment_decode_payload(payload.data, payload.n, SEGMENT_FORMAT + 1, arena, &ret), 1);
    for (size_t n = 0; n < payload.n; n++)
        assert_int_equal(segment_decode_payload(payload.data, n, SEGMENT_FORMAT, arena, &ret), 1);
    assert_int_equal(segment_decode_payload((const uint8_t *)"garbage, not a frame", 20, SEGMENT_FORMAT, arena, &ret),
                     1);
    bytes_append(&payload, summary.data, summary.n); // a second frame
    assert_int_equal(segment_decode_payload(payload.data, payload.n, SEGMENT_FORMAT, arena, &ret), 1);

    // A frame of plain zeros is no SegmentPayload; one that says it is huge is not even opened.
    static uint8_t zeros[1000];
    uint8_t frame[2048];
    size_t n = ZSTD_compress(frame, sizeof frame, zeros, sizeof zeros, 1);
    assert_int_equal(segment_decode_payload(frame, n, SEGMENT_FORMAT, arena, &ret), 1);
    size_t huge = (size_t)64 * 1024 * 1024 + 1;
    uint8_t *big = calloc(1, huge), *packed = malloc(ZSTD_compressBound(huge));
    assert_non_null(big);
    assert_non_null(packed);
    n = ZSTD_compress(packed, ZSTD_compressBound(huge), big, huge, 1);
    size_t used = arena_used(arena);
    assert_int_equal(segment_decode_payload(packed, n, SEGMENT_FORMAT, arena, &ret), 1);
    assert_int_equal(arena_used(arena), used);
    free(big);
    free(packed);
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
    CLEANUP(bytes_free) Bytes summary = {0}, payload = {0};
    CLEANUP(arena_destroy) Arena *arena = NULL;
    assert_int_equal(arena_new(&arena, 256), 0);
    Dongbo__SegmentPayload *ret = NULL;
    assert_int_equal(segment_encode(NULL, &s.segment, &summary, &payload), 0);
    assert_int_equal(segment_decode_payload(payload.data, payload.n, SEGMENT_FORMAT, arena, &ret), 1);
}

// ---- the hash, by hand ------------------------------------------------------------------------------------------

static size_t put(uint8_t *to, size_t at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        to[at + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return at + bytes;
}

static size_t fill(uint8_t *to, size_t at, uint8_t value, size_t bytes) {
    memset(to + at, value, bytes);
    return at + bytes;
}

static void hash_by_hand(const uint8_t previous[HASH_BYTES], uint8_t leaf[HASH_BYTES], uint8_t hash[HASH_BYTES]) {
    uint8_t text[512] = {0};
    size_t n = put(text, 0, 0x00, 1);
    memcpy(text + n, "dongbo segment 1", 17);
    n = put(text, n + 17, 3, 4);                      // epoch
    n = put(text, put(text, n, 100, 8), 101, 8);      // positions
    n = fill(text, put(text, n, 1, 1), 0xCD, 16);     // kind, stream
    n = put(text, put(text, n, 7, 8), 8, 8);          // sequences
    n = fill(text, n, 0xEF, 32);                      // root
    n = put(text, n, 1646000000000000, 8);            // stored at
    n = put(text, n, 42, 8);                          // population
    n = fill(text, n, 0xAB, 32);                      // first entry: leaf
    n = put(text, n, 0x020402, 3);                    // health, MISMATCH, two reasons
    n = put(text, put(text, n, 210, 2), 202, 2);      // BIRTH_DATE_DIFFERS, NAME_CASE
    n = put(text, fill(text, n, 0, 32), 0x020100, 3); // second entry: no leaf, health, ACCEPTED, none
    SHA256(text, n, leaf);
    uint8_t link[65] = {0x02};
    memcpy(link + 1, previous, 32);
    memcpy(link + 33, leaf, 32);
    SHA256(link, sizeof link, hash);
}

static void test_chain(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    SegmentHead head = {0};
    uint8_t previous[HASH_BYTES] = {0}, leaves[2][HASH_BYTES], hash[HASH_BYTES], root[HASH_BYTES], node[HASH_BYTES];
    for (int i = 0; i < 2; i++) { // the same segment twice: chained, so hashes differ
        assert_int_equal(segment_chain(&s.segment, merkle, &head), 0);
        hash_by_hand(previous, leaves[i], hash);
        assert_memory_equal(head.hash, hash, HASH_BYTES);
        memcpy(previous, hash, HASH_BYTES);
    }
    assert_int_equal(head.epoch, 3);
    assert_int_equal(head.last_position, 101);
    assert_int_equal(head.leaf_index, 2);
    assert_int_equal(head.stored_at_us, 1646000000000000);
    assert_int_equal(head.population_position, 42);
    assert_int_equal(head.frontier.n, 2);
    frontier_root(merkle, &head.frontier, root);
    merkle_node(merkle, leaves[0], leaves[1], node);
    assert_memory_equal(root, node, HASH_BYTES);
}

// Content may go, salt and all: only leaf hashes and verdicts are committed to.
static void test_hash_keeps_over_erasure(void **state) {
    Sample s;
    make_sample(&s);
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    assert_int_equal(merkle_new(&merkle), 0);
    SegmentHead whole = {0}, erased = {0}, other = {0};
    assert_int_equal(segment_chain(&s.segment, merkle, &whole), 0);
    s.entries[0].citizen_number = "";
    s.reasons[0].expected = "";
    assert_int_equal(segment_chain(&s.segment, merkle, &erased), 0);
    assert_memory_equal(whole.hash, erased.hash, HASH_BYTES);
    s.entries[0].verdict = DONGBO__VERDICT__ACCEPTED;
    assert_int_equal(segment_chain(&s.segment, merkle, &other), 0);
    assert_memory_not_equal(whole.hash, other.hash, HASH_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_entries),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_small_arena),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_hash_keeps_over_erasure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
