// SPDX-License-Identifier: Apache-2.0
//
// Logs that an exchange made up itself, chained and signed as any: what it has no agency's word for is found, whatever
// it is called. Whoever has the broker's machine can write such a log; nobody who verifies it is to take it for whole.
#include "broker/audit.h"
#include "broker/audit_notes.h"
#include "log.pb-c.h"
#include "operators/log_audit.h"
#include "proto/base/error.h"
#include "tests/unit/log-case.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>
#include <cmocka.h>

#define EVENTS 3

typedef struct Fixture {
    LogCase made;
    FILE *file;
    char *data;
    size_t n;
    AuditKeys keys;
    AuditFinding first;
    int n_found;
    AuditCounts counts;
    // A batch that the agency signed, and entries that were made up.
    Bytes sealed;
    Batch batch;
    Dongbo__Entry entries[EVENTS];
    const Dongbo__Entry *entries_at[EVENTS];
    Dongbo__Reason unreadable, *reasons[1];
    const uint8_t *leaves[EVENTS];
    uint8_t hash[HASH_BYTES], forged[HASH_BYTES];
} Fixture;
static Fixture f;

static void ok(int r) {
    if (r < 0)
        fail_msg("%s", error_text());
    assert_int_equal(r, 0);
}

static void begin(bool payloads) {
    f = (Fixture){0};
    f.file = open_memstream(&f.data, &f.n);
    ok(log_case_begin(&f.made, f.file, payloads));
    ok(log_case_new_epoch(&f.made));
    ok(log_case_batch(&f.made, 2));
}

static int tear_down(void **state) {
    log_case_free(&f.made);
    bytes_free(&f.sealed);
    free(f.data);
    return 0;
}

static void add_key(const uint8_t key[KEY_BYTES], const char *who) {
    AuditKey *to = &f.keys.list[f.keys.n++];
    memcpy(to->key, key, KEY_BYTES);
    keys_id(key, to->id);
    snprintf(to->who, sizeof to->who, "%s", who);
}

static void tell(void *to, const AuditFinding *finding) {
    if (f.n_found++ == 0)
        f.first = *finding;
}

// The log so far, with a head over it.
static void audit_log(void) {
    CLEANUP(audit_destroy) Audit *audit = NULL;
    CLEANUP(audit_examiner_destroy) AuditExaminer *examiner = NULL;
    CLEANUP(audit_frame_free) AuditFrame frame = {0};
    ok(log_case_head(&f.made));
    ok(log_case_put_end(&f.made));
    fclose(f.file);
    if (f.keys.n == 0) {
        add_key(f.made.keys.sign_public, LOG_CASE_CODE);
        add_key(f.made.exchange.sign_public, AUDIT_EXCHANGE);
    }
    ok(logfile_unpack((uint8_t *)f.data, f.n, &frame.plain));
    const uint8_t *at = frame.plain.data;
    ok(logfile_magic(&at, at + frame.plain.n));
    ok(audit_new(&audit, &f.keys, tell, NULL));
    ok(audit_examiner_new(&examiner, &f.keys));
    ok(audit_examine(examiner, &frame, (size_t)(at - frame.plain.data)));
    ok(audit_link(audit, &frame));
    ok(audit_end(audit));
    ok(audit_finish(audit));
    f.counts = *audit_counts(audit);
    assert_int_equal(f.counts.signed_heads, 1);
}

static void is_whole(void) {
    audit_log();
    if (f.n_found > 0)
        fail_msg("%s: %s instead of %s", f.first.what, f.first.is, f.first.should);
}

static void is_broken(uint64_t position, const char *what) {
    audit_log();
    if (f.n_found == 0)
        fail_msg("the log was found whole, and not: %s", what);
    assert_string_equal(f.first.what, what);
    assert_int_equal(f.first.position, position);
}

// ---- made up ------------------------------------------------------------------------------------------------------

// What the agency signed, and entries that are accepted and its own.
static Segment forge(size_t n_signed, size_t n) {
    static uint8_t texts[EVENTS][4] = {"one", "two", "3rd"};
    ProtobufCBinaryData events[EVENTS];
    CLEANUP(verifier_destroy) Verifier *verifier = NULL;
    for (size_t i = 0; i < EVENTS; i++)
        events[i] = (ProtobufCBinaryData){sizeof texts[i], texts[i]};
    const BatchSeal seal = {f.made.stream, 3, events, n_signed, f.made.key_id, f.made.signer, clock_system(),
                            f.made.merkle};
    bytes_clear(&f.sealed);
    ok(batch_seal(&seal, &f.sealed));
    ok(verifier_new(&verifier, f.made.keys.sign_public));
    arena_reset(f.made.arena);
    ok(batch_open(f.sealed.data, f.sealed.n, verifier, f.made.merkle, f.made.arena, &f.batch));
    for (size_t i = 0; i < n; i++) {
        dongbo__entry__init(&f.entries[i]);
        f.entries[i].kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
        f.entries[i].sequence = 3 + i;
        f.entries[i].domain = DONGBO__DOMAIN__HEALTH;
        f.entries[i].verdict = DONGBO__VERDICT__ACCEPTED;
        f.entries_at[i] = &f.entries[i];
        f.leaves[i] = f.batch.leaves + i * HASH_BYTES;
    }
    return (Segment){.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT,
                     .agency = LOG_CASE_AGENCY,
                     .stream = f.made.stream,
                     .first_sequence = 3,
                     .last_sequence = 3 + n_signed - 1,
                     .batch_root = f.batch.header->root.data,
                     .header = f.batch.header_bytes,
                     .signature = f.batch.signature.data,
                     .entries = f.entries_at,
                     .n_entries = n,
                     .leaves = f.leaves};
}

static void unreadable(size_t i) {
    dongbo__reason__init(&f.unreadable);
    f.unreadable.code = DONGBO__REASON_CODE__BATCH_UNREADABLE;
    f.reasons[0] = &f.unreadable;
    f.entries[i].verdict = DONGBO__VERDICT__REJECTED;
    f.entries[i].reasons = f.reasons;
    f.entries[i].n_reasons = 1;
    f.leaves[i] = NULL;
}

static void came_unread(void) {
    merkle_sha256(f.made.merkle, f.sealed.data, f.sealed.n, f.hash);
    f.entries[0].unread_batch = (ProtobufCBinaryData){HASH_BYTES, f.hash};
}

static void test_what_is_honest_is_whole(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    ok(log_case_segment(&f.made, &segment, &f.sealed));
    is_whole();
}

static void test_a_batch_that_cannot_be_read_is_whole(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    f.sealed.n -= 2; // cut on its way
    for (size_t i = 0; i < EVENTS; i++)
        unreadable(i);
    came_unread();
    ok(log_case_segment(&f.made, &segment, &f.sealed));
    is_whole();
}

// Its agency says no root over its events, so that the exchange has none to keep.
static void test_a_header_without_a_root(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    Dongbo__BatchHeader header = *f.batch.header;
    header.root = (ProtobufCBinaryData){0};
    uint8_t packed[1024];
    assert_true(dongbo__batch_header__get_packed_size(&header) <= sizeof packed);
    segment.header = (ProtobufCBinaryData){dongbo__batch_header__pack(&header, packed), packed};
    segment.batch_root = NULL;
    for (size_t i = 0; i < EVENTS; i++)
        unreadable(i);
    came_unread();
    ok(log_case_segment(&f.made, &segment, NULL));
    is_broken(4, "signature"); // of another header
}

// Under the signature of a batch that is said not to be readable.
static void test_events_beside_what_cannot_be_read(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    unreadable(0);
    came_unread();
    memset(f.forged, 0x77, sizeof f.forged);
    f.leaves[1] = f.leaves[2] = f.forged;
    ok(log_case_segment(&f.made, &segment, &f.sealed));
    is_broken(5, "batch that could not be read");
}

static void test_a_batch_that_nobody_signed(void **state) {
    begin(false);
    Segment segment = forge(EVENTS, EVENTS);
    segment.header = (ProtobufCBinaryData){0};
    segment.signature = NULL;
    ok(log_case_segment(&f.made, &segment, NULL));
    is_broken(4, "origin");
}

static void test_events_of_no_batch(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    segment.kind = DONGBO__ENTRY_KIND__ENTRY_DECISION;
    segment.header = (ProtobufCBinaryData){0};
    segment.signature = NULL;
    segment.batch_root = NULL;
    segment.first_sequence = segment.last_sequence = 0;
    ok(log_case_segment(&f.made, &segment, NULL));
    is_broken(4, "kind of an entry");
}

static void test_an_event_that_is_called_something_else(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    f.entries[0].kind = DONGBO__ENTRY_KIND__ENTRY_POLICY;
    f.entries[0].text = "agency MOH removed";
    ok(log_case_segment(&f.made, &segment, &f.sealed));
    is_broken(4, "kind of an entry");
}

static void test_sequences_that_change_places(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    f.entries[0].sequence = 4;
    f.entries[1].sequence = 3;
    ok(log_case_segment(&f.made, &segment, &f.sealed));
    is_broken(4, "sequence of an entry");
}

// A node of the batch's tree stands for the two events below it.
static void test_two_events_as_one(void **state) {
    begin(false);
    Segment segment = forge(2, 1);
    f.leaves[0] = f.batch.header->root.data;
    ok(log_case_segment(&f.made, &segment, NULL));
    is_broken(4, "number of entries");
}

// ---- keys and names -----------------------------------------------------------------------------------------------

// The key was given for heads, by itself, and is no agency's.
static void test_a_batch_that_the_exchange_signed(void **state) {
    begin(true);
    Signer *agencys = f.made.signer;
    char id[KEY_ID_TEXT_BYTES];
    memcpy(id, f.made.key_id, sizeof id);
    memcpy(f.made.key_id, f.made.exchange_id, sizeof id);
    f.made.signer = f.made.exchange_signer;
    memcpy(f.made.keys.sign_public, f.made.exchange.sign_public, KEY_BYTES);
    Segment segment = forge(EVENTS, EVENTS);
    f.made.signer = agencys;
    ok(log_case_segment(&f.made, &segment, &f.sealed));
    add_key(f.made.exchange.sign_public, "");
    is_broken(4, "key of a batch");
}

// Whose it is by the file is what it says; a key that is given for one agency is not for what nothing names.
static void test_an_agency_without_a_name(void **state) {
    begin(true);
    Segment segment = forge(EVENTS, EVENTS);
    segment.agency = LOG_CASE_AGENCY + 1;
    ok(log_case_segment(&f.made, &segment, &f.sealed));
    is_broken(4, "agency");
}

static void test_names_that_contradict_each_other(void **state) {
    CLEANUP(audit_notes_free) AuditNotes notes = {0};
    assert_int_equal(audit_notes_agency(&notes, 9, "VSS"), 0);
    assert_int_equal(audit_notes_agency(&notes, 7, "MOH"), 0);
    assert_int_equal(audit_notes_agency(&notes, 9, "VSS"), 0); // another file
    assert_int_equal(audit_notes_agency(&notes, 9, "MOET"), 2);
    assert_int_equal(audit_notes_agency(&notes, 8, "MOH"), 2);
    assert_string_equal(audit_notes_code(&notes, 7), "MOH");
    assert_string_equal(audit_notes_code(&notes, 9), "VSS");
    assert_null(audit_notes_code(&notes, 8));
}

// A year of a country's daily files, each with all names.
static void test_many_files_name_many_agencies(void **state) {
    CLEANUP(audit_notes_free) AuditNotes notes = {0};
    char code[16];
    for (int file = 0; file < 365; file++) {
        for (uint32_t agency = 1; agency <= 200; agency++) {
            snprintf(code, sizeof code, "A%" PRIu32, agency);
            assert_int_equal(audit_notes_agency(&notes, agency, code), 0);
        }
    }
    assert_int_equal(notes.n_agencies, 200);
}

// All that it may name, in an order in which each would be put before the others; processor time, whatever else runs.
static void test_an_export_names_as_many_agencies_as_it_may(void **state) {
    CLEANUP(audit_notes_free) AuditNotes notes = {0};
    char code[16];
    clock_t begun = clock();
    for (uint32_t agency = (uint32_t)AUDIT_AGENCIES_MAX; agency > 0; agency--) {
        snprintf(code, sizeof code, "A%06" PRIu32, agency);
        assert_int_equal(audit_notes_agency(&notes, agency, code), 0);
    }
    assert_true(clock() - begun < CLOCKS_PER_SEC);
    assert_int_equal(audit_notes_agency(&notes, (uint32_t)AUDIT_AGENCIES_MAX + 1, "ONE-MORE"), 1);
    assert_int_equal(audit_notes_agency(&notes, 5, "A000006"), 2);
    assert_string_equal(audit_notes_code(&notes, 1), "A000001");
}

// An older file knew of a later one; a newer file, that it was logged, and of one before it.
static void test_files_tell_of_erasures_in_any_order(void **state) {
    CLEANUP(audit_notes_free) AuditNotes notes = {0};
    assert_int_equal(audit_notes_erasure(&notes, 3000, 0), 0);
    assert_int_equal(audit_notes_erasure(&notes, 1500, 6000), 0);
    assert_int_equal(audit_notes_erasure(&notes, 3000, 5000), 0);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(audit_notes_erasure(&notes, 10 + i % 7, 20), 0);
    assert_true(notes.erasures_size <= 32);
    assert_int_equal(audit_notes_erased(&notes, 1500)->logged, 6000);
    assert_int_equal(audit_notes_erased(&notes, 3000)->logged, 5000);
    assert_int_equal(audit_notes_erased(&notes, 16)->logged, 20);
    assert_null(audit_notes_erased(&notes, 17));
}

// ---- files ---------------------------------------------------------------------------------------------------------

// Each record of five bytes takes many more to look at, and a frame of them is packed into next to nothing.
static void test_a_frame_of_very_many_records(void **state) {
    CLEANUP(bytes_free) Bytes plain = {0};
    CLEANUP(bytes_free) Bytes packed = {0};
    CLEANUP(audit_destroy) Audit *audit = NULL;
    LogAudit *log = NULL;
    char path[] = "/tmp/dongbo-audit-XXXXXX";
    int file = mkstemp(path);
    bytes_append_text(&plain, "dongbo log 1\n");
    size_t n = LOGFILE_FRAME_BYTES_GOAL + 5;
    memset(bytes_reserve(&plain, n), 0, n);
    plain.n += n;
    uint8_t *to = bytes_reserve(&packed, ZSTD_compressBound(plain.n));
    packed.n = ZSTD_compress(to, ZSTD_compressBound(plain.n), plain.data, plain.n, 1);
    assert_true(packed.n < 1000 && write(file, packed.data, packed.n) == (ssize_t)packed.n);
    ok(audit_new(&audit, &f.keys, tell, NULL));
    ok(log_audit_new(&log, &(LogAuditOptions){.audit = audit, .keys = &f.keys, .threads = 1}));
    assert_int_equal(log_audit_file(log, path), 1);
    assert_non_null(strstr(error_text(), "a frame that is longer than any of an export"));
    log_audit_destroy(&log);
    close(file);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_what_is_honest_is_whole, tear_down),
        cmocka_unit_test_teardown(test_a_batch_that_cannot_be_read_is_whole, tear_down),
        cmocka_unit_test_teardown(test_a_header_without_a_root, tear_down),
        cmocka_unit_test_teardown(test_events_beside_what_cannot_be_read, tear_down),
        cmocka_unit_test_teardown(test_a_batch_that_nobody_signed, tear_down),
        cmocka_unit_test_teardown(test_events_of_no_batch, tear_down),
        cmocka_unit_test_teardown(test_an_event_that_is_called_something_else, tear_down),
        cmocka_unit_test_teardown(test_sequences_that_change_places, tear_down),
        cmocka_unit_test_teardown(test_two_events_as_one, tear_down),
        cmocka_unit_test_teardown(test_a_batch_that_the_exchange_signed, tear_down),
        cmocka_unit_test_teardown(test_an_agency_without_a_name, tear_down),
        cmocka_unit_test(test_names_that_contradict_each_other),
        cmocka_unit_test(test_many_files_name_many_agencies),
        cmocka_unit_test(test_an_export_names_as_many_agencies_as_it_may),
        cmocka_unit_test(test_a_frame_of_very_many_records),
        cmocka_unit_test(test_files_tell_of_erasures_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
