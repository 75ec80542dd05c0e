// SPDX-License-Identifier: Apache-2.0
//
// The spool across crashes: what was committed is there, what was not is not; it is bounded, keeps what is acknowledged
// as long as it should, and gives it back when the exchange forgot it.
#include "tests/unit/publish-case.h"
#include "agents/resumption.h"

#include "proto/batch.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY_US (24LL * 3600 * 1000000)

static void ack(PublishCase *test, uint64_t first) {
    SpoolBatch batch;
    Bytes receipt = {0};
    bytes_append_text(&receipt, "a receipt");
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_next(test->spool, publish_case_stream(test).id, first, &batch), 0);
    assert_int_equal(batch.first_sequence, first);
    assert_int_equal(spool_ack(test->spool, &batch, &receipt), 0);
    assert_int_equal(spool_trim(test->spool), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    bytes_free(&receipt);
}

static bool is_kept(PublishCase *test, uint64_t sequence) {
    SpoolBatch batch;
    int r = spool_find(test->spool, publish_case_stream(test).id, sequence, &batch);
    assert_true(r >= 0);
    return r == 0;
}

static void overwrite(PublishCase *test, long from) {
    FILE *file = fopen(test->path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long end = ftell(file);
    assert_int_equal(fseek(file, from, SEEK_SET), 0);
    for (long at = from; at < end; at++)
        fputc(0xA5, file);
    assert_int_equal(fclose(file), 0);
}

// Nobody knows what it held any more: it says what to do, of files and of outboxes.
static void test_says_what_to_do_with_a_damaged_one(void **state) {
    PublishCase *test = *state;
    static const long FROM[] = {0, 16384};
    publish_case_add(test, 3);
    publish_case_close(test);
    for (size_t i = 0; i < sizeof FROM / sizeof *FROM; i++) {
        overwrite(test, FROM[i]);
        SpoolOptions options = {.path = test->path, .bytes_max = 1 << 30, .clock = &test->clock};
        Spool *spool = NULL;
        assert_int_equal(spool_open(&spool, &options), ERROR_SYSTEM);
        assert_non_null(strstr(error_text(), "move it away: files are then read again, and rows of an outbox once"));
        assert_int_equal(remove(test->path), 0);
        publish_case_open(test);
        publish_case_add(test, 3);
        publish_case_close(test);
    }
    publish_case_open(test);
}

static void test_survives_reopening(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 3);
    publish_case_add(test, 2);
    SpoolStream before = publish_case_stream(test);
    SpoolBatch batch;
    assert_int_equal(spool_next(test->spool, before.id, 0, &batch), 0);
    Bytes sealed = {0};
    bytes_append(&sealed, batch.sealed, batch.sealed_bytes);
    publish_case_close(test);
    publish_case_open(test);
    SpoolStream after = publish_case_stream(test);
    assert_memory_equal(before.stream, after.stream, STREAM_BYTES);
    assert_int_equal(after.last_sequence, 5);
    assert_int_equal(spool_next(test->spool, after.id, 0, &batch), 0);
    assert_int_equal(batch.last_sequence, 3);
    assert_int_equal(batch.sealed_bytes, sealed.n);
    assert_memory_equal(batch.sealed, sealed.data, sealed.n);
    assert_int_equal(spool_next(test->spool, after.id, 4, &batch), 0);
    assert_int_equal(batch.last_sequence, 5);
    assert_int_equal(spool_next(test->spool, after.id, 6, &batch), 1);
    bytes_free(&sealed);
}

static off_t bytes_of(const PublishCase *test, const char *beside) {
    char path[300];
    struct stat status;
    snprintf(path, sizeof path, "%s%s", test->path, beside);
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

// What the disk refused may be half in SQLite's log, and no later sync may make it whole: what holds goes into the file
// before more is stored behind it. A stream, too, which is stored by itself.
static void test_settles_before_it_goes_on(void **state) {
    PublishCase *test = *state;
    SpoolStream stream;
    struct rlimit unlimited, limit;
    publish_case_add(test, 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limit = (struct rlimit){(rlim_t)bytes_of(test, "-wal"), unlimited.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(spool_stream(test->spool, "other", &stream), ERROR_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    signal(SIGXFSZ, before);
    off_t settled = bytes_of(test, ""), log = bytes_of(test, "-wal");
    assert_int_equal(spool_stream(test->spool, "other", &stream), 0);
    assert_true(bytes_of(test, "") > settled);
    assert_true(bytes_of(test, "-wal") < log);
}

// Whatever a receipt of an earlier epoch says of its own batch, who was told nothing hears all.
static void test_hears_from_the_beginning_who_heard_nothing(void **state) {
    PublishCase *test = *state;
    int64_t forgotten;
    publish_case_add(test, 3);
    ack(test, 1);
    SpoolStream stream = publish_case_stream(test);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_epoch(test->spool, &stream, 5), 0);
    assert_int_equal(spool_unack(test->spool, stream.id, 0, &forgotten), 0);
    assert_int_equal(forgotten, 1);
    assert_int_equal(spool_hear_from(test->spool, stream.id, 1, 19), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_int_equal(publish_case_stream(test).hello_position, 0);
}

// Death before COMMIT: neither batch nor origin nor sequence.
static void test_forgets_what_was_not_committed(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 3);
    uint64_t bytes = spool_bytes(test->spool);
    assert_int_equal(spool_begin(test->spool), 0);
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Item item = {.origin = test->origin.id, .row = 9};
    assert_int_equal(sealer_add(test->sealer, &event, &item), 0);
    assert_int_equal(sealer_flush(test->sealer), 0);
    assert_int_equal(publish_case_stream(test).last_sequence, 4);
    publish_case_close(test);
    publish_case_open(test);
    assert_int_equal(publish_case_stream(test).last_sequence, 3);
    assert_int_equal(spool_bytes(test->spool), bytes);
    Origin origin;
    assert_int_equal(ledger_origin(test->spool, test->origin.id, &origin), 0);
    assert_int_equal(origin.waiting, 3);
}

static void test_rolls_back(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 3);
    uint64_t bytes = spool_bytes(test->spool);
    assert_int_equal(spool_begin(test->spool), 0);
    SpoolBatch batch;
    assert_int_equal(spool_next(test->spool, publish_case_stream(test).id, 0, &batch), 0);
    assert_int_equal(spool_delete(test->spool, batch.id), 0);
    assert_int_equal(spool_bytes(test->spool), 0);
    spool_rollback(test->spool);
    assert_int_equal(spool_bytes(test->spool), bytes);
    assert_true(is_kept(test, 1));
}

static void test_one_process_at_a_time(void **state) {
    PublishCase *test = *state;
    Spool *other = NULL;
    SpoolOptions options = {test->path, 1 << 30, 7, &test->clock};
    assert_int_equal(spool_open(&other, &options), ERROR_CONFIG);
    assert_null(other);
    assert_non_null(strstr(error_text(), "in use"));
}

static void test_one_process_by_whatever_name(void **state) {
    PublishCase *test = *state;
    char link[sizeof test->path + 8];
    Spool *other = NULL;
    snprintf(link, sizeof link, "%s.link", test->path);
    SpoolOptions options = {link, 1 << 30, 7, &test->clock};
    assert_int_equal(symlink(test->path, link), 0);
    assert_int_equal(spool_open(&other, &options), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "is in use by another dongbo-agent"));
    publish_case_close(test);
    assert_int_equal(spool_open(&other, &options), 0);
    spool_close(&other);
    publish_case_open(test);
}

static void test_is_private(void **state) {
    PublishCase *test = *state;
    struct stat status;
    assert_int_equal(stat(test->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_refuses_a_newer_format(void **state) {
    PublishCase *test = *state;
    assert_int_equal(lite_script(spool_lite(test->spool), "PRAGMA user_version = 99"), 0);
    publish_case_close(test);
    SpoolOptions options = {test->path, 1 << 30, 7, &test->clock};
    assert_int_equal(spool_open(&test->spool, &options), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "newer"));
}

// A spool that an older program left, with what is in it.
static void test_takes_an_older_format(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 3);
    static const char OLDER[] = "ALTER TABLE stream DROP COLUMN verdict_epoch;"
                                "ALTER TABLE stream DROP COLUMN hello_epoch; ALTER TABLE stream DROP COLUMN "
                                "hello_position; ALTER TABLE receipt DROP COLUMN first; DROP TABLE word;"
                                "ALTER TABLE origin DROP COLUMN encoding; ALTER TABLE origin DROP COLUMN confidence;";
    assert_int_equal(lite_script(spool_lite(test->spool), OLDER), 0);
    publish_case_close(test);
    publish_case_open(test);
    Origin origin;
    assert_int_equal(ledger_origin(test->spool, test->origin.id, &origin), 0);
    assert_string_equal(origin.encoding, "");
    assert_int_equal(origin.confidence, -1);
    snprintf(origin.encoding, sizeof origin.encoding, "VNI");
    origin.confidence = 88;
    assert_int_equal(ledger_origin_read(test->spool, &origin), 0);
    assert_int_equal(ledger_origin(test->spool, test->origin.id, &origin), 0);
    assert_string_equal(origin.encoding, "VNI");
    assert_int_equal(origin.confidence, 88);
}

static void test_says_when_it_is_full(void **state) {
    PublishCase *test = *state;
    publish_case_close(test);
    test->bytes_max = BATCH_BYTES_MAX + 50000;
    publish_case_open(test);
    int batches = 0;
    while (!spool_is_full(test->spool) && batches < 100) {
        publish_case_add(test, 100);
        batches++;
    }
    assert_in_range(batches, 2, 20);
    publish_case_close(test);
    publish_case_open(test);
    assert_true(spool_is_full(test->spool));
    ack(test, 1);
    assert_false(spool_is_full(test->spool));
}

static void test_keeps_acknowledged_batches_for_some_days(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 3);
    publish_case_add(test, 2);
    publish_case_add(test, 2);
    ack(test, 1);
    int64_t waiting;
    SpoolBatch batch;
    int64_t stream = publish_case_stream(test).id;
    assert_int_equal(spool_next(test->spool, stream, 0, &batch), 0);
    assert_int_equal(batch.first_sequence, 4);
    test->now_us += 6 * DAY_US;
    ack(test, 4);
    assert_true(is_kept(test, 2));
    test->now_us += 2 * DAY_US;
    ack(test, 6);
    assert_false(is_kept(test, 2));
    assert_true(is_kept(test, 4));
    assert_int_equal(spool_waiting(test->spool, stream, &waiting), 0);
    assert_int_equal(waiting, 0);
}

// Room for what waits goes before keeping what is acknowledged.
static void test_makes_room_for_what_waits(void **state) {
    PublishCase *test = *state;
    publish_case_close(test);
    test->bytes_max = BATCH_BYTES_MAX + 50000;
    publish_case_open(test);
    for (uint64_t n = 0; n < 30; n++) {
        publish_case_add(test, 100);
        ack(test, n * 100 + 1);
        assert_in_range(spool_bytes(test->spool), 1, 50000 + BATCH_BYTES_MAX);
    }
    assert_false(is_kept(test, 1));
    assert_true(is_kept(test, 2901));
    assert_false(spool_is_full(test->spool));
}

static void test_gives_back_what_the_exchange_forgot(void **state) {
    PublishCase *test = *state;
    for (uint64_t n = 0; n < 3; n++) {
        publish_case_add(test, 2);
        ack(test, 2 * n + 1);
    }
    int64_t n, stream = publish_case_stream(test).id;
    SpoolReceipt receipt;
    SpoolBatch batch;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_unack(test->spool, stream, 2, &n), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_int_equal(n, 2);
    assert_int_equal(spool_next(test->spool, stream, 0, &batch), 0);
    assert_int_equal(batch.first_sequence, 3);
    // The receipt that was given stays: it tells what is new in the next one.
    assert_int_equal(spool_receipt(test->spool, batch.id, &receipt), 0);
    assert_memory_equal(receipt.data, "a receipt", 9);
    uint64_t oldest;
    assert_int_equal(spool_oldest(test->spool, stream, &oldest), 0);
    assert_int_equal(oldest, 1);
}

// Opens every batch of the stream as the exchange would. Returns how many events are in them.
static uint64_t assert_batches_open(PublishCase *test, const SpoolStream *stream) {
    Verifier *verifier;
    Merkle *merkle;
    Arena *arena;
    assert_int_equal(verifier_new(&verifier, test->keys.sign_public), 0);
    assert_int_equal(merkle_new(&merkle), 0);
    assert_int_equal(arena_new(&arena, BATCH_ARENA_BYTES), 0);
    uint64_t next = 1;
    SpoolBatch batch;
    int r;
    while ((r = spool_next(test->spool, stream->id, next, &batch)) == 0) {
        Batch opened;
        arena_reset(arena);
        assert_int_equal(batch.first_sequence, next);
        assert_int_equal(batch_open(batch.sealed, batch.sealed_bytes, verifier, merkle, arena, &opened), BATCH_OK);
        assert_memory_equal(opened.header->stream.data, stream->stream, STREAM_BYTES);
        assert_int_equal(opened.header->first_sequence, next);
        assert_memory_equal(opened.header->root.data, batch.root, HASH_BYTES);
        assert_int_equal(opened.header->count, batch.last_sequence - next + 1);
        next = batch.last_sequence + 1;
    }
    assert_int_equal(r, 1);
    arena_destroy(&arena);
    merkle_destroy(&merkle);
    verifier_destroy(&verifier);
    return next - 1;
}

// In another epoch nobody tells what the exchange still has of a stream that is closed: all that is kept is sealed
// again.
static void test_seals_again_what_a_restored_exchange_may_lack(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 3);
    ack(test, 1);
    SpoolStream stream = publish_case_stream(test);
    assert_int_equal(resumption_epoch(test->spool, test->sealer, &stream, 1), 0);
    assert_int_equal(resumption_fork(test->spool, "live"), 0);
    publish_case_add(test, 2);
    ack(test, 1);
    stream = publish_case_stream(test);
    assert_int_equal(resumption_epoch(test->spool, test->sealer, &stream, 1), 0); // the stream's first
    assert_int_equal(stream.last_sequence, 2);
    assert_int_equal(resumption_epoch(test->spool, test->sealer, &stream, 7), 0);
    assert_int_equal(stream.last_sequence, 5);
    assert_int_equal(stream.verdict_epoch, 7);
    SpoolBatch batch;
    assert_int_equal(spool_next(test->spool, stream.id, 1, &batch), 0);
    assert_int_equal(batch.first_sequence, 3); // the first one is the exchange's to tell of
    assert_int_equal(batch.last_sequence, 5);
}

// After a fork: everything without a receipt is there again under the new stream, in order, with its items; a crash in
// the middle loses nothing.
static void test_seals_again_after_a_fork(void **state) {
    PublishCase *test = *state;
    for (int n = 0; n < 5; n++)
        publish_case_add(test, 3);
    ack(test, 1);
    SpoolStream old = publish_case_stream(test), new;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_stream_replace(test->spool, "live", &new), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_true(new.replaces_one);
    assert_memory_equal(new.replaces, old.stream, STREAM_BYTES);
    assert_memory_not_equal(new.stream, old.stream, STREAM_BYTES);
    int n = 0;
    int64_t stranded = 0;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(sealer_reseal(test->sealer, 2, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(spool_commit(test->spool), 0);
    publish_case_add(test, 1);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(sealer_reseal(test->sealer, 1, &n), 0);
    publish_case_close(test);
    publish_case_open(test);
    assert_int_equal(spool_stranded(test->spool, "live", &stranded), 0);
    assert_int_equal(stranded, 1);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(sealer_reseal(test->sealer, 10, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_int_equal(spool_stranded(test->spool, "live", &stranded), 0);
    assert_int_equal(stranded, 0);
    new = publish_case_stream(test);
    assert_int_equal(new.last_sequence, 13);
    assert_int_equal(assert_batches_open(test, &new), 13);
    SpoolBatch batch;
    Item item;
    assert_int_equal(spool_find(test->spool, new.id, 5, &batch), 0);
    assert_int_equal(item_find(batch.items, batch.items_bytes, 5 - batch.first_sequence, &item), 0);
    assert_int_equal(item.row, 9); // rows 2 to 4 were acknowledged; the fifth event since is of row 9
}

static void test_splits_a_batch_that_is_too_big(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 2);
    publish_case_add(test, 5);
    publish_case_add(test, 1);
    SpoolStream stream = publish_case_stream(test);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(sealer_split(test->sealer, 3), 0);
    assert_int_equal(sealer_split(test->sealer, 8), 1);
    assert_int_equal(sealer_split(test->sealer, 4), 1);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_int_equal(assert_batches_open(test, &stream), 8);
    SpoolBatch batch;
    Item item;
    assert_int_equal(spool_next(test->spool, stream.id, 3, &batch), 0);
    assert_int_equal(batch.last_sequence, 4);
    assert_int_equal(spool_find(test->spool, stream.id, 7, &batch), 0);
    assert_int_equal(batch.first_sequence, 5);
    assert_int_equal(item_find(batch.items, batch.items_bytes, 2, &item), 0);
    assert_int_equal(item.row, 8);
}

// Seals by itself when a batch is full, by count; the rest only when it is told to.
static void test_seals_full_batches(void **state) {
    PublishCase *test = *state;
    sealer_mark(test->sealer);
    publish_case_add(test, 2 * BATCH_EVENTS_MAX + 1);
    assert_int_equal(sealer_sealed(test->sealer), 3);
    SpoolStream stream = publish_case_stream(test);
    SpoolBatch batch;
    assert_int_equal(assert_batches_open(test, &stream), 2 * BATCH_EVENTS_MAX + 1);
    assert_int_equal(spool_next(test->spool, stream.id, 0, &batch), 0);
    assert_int_equal(batch.last_sequence, BATCH_EVENTS_MAX);
}

static void test_reads_no_cut_items(void **state) {
    Bytes items = {0};
    Item item = {.origin = 300,
                 .row = 70000,
                 .offset = 1ULL << 40,
                 .bytes = 9,
                 .text = (const uint8_t *)"{\"a\":1}",
                 .text_bytes = 7};
    item_append(&items, &item);
    for (size_t n = 0; n < items.n; n++)
        assert_int_equal(item_find(items.data, n, 0, &item), 1);
    assert_int_equal(item_find(items.data, items.n, 0, &item), 0);
    assert_int_equal(item.offset, 1ULL << 40);
    assert_memory_equal(item.text, "{\"a\":1}", 7);
    assert_int_equal(item_find(items.data, items.n, 1, &item), 1);
    bytes_free(&items);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_says_what_to_do_with_a_damaged_one),
        TEST(test_survives_reopening),
        TEST(test_settles_before_it_goes_on),
        TEST(test_hears_from_the_beginning_who_heard_nothing),
        TEST(test_forgets_what_was_not_committed),
        TEST(test_rolls_back),
        TEST(test_one_process_at_a_time),
        TEST(test_one_process_by_whatever_name),
        TEST(test_is_private),
        TEST(test_refuses_a_newer_format),
        TEST(test_takes_an_older_format),
        TEST(test_says_when_it_is_full),
        TEST(test_keeps_acknowledged_batches_for_some_days),
        TEST(test_makes_room_for_what_waits),
        TEST(test_gives_back_what_the_exchange_forgot),
        TEST(test_seals_again_what_a_restored_exchange_may_lack),
        TEST(test_seals_again_after_a_fork),
        TEST(test_splits_a_batch_that_is_too_big),
        TEST(test_seals_full_batches),
        cmocka_unit_test(test_reads_no_cut_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
