// SPDX-License-Identifier: Apache-2.0
//
// See verdicts.h. A plain ACCEPTED costs nothing but its share of a count: only what was said of an event is stored for
// it, so a batch that was taken whole is a handful of statements. What the exchange said last of an event is the row in
// word.h, or else its batch's receipt; what comes takes that one's place, in the counts and for the source.
#include "agents/verdicts.h"

#include "agents/word.h"
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
    const Dongbo__ReceiptBody *body;
    bool again;  // the batch had a receipt earlier (now in `before`)
    bool same;   // ... and this one is it, said again: nothing was forgotten
    bool stored; // something is stored of some of its events, beside a receipt
    bool early;  // a later word's batch has no receipt yet, or none that holds
} Applying;

// What was said last of an event.
typedef struct Said {
    bool known, word;                  // something; and it is a row in word.h, or as good as one
    const Dongbo__EventVerdict *said;  // NULL: a plain ACCEPTED
    Word last;                         // when `word`
    Dongbo__EventVerdict without_them; // what is said when its reasons are not known
    bool bare;                         // ... and the exchange may say it again
    uint64_t stood;                    // ... at this place, if it forgot nothing; 0 where that is not known
} Said;

static void said_free(Said *said) {
    word_free(&said->last);
}

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

// The same place in the log is given out again in another epoch.
static int result_add(Applying *applying, const Item *item, const Dongbo__EventVerdict *verdict, ResultKind kind) {
    Result result = {
        .kind = kind, .item = *item, .verdict = verdict, .at_us = clock_now_us(spool_clock(applying->verdicts->spool))};
    char stream[2 * STREAM_BYTES + 1];
    hex_encode(applying->stream->stream, STREAM_BYTES, stream);
    snprintf(result.mark, sizeof result.mark, "%s %llu %llu %u", stream, (unsigned long long)verdict->sequence,
             (unsigned long long)verdict->position, (unsigned)applying->stream->verdict_epoch);
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

// Hands a receipt's verdict back where the source has something to do, or was told something else before.
static int tell_first(Applying *applying, const Item *item, const Dongbo__EventVerdict *now, const Said *before) {
    int kind = verdict_of(now), last = before->known ? verdict_of(before->said) : kind;
    if ((before->known && same_verdict(now, before->said)) || kind == DONGBO__VERDICT__DEFERRED)
        return 0;
    if (is_refusal(kind))
        return result_add(applying, item, now, RESULT_REFUSED);
    bool remarks = kind == DONGBO__VERDICT__ACCEPTED && now->n_reasons > 0;
    return remarks || is_refusal(last) || verdict_is_open(last) ? result_add(applying, item, now, RESULT_DECIDED) : 0;
}

// An older program kept what is final with what is open, until the receipt, and of a later word only that.
static int find_older(Applying *applying, uint64_t sequence, Said *said) {
    Undecided undecided;
    int r = ledger_undecided(applying->verdicts->spool, applying->stream->id, sequence, &undecided);
    if (r != 0 || (said->known && verdict_of(said->said) == undecided.verdict))
        return r < 0 ? r : 0;
    dongbo__event_verdict__init(&said->without_them);
    said->without_them.verdict = (Dongbo__Verdict)undecided.verdict;
    said->said = &said->without_them;
    if (!applying->again && undecided.position > 0)
        said->last = (Word){.epoch = applying->stream->verdict_epoch, .position = undecided.position};
    said->known = said->word = true;
    return 0;
}

// What was said of an event before this receipt.
static int find_said(Applying *applying, size_t i, uint64_t sequence, Said *ret) {
    *ret = (Said){.known = applying->again, .said = applying->before[i]};
    if (!applying->stored)
        return 0;
    int r = word_get(applying->verdicts->spool, applying->stream->id, sequence, &ret->last);
    if (r == 1)
        return find_older(applying, sequence, ret);
    if (r == 0) {
        ret->known = ret->word = true;
        ret->said = ret->last.verdict;
    }
    return r;
}

// From now on the receipt is what was said last of the event.
static int store_first(Applying *applying, const Item *item, uint64_t sequence, const Dongbo__EventVerdict *now) {
    Spool *spool = applying->verdicts->spool;
    int64_t stream = applying->stream->id;
    int r = applying->stored ? word_delete(spool, stream, sequence) : 0;
    if (r == 0 && verdict_is_open(verdict_of(now)))
        r = put_open(applying, item, stream, now);
    else if (r == 0 && applying->stored)
        r = ledger_undecided_delete(spool, stream, sequence);
    return r;
}

// Of an event that a receipt does not name; 0: before any later word.
static uint64_t place_of(const Dongbo__ReceiptBody *body, size_t i) {
    return body->first_position > 0 ? body->first_position + i : 0;
}

static int take_first(Applying *applying, const Item *item, size_t i, const Said *before) {
    const Dongbo__EventVerdict *now = applying->now[i];
    uint64_t sequence = applying->body->first_sequence + i;
    Dongbo__EventVerdict plain = DONGBO__EVENT_VERDICT__INIT;
    plain.sequence = sequence;
    plain.verdict = DONGBO__VERDICT__ACCEPTED;
    plain.position = place_of(applying->body, i);
    int r = 0;
    if (!before->known)
        applying->verdicts->counts[verdict_of(now)]++;
    if (before->known && !same_verdict(now, before->said))
        r = count(applying, before->said, -1);
    if (r == 0 && !(before->known && same_verdict(now, before->said)))
        r = count(applying, now, 1);
    if (r == 0)
        r = tell_first(applying, item, now != NULL ? now : &plain, before);
    return r < 0 ? r : store_first(applying, item, sequence, now);
}

// A later word may have come before the receipt (the session broke in between): it stands. So does each that came since
// the same receipt was given before.
static bool is_overtaken(const Applying *applying, size_t i, const Said *before) {
    const Dongbo__ReceiptBody *body = applying->body;
    const Dongbo__EventVerdict *now = applying->now[i];
    uint32_t epoch = body->epoch != 0 ? body->epoch : applying->stream->verdict_epoch;
    uint64_t position = now != NULL ? now->position : place_of(body, i);
    return before->word && (applying->same || word_is_after(&before->last, epoch, position));
}

static int take_event(Applying *applying, const Item *item, size_t i) {
    uint64_t sequence = applying->body->first_sequence + i;
    CLEANUP(said_free) Said before = {0};
    int r = 0;
    if (applying->counts.origin != item->origin) {
        r = counts_store(applying);
        applying->counts.origin = item->origin;
    }
    applying->counts.events++;
    if (r == 0)
        r = find_said(applying, i, sequence, &before);
    if (r < 0)
        return r;
    if (!is_overtaken(applying, i, &before))
        return take_first(applying, item, i, &before);
    return verdict_is_open(verdict_of(before.said))
               ? 0
               : ledger_undecided_delete(applying->verdicts->spool, applying->stream->id, sequence);
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

Dongbo__ReceiptBody *verdicts_body(const SpoolReceipt *receipt) {
    return receipt->n > SIGNATURE_BYTES
               ? dongbo__receipt_body__unpack(NULL, receipt->n - SIGNATURE_BYTES, receipt->data)
               : NULL;
}

// The receipt stored when the batch was acknowledged, NULL when there is none; *ret_first is what it calls the batch's
// first event, which may have been sealed again since.
static int receipt_before(Spool *spool, int64_t batch, Dongbo__ReceiptBody **ret, uint64_t *ret_first) {
    SpoolReceipt receipt;
    *ret = NULL;
    int r = spool_receipt(spool, batch, &receipt);
    if (r != 0)
        return r < 0 ? r : 0;
    *ret_first = receipt.first_sequence;
    *ret = verdicts_body(&receipt);
    return 0;
}

// What it said of the batch's events, which may be a part of those that it is about.
static void by_event_before(const Dongbo__ReceiptBody *receipt, uint64_t first, ByEvent events) {
    for (size_t i = 0; i < receipt->n_verdicts; i++) {
        uint64_t sequence = receipt->verdicts[i]->sequence;
        if (sequence >= first && sequence - first < BATCH_EVENTS_MAX)
            events[sequence - first] = receipt->verdicts[i];
    }
}

static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

// Whether one is the other said again, for what is stored already. What was forgotten is stored at another time.
static bool is_same(const Dongbo__ReceiptBody *now, const Dongbo__ReceiptBody *before) {
    return before != NULL && now->stored_at_us != 0 && now->stored_at_us == before->stored_at_us &&
           now->epoch == before->epoch && same_bytes(&now->batch_root, &before->batch_root) &&
           same_bytes(&now->segment_hash, &before->segment_hash);
}

static void receipt_free(Dongbo__ReceiptBody **body) {
    if (*body != NULL)
        dongbo__receipt_body__free_unpacked(*body, NULL);
}

static int take_batch(Applying *applying) {
    const Dongbo__ReceiptBody *body = applying->body;
    const Bytes *items = &applying->verdicts->items;
    const uint8_t *at = items->data, *end = items->data + items->n;
    int r = 0;
    for (uint64_t sequence = body->first_sequence; sequence <= body->last_sequence && r == 0; sequence++) {
        Item item;
        if (item_read(&at, end, &item) != 0)
            return error_fail(ERROR_SYSTEM, "the spool holds a batch whose items cannot be read");
        r = take_event(applying, &item, (size_t)(sequence - body->first_sequence));
    }
    return r < 0 ? r : counts_store(applying);
}

static bool answers(const SpoolBatch *batch, const SpoolStream *stream, const Dongbo__ReceiptBody *body) {
    return batch->first_sequence == body->first_sequence && batch->last_sequence == body->last_sequence &&
           body->last_sequence - body->first_sequence < BATCH_EVENTS_MAX && body->stream.len == STREAM_BYTES &&
           memcmp(body->stream.data, stream->stream, STREAM_BYTES) == 0 && body->batch_root.len == HASH_BYTES &&
           memcmp(body->batch_root.data, batch->root, HASH_BYTES) == 0;
}

// Whether there is more to look at than receipts.
static int find_stored(Applying *applying) {
    const Dongbo__ReceiptBody *body = applying->body;
    Spool *spool = applying->verdicts->spool;
    int64_t words = 0, open = 0, stream = applying->stream->id;
    int r = word_within(spool, stream, body->first_sequence, body->last_sequence, &words);
    if (r == 0)
        r = ledger_undecided_within(spool, stream, body->first_sequence, body->last_sequence, &open);
    applying->stored = words > 0 || open > 0;
    if (r == 0 && words > 0 && applying->same)
        r = word_renew(spool, stream, body->first_sequence, body->last_sequence);
    return r;
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
    Applying applying = {.verdicts = verdicts, .stream = stream, .body = body};
    uint64_t first = 0;
    r = receipt_before(verdicts->spool, batch.id, &before, &first);
    applying.again = before != NULL;
    applying.same = is_same(body, before);
    if (r == 0)
        r = by_event(body, applying.now);
    if (r == 0 && before != NULL)
        by_event_before(before, first, applying.before);
    if (applying.same) // which may say less by now: what was erased since has no verdict any more, nor a position
        memcpy(applying.now, applying.before, sizeof applying.now);
    if (r == 0)
        r = find_stored(&applying);
    if (r == 0)
        r = take_batch(&applying);
    // The verdict position stays: a decision from before this batch may still be on its way.
    return r < 0 ? r : spool_ack(verdicts->spool, &batch, applying.same ? NULL : raw);
}

// ---- later words ----

// The batch that the last of these words was about: they come in the log's order, batch by batch.
typedef struct LaterBatch {
    SpoolBatch batch; // id 0: none
    Dongbo__ReceiptBody *receipt;
    uint64_t first; // what the receipt calls the batch's first event
} LaterBatch;

static void later_batch_free(LaterBatch *later) {
    receipt_free(&later->receipt);
    *later = (LaterBatch){0};
}

static bool holds(const LaterBatch *later, int64_t stream, uint64_t sequence) {
    return later->batch.id != 0 && later->batch.stream == stream && sequence >= later->batch.first_sequence &&
           sequence <= later->batch.last_sequence;
}

// Finds the batch with this sequence, its items and its receipt. 1 when it is not kept.
static int find_batch(Applying *applying, int64_t stream, uint64_t sequence, LaterBatch *later) {
    Verdicts *verdicts = applying->verdicts;
    if (holds(later, stream, sequence))
        return 0;
    later_batch_free(later);
    SpoolBatch batch;
    int r = spool_find(verdicts->spool, stream, sequence, &batch);
    if (r != 0)
        return r;
    bytes_clear(&verdicts->items);
    bytes_append(&verdicts->items, batch.items, batch.items_bytes);
    if (verdicts->items.failed)
        return error_fail(ERROR_MEMORY, "no memory for a verdict");
    r = receipt_before(verdicts->spool, batch.id, &later->receipt, &later->first);
    if (r == 0)
        later->batch = batch;
    return r;
}

// What the batch's receipt says of an event. NULL: nothing, which is a plain ACCEPTED where there is a receipt.
static const Dongbo__EventVerdict *said_of(const LaterBatch *later, uint64_t sequence) {
    uint64_t there = sequence - later->batch.first_sequence + later->first;
    for (size_t i = 0; later->receipt != NULL && i < later->receipt->n_verdicts; i++)
        if (later->receipt->verdicts[i]->sequence == there)
            return later->receipt->verdicts[i];
    return NULL;
}

// Whether the batch's receipt has said this already, or something newer. Of a batch that is sent again: the same.
static bool is_said(const Applying *applying, const LaterBatch *later, const Dongbo__EventVerdict *verdict) {
    const Dongbo__EventVerdict *said = said_of(later, verdict->sequence);
    if (said == NULL || later->batch.acked)
        return said != NULL && said->position >= verdict->position;
    return said->position == verdict->position && later->receipt->epoch == applying->stream->verdict_epoch &&
           same_verdict(said, verdict);
}

// A word on an event that has none stored: it belongs to a batch whose receipt is still to come (applying->early), or
// to one whose verdict was final. *ret_item is empty (origin 0) when there is nothing new to say to anybody.
static int find_item(Applying *applying, const Dongbo__EventVerdict *verdict, LaterBatch *later, Item *ret_item) {
    *ret_item = (Item){0};
    if (verdict->position <= applying->stream->verdict_position)
        return 0;
    int r = find_batch(applying, applying->stream->id, verdict->sequence, later);
    if (r != 0 || is_said(applying, later, verdict))
        return r < 0 ? r : 0;
    applying->early = !later->batch.acked;
    const Bytes *items = &applying->verdicts->items;
    if (item_find(items->data, items->n, verdict->sequence - later->batch.first_sequence, ret_item) != 0)
        return error_fail(ERROR_SYSTEM, "the spool holds a batch whose items cannot be read");
    return 0;
}

// By its number, for equal events have one id; by that where the exchange gives none, of a stream that was replaced.
static int find_undecided(Applying *applying, const Dongbo__EventVerdict *verdict, Undecided *ret) {
    Spool *spool = applying->verdicts->spool;
    bool has_id = verdict->event_id.len == EVENT_ID_BYTES, by_id = verdict->sequence == 0;
    int r = by_id ? 1 : ledger_undecided(spool, applying->stream->id, verdict->sequence, ret);
    if (r == 0 && has_id && memcmp(ret->event_id, verdict->event_id.data, EVENT_ID_BYTES) != 0) {
        r = 1;
        by_id = true;
    }
    if (r == 1 && has_id && by_id)
        r = ledger_undecided_by_event(spool, verdict->event_id.data, ret);
    return r;
}

// A word on an event whose verdict is open, by a receipt, which knows the reasons, or a word before. A receipt may have
// said it in the epoch before; 1: it is nothing new.
static int check_known(Applying *applying, const Dongbo__EventVerdict *verdict, LaterBatch *later,
                       Undecided *undecided) {
    int64_t stream = undecided->stream;
    uint64_t sequence = undecided->sequence;
    bool aged = undecided->position == 0 && stream == applying->stream->id && sequence == verdict->sequence;
    if (!aged && verdict->position <= undecided->position)
        return 1;
    int r = find_batch(applying, stream, sequence, later);
    if (r == 0 && aged) {
        applying->early = !later->batch.acked;
        if (is_said(applying, later, verdict))
            return 1;
    }
    // Its item went with the spool's open row.
    return r < 0 ? r : ledger_undecided(applying->verdicts->spool, stream, sequence, undecided);
}

// What was said last of the event that a later word is on. 1: that stands behind the word, or seems to.
static int find_last(Applying *applying, const Dongbo__EventVerdict *verdict, const LaterBatch *later,
                     const Undecided *undecided, Said *ret) {
    int r = word_get(applying->verdicts->spool, undecided->stream, undecided->sequence, &ret->last);
    if (r < 0)
        return r;
    ret->word = r == 0;
    ret->known = ret->word || undecided->verdict != 0 || later->receipt != NULL;
    if (ret->word) {
        ret->said = ret->last.verdict;
        Word word = {.epoch = applying->stream->verdict_epoch, .position = verdict->position};
        return !word_is_after(&word, ret->last.epoch, ret->last.position);
    }
    // The receipt knows the reasons, too, where it is kept.
    ret->said = holds(later, undecided->stream, undecided->sequence) ? said_of(later, undecided->sequence) : NULL;
    if (undecided->verdict == 0 || undecided->verdict == verdict_of(ret->said))
        return 0;
    dongbo__event_verdict__init(&ret->without_them);
    ret->without_them.verdict = (Dongbo__Verdict)undecided->verdict;
    ret->said = &ret->without_them;
    ret->bare = undecided->position == 0;
    ret->stood = undecided->stood;
    return ret->bare && (int)verdict->verdict == undecided->verdict && verdict->position < undecided->stood;
}

// Whether a restored exchange says again what it said, as far as that is kept: what it has no receipt for any more, or
// decided in another epoch.
static bool says_again(const Applying *applying, const Dongbo__EventVerdict *told, const Said *before) {
    if (before->bare) // what it says behind that is another word, though the verdict may be the same
        return verdict_of(told) == verdict_of(before->said) && (before->stood == 0 || told->position <= before->stood);
    bool may_repeat = before->word && before->last.epoch != applying->stream->verdict_epoch;
    return (applying->early ? before->known : may_repeat) && same_verdict(told, before->said);
}

// A later word is handed back unless it still defers, or a restored exchange says again what it said; a first one as a
// receipt's is.
static int tell_later(Applying *applying, const Item *item, const Dongbo__EventVerdict *told, const Said *before) {
    if (applying->early)
        return tell_first(applying, item, told, before);
    if (says_again(applying, told, before) || told->verdict == DONGBO__VERDICT__DEFERRED)
        return 0;
    return result_add(applying, item, told, is_refusal((int)told->verdict) ? RESULT_REFUSED : RESULT_DECIDED);
}

static int store_later(Applying *applying, const Undecided *of, const Dongbo__EventVerdict *told) {
    Spool *spool = applying->verdicts->spool;
    Word word = {applying->stream->verdict_epoch, told->position, (Dongbo__EventVerdict *)told};
    int r = word_put(spool, of->stream, of->sequence, &word);
    if (r < 0)
        return r;
    return verdict_is_open((int)told->verdict) ? put_open(applying, &of->item, of->stream, told)
                                               : ledger_undecided_delete(spool, of->stream, of->sequence);
}

static int take_later(Applying *applying, const Dongbo__EventVerdict *verdict, LaterBatch *later) {
    Undecided undecided;
    CLEANUP(said_free) Said before = {0};
    applying->early = false;
    int r = find_undecided(applying, verdict, &undecided);
    if (r == 1) {
        undecided = (Undecided){.stream = applying->stream->id, .sequence = verdict->sequence};
        r = find_item(applying, verdict, later, &undecided.item);
    } else if (r == 0)
        r = check_known(applying, verdict, later, &undecided);
    if (r == 0 && undecided.item.origin != 0)
        r = find_last(applying, verdict, later, &undecided, &before);
    if (r != 0 || undecided.item.origin == 0)
        return r < 0 ? r : 0;
    Dongbo__EventVerdict told = *verdict;
    told.sequence = undecided.sequence;
    bool again = says_again(applying, verdict, &before);
    // What comes before its receipt is the first word on the event.
    if (!again)
        (before.known ? applying->verdicts->later : applying->verdicts->counts)[verdict->verdict]++;
    applying->counts.origin = undecided.item.origin;
    bool counted = before.bare && again; // its reasons, too
    if (before.known && !counted)
        r = count(applying, before.said, -1);
    if (r == 0 && !counted)
        r = count(applying, verdict, 1);
    if (r == 0)
        r = counts_store(applying);
    if (r == 0)
        r = tell_later(applying, &undecided.item, &told, &before);
    return r < 0 ? r : store_later(applying, &undecided, &told);
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
