// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/verdicts-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

void words_fill(Words *words, const Word *list) {
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

int receipt_of(PublishCase *test, Verdicts *verdicts, uint64_t first, const Word *list, int64_t stored_at_us) {
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
    body.last_position = 1000 + batch.last_sequence - batch.first_sequence + 1;
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

int receipt(PublishCase *test, Verdicts *verdicts, uint64_t first, const Word *list) {
    static int64_t stored_at_us = 1000;
    return receipt_of(test, verdicts, first, list, ++stored_at_us);
}

int later_of(PublishCase *test, Verdicts *verdicts, uint64_t position, Words *words) {
    SpoolStream stream = publish_case_stream(test);
    Dongbo__Verdicts message = DONGBO__VERDICTS__INIT;
    message.last_position = position;
    message.n_verdicts = words->n;
    message.verdicts = words->pointers;
    assert_int_equal(spool_begin(test->spool), 0);
    int r = verdicts_later(verdicts, &stream, &message);
    assert_int_equal(spool_commit(test->spool), 0);
    return r;
}

int later(PublishCase *test, Verdicts *verdicts, uint64_t position, const Word *list) {
    Words words;
    words_fill(&words, list);
    return later_of(test, verdicts, position, &words);
}

static int note_result(void *self, const Result *result) {
    char *out = self;
    size_t n = strlen(out);
    snprintf(out + n, 512 - n, "%llu:%d ", (unsigned long long)result->item.row, (int)result->verdict->verdict);
    return 0;
}

void assert_results(PublishCase *test, ResultKind kind, const char *expected) {
    char out[512] = "";
    int64_t last;
    ResultQuery query = {test->origin.id, kind, 100, false};
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

void assert_tally(PublishCase *test, const char *expected) {
    char out[512] = "";
    assert_int_equal(ledger_tallies(test->spool, test->origin.id, note_tally, out), 0);
    assert_string_equal(out, expected);
}

void assert_waiting(PublishCase *test, int64_t n) {
    Origin origin;
    assert_int_equal(ledger_origin(test->spool, test->origin.id, &origin), 0);
    assert_int_equal(origin.waiting, n);
}

void assert_undecided(PublishCase *test, int64_t n) {
    static const char COUNT[] = "SELECT count(*) FROM undecided";
    int64_t there;
    assert_int_equal(lite_number(spool_lite(test->spool), COUNT, 0, &there, ""), 0);
    assert_int_equal(there, n);
}

void assert_told(PublishCase *test, const char *refused, const char *decided) {
    assert_results(test, RESULT_REFUSED, refused);
    assert_results(test, RESULT_DECIDED, decided);
}
