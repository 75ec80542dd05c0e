// SPDX-License-Identifier: Apache-2.0
//
// See sealer.h. Events are packed one behind the other into one buffer; nothing is allocated for an event.
#include "agents/sealer.h"

#include "agents/ledger.h"
#include "agents/word.h"
#include "proto/base/error.h"
#include "proto/batch.h"
#include "proto/event.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// What a batch's bytes hold beside events and salts, at most.
#define EVENT_OVERHEAD (SALT_BYTES + 4)

struct Sealer {
    SealerOptions options;
    Signer *signer;
    Merkle *merkle;
    char key_id[17];
    Bytes scratch, events, items, sealed;
    size_t ends[BATCH_EVENTS_MAX]; // of each event in `events`
    size_t n;
    int64_t origin;   // of the last event
    int64_t n_origin; // how many of it were added since it was last counted
    int n_sealed;
};

int sealer_new(Sealer **ret, const SealerOptions *options) {
    Sealer *sealer = calloc(1, sizeof *sealer);
    if (sealer == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a sealer");
    sealer->options = *options;
    keys_id(options->keys->sign_public, sealer->key_id);
    int r = signer_new(&sealer->signer, options->keys->sign_secret);
    if (r == 0)
        r = merkle_new(&sealer->merkle);
    if (r < 0) {
        sealer_destroy(&sealer);
        return r;
    }
    *ret = sealer;
    return 0;
}

void sealer_destroy(Sealer **sealer) {
    if (*sealer == NULL)
        return;
    signer_destroy(&(*sealer)->signer);
    merkle_destroy(&(*sealer)->merkle);
    bytes_free(&(*sealer)->scratch);
    bytes_free(&(*sealer)->events);
    bytes_free(&(*sealer)->items);
    bytes_free(&(*sealer)->sealed);
    free(*sealer);
    *sealer = NULL;
}

void sealer_clear(Sealer *sealer) {
    bytes_clear(&sealer->events);
    bytes_clear(&sealer->items);
    sealer->n = 0;
    sealer->n_origin = 0;
}

int sealer_sealed(const Sealer *sealer) {
    return sealer->n_sealed;
}

void sealer_mark(Sealer *sealer) {
    sealer->n_sealed = 0;
}

// The header stands first in a SealedBatch that batch_seal() has written; its root is kept beside the batch.
static int sealed_root(const Bytes *sealed, uint8_t root[HASH_BYTES]) {
    size_t n = 0, at = 1;
    for (int shift = 0; at < sealed->n && shift < 28; shift += 7) {
        n |= (size_t)(sealed->data[at] & 0x7F) << shift;
        if (sealed->data[at++] < 0x80)
            break;
    }
    Dongbo__BatchHeader *header = NULL;
    if (sealed->n > 0 && sealed->data[0] == 0x0A && n <= sealed->n - at)
        header = dongbo__batch_header__unpack(NULL, n, sealed->data + at);
    bool good = header != NULL && header->root.len == HASH_BYTES;
    if (good)
        memcpy(root, header->root.data, HASH_BYTES);
    if (header != NULL)
        dongbo__batch_header__free_unpacked(header, NULL);
    return good ? 0 : error_fail(ERROR_CRYPTO, "a batch was sealed without a root");
}

typedef struct Sealing {
    const uint8_t *stream;
    SpoolBatch batch; // stream, sequences and items are set
    const ProtobufCBinaryData *events;
    size_t n;
} Sealing;

// Seals into `sealed` and completes the batch.
static int seal(Sealer *sealer, Sealing *sealing) {
    bytes_clear(&sealer->sealed);
    int r = batch_seal(&(BatchSeal){.stream = sealing->stream,
                                    .first_sequence = sealing->batch.first_sequence,
                                    .events = sealing->events,
                                    .n_events = sealing->n,
                                    .key_id = sealer->key_id,
                                    .signer = sealer->signer,
                                    .clock = spool_clock(sealer->options.spool),
                                    .merkle = sealer->merkle},
                       &sealer->sealed);
    if (r == 0)
        r = sealed_root(&sealer->sealed, sealing->batch.root);
    sealing->batch.sealed = sealer->sealed.data;
    sealing->batch.sealed_bytes = sealer->sealed.n;
    return r;
}

static int count_origin(Sealer *sealer) {
    int64_t n = sealer->n_origin;
    sealer->n_origin = 0;
    return n == 0 ? 0 : ledger_waiting_add(sealer->options.spool, sealer->origin, n);
}

int sealer_flush(Sealer *sealer) {
    if (sealer->n == 0)
        return 0;
    ProtobufCBinaryData events[BATCH_EVENTS_MAX];
    for (size_t i = 0, from = 0; i < sealer->n; from = sealer->ends[i++])
        events[i] = (ProtobufCBinaryData){.data = sealer->events.data + from, .len = sealer->ends[i] - from};
    SpoolStream stream;
    int r = spool_stream(sealer->options.spool, sealer->options.kind, &stream);
    if (r < 0)
        return r;
    Sealing sealing = {.stream = stream.stream,
                       .batch = {.stream = stream.id,
                                 .first_sequence = stream.last_sequence + 1,
                                 .last_sequence = stream.last_sequence + sealer->n,
                                 .items = sealer->items.data,
                                 .items_bytes = sealer->items.n},
                       .events = events,
                       .n = sealer->n};
    r = seal(sealer, &sealing);
    if (r == 0)
        r = spool_append(sealer->options.spool, &sealing.batch);
    if (r == 0)
        r = count_origin(sealer);
    if (r < 0)
        return r;
    sealer_clear(sealer);
    sealer->n_sealed++;
    return 0;
}

int sealer_add(Sealer *sealer, Dongbo__ChangeEvent *event, const Item *item) {
    uint8_t id[EVENT_ID_BYTES];
    event_identify(event, sealer->options.agency, sealer->merkle, &sealer->scratch, id);
    size_t before = sealer->events.n;
    bytes_append_message(&sealer->events, &event->base);
    if (sealer->scratch.failed || sealer->events.failed)
        return error_fail(ERROR_MEMORY, "no memory for an event");
    if (sealer->events.n - before > EVENT_BYTES_MAX) {
        sealer->events.n = before;
        return 1;
    }
    sealer->ends[sealer->n++] = sealer->events.n;
    item_append(&sealer->items, item);
    if (sealer->items.failed)
        return error_fail(ERROR_MEMORY, "no memory for an event");
    int r = 0;
    if (sealer->n_origin > 0 && sealer->origin != item->origin)
        r = count_origin(sealer);
    sealer->origin = item->origin;
    sealer->n_origin++;
    bool full = sealer->events.n + sealer->n * EVENT_OVERHEAD >= BATCH_BYTES_GOAL || sealer->n == BATCH_EVENTS_MAX;
    return r == 0 && full ? sealer_flush(sealer) : r;
}

// A batch taken out of the spool to be sealed again.
typedef struct Opened {
    SpoolBatch batch;
    Bytes items, receipt;
    uint64_t receipt_first;
    Dongbo__SealedBatch *sealed;
} Opened;

static void opened_free(Opened *opened) {
    bytes_free(&opened->items);
    bytes_free(&opened->receipt);
    if (opened->sealed != NULL)
        dongbo__sealed_batch__free_unpacked(opened->sealed, NULL);
    opened->sealed = NULL;
}

// Copies what stands in the spool's open row: it goes with the next statement.
static int opened_take(Opened *opened, const SpoolBatch *batch) {
    opened->batch = *batch;
    bytes_append(&opened->items, batch->items, batch->items_bytes);
    opened->sealed = dongbo__sealed_batch__unpack(NULL, batch->sealed_bytes, batch->sealed);
    if (opened->items.failed)
        return error_fail(ERROR_MEMORY, "no memory for a batch");
    if (opened->sealed == NULL || opened->sealed->n_events == 0 || opened->sealed->n_events > BATCH_EVENTS_MAX)
        return error_fail(ERROR_SYSTEM, "the spool holds a batch that cannot be read");
    return 0;
}

// What was said of the batch before it was to be sealed again: without it, everything would be told once more.
static int opened_receipt(Spool *spool, Opened *opened) {
    SpoolReceipt receipt;
    int r = spool_receipt(spool, opened->batch.id, &receipt);
    if (r != 0)
        return r < 0 ? r : 0;
    opened->receipt_first = receipt.first_sequence;
    bytes_append(&opened->receipt, receipt.data, receipt.n);
    return opened->receipt.failed ? error_fail(ERROR_MEMORY, "no memory for a receipt") : 0;
}

// The same of the batch that begins with the nth of its events.
static SpoolReceipt opened_before(const Opened *opened, size_t nth) {
    return (SpoolReceipt){opened->receipt.data, opened->receipt.n, opened->receipt_first + nth};
}

static int reseal_one(Sealer *sealer, const SpoolBatch *stranded) {
    CLEANUP(opened_free) Opened opened = {0};
    SpoolStream stream;
    int r = opened_take(&opened, stranded);
    if (r == 0)
        r = opened_receipt(sealer->options.spool, &opened);
    if (r == 0)
        r = spool_stream(sealer->options.spool, sealer->options.kind, &stream);
    if (r < 0)
        return r;
    Sealing sealing = {.stream = stream.stream,
                       .batch = {.stream = stream.id,
                                 .first_sequence = stream.last_sequence + 1,
                                 .last_sequence = stream.last_sequence + opened.sealed->n_events,
                                 .items = opened.items.data,
                                 .items_bytes = opened.items.n,
                                 .before = opened_before(&opened, 0)},
                       .events = opened.sealed->events,
                       .n = opened.sealed->n_events};
    r = spool_delete(sealer->options.spool, opened.batch.id);
    if (r == 0)
        r = seal(sealer, &sealing);
    if (r == 0)
        r = spool_append(sealer->options.spool, &sealing.batch);
    WordMove move = {opened.batch.stream, stream.id, opened.batch.first_sequence, opened.batch.last_sequence,
                     sealing.batch.first_sequence};
    return r < 0 ? r : word_move(sealer->options.spool, &move);
}

int sealer_reseal(Sealer *sealer, int most, int *ret_n) {
    SpoolBatch batch;
    for (*ret_n = 0; *ret_n < most; ++*ret_n) {
        int r = spool_stranded_next(sealer->options.spool, sealer->options.kind, &batch);
        if (r == 1)
            return 0;
        if (r == 0)
            r = reseal_one(sealer, &batch);
        if (r < 0)
            return r;
    }
    return 0;
}

// The bytes of the first n items.
static size_t items_bytes(const Bytes *items, size_t n) {
    const uint8_t *at = items->data;
    Item item;
    while (n-- > 0)
        if (item_read(&at, items->data + items->n, &item) != 0)
            break;
    return (size_t)(at - items->data);
}

static int split_opened(Sealer *sealer, const Opened *opened, const SpoolStream *stream) {
    size_t n = opened->sealed->n_events, half = n / 2, cut = items_bytes(&opened->items, half);
    Sealing first = {.stream = stream->stream, .batch = opened->batch, .events = opened->sealed->events, .n = half};
    first.batch.last_sequence = first.batch.first_sequence + half - 1;
    first.batch.items = opened->items.data;
    first.batch.items_bytes = cut;
    first.batch.before = opened_before(opened, 0);
    Sealing second = {
        .stream = stream->stream, .batch = opened->batch, .events = opened->sealed->events + half, .n = n - half};
    second.batch.first_sequence += half;
    second.batch.items = opened->items.data + cut;
    second.batch.items_bytes = opened->items.n - cut;
    second.batch.before = opened_before(opened, half);
    int r = spool_delete(sealer->options.spool, opened->batch.id);
    if (r == 0)
        r = seal(sealer, &first);
    if (r == 0)
        r = spool_insert(sealer->options.spool, &first.batch);
    if (r == 0)
        r = seal(sealer, &second);
    return r < 0 ? r : spool_insert(sealer->options.spool, &second.batch);
}

int sealer_split(Sealer *sealer, uint64_t first_sequence) {
    CLEANUP(opened_free) Opened opened = {0};
    SpoolStream stream;
    SpoolBatch batch, found;
    int r = spool_stream(sealer->options.spool, sealer->options.kind, &stream);
    if (r == 0)
        r = spool_next(sealer->options.spool, stream.id, first_sequence, &batch);
    if (r == 0 && batch.first_sequence != first_sequence)
        r = 1;
    if (r != 0)
        return r;
    opened.sealed = dongbo__sealed_batch__unpack(NULL, batch.sealed_bytes, batch.sealed);
    if (opened.sealed == NULL)
        return error_fail(ERROR_SYSTEM, "the spool holds a batch that cannot be read");
    if (opened.sealed->n_events < 2)
        return 1;
    r = spool_find(sealer->options.spool, stream.id, first_sequence, &found);
    if (r != 0)
        return r;
    opened.batch = found;
    bytes_append(&opened.items, found.items, found.items_bytes);
    if (opened.items.failed)
        return error_fail(ERROR_MEMORY, "no memory for a batch");
    r = opened_receipt(sealer->options.spool, &opened);
    return r < 0 ? r : split_opened(sealer, &opened, &stream);
}
