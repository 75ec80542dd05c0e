// SPDX-License-Identifier: Apache-2.0
#include "agents/resumption.h"
#include "tests/unit/publish-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static int find(PublishCase *test, uint64_t last_sequence) {
    SpoolStream stream = publish_case_stream(test);
    int64_t forgotten;
    return resumption_find(test->spool, &stream, last_sequence, &forgotten);
}

static void test_goes_on_between_batches(void **state) {
    publish_case_add(*state, 4);
    publish_case_add(*state, 3);
    assert_int_equal(find(*state, 0), 0);
    assert_int_equal(find(*state, 4), 0);
    assert_int_equal(find(*state, 7), 0);
}

static void test_exchange_has_more(void **state) {
    publish_case_add(*state, 4);
    assert_int_equal(find(*state, 5), 1);
}

// A spool that was restored, and then sealed the same events in other batches.
static void test_exchange_has_other_batches(void **state) {
    publish_case_add(*state, 4);
    publish_case_add(*state, 4);
    assert_int_equal(find(*state, 2), 1);
    assert_int_equal(find(*state, 6), 1);
}

static void test_exchange_lacks_what_is_let_go(void **state) {
    PublishCase *test = *state;
    SpoolBatch batch;
    publish_case_add(test, 4);
    publish_case_add(test, 4);
    assert_int_equal(spool_next(test->spool, publish_case_stream(test).id, 1, &batch), 0);
    int64_t id = batch.id;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_delete(test->spool, id), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_int_equal(find(test, 0), 2);
    assert_int_equal(find(test, 2), 2);
    assert_int_equal(find(test, 4), 0);
}

static void welcomed(PublishCase *test, uint32_t epoch) {
    SpoolStream stream = publish_case_stream(test);
    assert_int_equal(resumption_epoch(test->spool, test->sealer, &stream, epoch), 0);
}

static void took_verdicts(PublishCase *test, uint64_t position) {
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_verdict_position(test->spool, publish_case_stream(test).id, position), 0);
    assert_int_equal(spool_commit(test->spool), 0);
}

static void assert_hello(PublishCase *test, uint32_t epoch, uint64_t position) {
    Dongbo__HelloPublish hello = DONGBO__HELLO_PUBLISH__INIT;
    SpoolStream stream = publish_case_stream(test);
    resumption_hello(&stream, &hello);
    assert_int_equal(hello.verdict_epoch, epoch);
    assert_int_equal(hello.verdict_position, position);
}

// A session that ends before its Verdicts leaves the next one to ask from the same place, in whatever epoch.
static void test_asks_from_the_same_place_until_verdicts_come(void **state) {
    PublishCase *test = *state;
    assert_hello(test, 0, 0);
    welcomed(test, 1);
    assert_hello(test, 1, 0);
    took_verdicts(test, 1101);
    assert_hello(test, 1, 1101);
    welcomed(test, 2);
    assert_int_equal(publish_case_stream(test).verdict_position, 0);
    assert_hello(test, 1, 1101);
    welcomed(test, 3);
    assert_hello(test, 1, 1101);
    took_verdicts(test, 0); // a log that has nothing yet
    assert_hello(test, 3, 0);
    took_verdicts(test, 900);
    assert_hello(test, 3, 900);
}

// The batch that begins there has its receipt, which places it up to `last_position`.
static void answered(PublishCase *test, uint64_t first, uint32_t epoch, uint64_t last_position) {
    static const uint8_t SIGNATURE[SIGNATURE_BYTES];
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    SpoolBatch batch;
    Bytes raw = {0};
    body.epoch = epoch;
    body.last_position = last_position;
    bytes_append_message(&raw, &body.base);
    bytes_append(&raw, SIGNATURE, sizeof SIGNATURE);
    assert_int_equal(spool_find(test->spool, publish_case_stream(test).id, first, &batch), 0);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_ack(test->spool, &batch, &raw), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    bytes_free(&raw);
}

static void answered_twice(PublishCase *test) {
    welcomed(test, 1);
    publish_case_add(test, 4);
    publish_case_add(test, 4);
    answered(test, 1, 1, 500);
    answered(test, 5, 1, 900);
}

// What is behind the last batch that the exchange still has is asked for again, whatever its epoch.
static void test_asks_again_from_where_the_exchange_was_set_back(void **state) {
    PublishCase *test = *state;
    answered_twice(test);
    took_verdicts(test, 1101);
    assert_int_equal(find(test, 8), 0);
    assert_hello(test, 1, 1101);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(find(test, 4), 0);
        assert_hello(test, 1, 500);
        assert_int_equal(publish_case_stream(test).verdict_position, 0);
    }
    welcomed(test, 2);
    assert_hello(test, 1, 500);
    answered(test, 5, 2, 700);
    took_verdicts(test, 400);
    assert_int_equal(find(test, 4), 0);
    assert_hello(test, 1, 400);
    took_verdicts(test, 400);
    assert_hello(test, 2, 400);
    answered(test, 5, 2, 0); // as a duplicate is
    took_verdicts(test, 1000);
    publish_case_add(test, 4);
    answered(test, 9, 2, 1200);
    assert_int_equal(find(test, 8), 0);
    assert_hello(test, 2, 0);
}

static void test_asks_from_no_further_than_before(void **state) {
    PublishCase *test = *state;
    answered_twice(test);
    took_verdicts(test, 300);
    assert_int_equal(find(test, 4), 0);
    assert_hello(test, 1, 300);
    answered(test, 5, 1, 600);
    assert_int_equal(find(test, 0), 0);
    assert_hello(test, 1, 0);
}

static void test_stream_goes_on_with_the_verdicts_of_the_one_it_replaces(void **state) {
    PublishCase *test = *state;
    welcomed(test, 1);
    took_verdicts(test, 1101);
    assert_int_equal(resumption_fork(test->spool, "live"), 0);
    assert_hello(test, 1, 1101);
    welcomed(test, 2);
    assert_int_equal(resumption_fork(test->spool, "live"), 0);
    assert_hello(test, 1, 1101);
    assert_int_equal(publish_case_stream(test).verdict_epoch, 2);
}

// Also where a batch was sealed anew for its own stream meanwhile.
static void test_seals_again_in_the_order_of_the_stream(void **state) {
    PublishCase *test = *state;
    publish_case_add(test, 4); // rows 2 to 5
    publish_case_add(test, 2);
    assert_int_equal(resumption_split(test->spool, test->sealer, 1), 0);
    assert_int_equal(resumption_fork(test->spool, "live"), 0);
    assert_int_equal(resumption_reseal(test->spool, "live", test->sealer), 0);
    for (uint64_t sequence = 1; sequence <= 6; sequence++) {
        SpoolBatch batch;
        Item item;
        assert_int_equal(spool_find(test->spool, publish_case_stream(test).id, sequence, &batch), 0);
        assert_int_equal(item_find(batch.items, batch.items_bytes, sequence - batch.first_sequence, &item), 0);
        assert_int_equal(item.row, sequence + 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_goes_on_between_batches),
        TEST(test_exchange_has_more),
        TEST(test_exchange_has_other_batches),
        TEST(test_exchange_lacks_what_is_let_go),
        TEST(test_seals_again_in_the_order_of_the_stream),
        TEST(test_asks_from_the_same_place_until_verdicts_come),
        TEST(test_asks_again_from_where_the_exchange_was_set_back),
        TEST(test_asks_from_no_further_than_before),
        TEST(test_stream_goes_on_with_the_verdicts_of_the_one_it_replaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
