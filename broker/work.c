// SPDX-License-Identifier: Apache-2.0
//
// Works are made once and used again: their arena and buffers are the broker's memory for batches in flight. Decides
// nothing.
#include "broker/item.h"

#include "proto/base/error.h"

#include <stdlib.h>

int work_new(Work **ret) {
    Work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a batch");
    int result = arena_new(&work->arena, WORK_ARENA_BYTES);
    if (result == 0)
        result = segment_coder_new(&work->coder, clock_system());
    if (result < 0) {
        work_destroy(&work);
        return result;
    }
    *ret = work;
    return 0;
}

void work_destroy(Work **pointer) {
    Work *work = *pointer;
    if (work == NULL)
        return;
    zframe_destroy(&work->frame);
    agencies_unref(&work->agencies);
    segment_pack_free(&work->packed);
    bytes_free(&work->records);
    bytes_free(&work->exceptions);
    bytes_free(&work->receipt);
    segment_coder_destroy(&work->coder);
    arena_destroy(&work->arena);
    free(work);
    *pointer = NULL;
}

void work_reset(Work *work) {
    zframe_destroy(&work->frame);
    agencies_unref(&work->agencies);
    arena_reset(work->arena);
    segment_pack_clear(&work->packed);
    Bytes *buffers[] = {&work->records, &work->exceptions, &work->receipt};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        if (buffers[i]->failed)
            bytes_free(buffers[i]);
        bytes_clear(buffers[i]);
    }
    Work kept = {.arena = work->arena,
                 .coder = work->coder,
                 .packed = work->packed,
                 .records = work->records,
                 .exceptions = work->exceptions,
                 .receipt = work->receipt};
    *work = kept;
}

void work_rewind(Work *work) {
    if (work_is_of_records(work)) { // theirs are made behind the mark
        work->items = NULL;
        work->n_items = 0;
    }
    arena_rewind(work->arena, &work->mark);
    work->rewound = true;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        item->person = NULL;
        item->bearers = item->insured = NULL; // who was settled is not looked up again
        item->found = NULL;
        item->guesses = NULL;
        item->replaces = false;
        item->n_guesses = 0;
        item->hood = item->holders = NULL;
        item->read = item->onto = NULL;
        item->versions = NULL;
        item->n_versions = 0;
        item->earlier = NULL;
        item->record_key = "";
        item->record_hash = 0;
        item->merged = (Merged){0};
        item->province_before = item->province63_before = item->province_after = item->province63_after = "";
        item->went = NULL;
        item->went_to = 0;
        item->goes = NULL;
        item->coming = NULL;
        item->goes_several = false;
        item->applied_to = 0;
        item->fixed = false;
        item->wanted = item->stale_record = item->unknown_to_store = item->taken_in_store = false;
        item->stale_person = item->event != NULL;
    }
    work->hoods = NULL;
    work->n_hoods = 0;
    work->entries = NULL;
    work->leaves = NULL;
    work->masked = NULL;
    work->entry_items = NULL;
    work->record_start = work->exception_start = work->record_at = work->exception_at = NULL;
    work->record_index = work->exception_index = work->packed_at = work->packed_n = NULL;
    work->n_entries = work->n_records = work->n_exceptions = 0;
}
