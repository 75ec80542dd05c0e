// SPDX-License-Identifier: Apache-2.0
//
// What an exchange says to a publishing agent that has two batches to deliver: a list of frames, each its type, and its
// body behind a length. A type with RAW set is a whole frame as it stands. The body of a receipt is signed here, by the
// exchange's key, for nobody else's goes further.
//
// Whatever was said, no batch without a receipt is lost: each still opens, and the spool opens again.
#include "agents/push.h"
#include "agents/sealer.h"
#include "agents/verdicts.h"
#include "proto/base/log.h"
#include "proto/batch.h"
#include "proto/domain.h"
#include "tests/fuzz/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSION 77
#define RAW 0x80
#define EVENTS 5
#define STEPS 24
#define RECEIPT_DOMAIN "dongbo receipt 1"

static Keys ours, exchange;
static Signer *signer;
static Verifier *verifier;
static Merkle *merkle;
static Arena *arena;
static Bytes template; // the spool as it is at first
static char path[256];
static uint8_t stream[STREAM_BYTES], root[HASH_BYTES]; // of the first batch

static Spool *spool_of(void) {
    SpoolOptions options = {path, 1 << 30, 7, fuzz_clock()};
    Spool *spool = NULL;
    FUZZ_ASSERT(spool_open(&spool, &options) == 0);
    return spool;
}

static void add_batch(Spool *spool, Sealer *sealer, int n) {
    Origin origin = {.source = "s", .name = "a.csv", .kept_name = "a.csv", .row = 2};
    FUZZ_ASSERT(spool_begin(spool) == 0 && ledger_origin_add(spool, &origin) == 0);
    for (int i = 0; i < n; i++) {
        Bytes packed = {0};
        fuzz_event(DONGBO__DOMAIN__HEALTH, (uint8_t)i, &packed);
        Dongbo__ChangeEvent *event = dongbo__change_event__unpack(NULL, packed.n, packed.data);
        Item item = {.origin = origin.id, .row = (uint64_t)i + 2, .offset = (uint64_t)i * 10, .bytes = 9};
        FUZZ_ASSERT(event != NULL);
        ProtobufCBinaryData id = event->event_id; // sealer_add() puts one of its own there
        FUZZ_ASSERT(sealer_add(sealer, event, &item) == 0);
        event->event_id = id;
        dongbo__change_event__free_unpacked(event, NULL);
        bytes_free(&packed);
    }
    FUZZ_ASSERT(sealer_flush(sealer) == 0 && spool_commit(spool) == 0);
}

static void read_file(const char *name, Bytes *out) {
    FILE *file = fopen(name, "r");
    char block[4096];
    FUZZ_ASSERT(file != NULL);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        bytes_append(out, block, n);
    fclose(file);
    FUZZ_ASSERT(!out->failed);
}

static void spool_make(void) {
    Spool *spool = spool_of();
    Sealer *sealer = NULL;
    SealerOptions options = {spool, "live", "MOH", &ours};
    FUZZ_ASSERT(sealer_new(&sealer, &options) == 0);
    add_batch(spool, sealer, EVENTS);
    add_batch(spool, sealer, EVENTS);
    SpoolStream said;
    SpoolBatch batch;
    FUZZ_ASSERT(spool_stream(spool, "live", &said) == 0 && spool_next(spool, said.id, 1, &batch) == 0);
    memcpy(stream, said.stream, STREAM_BYTES);
    memcpy(root, batch.root, HASH_BYTES);
    sealer_destroy(&sealer);
    spool_close(&spool);
    read_file(path, &template);
}

static void begin(void) {
    log_mute();
    snprintf(path, sizeof path, "%s/spool.db", fuzz_scratch());
    FUZZ_ASSERT(keys_generate(&ours) == 0 && keys_generate(&exchange) == 0);
    FUZZ_ASSERT(signer_new(&signer, exchange.sign_secret) == 0 && verifier_new(&verifier, ours.sign_public) == 0);
    FUZZ_ASSERT(merkle_new(&merkle) == 0 && arena_new(&arena, BATCH_ARENA_BYTES) == 0);
    spool_make();
}

// The same spool each time; what SQLite keeps beside it is gone with a clean close.
static void spool_restore(void) {
    FILE *file = fopen(path, "w");
    FUZZ_ASSERT(file != NULL && fwrite(template.data, 1, template.n, file) == template.n && fclose(file) == 0);
}

// ---- what is said ----

static void say_receipt(const ProtobufCBinaryData *body) {
    Dongbo__Receipt receipt = DONGBO__RECEIPT__INIT;
    uint8_t signature[SIGNATURE_BYTES];
    FUZZ_ASSERT(signer_sign(signer, RECEIPT_DOMAIN, body->data, body->len, signature) == 0);
    receipt.body = *body;
    receipt.signature = (ProtobufCBinaryData){sizeof signature, signature};
    receipt.credit_bytes = 1 << 20;
    Bytes packed = {0};
    bytes_append_message(&packed, &receipt.base);
    transport_say(FRAME_RECEIPT, SESSION, &(ProtobufCBinaryData){packed.n, packed.data});
    bytes_free(&packed);
}

static void say_welcome(void) {
    Dongbo__WelcomePublish welcome = DONGBO__WELCOME_PUBLISH__INIT;
    welcome.session = SESSION;
    welcome.session_epoch = 1;
    welcome.epoch = 1;
    welcome.credit_bytes = 1 << 20;
    welcome.signing_key = (ProtobufCBinaryData){KEY_BYTES, exchange.sign_public};
    Bytes packed = {0};
    bytes_append_message(&packed, &welcome.base);
    transport_say(FRAME_WELCOME_PUBLISH, SESSION, &(ProtobufCBinaryData){packed.n, packed.data});
    bytes_free(&packed);
}

static void say_all(FuzzInput *input) {
    transport_clear();
    say_welcome();
    while (input->at < input->end) {
        uint8_t type = fuzz_byte(input);
        ProtobufCBinaryData body = fuzz_piece(input);
        if (type & RAW)
            transport_say_bytes(&body);
        else if (type == FRAME_RECEIPT)
            say_receipt(&body);
        else
            transport_say((FrameType)type, SESSION, &body);
    }
}

// ---- what must hold ----

static void check_spool(Spool *spool) {
    SpoolStream said;
    SpoolBatch batch;
    int64_t waiting;
    FUZZ_ASSERT(spool_stream(spool, "live", &said) == 0 && spool_waiting(spool, said.id, &waiting) == 0);
    int r, n = 0;
    for (uint64_t from = 0; (r = spool_next(spool, said.id, from, &batch)) == 0; from = batch.last_sequence + 1) {
        Batch opened = {0};
        arena_reset(arena);
        FUZZ_ASSERT(batch_open(batch.sealed, batch.sealed_bytes, verifier, merkle, arena, &opened) == BATCH_OK);
        FUZZ_ASSERT(opened.header->first_sequence == batch.first_sequence && batch.first_sequence >= from);
        n++;
    }
    FUZZ_ASSERT(r == 1 && (n > 0) == (waiting > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (signer == NULL)
        begin();
    FuzzInput input = {data, data + n};
    say_all(&input);
    spool_restore();
    Spool *spool = spool_of();
    Sealer *sealer = NULL;
    SealerOptions sealing = {spool, "live", "MOH", &ours};
    FUZZ_ASSERT(sealer_new(&sealer, &sealing) == 0);
    Verdicts verdicts = {.spool = spool};
    char *endpoints[] = {"ipc://exchange"};
    PushOptions options = {.spool = spool,
                           .sealer = sealer,
                           .verdicts = &verdicts,
                           .kind = "live",
                           .agent = "moh-1",
                           .keys = &ours,
                           .broker = &exchange,
                           .endpoints = endpoints,
                           .n_endpoints = 1,
                           .patient = true,
                           .clock = fuzz_clock()};
    Push *push = NULL;
    FUZZ_ASSERT(push_new(&push, &options) == 0);
    for (int i = 0; i < STEPS; i++)
        if (push_step(push) < 0)
            break;
    push_destroy(&push);
    verdicts_free(&verdicts);
    sealer_destroy(&sealer);
    check_spool(spool);
    spool_close(&spool);
    return 0;
}

// ---- seeds ----

static void put(Bytes *out, FrameType type, const ProtobufCMessage *message) {
    Bytes packed = {0};
    bytes_append_message(&packed, message);
    bytes_append_u8(out, (uint8_t)type);
    fuzz_piece_put(out, packed.data, packed.n);
    bytes_free(&packed);
}

static void verdict_make(Dongbo__EventVerdict *verdict, uint64_t sequence, int what) {
    static uint8_t id[EVENT_ID_BYTES];
    dongbo__event_verdict__init(verdict);
    verdict->sequence = sequence;
    verdict->event_id = (ProtobufCBinaryData){sizeof id, id};
    verdict->verdict = (Dongbo__Verdict)what;
    verdict->position = sequence + 100;
}

static void receipt_make(Dongbo__ReceiptBody *body, Dongbo__EventVerdict **list, size_t n) {
    dongbo__receipt_body__init(body);
    body->stream = (ProtobufCBinaryData){STREAM_BYTES, stream};
    body->first_sequence = 1;
    body->last_sequence = EVENTS;
    body->batch_root = (ProtobufCBinaryData){HASH_BYTES, root};
    body->first_position = 101;
    body->last_position = 100 + EVENTS;
    body->epoch = 1;
    body->verdicts = list;
    body->n_verdicts = n;
}

static void seed_receipts(void) {
    Dongbo__EventVerdict verdicts[2], *list[] = {&verdicts[0], &verdicts[1]};
    Dongbo__ReceiptBody body;
    verdict_make(&verdicts[0], 2, DONGBO__VERDICT__MISMATCH);
    verdict_make(&verdicts[1], 4, DONGBO__VERDICT__DEFERRED);
    for (size_t n = 0; n <= 2; n++) {
        Bytes out = {0};
        char name[16];
        receipt_make(&body, list, n);
        put(&out, FRAME_RECEIPT, &body.base);
        Dongbo__Verdicts later = DONGBO__VERDICTS__INIT;
        later.last_position = 200;
        later.n_verdicts = n;
        later.verdicts = list;
        put(&out, FRAME_VERDICTS, &later.base);
        snprintf(name, sizeof name, "receipt-%zu", n);
        fuzz_seed(name, out.data, out.n);
        bytes_free(&out);
    }
}

void fuzz_seeds(void) {
    if (signer == NULL)
        begin();
    seed_receipts();
    for (int code = DONGBO__REFUSAL__CODE__GAP; code <= DONGBO__REFUSAL__CODE__BAD_SIGNATURE; code++) {
        Bytes out = {0};
        char name[16];
        Dongbo__Refusal refusal = DONGBO__REFUSAL__INIT;
        refusal.code = (Dongbo__Refusal__Code)code;
        refusal.expected_sequence = 1;
        refusal.text = "because";
        put(&out, FRAME_REFUSAL, &refusal.base);
        Dongbo__Ping ping = DONGBO__PING__INIT;
        put(&out, FRAME_PING, &ping.base);
        put(&out, FRAME_PONG, &ping.base);
        snprintf(name, sizeof name, "refusal-%d", code);
        fuzz_seed(name, out.data, out.n);
        bytes_free(&out);
    }
}
