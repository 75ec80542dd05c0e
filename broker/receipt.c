// SPDX-License-Identifier: Apache-2.0
//
// Receipts. Makes and signs them; whether the batch was committed is the writer's to know before one is sent.
#include "broker/receipt.h"

#include "broker/entries.h"
#include "proto/base/error.h"

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "the batch's receipt does not fit");
}

// A receipt that no frame takes would come again for ever. What was expected is told by the log as well; codes and
// fields always fit.
static void keep_short(const Dongbo__ReceiptBody *body) {
    if (dongbo__receipt_body__get_packed_size(body) <= RECEIPT_BYTES_GOAL)
        return;
    for (size_t i = 0; i < body->n_verdicts; i++) {
        for (size_t j = 0; j < body->verdicts[i]->n_reasons; j++)
            body->verdicts[i]->reasons[j]->expected = "";
    }
}

static int seal(Work *work, Dongbo__ReceiptBody *body, Signer *signer) {
    body->stream = (ProtobufCBinaryData){.data = work->stream, .len = STREAM_BYTES};
    body->first_sequence = work->first_sequence;
    body->batch_root = work->batch.header->root;
    keep_short(body);
    bytes_clear(&work->receipt);
    bytes_append_message(&work->receipt, &body->base);
    if (work->receipt.failed)
        return no_memory();
    return signer_sign(signer, "dongbo receipt 1", work->receipt.data, work->receipt.n, work->receipt_signature);
}

int receipt_stored(Work *work, Signer *signer) {
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    body.last_sequence = work->last_sequence;
    body.first_position = work->first_position;
    body.last_position = work->last_position;
    body.epoch = work->epoch;
    body.stored_at_us = work->stored_at_us;
    body.segment_hash = (ProtobufCBinaryData){.data = work->segment_hash, .len = HASH_BYTES};
    body.verdicts = arena_alloc(work->arena, work->n_items * sizeof *body.verdicts);
    if (body.verdicts == NULL)
        return no_memory();
    for (size_t i = 0; i < work->n_items; i++) {
        const Item *item = &work->items[i];
        if (entries_is_plain(item->decision.verdict, item->decision.n_reasons))
            continue;
        Dongbo__EventVerdict *verdict = entries_verdict(work->arena, item, item->position);
        if (verdict == NULL)
            return no_memory();
        body.verdicts[body.n_verdicts++] = verdict;
    }
    return seal(work, &body, signer);
}

int receipt_duplicate(Work *work, const StoredBatch *stored, Signer *signer) {
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    body.last_sequence = stored->last_sequence;
    body.duplicate = true;
    body.epoch = stored->epoch;
    body.stored_at_us = stored->stored_at_us;
    body.segment_hash = (ProtobufCBinaryData){.data = (uint8_t *)stored->hash, .len = HASH_BYTES};
    size_t n = stored->payload == NULL ? 0 : stored->payload->n_entries;
    body.verdicts = arena_alloc(work->arena, n * sizeof *body.verdicts);
    if (body.verdicts == NULL)
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        const Dongbo__Entry *entry = stored->payload->entries[i];
        if (entries_is_plain((int)entry->verdict, entry->n_reasons) || entries_is_erased(entry))
            continue;
        Dongbo__EventVerdict *verdict = entries_verdict_of(work->arena, entry, stored->first_position + i);
        if (verdict == NULL)
            return no_memory();
        body.verdicts[body.n_verdicts++] = verdict;
    }
    return seal(work, &body, signer);
}
