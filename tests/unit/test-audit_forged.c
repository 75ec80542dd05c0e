// SPDX-License-Identifier: Apache-2.0
//
// Logs that an exchange made up itself, chained and signed as any: what it has no agency's word for is found, whatever
// it is called. Whoever has the broker's machine can write such a log; nobody who verifies it is to take it for whole.
#include "broker/audit.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "tests/unit/log-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_what_is_honest_is_whole, tear_down),
        cmocka_unit_test_teardown(test_a_batch_that_cannot_be_read_is_whole, tear_down),
        cmocka_unit_test_teardown(test_events_beside_what_cannot_be_read, tear_down),
        cmocka_unit_test_teardown(test_a_batch_that_nobody_signed, tear_down),
        cmocka_unit_test_teardown(test_events_of_no_batch, tear_down),
        cmocka_unit_test_teardown(test_an_event_that_is_called_something_else, tear_down),
        cmocka_unit_test_teardown(test_sequences_that_change_places, tear_down),
        cmocka_unit_test_teardown(test_two_events_as_one, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
