// SPDX-License-Identifier: Apache-2.0
//
// Both ends of the feed together: the receiver's sessions against the feed's actor and a real server. Each record
// reaches the sink once, across restarts and failures of either side; what is refused is said; nothing is acknowledged
// that the sink did not make durable.
#include "exchange-log.h"

#include "agents/sink_jsonl.h"
#include "agents/subscription.h"
#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

// A sink in memory that keeps positions, and fails when it is told to.
typedef struct Memory {
    Sink sink;
    SinkPlace place;
    uint64_t *positions;
    size_t n, durable, size;
    int fail_commits_after; // -1: never
    int commits;
    int fail_with;
    int commit_ms; // as a slow disk takes
} Memory;

static int memory_begin(Sink *sink, SinkPlace *ret) {
    Memory *memory = (Memory *)sink;
    memory->n = memory->durable;
    *ret = memory->place;
    return memory->place.position ? 0 : 1;
}

static int memory_grant(Sink *sink, char *const *fields, size_t n) {
    assert_int_equal(n, 2);
    assert_string_equal(fields[0], "health.dose_number");
    assert_string_equal(fields[1], "health.lot_number");
    return 0;
}

static int memory_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Memory *memory = (Memory *)sink;
    if (memory->n == memory->size) {
        memory->size = memory->size ? 2 * memory->size : 64;
        memory->positions = realloc(memory->positions, memory->size * sizeof *memory->positions);
    }
    memory->positions[memory->n++] = record->position;
    return 0;
}

// No more may have been acknowledged than was durable before this commit.
static int memory_commit(Sink *sink, const SinkPlace *place) {
    Memory *memory = (Memory *)sink;
    if (memory->fail_commits_after >= 0 && memory->commits++ >= memory->fail_commits_after)
        return error_fail(memory->fail_with, "the disk is on fire");
    zmq_poll(NULL, 0, memory->commit_ms);
    memory->durable = memory->n;
    memory->place = *place;
    return 0;
}

static void memory_destroy(Sink *sink) {}

static const SinkKind MEMORY = {.begin = memory_begin,
                                .grant = memory_grant,
                                .write = memory_write,
                                .commit = memory_commit,
                                .destroy = memory_destroy};

static int run_as(Sink *sink, SubscriptionOptions options, char text[512]) {
    Subscription *subscription;
    options.name = options.name ? options.name : "sub-1";
    options.keys = options.keys ? options.keys : &exchange.keys[0];
    options.broker_key = options.broker_key ? options.broker_key : exchange.broker.curve_public;
    options.sink = sink;
    options.clock = clock_system();
    options.until_head = true;
    exchange_ok(subscription_new(&subscription, &options));
    int r = subscription_run(subscription, exchange.endpoint, 5000);
    snprintf(text, 512, "%s", r < 0 ? error_text() : subscription_text(subscription));
    subscription_destroy(&subscription);
    return r;
}

static void assert_complete(const Memory *memory, uint64_t from, uint64_t last) {
    size_t n = 0;
    for (uint64_t position = from; position <= last; position++)
        if (exchange_is_for(1, position)) {
            assert_true(n < memory->durable);
            assert_int_equal(memory->positions[n++], position);
        }
    assert_int_equal(memory->durable, n);
    assert_int_equal(memory->place.position, last);
    assert_memory_equal(memory->place.hash, exchange.head.hash, HASH_BYTES);
}

static void test_receives_all_once_and_goes_on(void **state) {
    Memory memory = {.sink.kind = &MEMORY, .fail_commits_after = -1};
    char text[512];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 20; i++)
            exchange_append(round == 4 ? 3 : 500);
        assert_int_equal(run_as(&memory.sink, (SubscriptionOptions){0}, text), 0);
        assert_complete(&memory, 1, exchange.head.last_position);
    }
    assert_int_equal(run_as(&memory.sink, (SubscriptionOptions){0}, text), 0);
    assert_complete(&memory, 1, exchange.head.last_position);
    free(memory.positions);
}

// Every commit fails once, in turn; after each the receiver is begun anew.
static void test_any_commit_may_fail(void **state) {
    Memory memory = {.sink.kind = &MEMORY};
    char text[512];
    int r;
    for (int i = 0; i < 200; i++) {
        memory.commits = 0;
        memory.fail_commits_after = i % 3;
        memory.fail_with = i % 2 ? ERROR_DATABASE : ERROR_SYSTEM;
        r = run_as(&memory.sink, (SubscriptionOptions){0}, text);
        if (r == 0)
            break;
        assert_int_equal(r, memory.fail_with);
        assert_string_equal(text, "the disk is on fire");
    }
    assert_int_equal(r, 0);
    assert_complete(&memory, 1, exchange.head.last_position);
    free(memory.positions);
}

static void refuse(SubscriptionOptions options, SinkPlace place, const char *word) {
    Memory memory = {.sink.kind = &MEMORY, .fail_commits_after = -1, .place = place};
    char text[512];
    int r = run_as(&memory.sink, options, text);
    if (r != 2 || !strstr(text, word))
        fail_msg("%d: \"%s\" does not say %s", r, text, word);
    assert_int_equal(memory.n, 0);
}

// By its own key alone; by another one it may be anybody's word, and passes after a while.
static void test_what_is_refused_is_signed(void **state) {
    Keys strange;
    char text[512];
    Memory memory = {.sink.kind = &MEMORY, .fail_commits_after = -1};
    exchange_ok(keys_generate(&strange));
    SubscriptionOptions options = {.name = "sub-2", .sign_keys = {exchange.broker.sign_public}};
    refuse(options, (SinkPlace){0}, "sub-1");
    options.sign_keys[1] = options.sign_keys[0]; // the next key, which it has gone over to
    options.sign_keys[0] = strange.sign_public;
    refuse(options, (SinkPlace){0}, "sub-1");
    options.sign_keys[1] = NULL;
    assert_int_equal(run_as(&memory.sink, options, text), 1);
    assert_non_null(strstr(text, "did not sign"));
    assert_non_null(strstr(text, "sub-1"));
}

static void test_what_is_refused_is_said(void **state) {
    SinkPlace place = {.epoch = 1, .position = exchange.head.last_position};
    memcpy(place.hash, exchange.head.hash, HASH_BYTES);
    refuse((SubscriptionOptions){.name = "sub-2"}, (SinkPlace){0}, "sub-1");
    place.hash[3] ^= 1;
    refuse((SubscriptionOptions){0}, place, "empty sink");
    place.hash[3] ^= 1;
    place.position++;
    refuse((SubscriptionOptions){0}, place, "operator");
    exchange_run("UPDATE exchange.subscription_policy SET valid_to = '2021-01-01' WHERE subscription = 1");
    exchange_run("SELECT pg_notify('dongbo_policy', '')");
    place.position--;
    char text[512];
    Memory memory = {.sink.kind = &MEMORY, .fail_commits_after = -1, .place = place};
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++) // until the policy was read again
        r = run_as(&memory.sink, (SubscriptionOptions){0}, text);
    assert_int_equal(r, 2);
    assert_non_null(strstr(text, "expired"));
    exchange_run("UPDATE exchange.subscription_policy SET valid_to = '2090-01-01' WHERE subscription = 1");
    exchange_run("SELECT pg_notify('dongbo_policy', '')");
    for (int i = 0; i < 100 && r == 2; i++)
        r = run_as(&memory.sink, (SubscriptionOptions){0}, text);
    assert_int_equal(r, 0);
}

static int run_from(Memory *memory, SubscriptionFrom from, uint64_t position) {
    char text[512];
    int r = run_as(&memory->sink, (SubscriptionOptions){.from = from, .from_position = position}, text);
    if (r > 0)
        fail_msg("%d: %s", r, text);
    return r;
}

// An empty sink gets everything, whatever was acknowledged from another one, unless something else is asked for.
static void test_where_an_empty_sink_begins(void **state) {
    uint64_t head = exchange.head.last_position;
    Memory all = {.sink.kind = &MEMORY, .fail_commits_after = -1}, later = all, acked = all, behind = all;
    assert_int_equal(run_from(&all, FROM_SINK, 0), 0);
    assert_complete(&all, 1, head);
    assert_int_equal(run_from(&later, FROM_HEAD, 0), 0);
    assert_complete(&later, head + 1, head);
    assert_int_equal(run_from(&behind, FROM_POSITION, head - 700), 0);
    assert_complete(&behind, head - 699, head);
    for (int i = 0; i < 3; i++)
        exchange_append(300);
    assert_int_equal(run_from(&acked, FROM_ACKED, 0), 0);
    assert_complete(&acked, head + 1, exchange.head.last_position);
    assert_int_equal(run_from(&later, FROM_SINK, 0), 0);
    assert_complete(&later, head + 1, exchange.head.last_position);
    Memory *memories[] = {&all, &later, &acked, &behind};
    for (int i = 0; i < 4; i++)
        free(memories[i]->positions);
}

// What is there already is not doubled by a word on the command line.
static void test_a_sink_that_holds_records_begins_nowhere_else(void **state) {
    static const SubscriptionFrom OTHERS[] = {FROM_START, FROM_HEAD, FROM_ACKED, FROM_POSITION};
    uint64_t head = exchange.head.last_position;
    Memory memory = {.sink.kind = &MEMORY, .fail_commits_after = -1};
    assert_int_equal(run_from(&memory, FROM_SINK, 0), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run_from(&memory, OTHERS[i], 5), ERROR_CONFIG);
        assert_non_null(strstr(error_text(), "leave --from out"));
    }
    assert_complete(&memory, 1, head);
    // Unless each record replaces itself there.
    SinkKind replacing = MEMORY;
    replacing.replaces = true;
    memory.sink.kind = &replacing;
    memory.n = memory.durable = 0;
    assert_int_equal(run_from(&memory, FROM_START, 0), 0);
    assert_complete(&memory, 1, head);
    assert_int_equal(run_from(&memory, FROM_HEAD, 0), ERROR_CONFIG);
    free(memory.positions);
}

static void test_no_broker_is_lost_not_refused(void **state) {
    Memory memory = {.sink.kind = &MEMORY, .fail_commits_after = -1};
    char text[512];
    Keys stranger;
    exchange_ok(keys_generate(&stranger));
    int64_t begin_ms = clock_monotonic_ms(clock_system());
    assert_int_equal(run_as(&memory.sink, (SubscriptionOptions){.keys = &stranger, .timeout_ms = 300}, text), 1);
    assert_non_null(strstr(text, "does not let this key in"));
    exchange_feed_stop();
    assert_int_equal(run_as(&memory.sink, (SubscriptionOptions){.timeout_ms = 300}, text), 1);
    assert_true(clock_monotonic_ms(clock_system()) - begin_ms < 4000);
    exchange_feed_start();
}

// The feed's actor goes and comes while records flow; the receiver's sessions end, and it begins anew.
static void restart_often(zsock_t *pipe, void *args) {
    zsock_signal(pipe, 0);
    zmq_pollitem_t item = {zsock_resolve(pipe), 0, ZMQ_POLLIN, 0};
    for (int i = 0; zmq_poll(&item, 1, 250 + 37 * (i % 5)) == 0; i++) {
        exchange_feed_stop();
        exchange_feed_start();
    }
}

static void test_restarts_lose_and_double_nothing(void **state) {
    for (int i = 0; i < 100; i++)
        exchange_append(700);
    Memory memory = {.sink.kind = &MEMORY, .fail_commits_after = -1, .commit_ms = 100};
    char text[512];
    zactor_t *disturber = zactor_new(restart_often, NULL);
    int r = 1, lost = 0;
    for (; r == 1 && lost < 1000; lost++)
        r = run_as(&memory.sink, (SubscriptionOptions){0}, text);
    zactor_destroy(&disturber);
    assert_int_equal(r, 0);
    assert_complete(&memory, 1, exchange.head.last_position);
    print_message("%d sessions were lost\n", lost - 1);
    free(memory.positions);
}

// Reads and removes one file of lines, each whole and with nothing that is hidden. How many there were.
static uint64_t lines_take(const char *path) {
    char line[1024];
    uint64_t n = 0;
    FILE *file = fopen(path, "r");
    for (; file && fgets(line, sizeof line, file); n++) {
        assert_non_null(strstr(line, "\"lot_number\":\"LOT-"));
        assert_string_equal(strchr(line, 0) - 2, "}\n");
        assert_null(strstr(line, "HIDDEN"));
    }
    if (file)
        fclose(file);
    unlink(path);
    return n;
}

static void test_lines_are_whole_on_disk(void **state) {
    char directory[SCRATCH_BYTES], text[512], path[SCRATCH_BYTES + 24];
    scratch_make(directory);
    Sink *sink;
    exchange_ok(sink_jsonl_new(&sink, &(SinkJsonlOptions){.directory = directory, .file_bytes_max = 1024 * 1024}));
    int64_t begin_us = clock_now_us(clock_system());
    assert_int_equal(run_as(sink, (SubscriptionOptions){.from = FROM_START}, text), 0);
    int64_t passed_us = clock_now_us(clock_system()) - begin_us;
    sink_destroy(&sink);
    uint64_t expected = 0, n = 0;
    for (uint64_t position = 1; position <= exchange.head.last_position; position++)
        expected += exchange_is_for(1, position);
    print_message("%llu records in %lld ms\n", (unsigned long long)expected, (long long)passed_us / 1000);
    for (unsigned number = 1; number < 200; number++) {
        snprintf(path, sizeof path, "%s/records-%06u.jsonl", directory, number);
        n += lines_take(path);
    }
    assert_int_equal(n, expected);
    snprintf(path, sizeof path, "%s/position", directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receives_all_once_and_goes_on),
        cmocka_unit_test(test_any_commit_may_fail),
        cmocka_unit_test(test_what_is_refused_is_said),
        cmocka_unit_test(test_what_is_refused_is_signed),
        cmocka_unit_test(test_where_an_empty_sink_begins),
        cmocka_unit_test(test_a_sink_that_holds_records_begins_nowhere_else),
        cmocka_unit_test(test_no_broker_is_lost_not_refused),
        cmocka_unit_test(test_restarts_lose_and_double_nothing),
        cmocka_unit_test(test_lines_are_whole_on_disk),
    };
    return cmocka_run_group_tests(tests, exchange_start, exchange_stop);
}
