// SPDX-License-Identifier: Apache-2.0
//
// See resumption.h.
#include "agents/resumption.h"

#include "agents/verdicts.h"
#include "agents/word.h"

#include <string.h>

#define RESEAL_AT_ONCE 32

void resumption_hello(const SpoolStream *stream, Dongbo__HelloPublish *ret) {
    ret->protocol_version = PROTOCOL_VERSION;
    ret->stream = (ProtobufCBinaryData){.len = STREAM_BYTES, .data = (uint8_t *)stream->stream};
    ret->stream_kind = (char *)stream->kind;
    ret->verdict_position = stream->hello_position;
    ret->verdict_epoch = stream->hello_epoch;
    ret->signed_verdicts = true;
    if (stream->replaces_one) // also when it did so before: a database that is set back does not know
        ret->replaces_stream = (ProtobufCBinaryData){.len = STREAM_BYTES, .data = (uint8_t *)stream->replaces};
}

// Up to the last batch that it has, its log is as it was; what it said behind that may be forgotten, and anew.
static int hear_again(Spool *spool, int64_t stream, uint64_t last_sequence) {
    SpoolBatch batch;
    SpoolReceipt receipt;
    Dongbo__ReceiptBody *body = NULL;
    int r = spool_find(spool, stream, last_sequence, &batch);
    if (r == 0 && batch.acked)
        r = spool_receipt(spool, batch.id, &receipt);
    if (r == 0 && batch.acked)
        body = verdicts_body(&receipt);
    if (r < 0)
        return r;
    bool known = body != NULL && body->last_position > 0;
    r = spool_hear_from(spool, stream, known ? body->epoch : 0, known ? body->last_position : 0);
    if (r == 0)
        r = word_age_behind(spool, known ? body->last_position : 0);
    if (body != NULL)
        dongbo__receipt_body__free_unpacked(body, NULL);
    return r;
}

static int forget(Spool *spool, SpoolStream *stream, uint64_t last_sequence, int64_t *ret_forgotten) {
    char kind[sizeof stream->kind];
    memcpy(kind, stream->kind, sizeof kind);
    int r = spool_begin(spool);
    if (r == 0)
        r = spool_unack(spool, stream->id, last_sequence, ret_forgotten);
    if (r == 0 && *ret_forgotten > 0)
        r = hear_again(spool, stream->id, last_sequence);
    r = spool_end(spool, r);
    return r == 0 && *ret_forgotten > 0 ? spool_stream(spool, kind, stream) : r;
}

int resumption_find(Spool *spool, SpoolStream *stream, uint64_t last_sequence, int64_t *ret_forgotten) {
    *ret_forgotten = 0;
    if (last_sequence > stream->last_sequence)
        return 1;
    int r = forget(spool, stream, last_sequence, ret_forgotten);
    if (r < 0)
        return r;
    if (stream->last_sequence == last_sequence)
        return 0;
    SpoolBatch batch;
    r = spool_next(spool, stream->id, last_sequence + 1, &batch);
    if (r < 0 || (r == 0 && batch.first_sequence == last_sequence + 1))
        return r;
    // The next event may stand amid a batch: this spool sealed others than the exchange has.
    r = spool_find(spool, stream->id, last_sequence + 1, &batch);
    return r < 0 ? r : r == 0 ? 1 : 2;
}

int resumption_fork(Spool *spool, const char *kind) {
    SpoolStream stream;
    int r = spool_begin(spool);
    if (r == 0)
        r = spool_stream_replace(spool, kind, &stream);
    return spool_end(spool, r);
}

int resumption_reseal(Spool *spool, const char *kind, Sealer *sealer) {
    int64_t stranded;
    int n = 1, r = spool_stranded(spool, kind, &stranded);
    while (r == 0 && stranded > 0 && n > 0) {
        r = spool_begin(spool);
        if (r == 0)
            r = sealer_reseal(sealer, RESEAL_AT_ONCE, &n);
        r = spool_end(spool, r);
    }
    return r;
}

int resumption_epoch(Spool *spool, Sealer *sealer, SpoolStream *stream, uint32_t epoch) {
    char kind[sizeof stream->kind];
    memcpy(kind, stream->kind, sizeof kind);
    int r = spool_begin(spool);
    if (r == 0)
        r = spool_epoch(spool, stream, epoch);
    r = spool_end(spool, r);
    if (r == 0)
        r = resumption_reseal(spool, kind, sealer);
    return r < 0 ? r : spool_stream(spool, kind, stream);
}

int resumption_split(Spool *spool, Sealer *sealer, uint64_t first_sequence) {
    int r = spool_begin(spool);
    if (r == 0)
        r = sealer_split(sealer, first_sequence);
    return spool_end(spool, r);
}
