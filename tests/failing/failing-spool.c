// SPDX-License-Identifier: Apache-2.0
//
// The publishing agent's spool: what is done to it in a transaction is done or not done, whatever call fails in it, and
// doing it again gives the same spool as if nothing had failed.
//
// The steps are run once without failures, and the spool kept as it is after each. Then each step is run on the spool
// that the one before left, with its first call failing, its second, and so on until none is left that could fail.
#include "agents/ledger.h"
#include "agents/proof_store.h"
#include "agents/proofs.h"
#include "agents/resumption.h"
#include "agents/sealer.h"
#include "agents/verdicts.h"
#include "proto/base/error.h"
#include "proto/batch.h"
#include "proto/head.h"
#include "proto/inclusion.h"
#include "tests/failing/report.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_US 1700000000000000LL
#define EVENTS 5

typedef struct Agent {
    Spool *spool;
    Sealer *sealer;
    Verdicts verdicts;
} Agent;

typedef struct Step {
    const char *name;
    int (*run)(Agent *agent);
} Step;

static char directory[128], path[160];
static Keys keys;
static uint64_t drawn; // of random bytes; set by the step, so that a step that is repeated draws the same

// ---- a clock that stands, and random bytes that are known ----

static int64_t now_us(void *self) {
    return NOW_US;
}

static int64_t monotonic_ms(void *self) {
    return NOW_US / 1000;
}

static int known_random(void *self, uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)((++drawn * 2654435761u) >> 13);
    return 0;
}

static const Clock CLOCK = {now_us, monotonic_ms, known_random, NULL};

// ---- the steps ----

static int add_events(Agent *agent, Origin *origin) {
    int r = origin->id == 0 ? ledger_origin_add(agent->spool, origin) : 0;
    for (int i = 0; r == 0 && i < EVENTS; i++) {
        Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
        Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        event.source_key = key;
        event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
        event.health = &body;
        Item item = {.origin = origin->id, .row = (uint64_t)i + 2, .offset = (uint64_t)i * 10, .bytes = 9};
        r = sealer_add(agent->sealer, &event, &item);
    }
    return r == 0 ? sealer_flush(agent->sealer) : r;
}

static int add_batch(Agent *agent) {
    Origin origin = {.source = "s", .name = "a.csv", .kept_name = "a.csv", .row = 2};
    int r = spool_begin(agent->spool);
    if (r == 0)
        r = add_events(agent, &origin);
    if (r == 0) {
        origin.state = ORIGIN_READ;
        r = ledger_origin_read(agent->spool, &origin);
    }
    return spool_end(agent->spool, r);
}

static void verdict_make(Dongbo__EventVerdict *verdict, uint64_t sequence, Dongbo__Verdict what) {
    static uint8_t ids[EVENTS + 1][EVENT_ID_BYTES];
    memset(ids[sequence], (int)sequence, EVENT_ID_BYTES);
    dongbo__event_verdict__init(verdict);
    verdict->sequence = sequence;
    verdict->event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, ids[sequence]};
    verdict->verdict = what;
    verdict->position = 100 + sequence;
}

// Where the first batch stands: alone in the log.
static int segment_make(Agent *agent, const SpoolStream *stream, uint8_t leaf[HASH_BYTES], uint8_t hash[HASH_BYTES]) {
    static const uint8_t NONE[HASH_BYTES];
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    ProofBatch batch;
    ProtobufCBinaryData header, signature;
    int r = proof_store_batch(agent->spool, stream->id, 1, &batch);
    if (r == 0)
        r = merkle_new(&merkle);
    if (r < 0)
        return r;
    MUST(r == 0 && batch_origin(batch.sealed, batch.sealed_n, &header, &signature) == 0, "the first batch");
    InclusionRow row = {.first_position = 101,
                        .last_position = 105,
                        .kind = INCLUSION_KIND_BATCH,
                        .stream = stream->stream,
                        .first_sequence = 1,
                        .last_sequence = EVENTS,
                        .batch_root = batch.root,
                        .header = header,
                        .signature = signature.data};
    inclusion_leaf(merkle, &row, NONE, leaf);
    inclusion_link(merkle, NONE, leaf, hash);
    return 0;
}

static int receipt_taken(Agent *agent, const SpoolStream *stream, const SpoolBatch *batch) {
    Dongbo__EventVerdict verdicts[3], *list[] = {&verdicts[0], &verdicts[1], &verdicts[2]};
    verdict_make(&verdicts[0], 1, DONGBO__VERDICT__MISMATCH);
    verdict_make(&verdicts[1], 2, DONGBO__VERDICT__DEFERRED);
    verdict_make(&verdicts[2], 4, DONGBO__VERDICT__REJECTED);
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    body.stream = (ProtobufCBinaryData){STREAM_BYTES, (uint8_t *)stream->stream};
    body.first_sequence = batch->first_sequence;
    body.last_sequence = batch->last_sequence;
    body.batch_root = (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)batch->root};
    body.first_position = 101;
    body.last_position = 105;
    body.n_verdicts = 3;
    body.verdicts = list;
    uint8_t leaf[HASH_BYTES], hash[HASH_BYTES];
    int made = segment_make(agent, stream, leaf, hash);
    if (made < 0)
        return made;
    body.segment_hash = (ProtobufCBinaryData){HASH_BYTES, hash};
    Bytes raw = {0};
    bytes_append_message(&raw, &body.base);
    bytes_append(&raw, batch->root, HASH_BYTES); // in the signature's place
    bytes_append(&raw, batch->root, HASH_BYTES);
    int r = raw.failed ? ERROR_MEMORY : verdicts_receipt(&agent->verdicts, stream, &body, &raw);
    bytes_free(&raw);
    return r;
}

// As a session ends its step: receipts and verdicts of it in one transaction, with what may be let go.
static int session_end(Agent *agent, int r) {
    if (r == 0)
        r = spool_trim(agent->spool);
    if (r == 0)
        r = ledger_undecided_trim(agent->spool);
    return spool_end(agent->spool, r);
}

static int take_receipt(Agent *agent) {
    SpoolStream stream;
    SpoolBatch batch;
    int r = spool_stream(agent->spool, "live", &stream);
    if (r == 0)
        r = spool_begin(agent->spool);
    if (r < 0)
        return r;
    r = spool_find(agent->spool, stream.id, 1, &batch);
    if (r == 0) {
        SpoolBatch found = batch;
        r = receipt_taken(agent, &stream, &found);
    }
    return session_end(agent, r);
}

static int take_verdicts(Agent *agent) {
    SpoolStream stream;
    Dongbo__EventVerdict verdict, *list[] = {&verdict};
    Dongbo__Verdicts later = DONGBO__VERDICTS__INIT;
    verdict_make(&verdict, 2, DONGBO__VERDICT__ACCEPTED);
    verdict.position = 300;
    later.last_position = 300;
    later.n_verdicts = 1;
    later.verdicts = list;
    int r = spool_stream(agent->spool, "live", &stream);
    if (r == 0)
        r = spool_begin(agent->spool);
    if (r < 0)
        return r;
    r = spool_epoch(agent->spool, &stream, 1);
    if (r == 0)
        r = verdicts_later(&agent->verdicts, &stream, &later);
    return session_end(agent, r);
}

typedef struct Said { // of the exchange
    Dongbo__Proofs proofs;
    Dongbo__SignedHead head;
    Dongbo__BatchProof batch, *batches[1];
    Bytes bytes;
    uint8_t signature[SIGNATURE_BYTES], root[HASH_BYTES];
} Said;

static int said_make(Agent *agent, const SpoolStream *stream, Said *said) {
    static uint8_t none[HASH_BYTES];
    CLEANUP(signer_destroy) Signer *signer = NULL;
    Dongbo__TreeHead head = DONGBO__TREE_HEAD__INIT;
    uint8_t hash[HASH_BYTES];
    char key_id[KEY_ID_TEXT_BYTES];
    keys_id(keys.sign_public, key_id);
    int r = segment_make(agent, stream, said->root, hash);
    if (r == 0)
        r = signer_new(&signer, keys.sign_secret);
    head.number = head.size = 1;
    head.root = (ProtobufCBinaryData){HASH_BYTES, said->root};
    head.last_position = 105;
    head.key_id = key_id;
    head.segment_hash = (ProtobufCBinaryData){HASH_BYTES, hash};
    if (r == 0)
        r = head_sign(&head, signer, &said->bytes, said->signature);
    dongbo__signed_head__init(&said->head);
    said->head.head = (ProtobufCBinaryData){said->bytes.n, said->bytes.data};
    said->head.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, said->signature};
    dongbo__batch_proof__init(&said->batch);
    said->batch.first_sequence = 1;
    said->batch.last_sequence = EVENTS;
    said->batch.first_position = 101;
    said->batch.last_position = 105;
    said->batch.entries_root = said->batch.previous_hash = (ProtobufCBinaryData){HASH_BYTES, none};
    said->batches[0] = &said->batch;
    dongbo__proofs__init(&said->proofs);
    said->proofs.head = &said->head;
    said->proofs.n_batches = 1;
    said->proofs.batches = said->batches;
    return r;
}

// Proved by an exchange that has this agency's own key; or, with an agency that it does not say, falsely.
static int prove(Agent *agent, uint32_t agency) {
    const uint8_t *const exchange[2] = {keys.sign_public, NULL};
    CLEANUP(proofs_destroy) Proofs *proofs = NULL;
    SpoolStream stream;
    Said said = {0};
    int r = proofs_new(&proofs, agent->spool, exchange);
    if (r == 0)
        r = spool_stream(agent->spool, "live", &stream);
    if (r == 0)
        r = said_make(agent, &stream, &said);
    said.batch.agency = agency;
    if (r == 0)
        r = proofs_take(proofs, &stream, &(ProofsSaid){&said.proofs, true});
    MUST(r < 0 || r == (agency != 0), "a proof");
    if (r == 1)
        r = proofs_keep_false(proofs, &stream, said.head.head);
    bytes_free(&said.bytes);
    return r == ERROR_PEER && strstr(error_text(), "proves something false") != NULL ? 0 : r;
}

static int take_proof(Agent *agent) {
    return prove(agent, 0);
}

static int take_false_proof(Agent *agent) {
    return prove(agent, 7);
}

static int forget_receipts(Agent *agent) {
    SpoolStream stream;
    int64_t forgotten;
    int r = spool_stream(agent->spool, "live", &stream);
    return r < 0 ? r : resumption_find(agent->spool, &stream, 0, &forgotten);
}

static int split(Agent *agent) {
    return resumption_split(agent->spool, agent->sealer, EVENTS + 1);
}

static int fork_stream(Agent *agent) {
    return resumption_fork(agent->spool, "live");
}

static int reseal(Agent *agent) {
    return resumption_reseal(agent->spool, "live", agent->sealer);
}

static int forget_source(Agent *agent) {
    int64_t n;
    return ledger_forget(agent->spool, "s", &n);
}

static int open_nothing(Agent *agent) {
    return 0; // agent_open() has done it
}

static const Step STEPS[] = {
    {"open", open_nothing},
    {"add a batch", add_batch},
    {"add another", add_batch},
    {"receipt", take_receipt},
    {"later verdicts", take_verdicts},
    {"false proof", take_false_proof},
    {"proof", take_proof},
    {"receipts forgotten", forget_receipts},
    {"receipt again", take_receipt},
    {"split", split},
    {"fork", fork_stream},
    {"seal again", reseal},
    {"source forgotten", forget_source},
};
#define N_STEPS (sizeof STEPS / sizeof *STEPS)

// ---- one run of one step ----

static int agent_open(Agent *agent) {
    SpoolOptions options = {path, 1 << 30, 7, &CLOCK};
    *agent = (Agent){0};
    int r = spool_open(&agent->spool, &options);
    if (r < 0)
        return r;
    SealerOptions sealer = {agent->spool, "live", "MOH", &keys};
    agent->verdicts = (Verdicts){.spool = agent->spool};
    SpoolStream stream;
    r = spool_stream(agent->spool, "live", &stream);
    return r < 0 ? r : sealer_new(&agent->sealer, &sealer);
}

static void agent_close(Agent *agent) {
    verdicts_free(&agent->verdicts);
    sealer_destroy(&agent->sealer);
    spool_close(&agent->spool);
}

// Opens first where that is the step.
static int step_run(size_t step, Agent *agent, int opened) {
    drawn = step * 100000;
    return opened < 0 ? opened : STEPS[step].run(agent);
}

// ---- what is in a spool ----

static void append_row(sqlite3_stmt *row, Bytes *out) {
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        bytes_append_u8(out, (uint8_t)sqlite3_column_type(row, i));
        const void *data = sqlite3_column_blob(row, i);
        int n = sqlite3_column_bytes(row, i);
        bytes_append_u32(out, (uint32_t)n);
        bytes_append(out, data, (size_t)n);
    }
}

static void append_rows(sqlite3 *db, const char *sql, Bytes *out) {
    sqlite3_stmt *rows;
    MUST(sqlite3_prepare_v2(db, sql, -1, &rows, NULL) == SQLITE_OK, sql);
    while (sqlite3_step(rows) == SQLITE_ROW)
        append_row(rows, out);
    sqlite3_finalize(rows);
}

// Every row of every table, in an order that does not depend on when it came.
static void spool_dump(Bytes *out) {
    sqlite3 *db;
    sqlite3_stmt *tables;
    bytes_clear(out);
    MUST(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, path);
    MUST(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", -1, &tables,
                            NULL) == SQLITE_OK,
         path);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT * FROM \"%s\" ORDER BY 1", (const char *)sqlite3_column_text(tables, 0));
        bytes_append_text(out, sql);
        append_rows(db, sql, out);
    }
    sqlite3_finalize(tables);
    append_rows(db, "PRAGMA integrity_check", out);
    sqlite3_close(db);
    MUST(!out->failed, path);
}

static bool same(const Bytes *a, const Bytes *b) {
    return a->n == b->n && memcmp(a->data, b->data, a->n) == 0;
}

static Bytes files[N_STEPS + 1], dumps[N_STEPS + 1]; // before each step, and in the end

static void file_keep(Bytes *out) {
    uint8_t block[16384];
    FILE *file = fopen(path, "r");
    MUST(file != NULL, path);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        bytes_append(out, block, n);
    fclose(file);
}

static void file_restore(const Bytes *kept) {
    static const char *const BESIDE[] = {"-wal", "-shm", "-journal"};
    for (int i = 0; i < 3; i++) {
        char beside[200];
        snprintf(beside, sizeof beside, "%s%s", path, BESIDE[i]);
        unlink(beside);
    }
    unlink(path);
    if (kept->n == 0)
        return;
    FILE *file = fopen(path, "w");
    MUST(file != NULL && fwrite(kept->data, 1, kept->n, file) == kept->n && fclose(file) == 0, path);
}

static void run_without_failures(void) {
    Agent agent;
    for (size_t step = 0; step < N_STEPS; step++) {
        drawn = 0;
        int opened = agent_open(&agent);
        MUST(step_run(step, &agent, opened) == 0, STEPS[step].name);
        agent_close(&agent);
        file_keep(&files[step + 1]);
        spool_dump(&dumps[step + 1]);
        MUST(step == 0 || !same(&dumps[step], &dumps[step + 1]), STEPS[step].name);
    }
}

// ---- the Nth call fails ----

// True when there was an Nth call.
static bool fail_one(size_t step, FailKind kind, unsigned long n, bool all_after) {
    static Bytes found;
    Agent agent = {0};
    char at[160];
    snprintf(at, sizeof at, "%s, %s %lu%s", STEPS[step].name, fail_name(kind), n, all_after ? " and all after" : "");
    file_restore(&files[step]);
    drawn = 0;
    int opened = 0;
    if (step > 0)
        opened = agent_open(&agent);
    MUST(opened == 0, at);
    fail_arm(kind, n, all_after);
    if (step == 0)
        opened = agent_open(&agent);
    int r = step_run(step, &agent, opened);
    if (all_after) // the disk is still full when the agent ends
        agent_close(&agent);
    bool fired = fail_disarm();
    if (!all_after)
        agent_close(&agent);
    MUST(fired || r == 0, at);
    MUST(r <= 0, at);

    drawn = 0;
    MUST(agent_open(&agent) == 0, at);
    agent_close(&agent);
    spool_dump(&found);
    bool before = step > 0 && same(&found, &dumps[step]), after = same(&found, &dumps[step + 1]);
    MUST(r == 0 ? after : before || after, at);
    if (before && !after) {
        drawn = 0;
        MUST(agent_open(&agent) == 0 && step_run(step, &agent, 0) == 0, at);
        agent_close(&agent);
        spool_dump(&found);
        MUST(same(&found, &dumps[step + 1]), at);
    }
    report.injected[kind] += fired;
    return fired;
}

int main(int argc, char **argv) {
    report_begin("spool", argc, argv);
    fail_begin();
    const char *place = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%.90s/dongbo-failing-XXXXXX", place ? place : "/tmp");
    MUST(mkdtemp(directory) != NULL, directory);
    snprintf(path, sizeof path, "%s/spool.db", directory);
    MUST(keys_generate(&keys) == 0, path);
    run_without_failures();
    for (size_t step = 0; step < N_STEPS; step++)
        for (FailKind kind = FAIL_MEMORY; kind <= FAIL_SQLITE_SYNC; kind++)
            for (int all_after = 0; all_after < 2; all_after++)
                for (unsigned long n = report_next(kind, 0); fail_one(step, kind, n, all_after);
                     n = report_next(kind, n))
                    continue;
    file_restore(&(Bytes){0});
    snprintf(path + strlen(path), sizeof path - strlen(path), ".lock");
    unlink(path);
    rmdir(directory);
    for (size_t i = 0; i <= N_STEPS; i++) {
        bytes_free(&files[i]);
        bytes_free(&dumps[i]);
    }
    return report_end();
}
