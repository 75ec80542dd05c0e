// SPDX-License-Identifier: Apache-2.0
//
// Receipts fit into a frame, whatever there is to be said.
#include "broker/item.h"
#include "broker/receipt.h"
#include "proto/base/arena.h"
#include "proto/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

// A work whose every event has all reasons, each with an expected value of this length.
static Work *work_with(size_t expected_bytes) {
    Work *work = NULL;
    assert_int_equal(work_new(&work), 0);
    static Dongbo__BatchHeader header;
    dongbo__batch_header__init(&header);
    work->batch.header = &header;
    work->n_items = BATCH_EVENTS_MAX;
    work->items = arena_zalloc(work->arena, work->n_items * sizeof *work->items);
    char *expected = arena_zalloc(work->arena, expected_bytes + 1);
    memset(expected, 'x', expected_bytes);
    for (size_t i = 0; i < work->n_items; i++) {
        Decision *decision = &work->items[i].decision;
        decision->verdict = DONGBO__VERDICT__MISMATCH;
        decision->n_reasons = REASONS_MAX;
        for (size_t j = 0; j < REASONS_MAX; j++)
            decision->reasons[j] = (Finding){DONGBO__REASON_CODE__NAME_DIFFERS, "subject.residence_province", expected};
    }
    return work;
}

static Dongbo__ReceiptBody *receipt_of(Work *work) {
    uint8_t seed[KEY_BYTES] = {1};
    Signer *signer = NULL;
    assert_int_equal(signer_new(&signer, seed), 0);
    assert_int_equal(receipt_stored(work, signer), 0);
    signer_destroy(&signer);
    assert_true(work->receipt.n + 1024 < FRAME_BODY_BYTES_MAX);
    Dongbo__ReceiptBody *body = dongbo__receipt_body__unpack(NULL, work->receipt.n, work->receipt.data);
    assert_non_null(body);
    assert_int_equal(body->n_verdicts, BATCH_EVENTS_MAX);
    assert_int_equal(body->verdicts[0]->n_reasons, REASONS_MAX);
    return body;
}

static void longest_receipt_fits_a_frame(void **state) {
    (void)state;
    Work *work = work_with(TEXT_BYTES_MAX);
    Dongbo__ReceiptBody *body = receipt_of(work);
    assert_string_equal(body->verdicts[0]->reasons[0]->expected, "");
    assert_string_equal(body->verdicts[0]->reasons[0]->field, "subject.residence_province");
    dongbo__receipt_body__free_unpacked(body, NULL);
    work_destroy(&work);
}

static void short_receipt_tells_what_was_expected(void **state) {
    (void)state;
    Work *work = work_with(1);
    Dongbo__ReceiptBody *body = receipt_of(work);
    assert_string_equal(body->verdicts[0]->reasons[0]->expected, "x");
    dongbo__receipt_body__free_unpacked(body, NULL);
    work_destroy(&work);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_receipt_fits_a_frame),
        cmocka_unit_test(short_receipt_tells_what_was_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
