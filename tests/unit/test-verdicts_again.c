// SPDX-License-Identifier: Apache-2.0
//
// What an exchange says that was set back, or of what was sealed again: only what differs is told, and nothing is lost.
#include "agents/resumption.h"
#include "tests/unit/verdicts-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void epoch(PublishCase *test, uint32_t number) {
    SpoolStream stream = publish_case_stream(test);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_epoch(test->spool, &stream, number), 0);
    assert_int_equal(spool_commit(test->spool), 0);
}

// The exchange has the stream up to here.
static void set_back(PublishCase *test, uint64_t after) {
    SpoolStream stream = publish_case_stream(test);
    int64_t n;
    assert_int_equal(resumption_find(test->spool, &stream, after, &n), 0);
}

// Batches, and their receipts.
static void let_go(PublishCase *test) {
    test->now_us += 8LL * 24 * 3600 * 1000000;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_trim(test->spool), 0);
    assert_int_equal(spool_commit(test->spool), 0);
}

static void replace_stream(PublishCase *test) {
    SpoolStream stream;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_stream_replace(test->spool, "live", &stream), 0);
    assert_int_equal(spool_commit(test->spool), 0);
}

static int reseal(PublishCase *test) {
    int n;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(sealer_reseal(test->sealer, 32, &n), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    return n;
}

// A restored exchange forgot the batch and decides it anew: only what differs is told.
static void test_tells_only_what_differs_the_second_time(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    publish_case_add(test, 4);
    assert_int_equal(receipt(test, &verdicts, 1, (Word[]){{1, REJECTED, 1001, 0}, {2, UNCHANGED, 1002, 0}, {0}}), 0);
    assert_results(test, RESULT_REFUSED, "2:6 ");
    int64_t n;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_unack(test->spool, publish_case_stream(test).id, 0, &n), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_int_equal(n, 1);
    assert_int_equal(receipt(test, &verdicts, 1, (Word[]){{1, REJECTED, 501, 0}, {3, MISMATCH, 502, 0}, {0}}), 0);
    assert_waiting(test, 0);
    assert_results(test, RESULT_REFUSED, "4:4 ");
    assert_tally(test, "1:2 4:1 6:1 ");
    verdicts_free(&verdicts);
}

// A restored exchange decides anew what was open.
static void test_second_receipt_closes_what_was_open(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 5);
    receipt(
        test, &verdicts, 1,
        (Word[]){{1, DEFERRED, 1001, 0}, {2, MISMATCH, 1002, 0}, {3, MISMATCH, 1003, 0}, {4, MISMATCH, 1004, 0}, {0}});
    assert_told(test, "3:4 4:4 5:4 ", "");
    epoch(test, 2);
    set_back(test, 0);
    receipt(test, &verdicts, 1, (Word[]){{3, REJECTED, 503, 0}, {4, MISMATCH, 504, 0}, {0}});
    assert_told(test, "4:6 ", "2:1 3:1 ");
    assert_tally(test, "1:3 4:1 6:1 ");
    assert_undecided(test, 1);
    assert_waiting(test, 0);
    // What is open is so at its place of now.
    later(test, &verdicts, 600, (Word[]){{4, ACCEPTED, 600, 0}, {0}});
    assert_told(test, "", "5:1 ");
    assert_tally(test, "1:4 6:1 ");
    assert_undecided(test, 0);
    verdicts_free(&verdicts);
}

// No epoch has begun yet: what it said of what it forgot stands at greater positions.
static void test_second_receipt_holds_in_the_same_epoch(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 3);
    receipt(test, &verdicts, 1, (Word[]){{1, DEFERRED, 1001, 0}, {2, DEFERRED, 1002, 0}, {0}});
    later(test, &verdicts, 1100, (Word[]){{2, ACCEPTED, 1100, 0}, {0}});
    assert_told(test, "", "3:1 ");
    set_back(test, 0);
    receipt(test, &verdicts, 1, (Word[]){{1, REJECTED, 501, 0}, {2, REJECTED, 502, 0}, {0}});
    assert_told(test, "2:6 3:6 ", "");
    assert_tally(test, "1:1 6:2 ");
    assert_undecided(test, 0);
    verdicts_free(&verdicts);
}

// A Welcome or a GAP said too little of what the exchange has, which then answers as before: later words stand.
static void test_same_receipt_leaves_later_words(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 4);
    const Word first[] = {{1, MISMATCH, 1001, 0}, {2, DEFERRED, 1002, 0}, {3, DEFERRED, 1003, 0}, {0}};
    const Word words[] = {
        {1, ACCEPTED, 1100, 0}, {2, MISMATCH, 1101, DONGBO__REASON_CODE__NAME_DIFFERS}, {2, MISMATCH, 1102, 0}, {0}};
    receipt_of(test, &verdicts, 1, first, 77);
    later(test, &verdicts, 1102, words);
    assert_told(test, "2:4 3:4 3:4 ", "2:1 ");
    set_back(test, 0);
    set_back(test, 0);
    receipt_of(test, &verdicts, 1, first, 77);
    later(test, &verdicts, 1102, words);
    assert_told(test, "", "");
    assert_tally(test, "1:2 4:1 5:1 ");
    assert_undecided(test, 2);
    assert_waiting(test, 0);
    later(test, &verdicts, 1201, (Word[]){{2, ACCEPTED, 1200, 0}, {3, ACCEPTED, 1201, 0}, {0}});
    assert_told(test, "", "3:1 4:1 ");
    assert_tally(test, "1:4 ");
    assert_undecided(test, 0);
    verdicts_free(&verdicts);
}

// It may say less than when it was first given, for what was erased since has no verdict any more.
static void test_same_receipt_that_says_less(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    const Word words[] = {{1, MISMATCH, 1001, 0}, {2, REJECTED, 1002, 0}, {0}};
    epoch(test, 1);
    publish_case_add(test, 2);
    receipt_of(test, &verdicts, 1, words, 77);
    assert_told(test, "2:4 3:6 ", "");
    set_back(test, 0);
    receipt_of(test, &verdicts, 1, PLAIN, 77);
    assert_told(test, "", "");
    assert_undecided(test, 1);
    set_back(test, 0);
    receipt(test, &verdicts, 1, words); // the first one is kept
    assert_told(test, "", "");
    assert_tally(test, "4:1 6:1 ");
    assert_undecided(test, 1);
    assert_waiting(test, 0);
    verdicts_free(&verdicts);
}

// Later words stand also where an older program kept them among what is open.
static void test_same_receipt_leaves_what_an_older_program_kept(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 1);
    receipt_of(test, &verdicts, 1, (Word[]){{1, DEFERRED, 1001, 0}, {0}}, 77);
    later(test, &verdicts, 1100, (Word[]){{1, MISMATCH, 1100, 0}, {0}});
    assert_told(test, "2:4 ", "");
    assert_int_equal(lite_script(spool_lite(test->spool), "DELETE FROM word"), 0);
    set_back(test, 0);
    receipt_of(test, &verdicts, 1, (Word[]){{1, DEFERRED, 1001, 0}, {0}}, 77);
    assert_tally(test, "4:1 ");
    later(test, &verdicts, 1200, (Word[]){{1, ACCEPTED, 1200, 0}, {0}});
    assert_told(test, "", "2:1 ");
    assert_tally(test, "1:1 ");
    verdicts_free(&verdicts);
}

// The session broke before that receipt, and in the next one all is said again.
static void test_same_words_before_the_same_receipt(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 2);
    const Word first[] = {{1, MISMATCH, 1001, 0}, {2, DEFERRED, 1002, 0}, {0}};
    receipt_of(test, &verdicts, 1, first, 77);
    later(test, &verdicts, 1100, (Word[]){{1, ACCEPTED, 1100, 0}, {0}});
    assert_told(test, "2:4 ", "2:1 ");
    set_back(test, 0);
    later(test, &verdicts, 1100, (Word[]){{1, MISMATCH, 1001, 0}, {2, DEFERRED, 1002, 0}, {1, ACCEPTED, 1100, 0}, {0}});
    receipt_of(test, &verdicts, 1, first, 77);
    assert_told(test, "", "");
    assert_tally(test, "1:1 5:1 ");
    assert_undecided(test, 1);
    verdicts_free(&verdicts);
}

// Positions are given out again before a new epoch is declared, too.
static void test_takes_words_at_lesser_positions_in_the_same_epoch(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, PLAIN);
    later(test, &verdicts, 1100, PLAIN);
    set_back(test, 0);
    receipt(test, &verdicts, 1, PLAIN);
    const Word words[] = {{1, MISMATCH, 600, 0}, {0}};
    for (int again = 0; again < 2; again++)
        later(test, &verdicts, 600, words);
    assert_told(test, "2:4 ", "");
    assert_tally(test, "1:1 4:1 ");
    assert_int_equal(publish_case_stream(test).verdict_position, 600);
    verdicts_free(&verdicts);
}

// The first of these is on an event of the stream that was replaced.
static void later_of_both(PublishCase *test, Verdicts *verdicts, const Word *list) {
    Words words;
    words_fill(&words, list);
    words.verdicts[0].sequence = 0;
    assert_int_equal(later_of(test, verdicts, list[3].position, &words), 0);
}

// It lost the last batch, and with it what it had decided since of events that it has still, in this stream or in one
// that was replaced.
static void test_takes_words_on_what_it_has_still(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 5);
    receipt(test, &verdicts, 1, (Word[]){{5, MISMATCH, 1005, 0}, {0}});
    replace_stream(test);
    publish_case_add(test, 3);
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, (Word[]){{1, DEFERRED, 1001, 0}, {2, DEFERRED, 1002, 0}, {3, DEFERRED, 1003, 0}, {0}});
    receipt(test, &verdicts, 4, PLAIN);
    later_of_both(test, &verdicts,
                  (Word[]){{5, MISMATCH, 1200, DONGBO__REASON_CODE__NAME_DIFFERS},
                           {1, MISMATCH, 1201, 0},
                           {2, REJECTED, 1202, 0},
                           {3, MISMATCH, 1203, 0},
                           {0}});
    assert_told(test, "6:4 6:4 7:4 8:6 9:4 ", "");
    set_back(test, 3);
    receipt(test, &verdicts, 4, PLAIN);
    for (int again = 0; again < 2; again++)
        later_of_both(
            test, &verdicts,
            (Word[]){
                {5, ACCEPTED, 1150, 0}, {1, ACCEPTED, 1151, 0}, {2, ACCEPTED, 1152, 0}, {3, MISMATCH, 1153, 0}, {0}});
    assert_told(test, "", "6:1 7:1 8:1 ");
    assert_tally(test, "1:9 4:1 ");
    assert_undecided(test, 1);
    verdicts_free(&verdicts);
}

// The officer's word was lost with the exchange's database, and another one may fall.
static void test_later_words_are_forgotten_with_their_batch(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, (Word[]){{1, MISMATCH, 1001, 0}, {2, MISMATCH, 1002, 0}, {0}});
    later(test, &verdicts, 1101, (Word[]){{1, ACCEPTED, 1100, 0}, {2, ACCEPTED, 1101, 0}, {0}});
    assert_told(test, "2:4 3:4 ", "2:1 3:1 ");
    epoch(test, 2);
    set_back(test, 0);
    receipt(test, &verdicts, 1, (Word[]){{1, MISMATCH, 1001, 0}, {0}});
    assert_told(test, "2:4 ", "");
    assert_tally(test, "1:1 4:1 ");
    assert_undecided(test, 1);
    later(test, &verdicts, 1101, (Word[]){{1, REJECTED, 1100, 0}, {0}});
    assert_told(test, "2:6 ", "");
    assert_tally(test, "1:1 6:1 ");
    assert_undecided(test, 0);
    verdicts_free(&verdicts);
}

// It has the batch still, and decides again what it forgot to have decided: what it says again is not told again.
static void test_later_words_of_another_epoch(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 3);
    receipt(test, &verdicts, 1, (Word[]){{1, DEFERRED, 1001, 0}, {2, MISMATCH, 1002, 0}, {3, DEFERRED, 1003, 0}, {0}});
    later(test, &verdicts, 1102, (Word[]){{1, ACCEPTED, 1100, 0}, {2, REJECTED, 1101, 0}, {3, MISMATCH, 1102, 0}, {0}});
    assert_told(test, "3:4 3:6 4:4 ", "2:1 ");
    epoch(test, 2);
    set_back(test, 3);
    later(test, &verdicts, 1052, (Word[]){{1, ACCEPTED, 1050, 0}, {2, ACCEPTED, 1051, 0}, {3, MISMATCH, 1052, 0}, {0}});
    assert_told(test, "", "3:1 ");
    assert_tally(test, "1:2 4:1 ");
    assert_undecided(test, 1);
    // All of it once more changes nothing.
    later(test, &verdicts, 1052, (Word[]){{1, ACCEPTED, 1050, 0}, {2, ACCEPTED, 1051, 0}, {3, MISMATCH, 1052, 0}, {0}});
    assert_told(test, "", "");
    assert_tally(test, "1:2 4:1 ");
    assert_int_equal(verdicts.later[ACCEPTED], 2);
    assert_int_equal(verdicts.later[MISMATCH], 1);
    assert_int_equal(verdicts.later[REJECTED], 1);
    verdicts_free(&verdicts);
}

// Verdicts of a new epoch repeat what a receipt of the one before said.
static void test_knows_what_receipts_of_the_epoch_before_said(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 2);
    const Word words[] = {{1, MISMATCH, 1001, 0}, {2, REJECTED, 1002, 0}, {0}};
    receipt(test, &verdicts, 1, words);
    assert_told(test, "2:4 3:6 ", "");
    epoch(test, 2);
    set_back(test, 2);
    later(test, &verdicts, 1002, words);
    assert_told(test, "", "");
    assert_tally(test, "4:1 6:1 ");
    assert_undecided(test, 1);
    verdicts_free(&verdicts);
}

// Also of what is open still when its batch is kept no longer, and its reasons with it.
static void test_knows_what_is_open_without_its_batch(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, (Word[]){{1, MISMATCH, 1001, DONGBO__REASON_CODE__NAME_DIFFERS}, {0}});
    assert_told(test, "2:4 ", "");
    let_go(test);
    for (uint32_t number = 2; number <= 3; number++) {
        epoch(test, number);
        later(test, &verdicts, 1001, (Word[]){{1, MISMATCH, 1001, DONGBO__REASON_CODE__NAME_DIFFERS}, {0}});
        assert_told(test, "", "");
        assert_int_equal(verdicts.later[MISMATCH], 0);
    }
    int64_t n;
    static const char REASONS[] = "SELECT sum(n) FROM tally WHERE reason <> 0";
    assert_int_equal(lite_number(spool_lite(test->spool), REASONS, 0, &n, ""), 0);
    assert_int_equal(n, 1);
    assert_tally(test, "1:1 4:1 ");
    later(test, &verdicts, 1100, (Word[]){{1, MISMATCH, 1100, 0}, {0}}); // which is another one
    assert_told(test, "2:4 ", "");
    later(test, &verdicts, 1200, (Word[]){{1, ACCEPTED, 1200, 0}, {0}});
    assert_told(test, "", "2:1 ");
    assert_undecided(test, 0);
    verdicts_free(&verdicts);
}

// And what it says then for the first time, though the verdict is the same.
static void test_hears_other_reasons_of_what_is_open_without_its_batch(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    static const Word WORDS[] = {
        {1, MISMATCH, 1001, DONGBO__REASON_CODE__NAME_DIFFERS}, {1, MISMATCH, 1100, 0}, {1, MISMATCH, 1200, 0}, {0}};
    epoch(test, 1);
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, (Word[]){WORDS[0], {0}});
    later(test, &verdicts, 1100, (Word[]){WORDS[1], {0}});
    assert_told(test, "2:4 2:4 ", "");
    let_go(test);
    epoch(test, 2);
    later(test, &verdicts, 1100, (Word[]){WORDS[0], WORDS[1], {0}});
    assert_told(test, "", "");
    epoch(test, 3);
    later(test, &verdicts, 1200, WORDS);
    assert_told(test, "2:4 ", "");
    assert_int_equal(verdicts.later[MISMATCH], 2);
    epoch(test, 4);
    later(test, &verdicts, 1200, WORDS);
    assert_told(test, "", "");
    later(test, &verdicts, 1300, (Word[]){{1, ACCEPTED, 1300, 0}, {0}});
    assert_told(test, "", "2:1 ");
    assert_tally(test, "1:2 ");
    assert_undecided(test, 0);
    verdicts_free(&verdicts);
}

// What is sealed again for another stream keeps what was said of it, under its new numbers.
static void test_resealed_batch_is_told_what_differs(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 4);
    receipt(test, &verdicts, 1, (Word[]){{1, MISMATCH, 1001, 0}, {2, DEFERRED, 1002, 0}, {3, MISMATCH, 1003, 0}, {0}});
    later(test, &verdicts, 1100, (Word[]){{3, REJECTED, 1100, 0}, {0}});
    assert_told(test, "2:4 4:4 4:6 ", "");
    replace_stream(test);
    publish_case_add(test, 2);
    epoch(test, 2);
    assert_int_equal(reseal(test), 1);
    assert_waiting(test, 2);
    receipt(test, &verdicts, 3,
            (Word[]){
                {3, MISMATCH, 2003, 0}, {4, UNCHANGED, 2004, 0}, {5, REJECTED, 2005, 0}, {6, UNCHANGED, 2006, 0}, {0}});
    assert_told(test, "", "3:2 ");
    assert_waiting(test, 2);
    assert_tally(test, "2:2 4:1 6:1 ");
    assert_undecided(test, 1);
    receipt(test, &verdicts, 1, PLAIN);
    assert_waiting(test, 0);
    later(test, &verdicts, 3000, (Word[]){{3, ACCEPTED, 3000, 0}, {0}});
    assert_told(test, "", "2:1 ");
    assert_tally(test, "1:3 2:2 6:1 ");
    assert_undecided(test, 0);
    verdicts_free(&verdicts);
}

// A batch that was forgotten, sealed again for another stream, and found too big there.
static void test_split_batch_is_told_what_differs(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 4);
    receipt(test, &verdicts, 1, (Word[]){{2, REJECTED, 1002, 0}, {3, REJECTED, 1003, 0}, {4, DEFERRED, 1004, 0}, {0}});
    assert_told(test, "3:6 4:6 ", "");
    set_back(test, 0);
    replace_stream(test);
    publish_case_add(test, 1);
    assert_int_equal(reseal(test), 1);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(sealer_split(test->sealer, 2), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_waiting(test, 1);
    receipt(test, &verdicts, 2, (Word[]){{3, REJECTED, 503, 0}, {0}});
    receipt(test, &verdicts, 4, (Word[]){{4, REJECTED, 504, 0}, {0}});
    assert_told(test, "", "5:1 ");
    assert_tally(test, "1:2 6:2 ");
    assert_undecided(test, 0);
    assert_waiting(test, 1);
    verdicts_free(&verdicts);
}

// A word of a stream that was replaced comes before the receipt that this one's is still to have.
static void test_later_word_on_what_is_sealed_again(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, (Word[]){{1, MISMATCH, 1001, 0}, {2, MISMATCH, 1002, 0}, {0}});
    assert_told(test, "2:4 3:4 ", "");
    replace_stream(test);
    publish_case_add(test, 2);
    epoch(test, 2);
    assert_int_equal(reseal(test), 1);
    Words words;
    words_fill(&words, (Word[]){{2, ACCEPTED, 2500, 0}, {0}});
    words.verdicts[0].sequence = 0;
    assert_int_equal(later_of(test, &verdicts, 2500, &words), 0);
    assert_told(test, "", "3:1 ");
    receipt(test, &verdicts, 3, (Word[]){{3, MISMATCH, 2003, 0}, {4, MISMATCH, 2004, 0}, {0}});
    assert_told(test, "", "");
    assert_tally(test, "1:1 4:1 ");
    assert_undecided(test, 1);
    verdicts_free(&verdicts);
}

// A spool of a program that kept of later words the open ones alone, and final ones until the receipt.
static void test_goes_on_with_what_an_older_program_kept(void **state) {
    PublishCase *test = *state;
    Verdicts verdicts = {.spool = test->spool};
    epoch(test, 1);
    publish_case_add(test, 3);
    publish_case_add(test, 2);
    receipt(test, &verdicts, 1, (Word[]){{1, DEFERRED, 1001, 0}, {2, MISMATCH, 1002, 0}, {3, DEFERRED, 1003, 0}, {0}});
    later(
        test, &verdicts, 1102,
        (Word[]){{1, MISMATCH, 1100, 0}, {2, ACCEPTED, 1101, 0}, {4, DEFERRED, 1050, 0}, {5, DEFERRED, 1102, 0}, {0}});
    assert_told(test, "3:4 2:4 ", "3:1 ");
    static const char FORGET[] = "DELETE FROM word; UPDATE undecided SET verdict = 1 WHERE sequence = 5";
    assert_int_equal(lite_script(spool_lite(test->spool), FORGET), 0);
    receipt(test, &verdicts, 4, (Word[]){{4, DEFERRED, 1050, 0}, {5, DEFERRED, 1051, 0}, {0}});
    assert_told(test, "", "");
    assert_undecided(test, 3); // 1, 3 and 4
    epoch(test, 2);
    set_back(test, 0);
    receipt(test, &verdicts, 1, (Word[]){{2, MISMATCH, 502, 0}, {3, DEFERRED, 503, 0}, {0}});
    assert_told(test, "", "2:1 ");
    assert_undecided(test, 3); // 2, 3 and 4
    assert_waiting(test, 0);
    verdicts_free(&verdicts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publish_case_setup, publish_case_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_tells_only_what_differs_the_second_time),
        TEST(test_second_receipt_closes_what_was_open),
        TEST(test_second_receipt_holds_in_the_same_epoch),
        TEST(test_same_receipt_leaves_later_words),
        TEST(test_same_receipt_that_says_less),
        TEST(test_same_receipt_leaves_what_an_older_program_kept),
        TEST(test_same_words_before_the_same_receipt),
        TEST(test_takes_words_at_lesser_positions_in_the_same_epoch),
        TEST(test_takes_words_on_what_it_has_still),
        TEST(test_later_words_are_forgotten_with_their_batch),
        TEST(test_later_words_of_another_epoch),
        TEST(test_knows_what_receipts_of_the_epoch_before_said),
        TEST(test_knows_what_is_open_without_its_batch),
        TEST(test_hears_other_reasons_of_what_is_open_without_its_batch),
        TEST(test_resealed_batch_is_told_what_differs),
        TEST(test_split_batch_is_told_what_differs),
        TEST(test_later_word_on_what_is_sealed_again),
        TEST(test_goes_on_with_what_an_older_program_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
