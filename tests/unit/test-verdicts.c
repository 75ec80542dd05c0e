// SPDX-License-Identifier: Apache-2.0
//
// Receipts and later words taken into the spool: each verdict is told once, whatever comes twice, early or late.
#include "agents/verdicts.h"

#include "proto/base/error.h"
#include "tests/unit/publish-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define WORDS_MAX 8

enum {
    ACCEPTED = DONGBO__VERDICT__ACCEPTED,
    UNCHANGED = DONGBO__VERDICT__UNCHANGED,
    MISMATCH = DONGBO__VERDICT__MISMATCH,
    DEFERRED = DONGBO__VERDICT__DEFERRED,
    REJECTED = DONGBO__VERDICT__REJECTED
};

// One verdict of the exchange's: on event `sequence`, at `position`, with this reason or none.
typedef struct Word {
    uint64_t sequence;
    int verdict;
    uint64_t position;
    int reason;
} Word;

typedef struct Words {
    Dongbo__EventVerdict verdicts[WORDS_MAX], *pointers[WORDS_MAX];
    Dongbo__Reason reasons[WORDS_MAX], *reason_pointers[WORDS_MAX];
    uint8_t ids[WORDS_MAX][EVENT_ID_BYTES];
    size_t n;
} Words;

static void words_fill(Words *words, const Word *list) {
    words->n = 0;
    for (; list[words->n].sequence != 0; words->n++) {
        size_t i = words->n;
        Dongbo__EventVerdict *verdict = words->pointers[i] = &words->verdicts[i];
        dongbo__event_verdict__init(verdict);
        dongbo__reason__init(&words->reasons[i]);
        memset(words->ids[i], (int)list[i].sequence, EVENT_ID_BYTES);
        verdict->sequence = list[i].sequence;
        verdict->event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, words->ids[i]};
        verdict->verdict = (Dongbo__Verdict)list[i].verdict;
        verdict->position = list[i].position;
        words->reasons[i].code = (Dongbo__ReasonCode)list[i].reason;
        words->reason_pointers[i] = &words->reasons[i];
        verdict->reasons = &words->reason_pointers[i];
        verdict->n_reasons = list[i].reason != 0;
    }
}

// The receipt for the batch that begins at `first`, stored then. What verdicts_receipt() says.
static int receipt_of(PublishCase *test, Verdicts *verdicts, uint64_t first, const Word *list, int64_t stored_at_us) {
    Words words;
    words_fill(&words, list);
    SpoolStream stream = publish_case_stream(test);
    SpoolBatch batch;
    assert_int_equal(spool_find(test->spool, stream.id, first, &batch), 0);
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    body.stream = (ProtobufCBinaryData){STREAM_BYTES, stream.stream};
    body.first_sequence = batch.first_sequence;
    body.last_sequence = batch.last_sequence;
    body.batch_root = (ProtobufCBinaryData){HASH_BYTES, batch.root};
    body.first_position = 1000;
    body.last_position = 2000;
    body.epoch = stream.verdict_epoch;
    body.stored_at_us = stored_at_us;
    body.n_verdicts = words.n;
    body.verdicts = words.pointers;
    Bytes raw = {0};
    bytes_append_message(&raw, &body.base);
    for (int i = 0; i < SIGNATURE_BYTES; i++)
        bytes_append_u8(&raw, 0);
    assert_int_equal(spool_begin(test->spool), 0);
    int r = verdicts_receipt(verdicts, &stream, &body, &raw);
    assert_int_equal(spool_commit(test->spool), 0);
    bytes_free(&raw);
    return r;
}

// One for what is stored anew.
static int receipt(PublishCase *test, Verdicts *verdicts, uint64_t first, const Word *list) {
    static int64_t stored_at_us = 1000;
    return receipt_of(test, verdicts, first, list, ++stored_at_us);
}

static int later(PublishCase *test, Verdicts *verdicts, uint64_t position, const Word *list) {
    Words words;
    words_fill(&words, list);
    SpoolStream stream = publish_case_stream(test);
    Dongbo__Verdicts message = DONGBO__VERDICTS__INIT;
    message.last_position = position;
    message.n_verdicts = words.n;
    message.verdicts = words.pointers;
    assert_int_equal(spool_begin(test->spool), 0);
    int r = verdicts_later(verdicts, &stream, &message);
    assert_int_equal(spool_commit(test->spool), 0);
    return r;
}

static int note_result(void *self, const Result *result) {
    char *out = self;
    size_t n = strlen(out);
    snprintf(out + n, 512 - n, "%llu:%d ", (unsigned long long)result->item.row, (int)result->verdict->verdict);
    return 0;
}

// What is to be handed back, as "row:verdict ", and forgotten then.
static void assert_results(PublishCase *test, ResultKind kind, const char *expected) {
    char out[512] = "";
    int64_t last;
    ResultQuery query = {test->origin.id, kind, 100};
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(ledger_results(test->spool, &query, note_result, out, &last), 0);
    assert_int_equal(ledger_results_delete(test->spool, test->origin.id, kind, last), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_string_equal(out, expected);
}

static int note_tally(void *self, int verdict, int reason, int64_t n) {
    char *out = self;
    size_t used = strlen(out);
    if (reason == 0 && n != 0)
        snprintf(out + used, 512 - used, "%d:%lld ", verdict, (long long)n);
    return 0;
}

static void assert_tally(PublishCase *test, const char *expected) {
    char out[512] = "";
    assert_int_equal(ledger_tallies(test->spool, test->origin.id, note_tally, out), 0);
    assert_string_equal(out, expected);
}

static void assert_waiting(PublishCase *test, int64_t n) {
    Origin origin;
    assert_int_equal(ledger_origin(test->spool, test->origin.id, &origin), 0);
    assert_int_equal(origin.waiting, n);
}

#define PLAIN ((Word[]){{0}})

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

// After a fork a word may name an event of the old stream: its id finds it.
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
    assert_int_equal(later(test, &verdicts, 3000, (Word[]){{2, MISMATCH, 3000, 0}, {0}}), 0);
    assert_results(test, RESULT_REFUSED, "3:4 ");
    verdicts_free(&verdicts);
}

static void assert_undecided(PublishCase *test, int64_t n) {
    static const char COUNT[] = "SELECT count(*) FROM undecided";
    int64_t there;
    assert_int_equal(lite_number(spool_lite(test->spool), COUNT, 0, &there, ""), 0);
    assert_int_equal(there, n);
}

static void assert_told(PublishCase *test, const char *refused, const char *decided) {
    assert_results(test, RESULT_REFUSED, refused);
    assert_results(test, RESULT_DECIDED, decided);
}

static void epoch(PublishCase *test, uint32_t number) {
    SpoolStream stream = publish_case_stream(test);
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_epoch(test->spool, &stream, number), 0);
    assert_int_equal(spool_commit(test->spool), 0);
}

// The exchange has the stream up to here.
static void set_back(PublishCase *test, uint64_t after) {
    int64_t n;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(spool_unack(test->spool, publish_case_stream(test).id, after, &n), 0);
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

// So do those that an older program kept among what is open.
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
    SpoolStream stream = publish_case_stream(test);
    Dongbo__Verdicts message = DONGBO__VERDICTS__INIT;
    message.last_position = 2500;
    message.n_verdicts = 1;
    message.verdicts = words.pointers;
    assert_int_equal(spool_begin(test->spool), 0);
    assert_int_equal(verdicts_later(&verdicts, &stream, &message), 0);
    assert_int_equal(spool_commit(test->spool), 0);
    assert_told(test, "", "3:1 ");
    receipt(test, &verdicts, 3, (Word[]){{3, MISMATCH, 2003, 0}, {4, MISMATCH, 2004, 0}, {0}});
    assert_told(test, "", "");
    assert_tally(test, "1:1 4:1 ");
    assert_undecided(test, 1);
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
        TEST(test_knows_what_receipts_said),
        TEST(test_takes_words_before_their_receipt),
        TEST(test_tells_only_what_differs_the_second_time),
        TEST(test_finds_events_of_the_stream_before),
        TEST(test_second_receipt_closes_what_was_open),
        TEST(test_second_receipt_holds_in_the_same_epoch),
        TEST(test_same_receipt_leaves_later_words),
        TEST(test_same_receipt_leaves_what_an_older_program_kept),
        TEST(test_same_words_before_the_same_receipt),
        TEST(test_takes_words_at_lesser_positions_in_the_same_epoch),
        TEST(test_later_words_are_forgotten_with_their_batch),
        TEST(test_later_words_of_another_epoch),
        TEST(test_knows_what_receipts_of_the_epoch_before_said),
        TEST(test_resealed_batch_is_told_what_differs),
        TEST(test_split_batch_is_told_what_differs),
        TEST(test_later_word_on_what_is_sealed_again),
        TEST(test_words_go_with_their_batch),
        TEST(test_goes_on_with_what_an_older_program_kept),
        TEST(test_refuses_receipts_that_answer_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
