// SPDX-License-Identifier: Apache-2.0
//
// Records for a program of somebody else's: only what it acknowledged is committed, and whatever it does wrong ends it
// within a bound, with a sentence, and lets it be started again. The programs here are lines of shell.
#include "agents/sink_command.h"

#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <czmq.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES];
static char state_path[512], out_path[512];
static int64_t ahead_ms, step_ms; // of the sink's clock; goes on by the second with each look at it

static int64_t now_ms(void *self) {
    return clock_monotonic_ms(clock_system()) + (ahead_ms += step_ms);
}

static const Clock hurried = {.monotonic_ms = now_ms};

static int setup(void **state) {
    scratch_make(directory);
    snprintf(state_path, sizeof state_path, "%s/state", directory);
    snprintf(out_path, sizeof out_path, "%s/out", directory);
    setenv("OUT", out_path, 1);
    ahead_ms = step_ms = 0;
    return 0;
}

static int teardown(void **state) {
    scratch_remove(directory);
    return 0;
}

// Stores each line and says its position.
#define FAITHFUL "while read -r line; do printf '%s\\n' \"$line\" >>\"$OUT\"; p=${line#*:}; echo ok ${p%%,*}; done"

static Sink *sink_opened(const char *script, int64_t answer_ms) {
    static const char *argv[4];
    Sink *sink;
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    SinkCommandOptions options = {
        .argv = (char *const *)argv, .state = state_path, .answer_ms = answer_ms, .clock = &hurried};
    assert_int_equal(sink_command_new(&sink, &options), 0);
    return sink;
}

static void assert_begins(Sink *sink, uint64_t position) {
    SinkPlace place = {0};
    assert_int_equal(sink->kind->begin(sink, &place), position ? 0 : 1);
    assert_int_equal(place.position, position);
    if (position)
        assert_int_equal(place.hash[1], (uint8_t)position);
}

static void put(Sink *sink, uint64_t position) {
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = position;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
    assert_int_equal(sink->kind->write(sink, &record), 0);
}

static int commit(Sink *sink, uint64_t position) {
    SinkPlace place = {.epoch = 1, .position = position, .hash = {0xab, (uint8_t)position}};
    return sink->kind->commit(sink, &place);
}

static void assert_stored(uint64_t first, uint64_t last) {
    char line[512];
    uint64_t expected = first;
    FILE *file = fopen(out_path, "r");
    while (file && fgets(line, sizeof line, file)) {
        unsigned long long position;
        assert_int_equal(sscanf(line, "{\"position\":%llu,", &position), 1);
        assert_int_equal(position, expected++);
    }
    if (file)
        fclose(file);
    assert_int_equal(expected, last + 1);
}

static void assert_fails(Sink *sink, uint64_t position, const char *says) {
    put(sink, position);
    assert_int_equal(commit(sink, position), ERROR_DATABASE);
    if (!strstr(error_text(), says))
        fail_msg("\"%s\" does not say \"%s\"", error_text(), says);
}

static void test_commits_what_was_acknowledged(void **state) {
    Sink *sink = sink_opened(FAITHFUL, 0);
    assert_begins(sink, 0);
    for (uint64_t i = 1; i <= 5000; i++) // more than two pipes hold, both ways
        put(sink, i);
    assert_int_equal(commit(sink, 5002), 0);
    assert_stored(1, 5000);
    assert_int_equal(commit(sink, 5010), 0); // a place without records
    assert_int_equal(sink->kind->idle(sink), 0);
    sink_destroy(&sink);
    sink = sink_opened(FAITHFUL, 0);
    assert_begins(sink, 5010);
    sink_destroy(&sink);
}

// It takes everything and acknowledges once, in both ways of saying it.
static void test_acknowledges_as_it_likes(void **state) {
    Sink *sink = sink_opened("read -r a; read -r b; echo 1; echo 2; read -r a; read -r b; printf 'ok 4\\r\\n'; cat", 0);
    assert_begins(sink, 0);
    for (uint64_t i = 1; i <= 4; i += 2) {
        put(sink, i);
        put(sink, i + 1);
        assert_int_equal(commit(sink, i + 1), 0);
    }
    sink_destroy(&sink);
}

static void test_every_fault_is_said(void **state) {
    static const struct {
        const char *script, *says;
    } FAULTS[] = {
        {"exit 3", "ended with exit code 3"},
        {"read -r a; kill -9 $$", "killed by signal 9"},
        {"read -r a; echo hello 1", "no acknowledgement"},
        {"read -r a; echo ok", "no acknowledgement"},
        {"read -r a; echo ok -1", "no acknowledgement"},
        {"read -r a; echo 1 2", "no acknowledgement"},
        {"read -r a; echo 99999999999999999999999", "no acknowledgement"},
        {"read -r a; printf '%0100d' 1; cat", "too long"},
        {"read -r a; echo 12; cat", "which it was not given (11 was the last)"},
        {"read -r a; echo 9; cat", "acknowledged position 9 after 10"},
        {"exec <&-; exec sleep 1000", "closed its input or output"},
        {"exec >&-; cat >/dev/null", "closed its input or output"},
        {"cat >/dev/null", "acknowledged nothing"},
        {"trap '' TERM; while :; do sleep 1000; done", "acknowledged nothing"},
    };
    Sink *sink = sink_opened("read -r a; echo 10; cat", 0);
    assert_begins(sink, 0);
    put(sink, 10);
    assert_int_equal(commit(sink, 10), 0);
    sink_destroy(&sink);
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
        sink = sink_opened(FAULTS[i].script, 300);
        assert_begins(sink, 10);
        assert_fails(sink, 11, FAULTS[i].says);
        sink_destroy(&sink);
        sink = sink_opened(FAITHFUL, 0); // nothing has moved, and nothing of it is left but for a moment
        SinkPlace place;
        for (int tries = 0; tries < 5000 && sink->kind->begin(sink, &place) == ERROR_DATABASE; tries++)
            zmq_poll(NULL, 0, 1);
        assert_begins(sink, 10);
        sink_destroy(&sink);
    }
}

static void test_is_started_again_after_a_pause(void **state) {
    SinkPlace place;
    Sink *sink = sink_opened("[ -e \"$OUT\" ] && exec cat; read -r a; exit 1", 1000);
    assert_begins(sink, 0);
    int64_t pause_ms = 0;
    for (int i = 0; i < 12; i++) {
        assert_fails(sink, 1, "ended with exit code 1");
        assert_int_equal(sink->kind->begin(sink, &place), ERROR_DATABASE);
        assert_non_null(strstr(error_text(), "started again in a while"));
        int64_t begin_ms = ahead_ms;
        while (sink->kind->begin(sink, &place) == ERROR_DATABASE)
            ahead_ms += 100;
        assert_true(ahead_ms - begin_ms >= pause_ms && ahead_ms - begin_ms <= 60100);
        pause_ms = ahead_ms - begin_ms;
    }
    assert_true(pause_ms >= 59000);
    sink_destroy(&sink);
}

static void test_gets_again_what_was_not_committed(void **state) {
    Sink *sink = sink_opened(FAITHFUL, 0);
    assert_begins(sink, 0);
    put(sink, 1);
    assert_int_equal(commit(sink, 1), 0);
    put(sink, 2); // the session is lost before the commit
    assert_begins(sink, 1);
    put(sink, 2);
    assert_int_equal(commit(sink, 2), 0);
    sink_destroy(&sink);
    assert_stored(1, 2);
}

static void test_notices_its_end_while_nothing_comes(void **state) {
    Sink *sink = sink_opened("read -r a; echo 1; read -r a </dev/null; exit 7", 0);
    assert_begins(sink, 0);
    put(sink, 1);
    assert_int_equal(commit(sink, 1), 0);
    int r;
    while ((r = sink->kind->idle(sink)) == 0)
        zmq_poll(NULL, 0, 1);
    assert_int_equal(r, ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "exit code 7"));
    sink_destroy(&sink);
}

static void test_a_stop_is_not_waited_out(void **state) {
    Sink *sink = sink_opened("cat >/dev/null", 0);
    assert_begins(sink, 0);
    put(sink, 1);
    step_ms = 1000;
    zsys_interrupted = 1;
    assert_int_equal(commit(sink, 1), ERROR_STOPPED);
    assert_true(ahead_ms < 20000);
    zsys_interrupted = 0;
    sink_destroy(&sink);
}

static void test_one_receiver_at_a_time(void **state) {
    SinkPlace place;
    Sink *sink = sink_opened(FAITHFUL, 0), *second;
    assert_begins(sink, 0);
    second = sink_opened(FAITHFUL, 0);
    assert_int_equal(second->kind->begin(second, &place), ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "another receiver"));
    sink_destroy(&sink);
    assert_begins(second, 0);
    sink_destroy(&second);
}

static void test_a_damaged_place_is_said(void **state) {
    SinkPlace place;
    Sink *sink = sink_opened(FAITHFUL, 0);
    assert_begins(sink, 0);
    assert_int_equal(commit(sink, 7), 0);
    sink_destroy(&sink);
    FILE *file = fopen(state_path, "r+");
    fseek(file, 30, SEEK_SET);
    fputc('9', file);
    fclose(file);
    sink = sink_opened(FAITHFUL, 0);
    assert_int_equal(sink->kind->begin(sink, &place), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "damaged"));
    sink_destroy(&sink);
}

static void test_what_cannot_be_run_is_said(void **state) {
    SinkPlace place;
    static char *argv[] = {(char *)"/nowhere/at-all", NULL};
    SinkCommandOptions options = {.argv = argv, .state = state_path, .clock = clock_system()};
    Sink *sink;
    assert_int_equal(sink_command_new(&sink, &options), 0);
    assert_int_equal(sink->kind->begin(sink, &place), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "/nowhere/at-all: cannot be run"));
    sink_destroy(&sink);
}

// A part of a snapshot is stored, and its cursor then leads nowhere (subscription_snapshot_forget()).
static void test_a_snapshot_begins_again(void **state) {
    Sink *sink =
        sink_opened("while read -r a; do case $a in *snapshot*) echo ok snapshot;; *:11,*) echo 11;; esac; done", 2000);
    const SinkSnapshots *snapshots = sink->kind->snapshots;
    SinkPlace place = {.epoch = 1, .position = 10, .hash = {0xab, 10}};
    SinkTally tally = {0};
    assert_begins(sink, 0);
    for (int64_t mark = 1; mark <= 2; mark++) {
        SinkSnapshot snapshot = {.mark = mark, .first = place}, anew = {.mark = mark + 1};
        assert_int_equal(snapshots->begin(sink, &snapshot), 0);
        put(sink, 500);
        snapshot.begun = true;
        snapshot.cursor_n = 1;
        assert_int_equal(snapshots->commit(sink, &snapshot, &tally), 0);
        assert_begins(sink, 0);
        assert_int_equal(snapshots->commit(sink, &anew, &tally), 0);
    }
    SinkSnapshot whole = {.mark = 3, .first = place};
    assert_int_equal(snapshots->begin(sink, &whole), 0);
    put(sink, 500);
    assert_int_equal(snapshots->end(sink, &whole, &place, &tally), 0);
    put(sink, 11);
    assert_int_equal(commit(sink, 11), 0);
    sink_destroy(&sink);
}

static int commit_in(Sink *sink, uint32_t epoch, uint64_t position) {
    SinkPlace place = {.epoch = epoch, .position = position, .hash = {0xab, (uint8_t)position}};
    return sink->kind->commit(sink, &place);
}

// Stores each line, and answers it as what it is.
#define TELLING                                                                                                        \
    "while read -r a; do printf '%s\\n' \"$a\" >>\"$OUT\"; case $a in *epoch*) echo ok epoch;; *snapshot*) "           \
    "echo ok snapshot;; *) p=${a#*:}; echo ok ${p%%,*};; esac; done"

static void begins_at_last(Sink *sink) {
    SinkPlace place;
    while (sink->kind->begin(sink, &place) == ERROR_DATABASE) // the one before has not ended yet
        zmq_poll(NULL, 0, 1);
}

// The lines told from the last call to here: positions, and epochs as "2>10".
static void assert_told(const char *expected) {
    char told[1024] = "", line[256];
    FILE *file = fopen(out_path, "r");
    while (file && fgets(line, sizeof line, file)) {
        unsigned long long number, behind;
        size_t n = strlen(told);
        if (sscanf(line, "{\"position\":%llu", &number) == 1)
            snprintf(told + n, sizeof told - n, "%llu ", number);
        else if (sscanf(line, "{\"epoch\":%llu,\"behind\":%llu}", &number, &behind) == 2)
            snprintf(told + n, sizeof told - n, "%llu>%llu ", number, behind);
    }
    if (file)
        fclose(file);
    unlink(out_path);
    assert_string_equal(told, expected);
}

// Whatever epoch begins: a program that has nothing of what was taken back need not know that line.
static void test_an_epoch_that_takes_nothing_back_is_not_told(void **state) {
    Sink *sink = sink_opened(FAITHFUL, 300);
    assert_begins(sink, 0);
    for (uint64_t i = 1; i <= 9; i++) {
        put(sink, 10 * i);
        assert_int_equal(commit_in(sink, (uint32_t)(i / 3) + 1, 10 * i + i % 2), 0);
        if (i % 4 != 0)
            continue;
        sink_destroy(&sink);
        sink = sink_opened(FAITHFUL, 300);
        begins_at_last(sink);
    }
    sink_destroy(&sink);
    assert_told("10 20 30 40 50 60 70 80 90 ");
}

// It was given more than it acknowledged, and is told until it has stored that; then no more.
static void test_an_epoch_that_takes_something_back_is_told(void **state) {
    Sink *sink = sink_opened("read -r a; echo 10; cat >/dev/null", 300);
    assert_begins(sink, 0);
    put(sink, 10);
    assert_int_equal(commit(sink, 10), 0);
    put(sink, 15);
    assert_int_equal(commit(sink, 15), ERROR_DATABASE);
    sink_destroy(&sink);
    sink = sink_opened("read -r a; [ \"$a\" = '{\"epoch\":2,\"behind\":10}' ] || echo 0; cat >/dev/null", 300);
    begins_at_last(sink);
    put(sink, 11);
    assert_int_equal(commit_in(sink, 2, 11), ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "acknowledged nothing"));
    sink_destroy(&sink);
    sink = sink_opened(TELLING, 0);
    begins_at_last(sink);
    put(sink, 11);
    assert_int_equal(commit_in(sink, 2, 12), 0);
    put(sink, 13);
    assert_int_equal(commit_in(sink, 2, 14), 0);
    assert_int_equal(commit_in(sink, 3, 15), 0);
    sink_destroy(&sink);
    assert_told("2>10 11 13 ");
}

static void copied(const char *from, const char *to) {
    char text[4096];
    FILE *file = fopen(from, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    file = fopen(to, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    fclose(file);
}

// What was given is known while this program lives, from the first on.
static void test_an_epoch_behind_what_it_holds_is_not_told(void **state) {
    Sink *sink = sink_opened("[ -e \"$OUT\" ] || { touch \"$OUT\"; read -r a; exit 1; }; " FAITHFUL, 300);
    assert_begins(sink, 0);
    put(sink, 10);
    assert_int_equal(commit(sink, 10), ERROR_DATABASE);
    ahead_ms += 60000;
    begins_at_last(sink);
    put(sink, 10);
    assert_int_equal(commit(sink, 10), 0);
    put(sink, 11);
    assert_int_equal(commit_in(sink, 2, 11), 0);
    sink_destroy(&sink);
    assert_told("10 11 ");
}

// What it was given when this program died is not known, but for about how far that was.
static void test_an_epoch_is_told_after_a_crash(void **state) {
    char then[600];
    snprintf(then, sizeof then, "%s.then", state_path);
    Sink *sink = sink_opened(TELLING, 0);
    assert_begins(sink, 0);
    put(sink, 10);
    assert_int_equal(commit(sink, 10), 0);
    copied(state_path, then);
    sink_destroy(&sink);
    copied(then, state_path);
    sink = sink_opened(TELLING, 0);
    begins_at_last(sink);
    put(sink, 11);
    assert_int_equal(commit_in(sink, 2, 11), 0);
    sink_destroy(&sink);
    assert_told("10 2>10 11 ");
}

// A share whose persons were dealt anew reads an old epoch's end again, and then one that is new.
static void test_an_old_epoch_is_read_again(void **state) {
    Sink *sink = sink_opened(TELLING, 0);
    assert_begins(sink, 0);
    put(sink, 200);
    assert_int_equal(commit_in(sink, 4, 200), 0);
    for (uint64_t i = 0; i < 2; i++) {
        sink_destroy(&sink);
        sink = sink_opened(TELLING, 0);
        begins_at_last(sink);
        put(sink, 90);
        assert_int_equal(commit_in(sink, 3, 100), 0);
        sink_destroy(&sink);
        sink = sink_opened(TELLING, 0);
        begins_at_last(sink);
        put(sink, 110 + i);
        assert_int_equal(commit_in(sink, 4, 120), 0);
    }
    put(sink, 130);
    assert_int_equal(commit_in(sink, 5, 130), 0);
    put(sink, 101); // it begins in an epoch that is new
    assert_int_equal(commit_in(sink, 6, 140), 0);
    sink_destroy(&sink);
    assert_told("200 90 110 90 111 5>120 130 6>100 101 ");
}

// What lies before the place is waited for like anything else, and may be acknowledged.
static void test_before_the_place(void **state) {
    Sink *sink = sink_opened("read -r a; echo 200; read -r a; echo 90; read -r a; echo 95; cat >/dev/null", 300);
    assert_begins(sink, 0);
    put(sink, 200);
    assert_int_equal(commit(sink, 200), 0);
    put(sink, 90);
    assert_int_equal(commit(sink, 91), 0);
    put(sink, 95);
    assert_int_equal(commit(sink, 95), 0);
    put(sink, 96);
    assert_int_equal(commit(sink, 96), ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "acknowledged nothing"));
    sink_destroy(&sink);
    sink = sink_opened("cat >/dev/null", 300);
    begins_at_last(sink);
    put(sink, 50);
    assert_int_equal(commit(sink, 60), ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "acknowledged nothing"));
    sink_destroy(&sink);
}

// Its records are of positions beyond the place that it ends with.
static void test_an_epoch_takes_a_snapshot_back(void **state) {
    Sink *sink = sink_opened(TELLING, 0);
    SinkSnapshot snapshot = {.mark = 1, .first = {.epoch = 1, .position = 10, .hash = {0xab, 10}}};
    SinkTally tally = {0};
    assert_begins(sink, 0);
    assert_int_equal(sink->kind->snapshots->begin(sink, &snapshot), 0);
    put(sink, 50);
    assert_int_equal(sink->kind->snapshots->end(sink, &snapshot, &snapshot.first, &tally), 0);
    sink_destroy(&sink);
    sink = sink_opened(TELLING, 0);
    begins_at_last(sink);
    put(sink, 20);
    assert_int_equal(commit_in(sink, 2, 20), 0);
    sink_destroy(&sink);
    assert_told("50 2>10 20 ");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        CASE(test_commits_what_was_acknowledged),
        CASE(test_acknowledges_as_it_likes),
        CASE(test_every_fault_is_said),
        CASE(test_is_started_again_after_a_pause),
        CASE(test_gets_again_what_was_not_committed),
        CASE(test_notices_its_end_while_nothing_comes),
        CASE(test_a_stop_is_not_waited_out),
        CASE(test_one_receiver_at_a_time),
        CASE(test_a_damaged_place_is_said),
        CASE(test_what_cannot_be_run_is_said),
        CASE(test_a_snapshot_begins_again),
        CASE(test_an_epoch_that_takes_nothing_back_is_not_told),
        CASE(test_an_epoch_that_takes_something_back_is_told),
        CASE(test_an_epoch_behind_what_it_holds_is_not_told),
        CASE(test_an_epoch_is_told_after_a_crash),
        CASE(test_an_old_epoch_is_read_again),
        CASE(test_before_the_place),
        CASE(test_an_epoch_takes_a_snapshot_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
