// SPDX-License-Identifier: Apache-2.0
//
// Receipts against a log: one that the exchange signed is found with all that it says, and whatever of it the log says
// otherwise is told. Heads that somebody kept are held against it, too.
#include "broker/audit.h"
#include "broker/audit_expected.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "store.pb-c.h"
#include "tests/unit/log-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EVENTS 9 // of each batch; every seventh event has a reason
#define BATCHES 3

typedef struct Fixture {
    LogCase made;
    Bytes file;
    AuditKeys keys;
    Verifier *verifier;
    Dongbo__ReceiptBody body; // of the batch at hand, and what it points to
    Dongbo__LogSegment *segment;
    Dongbo__SegmentSummary *summary;
    Dongbo__EventVerdict verdicts[EVENTS], *pointers[EVENTS];
    AuditReceipts receipts;
    AuditCounts counts;
    char what[64];
    int n_found;
    bool is_hole; // among what was found
} Fixture;
static Fixture f;

static void ok(int r) {
    if (r < 0)
        fail_msg("%s", error_text());
    assert_int_equal(r, 0);
}

static int set_up(void **state) {
    char *data = NULL;
    size_t n = 0;
    f = (Fixture){0};
    FILE *file = open_memstream(&data, &n);
    ok(log_case_begin(&f.made, file, true));
    ok(log_case_new_epoch(&f.made));
    for (int i = 0; i < BATCHES; i++)
        ok(log_case_batch(&f.made, EVENTS));
    ok(log_case_put_end(&f.made));
    fclose(file);
    ok(logfile_unpack((uint8_t *)data, n, &f.file));
    free(data);
    ok(verifier_new(&f.verifier, f.made.exchange.sign_public));
    f.keys.n = 1;
    memcpy(f.keys.list[0].key, f.made.keys.sign_public, KEY_BYTES);
    memcpy(f.keys.list[0].id, f.made.key_id, sizeof f.made.key_id);
    return 0;
}

static void segment_free(void) {
    if (f.segment)
        dongbo__log_segment__free_unpacked(f.segment, NULL);
    if (f.summary)
        dongbo__segment_summary__free_unpacked(f.summary, NULL);
    f.segment = NULL;
    f.summary = NULL;
}

static int tear_down(void **state) {
    segment_free();
    log_case_free(&f.made);
    bytes_free(&f.file);
    verifier_destroy(&f.verifier);
    audit_receipts_free(&f.receipts);
    return 0;
}

static void find_segment(int batch) {
    const uint8_t *at = f.file.data, *end = at + f.file.n;
    LogfileRecord record;
    ok(logfile_magic(&at, end));
    for (int n = -2; n < batch && logfile_record(&at, end, &record) == 0;)
        n += record.type == LOGFILE_SEGMENT;
    segment_free();
    f.segment = dongbo__log_segment__unpack(NULL, record.n, record.body);
    f.summary = dongbo__segment_summary__unpack(NULL, f.segment->summary.len, f.segment->summary.data);
}

// As the exchange would sign it.
static void receipt_of(int batch) {
    find_segment(batch);
    dongbo__receipt_body__init(&f.body);
    f.body.stream = f.segment->stream;
    f.body.first_sequence = f.segment->first_sequence;
    f.body.last_sequence = f.segment->last_sequence;
    f.body.batch_root = f.segment->batch_root;
    f.body.first_position = f.segment->first_position;
    f.body.last_position = f.segment->last_position;
    f.body.epoch = f.segment->epoch;
    f.body.stored_at_us = f.segment->stored_at_us;
    f.body.segment_hash = f.segment->hash;
    f.body.verdicts = f.pointers;
    for (size_t i = 0; i < f.summary->n_lines; i++) {
        Dongbo__SummaryLine *line = f.summary->lines[i];
        if (line->verdict == DONGBO__VERDICT__ACCEPTED && line->n_reasons == 0)
            continue;
        Dongbo__EventVerdict *verdict = &f.verdicts[f.body.n_verdicts];
        dongbo__event_verdict__init(verdict);
        verdict->sequence = line->sequence;
        verdict->verdict = line->verdict;
        verdict->reasons = line->reasons;
        verdict->n_reasons = line->n_reasons;
        f.pointers[f.body.n_verdicts++] = verdict;
    }
}

static int add(const Bytes *bytes) {
    Verifier *const keys[] = {f.verifier};
    return audit_receipts_add(&f.receipts, &(AuditReceiptBytes){bytes->data, bytes->n, "a receipt"}, keys, 1);
}

static void seal(Bytes *ret) {
    uint8_t signature[SIGNATURE_BYTES];
    bytes_clear(ret);
    bytes_append_message(ret, &f.body.base);
    ok(signer_sign(f.made.exchange_signer, "dongbo receipt 1", ret->data, ret->n, signature));
    bytes_append(ret, signature, SIGNATURE_BYTES);
}

static void add_receipt(void) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(&bytes);
    ok(add(&bytes));
}

static void tell(void *to, const AuditFinding *finding) {
    f.is_hole |= strcmp(finding->what, "first sequence in its stream") == 0;
    if (f.n_found++ == 0)
        snprintf(f.what, sizeof f.what, "%s", finding->what);
}

// head: SignedHead, or NULL.
static void audit_log(const Bytes *head) {
    CLEANUP(audit_destroy) Audit *audit = NULL;
    CLEANUP(audit_examiner_destroy) AuditExaminer *examiner = NULL;
    CLEANUP(audit_frame_free) AuditFrame frame = {0};
    const uint8_t *at = f.file.data;
    f.n_found = 0;
    f.what[0] = 0;
    audit_receipts_sort(&f.receipts);
    ok(logfile_magic(&at, at + f.file.n));
    bytes_append(&frame.plain, at, (size_t)(f.file.data + f.file.n - at));
    ok(audit_new(&audit, &f.keys, tell, NULL));
    ok(audit_examiner_new(&examiner, &f.keys));
    audit_examiner_receipts(examiner, &f.receipts);
    audit_receipts(audit, &f.receipts);
    if (head != NULL)
        ok(audit_expect(audit, head->data, head->n));
    ok(audit_examine(examiner, &frame, 0));
    ok(audit_link(audit, &frame));
    ok(audit_finish(audit));
    f.counts = *audit_counts(audit);
}

static void test_all_are_there(void **state) {
    for (int i = BATCHES; i-- > 0;) {
        receipt_of(i);
        add_receipt();
    }
    receipt_of(1);
    f.body.duplicate = true; // sent again later: without positions, and of what was let go by then without verdicts
    f.body.first_position = f.body.last_position = 0;
    f.body.n_verdicts = 0;
    add_receipt();
    audit_log(NULL);
    assert_int_equal(f.n_found, 0);
    assert_int_equal(f.counts.receipts, BATCHES + 1);
    assert_int_equal(f.counts.unmatched_receipts, 0);
    assert_int_equal(f.counts.streams, 1);
}

static void assert_found(const char *what) {
    add_receipt();
    audit_log(NULL);
    assert_string_equal(f.what, what);
    audit_receipts_free(&f.receipts);
}

static void test_what_the_log_says_otherwise(void **state) {
    uint8_t other[HASH_BYTES] = {1};
    receipt_of(0);
    f.body.batch_root = (ProtobufCBinaryData){HASH_BYTES, other};
    assert_found("batch of a receipt");
    receipt_of(0);
    f.body.last_sequence--;
    assert_found("batch of a receipt");
    receipt_of(0);
    f.body.first_position++;
    assert_found("place of a receipt");
    receipt_of(0);
    f.body.stored_at_us++;
    assert_found("place of a receipt");
    receipt_of(0);
    f.body.epoch++;
    assert_found("place of a receipt");
    receipt_of(0);
    f.body.segment_hash = (ProtobufCBinaryData){HASH_BYTES, other};
    assert_found("segment of a receipt");
    receipt_of(0);
    assert_int_equal(f.body.n_verdicts, 1);
    f.body.n_verdicts = 0;
    assert_found("verdict of a receipt");
    receipt_of(0);
    f.verdicts[0].verdict = DONGBO__VERDICT__REJECTED;
    assert_found("verdict of a receipt");
    receipt_of(0);
    f.verdicts[0].n_reasons = 0;
    assert_found("verdict of a receipt");
    receipt_of(0);
    f.verdicts[0].reasons[0]->code = DONGBO__REASON_CODE__ID_SEX;
    assert_found("verdict of a receipt");
    receipt_of(0);
    f.verdicts[0].sequence = 2;
    assert_found("verdict of a receipt");
}

static void test_batches_that_are_not_there(void **state) {
    receipt_of(0);
    f.body.first_sequence = 5;
    assert_found("batch of a receipt");
    receipt_of(0);
    uint8_t other[STREAM_BYTES] = {1};
    f.body.stream = (ProtobufCBinaryData){STREAM_BYTES, other};
    assert_found("batch of a receipt");
    receipt_of(0);
    f.body.first_sequence = 1000; // beyond the files' end
    f.body.first_position = 5000;
    f.body.last_position = 6000;
    add_receipt();
    audit_log(NULL);
    assert_int_equal(f.n_found, 0);
    assert_int_equal(f.counts.unmatched_receipts, 1);
}

static void test_what_is_no_receipt(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    CLEANUP(bytes_free) Bytes message = {0};
    receipt_of(0);
    seal(&bytes);
    for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int r = add(&bytes);
        assert_true(r == 1 || r == 2);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < bytes.n; n++) {
        Bytes cut = {.data = bytes.data, .n = n};
        assert_true(add(&cut) > 0);
    }
    assert_int_equal(f.receipts.n, 0);
    Dongbo__Receipt receipt = DONGBO__RECEIPT__INIT; // as it came over the wire
    receipt.body = (ProtobufCBinaryData){bytes.n - SIGNATURE_BYTES, bytes.data};
    receipt.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, bytes.data + bytes.n - SIGNATURE_BYTES};
    receipt.credit_bytes = 7;
    bytes_append_message(&message, &receipt.base);
    ok(add(&message));
    assert_int_equal(f.receipts.n, 1);
}

static void test_a_stream_with_a_hole(void **state) {
    const uint8_t *at = f.file.data, *end = at + f.file.n, *from = NULL;
    LogfileRecord record;
    ok(logfile_magic(&at, end));
    for (int n = 0; n < 3 && logfile_record(&at, end, &record) == 0;) { // the second batch, with what belongs to it
        n += record.type == LOGFILE_SEGMENT;
        from = record.body - 5;
    }
    for (int i = 0; i < 2; i++)
        ok(logfile_record(&at, end, &record));
    size_t gone = (size_t)(at - from);
    memmove((uint8_t *)(uintptr_t)from, at, (size_t)(end - at));
    f.file.n -= gone;
    audit_log(NULL);
    assert_true(f.is_hole && f.n_found > 1); // and the chain
    assert_int_equal(f.counts.streams, 1);
}

static void test_very_many_heads(void **state) {
    AuditExpected expected = {0};
    uint8_t zeros[HASH_BYTES] = {0};
    Dongbo__TreeHead tree = DONGBO__TREE_HEAD__INIT;
    tree.root = tree.segment_hash = (ProtobufCBinaryData){HASH_BYTES, zeros};
    for (uint64_t i = 0; i < 100000; i++) {
        tree.size = i * 7919 % 100000 / 2 * 2 + 1; // odd ones, in any order
        ok(audit_expected_add(&expected, &tree, false));
    }
    uint64_t n = 0;
    for (uint64_t size = 1; size < 50000; size++)
        for (const AuditHead *head; (head = audit_expected_next(&expected, size)) != NULL; n++)
            assert_int_equal(head->size, size);
    assert_int_equal(n, 50000);
    assert_int_equal(audit_expected_unmatched(&expected), 50000);
    assert_null(audit_expected_next(&expected, 200000));
    assert_int_equal(audit_expected_unmatched(&expected), 50000);
    audit_expected_free(&expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_are_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_log_says_otherwise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batches_that_are_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_receipt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stream_with_a_hole, set_up, tear_down),
        cmocka_unit_test(test_very_many_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
