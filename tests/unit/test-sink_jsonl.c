// SPDX-License-Identifier: Apache-2.0
//
// The JSONL sink across crashes: whatever stands beyond the position is cut off, each record is there once, and nothing
// that is damaged is taken for an empty beginning.
#include "agents/sink_jsonl.h"

#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES];
static int64_t seconds_max, ahead_us; // of files, and of the sink's clock
static RecordFormat format;

static int64_t later_now_us(void *self) {
    return clock_now_us(clock_system()) + ahead_us;
}

static const Clock later = {.now_us = later_now_us};

static int setup(void **state) {
    scratch_make(directory);
    seconds_max = ahead_us = 0;
    format = RECORD_PLAIN;
    return 0;
}

static const char *path(const char *name) {
    static char out[512];
    snprintf(out, sizeof out, "%s/%s", directory, name);
    return out;
}

static int teardown(void **state) {
    scratch_remove(directory);
    return 0;
}

static int open_sink(Sink **sink, uint64_t bytes_max) {
    *sink = NULL;
    return sink_jsonl_new(sink, &(SinkJsonlOptions){.directory = directory,
                                                    .file_bytes_max = bytes_max,
                                                    .file_seconds_max = seconds_max,
                                                    .format = format,
                                                    .clock = &later});
}

static Sink *sink_opened(uint64_t bytes_max, uint64_t expected) {
    Sink *sink;
    SinkPlace place;
    assert_int_equal(open_sink(&sink, bytes_max), 0);
    assert_int_equal(sink->kind->begin(sink, &place), expected ? 0 : 1);
    assert_int_equal(place.position, expected);
    return sink;
}

static void put(Sink *sink, uint64_t position) {
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = position;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
    assert_int_equal(sink->kind->write(sink, &record), 0);
}

static void commit(Sink *sink, uint64_t position) {
    SinkPlace place = {.epoch = 1, .position = position, .hash = {0xab, (uint8_t)position}};
    assert_int_equal(sink->kind->commit(sink, &place), 0);
}

// Positions of all lines of all files, in order, must be 1 to n.
static void assert_lines(uint64_t n) {
    uint64_t expected = 0;
    for (unsigned number = 1; number < 100; number++) {
        char name[32], line[512];
        snprintf(name, sizeof name, "records-%06u.jsonl", number);
        FILE *file = fopen(path(name), "r");
        while (file && fgets(line, sizeof line, file)) {
            unsigned long long position;
            assert_int_equal(sscanf(line, "{\"position\":%llu,", &position), 1);
            assert_int_equal(position, ++expected);
            assert_int_equal(line[strlen(line) - 1], '\n');
        }
        if (file)
            fclose(file);
    }
    assert_int_equal(expected, n);
}

static void test_goes_on_from_its_place(void **state) {
    Sink *sink = sink_opened(0, 0);
    put(sink, 1);
    put(sink, 2);
    commit(sink, 7);
    sink_destroy(&sink);
    assert_int_equal(open_sink(&sink, 0), 0);
    SinkPlace place;
    assert_int_equal(sink->kind->begin(sink, &place), 0);
    assert_int_equal(place.epoch, 1);
    assert_int_equal(place.position, 7);
    assert_int_equal(place.hash[0], 0xab);
    assert_int_equal(place.hash[1], 7);
    put(sink, 3);
    commit(sink, 8);
    sink_destroy(&sink);
    assert_lines(3);
}

// Dies with more in the file than the position says: after any number of bytes of the data, before the rename.
static void test_cuts_off_what_was_not_committed(void **state) {
    for (off_t more = 0; more < 150; more += 7) {
        Sink *sink = sink_opened(0, more ? 1 : 0);
        if (!more) {
            put(sink, 1);
            commit(sink, 1);
        }
        sink_destroy(&sink);
        char junk[150];
        memset(junk, '{', sizeof junk);
        int file = open(path("records-000001.jsonl"), O_WRONLY | O_APPEND);
        assert_int_equal(write(file, junk, (size_t)more), more);
        close(file);
        close(open(path("position.new"), O_WRONLY | O_CREAT, 0600)); // and a position half written
    }
    Sink *sink = sink_opened(0, 1);
    put(sink, 2);
    commit(sink, 2);
    sink_destroy(&sink);
    assert_lines(2);
}

static void test_forgets_uncommitted_records_between_sessions(void **state) {
    Sink *sink = sink_opened(0, 0);
    put(sink, 1);
    commit(sink, 1);
    for (uint64_t i = 2; i < 5000; i++) // enough that some of it is in the file already
        put(sink, i);
    SinkPlace place;
    assert_int_equal(sink->kind->begin(sink, &place), 0);
    assert_int_equal(place.position, 1);
    put(sink, 2);
    commit(sink, 2);
    sink_destroy(&sink);
    assert_lines(2);
}

static void test_begins_new_files_between_commits(void **state) {
    Sink *sink = sink_opened(200, 0);
    for (uint64_t i = 1; i <= 10; i++) {
        put(sink, i);
        commit(sink, i);
    }
    sink_destroy(&sink);
    assert_lines(10);
    assert_int_equal(access(path("records-000003.jsonl"), F_OK), 0);
    // A file that was begun and never named by the position is removed, whatever is in it.
    FILE *file = fopen(path("records-000099.jsonl"), "w");
    fputs("{\"position\":11,", file);
    fclose(file);
    sink = sink_opened(200, 10);
    put(sink, 11);
    commit(sink, 11);
    sink_destroy(&sink);
    assert_lines(11);
    // Older files may be taken away by whoever has read them.
    assert_int_equal(unlink(path("records-000001.jsonl")), 0);
    sink = sink_opened(200, 11);
    sink_destroy(&sink);
}

static void assert_refused(const char *word) {
    Sink *sink;
    SinkPlace place;
    int r = open_sink(&sink, 0);
    if (r == 0)
        r = sink->kind->begin(sink, &place);
    assert_int_equal(r, ERROR_CONFIG);
    if (!strstr(error_text(), word))
        fail_msg("\"%s\" does not say %s", error_text(), word);
    sink_destroy(&sink);
}

static void fill(void) {
    Sink *sink = sink_opened(0, 0);
    put(sink, 1);
    put(sink, 2);
    commit(sink, 2);
    sink_destroy(&sink);
}

// A file that is complete may be moved away at once, whatever happens next; and only one that is.
static void test_needs_no_file_but_the_last(void **state) {
    Sink *sink = sink_opened(200, 0);
    for (uint64_t i = 1; i <= 2; i++) {
        put(sink, i);
        commit(sink, i);
    }
    assert_int_equal(access(path("records-000002.jsonl"), F_OK), 0);
    assert_int_equal(unlink(path("records-000001.jsonl")), 0);
    sink_destroy(&sink); // dies before anything comes to stand in the second
    sink = sink_opened(200, 2);
    put(sink, 1);
    commit(sink, 3);
    sink_destroy(&sink);
    assert_int_equal(unlink(path("records-000002.jsonl")), 0); // not complete
    assert_refused("missing");
}

static void test_begins_new_files_after_a_time(void **state) {
    seconds_max = 60;
    Sink *sink = sink_opened(0, 0);
    ahead_us = 61 * 1000000;
    assert_int_equal(sink->kind->idle(sink), 0); // an empty file stays
    assert_int_equal(access(path("records-000002.jsonl"), F_OK), -1);
    ahead_us = 0;
    put(sink, 1);
    commit(sink, 1);
    assert_int_equal(sink->kind->idle(sink), 0); // so does a young one
    assert_int_equal(access(path("records-000002.jsonl"), F_OK), -1);
    sink_destroy(&sink);
    ahead_us = 61 * 1000000; // also across restarts
    sink = sink_opened(0, 1);
    assert_int_equal(sink->kind->idle(sink), 0);
    assert_int_equal(access(path("records-000002.jsonl"), F_OK), 0);
    put(sink, 2);
    commit(sink, 2);
    sink_destroy(&sink);
    assert_lines(2);
}

static void test_formats_are_not_mixed(void **state) {
    fill();
    format = RECORD_PROTOBUF;
    assert_refused("another format");
    format = RECORD_PLAIN;
    Sink *sink = sink_opened(0, 2);
    sink_destroy(&sink);
}

static void test_a_missing_position_is_no_beginning(void **state) {
    fill();
    assert_int_equal(unlink(path("position")), 0);
    assert_refused("missing");
    assert_lines(2);
}

static void test_a_missing_or_short_data_file_is_said(void **state) {
    fill();
    assert_int_equal(truncate(path("records-000001.jsonl"), 10), 0);
    assert_refused("shorter");
    assert_int_equal(unlink(path("records-000001.jsonl")), 0);
    assert_refused("missing");
    assert_int_equal(access(path("records-000001.jsonl"), F_OK), -1);
}

// Any one byte of the position changed, and any cut of it.
static void test_a_damaged_position_is_said(void **state) {
    fill();
    char text[512], wrong[512];
    FILE *file = fopen(path("position"), "r");
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    for (size_t i = 0; i < 2 * n; i++) {
        memcpy(wrong, text, n);
        size_t length = i < n ? n : i - n;
        if (i < n)
            wrong[i] ^= 1;
        if (length == n - 1)
            continue; // only the last line feed is gone
        file = fopen(path("position"), "w");
        fwrite(wrong, 1, length, file);
        fclose(file);
        if (i != n - 1)
            assert_refused("new, empty directory");
    }
    file = fopen(path("position"), "w");
    fwrite(text, 1, n, file);
    fclose(file);
    Sink *sink = sink_opened(0, 2);
    sink_destroy(&sink);
    assert_lines(2);
}

static void test_one_receiver_at_a_time(void **state) {
    Sink *sink = sink_opened(0, 0), *second;
    assert_int_equal(open_sink(&second, 0), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "another receiver"));
    sink_destroy(&sink);
    sink = sink_opened(0, 0);
    sink_destroy(&sink);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_goes_on_from_its_place),
        CASE(test_cuts_off_what_was_not_committed),
        CASE(test_forgets_uncommitted_records_between_sessions),
        CASE(test_begins_new_files_between_commits),
        CASE(test_a_missing_position_is_no_beginning),
        CASE(test_a_missing_or_short_data_file_is_said),
        CASE(test_a_damaged_position_is_said),
        CASE(test_needs_no_file_but_the_last),
        CASE(test_begins_new_files_after_a_time),
        CASE(test_formats_are_not_mixed),
        CASE(test_one_receiver_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
