// SPDX-License-Identifier: Apache-2.0
//
// See verdicts.h. A plain ACCEPTED costs nothing but its share of a count: only what was said of an event is stored for
// it, so a batch that was taken whole is a handful of statements.
#include "agents/verdicts.h"

#include "proto/base/error.h"
#include "proto/base/bytes.h"
#include "proto/domain.h"

#include <stdio.h>
#include <string.h>

typedef const Dongbo__EventVerdict *ByEvent[BATCH_EVENTS_MAX];

// Counts of one origin, gathered before they are stored.
#define REASON_COUNTS_MAX 64
typedef struct Counts {
    int64_t origin;
    int64_t events;
    int64_t verdicts[VERDICT_KINDS];
    struct {
        int verdict, reason;
        int64_t n;
    } reasons[REASON_COUNTS_MAX];
    int n_reasons;
} Counts;

typedef struct Applying {
    Verdicts *verdicts;
    const SpoolStream *stream;
    Counts counts;
    ByEvent now, before;
    bool again; // the batch had a receipt earlier (now in `before`)
    bool early; // later words on some of its events were stored before this receipt
} Applying;

void verdicts_free(Verdicts *verdicts) {
    bytes_free(&verdicts->items);
}

static int counts_store(Applying *applying) {
    Counts *counts = &applying->counts;
    Spool *spool = applying->verdicts->spool;
    int r = 0;
    for (int v = 0; v < VERDICT_KINDS && r == 0; v++)
        r = ledger_tally(spool, counts->origin, v, 0, counts->verdicts[v]);
    for (int i = 0; i < counts->n_reasons && r == 0; i++)
        r = ledger_tally(spool, counts->origin, counts->reasons[i].verdict, counts->reasons[i].reason,
                         counts->reasons[i].n);
    if (r == 0 && !applying->again && counts->events > 0)
        r = ledger_waiting_add(spool, counts->origin, -counts->events);
    *counts = (Counts){0};
    return r;
}

static int counts_reason(Applying *applying, int verdict, int reason, int64_t n) {
    Counts *counts = &applying->counts;
    for (int i = 0; i < counts->n_reasons; i++) {
        if (counts->reasons[i].verdict == verdict && counts->reasons[i].reason == reason) {
            counts->reasons[i].n += n;
            return 0;
        }
    }
    if (counts->n_reasons == REASON_COUNTS_MAX)
        return ledger_tally(applying->verdicts->spool, counts->origin, verdict, reason, n);
    counts->reasons[counts->n_reasons].verdict = verdict;
    counts->reasons[counts->n_reasons].reason = reason;
    counts->reasons[counts->n_reasons++].n = n;
    return 0;
}

static int verdict_of(const Dongbo__EventVerdict *verdict) {
    return verdict == NULL ? DONGBO__VERDICT__ACCEPTED : (int)verdict->verdict;
}

// NULL stands for a plain ACCEPTED.
static int count(Applying *applying, const Dongbo__EventVerdict *verdict, int64_t n) {
    applying->counts.verdicts[verdict_of(verdict)] += n;
    int r = 0;
    for (size_t i = 0; verdict != NULL && i < verdict->n_reasons && r == 0; i++)
        r = counts_reason(applying, (int)verdict->verdict, (int)verdict->reasons[i]->code, n);
    return r;
}

static bool is_refusal(int verdict) {
    return verdict == DONGBO__VERDICT__MISMATCH || verdict == DONGBO__VERDICT__REJECTED;
}

static bool same_verdict(const Dongbo__EventVerdict *a, const Dongbo__EventVerdict *b) {
    size_t n_a = a == NULL ? 0 : a->n_reasons, n_b = b == NULL ? 0 : b->n_reasons;
    if (verdict_of(a) != verdict_of(b) || n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (a->reasons[i]->code != b->reasons[i]->code || strcmp(a->reasons[i]->field, b->reasons[i]->field) != 0)
            return false;
    return true;
}

static int result_add(Applying *applying, const Item *item, const Dongbo__EventVerdict *verdict, ResultKind kind) {
    Result result = {
        .kind = kind, .item = *item, .verdict = verdict, .at_us = clock_now_us(spool_clock(applying->verdicts->spool))};
    char stream[2 * STREAM_BYTES + 1];
    hex_encode(applying->stream->stream, STREAM_BYTES, stream);
    snprintf(result.mark, sizeof result.mark, "%s %llu %llu", stream, (unsigned long long)verdict->sequence,
             (unsigned long long)verdict->position);
    return ledger_result_add(applying->verdicts->spool, &result);
}

static int put_open(Applying *applying, const Item *item, int64_t stream, const Dongbo__EventVerdict *verdict) {
    Undecided undecided = {.stream = stream,
                           .sequence = verdict->sequence,
                           .verdict = (int)verdict->verdict,
                           .position = verdict->position,
                           .item = *item};
    if (verdict->event_id.len == EVENT_ID_BYTES)
        memcpy(undecided.event_id, verdict->event_id.data, EVENT_ID_BYTES);
    return ledger_undecided_put(applying->verdicts->spool, &undecided);
}

// What is to be stored and handed back for a verdict that a receipt names.
static int take_verdict(Applying *applying, const Item *item, const Dongbo__EventVerdict *verdict) {
    int kind = verdict_of(verdict), r = 0;
    if (verdict == NULL)
        return 0;
    if (is_refusal(kind))
        r = result_add(applying, item, verdict, RESULT_REFUSED);
    else if (kind == DONGBO__VERDICT__ACCEPTED && verdict->n_reasons > 0)
        r = result_add(applying, item, verdict, RESULT_DECIDED);
    if (r == 0 && verdict_is_open(kind))
        r = put_open(applying, item, applying->stream->id, verdict);
    return r;
}

// A later word may have come before the receipt (the session broke in between): it stands. *ret_later true then.
static int check_early(Applying *applying, const Dongbo__EventVerdict *verdict, uint64_t sequence, bool *ret_later) {
    *ret_later = false;
    if (!applying->early)
        return 0;
    Undecided undecided;
    Spool *spool = applying->verdicts->spool;
    int r = ledger_undecided(spool, applying->stream->id, sequence, &undecided);
    if (r != 0)
        return r < 0 ? r : 0;
    if (verdict != NULL && verdict->position > undecided.position)
        return 0;
    *ret_later = true;
    return verdict_is_open(undecided.verdict) ? 0 : ledger_undecided_delete(spool, applying->stream->id, sequence);
}

static int take_event(Applying *applying, const Item *item, size_t i, uint64_t sequence) {
    const Dongbo__EventVerdict *now = applying->now[i], *before = applying->before[i];
    int r = 0;
    if (applying->counts.origin != item->origin) {
        r = counts_store(applying);
        applying->counts.origin = item->origin;
    }
    applying->counts.events++;
    bool later = false;
    if (r == 0)
        r = check_early(applying, now, sequence, &later);
    if (r < 0 || later)
        return r;
    if (applying->again && same_verdict(now, before))
        return 0;
    if (applying->again)
        r = count(applying, before, -1);
    else
        applying->verdicts->counts[verdict_of(now)]++;
    if (r == 0)
        r = count(applying, now, 1);
    return r < 0 ? r : take_verdict(applying, item, now);
}

// Sorts a receipt's verdicts by event. ERROR_PEER when one is outside its range or is no verdict we know.
static int by_event(const Dongbo__ReceiptBody *body, ByEvent events) {
    memset(events, 0, sizeof(ByEvent));
    for (size_t i = 0; i < body->n_verdicts; i++) {
        const Dongbo__EventVerdict *verdict = body->verdicts[i];
        if (verdict->sequence < body->first_sequence || verdict->sequence > body->last_sequence ||
            verdict->verdict <= 0 || verdict->verdict >= VERDICT_KINDS)
            return error_fail(ERROR_PEER, "the exchange sent a receipt that cannot be: event %llu of batch %llu-%llu",
                              (unsigned long long)verdict->sequence, (unsigned long long)body->first_sequence,
                              (unsigned long long)body->last_sequence);
        events[verdict->sequence - body->first_sequence] = verdict;
    }
    return 0;
}

// The receipt stored when the batch was acknowledged before the exchange forgot it. NULL when there is none.
static int receipt_before(Spool *spool, int64_t batch, Dongbo__ReceiptBody **ret) {
    const uint8_t *data;
    size_t n;
    *ret = NULL;
    int r = spool_receipt(spool, batch, &data, &n);
    if (r != 0)
        return r < 0 ? r : 0;
    if (n > SIGNATURE_BYTES)
        *ret = dongbo__receipt_body__unpack(NULL, n - SIGNATURE_BYTES, data);
    return 0;
}

static void receipt_free(Dongbo__ReceiptBody **body) {
    if (*body != NULL)
        dongbo__receipt_body__free_unpacked(*body, NULL);
}

static int take_batch(Applying *applying, const Dongbo__ReceiptBody *body) {
    const Bytes *items = &applying->verdicts->items;
    const uint8_t *at = items->data, *end = items->data + items->n;
    int r = 0;
    for (uint64_t sequence = body->first_sequence; sequence <= body->last_sequence && r == 0; sequence++) {
        Item item;
        if (item_read(&at, end, &item) != 0)
            return error_fail(ERROR_SYSTEM, "the spool holds a batch whose items cannot be read");
        r = take_event(applying, &item, (size_t)(sequence - body->first_sequence), sequence);
    }
    return r < 0 ? r : counts_store(applying);
}

static bool answers(const SpoolBatch *batch, const SpoolStream *stream, const Dongbo__ReceiptBody *body) {
    return batch->first_sequence == body->first_sequence && batch->last_sequence == body->last_sequence &&
           body->last_sequence - body->first_sequence < BATCH_EVENTS_MAX && body->stream.len == STREAM_BYTES &&
           memcmp(body->stream.data, stream->stream, STREAM_BYTES) == 0 && body->batch_root.len == HASH_BYTES &&
           memcmp(body->batch_root.data, batch->root, HASH_BYTES) == 0;
}

int verdicts_receipt(Verdicts *verdicts, const SpoolStream *stream, const Dongbo__ReceiptBody *body, const Bytes *raw) {
    SpoolBatch batch;
    int r = spool_find(verdicts->spool, stream->id, body->first_sequence, &batch);
    if (r != 0)
        return r;
    if (!answers(&batch, stream, body))
        return 1;
    if (batch.acked)
        return 0;
    bytes_clear(&verdicts->items);
    bytes_append(&verdicts->items, batch.items, batch.items_bytes);
    if (verdicts->items.failed)
        return error_fail(ERROR_MEMORY, "no memory for a receipt");
    CLEANUP(receipt_free) Dongbo__ReceiptBody *before = NULL;
    Applying applying = {.verdicts = verdicts, .stream = stream};
    int64_t early = 0;
    r = receipt_before(verdicts->spool, batch.id, &before);
    applying.again = before != NULL;
    if (r == 0)
        r = by_event(body, applying.now);
    if (r == 0 && before != NULL && before->first_sequence == body->first_sequence)
        r = by_event(before, applying.before);
    if (r == 0)
        r = ledger_undecided_within(verdicts->spool, stream->id, body->first_sequence, body->last_sequence, &early);
    applying.early = early > 0;
    if (r == 0)
        r = take_batch(&applying, body);
    // The verdict position stays: a decision from before this batch may still be on its way.
    return r < 0 ? r : spool_ack(verdicts->spool, &batch, raw);
}

// ---- later words ----

// The batch that the last of these words was about: they come in the log's order, batch by batch.
typedef struct LaterBatch {
    SpoolBatch batch; // id 0: none
    Dongbo__ReceiptBody *receipt;
} LaterBatch;

static void later_batch_free(LaterBatch *later) {
    receipt_free(&later->receipt);
    *later = (LaterBatch){0};
}

// Finds the batch with this sequence, its items and its receipt. 1 when it is not kept.
static int find_batch(Applying *applying, uint64_t sequence, LaterBatch *later) {
    Verdicts *verdicts = applying->verdicts;
    if (later->batch.id != 0 && sequence >= later->batch.first_sequence && sequence <= later->batch.last_sequence)
        return 0;
    later_batch_free(later);
    SpoolBatch batch;
    int r = spool_find(verdicts->spool, applying->stream->id, sequence, &batch);
    if (r != 0)
        return r;
    bytes_clear(&verdicts->items);
    bytes_append(&verdicts->items, batch.items, batch.items_bytes);
    if (verdicts->items.failed)
        return error_fail(ERROR_MEMORY, "no memory for a verdict");
    r = receipt_before(verdicts->spool, batch.id, &later->receipt);
    if (r == 0)
        later->batch = batch;
    return r;
}

// Whether the batch's receipt has said this already, or something newer.
static bool is_said(const LaterBatch *later, const Dongbo__EventVerdict *verdict) {
    if (!later->batch.acked || later->receipt == NULL)
        return false;
    for (size_t i = 0; i < later->receipt->n_verdicts; i++)
        if (later->receipt->verdicts[i]->sequence == verdict->sequence)
            return later->receipt->verdicts[i]->position >= verdict->position;
    return false;
}

// A word on an event that has none stored: it belongs to a batch whose receipt is still to come (applying->early), or
// to one whose verdict was final. *ret_item is empty (origin 0) when there is nothing new to say to anybody.
static int find_item(Applying *applying, const Dongbo__EventVerdict *verdict, LaterBatch *later, Item *ret_item) {
    *ret_item = (Item){0};
    if (verdict->position <= applying->stream->verdict_position)
        return 0;
    int r = find_batch(applying, verdict->sequence, later);
    if (r != 0 || is_said(later, verdict))
        return r < 0 ? r : 0;
    applying->early = !later->batch.acked;
    const Bytes *items = &applying->verdicts->items;
    if (item_find(items->data, items->n, verdict->sequence - later->batch.first_sequence, ret_item) != 0)
        return error_fail(ERROR_SYSTEM, "the spool holds a batch whose items cannot be read");
    return 0;
}

static int find_undecided(Applying *applying, const Dongbo__EventVerdict *verdict, Undecided *ret) {
    Spool *spool = applying->verdicts->spool;
    bool has_id = verdict->event_id.len == EVENT_ID_BYTES;
    int r = ledger_undecided(spool, applying->stream->id, verdict->sequence, ret);
    if (r == 0 && has_id && memcmp(ret->event_id, verdict->event_id.data, EVENT_ID_BYTES) != 0)
        r = 1;
    if (r == 1 && has_id)
        r = ledger_undecided_by_event(spool, verdict->event_id.data, ret);
    return r;
}

// A later word is handed back unless it still defers; a first one as a receipt's is.
static bool is_told(const Dongbo__EventVerdict *verdict, bool first) {
    if (!first || is_refusal((int)verdict->verdict))
        return verdict->verdict != DONGBO__VERDICT__DEFERRED;
    return verdict->verdict == DONGBO__VERDICT__ACCEPTED && verdict->n_reasons > 0;
}

static int take_later(Applying *applying, const Dongbo__EventVerdict *verdict, LaterBatch *later) {
    Undecided undecided = {.stream = applying->stream->id, .sequence = verdict->sequence};
    Spool *spool = applying->verdicts->spool;
    applying->early = false;
    int r = find_undecided(applying, verdict, &undecided);
    bool known = r == 0;
    if (r == 1)
        r = find_item(applying, verdict, later, &undecided.item);
    if (r < 0 || (known && verdict->position <= undecided.position) || undecided.item.origin == 0)
        return r;
    Dongbo__EventVerdict told = *verdict;
    told.sequence = undecided.sequence;
    // What comes before its receipt is the first word on the event.
    (applying->early ? applying->verdicts->counts : applying->verdicts->later)[verdict->verdict]++;
    applying->counts.origin = undecided.item.origin;
    if (known)
        applying->counts.verdicts[undecided.verdict]--;
    r = count(applying, verdict, 1);
    if (r == 0)
        r = counts_store(applying);
    if (r == 0 && is_told(verdict, applying->early))
        r = result_add(applying, &undecided.item, &told,
                       is_refusal((int)verdict->verdict) ? RESULT_REFUSED : RESULT_DECIDED);
    if (r == 0 && (verdict_is_open((int)verdict->verdict) || applying->early))
        r = put_open(applying, &undecided.item, undecided.stream, &told);
    else if (r == 0)
        r = ledger_undecided_delete(spool, undecided.stream, undecided.sequence);
    return r;
}

int verdicts_later(Verdicts *verdicts, const SpoolStream *stream, const Dongbo__Verdicts *later) {
    Applying applying = {.verdicts = verdicts, .stream = stream, .again = true};
    CLEANUP(later_batch_free) LaterBatch batch = {0};
    int r = 0;
    for (size_t i = 0; i < later->n_verdicts && r == 0; i++) {
        const Dongbo__EventVerdict *verdict = later->verdicts[i];
        if (verdict->verdict <= 0 || verdict->verdict >= VERDICT_KINDS)
            return error_fail(ERROR_PEER,
                              "the exchange sent a verdict that this program does not know (%d): upgrade "
                              "dongbo-agent",
                              (int)verdict->verdict);
        r = take_later(&applying, verdict, &batch);
    }
    if (r == 0)
        r = spool_verdict_position(verdicts->spool, stream->id, later->last_position);
    return r;
}
