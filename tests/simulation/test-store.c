// SPDX-License-Identifier: Apache-2.0
//
// What the simulation's database must do as PostgreSQL does: interleavings of two and three sessions, statement by
// statement, by the functions that the brokers call. Run against both.
#include "store-actor.h"

#include "broker/epoch.h"
#include "broker/feed_store.h"
#include "broker/greeting.h"
#include "broker/lookup.h"
#include "broker/store.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t STREAM[STREAM_BYTES] = "a stream of ours";
static Actor *a, *b, *c;

static int begin(void **state) {
    actors_begin();
    a = actor_new("a");
    b = actor_new("b");
    c = actor_new("c");
    return 0;
}

static int end(void **state) {
    actors_end();
    return 0;
}

// ---- steps ---------------------------------------------------------------------------------------------------------

static int64_t a_date(void *self) {
    return 1767225600000000; // 2026-01-01
}

static int lock(Pg *pg, void *argument) {
    return store_begin(pg);
}

static int commit(Pg *pg, void *argument) {
    return store_commit(pg);
}

static int rollback(Pg *pg, void *argument) {
    return pg_command(pg, "ROLLBACK");
}

static int command(Pg *pg, void *argument) {
    return pg_command(pg, argument);
}

static int head(Pg *pg, void *argument) {
    return store_head(pg, argument);
}

typedef struct Range {
    uint64_t first, last, first_sequence;
} Range;

// A batch's segment at these positions, its sequences from first_sequence on.
static int append(Pg *pg, void *argument) {
    const Range *range = argument;
    static const uint8_t ROOT[HASH_BYTES] = {7};
    SegmentHead after = {.epoch = 1, .last_position = range->last, .leaf_index = 1, .hash = {(uint8_t)range->last}};
    uint8_t node[HASH_BYTES] = {1};
    if (frontier_read(&after.frontier, 1, node, sizeof node) != 0)
        return ERROR_SYSTEM;
    SegmentPack packed = {0};
    bytes_append(&packed.summary, "summary", 7);
    bytes_append(&packed.payload, "payload", 7);
    Segment segment = {.first_position = range->first,
                       .last_position = range->last,
                       .epoch = 1,
                       .kind = DONGBO__ENTRY_KIND__ENTRY_EVENT,
                       .agency = 1,
                       .stream = STREAM,
                       .first_sequence = range->first_sequence,
                       .last_sequence = range->first_sequence + range->last - range->first,
                       .batch_root = ROOT};
    int r = store_segment(pg, &segment, &after, &(SegmentBytes){.packed = &packed});
    segment_pack_free(&packed);
    return r == 0 ? pg_flush(pg) : r;
}

static int find_batch(Pg *pg, void *argument) {
    Arena *arena = NULL;
    StoredBatch found;
    const Range *range = argument;
    int r = arena_new(&arena, 1024 * 1024);
    if (r == 0)
        r = store_find_batch(pg, STREAM, range->first_sequence, arena, &found);
    arena_destroy(&arena);
    // Its payload is none that decodes: whether it is there is what is asked.
    return r < 0 && strstr(error_text(), "does not decode") != NULL ? 0 : r;
}

static int lock_stream(Pg *pg, void *argument) {
    static const Work KEYLESS;
    StreamRow *row = argument;
    row->batch = &KEYLESS;
    memcpy(row->stream, STREAM, STREAM_BYTES);
    return store_streams(pg, row, 1);
}

static int move_stream(Pg *pg, void *argument) {
    StreamRow *row = argument;
    int r = store_advance(pg, row, 1);
    return r == 0 ? pg_flush(pg) : r;
}

typedef struct Greeted {
    uint32_t agency, session_epoch;
    uint64_t last_sequence;
    bool opened;
} Greeted;

// A Hello, by the statement that the greeter runs.
static int greet(Pg *pg, void *argument) {
    Greeted *greeted = argument;
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_bytes(&params, STREAM, STREAM_BYTES);
    pg_param_i32(&params, (int32_t)greeted->agency);
    pg_param_text(&params, "agent");
    pg_param_text(&params, "live");
    pg_param_null(&params);
    pg_param_i64(&params, INT64_MAX / 2);
    pg_param_i32(&params, STREAMS_PER_DAY_MAX);
    int r = pg_run(pg, &GREETING_OPEN, &params, &rows);
    pg_params_free(&params);
    greeted->opened = r == 0 && PQntuples(rows) == 1;
    if (greeted->opened) {
        greeted->session_epoch = (uint32_t)pg_i32(rows, 0, 0);
        greeted->last_sequence = (uint64_t)pg_i64(rows, 0, 1);
    }
    PQclear(rows);
    return r;
}

static int copy_version(Pg *pg, void *argument) {
    Bytes rows = {0}, none = {0};
    copy_row(&rows, 6);
    copy_i64(&rows, 1);
    copy_i16(&rows, 2);
    copy_bytes(&rows, "key", 3);
    copy_i64(&rows, *(int64_t *)argument);
    copy_bool(&rows, false);
    copy_bytes(&rows, "record", 6);
    int r = store_rows(pg, &rows, &none);
    bytes_free(&rows);
    return r;
}

// How many versions the session sees, by what a look-up of the current one gives: its bytes, or none.
static int count_versions(Pg *pg, void *argument) {
    static const Oid types[] = {1016, 1005, 1009};
    static const PgStatement statement = {
        "standing-versions",
        "SELECT n.i, v.record FROM unnest($1::bigint[], $2::smallint[], $3::text[]) WITH ORDINALITY "
        "AS n(person, domain, record_key, i) JOIN exchange.record_version v ON v.person = n.person "
        "AND v.domain = n.domain AND v.record_key = n.record_key",
        3, types};
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_array_begin(&params, 20, 1);
    pg_array_i64(&params, 1);
    pg_param_array_begin(&params, 21, 1);
    pg_array_i16(&params, 2);
    pg_param_array_begin(&params, 25, 1);
    pg_array_text(&params, "key", 3);
    int r = pg_run(pg, &statement, &params, &rows);
    pg_params_free(&params);
    *(int *)argument = r == 0 ? PQntuples(rows) : -1;
    PQclear(rows);
    return r;
}

static int copy_exception(Pg *pg, void *argument) {
    static const uint8_t KEY[16] = {3};
    Bytes none = {0}, rows = {0};
    copy_row(&rows, 20);
    copy_i64(&rows, *(int64_t *)argument);
    cases_put(&rows, KEY);
    copy_bytes(&rows, STREAM, STREAM_BYTES);
    copy_i64(&rows, *(int64_t *)argument);
    copy_i32(&rows, 1);
    copy_i16(&rows, 2);
    copy_i16(&rows, 5);
    copy_i16(&rows, 5);
    copy_bool(&rows, true);
    copy_bytes(&rows, "001200000009", 12);
    copy_null(&rows);
    for (int i = 0; i < 3; i++)
        copy_bytes(&rows, "x", 1);
    for (int i = 0; i < 3; i++)
        copy_null(&rows);
    copy_i16_array(&rows, NULL, 0);
    copy_null(&rows);
    int r = store_rows(pg, &none, &rows);
    bytes_free(&rows);
    return r;
}

typedef struct Open {
    int64_t position;
    bool dropped;
} Open;

static int still_open(Pg *pg, void *argument) {
    Open *open = argument;
    Item item = {.exception = open->position, .was = 5};
    Work work = {.items = &item, .n_items = 1};
    int r = store_still_open(pg, &work);
    open->dropped = item.dropped;
    return r;
}

// As a decision does: the row's verdict is another, and it is open no more.
static int decide(Pg *pg, void *argument) {
    static const Oid types[] = {1016, 1005, 1016, 1001, 1016, 1016, 1007, 1009, 16, 1009};
    static const PgStatement statement = {
        "decided",
        "UPDATE exchange.exception e SET verdict = d.verdict, open = d.verdict = 4, person = nullif(d.person, 0), "
        "reasons = d.reasons, decided_position = d.decided FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], "
        "$4::bytea[], $5::bigint[], $6::bigint[], $7::integer[], $8::text[], $10::text[]) "
        "AS d(position, verdict, person, reasons, decided, a, b, c, e) WHERE e.position = d.position AND $9",
        10, types};
    PgParams params = {0};
    pg_param_array_begin(&params, 20, 1);
    pg_array_i64(&params, ((Open *)argument)->position);
    pg_param_array_begin(&params, 21, 1);
    pg_array_i16(&params, 1);
    pg_param_array_begin(&params, 20, 1);
    pg_array_i64(&params, 1);
    pg_param_array_begin(&params, 17, 1);
    pg_array_bytes(&params, "y", 1);
    pg_param_array_begin(&params, 20, 1);
    pg_array_i64(&params, 99);
    pg_param_array_begin(&params, 20, 1);
    pg_array_null(&params);
    pg_param_array_begin(&params, 23, 1);
    pg_array_null(&params);
    pg_param_array_begin(&params, 25, 1);
    pg_array_null(&params);
    pg_param_bool(&params, true);
    pg_param_array_begin(&params, 25, 1);
    pg_array_null(&params);
    int r = pg_run(pg, &statement, &params, NULL);
    pg_params_free(&params);
    return r;
}

typedef struct Birth {
    int64_t sequence, person;
    const char *moves_to; // instead
    char before[8], after[8];
    const Place *seen;    // by which it was decided; NULL: whatever holds
    int64_t own, changed; // the position at which whoever asks changed the store before, and now; 0: did not
} Birth;

static int bear(Pg *pg, void *argument) {
    static const char *const BORN[13] = {"birth", "001225000002", "001225000002", "x", "x", "2025-01-01", "male"};
    static const Oid types[] = {17,   1016, 1009, 1009, 1009, 1009, 1009, 1009, 1009, 1009,
                                1009, 1009, 1009, 1009, 1009, 1007, 16,   20,   1016};
    static const PgStatement statement = {
        "apply-changes",
        "SELECT sequence, person, citizen_number, province_before, province63_before, province_after, "
        "province63_after, changed FROM population.apply_changes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13, $14, $15, $16, $17, $18, $19)",
        19, types};
    Birth *birth = argument;
    const char *moved[13] = {"move", "001200000001", [9] = birth->moves_to};
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_bytes(&params, STREAM, STREAM_BYTES);
    pg_param_array_begin(&params, 20, 1);
    pg_array_i64(&params, birth->sequence);
    for (int i = 0; i < 13; i++) {
        const char *text = birth->moves_to != NULL ? moved[i] : BORN[i];
        pg_param_array_begin(&params, 25, 1);
        pg_array_text(&params, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
    }
    pg_param_array_begin(&params, 23, 1);
    pg_array_i32(&params, 0);
    pg_param_bool(&params, false);
    pg_param_i64(&params, birth->seen == NULL ? INT64_MAX : birth->seen->position);
    pg_param_array_begin(&params, 20, birth->own != 0);
    if (birth->own != 0)
        pg_array_i64(&params, birth->own);
    int r = pg_run(pg, &statement, &params, &rows);
    pg_params_free(&params);
    birth->person = r == 0 && PQntuples(rows) == 1 ? pg_i64(rows, 0, 1) : -1;
    if (birth->person > 0) {
        snprintf(birth->before, sizeof birth->before, "%s", pg_text(rows, 0, 3));
        snprintf(birth->after, sizeof birth->after, "%s", pg_text(rows, 0, 5));
        birth->changed = pg_i64(rows, 0, 7);
    }
    PQclear(rows);
    return r;
}

static int population(Pg *pg, void *argument) {
    return lookup_population_position(pg, argument);
}

static int head_place(Pg *pg, void *argument) {
    return lookup_head_position(pg, argument);
}

// As `dongbo epoch new` asks for one.
static int ask_epoch(Pg *pg, void *argument) {
    static const Oid types[] = {25};
    static const PgStatement statement = {"epoch_request", "INSERT INTO exchange.epoch_request (reason) VALUES ($1)", 1,
                                          types};
    PgParams params = {0};
    pg_param_text(&params, "restored");
    int r = pg_run(pg, &statement, &params, NULL);
    pg_params_free(&params);
    return r;
}

// What the writer does in its first transaction on a connection: the log's head behind it.
static int log_due(Pg *pg, void *argument) {
    static const Clock CLOCK = {.now_us = a_date};
    LogTail tail = {.pg = pg, .clock = &CLOCK, .head = argument};
    int r = merkle_new(&tail.merkle);
    if (r == 0)
        r = store_head(pg, tail.head);
    if (r == 0)
        r = epoch_log_due(&tail);
    merkle_destroy(&tail.merkle);
    return r;
}

#define OK(actor, step, argument) assert_int_equal(actor_do(actor, step, argument), 0)

// ---- the log's lock ------------------------------------------------------------------------------------------------

// The second one to take it sees, in the statement behind it, what the first one committed.
static void test_lock_then_head(void **state) {
    SegmentHead seen = {0};
    OK(a, lock, NULL);
    actor_begin(b, lock, NULL);
    assert_true(actor_waits(b));
    OK(a, append, &((Range){1, 3, 1}));
    assert_true(actor_waits(b));
    OK(c, head, &seen);
    assert_int_equal(seen.last_position, 0);
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), 0);
    OK(b, head, &seen);
    assert_int_equal(seen.last_position, 3);
    OK(b, append, &((Range){4, 4, 4}));
    OK(b, head, &seen); // its own
    assert_int_equal(seen.last_position, 4);
    OK(b, rollback, NULL);
    OK(c, head, &seen);
    assert_int_equal(seen.last_position, 3);
}

static void test_lock_ends_with_its_session(void **state) {
    SegmentHead seen = {0};
    OK(a, lock, NULL);
    OK(a, append, &((Range){1, 1, 1}));
    actor_begin(b, lock, NULL);
    actor_break(a);
    assert_int_equal(actor_end(b), 0);
    OK(b, head, &seen);
    assert_int_equal(seen.last_position, 0);
    OK(b, rollback, NULL);
}

// Nobody gives it back: the server does, when its session idled long enough.
static void test_lock_of_who_idles(void **state) {
    OK(a, lock, NULL);
    actor_begin(b, lock, NULL);
    assert_int_equal(actor_end(b), 0);
    assert_int_equal(actor_do(a, head, &((SegmentHead){0})), ERROR_DATABASE);
    OK(b, rollback, NULL);
}

// A position that is taken cannot be given out again, not even by who did not take the lock.
static void test_position_twice(void **state) {
    OK(a, command, "BEGIN");
    OK(a, append, &((Range){1, 2, 1}));
    OK(b, command, "BEGIN");
    actor_begin(b, append, &((Range){1, 1, 9}));
    assert_true(actor_waits(b));
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), ERROR_DATA);
    assert_int_equal(actor_do(b, head, &((SegmentHead){0})), ERROR_DATABASE); // the transaction has failed
    OK(b, rollback, NULL);
    OK(b, command, "BEGIN");
    OK(b, append, &((Range){3, 3, 9}));
    OK(b, commit, NULL);
}

static void test_failed_transaction_does_not_commit(void **state) {
    SegmentHead seen = {0};
    OK(a, command, "BEGIN");
    OK(a, append, &((Range){1, 1, 1}));
    assert_int_equal(actor_do(a, append, &((Range){1, 1, 1})), ERROR_DATA);
    assert_int_equal(actor_do(a, commit, NULL), ERROR_DATABASE);
    OK(a, rollback, NULL);
    OK(c, head, &seen);
    assert_int_equal(seen.last_position, 0);
}

// Each epoch that is asked for begins once, whichever broker is first.
static void test_epoch_is_asked_for_once(void **state) {
    SegmentHead ours = {0}, theirs = {0};
    OK(a, lock, NULL);
    OK(a, log_due, &ours);
    OK(a, commit, NULL);
    assert_int_equal(ours.epoch, 1);
    OK(c, ask_epoch, NULL);
    OK(a, lock, NULL);
    actor_begin(b, lock, NULL);
    OK(a, log_due, &ours);
    assert_true(ours.epoch > 1);
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), 0);
    OK(b, log_due, &theirs);
    assert_int_equal(theirs.epoch, ours.epoch);
    assert_int_equal(theirs.last_position, 2);
    OK(b, rollback, NULL);
}

// ---- batches and streams -------------------------------------------------------------------------------------------

static void test_stored_batch(void **state) {
    Range range = {1, 3, 5};
    OK(a, lock, NULL);
    OK(a, append, &range);
    OK(a, find_batch, &range); // its own
    assert_int_equal(actor_do(b, find_batch, &range), 1);
    OK(a, commit, NULL);
    OK(b, find_batch, &range);
    assert_int_equal(actor_do(b, find_batch, &((Range){0, 0, 6})), 1);
}

// A stream whose row the writer holds is opened anew when that is over, with what was stored.
static void test_hello_waits_for_the_writer(void **state) {
    Greeted first = {.agency = 1}, second = {.agency = 1};
    StreamRow row = {0};
    OK(b, greet, &first);
    assert_int_equal(first.session_epoch, 1);
    OK(a, lock, NULL);
    OK(a, lock_stream, &row);
    assert_int_equal(row.session_epoch, 1);
    assert_false(row.signer_holds || row.transport_holds);
    actor_begin(b, greet, &second);
    assert_true(actor_waits(b));
    row.last_sequence = 7;
    OK(a, move_stream, &row);
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), 0);
    assert_int_equal(second.session_epoch, 2);
    assert_int_equal(second.last_sequence, 7);
    row = (StreamRow){0};
    OK(a, lock, NULL);
    OK(a, lock_stream, &row); // fenced from here on
    assert_int_equal(row.session_epoch, 2);
    OK(a, rollback, NULL);
}

// The writer waits for a Hello that is not committed, and then sees the newer session.
static void test_writer_waits_for_a_hello(void **state) {
    Greeted greeted = {.agency = 1};
    StreamRow row = {0};
    OK(b, greet, &greeted);
    OK(b, command, "BEGIN");
    OK(b, greet, &greeted);
    OK(a, lock, NULL);
    actor_begin(a, lock_stream, &row);
    assert_true(actor_waits(a));
    OK(b, commit, NULL);
    assert_int_equal(actor_end(a), 0);
    assert_int_equal(row.session_epoch, 2);
    OK(a, rollback, NULL);
}

static void test_two_hellos_of_a_new_stream(void **state) {
    Greeted first = {.agency = 1}, second = {.agency = 1};
    OK(a, command, "BEGIN");
    OK(a, greet, &first);
    actor_begin(b, greet, &second);
    assert_true(actor_waits(b));
    OK(a, rollback, NULL);
    assert_int_equal(actor_end(b), 0);
    assert_int_equal(second.session_epoch, 1);
    OK(a, command, "BEGIN");
    OK(a, greet, &first);
    actor_begin(b, greet, &second);
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), 0);
    assert_int_equal(second.session_epoch, 3);
}

static void test_stream_of_another_agency(void **state) {
    Greeted ours = {.agency = 1}, theirs = {.agency = 2};
    OK(a, greet, &ours);
    OK(b, greet, &theirs);
    assert_false(theirs.opened);
    OK(a, greet, &ours);
    assert_int_equal(ours.session_epoch, 2);
}

// ---- rows ----------------------------------------------------------------------------------------------------------

static void test_copied_rows(void **state) {
    int64_t one = 1, two = 2;
    int n = 0;
    OK(a, command, "BEGIN");
    OK(a, copy_version, &one);
    OK(a, count_versions, &n);
    assert_int_equal(n, 1);
    OK(b, count_versions, &n);
    assert_int_equal(n, 0);
    OK(a, command, "SAVEPOINT half");
    OK(a, copy_version, &two);
    assert_int_equal(actor_do(a, copy_version, &two), ERROR_DATA);
    assert_int_equal(actor_do(a, count_versions, &n), ERROR_DATABASE);
    OK(a, command, "ROLLBACK TO half; RELEASE half");
    OK(a, count_versions, &n);
    assert_int_equal(n, 1);
    OK(a, commit, NULL);
    OK(b, count_versions, &n);
    assert_int_equal(n, 1);
    assert_int_equal(actor_do(b, copy_version, &one), ERROR_DATA);
}

static void test_rows_of_who_breaks_off(void **state) {
    int64_t one = 1;
    int n = 0;
    OK(a, command, "BEGIN");
    OK(a, copy_version, &one);
    actor_break(a);
    OK(b, count_versions, &n);
    assert_int_equal(n, 0);
    OK(b, copy_version, &one);
}

// Who waited for another's decision finds that there is nothing left to decide.
static void test_decided_meanwhile(void **state) {
    int64_t position = 4;
    Open ours = {.position = 4}, theirs = {.position = 4};
    OK(a, copy_exception, &position);
    OK(a, command, "BEGIN");
    OK(a, still_open, &ours);
    assert_false(ours.dropped);
    OK(b, command, "BEGIN");
    actor_begin(b, still_open, &theirs);
    assert_true(actor_waits(b));
    OK(a, decide, &ours);
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), 0);
    assert_true(theirs.dropped);
    OK(b, rollback, NULL);
}

static void test_not_decided_after_all(void **state) {
    int64_t position = 4;
    Open ours = {.position = 4}, theirs = {.position = 4};
    OK(a, copy_exception, &position);
    OK(a, command, "BEGIN");
    OK(a, still_open, &ours);
    OK(a, decide, &ours);
    OK(b, command, "BEGIN");
    actor_begin(b, still_open, &theirs);
    assert_true(actor_waits(b));
    actor_break(a);
    assert_int_equal(actor_end(b), 0);
    assert_false(theirs.dropped);
    OK(b, rollback, NULL);
}

// ---- the population store ------------------------------------------------------------------------------------------

static void test_births_one_at_a_time(void **state) {
    Birth first = {.sequence = 1}, second = {.sequence = 2};
    Place before, after;
    OK(c, population, &before);
    OK(a, command, "BEGIN");
    OK(a, bear, &first);
    OK(c, population, &after);
    assert_int_equal(after.position, before.position);
    actor_begin(b, bear, &second);
    assert_true(actor_waits(b));
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), 0);
    assert_int_equal(second.person, first.person);
    OK(c, population, &after);
    assert_int_equal(after.position, before.position + 1);
}

static void test_birth_that_came_to_nothing(void **state) {
    Birth first = {.sequence = 1}, second = {.sequence = 1};
    Place before, after;
    OK(c, population, &before);
    OK(a, command, "BEGIN");
    OK(a, bear, &first);
    OK(a, rollback, NULL);
    OK(b, bear, &second);
    assert_true(second.person > 0);
    OK(b, bear, &first); // again
    assert_int_equal(first.person, second.person);
    OK(c, population, &after);
    assert_int_equal(after.position, before.position + 1);
}

static void test_birth_decided_before_another(void **state) {
    Place before;
    Birth first = {.sequence = 1}, second = {.sequence = 2, .seen = &before};
    OK(c, population, &before);
    OK(a, command, "BEGIN");
    OK(a, bear, &first);
    assert_int_equal(first.changed, before.position + 1);
    actor_begin(b, bear, &second);
    assert_true(actor_waits(b));
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), ERROR_DATABASE);
    second.own = first.changed; // had it been the same
    OK(b, bear, &second);
    assert_int_equal(second.person, first.person);
    assert_int_equal(second.changed, 0);
}

// Where somebody came from is said once, also to who asks again when they have moved on.
static void test_moves_are_answered_as_at_first(void **state) {
    Birth first = {.sequence = 1, .moves_to = "01"}, second = {.sequence = 2, .moves_to = "79"}, again = first;
    OK(a, command, "BEGIN");
    OK(a, bear, &first);
    OK(a, rollback, NULL); // never was
    OK(a, bear, &first);
    assert_string_equal(first.before, "");
    assert_string_equal(first.after, "01");
    OK(a, command, "BEGIN");
    OK(a, bear, &second);
    assert_string_equal(second.before, "01");
    actor_begin(b, bear, &again);
    assert_true(actor_waits(b));
    OK(a, commit, NULL);
    assert_int_equal(actor_end(b), 0);
    assert_string_equal(again.before, "");
    assert_string_equal(again.after, "01");
    OK(b, bear, &second); // as it is applied again
    assert_string_equal(second.before, "01");
    assert_string_equal(second.after, "79");
}

static void test_places(void **state) {
    Place place;
    OK(c, head_place, &place);
    assert_int_equal(place.position, 0);
    OK(a, command, "BEGIN");
    OK(a, append, &((Range){1, 5, 1}));
    OK(c, head_place, &place);
    assert_int_equal(place.position, 0);
    OK(a, commit, NULL);
    OK(c, head_place, &place);
    assert_int_equal(place.position, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_lock_then_head),
        TEST(test_lock_ends_with_its_session),
        TEST(test_lock_of_who_idles),
        TEST(test_position_twice),
        TEST(test_failed_transaction_does_not_commit),
        TEST(test_epoch_is_asked_for_once),
        TEST(test_stored_batch),
        TEST(test_hello_waits_for_the_writer),
        TEST(test_writer_waits_for_a_hello),
        TEST(test_two_hellos_of_a_new_stream),
        TEST(test_stream_of_another_agency),
        TEST(test_copied_rows),
        TEST(test_rows_of_who_breaks_off),
        TEST(test_decided_meanwhile),
        TEST(test_not_decided_after_all),
        TEST(test_births_one_at_a_time),
        TEST(test_birth_that_came_to_nothing),
        TEST(test_birth_decided_before_another),
        TEST(test_moves_are_answered_as_at_first),
        TEST(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
