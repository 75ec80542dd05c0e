// SPDX-License-Identifier: Apache-2.0
//
// A batch's signature is checked once a frame, however many of its events came. Where the event itself is told it must
// be the record's, too: or a true proof of something else could be passed off for it.
#include "agents/origin_judge.h"

#include "proto/base/error.h"
#include "proto/check.h"
#include "proto/domain.h"
#include "proto/origin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Key {
    OriginKey of;
    char id[KEY_ID_TEXT_BYTES];
    Verifier *verifier;
} Key;

struct OriginJudge {
    Key *keys;
    size_t n_keys;
    Merkle *merkle;
    Bytes proofs; // of the present frame, as files
    char text[256];
};

// One of the frame's, and whose key signed it.
typedef struct Judged {
    OriginBatch batch;
    const Key *key;
} Judged;

int origin_key_load(const char *given, OriginKey *ret) {
    const char *equals = strchr(given, '=');
    size_t n = equals ? (size_t)(equals - given) : 0;
    Keys keys;
    if (n == 0 || n >= sizeof ret->agency || !equals[1])
        return error_fail(ERROR_CONFIG, "an agency's key is named as MOH=FILE.pub, not \"%s\"", given);
    int r = keys_load(equals + 1, &keys);
    if (r < 0)
        return r;
    *ret = (OriginKey){0};
    memcpy(ret->agency, given, n);
    memcpy(ret->key, keys.sign_public, KEY_BYTES);
    keys_wipe(&keys);
    return 0;
}

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for proofs of origin");
}

int origin_judge_new(OriginJudge **ret, const OriginKey *keys, size_t n) {
    OriginJudge *judge = calloc(1, sizeof *judge);
    if (!judge)
        return no_memory();
    judge->keys = calloc(n + 1, sizeof *judge->keys);
    int r = judge->keys ? merkle_new(&judge->merkle) : no_memory();
    for (size_t i = 0; r == 0 && i < n; i++) {
        Key *key = &judge->keys[judge->n_keys++];
        key->of = keys[i];
        keys_id(keys[i].key, key->id);
        r = verifier_new(&key->verifier, keys[i].key);
    }
    if (r < 0)
        origin_judge_destroy(&judge);
    *ret = judge;
    return r;
}

void origin_judge_destroy(OriginJudge **judge) {
    if (!*judge)
        return;
    for (size_t i = 0; i < (*judge)->n_keys; i++)
        verifier_destroy(&(*judge)->keys[i].verifier);
    free((*judge)->keys);
    merkle_destroy(&(*judge)->merkle);
    bytes_free(&(*judge)->proofs);
    free(*judge);
    *judge = NULL;
}

const char *origin_judge_text(const OriginJudge *judge) {
    return judge->text;
}

__attribute__((format(printf, 2, 3))) static int lie(OriginJudge *judge, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(judge->text, sizeof judge->text, fmt, args);
    va_end(args);
    return 1;
}

// ---- batches
// ---------------------------------------------------------------------------------------------------------

static int batch_judge(OriginJudge *judge, ProtobufCBinaryData bytes, Arena *arena, Judged *ret) {
    int r = origin_read_batch(bytes, arena, &ret->batch);
    if (r != 0)
        return r < 0 ? r : lie(judge, "a batch that proves records cannot be read");
    for (size_t i = 0; i < judge->n_keys && !ret->key; i++)
        if (strcmp(judge->keys[i].id, ret->batch.header->key_id) == 0)
            ret->key = &judge->keys[i];
    if (!ret->key) {
        lie(judge,
            "records are proved by key %.16s, which is none of the agencies' keys that are known here: add it, if "
            "its agency says that it is theirs",
            ret->batch.header->key_id);
        return 2;
    }
    r = origin_check_signature(&ret->batch, ret->key->verifier);
    return r == 1 ? lie(judge, "a batch that proves records is not signed by key %s", ret->key->id) : r;
}

static int batches_judge(OriginJudge *judge, const Dongbo__Records *frame, Arena *arena, Judged **ret) {
    Judged *judged = arena_zalloc(arena, (frame->n_batches + 1) * sizeof *judged);
    if (!judged)
        return no_memory();
    *ret = judged;
    int r = 0;
    for (size_t i = 0; r == 0 && i < frame->n_batches; i++)
        r = batch_judge(judge, frame->batches[i], arena, &judged[i]);
    return r;
}

// ---- a record's
// --------------------------------------------------------------------------------------------------------

static bool is_key_of(const OriginJudge *judge, const Key *key, const char *agency) {
    for (size_t i = 0; i < judge->n_keys; i++)
        if (strcmp(judge->keys[i].of.agency, agency) == 0 && memcmp(judge->keys[i].of.key, key->of.key, KEY_BYTES) == 0)
            return true;
    return false;
}

// Where the event is told the record must be what it says.
static const char *check_event(const Dongbo__OriginProof *proof, const Dongbo__FeedRecord *record, Arena *arena) {
    OriginFit fit;
    origin_fit(proof, record, arena, &fit);
    if (!fit.wrong || (!fit.about && fit.lies == 0))
        return fit.wrong;
    unsigned first = fit.lies ? (unsigned)__builtin_ctz(fit.lies) : 0;
    const char *field = fit.about ? fit.about : field_name(domain_descriptor((int)record->domain), first);
    const char *text = arena_printf(arena, "%s (%s)", fit.wrong, field);
    return text ? text : fit.wrong;
}

static const Dongbo__OriginProof *decode(ProtobufCBinaryData bytes, Arena *arena) {
    if (check_message(&dongbo__origin_proof__descriptor, &CHECK_WIRE, bytes.data, bytes.len, NULL) != 0)
        return NULL;
    return dongbo__origin_proof__unpack(arena_protobuf(arena), bytes.len, bytes.data);
}

static const char *check(OriginJudge *judge, const Judged *judged, const Dongbo__OriginProof *proof,
                         const Dongbo__FeedRecord *record, Arena *arena) {
    if (!is_key_of(judge, judged->key, record->agency))
        return "it is signed with another agency's key";
    const char *wrong = origin_check(judge->merkle, &judged->batch, proof);
    return wrong ? wrong : check_event(proof, record, arena);
}

static int origin_fill(OriginJudge *judge, const Judged *judged, ProtobufCBinaryData batch,
                       const Dongbo__OriginProof *proof, RecordOrigin *ret) {
    const Dongbo__BatchHeader *header = judged->batch.header;
    size_t before = judge->proofs.n;
    origin_append_file(batch, proof, &judge->proofs);
    *ret = (RecordOrigin){.proof = {.len = judge->proofs.n - before},
                          .key_id = judged->key->id,
                          .stream = header->stream.data,
                          .sequence = header->first_sequence + proof->index,
                          .sealed_at_us = header->sealed_at_us,
                          .leaf = proof->leaf.data,
                          .has_event = proof->event.len > 0,
                          .erased = proof->erased};
    return judge->proofs.failed ? no_memory() : 0;
}

// *ret NULL: there is none.
static int record_judge(OriginJudge *judge, const Dongbo__Records *frame, size_t i, const Dongbo__FeedRecord *record,
                        const Judged *judged, Arena *arena, RecordOrigin **ret) {
    *ret = NULL;
    if (frame->origins[i].len == 0)
        return 0;
    const Dongbo__OriginProof *proof = decode(frame->origins[i], arena);
    const char *wrong = !proof                             ? "it cannot be read"
                        : proof->batch >= frame->n_batches ? "its batch is missing"
                                                           : check(judge, &judged[proof->batch], proof, record, arena);
    if (wrong)
        return lie(judge, "the proof of whose word the record at position %" PRIu64 " is, is false: %s",
                   record->position, wrong);
    *ret = arena_alloc(arena, sizeof **ret);
    return *ret ? origin_fill(judge, &judged[proof->batch], frame->batches[proof->batch], proof, *ret) : no_memory();
}

int origin_judge_frame(OriginJudge *judge, const Dongbo__Records *frame, Dongbo__FeedRecord *const *records,
                       Arena *arena, const RecordOrigin *const **ret) {
    Judged *judged = NULL;
    RecordOrigin **origins = arena_zalloc(arena, (frame->n_records + 1) * sizeof *origins);
    bytes_clear(&judge->proofs);
    if (!origins)
        return no_memory();
    *ret = (const RecordOrigin *const *)origins;
    if (frame->n_origins != frame->n_records)
        return lie(judge, "%zu records came with %zu proofs of origin", frame->n_records, frame->n_origins);
    int r = batches_judge(judge, frame, arena, &judged);
    for (size_t i = 0; r == 0 && i < frame->n_records; i++)
        r = record_judge(judge, frame, i, records[i], judged, arena, &origins[i]);
    uint8_t *at = judge->proofs.data;
    for (size_t i = 0; r == 0 && i < frame->n_records; i++) {
        if (!origins[i])
            continue;
        origins[i]->proof.data = at;
        at += origins[i]->proof.len;
    }
    return r;
}
