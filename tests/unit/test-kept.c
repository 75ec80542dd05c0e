// SPDX-License-Identifier: Apache-2.0
//
// What a subscriber's caller was given and has acknowledged, over an exchange whose log was set back: positions that it
// gives out anew are of other records.
#include "agents/library/kept.h"

#include "agents/library/library.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];
static Kept *kept;

static void begins(uint32_t epoch, uint64_t position) {
    SinkPlace place;
    assert_int_equal(kept_sink(kept)->kind->begin(kept_sink(kept), &place), position ? 0 : 1);
    assert_int_equal(place.epoch, epoch);
    assert_int_equal(place.position, position);
}

static void opened(uint32_t epoch, uint64_t position) {
    kept_destroy(&kept);
    assert_int_equal(kept_new(&kept, path), 0);
    begins(epoch, position);
}

static void put(uint64_t first, uint64_t last) {
    uint8_t id[16] = {0};
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    record.record_id = (ProtobufCBinaryData){sizeof id, id};
    for (record.position = first; record.position <= last; record.position++)
        assert_int_equal(kept_sink(kept)->kind->write(kept_sink(kept), &record), 0);
}

static int commit(uint32_t epoch, uint64_t position) {
    SinkPlace place = {.epoch = epoch, .position = position};
    return kept_sink(kept)->kind->commit(kept_sink(kept), &place);
}

static void gives(uint32_t epoch, uint64_t first, uint64_t last) {
    KeptItem item;
    for (uint64_t position = first; position <= last; position++) {
        assert_int_equal(kept_next(kept, &item), 0);
        assert_int_equal(item.position, position);
        assert_int_equal(item.epoch, epoch);
        kept_gave(kept);
    }
}

static void gives_no_more(void) {
    KeptItem item;
    assert_int_equal(kept_next(kept, &item), 1);
}

static int setup(void **state) {
    scratch_make(directory);
    snprintf(path, sizeof path, "%s/state", directory);
    opened(0, 0);
    put(50, 50);
    assert_int_equal(commit(1, 50), 1);
    gives(1, 50, 50);
    assert_int_equal(kept_acknowledge(kept, 50), 0);
    assert_int_equal(commit(1, 50), 0);
    put(51, 100);
    assert_int_equal(commit(1, 100), 1);
    gives(1, 51, 100);
    assert_int_equal(kept_acknowledge(kept, 90), 1);
    begins(1, 50);
    return 0;
}

static int teardown(void **state) {
    kept_destroy(&kept);
    scratch_remove(directory);
    return 0;
}

static void test_what_was_acknowledged_is_not_given_again(void **state) {
    put(51, 100);
    assert_int_equal(commit(1, 100), 1);
    gives(1, 91, 100);
    assert_int_equal(kept_acknowledge_all(kept), 0);
    assert_int_equal(kept_stored(kept), 100);
}

// 71 and what follows were lost there, and are others now.
static void test_a_log_that_was_set_back(void **state) {
    put(51, 70);
    assert_int_equal(commit(1, 70), 0); // all of it was acknowledged, and is as it was
    put(71, 85);
    assert_int_equal(commit(2, 85), 1);
    assert_int_equal(kept_stored(kept), 70);
    assert_int_equal(kept_acknowledge(kept, 100), 1); // given out before that: no fault of the caller's
    assert_int_equal(kept_acknowledge(kept, 101), ERROR_CONFIG);
    gives(2, 71, 85);
    gives_no_more();
    assert_int_equal(commit(2, 85), 1); // asked again
    assert_int_equal(kept_acknowledge(kept, 80), 1);
    assert_int_equal(commit(2, 85), 1);
    assert_int_equal(kept_acknowledge(kept, 85), 0);
    assert_int_equal(kept_stored(kept), 85);
    opened(2, 85);
}

// Nobody knows where the epoch begins in it: more comes again than has to.
static void test_in_one_piece_with_what_is_as_it_was(void **state) {
    put(51, 85);
    assert_int_equal(commit(2, 85), 1);
    gives(2, 51, 85);
    assert_int_equal(kept_acknowledge(kept, 80), 1);
    begins(1, 50); // the session is lost once more: what was acknowledged is of this epoch
    put(51, 60);
    assert_int_equal(commit(1, 60), 0);
    put(61, 85);
    assert_int_equal(commit(2, 85), 1);
    gives(2, 81, 85);
    assert_int_equal(kept_acknowledge_all(kept), 0);
}

// What was given out in this session stays given out, and can be acknowledged.
static void test_an_epoch_that_begins_in_a_session(void **state) {
    put(51, 100);
    assert_int_equal(commit(1, 100), 1);
    gives(1, 91, 95);
    put(101, 105);
    assert_int_equal(commit(2, 105), 1);
    assert_int_equal(kept_acknowledge(kept, 95), 1);
    gives(1, 96, 100);
    gives(2, 101, 105);
    assert_int_equal(kept_acknowledge_all(kept), 0);
    assert_int_equal(kept_stored(kept), 105);
}

// The caller's own store may hold more than the place: it is told by the epoch.
static void test_after_a_restart(void **state) {
    opened(1, 50);
    put(51, 70);
    assert_int_equal(commit(1, 70), 1);
    put(71, 85);
    assert_int_equal(commit(2, 85), 1);
    gives(1, 51, 70);
    gives(2, 71, 85);
    assert_int_equal(kept_acknowledge_all(kept), 0);
}

static void test_a_snapshot_is_of_its_epoch(void **state) {
    const SinkSnapshots *snapshots = kept_sink(kept)->kind->snapshots;
    SinkSnapshot snapshot = {.mark = 7, .first = {.epoch = 2, .position = 60}};
    SinkTally tally = {0};
    KeptItem item;
    assert_int_equal(snapshots->begin(kept_sink(kept), &snapshot), 0);
    put(65, 65);
    assert_int_equal(snapshots->end(kept_sink(kept), &snapshot, &snapshot.first, &tally), 1);
    gives(2, 65, 65);
    assert_int_equal(kept_next(kept, &item), 0);
    assert_null(item.record);
    assert_int_equal(item.epoch, 2);
    kept_gave(kept);
    assert_int_equal(kept_acknowledge_all(kept), 0);
    assert_int_equal(snapshots->end(kept_sink(kept), &snapshot, &snapshot.first, &tally), 0);
    put(61, 85);
    assert_int_equal(commit(2, 85), 1);
    gives(2, 61, 85);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_what_was_acknowledged_is_not_given_again),
        CASE(test_a_log_that_was_set_back),
        CASE(test_in_one_piece_with_what_is_as_it_was),
        CASE(test_an_epoch_that_begins_in_a_session),
        CASE(test_after_a_restart),
        CASE(test_a_snapshot_is_of_its_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
