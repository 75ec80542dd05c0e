// SPDX-License-Identifier: Apache-2.0
//
// What the feed's session with a real server (with-postgres starts it) tells of the log, beside the feed itself.
#include "exchange-log.h"

#include "broker/feed_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define WAIT_MS 10000

// What libpq took off the socket together with a statement's answer, no poll tells of.
static void test_news_that_come_with_an_answer(void **state) {
    FeedStore *store = NULL;
    FeedPlace head;
    FeedNews news;
    exchange_ok(feed_store_new(&store, ""));
    exchange_ok(feed_store_connect(store));
    assert_false(feed_store_has_news(store));
    exchange_run("NOTIFY dongbo_commit, '7'; NOTIFY dongbo_policy");
    zmq_pollitem_t item = {NULL, feed_store_socket(store), ZMQ_POLLIN, 0};
    assert_int_equal(zmq_poll(&item, 1, WAIT_MS), 1);
    exchange_ok(feed_store_head(store, &head));
    assert_int_equal(zmq_poll(&item, 1, 0), 0);
    assert_true(feed_store_has_news(store));
    exchange_ok(feed_store_news(store, &news));
    assert_true(news.commit && news.policy && !news.signed_head);
    assert_int_equal(news.position, 7);
    assert_false(feed_store_has_news(store));
    feed_store_destroy(&store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_news_that_come_with_an_answer),
    };
    return cmocka_run_group_tests(tests, exchange_start, exchange_stop);
}
