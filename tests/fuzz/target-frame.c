// SPDX-License-Identifier: Apache-2.0
//
// One frame, as either side receives it. What was understood means the same when it is written again.
#include "proto/base/arena.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"
#include "wire.pb-c.h"

#include <string.h>

#define FRAME_ARENA_BYTES (32 * 1024 * 1024)

static const struct {
    FrameType type;
    const ProtobufCMessageDescriptor *descriptor;
} BODIES[] = {
    {FRAME_HELLO_PUBLISH, &dongbo__hello_publish__descriptor},
    {FRAME_WELCOME_PUBLISH, &dongbo__welcome_publish__descriptor},
    {FRAME_BATCH, &dongbo__sealed_batch__descriptor},
    {FRAME_RECEIPT, &dongbo__receipt__descriptor},
    {FRAME_VERDICTS, &dongbo__verdicts__descriptor},
    {FRAME_REFUSAL, &dongbo__refusal__descriptor},
    {FRAME_PROOFS, &dongbo__proofs__descriptor},
    {FRAME_HELLO_SUBSCRIBE, &dongbo__hello_subscribe__descriptor},
    {FRAME_WELCOME_SUBSCRIBE, &dongbo__welcome_subscribe__descriptor},
    {FRAME_CREDIT, &dongbo__credit__descriptor},
    {FRAME_RECORDS, &dongbo__records__descriptor},
    {FRAME_WATERMARK, &dongbo__watermark__descriptor},
    {FRAME_ACK, &dongbo__ack__descriptor},
    {FRAME_FOLLOW, &dongbo__follow__descriptor},
    {FRAME_FOLLOWED, &dongbo__followed__descriptor},
    {FRAME_ASK_HEADS, &dongbo__ask_heads__descriptor},
    {FRAME_HEADS, &dongbo__heads__descriptor},
    {FRAME_SNAPSHOT, &dongbo__snapshot_request__descriptor},
    {FRAME_CHUNK, &dongbo__snapshot_chunk__descriptor},
    {FRAME_PING, &dongbo__ping__descriptor},
    {FRAME_PONG, &dongbo__pong__descriptor},
    {FRAME_ERROR, &dongbo__error__descriptor},
};
#define N_BODIES (sizeof BODIES / sizeof *BODIES)

static const ProtobufCMessageDescriptor *descriptor_of(FrameType type) {
    for (size_t i = 0; i < N_BODIES; i++)
        if (BODIES[i].type == type)
            return BODIES[i].descriptor;
    return NULL;
}

static Arena *arena;

// Written again it is a frame, of the same meaning, and by then always of the same bytes.
static void write_again(const Frame *frame, const ProtobufCMessage *message) {
    Bytes out = {0}, again = {0};
    frame_write(&out, frame->type, frame->session, frame->sequence, message);
    FUZZ_ASSERT(!out.failed);
    Frame read;
    FUZZ_ASSERT(frame_read(out.data, out.n, &read) == 0);
    FUZZ_ASSERT(read.type == frame->type && read.session == frame->session && read.sequence == frame->sequence);
    ProtobufCMessage *second;
    FUZZ_ASSERT(frame_decode(&read, message->descriptor, arena_protobuf(arena), &second) == 0);
    frame_write(&again, frame->type, frame->session, frame->sequence, second);
    FUZZ_ASSERT(again.n == out.n && memcmp(again.data, out.data, out.n) == 0);
    bytes_free(&out);
    bytes_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (arena == NULL)
        FUZZ_ASSERT(arena_new(&arena, FRAME_ARENA_BYTES) == 0);
    arena_reset(arena);
    Frame frame;
    if (frame_read(data, n, &frame) != 0)
        return 0;
    FUZZ_ASSERT(frame.body == data + FRAME_HEADER_BYTES && frame.body_bytes == n - FRAME_HEADER_BYTES);
    FUZZ_ASSERT(frame.body_bytes <= FRAME_BODY_BYTES_MAX && frame_type_name(frame.type)[0] != '?');
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(frame.type);
    ProtobufCMessage *message = NULL;
    if (descriptor != NULL && frame_decode(&frame, descriptor, arena_protobuf(arena), &message) == 0)
        write_again(&frame, message);
    return 0;
}

static void seed(FrameType type, const ProtobufCMessage *message) {
    Bytes out = {0};
    frame_write(&out, type, 77, 3, message);
    fuzz_seed(frame_type_name(type), out.data, out.n);
    bytes_free(&out);
}

static void seed_verdicts(void) {
    Dongbo__Reason reason = DONGBO__REASON__INIT, *reasons[] = {&reason};
    Dongbo__EventVerdict verdict = DONGBO__EVENT_VERDICT__INIT, *verdicts[] = {&verdict, &verdict};
    Dongbo__Verdicts message = DONGBO__VERDICTS__INIT;
    reason.code = DONGBO__REASON_CODE__NAME_DIFFERS;
    reason.field = "subject.full_name";
    reason.expected = FUZZ_NAME;
    verdict.sequence = 5;
    verdict.verdict = DONGBO__VERDICT__MISMATCH;
    verdict.n_reasons = 1;
    verdict.reasons = reasons;
    message.n_verdicts = 2;
    message.verdicts = verdicts;
    seed(FRAME_VERDICTS, &message.base);
}

static void seed_records(void) {
    uint8_t hash[HASH_BYTES] = {1};
    Dongbo__ResumeToken token = DONGBO__RESUME_TOKEN__INIT;
    token.epoch = 1;
    token.position = 9;
    token.segment_hash = (ProtobufCBinaryData){sizeof hash, hash};
    Bytes event = {0};
    fuzz_event(DONGBO__DOMAIN__HEALTH, 1, &event);
    ProtobufCBinaryData pieces[] = {{event.n, event.data}, {event.n, event.data}};
    Dongbo__Records records = DONGBO__RECORDS__INIT;
    records.first = 1;
    records.last = 9;
    records.n_records = 2;
    records.records = pieces;
    records.token = &token;
    seed(FRAME_RECORDS, &records.base);
    Dongbo__SealedBatch batch = DONGBO__SEALED_BATCH__INIT;
    batch.header = batch.signature = batch.salts = pieces[0];
    batch.n_events = 2;
    batch.events = pieces;
    seed(FRAME_BATCH, &batch.base);
    bytes_free(&event);
}

void fuzz_seeds(void) {
    _Alignas(16) uint8_t memory[1024];
    for (size_t i = 0; i < N_BODIES; i++) {
        protobuf_c_message_init(BODIES[i].descriptor, memory);
        seed(BODIES[i].type, (ProtobufCMessage *)memory);
    }
    seed(FRAME_GOODBYE, NULL);
    seed_verdicts();
    seed_records();
    Dongbo__HelloSubscribe hello = DONGBO__HELLO_SUBSCRIBE__INIT;
    hello.protocol_version = PROTOCOL_VERSION;
    hello.subscription = "health";
    hello.share = hello.shares = 1;
    hello.from_time_us = FUZZ_NOW;
    seed(FRAME_HELLO_SUBSCRIBE, &hello.base);
    char *numbers[] = {FUZZ_NUMBER, FUZZ_NUMBER};
    Dongbo__Follow follow = DONGBO__FOLLOW__INIT;
    follow.n_add = follow.n_remove = 2;
    follow.add = follow.remove = numbers;
    seed(FRAME_FOLLOW, &follow.base);
}
