// SPDX-License-Identifier: Apache-2.0
//
// What an exchange says to a publishing agent that has two batches to deliver: a list of frames, each its type, and its
// body behind a length. A type with RAW set is a whole frame as it stands. The first ones may have EARLY set: they are
// said before Hello; then comes a Welcome, and the others. The body of a receipt is signed here, by the exchange's key,
// for nobody else's goes further; so are those of the two types for what may be signed or not.
//
// Whatever was said, no batch without a receipt is lost: each still opens, and the spool holds what it says that it
// does. Its database is opened once: each input is a transaction that is rolled back, and the agent's own are
// savepoints in it.
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
#define EARLY 0x40
#define SIGNED_VERDICTS 0x25 // types that no frame has
#define SIGNED_PROOFS 0x26
#define EVENTS 5
#define STEPS 24
#define RECEIPT_DOMAIN "dongbo receipt 1"
#define VERDICTS_DOMAIN "dongbo verdicts 1"
#define PROOFS_DOMAIN "dongbo proofs 1"
#define BATCHES 2

static Keys ours, exchange;
static Signer *signer;
static Verifier *verifier;
static Merkle *merkle;
static Arena *arena;
static char path[256];
static uint8_t stream[STREAM_BYTES], root[HASH_BYTES]; // of the first batch
static Bytes sealed[BATCHES];                          // as they are at first
static uint32_t n_random, n_random_first;              // pieces drawn, by this input and before all inputs

// No two pieces alike, or a second stream would be called like the first; for each input the same ones.
static int draw(void *self, uint8_t *bytes, size_t n) {
    n_random++;
    memset(bytes, 0x5a, n);
    memcpy(bytes, &n_random, n < sizeof n_random ? n : sizeof n_random);
    return 0;
}

static const Clock *clock_of(void) {
    static Clock clock;
    clock = *fuzz_clock();
    clock.random = draw;
    return &clock;
}

// ---- one database for all inputs, in place of agents/lite.h's own calls (meson.build) ----

static Lite *lite;
static sqlite3 *database;
static bool in_input; // within the transaction that is rolled back

static void execute(const char *sql) {
    FUZZ_ASSERT(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK);
}

int __real_lite_open(Lite **ret, const char *name);
int __wrap_lite_open(Lite **ret, const char *name);
int __wrap_lite_open(Lite **ret, const char *name) {
    if (lite == NULL) {
        sqlite3_stmt *any;
        FUZZ_ASSERT(__real_lite_open(&lite, name) == 0 && lite_query(lite, &any, "SELECT 1", "") == 0);
        database = sqlite3_db_handle(any);
    }
    *ret = lite;
    return 0;
}

static void end_rows(void) {
    for (sqlite3_stmt *each = NULL; (each = sqlite3_next_stmt(database, each)) != NULL;)
        lite_end(each);
}

// Whatever is being read ends, as with the connection.
void __wrap_lite_close(Lite **closed);
void __wrap_lite_close(Lite **closed) {
    end_rows();
    *closed = NULL;
}

int __real_lite_script(Lite *self, const char *sql);
int __wrap_lite_script(Lite *self, const char *sql);
int __wrap_lite_script(Lite *self, const char *sql) {
    if (!in_input)
        return __real_lite_script(self, sql);
    if (strncmp(sql, "BEGIN IMMEDIATE;", 16) == 0) // what makes tables where there are none
        return 0;
    bool begins = strncmp(sql, "BEGIN", 5) == 0;
    return __real_lite_script(self, begins ? "SAVEPOINT own" : strcmp(sql, "COMMIT") == 0 ? "RELEASE own" : sql);
}

void __wrap_lite_rollback(Lite *self);
void __wrap_lite_rollback(Lite *self) {
    execute("ROLLBACK TO own; RELEASE own");
}

// ---- the spool ----

static Spool *spool_of(void) {
    SpoolOptions options = {path, 1 << 30, 7, clock_of()};
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

static void spool_make(void) {
    Spool *spool = spool_of();
    Sealer *sealer = NULL;
    SealerOptions options = {spool, "live", "MOH", &ours};
    FUZZ_ASSERT(sealer_new(&sealer, &options) == 0);
    SpoolStream said;
    SpoolBatch batch;
    for (uint64_t i = 0; i < BATCHES; i++) {
        add_batch(spool, sealer, EVENTS);
        FUZZ_ASSERT(spool_stream(spool, "live", &said) == 0);
        FUZZ_ASSERT(spool_next(spool, said.id, i * EVENTS + 1, &batch) == 0);
        bytes_append(&sealed[i], batch.sealed, batch.sealed_bytes);
        if (i == 0)
            memcpy(root, batch.root, HASH_BYTES);
    }
    memcpy(stream, said.stream, STREAM_BYTES);
    sealer_destroy(&sealer);
    spool_close(&spool);
    n_random_first = n_random;
}

static void begin(void) {
    log_mute();
    // Not from malloc() what SQLite takes for a moment, or that would be half of an input's time.
    FUZZ_ASSERT(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 1200, 500) == SQLITE_OK);
    snprintf(path, sizeof path, "%s/spool.db", fuzz_scratch());
    FUZZ_ASSERT(keys_generate(&ours) == 0 && keys_generate(&exchange) == 0);
    FUZZ_ASSERT(signer_new(&signer, exchange.sign_secret) == 0 && verifier_new(&verifier, ours.sign_public) == 0);
    FUZZ_ASSERT(merkle_new(&merkle) == 0 && arena_new(&arena, BATCH_ARENA_BYTES) == 0);
    spool_make();
}

// ---- what is said ----

static void sign(const char *domain, const ProtobufCBinaryData *body, uint8_t signature[SIGNATURE_BYTES]) {
    FUZZ_ASSERT(signer_sign(signer, domain, body->data, body->len, signature) == 0);
}

static void say_message(FrameType type, const ProtobufCMessage *message) {
    Bytes packed = {0};
    bytes_append_message(&packed, message);
    transport_say(type, SESSION, &(ProtobufCBinaryData){packed.n, packed.data});
    bytes_free(&packed);
}

static void say_receipt(const ProtobufCBinaryData *body) {
    Dongbo__Receipt receipt = DONGBO__RECEIPT__INIT;
    uint8_t signature[SIGNATURE_BYTES];
    sign(RECEIPT_DOMAIN, body, signature);
    receipt.body = *body;
    receipt.signature = (ProtobufCBinaryData){sizeof signature, signature};
    receipt.credit_bytes = 1 << 20;
    say_message(FRAME_RECEIPT, &receipt.base);
}

static void say_verdicts(const ProtobufCBinaryData *body) {
    Dongbo__Verdicts verdicts = DONGBO__VERDICTS__INIT;
    uint8_t signature[SIGNATURE_BYTES];
    sign(VERDICTS_DOMAIN, body, signature);
    verdicts.body = *body;
    verdicts.signature = (ProtobufCBinaryData){sizeof signature, signature};
    say_message(FRAME_VERDICTS, &verdicts.base);
}

static void say_proofs(const ProtobufCBinaryData *body) {
    Dongbo__Proofs proofs = DONGBO__PROOFS__INIT;
    uint8_t signature[SIGNATURE_BYTES];
    sign(PROOFS_DOMAIN, body, signature);
    proofs.body = *body;
    proofs.signature = (ProtobufCBinaryData){sizeof signature, signature};
    say_message(FRAME_PROOFS, &proofs.base);
}

static void say_welcome(void) {
    Dongbo__WelcomePublish welcome = DONGBO__WELCOME_PUBLISH__INIT;
    welcome.session = SESSION;
    welcome.session_epoch = 1;
    welcome.epoch = 1;
    welcome.credit_bytes = 1 << 20;
    welcome.signing_key = (ProtobufCBinaryData){KEY_BYTES, exchange.sign_public};
    say_message(FRAME_WELCOME_PUBLISH, &welcome.base);
}

static void say(uint8_t type, const ProtobufCBinaryData *body) {
    if (type & RAW)
        transport_say_bytes(body);
    else if (type == (EARLY | FRAME_WELCOME_PUBLISH) && body->len == 0)
        say_welcome(); // as good as any
    else if (type == FRAME_RECEIPT)
        say_receipt(body);
    else if (type == SIGNED_VERDICTS)
        say_verdicts(body);
    else if (type == SIGNED_PROOFS)
        say_proofs(body);
    else
        transport_say((FrameType)(type & ~EARLY), SESSION, body);
}

static void say_all(FuzzInput *input) {
    transport_clear();
    bool early = true;
    do {
        bool is_early = input->at < input->end && (*input->at & EARLY) != 0;
        if (early && !is_early) {
            transport_wait_for_them();
            say_welcome();
            early = false;
        }
        if (input->at == input->end)
            return;
        uint8_t type = fuzz_byte(input);
        ProtobufCBinaryData body = fuzz_piece(input);
        say(type, &body);
    } while (true);
}

// ---- what must hold ----

static bool is_as_at_first(const SpoolBatch *batch) {
    for (int i = 0; i < BATCHES; i++)
        if (batch->sealed_bytes == sealed[i].n && memcmp(batch->sealed, sealed[i].data, sealed[i].n) == 0)
            return true;
    return false;
}

static void check_batch(const SpoolBatch *batch) {
    Batch opened = {0};
    arena_reset(arena);
    FUZZ_ASSERT(batch_open(batch->sealed, batch->sealed_bytes, verifier, merkle, arena, &opened) == BATCH_OK);
    FUZZ_ASSERT(opened.header->first_sequence == batch->first_sequence);
}

static uint64_t counted(Spool *spool, const char *sql) {
    int64_t n;
    FUZZ_ASSERT(lite_number(spool_lite(spool), sql, -1, &n, "") == 0 && n >= 0);
    return (uint64_t)n;
}

static void check_spool(Spool *spool) {
    static const char STRANGE[] = "SELECT count(*) FROM stream WHERE kind <> 'live'";
    SpoolStream said;
    SpoolBatch batch;
    int64_t waiting;
    FUZZ_ASSERT(spool_stream(spool, "live", &said) == 0 && spool_waiting(spool, said.id, &waiting) == 0);
    FUZZ_ASSERT(counted(spool, STRANGE) == 0);
    int r, n = 0;
    for (uint64_t from = 0; (r = spool_next(spool, said.id, from, &batch)) == 0; from = batch.last_sequence + 1) {
        FUZZ_ASSERT(batch.first_sequence >= from);
        if (!is_as_at_first(&batch))
            check_batch(&batch);
        n++;
    }
    FUZZ_ASSERT(r == 1 && (n > 0) == (waiting > 0));
}

// What it has counted along is what one that opens it again counts.
static void check_bytes(Spool *spool) {
    static const char BYTES[] = "SELECT coalesce(sum(bytes), 0) FROM batch",
                      WAITING[] = "SELECT coalesce(sum(bytes), 0) FROM batch WHERE acked_at IS NULL";
    FUZZ_ASSERT(spool_bytes(spool) == counted(spool, BYTES));
    FUZZ_ASSERT(spool_waiting_bytes(spool) == counted(spool, WAITING));
}

static void push_all(Spool *spool) {
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
                           .clock = clock_of()};
    Push *push = NULL;
    FUZZ_ASSERT(push_new(&push, &options) == 0);
    for (int i = 0; i < STEPS; i++)
        if (push_step(push) < 0)
            break;
    push_destroy(&push);
    verdicts_free(&verdicts);
    sealer_destroy(&sealer);
}

// Opened again only after an input that changed what it has counted: to open it would be a fifth of the time.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (signer == NULL)
        begin();
    static Spool *spool;
    FuzzInput input = {data, data + n};
    say_all(&input);
    n_random = n_random_first;
    in_input = true;
    execute("BEGIN");
    if (spool == NULL)
        spool = spool_of();
    uint64_t bytes = spool_bytes(spool), waiting = spool_waiting_bytes(spool);
    push_all(spool);
    check_spool(spool);
    check_bytes(spool);
    end_rows();
    execute("ROLLBACK");
    in_input = false;
    if (spool_bytes(spool) != bytes || spool_waiting_bytes(spool) != waiting) // all that it knows by itself
        spool_close(&spool);
    return 0;
}

// ---- seeds ----

static void put(Bytes *out, int type, const ProtobufCMessage *message) {
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

// The session's challenge is one of the first pieces that are drawn.
static void seed_signed(uint32_t drawn) {
    Dongbo__EventVerdict verdict, *list[] = {&verdict};
    uint8_t challenge[PROOFS_CHALLENGE_BYTES];
    Bytes out = {0};
    char name[16];
    Dongbo__VerdictsBody later = DONGBO__VERDICTS_BODY__INIT;
    verdict_make(&verdict, 2, DONGBO__VERDICT__ACCEPTED);
    later.stream = (ProtobufCBinaryData){STREAM_BYTES, stream};
    later.epoch = 1;
    later.last_position = 200;
    later.n_verdicts = 1;
    later.verdicts = list;
    put(&out, SIGNED_VERDICTS, &later.base);
    n_random = n_random_first + drawn;
    (void)draw(NULL, challenge, sizeof challenge);
    Dongbo__ProofsBody proofs = DONGBO__PROOFS_BODY__INIT;
    proofs.stream = (ProtobufCBinaryData){STREAM_BYTES, stream};
    proofs.challenge = (ProtobufCBinaryData){sizeof challenge, challenge};
    put(&out, SIGNED_PROOFS, &proofs.base);
    snprintf(name, sizeof name, "signed-%u", drawn);
    fuzz_seed(name, out.data, out.n);
    bytes_free(&out);
}

static void seed_early(void) {
    static const uint8_t EARLY_WELCOME[] = {EARLY | FRAME_WELCOME_PUBLISH, 0, 0};
    fuzz_seed("early-welcome", EARLY_WELCOME, sizeof EARLY_WELCOME);
}

void fuzz_seeds(void) {
    if (signer == NULL)
        begin();
    seed_receipts();
    for (uint32_t drawn = 0; drawn < 4; drawn++)
        seed_signed(drawn);
    seed_early();
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
