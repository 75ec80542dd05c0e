// SPDX-License-Identifier: Apache-2.0
//
// Logs that begin with segments of format 1, as they were written once: found whole, and whatever is changed that their
// leaves commit to is found. Made here by the words of PROTOCOL.md, for no program writes them any more.
#include "broker/audit.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "store.pb-c.h"
#include "tests/unit/log-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EVENTS 3

typedef struct Fixture {
    LogCase made;
    Bytes file; // its frames joined
    AuditKeys keys;
    AuditExaminer *examiner; // one for all: it takes room for the largest segment
    char what[64];
    int n_found;
    AuditCounts counts;
} Fixture;
static Fixture f;

static void ok(int r) {
    if (r < 0)
        fail_msg("%s", error_text());
    assert_int_equal(r, 0);
}

// ---- a segment of format 1 ----------------------------------------------------------------------------------------

typedef struct Old {
    Dongbo__LogSegment record;
    Dongbo__SegmentSummary summary;
    Dongbo__SummaryLine lines[EVENTS], *lines_at[EVENTS];
    Dongbo__SegmentPayload payload;
    Dongbo__Entry entries[EVENTS], *entries_at[EVENTS];
    Dongbo__Reason reason, *reasons[1];
    uint8_t leaves[EVENTS][HASH_BYTES], root[HASH_BYTES], hash[HASH_BYTES];
    Bytes packed_summary, packed_payload, batch;
} Old;

static void leaf_of(const Old *old, uint8_t out[HASH_BYTES]) {
    static const uint8_t ZEROS[HASH_BYTES];
    const Dongbo__LogSegment *row = &old->record;
    Bytes data = {0};
    bytes_append_u8(&data, 0);
    bytes_append(&data, "dongbo segment 1", 17);
    bytes_append_u32(&data, row->epoch);
    bytes_append_u64(&data, row->first_position);
    bytes_append_u64(&data, row->last_position);
    bytes_append_u8(&data, (uint8_t)row->kind);
    bytes_append(&data, row->stream.len > 0 ? row->stream.data : ZEROS, STREAM_BYTES);
    bytes_append_u64(&data, row->first_sequence);
    bytes_append_u64(&data, row->last_sequence);
    bytes_append(&data, row->batch_root.len > 0 ? row->batch_root.data : ZEROS, HASH_BYTES);
    bytes_append_u64(&data, (uint64_t)row->stored_at_us);
    bytes_append_u64(&data, (uint64_t)row->population_position);
    for (size_t i = 0; i < old->summary.n_lines; i++) {
        const Dongbo__SummaryLine *line = &old->lines[i];
        bytes_append(&data, line->leaf.len > 0 ? line->leaf.data : ZEROS, HASH_BYTES);
        bytes_append_u8(&data, (uint8_t)line->domain);
        bytes_append_u8(&data, (uint8_t)line->verdict);
        bytes_append_u8(&data, (uint8_t)line->n_reasons);
        for (size_t j = 0; j < line->n_reasons; j++)
            bytes_append_u16(&data, (uint16_t)line->reasons[j]->code);
    }
    merkle_sha256(f.made.merkle, data.data, data.n, out);
    bytes_free(&data);
}

static void chain(Old *old) {
    SegmentHead *head = &f.made.head;
    uint8_t link[1 + 2 * HASH_BYTES] = {0x02};
    memcpy(link + 1, head->hash, HASH_BYTES);
    leaf_of(old, link + 1 + HASH_BYTES);
    frontier_add(f.made.merkle, &head->frontier, link + 1 + HASH_BYTES);
    merkle_sha256(f.made.merkle, link, sizeof link, head->hash);
    memcpy(old->hash, head->hash, HASH_BYTES);
    head->leaf_index++;
    head->last_position = old->record.last_position;
    head->stored_at_us = old->record.stored_at_us;
    old->record.hash = (ProtobufCBinaryData){HASH_BYTES, old->hash};
    old->record.frontier = (ProtobufCBinaryData){frontier_bytes(&head->frontier), (uint8_t *)head->frontier.nodes};
}

static void begin(Old *old, int kind, size_t n) {
    *old = (Old){0};
    dongbo__log_segment__init(&old->record);
    dongbo__segment_summary__init(&old->summary);
    dongbo__segment_payload__init(&old->payload);
    dongbo__reason__init(&old->reason);
    old->record.format = 1;
    old->record.kind = (uint32_t)kind;
    old->record.epoch = 1;
    old->record.first_position = f.made.head.last_position + 1;
    old->record.last_position = f.made.head.last_position + n;
    old->record.leaf_index = f.made.head.leaf_index;
    old->record.stored_at_us = f.made.head.stored_at_us + 5;
    for (size_t i = 0; i < n; i++) {
        dongbo__summary_line__init(&old->lines[i]);
        dongbo__entry__init(&old->entries[i]);
        old->lines_at[i] = &old->lines[i];
        old->entries_at[i] = &old->entries[i];
        old->lines[i].kind = old->entries[i].kind = (Dongbo__EntryKind)kind;
    }
    old->summary.lines = old->lines_at;
    old->payload.entries = old->entries_at;
    old->summary.n_lines = old->payload.n_entries = n;
}

static void put(Old *old) {
    chain(old);
    bytes_append_message(&old->packed_summary, &old->summary.base);
    old->record.summary = (ProtobufCBinaryData){old->packed_summary.n, old->packed_summary.data};
    ok(logfile_put_message(f.made.writer, LOGFILE_SEGMENT, &old->record.base));
    bytes_append_message(&old->packed_payload, &old->payload.base);
    ok(logfile_put(f.made.writer, LOGFILE_PAYLOAD, old->packed_payload.data, old->packed_payload.n));
    if (old->batch.n > 0)
        ok(logfile_put(f.made.writer, LOGFILE_BATCH, old->batch.data, old->batch.n));
    f.made.segments++;
    bytes_free(&old->packed_summary);
    bytes_free(&old->packed_payload);
    bytes_free(&old->batch);
}

static void put_note(void) {
    Old old;
    begin(&old, DONGBO__ENTRY_KIND__ENTRY_EPOCH, 1);
    old.lines[0].text = old.entries[0].text = (char *)"the first epoch";
    put(&old);
}

static void put_batch(void) {
    static uint8_t texts[EVENTS][4] = {"one", "two", "3rd"};
    ProtobufCBinaryData events[EVENTS];
    Old old;
    begin(&old, DONGBO__ENTRY_KIND__ENTRY_EVENT, EVENTS);
    for (size_t i = 0; i < EVENTS; i++)
        events[i] = (ProtobufCBinaryData){sizeof texts[i], texts[i]};
    const BatchSeal seal = {f.made.stream, 1, events, EVENTS, f.made.key_id, f.made.signer, clock_system(),
                            f.made.merkle};
    ok(batch_seal(&seal, &old.batch));
    Dongbo__SealedBatch *sealed = dongbo__sealed_batch__unpack(NULL, old.batch.n, old.batch.data);
    Dongbo__BatchHeader *header = dongbo__batch_header__unpack(NULL, sealed->header.len, sealed->header.data);
    memcpy(old.root, header->root.data, HASH_BYTES);
    for (size_t i = 0; i < EVENTS; i++) {
        merkle_salted_leaf(f.made.merkle, sealed->salts.data + i * SALT_BYTES, events[i].data, events[i].len,
                           old.leaves[i]);
        old.lines[i].leaf = (ProtobufCBinaryData){HASH_BYTES, old.leaves[i]};
        old.lines[i].sequence = old.entries[i].sequence = i + 1;
        old.lines[i].domain = old.entries[i].domain = DONGBO__DOMAIN__HEALTH;
        old.lines[i].verdict = old.entries[i].verdict = DONGBO__VERDICT__ACCEPTED;
    }
    old.reason.code = DONGBO__REASON_CODE__NAME_DIFFERS;
    old.reasons[0] = &old.reason;
    old.lines[1].reasons = old.entries[1].reasons = old.reasons;
    old.lines[1].n_reasons = old.entries[1].n_reasons = 1;
    old.lines[1].verdict = old.entries[1].verdict = DONGBO__VERDICT__MISMATCH;
    old.record.stream = (ProtobufCBinaryData){STREAM_BYTES, f.made.stream};
    old.record.first_sequence = 1;
    old.record.last_sequence = EVENTS;
    old.record.batch_root = (ProtobufCBinaryData){HASH_BYTES, old.root};
    put(&old);
    f.made.sequence = EVENTS;
    dongbo__sealed_batch__free_unpacked(sealed, NULL);
    dongbo__batch_header__free_unpacked(header, NULL);
}

// ---- a log that begins so, and was gone on with -------------------------------------------------------------------

static int set_up(void **state) {
    char *data = NULL;
    size_t n = 0;
    f = (Fixture){0};
    FILE *file = open_memstream(&data, &n);
    ok(log_case_begin(&f.made, file, true));
    put_note();
    put_batch();
    ok(log_case_head(&f.made));
    ok(log_case_batch(&f.made, 2));
    ok(log_case_put_end(&f.made));
    fclose(file);
    ok(logfile_unpack((uint8_t *)data, n, &f.file));
    free(data);
    f.keys.n = 2;
    memcpy(f.keys.list[0].key, f.made.keys.sign_public, KEY_BYTES);
    memcpy(f.keys.list[0].id, f.made.key_id, sizeof f.made.key_id);
    memcpy(f.keys.list[1].key, f.made.exchange.sign_public, KEY_BYTES);
    memcpy(f.keys.list[1].id, f.made.exchange_id, sizeof f.made.exchange_id);
    return 0;
}

static int tear_down(void **state) {
    log_case_free(&f.made);
    bytes_free(&f.file);
    audit_examiner_destroy(&f.examiner);
    return 0;
}

static void tell(void *to, const AuditFinding *finding) {
    if (f.n_found++ == 0)
        snprintf(f.what, sizeof f.what, "%s", finding->what);
}

// 1: it cannot be read.
static int audit_log(void) {
    CLEANUP(audit_destroy) Audit *audit = NULL;
    CLEANUP(audit_frame_free) AuditFrame frame = {0};
    const uint8_t *at = f.file.data;
    f.n_found = 0;
    ok(logfile_magic(&at, at + f.file.n));
    bytes_append(&frame.plain, at, (size_t)(f.file.data + f.file.n - at));
    ok(audit_new(&audit, &f.keys, tell, NULL));
    if (f.examiner == NULL)
        ok(audit_examiner_new(&f.examiner, &f.keys));
    int r = audit_examine(f.examiner, &frame, 0);
    if (r == 0)
        r = audit_link(audit, &frame);
    if (r == 0)
        r = audit_end(audit);
    if (r == 0)
        ok(audit_finish(audit));
    f.counts = *audit_counts(audit);
    assert_true(r >= 0);
    return r;
}

static void test_whole(void **state) {
    ok(audit_log());
    assert_int_equal(f.n_found, 0);
    assert_int_equal(f.counts.segments, 3);
    assert_int_equal(f.counts.entries, 1 + EVENTS + 2);
    assert_int_equal(f.counts.signed_batches, 2);
    assert_int_equal(f.counts.signed_heads, 1);
    assert_int_equal(f.counts.streams, 1);
}

// Each byte of the batch's segment and of the batch itself, in turn. What is not committed to in this format (the
// agency, texts, entries' content) may be another one; that is why there is a newer one.
static void test_each_byte(void **state) {
    const uint8_t *at = f.file.data, *end = at + f.file.n;
    LogfileRecord record;
    size_t missed = 0, all = 0;
    ok(logfile_magic(&at, end));
    for (int segments = 0; logfile_record(&at, end, &record) == 0;) {
        segments += record.type == LOGFILE_SEGMENT;
        if (segments != 2 || record.type == LOGFILE_PAYLOAD || record.type == LOGFILE_HEAD)
            continue;
        for (size_t i = 0; i < record.n; i++, all++) {
            uint8_t *byte = (uint8_t *)(uintptr_t)record.body + i;
            *byte ^= 0x01;
            // A batch by another key is counted as unchecked.
            missed += audit_log() == 0 && f.n_found == 0 && f.counts.unchecked_batches == 0;
            *byte ^= 0x01;
        }
    }
    assert_true(all > 500);
    assert_int_equal(missed, 0);
}

static void test_a_payload_that_says_otherwise(void **state) {
    const uint8_t *at = f.file.data, *end = at + f.file.n;
    LogfileRecord record;
    ok(logfile_magic(&at, end));
    for (int n = 0; n < 2 && logfile_record(&at, end, &record) == 0;)
        n += record.type == LOGFILE_PAYLOAD;
    Dongbo__SegmentPayload *payload = dongbo__segment_payload__unpack(NULL, record.n, record.body);
    assert_int_equal(payload->n_entries, EVENTS);
    payload->entries[1]->verdict = DONGBO__VERDICT__REJECTED; // of the same length
    dongbo__segment_payload__pack(payload, (uint8_t *)(uintptr_t)record.body);
    dongbo__segment_payload__free_unpacked(payload, NULL);
    ok(audit_log());
    assert_true(f.n_found > 0);
    assert_string_equal(f.what, "entry");
}

// It commits to less: whoever could go back to it could say otherwise, later, what stands in the log.
static int set_up_again(void **state) {
    char *data = NULL;
    size_t n = 0;
    f = (Fixture){0};
    FILE *file = open_memstream(&data, &n);
    ok(log_case_begin(&f.made, file, true));
    ok(log_case_note(&f.made, DONGBO__ENTRY_KIND__ENTRY_EPOCH, "the first epoch"));
    put_note();
    ok(log_case_put_end(&f.made));
    fclose(file);
    ok(logfile_unpack((uint8_t *)data, n, &f.file));
    free(data);
    return 0;
}

static void test_no_log_goes_back_to_it(void **state) {
    ok(audit_log());
    assert_true(f.n_found > 0);
    assert_string_equal(f.what, "format");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_payload_that_says_otherwise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_log_goes_back_to_it, set_up_again, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
