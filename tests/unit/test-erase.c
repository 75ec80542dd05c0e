// SPDX-License-Identifier: Apache-2.0
//
// What is taken out of stored bytes is nowhere in them, and nothing else has changed.
#include "broker/erase.h"
#include "broker/logfile.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "store.pb-c.h"
#include "wire.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <cmocka.h>

static const bool SECOND[] = {false, true, false};
static const EraseSet SET = {SECOND, 3};

static void stored(const ProtobufCMessage *message, Bytes *out) {
    CLEANUP(bytes_free) Bytes plain = {0};
    bytes_append_message(&plain, message);
    uint8_t *to = bytes_reserve(out, ZSTD_compressBound(plain.n));
    out->n += ZSTD_compress(to, ZSTD_compressBound(plain.n), plain.data, plain.n, 1);
}

static bool holds(const Bytes *bytes, const char *text) {
    return memmem(bytes->data, bytes->n, text, strlen(text)) != NULL;
}

static void test_payload(void **state) {
    Dongbo__Entry entries[3], *list[3];
    uint8_t salts[3 * SALT_BYTES];
    char *numbers[] = {"number-0", "number-1", "number-2"};
    Dongbo__SegmentPayload payload = DONGBO__SEGMENT_PAYLOAD__INIT;
    for (int i = 0; i < 3; i++) {
        dongbo__entry__init(list[i] = &entries[i]);
        entries[i].citizen_number = numbers[i];
        memset(salts + i * SALT_BYTES, 'a' + i, SALT_BYTES);
    }
    payload.n_entries = 3;
    payload.entries = list;
    payload.salts = (ProtobufCBinaryData){sizeof salts, salts};
    CLEANUP(bytes_free) Bytes before = {0};
    CLEANUP(bytes_free) Bytes after = {0};
    CLEANUP(bytes_free) Bytes plain = {0};
    stored(&payload.base, &before);
    assert_int_equal(erase_payload(before.data, before.n, SET, &after), 0);
    assert_int_equal(logfile_unpack(after.data, after.n, &plain), 0);
    assert_true(holds(&plain, "number-0") && holds(&plain, "number-2") && !holds(&plain, "number-1"));
    assert_true(holds(&plain, "aaaaaaaaaaaaaaaa\0") && !holds(&plain, "bb"));
    Dongbo__SegmentPayload *left = dongbo__segment_payload__unpack(NULL, plain.n, plain.data);
    assert_int_equal(left->n_entries, 3);
    assert_int_equal(left->salts.len, sizeof salts);
    assert_int_equal(left->salts.data[SALT_BYTES], 0);
    assert_int_equal(left->salts.data[2 * SALT_BYTES], 'c');
    assert_int_equal(protobuf_c_message_get_packed_size(&left->entries[1]->base), 0);
    dongbo__segment_payload__free_unpacked(left, NULL);
    assert_int_equal(erase_payload(before.data, before.n - 1, SET, &after), 1);
    assert_int_equal(erase_payload(before.data, before.n, (EraseSet){SECOND, 2}, &after), 1);
}

static void test_summary(void **state) {
    Dongbo__SummaryLine lines[3], *list[3];
    Dongbo__SegmentSummary summary = DONGBO__SEGMENT_SUMMARY__INIT;
    char *masked[] = {"mask-0", "mask-1", "mask-2"};
    for (int i = 0; i < 3; i++) {
        dongbo__summary_line__init(list[i] = &lines[i]);
        lines[i].citizen_masked = masked[i];
        lines[i].sequence = (uint64_t)i + 1;
        lines[i].decided_by = "an officer";
    }
    summary.n_lines = 3;
    summary.lines = list;
    CLEANUP(bytes_free) Bytes before = {0};
    CLEANUP(bytes_free) Bytes after = {0};
    CLEANUP(bytes_free) Bytes plain = {0};
    stored(&summary.base, &before);
    assert_int_equal(erase_summary(before.data, before.n, SET, &after), 0);
    assert_int_equal(logfile_unpack(after.data, after.n, &plain), 0);
    assert_true(holds(&plain, "mask-0") && holds(&plain, "mask-2") && !holds(&plain, "mask-1"));
    Dongbo__SegmentSummary *left = dongbo__segment_summary__unpack(NULL, plain.n, plain.data);
    assert_int_equal(left->lines[1]->sequence, 2);
    assert_string_equal(left->lines[1]->decided_by, "an officer");
    dongbo__segment_summary__free_unpacked(left, NULL);
}

static void test_batch(void **state) {
    ProtobufCBinaryData events[] = {{5, (uint8_t *)"one-1"}, {5, (uint8_t *)"two-2"}, {5, (uint8_t *)"three"}};
    Dongbo__SealedBatch batch = DONGBO__SEALED_BATCH__INIT;
    batch.header = (ProtobufCBinaryData){6, (uint8_t *)"header"};
    batch.signature = (ProtobufCBinaryData){9, (uint8_t *)"signature"};
    batch.salts = (ProtobufCBinaryData){48, (uint8_t *)"aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbcccccccccccccccc"};
    batch.n_events = 3;
    batch.events = events;
    CLEANUP(bytes_free) Bytes before = {0};
    CLEANUP(bytes_free) Bytes after = {0};
    bytes_append_message(&before, &batch.base);
    assert_int_equal(erase_batch(before.data, before.n, SET, &after), 0);
    assert_true(holds(&after, "one-1") && holds(&after, "three") && !holds(&after, "two-2") && !holds(&after, "bb"));
    assert_int_equal(before.n, after.n + 5);
    assert_memory_equal(before.data, after.data, 2 + 6 + 2 + 9 + 2 + 16); // header, signature, the first salt
    assert_int_equal(erase_batch(before.data, before.n - 1, SET, &after), 1);
}

// Of a batch that could not be read any number of events may stand in the place of one: no part of it stays.
static void test_batch_of_more_events_than_entries(void **state) {
    static const uint8_t LONG_LENGTH[] = {0x22, 0x83, 0x80, 0x80, 0x80, 0x80, 0x00, 'o', 'n', 'e'};
    static const bool GONE[] = {true};
    ProtobufCBinaryData events[] = {{5, (uint8_t *)"one-1"}, {5, (uint8_t *)"two-2"}};
    Dongbo__SealedBatch batch = DONGBO__SEALED_BATCH__INIT;
    batch.n_events = 2;
    batch.events = events;
    CLEANUP(bytes_free) Bytes before = {0};
    CLEANUP(bytes_free) Bytes after = {0};
    bytes_append_message(&before, &batch.base);
    assert_int_equal(erase_batch(before.data, before.n, (EraseSet){GONE, 1}, &after), 1);
    bytes_clear(&after);
    assert_int_equal(erase_batch(LONG_LENGTH, sizeof LONG_LENGTH, (EraseSet){GONE, 1}, &after), 1);
}

// ---- records --------------------------------------------------------------------------------------------------------

#define FIELD(n) ((n) << 3 | 2)
static const uint8_t ID[16] = "the event's id..", OTHER[16] = "another one's id";

typedef struct Version {
    Dongbo__Record record;
    Dongbo__Origin origins[2], *list[2];
    uint32_t fields[2][2];
    uint8_t body[12];
} Version;

// Field 1 is the key, said by the event; 2 is said by it, too; 3 by another.
static void make_version(Version *version) {
    static const uint8_t BODY[] = {FIELD(1), 1, 'k', FIELD(2), 1, 'e', FIELD(3), 1, 'o'};
    *version = (Version){.fields = {{1, 2}, {3, 0}}};
    dongbo__record__init(&version->record);
    for (int i = 0; i < 2; i++) {
        dongbo__origin__init(version->list[i] = &version->origins[i]);
        version->origins[i].event_id = (ProtobufCBinaryData){16, (uint8_t *)(i ? OTHER : ID)};
        version->origins[i].fields = version->fields[i];
        version->origins[i].n_fields = i ? 1 : 2;
    }
    version->record.body = (ProtobufCBinaryData){sizeof BODY, (uint8_t *)BODY};
    version->record.origins = version->list;
    version->record.n_origins = 2;
}

static Dongbo__Record *erased(Version *version, uint32_t keys) {
    CLEANUP(bytes_free) Bytes before = {0};
    CLEANUP(bytes_free) Bytes after = {0};
    bytes_append_message(&before, &version->record.base);
    assert_int_equal(erase_record(before.data, before.n, ID, keys, &after), 0);
    Dongbo__Record *left = dongbo__record__unpack(NULL, after.n, after.data ? after.data : (const uint8_t *)"");
    assert_non_null(left);
    return left;
}

static void test_a_record_of_two(void **state) {
    Version version;
    make_version(&version);
    Dongbo__Record *left = erased(&version, 1u << 1);
    static const uint8_t LEFT[] = {FIELD(1), 1, 'k', FIELD(3), 1, 'o'};
    assert_int_equal(left->body.len, sizeof LEFT);
    assert_memory_equal(left->body.data, LEFT, sizeof LEFT);
    assert_int_equal(left->n_origins, 1);
    assert_memory_equal(left->origins[0]->event_id.data, OTHER, 16);
    assert_false(left->retracted);
    dongbo__record__free_unpacked(left, NULL);
}

static void test_a_record_of_its_own(void **state) {
    Version version;
    make_version(&version);
    version.record.n_origins = 1;
    Dongbo__Record *left = erased(&version, 1u << 1);
    assert_int_equal(left->body.len + left->n_origins, 0);
    assert_true(left->retracted);
    dongbo__record__free_unpacked(left, NULL);
}

static void test_a_record_of_nobody(void **state) {
    Version version;
    make_version(&version);
    version.record.n_origins = 0;
    Dongbo__Record *left = erased(&version, 0);
    assert_true(left->retracted);
    dongbo__record__free_unpacked(left, NULL);
}

static void test_what_it_lost(void **state) {
    Version version;
    make_version(&version);
    Dongbo__Lost lost = DONGBO__LOST__INIT;
    lost.body = version.record.body;
    lost.origins = version.list;
    lost.n_origins = 1;
    version.record.origins = version.list + 1;
    version.record.n_origins = 1;
    version.record.lost = &lost;
    Dongbo__Record *left = erased(&version, 0);
    assert_int_equal(left->lost->body.len + left->lost->origins[0]->n_fields, 0);
    assert_int_equal(left->body.len, version.record.body.len);
    dongbo__record__free_unpacked(left, NULL);
    lost.origins = version.list + 1; // another's stays
    left = erased(&version, 0);
    assert_int_equal(left->lost->body.len, version.record.body.len);
    dongbo__record__free_unpacked(left, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_batch_of_more_events_than_entries),
        cmocka_unit_test(test_a_record_of_two),
        cmocka_unit_test(test_a_record_of_its_own),
        cmocka_unit_test(test_a_record_of_nobody),
        cmocka_unit_test(test_what_it_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
