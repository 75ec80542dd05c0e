// SPDX-License-Identifier: Apache-2.0
//
// A log that is whole is found whole, and whatever is changed in it is found, where it was changed: each byte of each
// record, segments dropped, swapped, repeated, a log that somebody chained anew.
#include "broker/audit.h"
#include "log.pb-c.h"
#include "proto/base/error.h"
#include "tests/unit/log-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RECORDS_MAX 32
#define EVENTS 7 // of the first batch; the seventh has a reason
#define LAST_POSITION (EVENTS + 4)

typedef struct Log { // its records, as they may be changed
    Bytes records[RECORDS_MAX];
    LogfileType types[RECORDS_MAX];
    size_t n;
    AuditKeys keys;
    AuditExaminer *examiner; // one for all of its changes: it takes room for the largest segment
} Log;

typedef struct Found {
    AuditFinding first;
    int n, following;
    int result; // 1: it cannot be read
    uint64_t proven;
    AuditCounts counts;
} Found;

static const Bytes *expected_head; // known from elsewhere; NULL: none is
static bool is_cut;                // what could be read is looked at all the same
static const char *made_order;     // of a tombstone at the end; NULL: there is none
static Log whole, masked;          // with payloads, and as a reader exports it

static void ok(int r) {
    if (r < 0)
        fail_msg("%s", error_text());
    assert_int_equal(r, 0);
}

// ---- a log --------------------------------------------------------------------------------------------------------

static void read_records(Log *log, const uint8_t *frame, size_t n) {
    CLEANUP(bytes_free) Bytes plain = {0};
    LogfileRecord record;
    ok(logfile_unpack(frame, n, &plain));
    const uint8_t *at = plain.data, *end = at + plain.n;
    ok(logfile_magic(&at, end));
    while (logfile_record(&at, end, &record) == 0) {
        assert_true(log->n < RECORDS_MAX);
        log->types[log->n] = record.type;
        bytes_append(&log->records[log->n++], record.body, record.n);
    }
}

// An epoch, a batch, a note, a batch, an epoch: positions 1, 2 to 8, 9, 10, 11.
static void make_log(Log *log, bool payloads) {
    LogCase made;
    char *data = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&data, &n);
    ok(log_case_begin(&made, file, payloads));
    ok(log_case_new_epoch(&made));
    ok(log_case_batch(&made, EVENTS));
    ok(log_case_head(&made));
    ok(log_case_note(&made, DONGBO__ENTRY_KIND__ENTRY_POLICY, "agency MOH added"));
    ok(log_case_batch(&made, 1));
    ok(log_case_new_epoch(&made));
    ok(log_case_head(&made));
    if (made_order)
        ok(log_case_note(&made, DONGBO__ENTRY_KIND__ENTRY_ERASURE, made_order));
    ok(log_case_put_end(&made));
    fclose(file);
    read_records(log, (uint8_t *)data, n);
    log->keys.n = 2;
    memcpy(log->keys.list[1].key, made.exchange.sign_public, KEY_BYTES);
    memcpy(log->keys.list[1].id, made.exchange_id, sizeof made.exchange_id);
    memcpy(log->keys.list[0].key, made.keys.sign_public, KEY_BYTES);
    memcpy(log->keys.list[0].id, made.key_id, sizeof made.key_id);
    log_case_free(&made);
    free(data);
}

static void log_free(Log *log) {
    for (size_t i = 0; i < log->n; i++)
        bytes_free(&log->records[i]);
    audit_examiner_destroy(&log->examiner);
    log->n = 0;
}

static void log_copy(Log *to, const Log *from) {
    *to = (Log){.n = from->n, .keys = from->keys};
    memcpy(to->types, from->types, sizeof to->types);
    for (size_t i = 0; i < from->n; i++)
        bytes_append(&to->records[i], from->records[i].data, from->records[i].n);
}

static void tell(void *to, const AuditFinding *finding) {
    Found *found = to;
    if (found->n++ == 0)
        found->first = *finding;
    found->following += finding->follows;
}

static Found audit_log(Log *log) {
    CLEANUP(audit_destroy) Audit *audit = NULL;
    CLEANUP(audit_frame_free) AuditFrame frame = {0};
    Found found = {0};
    for (size_t i = 0; i < log->n; i++) {
        bytes_append_u8(&frame.plain, (uint8_t)log->types[i]);
        bytes_append_u32(&frame.plain, (uint32_t)log->records[i].n);
        bytes_append(&frame.plain, log->records[i].data, log->records[i].n);
    }
    ok(audit_new(&audit, &log->keys, tell, &found));
    if (expected_head)
        ok(audit_expect(audit, expected_head->data, expected_head->n));
    if (log->examiner == NULL)
        ok(audit_examiner_new(&log->examiner, &log->keys));
    found.result = audit_examine(log->examiner, &frame, 0);
    if (found.result == 0)
        found.result = audit_link(audit, &frame);
    if (found.result == 0)
        found.result = audit_end(audit);
    if (found.result == 0 || is_cut)
        ok(audit_finish(audit));
    found.counts = *audit_counts(audit);
    assert_true(found.result >= 0);
    found.proven = audit_state(audit).proven_position;
    return found;
}

static size_t nth(const Log *log, LogfileType type, int n) {
    for (size_t i = 0; i < log->n; i++)
        if (log->types[i] == type && n-- == 0)
            return i;
    fail_msg("no record %d of type %d", n, type);
    return 0;
}

static int setup(void **state) {
    make_log(&whole, true);
    make_log(&masked, false);
    return 0;
}

static int teardown(void **state) {
    log_free(&whole);
    log_free(&masked);
    return 0;
}

// ---- what is whole ------------------------------------------------------------------------------------------------

static void test_whole(void **state) {
    Log *logs[] = {&whole, &masked};
    for (int i = 0; i < 2; i++) {
        Found found = audit_log(logs[i]);
        if (found.n > 0)
            fail_msg("%s: %s instead of %s", found.first.what, found.first.is, found.first.should);
        assert_int_equal(found.result, 0);
        assert_int_equal(logs[i]->keys.list[0].signatures, 2); // batches
        assert_int_equal(logs[i]->keys.list[1].signatures, 2); // heads
    }
}

// ---- what was changed ---------------------------------------------------------------------------------------------

// Every byte of what is proven, and each bit of some.
static void flip_all(const Log *from, LogfileType type) {
    Log log;
    log_copy(&log, from);
    for (size_t i = 0; i < log.n; i++) {
        for (size_t j = 0; log.types[i] == type && j < log.records[i].n; j++) {
            uint8_t *at = &log.records[i].data[j], was = *at;
            *at ^= (uint8_t)(1u << (j % 8));
            log.keys.list[1].signatures = 0;
            Found found = audit_log(&log);
            *at = was;
            // Of a head by a key that nobody knows nothing follows.
            if (found.n == 0 && found.result == 0 && log.keys.list[1].signatures == 2)
                fail_msg("byte %zu of record %zu (%02x to %02x) was changed and not missed", j, i, was,
                         was ^ 1u << (j % 8));
        }
    }
    log_free(&log);
}

static void test_no_byte_can_be_changed(void **state) {
    flip_all(&whole, LOGFILE_SEGMENT);
    flip_all(&whole, LOGFILE_PAYLOAD);
    flip_all(&whole, LOGFILE_BATCH);
    flip_all(&whole, LOGFILE_HEAD);
}

// One record's message, changed and packed anew.
typedef void (*Change)(void *message);
static void change(Log *log, size_t i, const ProtobufCMessageDescriptor *descriptor, Change how) {
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, log->records[i].n, log->records[i].data);
    assert_non_null(message);
    how(message);
    bytes_clear(&log->records[i]);
    bytes_append_message(&log->records[i], message);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void one_before(void *m) {
    ((Dongbo__LogSegment *)m)->first_position--;
}
static void one_behind(void *m) {
    ((Dongbo__LogSegment *)m)->last_position++;
}
static void other_epoch(void *m) {
    ((Dongbo__LogSegment *)m)->epoch++;
}
static void older_epoch(void *m) {
    ((Dongbo__LogSegment *)m)->epoch--;
}
static void other_kind(void *m) {
    ((Dongbo__LogSegment *)m)->kind = DONGBO__ENTRY_KIND__ENTRY_DECISION;
}
static void other_agency(void *m) {
    ((Dongbo__LogSegment *)m)->agency++;
}
static void other_stream(void *m) {
    ((Dongbo__LogSegment *)m)->stream.data[3] ^= 1;
}
static void other_first(void *m) {
    ((Dongbo__LogSegment *)m)->first_sequence++;
}
static void other_last(void *m) {
    ((Dongbo__LogSegment *)m)->last_sequence++;
}
static void other_root(void *m) {
    ((Dongbo__LogSegment *)m)->batch_root.data[9] ^= 1;
}
static void later(void *m) {
    ((Dongbo__LogSegment *)m)->stored_at_us++;
}
static void earlier(void *m) {
    ((Dongbo__LogSegment *)m)->stored_at_us -= 1000000;
}
static void other_population(void *m) {
    ((Dongbo__LogSegment *)m)->population_position++;
}
static void other_index(void *m) {
    ((Dongbo__LogSegment *)m)->leaf_index++;
}
static void other_hash(void *m) {
    ((Dongbo__LogSegment *)m)->hash.data[0] ^= 1;
}
static void other_frontier(void *m) {
    ((Dongbo__LogSegment *)m)->frontier.data[0] ^= 1;
}

static void test_fields_of_a_segment(void **state) {
    static const struct {
        Change how;
        const char *what; // is found first
    } CASES[] = {{one_before, "position"},
                 {one_behind, "hash"},
                 {other_epoch, "epoch"},
                 {older_epoch, "epoch"},
                 {other_kind, "hash"},
                 {other_agency, "hash"},
                 {other_stream, "hash"},
                 {other_first, "hash"},
                 {other_last, "hash"},
                 {other_root, "hash"},
                 {later, "hash"},
                 {earlier, "time"},
                 {other_population, "hash"},
                 {other_index, "number in the tree"},
                 {other_hash, "hash"},
                 {other_frontier, "frontier"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Log log;
        log_copy(&log, &whole);
        change(&log, nth(&log, LOGFILE_SEGMENT, 1), &dongbo__log_segment__descriptor, CASES[i].how);
        Found found = audit_log(&log);
        if (found.n == 0 || strcmp(found.first.what, CASES[i].what) != 0)
            fail_msg("case %zu: \"%s\" was found and not \"%s\"", i, found.n ? found.first.what : "nothing",
                     CASES[i].what);
        assert_true(found.first.position == 2 || CASES[i].how == one_before);
        log_free(&log);
    }
}

static void other_salt(void *m) {
    ((Dongbo__SealedBatch *)m)->salts.data[2 * SALT_BYTES] ^= 1;
}
static void other_event(void *m) {
    ((Dongbo__SealedBatch *)m)->events[3].data[20] ^= 1;
}
static void other_signature(void *m) {
    ((Dongbo__SealedBatch *)m)->signature.data[7] ^= 1;
}
static void no_event(void *m) {
    Dongbo__SealedBatch *batch = m;
    free(batch->events[--batch->n_events].data);
}

static void test_fields_of_a_batch(void **state) {
    static const struct {
        Change how;
        uint64_t position;
        const char *what;
    } CASES[] = {{other_salt, 4, "event"},
                 {other_event, 5, "event"},
                 {other_signature, 2, "hash"}, // for the leaf commits to it
                 {no_event, 2, "number of events in the batch"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Log log;
        log_copy(&log, &whole);
        change(&log, nth(&log, LOGFILE_BATCH, 0), &dongbo__sealed_batch__descriptor, CASES[i].how);
        Found found = audit_log(&log);
        assert_true(found.n > 0);
        assert_string_equal(found.first.what, CASES[i].what);
        assert_int_equal(found.first.position, CASES[i].position);
        log_free(&log);
    }
}

static void other_words(void *m) {
    ((Dongbo__SegmentPayload *)m)->entries[0]->agency++;
}

static void test_an_entry(void **state) {
    Log log;
    log_copy(&log, &whole);
    change(&log, nth(&log, LOGFILE_PAYLOAD, 1), &dongbo__segment_payload__descriptor, other_words);
    Found found = audit_log(&log);
    assert_int_equal(found.n, 1);
    assert_string_equal(found.first.what, "entry");
    assert_int_equal(found.first.position, 2);
    assert_int_equal(strlen(found.first.is), 2 * HASH_BYTES);
    assert_int_equal(strlen(found.first.should), 2 * HASH_BYTES);
    log_free(&log);
}

// ---- segments as a whole ------------------------------------------------------------------------------------------

static void swap(Log *log, size_t a, size_t b) {
    Bytes record = log->records[a];
    LogfileType type = log->types[a];
    log->records[a] = log->records[b];
    log->types[a] = log->types[b];
    log->records[b] = record;
    log->types[b] = type;
}

static void take_out(Log *log, size_t i, size_t n) {
    for (size_t j = i; j < i + n; j++)
        bytes_free(&log->records[j]);
    for (size_t j = i; j + n < log->n; j++) {
        log->records[j] = log->records[j + n];
        log->types[j] = log->types[j + n];
    }
    log->n -= n;
}

static void expect(Log *log, uint64_t position, const char *what, const char *is, const char *should) {
    Found found = audit_log(log);
    assert_true(found.n > 0);
    assert_int_equal(found.first.position, position);
    assert_string_equal(found.first.what, what);
    assert_string_equal(found.first.is, is);
    assert_string_equal(found.first.should, should);
    log_free(log);
}

// They would tell first.
static void copy_without_heads(Log *to) {
    log_copy(to, &masked);
    take_out(to, nth(to, LOGFILE_HEAD, 0), 1);
    take_out(to, nth(to, LOGFILE_HEAD, 0), 1);
}

static void test_segments_dropped_swapped_and_repeated(void **state) {
    Log log;
    copy_without_heads(&log);
    take_out(&log, nth(&log, LOGFILE_SEGMENT, 1), 1);
    expect(&log, EVENTS + 2, "position", "9", "2");

    copy_without_heads(&log);
    take_out(&log, nth(&log, LOGFILE_SEGMENT, 4), 1);
    expect(&log, LAST_POSITION - 1, "number of segments in the file", "4", "5");

    copy_without_heads(&log);
    swap(&log, nth(&log, LOGFILE_SEGMENT, 2), nth(&log, LOGFILE_SEGMENT, 3));
    expect(&log, EVENTS + 3, "position", "10", "9");

    copy_without_heads(&log);
    size_t at = nth(&log, LOGFILE_SEGMENT, 3);
    Bytes *end = &log.records[log.n - 1], *again = &log.records[log.n++];
    *again = *end;
    log.types[log.n - 1] = LOGFILE_END;
    *end = (Bytes){0};
    bytes_append(end, log.records[at].data, log.records[at].n);
    log.types[log.n - 2] = LOGFILE_SEGMENT;
    expect(&log, EVENTS + 3, "position", "10", "12");
}

static void test_what_is_cut_cannot_be_read(void **state) {
    for (size_t n = 0; n < masked.n; n++) {
        Log log;
        log_copy(&log, &masked);
        take_out(&log, n, log.n - n);
        Found found = audit_log(&log);
        assert_int_equal(found.result, 1);
        assert_int_equal(found.n, 0);
        log_free(&log);
    }
}

// ---- keys ---------------------------------------------------------------------------------------------------------

static void test_keys(void **state) {
    Log log;
    log_copy(&log, &whole);
    log.keys.n = 0;
    assert_int_equal(audit_log(&log).n, 0);
    log_free(&log);
    log_copy(&log, &whole);
    snprintf(log.keys.list[0].who, sizeof log.keys.list[0].who, "MOET");
    Found found = audit_log(&log);
    assert_int_equal(found.n, 2); // one a batch
    assert_string_equal(found.first.what, "agency");
    assert_string_equal(found.first.is, LOG_CASE_CODE);
    snprintf(log.keys.list[0].who, sizeof log.keys.list[0].who, LOG_CASE_CODE);
    assert_int_equal(audit_log(&log).n, 0);
    log_free(&log);
    log_copy(&log, &whole);
    log.keys.list[0].who[0] = 0;
    memcpy(log.keys.list[0].key, log.keys.list[0].id, KEY_ID_TEXT_BYTES); // another key of the same id
    found = audit_log(&log);
    assert_int_equal(found.n, 2);
    assert_string_equal(found.first.what, "signature");
    log_free(&log);
}

// ---- what was let go ----------------------------------------------------------------------------------------------

static void put_trim(Log *log, uint64_t position, uint64_t logged) {
    Dongbo__LogTrim trim = DONGBO__LOG_TRIM__INIT;
    trim.position = position;
    trim.logged_position = logged;
    for (size_t i = log->n++; i > 1; i--) {
        log->records[i] = log->records[i - 1];
        log->types[i] = log->types[i - 1];
    }
    log->records[1] = (Bytes){0};
    log->types[1] = LOGFILE_TRIM;
    bytes_append_message(&log->records[1], &trim.base);
}

static void test_a_payload_is_missing(void **state) {
    Log log;
    log_copy(&log, &whole);
    take_out(&log, nth(&log, LOGFILE_PAYLOAD, 1), 2); // and the batch
    Found found = audit_log(&log);
    assert_int_equal(found.n, 1);
    assert_string_equal(found.first.what, "payload");
    assert_int_equal(found.first.position, 2);
    log_free(&log);
    log_copy(&log, &whole);
    take_out(&log, nth(&log, LOGFILE_BATCH, 0), 1);
    found = audit_log(&log);
    assert_int_equal(found.n, 1);
    assert_string_equal(found.first.what, "batch");
    put_trim(&log, EVENTS + 1, 0); // nowhere in the log yet
    found = audit_log(&log);
    assert_int_equal(found.n, 0);
    assert_int_equal(found.counts.not_logged, 1);
    assert_int_equal(found.counts.trim_not_logged, EVENTS + 1);
    put_trim(&log, EVENTS + 1, LAST_POSITION); // as the next file says: it is there by now
    assert_int_equal(audit_log(&log).n, 1);
    take_out(&log, 1, 2);
    put_trim(&log, EVENTS, 0); // not all of it
    assert_int_equal(audit_log(&log).n, 1);
    take_out(&log, 1, 1);
    put_trim(&log, EVENTS + 1, EVENTS + 2); // the entry there says something else
    expect(&log, EVENTS + 2, "position up to which the log's entries say that it was trimmed", "0", "8");
}

static void end_of_before(void *m) {
    ((Dongbo__LogEnd *)m)->log_last_position = 0; // does not say
}
static void end_of_a_part(void *m) {
    ((Dongbo__LogEnd *)m)->log_last_position = LAST_POSITION + 5;
}

static void expect_counts(const Log *log, Change how, int n, uint64_t later, uint64_t not_logged) {
    Log changed;
    log_copy(&changed, log);
    if (how)
        change(&changed, nth(&changed, LOGFILE_END, 0), &dongbo__log_end__descriptor, how);
    Found found = audit_log(&changed);
    assert_int_equal(found.n, n);
    assert_int_equal(found.counts.later, later);
    assert_int_equal(found.counts.not_logged, not_logged);
    log_free(&changed);
}

// Whoever has the database may write there where the log says so: behind its end it cannot.
static void test_a_trim_is_said_behind_the_end(void **state) {
    Log log;
    log_copy(&log, &whole);
    take_out(&log, nth(&log, LOGFILE_BATCH, 0), 1);
    put_trim(&log, EVENTS + 1, LAST_POSITION + 1);
    expect_counts(&log, NULL, 1, 0, 0);
    expect_counts(&log, end_of_before, 0, 1, 0);
    expect_counts(&log, end_of_a_part, 0, 1, 0);
    expect(&log, EVENTS + 1, "place of the entry that says it was let go", "12", "at most 11, where the log ended");
}

// ---- signed heads -------------------------------------------------------------------------------------------------

// Whoever has the database and every key of it but the exchange's: the same log, with other salts and verdicts.
static void test_a_log_that_was_chained_anew(void **state) {
    Log forged = {0};
    make_log(&forged, true);
    forged.keys.list[1] = whole.keys.list[1];
    assert_int_equal(audit_log(&forged).n, 0); // its heads are by a key that was not given
    for (int i = 0; i < 2; i++) {
        Bytes *head = &forged.records[nth(&forged, LOGFILE_HEAD, i)];
        const Bytes *real = &whole.records[nth(&whole, LOGFILE_HEAD, i)];
        bytes_clear(head);
        bytes_append(head, real->data, real->n);
    }
    Found found = audit_log(&forged);
    assert_string_equal(found.first.what, "root, as a head was signed");
    assert_int_equal(found.first.position, EVENTS + 1); // the first that covers what is not so
    assert_int_equal(found.proven, 0);                  // by heads that say otherwise
    assert_int_equal(found.following, 2);               // root and hash of the second head
    take_out(&forged, nth(&forged, LOGFILE_HEAD, 0), 1);
    take_out(&forged, nth(&forged, LOGFILE_HEAD, 0), 1);
    assert_int_equal(audit_log(&forged).n, 0);                        // what nobody signed is consistent with itself
    const Bytes *kept = &whole.records[nth(&whole, LOGFILE_HEAD, 1)]; // but somebody else has a head of then
    expected_head = kept;
    found = audit_log(&forged);
    expected_head = NULL;
    assert_string_equal(found.first.what, "root, as a head was signed");
    log_free(&forged);
}

// One changed row is off in the tree of each segment behind it, and in each head's.
static void test_what_follows_from_a_break(void **state) {
    Log log;
    assert_int_equal(audit_log(&whole).proven, LAST_POSITION);
    log_copy(&log, &whole);
    change(&log, nth(&log, LOGFILE_SEGMENT, 1), &dongbo__log_segment__descriptor, later);
    Found found = audit_log(&log);
    assert_int_equal(found.n, 2 + 5); // its hash and frontier; three segments and two heads
    assert_int_equal(found.following, 5);
    assert_int_equal(found.proven, 0);
    change(&log, nth(&log, LOGFILE_SEGMENT, 3), &dongbo__log_segment__descriptor, later);
    found = audit_log(&log);
    assert_int_equal(found.n - found.following, 3); // that one's hash is its own
    log_free(&log);
}

static void test_heads_follow_each_other(void **state) {
    Log log;
    log_copy(&log, &whole);
    take_out(&log, nth(&log, LOGFILE_HEAD, 0), 1);
    assert_int_equal(audit_log(&log).n, 0); // a part may begin with any
    log_free(&log);
    log_copy(&log, &whole);
    swap(&log, nth(&log, LOGFILE_HEAD, 0), nth(&log, LOGFILE_HEAD, 1));
    Found found = audit_log(&log);
    assert_string_equal(found.first.what, "size of a head");
    log_free(&log);
}

static void erase_third(void *m) {
    Dongbo__SegmentPayload *payload = m;
    dongbo__entry__free_unpacked(payload->entries[2], NULL);
    payload->entries[2] = malloc(sizeof **payload->entries);
    dongbo__entry__init(payload->entries[2]);
    memset(payload->salts.data + 2 * SALT_BYTES, 0, SALT_BYTES);
}
static void erase_third_event(void *m) {
    Dongbo__SealedBatch *batch = m;
    batch->events[2].len = 0;
    memset(batch->salts.data + 2 * SALT_BYTES, 0, SALT_BYTES);
}

// Position 4, first its event, then its entry, too.
static void test_an_entry_is_erased(void **state) {
    Log log;
    log_copy(&log, &whole);
    change(&log, nth(&log, LOGFILE_BATCH, 0), &dongbo__sealed_batch__descriptor, erase_third_event);
    for (int i = 0; i < 2; i++) {
        Found found = audit_log(&log);
        assert_int_equal(found.n, 1);
        assert_string_equal(found.first.what, "entry");
        assert_string_equal(found.first.is, "erased");
        assert_int_equal(found.first.position, 4);
        change(&log, nth(&log, LOGFILE_PAYLOAD, 1), &dongbo__segment_payload__descriptor, erase_third);
    }
    log_free(&log);
}

static void test_an_entry_is_erased_by_order(void **state) {
    Log log = {0};
    made_order = "erased position 4: Law 91/2025";
    make_log(&log, true);
    change(&log, nth(&log, LOGFILE_BATCH, 0), &dongbo__sealed_batch__descriptor, erase_third_event);
    change(&log, nth(&log, LOGFILE_PAYLOAD, 1), &dongbo__segment_payload__descriptor, erase_third);
    Found found = audit_log(&log);
    assert_int_equal(found.n, 1); // the tombstone made here says no leaf
    assert_string_equal(found.first.what, "leaf of the tombstone");
    assert_int_equal(found.first.position, LAST_POSITION + 1);
    log_free(&log);
    log = (Log){0};
    made_order = "erased position 5: Law 91/2025"; // of another entry
    make_log(&log, true);
    change(&log, nth(&log, LOGFILE_BATCH, 0), &dongbo__sealed_batch__descriptor, erase_third_event);
    expect(&log, 4, "entry", "erased", "there, for no tombstone says by whose order");
    made_order = NULL;
}

static void put_erasure(Log *log, uint64_t position, uint64_t logged) {
    Dongbo__LogErasure erasure = DONGBO__LOG_ERASURE__INIT;
    erasure.position = position;
    erasure.logged_position = logged;
    put_trim(log, 0, 0);
    log->types[1] = LOGFILE_ERASURE;
    bytes_clear(&log->records[1]);
    bytes_append_message(&log->records[1], &erasure.base);
}

// Which claim comes to what: test-audit_notes.c.
static void test_a_tombstone_is_said_behind_the_end(void **state) {
    Log log;
    log_copy(&log, &whole);
    change(&log, nth(&log, LOGFILE_BATCH, 0), &dongbo__sealed_batch__descriptor, erase_third_event);
    put_erasure(&log, 4, LAST_POSITION + 1);
    expect_counts(&log, end_of_a_part, 0, 1, 0);
    expect(&log, 4, "place of the entry that says it was let go", "12", "at most 11, where the log ended");
}

// What is behind a cut may hold any of them.
static void test_a_tombstone_is_behind_a_cut(void **state) {
    Log log;
    log_copy(&log, &whole);
    change(&log, nth(&log, LOGFILE_BATCH, 0), &dongbo__sealed_batch__descriptor, erase_third_event);
    put_erasure(&log, 4, LAST_POSITION);
    take_out(&log, nth(&log, LOGFILE_SEGMENT, 4), log.n - nth(&log, LOGFILE_SEGMENT, 4));
    is_cut = true;
    Found found = audit_log(&log);
    is_cut = false;
    assert_int_equal(found.result, 1);
    assert_int_equal(found.n, 0);
    assert_int_equal(found.counts.later, 1);
    log_free(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_no_byte_can_be_changed),
        cmocka_unit_test(test_fields_of_a_segment),
        cmocka_unit_test(test_fields_of_a_batch),
        cmocka_unit_test(test_an_entry),
        cmocka_unit_test(test_segments_dropped_swapped_and_repeated),
        cmocka_unit_test(test_what_is_cut_cannot_be_read),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_payload_is_missing),
        cmocka_unit_test(test_a_log_that_was_chained_anew),
        cmocka_unit_test(test_what_follows_from_a_break),
        cmocka_unit_test(test_heads_follow_each_other),
        cmocka_unit_test(test_a_trim_is_said_behind_the_end),
        cmocka_unit_test(test_an_entry_is_erased),
        cmocka_unit_test(test_a_tombstone_is_said_behind_the_end),
        cmocka_unit_test(test_a_tombstone_is_behind_a_cut),
        cmocka_unit_test(test_an_entry_is_erased_by_order),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
