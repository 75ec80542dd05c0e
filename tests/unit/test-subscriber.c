// SPDX-License-Identifier: Apache-2.0
//
// The receiving half of libdongbo against the feed's actor and a real server: whatever is acknowledged when, and
// whatever becomes of the session, a caller who takes the greater position has each record once and in order.
#include "exchange-log.h"

#include "agents/library/dongbo.h"
#include "proto/base/error.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char directory[SCRATCH_BYTES], paths[3][128];
enum { KEYS, BROKER, STATE };

static int setup(void **state) {
    if (exchange_start(state) != 0)
        return -1;
    scratch_make(directory);
    static const char *const NAMES[] = {"keys", "broker", "state"};
    for (int i = 0; i < 3; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", directory, NAMES[i]);
    exchange_ok(keys_save(&exchange.keys[0], paths[KEYS], NULL));
    exchange_ok(keys_save(&exchange.broker, paths[BROKER], NULL));
    return 0;
}

static int teardown(void **state) {
    scratch_remove(directory);
    return exchange_stop(state);
}

static DongboSubscriberOptions options_make(void) {
    static const char *endpoints[1];
    endpoints[0] = exchange.endpoint;
    DongboSubscriberOptions options = DONGBO_INIT(DongboSubscriberOptions);
    options.subscription = "sub-1";
    options.keys = paths[KEYS];
    options.broker_key = paths[BROKER];
    options.endpoints = endpoints;
    options.n_endpoints = 1;
    options.state = paths[STATE];
    return options;
}

static DongboSubscriber *opened(void) {
    DongboSubscriber *subscriber;
    DongboSubscriberOptions options = options_make();
    if (dongbo_subscriber_open(&subscriber, &options) != 0)
        fail_msg("%s", dongbo_error());
    return subscriber;
}

// What the caller holds: the next position that must come, of those granted.
static uint64_t next_after(uint64_t held) {
    for (uint64_t position = held + 1;; position++)
        if (position > exchange.head.last_position || exchange_is_for(1, position))
            return position;
}

static void take(const DongboRecord *record, uint64_t *held) {
    char lot[32];
    if (record->position <= *held)
        return; // again
    assert_int_equal(record->position, next_after(*held));
    snprintf(lot, sizeof lot, "LOT-%llu", (unsigned long long)record->position);
    assert_string_equal(record->domain, "health");
    assert_int_equal(record->change, DONGBO_RECORD_UPSERT);
    assert_int_equal(record->n_fields, 2);
    assert_string_equal(record->fields[0].name, "dose_number");
    assert_string_equal(record->fields[1].value, lot);
    assert_int_equal(record->n_changed, 2);
    assert_non_null(strstr(record->json, lot));
    assert_non_null(memmem(record->protobuf, record->protobuf_bytes, lot, strlen(lot)));
    *held = record->position;
}

// Until all is held and acknowledged. Acknowledges after `group` records, and whenever it is told to.
static void catch_up(DongboSubscriber *subscriber, uint64_t *held, int group) {
    const DongboRecord *record;
    for (int n = 0, waited = 0; waited < 300;) {
        int r = dongbo_subscriber_next(subscriber, &record, 100);
        if (r == DONGBO_OK)
            take(record, held);
        else if (r != DONGBO_LATER && r != DONGBO_FULL)
            fail_msg("%d: %s", r, dongbo_error());
        if (r == DONGBO_OK && ++n % group)
            continue;
        int acknowledged = dongbo_subscriber_acknowledge(subscriber, *held);
        if (acknowledged < 0)
            fail_msg("%s", dongbo_error());
        if (acknowledged == DONGBO_OK && next_after(*held) > exchange.head.last_position)
            return;
        waited += r == DONGBO_LATER;
    }
    fail_msg("not within 30 s: held %llu", (unsigned long long)*held);
}

static void test_gives_each_once_and_goes_on(void **state) {
    uint64_t held = 0;
    static const int GROUPS[] = {1, 7, 100, 100000};
    for (int i = 0; i < 4; i++) {
        for (int segment = 0; segment < (GROUPS[i] == 1 ? 1 : 30); segment++)
            exchange_append(500); // more than a group's megabyte in the last rounds
        exchange_tell();
        DongboSubscriber *subscriber = opened();
        catch_up(subscriber, &held, GROUPS[i]);
        const DongboRecord *record;
        assert_int_equal(dongbo_subscriber_next(subscriber, &record, 50), DONGBO_LATER);
        assert_string_equal(dongbo_error(), "");
        dongbo_subscriber_close(&subscriber);
    }
}

static void test_what_was_not_acknowledged_comes_again(void **state) {
    const DongboRecord *record;
    uint64_t first = 0;
    exchange_append(50);
    exchange_tell();
    for (int i = 0; i < 3; i++) {
        DongboSubscriber *subscriber = opened();
        assert_int_equal(dongbo_subscriber_next(subscriber, &record, 5000), DONGBO_OK);
        assert_true(first == 0 || record->position == first);
        first = record->position;
        assert_int_equal(dongbo_subscriber_acknowledge(subscriber, first), DONGBO_LATER); // others came with it
        assert_int_equal(dongbo_subscriber_acknowledge(subscriber, first + 1000), DONGBO_ERROR_INPUT);
        dongbo_subscriber_close(&subscriber);
    }
    uint64_t held = first - 1;
    DongboSubscriber *subscriber = opened();
    catch_up(subscriber, &held, 10);
    dongbo_subscriber_close(&subscriber);
}

// A megabyte is held, and no more; then the session is lost under the caller's hands.
static void test_is_full_until_acknowledged(void **state) {
    const DongboRecord *record;
    uint64_t held = exchange.head.last_position;
    for (int segment = 0; segment < 60; segment++)
        exchange_append(500);
    exchange_tell();
    DongboSubscriber *subscriber = opened();
    int r, n = 0;
    while ((r = dongbo_subscriber_next(subscriber, &record, 5000)) == DONGBO_OK) {
        take(record, &held);
        n++;
    }
    assert_int_equal(r, DONGBO_FULL);
    assert_true(n > 1000 && next_after(held) <= exchange.head.last_position);
    exchange_feed_stop();
    exchange_feed_start();
    assert_int_equal(dongbo_subscriber_acknowledge(subscriber, held), DONGBO_OK);
    catch_up(subscriber, &held, 1000);
    dongbo_subscriber_close(&subscriber);
}

static void test_a_lost_session_is_begun_again(void **state) {
    const DongboRecord *record;
    uint64_t held = exchange.head.last_position;
    DongboSubscriber *subscriber = opened();
    for (int i = 0; i < 2; i++) {
        exchange_feed_stop(); // it hears of what was appended by reading it anew
        exchange_append(100);
        exchange_feed_start();
        int r = dongbo_subscriber_next(subscriber, &record, 20000);
        if (r != DONGBO_OK)
            fail_msg("%d: %s", r, dongbo_error());
        take(record, &held); // given out, and not acknowledged
        exchange_feed_stop();
        assert_int_equal(dongbo_subscriber_acknowledge(subscriber, held), DONGBO_LATER);
        exchange_feed_start();
        catch_up(subscriber, &held, 30);
    }
    exchange_feed_stop();
    for (int i = 0; i < 50 && !strstr(dongbo_error(), exchange.endpoint); i++)
        assert_int_equal(dongbo_subscriber_next(subscriber, &record, 100), DONGBO_LATER);
    assert_non_null(strstr(dongbo_error(), exchange.endpoint));
    exchange_feed_start();
    dongbo_subscriber_close(&subscriber);
}

// Other rights are told until the caller has said that they were seen to, whatever restarts meanwhile.
static void test_other_rights_are_told(void **state) {
    uint64_t held = exchange.head.last_position;
    DongboSubscriber *subscriber = opened();
    catch_up(subscriber, &held, 100);
    assert_int_equal(dongbo_subscriber_rights_changed(subscriber), 0);
    exchange_feed_stop();
    exchange_run("INSERT INTO exchange.subscription_policy SELECT 1, 2, (SELECT last_position + 1 FROM exchange.head),"
                 " 'a decree', '2020-01-01', '2090-01-01', '{2}', '{}', '{health.lot_number,health.dose_number}'");
    exchange_append(20);
    exchange_feed_start();
    catch_up(subscriber, &held, 100);
    assert_int_equal(dongbo_subscriber_rights_changed(subscriber), 1);
    for (int accepted = 0; accepted < 2; accepted++) {
        dongbo_subscriber_close(&subscriber);
        subscriber = opened();
        exchange_append(20);
        catch_up(subscriber, &held, 100);
        assert_int_equal(dongbo_subscriber_rights_changed(subscriber), !accepted);
        assert_int_equal(dongbo_subscriber_accept_rights(subscriber), 0);
        assert_int_equal(dongbo_subscriber_rights_changed(subscriber), 0);
    }
    dongbo_subscriber_close(&subscriber);
}

static void assert_not_opened(const DongboSubscriberOptions *options, const char *says) {
    DongboSubscriber *subscriber;
    assert_int_equal(dongbo_subscriber_open(&subscriber, options), DONGBO_ERROR_INPUT);
    assert_null(subscriber);
    if (!strstr(dongbo_error(), says))
        fail_msg("\"%s\" does not say %s", dongbo_error(), says);
}

static void test_what_is_wrong_is_said(void **state) {
    DongboSubscriberOptions options = options_make();
    DongboSubscriber *subscriber = opened();
    assert_not_opened(&options, "another receiver");
    dongbo_subscriber_close(&subscriber);
    options.size = 0;
    assert_not_opened(&options, "DONGBO_INIT");
    options = options_make();
    options.size = offsetof(DongboSubscriberOptions, state); // of an older header
    assert_not_opened(&options, "state is needed");
    options = options_make();
    options.n_endpoints = 0;
    assert_not_opened(&options, "endpoints");
    options = options_make();
    options.keys = "/nowhere";
    assert_not_opened(&options, "/nowhere");
    options = options_make();
    options.subscription = "sub-2";
    assert_int_equal(dongbo_subscriber_open(&subscriber, &options), DONGBO_OK);
    const DongboRecord *record;
    int r = DONGBO_LATER;
    for (int i = 0; i < 50 && r == DONGBO_LATER; i++)
        r = dongbo_subscriber_next(subscriber, &record, 100);
    assert_int_equal(r, DONGBO_REFUSED);
    assert_non_null(strstr(dongbo_error(), "sub-1"));
    dongbo_subscriber_close(&subscriber);
    dongbo_subscriber_close(&subscriber);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_each_once_and_goes_on),
        cmocka_unit_test(test_what_was_not_acknowledged_comes_again),
        cmocka_unit_test(test_is_full_until_acknowledged),
        cmocka_unit_test(test_a_lost_session_is_begun_again),
        cmocka_unit_test(test_other_rights_are_told),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
