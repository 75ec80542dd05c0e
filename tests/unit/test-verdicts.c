// SPDX-License-Identifier: Apache-2.0
//
// Receipts and later words taken into the spool: each verdict is told once, whatever comes twice, early or late.
#include "tests/unit/verdicts-case.h"

#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static int note_reason(void *self, int verdict, int reason, int64_t n) {
    char *out = self;
    size_t used = strlen(out);
    if (reason != 0 && n != 0)
        snprintf(out + used, 512 - used, "%d/%d:%lld ", verdict, reason, (long long)n);
    return 0;
}

static void assert_reasons(PublishCase *test, const char *expected) {
    char out[512] = "";
    assert_int_equal(ledger_tallies(test->spool, test->origin.id, note_reason, out), 0);
    assert_string_equal(out, expected);
}

static void test_takes_a_receipt(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 6); // rows 2 to 7
    assert_waiting(test, 6);
    assert_int_equal(receipt(test, &verdicts, 1,
                             (Word[]){{2, MISMATCH, 1001, DONGBO__REASON_CODE__NAME_DIFFERS},
                                      {3, DEFERRED, 1002, DONGBO__REASON_CODE__NOT_FOUND},
                                      {4, REJECTED, 1003, DONGBO__REASON_CODE__DATE_IN_FUTURE},
                                      {5, UNCHANGED, 1004, 0},
                                      {6, ACCEPTED, 1005, DONGBO__REASON_CODE__NAME_CASE},
                                      {0}}),
                     0);
    assert_waiting(test, 0);
    assert_tally(test, "1:2 2:1 4:1 5:1 6:1 ");
    assert_results(test, RESULT_REFUSED, "3:4 5:6 ");
    assert_results(test, RESULT_DECIDED, "7:1 ");
    Undecided undecided;
    int64_t stream = publish_case_stream(test).id;
    assert_int_equal(ledger_undecided(test->spool, stream, 3, &undecided), 0);
    assert_int_equal(undecided.item.row, 4);
    assert_int_equal(ledger_undecided(test->spool, stream, 2, &undecided), 0);
    assert_int_equal(ledger_undecided(test->spool, stream, 4, &undecided), 1);
    // The same again, as after a lost connection, changes nothing.
    assert_int_equal(receipt(test, &verdicts, 1, (Word[]){{2, REJECTED, 1001, 0}, {0}}), 0);
    assert_tally(test, "1:2 2:1 4:1 5:1 6:1 ");
    assert_results(test, RESULT_REFUSED, "");
    verdicts_free(&verdicts);
}

static void test_takes_later_words_once(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 4);
    assert_int_equal(receipt(test, &verdicts, 1,
                             (Word[]){{1, DEFERRED, 1001, 0}, {2, DEFERRED, 1002, 0}, {3, MISMATCH, 1003, 0}, {0}}),
                     0);
    assert_results(test, RESULT_REFUSED, "4:4 ");
    const Word words[] = {{1, ACCEPTED, 3001, 0}, {2, MISMATCH, 3002, 0}, {3, REJECTED, 3003, 0}, {0}};
    for (int again = 0; again < 2; again++)
        assert_int_equal(later(test, &verdicts, 3003, words), 0);
    assert_results(test, RESULT_REFUSED, "3:4 4:6 ");
    assert_results(test, RESULT_DECIDED, "2:1 ");
    assert_tally(test, "1:2 4:1 6:1 ");
    assert_int_equal(verdicts.later[ACCEPTED], 1);
    assert_int_equal(publish_case_stream(test).verdict_position, 3003);
    assert_int_equal(later(test, &verdicts, 4000, (Word[]){{2, ACCEPTED, 4000, 0}, {0}}), 0);
    assert_results(test, RESULT_DECIDED, "3:1 ");
    assert_tally(test, "1:3 6:1 ");
    verdicts_free(&verdicts);
}

// With what was open its reasons go, which only the receipt knows.
static void test_later_words_take_the_reasons_of_what_was_open(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 3);
    publish_case_add(test, 1);
    const Word open[] = {{1, DEFERRED, 1001, 11}, {2, MISMATCH, 1002, 12}, {3, DEFERRED, 1003, 13}, {0}};
    receipt(test, &verdicts, 1, open);
    receipt(test, &verdicts, 4, (Word[]){{4, DEFERRED, 1004, 11}, {0}});
    assert_reasons(test, "4/12:1 5/11:2 5/13:1 ");
    later(test, &verdicts, 3003,
          (Word[]){{1, ACCEPTED, 3001, 0}, {4, ACCEPTED, 3002, 0}, {2, MISMATCH, 3003, 14}, {0}});
    assert_reasons(test, "4/14:1 5/13:1 ");
    later(test, &verdicts, 4001, (Word[]){{2, ACCEPTED, 4000, 0}, {3, REJECTED, 4001, 15}, {0}});
    assert_reasons(test, "6/15:1 ");
    assert_tally(test, "1:3 6:1 ");
    verdicts_free(&verdicts);
}

// After a lost session the exchange repeats what receipts said already.
static void test_knows_what_receipts_said(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 3);
    assert_int_equal(receipt(test, &verdicts, 1, (Word[]){{1, REJECTED, 1001, 0}, {2, UNCHANGED, 1002, 0}, {0}}), 0);
    assert_results(test, RESULT_REFUSED, "2:6 ");
    assert_int_equal(later(test, &verdicts, 1500, (Word[]){{1, REJECTED, 1001, 0}, {2, UNCHANGED, 1002, 0}, {0}}), 0);
    assert_results(test, RESULT_REFUSED, "");
    assert_results(test, RESULT_DECIDED, "");
    assert_tally(test, "1:1 2:1 6:1 ");
    // A reviewer may still reverse what was final.
    assert_int_equal(later(test, &verdicts, 1600, (Word[]){{3, REJECTED, 1600, 0}, {0}}), 0);
    assert_results(test, RESULT_REFUSED, "4:6 ");
    verdicts_free(&verdicts);
}

// The receipt was lost, so later words come before the batch's receipt is given again.
static void test_takes_words_before_their_receipt(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 4);
    assert_int_equal(later(test, &verdicts, 1500,
                           (Word[]){{1, REJECTED, 1001, 0}, {2, DEFERRED, 1002, 0}, {3, ACCEPTED, 1400, 0}, {0}}),
                     0);
    assert_waiting(test, 4);
    assert_results(test, RESULT_REFUSED, "2:6 ");
    assert_int_equal(receipt(test, &verdicts, 1,
                             (Word[]){{1, REJECTED, 1001, 0}, {2, DEFERRED, 1002, 0}, {3, DEFERRED, 1003, 0}, {0}}),
                     0);
    assert_waiting(test, 0);
    assert_results(test, RESULT_REFUSED, "");
    assert_tally(test, "1:2 5:1 6:1 ");
    Undecided undecided;
    int64_t stream = publish_case_stream(test).id;
    assert_int_equal(ledger_undecided(test->spool, stream, 1, &undecided), 1);
    assert_int_equal(ledger_undecided(test->spool, stream, 2, &undecided), 0);
    assert_int_equal(ledger_undecided(test->spool, stream, 3, &undecided), 1);
    verdicts_free(&verdicts);
}

// After a fork a word may be on an event of the old stream, which has no number here: its id finds it.
static void test_finds_events_of_the_stream_before(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 2);
    assert_int_equal(receipt(test, &verdicts, 1, (Word[]){{2, DEFERRED, 1001, 0}, {0}}), 0);
    SpoolStream stream;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_stream_replace(test->spool, "live", &stream), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    publish_case_add(test, 3);
    assert_int_equal(receipt(test, &verdicts, 1, PLAIN), 0);
    Words words;
    words_fill(&words, (Word[]){{2, MISMATCH, 3000, 0}, {0}});
    words.verdicts[0].sequence = 0;
    assert_int_equal(later_of(test, &verdicts, 3000, &words), 0);
    assert_results(test, RESULT_REFUSED, "3:4 ");
    verdicts_free(&verdicts);
}

// A file that is dropped again has events of the same ids: a word on one is no word on the other, which may be open.
static void test_tells_equal_events_apart(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    Words words;
    publish_case_add(test, 1);
    publish_case_add(test, 1);
    receipt(test, &verdicts, 1, (Word[]){{1, MISMATCH, 1001, 0}, {0}});
    assert_told(test, "2:4 ", "");
    words_fill(&words, (Word[]){{2, UNCHANGED, 1002, 0}, {0}}); // the session broke before its receipt
    memset(words.ids[0], 1, EVENT_ID_BYTES);
    assert_int_equal(later_of(test, &verdicts, 1002, &words), 0);
    assert_told(test, "", "");
    assert_tally(test, "2:1 4:1 ");
    receipt(test, &verdicts, 2, (Word[]){{2, UNCHANGED, 1002, 0}, {0}});
    assert_undecided(test, 1);
    later(test, &verdicts, 1100, (Word[]){{1, ACCEPTED, 1100, 0}, {0}});
    assert_told(test, "", "2:1 ");
    assert_tally(test, "1:1 2:1 ");
    verdicts_free(&verdicts);
}

// What is kept of an event goes with its batch.
static void test_words_go_with_their_batch(void **state) {
    static const char COUNT[] = "SELECT count(*) FROM word";
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    int64_t n;
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, (Word[]){{1, DEFERRED, 1001, 0}, {2, DEFERRED, 1002, 0}, {0}});
    later(test, &verdicts, 1100, (Word[]){{1, ACCEPTED, 1100, 0}, {0}});
    assert_int_equal(lite_number(spool_lite(test->spool), COUNT, 0, &n, ""), 0);
    assert_int_equal(n, 1);
    test->now_us += 8LL * 24 * 3600 * 1000000;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_trim(test->spool), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    later(test, &verdicts, 1200, (Word[]){{2, ACCEPTED, 1200, 0}, {0}});
    assert_int_equal(lite_number(spool_lite(test->spool), COUNT, 0, &n, ""), 0);
    assert_int_equal(n, 0);
    assert_told(test, "", "2:1 3:1 ");
    assert_tally(test, "1:2 ");
    verdicts_free(&verdicts);
}

static void test_refuses_receipts_that_answer_nothing(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 2);
    SpoolStream stream = publish_case_stream(test);
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    uint8_t root[HASH_BYTES] = {0};
    Bytes raw = {0};
    body.stream = (ProtobufCBinaryData){STREAM_BYTES, stream.stream};
    body.batch_root = (ProtobufCBinaryData){HASH_BYTES, root};
    body.first_sequence = 1;
    body.last_sequence = 2;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(verdicts_receipt(&verdicts, &stream, &body, &raw), 1); // another root
    body.first_sequence = body.last_sequence = 7;
    assert_int_equal(verdicts_receipt(&verdicts, &stream, &body, &raw), 1);
    spool_rollback(test->spool);
    assert_int_equal(receipt(test, &verdicts, 1, (Word[]){{9, REJECTED, 1, 0}, {0}}), ERROR_PEER);
    assert_int_equal(receipt(test, &verdicts, 1, (Word[]){{1, 77, 1, 0}, {0}}), ERROR_PEER);
    assert_waiting(test, 2);
    verdicts_free(&verdicts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_takes_a_receipt),
        TEST(test_takes_later_words_once),
        TEST(test_later_words_take_the_reasons_of_what_was_open),
        TEST(test_knows_what_receipts_said),
        TEST(test_takes_words_before_their_receipt),
        TEST(test_finds_events_of_the_stream_before),
        TEST(test_tells_equal_events_apart),
        TEST(test_words_go_with_their_batch),
        TEST(test_refuses_receipts_that_answer_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
