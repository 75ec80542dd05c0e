// SPDX-License-Identifier: Apache-2.0
//
// What a broker says to a receiving agent: a list of frames, each its type, and its body behind a length, with the
// sequence that is due. The first byte chooses the form of the records, where the agent begins, and what its sink can.
//
// Records reach the sink once, in the order of their positions, within what was asked for; lines of JSON are JSON.
#include "agents/record_format.h"
#include "agents/subscription.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/batch.h"
#include "proto/domain.h"
#include "proto/proof.h"
#include "tests/fuzz/transport.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 40

typedef struct Kept {
    Sink base;
    RecordFormat format;
    SinkPlace place;
    bool has_place, in_snapshot;
    uint64_t last;              // position of what was written last
    const RecordOrigin *origin; // of the next record
    Bytes out;
} Kept;

static int kept_begin(Sink *sink, SinkPlace *ret) {
    Kept *kept = (Kept *)sink;
    kept->last = kept->has_place ? kept->place.position : 0;
    kept->in_snapshot = false;
    if (kept->has_place)
        *ret = kept->place;
    return kept->has_place ? 0 : 1;
}

static int kept_grant(Sink *sink, char *const *fields, size_t n) {
    int r = record_format_grant(((Kept *)sink)->format, fields, n);
    FUZZ_ASSERT(r == 0 || r == ERROR_CONFIG);
    return 0; // whatever is granted, records may come
}

static void check_line(const Bytes *out) {
    json_error_t error;
    if (out->n == 0)
        return;
    FUZZ_ASSERT(out->data[out->n - 1] == '\n' && memchr(out->data, '\n', out->n) == out->data + out->n - 1);
    // Numbers up to 2^64 are JSON, and more than jansson's integers hold.
    json_t *line =
        json_loadb((const char *)out->data, out->n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    if (line == NULL)
        fprintf(stderr, "%s: %.*s", error.text, (int)out->n, (const char *)out->data);
    FUZZ_ASSERT(line != NULL && json_is_object(line));
    json_decref(line);
}

static void kept_prove(Sink *sink, const RecordOrigin *origin) {
    FUZZ_ASSERT(origin->proof.len > 0 && origin->sequence > 0);
    ((Kept *)sink)->origin = origin;
}

static int kept_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Kept *kept = (Kept *)sink;
    const RecordOrigin *origin = kept->origin;
    kept->origin = NULL;
    FUZZ_ASSERT(kept->in_snapshot || record->position > kept->last);
    if (!kept->in_snapshot)
        kept->last = record->position;
    for (RecordFormat format = RECORD_PLAIN; format <= RECORD_FHIR; format++) {
        bytes_clear(&kept->out);
        int r = record_format_append(format, record, origin, &kept->out);
        FUZZ_ASSERT((r == 0 || r == 1) && !kept->out.failed && (r == 0 || kept->out.n == 0));
        if (format != RECORD_PROTOBUF)
            check_line(&kept->out);
    }
    bytes_clear(&kept->out);
    return record_format_append(kept->format, record, NULL, &kept->out);
}

static int kept_commit(Sink *sink, const SinkPlace *place) {
    Kept *kept = (Kept *)sink;
    FUZZ_ASSERT(place->position >= kept->last || kept->last == 0);
    FUZZ_ASSERT(!kept->has_place || place->position >= kept->place.position);
    kept->place = *place;
    kept->has_place = true;
    return 0;
}

static void kept_destroy(Sink *sink) {
    bytes_free(&((Kept *)sink)->out);
    free(sink);
}

static int kept_find(Sink *sink, SinkSnapshot *ret) {
    return 1;
}

static int kept_snapshot_begin(Sink *sink, const SinkSnapshot *snapshot) {
    ((Kept *)sink)->in_snapshot = true;
    return 0;
}

static int kept_snapshot_commit(Sink *sink, const SinkSnapshot *snapshot, SinkTally *tally) {
    FUZZ_ASSERT(snapshot->cursor_n <= SNAPSHOT_CURSOR_BYTES_MAX);
    return 0;
}

static int kept_snapshot_end(Sink *sink, const SinkSnapshot *snapshot, const SinkPlace *place, SinkTally *tally) {
    Kept *kept = (Kept *)sink;
    kept->in_snapshot = false;
    kept->place = *place;
    kept->last = place->position;
    kept->has_place = true;
    return 0;
}

static int kept_count(Sink *sink, Buckets *buckets, SinkCount *at) {
    return 0;
}

static const SinkSnapshots SNAPSHOTS = {kept_find, kept_snapshot_begin, kept_snapshot_commit, kept_snapshot_end,
                                        kept_count};
static const SinkKind PLAIN = {.begin = kept_begin,
                               .grant = kept_grant,
                               .write = kept_write,
                               .prove = kept_prove,
                               .commit = kept_commit,
                               .destroy = kept_destroy};
static const SinkKind FULL = {.begin = kept_begin,
                              .grant = kept_grant,
                              .write = kept_write,
                              .prove = kept_prove,
                              .commit = kept_commit,
                              .destroy = kept_destroy,
                              .replaces = true,
                              .snapshots = &SNAPSHOTS};

static void say_all(FuzzInput *input) {
    transport_clear();
    while (input->at < input->end) {
        uint8_t type = fuzz_byte(input);
        ProtobufCBinaryData body = fuzz_piece(input);
        transport_say((FrameType)type, 5, &body);
    }
}

enum { FULL_SINK = 4, SNAPSHOT = 8, RECONCILE = 16, UNTIL_HEAD = 32, DRY = 64, ORIGINS = 128 };

// RFC 8032's TEST 1: what a seed is signed with.
static const char SIGN_SECRET[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
static const char SIGN_PUBLIC[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static Keys keys;
    static const uint8_t BROKER[KEY_BYTES];
    log_mute();
    FuzzInput input = {data, data + n};
    unsigned flags = fuzz_byte(&input);
    OriginKey agency = {.agency = "MOH"};
    FUZZ_ASSERT(hex_decode(SIGN_PUBLIC, agency.key, KEY_BYTES) == 0);
    say_all(&input);
    Kept *kept = calloc(1, sizeof *kept);
    FUZZ_ASSERT(kept != NULL);
    kept->base.kind = flags & FULL_SINK ? &FULL : &PLAIN;
    kept->format = (RecordFormat)(flags & 3);
    SubscriptionOptions options = {.name = "health",
                                   .keys = &keys,
                                   .broker_key = BROKER,
                                   .agency_keys = &agency,
                                   .n_agency_keys = flags & ORIGINS ? 1 : 0,
                                   .sink = &kept->base,
                                   .clock = fuzz_clock(),
                                   .from = flags & SNAPSHOT ? FROM_SNAPSHOT : FROM_SINK,
                                   .until_head = (flags & (UNTIL_HEAD | RECONCILE)) != 0,
                                   .reconcile = (flags & RECONCILE) != 0,
                                   .dry = (flags & DRY) != 0};
    Subscription *subscription = NULL;
    SubscriptionStep step = {"ipc://broker", 1000, 0};
    FUZZ_ASSERT(subscription_new(&subscription, &options) == 0);
    for (int i = 0; i < STEPS; i++) {
        int r = subscription_step(subscription, &step);
        FUZZ_ASSERT(r <= SUBSCRIPTION_DONE);
        if (r < 0 || (r > 0 && transport_is_empty()))
            break;
    }
    Sink *sink = &kept->base;
    subscription_destroy(&subscription);
    sink_destroy(&sink);
    return 0;
}

// ---- seeds ----

static uint8_t hash[HASH_BYTES] = {1};

static void put(Bytes *out, FrameType type, const ProtobufCMessage *message) {
    Bytes packed = {0};
    bytes_append_message(&packed, message);
    bytes_append_u8(out, (uint8_t)type);
    fuzz_piece_put(out, packed.data, packed.n);
    bytes_free(&packed);
}

static Dongbo__ResumeToken token_of(uint64_t position) {
    Dongbo__ResumeToken token = DONGBO__RESUME_TOKEN__INIT;
    token.epoch = 1;
    token.position = position;
    token.segment_hash = (ProtobufCBinaryData){position ? sizeof hash : 0, hash};
    return token;
}

static void put_welcome(Bytes *out, uint64_t head, bool origins) {
    char *fields[] = {"citizen_number", "health.vaccine_group", "health.dose_number", "health.product_code"};
    Dongbo__ResumeToken token = token_of(head);
    Dongbo__WelcomeSubscribe welcome = DONGBO__WELCOME_SUBSCRIBE__INIT;
    welcome.session = 5;
    welcome.head = &token;
    welcome.n_fields = 4;
    welcome.fields = fields;
    welcome.policy_version = 1;
    welcome.origin_proofs = origins;
    put(out, FRAME_WELCOME_SUBSCRIBE, &welcome.base);
}

#define EVENT_TIME (FUZZ_NOW - 1000000 + 1) // of fuzz_event(domain, 1, ...)

static void record_pack(int domain, uint64_t position, Bytes *out) {
    static uint8_t id[16] = {7};
    uint32_t changed[] = {1, 2};
    Bytes body = {0};
    fuzz_body(domain, &body);
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = position;
    record.previous = position - 1;
    record.domain = (Dongbo__Domain)domain;
    record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    record.record_id = (ProtobufCBinaryData){sizeof id, id};
    record.citizen_number = FUZZ_NUMBER;
    record.event_time_us = EVENT_TIME;
    record.agency = "MOH";
    record.n_changed_fields = 2;
    record.changed_fields = changed;
    record.body = (ProtobufCBinaryData){body.n, body.data};
    bytes_append_message(out, &record.base);
    bytes_free(&body);
}

// Of two records, the first with its event, the second by its leaf.
typedef struct Proofs {
    Bytes event, sealed, packed[2];
    ProtobufCBinaryData batch, list[2];
} Proofs;

static void proofs_make(int domain, Proofs *ret) {
    Merkle *merkle = NULL;
    Signer *signer = NULL;
    Arena *arena = NULL;
    uint8_t secret[KEY_BYTES], public[KEY_BYTES], stream[STREAM_BYTES] = {1};
    char key_id[KEY_ID_TEXT_BYTES];
    *ret = (Proofs){0};
    fuzz_event(domain, 1, &ret->event);
    ProtobufCBinaryData events[] = {{ret->event.n, ret->event.data}, {ret->event.n, ret->event.data}};
    FUZZ_ASSERT(hex_decode(SIGN_SECRET, secret, KEY_BYTES) == 0 && hex_decode(SIGN_PUBLIC, public, KEY_BYTES) == 0);
    keys_id(public, key_id);
    FUZZ_ASSERT(merkle_new(&merkle) == 0 && signer_new(&signer, secret) == 0 &&
                arena_new(&arena, BATCH_ARENA_BYTES) == 0);
    const BatchSeal seal = {stream, 1, events, 2, key_id, signer, fuzz_clock(), merkle};
    FUZZ_ASSERT(batch_seal(&seal, &ret->sealed) == 0);
    Verifier *verifier = NULL;
    Batch batch;
    FUZZ_ASSERT(verifier_new(&verifier, public) == 0 &&
                batch_open(ret->sealed.data, ret->sealed.n, verifier, merkle, arena, &batch) == BATCH_OK);
    ret->batch = (ProtobufCBinaryData){batch.origin_n, ret->sealed.data};
    for (uint32_t i = 0; i < 2; i++) {
        ProtobufCBinaryData path = {HASH_BYTES, (uint8_t *)batch.leaves + (1 - i) * HASH_BYTES};
        Dongbo__OriginProof proof = DONGBO__ORIGIN_PROOF__INIT;
        proof.index = i;
        proof.leaf = (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)batch.leaves + i * HASH_BYTES};
        proof.n_path = 1;
        proof.path = &path;
        if (i == 0) {
            proof.salt = (ProtobufCBinaryData){SALT_BYTES, batch.sealed->salts.data};
            proof.event = events[0];
        }
        bytes_append_message(&ret->packed[i], &proof.base);
        ret->list[i] = (ProtobufCBinaryData){ret->packed[i].n, ret->packed[i].data};
    }
    verifier_destroy(&verifier);
    arena_destroy(&arena);
    signer_destroy(&signer);
    merkle_destroy(&merkle);
}

static void proofs_free(Proofs *proofs) {
    bytes_free(&proofs->event);
    bytes_free(&proofs->sealed);
    bytes_free(&proofs->packed[0]);
    bytes_free(&proofs->packed[1]);
}

static void put_records(Bytes *out, int domain, uint64_t first, Proofs *proofs) {
    Bytes packed[2] = {{0}, {0}};
    ProtobufCBinaryData list[2];
    for (unsigned i = 0; i < 2; i++) {
        record_pack(domain, first + i, &packed[i]);
        list[i] = (ProtobufCBinaryData){packed[i].n, packed[i].data};
    }
    Dongbo__ResumeToken token = token_of(first + 1);
    Dongbo__Records records = DONGBO__RECORDS__INIT;
    records.previous = first - 1;
    records.first = first;
    records.last = first + 1;
    records.n_records = 2;
    records.records = list;
    records.token = &token;
    if (proofs) {
        records.n_batches = 1;
        records.batches = &proofs->batch;
        records.n_origins = 2;
        records.origins = proofs->list;
    }
    put(out, FRAME_RECORDS, &records.base);
    bytes_free(&packed[0]);
    bytes_free(&packed[1]);
}

static void put_chunk(Bytes *out, uint64_t head, bool done) {
    Bytes packed = {0};
    static uint8_t cursor[] = {1, 2, 3};
    record_pack(DONGBO__DOMAIN__HEALTH, head, &packed);
    ProtobufCBinaryData list[] = {{packed.n, packed.data}};
    Dongbo__ResumeToken token = token_of(head);
    Dongbo__SnapshotChunk chunk = DONGBO__SNAPSHOT_CHUNK__INIT;
    chunk.first = chunk.head = &token;
    chunk.n_records = 1;
    chunk.records = list;
    chunk.done = done;
    chunk.cursor = (ProtobufCBinaryData){done ? 0 : sizeof cursor, cursor};
    put(out, FRAME_CHUNK, &chunk.base);
    bytes_free(&packed);
}

static void put_watermark(Bytes *out, uint64_t position, uint64_t head) {
    Dongbo__ResumeToken token = token_of(position), end = token_of(head);
    Dongbo__Watermark watermark = DONGBO__WATERMARK__INIT;
    watermark.token = &token;
    watermark.head = &end;
    put(out, FRAME_WATERMARK, &watermark.base);
}

static void seed_origins(void) {
    Bytes out = {0};
    Proofs proofs;
    proofs_make(DONGBO__DOMAIN__HEALTH, &proofs);
    bytes_append_u8(&out, ORIGINS);
    put_welcome(&out, 4, true);
    put_records(&out, DONGBO__DOMAIN__HEALTH, 1, &proofs);
    put_watermark(&out, 9, 12);
    fuzz_seed("origins", out.data, out.n);
    bytes_free(&out);
    proofs_free(&proofs);
}

void fuzz_seeds(void) {
    seed_origins();
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        Bytes out = {0};
        bytes_append_u8(&out, (uint8_t)(domain % 4 + (domain > 3 ? UNTIL_HEAD : 0)));
        put_welcome(&out, 4, false);
        put_records(&out, domain, 1, NULL);
        put_records(&out, domain, 3, NULL);
        put_watermark(&out, 9, 12);
        fuzz_seed(domain_name(domain), out.data, out.n);
        bytes_free(&out);
    }
    Bytes out = {0};
    bytes_append_u8(&out, FULL_SINK | SNAPSHOT);
    put_welcome(&out, 4, false);
    put_chunk(&out, 4, false);
    put_chunk(&out, 4, true);
    put_watermark(&out, 4, 4);
    Dongbo__Error error = DONGBO__ERROR__INIT;
    error.code = DONGBO__ERROR__CODE__CURSOR_BAD;
    error.text = "again";
    put(&out, FRAME_ERROR, &error.base);
    fuzz_seed("snapshot", out.data, out.n);
    out.data[0] = FULL_SINK | RECONCILE | UNTIL_HEAD;
    fuzz_seed("reconcile", out.data, out.n);
    bytes_free(&out);
}
