// SPDX-License-Identifier: Apache-2.0
//
// The batches behind what is proved, then the distinct hashes that all their paths are of, by one statement each. What
// fails is told, and asked for again later.
#include "broker/prover.h"

#include "broker/epoch.h"
#include "broker/log_path.h"
#include "broker/log_row.h"
#include "broker/lookup.h"
#include "broker/mail.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/head.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define PATIENCE_MS 5000 // of one statement
#define ARENA_BYTES (16 * 1024 * 1024)
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT4 23

typedef struct Actor {
    Pg *exchange;
    Merkle *merkle;
    Arena *arena;
    Signer *signer;
    Bytes body; // what is signed
    zsock_t *inbox, *ingress;
    zsock_t *pipe; // its owner's
    Retry retry;
} Actor;

void proving_destroy(Proving **proving) {
    if (*proving == NULL)
        return;
    bytes_free(&(*proving)->proofs);
    free(*proving);
    *proving = NULL;
}

// ---- heads ---------------------------------------------------------------------------------------------------------

typedef struct Heads {
    const Dongbo__TreeHead *newest, *older; // older NULL: none of this epoch
    Dongbo__SignedHead signed_head;         // the newest, in the arena
} Heads;

static const Oid HEADS_TYPES[] = {OID_INT8};
static const PgStatement HEADS = {"proof-heads",
                                  "SELECT head, signature, (SELECT epoch FROM exchange.head WHERE " EPOCH_HOLDS ") "
                                  "FROM exchange.signed_head WHERE number = $1 OR number = "
                                  "(SELECT max(number) FROM exchange.signed_head) ORDER BY number DESC",
                                  1, HEADS_TYPES};

static int keep(Arena *arena, ProtobufCBinaryData bytes, ProtobufCBinaryData *ret) {
    return arena_copy(arena, bytes.data, bytes.len, ret) ? 0 : error_fail(ERROR_MEMORY, "proofs do not fit");
}

static int keep_hash(Arena *arena, const uint8_t hash[HASH_BYTES], ProtobufCBinaryData *ret) {
    return keep(arena, (ProtobufCBinaryData){HASH_BYTES, (uint8_t *)hash}, ret);
}

static int read_head(Actor *actor, const PGresult *rows, int row, Dongbo__SignedHead *ret_signed,
                     const Dongbo__TreeHead **ret) {
    dongbo__signed_head__init(ret_signed);
    int result = keep(actor->arena, log_row_bytes(rows, row, 0), &ret_signed->head);
    if (result == 0)
        result = keep(actor->arena, log_row_bytes(rows, row, 1), &ret_signed->signature);
    if (result == 0 && head_read(ret_signed->head.data, ret_signed->head.len, actor->arena, ret) != 0)
        result = error_fail(ERROR_DATABASE, "a stored signed head cannot be read");
    return result;
}

// Nothing grows out of a longer log.
static int check_heads(const Heads *heads) {
    if (heads->older == NULL || heads->older->size <= heads->newest->size)
        return 0;
    return error_fail(ERROR_DATABASE,
                      "the signed head %" PRIu64 " is of a shorter log than the signed head %" PRIu64
                      " before it: dongbo log verify says more",
                      heads->newest->number, heads->older->number);
}

// 1 when none is signed yet in the log's present epoch, or another is due. One of an epoch before is of a log that may
// have been longer, or have gone on otherwise since it was set back.
static int read_heads(Actor *actor, uint64_t agents, Heads *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    Dongbo__SignedHead older;
    *ret = (Heads){0};
    pg_param_i64(&params, (int64_t)(agents > INT64_MAX ? 0 : agents));
    int result = pg_run(actor->exchange, &HEADS, &params, &rows);
    pg_params_free(&params);
    int n = result == 0 ? PQntuples(rows) : 0;
    if (result == 0 && n == 0)
        result = 1;
    if (result == 0)
        result = read_head(actor, rows, 0, &ret->signed_head, &ret->newest);
    if (result == 0)
        result = read_head(actor, rows, n - 1, &older, &ret->older);
    if (result == 0 && (pg_is_null(rows, 0, 2) || ret->newest->epoch != (uint32_t)pg_i32(rows, 0, 2)))
        result = 1;
    PQclear(rows);
    if (result == 0 && (ret->older->number != agents || ret->older->epoch != ret->newest->epoch))
        ret->older = NULL;
    return result == 0 ? check_heads(ret) : result;
}

// ---- batches -------------------------------------------------------------------------------------------------------

enum { PREVIOUS = LOG_ROW_REST, ENTRIES_ROOT };
static const Oid BATCHES_TYPES[] = {OID_BYTEA, OID_INT8, OID_INT8, OID_INT8, OID_INT4};
// The summary is long, and of use only where the root over the entries is not stored.
#define BATCHES_COLUMNS LOG_ROW_COLUMNS_WITH("CASE WHEN entries_root IS NULL THEN summary END")
static const PgStatement BATCHES = {
    "proof-batches",
    "SELECT " BATCHES_COLUMNS ", (SELECT p.hash FROM exchange.segment p WHERE p.leaf_index = s.leaf_index - 1), "
    "entries_root FROM exchange.segment s WHERE stream = $1 AND first_sequence > $2 AND last_sequence <= $3 "
    "AND batch_root IS NOT NULL AND kind = 1 AND leaf_index < $4 ORDER BY first_sequence LIMIT $5",
    5, BATCHES_TYPES};

static int read_batches(Actor *actor, const Proving *proving, const Heads *heads, PGresult **ret) {
    PgParams params = {0};
    pg_param_bytes(&params, proving->stream, STREAM_BYTES);
    pg_param_i64(&params, (int64_t)(proving->after > INT64_MAX ? INT64_MAX : proving->after));
    pg_param_i64(&params, (int64_t)(proving->upto > INT64_MAX ? INT64_MAX : proving->upto));
    pg_param_i64(&params, (int64_t)heads->newest->size);
    pg_param_i32(&params, PROOF_BATCHES_MAX);
    int result = pg_run(actor->exchange, &BATCHES, &params, ret);
    pg_params_free(&params);
    return result;
}

// Of segments that are older than the column it follows from the summary.
static int put_entries_root(Actor *actor, const PGresult *rows, int row, Dongbo__BatchProof *proof) {
    LogPathMaker maker = {actor->exchange, actor->merkle, actor->arena};
    Dongbo__SegmentSummary *summary = NULL;
    uint8_t root[HASH_BYTES];
    ProtobufCBinaryData stored = log_row_bytes(rows, row, ENTRIES_ROOT);
    if (stored.len == HASH_BYTES)
        return keep(actor->arena, stored, &proof->entries_root);
    ArenaMark mark = arena_mark(actor->arena);
    int result = log_path_summary(&maker, rows, row, &summary);
    if (result == 0 && segment_entries_root(actor->merkle, summary, root) != 0)
        result = log_path_damaged(rows, row);
    arena_rewind(actor->arena, &mark);
    return result < 0 ? result : keep_hash(actor->arena, root, &proof->entries_root);
}

static int put_batch(Actor *actor, const PGresult *rows, int row, const Heads *heads, Dongbo__BatchProof *proof) {
    static const uint8_t NONE[HASH_BYTES];
    ProtobufCBinaryData previous = log_row_bytes(rows, row, PREVIOUS);
    Dongbo__LogSegment segment;
    log_row_fields(rows, row, &segment);
    dongbo__batch_proof__init(proof);
    proof->first_sequence = segment.first_sequence;
    proof->last_sequence = segment.last_sequence;
    proof->first_position = segment.first_position;
    proof->last_position = segment.last_position;
    proof->epoch = segment.epoch;
    proof->agency = segment.agency;
    proof->stored_at_us = segment.stored_at_us;
    proof->population_position = segment.population_position;
    proof->leaf_index = segment.leaf_index;
    if (segment.leaf_index >= heads->newest->size || (segment.leaf_index > 0 && previous.len != HASH_BYTES))
        return log_path_damaged(rows, row);
    int result = put_entries_root(actor, rows, row, proof);
    return result < 0 ? result
                      : keep_hash(actor->arena, segment.leaf_index > 0 ? previous.data : NONE, &proof->previous_hash);
}

// ---- paths ---------------------------------------------------------------------------------------------------------

typedef struct Paths { // ranges of all of them, each once and in order
    ProofRange *ranges;
    size_t n;
    ProtobufCBinaryData *hashes;
} Paths;

static int compare_ranges(const void *left, const void *right) {
    const ProofRange *a = left, *b = right;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

static void sort_ranges(Paths *paths) {
    size_t n = 0;
    qsort(paths->ranges, paths->n, sizeof *paths->ranges, compare_ranges);
    for (size_t i = 0; i < paths->n; i++)
        if (n == 0 || compare_ranges(&paths->ranges[n - 1], &paths->ranges[i]) != 0)
            paths->ranges[n++] = paths->ranges[i];
    paths->n = n;
}

static void gather(Paths *paths, const Heads *heads, const Dongbo__Proofs *proofs) {
    for (size_t i = 0; i < proofs->n_batches; i++)
        paths->n += proof_inclusion(proofs->batches[i]->leaf_index, heads->newest->size, paths->ranges + paths->n);
    if (heads->older != NULL)
        paths->n += proof_consistency(heads->older->size, heads->newest->size, paths->ranges + paths->n);
    sort_ranges(paths);
}

static int put_path(Actor *actor, const Paths *paths, const ProofRange *ranges, size_t n, ProtobufCBinaryData **ret) {
    *ret = arena_alloc(actor->arena, (n + 1) * sizeof **ret);
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "proofs do not fit");
    for (size_t i = 0; i < n; i++) {
        const ProofRange *found = bsearch(&ranges[i], paths->ranges, paths->n, sizeof *ranges, compare_ranges);
        (*ret)[i] = paths->hashes[found - paths->ranges];
    }
    return 0;
}

static int put_paths(Actor *actor, const Heads *heads, Dongbo__Proofs *proofs) {
    LogPathMaker maker = {actor->exchange, actor->merkle, actor->arena};
    ProofRange ranges[PROOF_MAX];
    Paths paths = {.ranges = arena_alloc(actor->arena, (proofs->n_batches + 1) * PROOF_MAX * sizeof *paths.ranges)};
    if (paths.ranges == NULL)
        return error_fail(ERROR_MEMORY, "proofs do not fit");
    gather(&paths, heads, proofs);
    int result = log_path_make(&maker, paths.ranges, paths.n, &paths.hashes);
    for (size_t i = 0; result == 0 && i < proofs->n_batches; i++) {
        Dongbo__BatchProof *proof = proofs->batches[i];
        proof->n_path = proof_inclusion(proof->leaf_index, heads->newest->size, ranges);
        result = put_path(actor, &paths, ranges, proof->n_path, &proof->path);
    }
    if (result < 0 || heads->older == NULL)
        return result;
    proofs->older = heads->older->number;
    proofs->n_consistency = proof_consistency(heads->older->size, heads->newest->size, ranges);
    return put_path(actor, &paths, ranges, proofs->n_consistency, &proofs->consistency);
}

// ---- proofs --------------------------------------------------------------------------------------------------------

// Segments of the first format are told of no more: what stands behind one cannot be proved in order.
static size_t n_proved(const PGresult *rows) {
    int n = 0;
    while (n < PQntuples(rows) && pg_i16(rows, n, LOG_ROW_FORMAT) == SEGMENT_FORMAT)
        n++;
    return (size_t)n;
}

static int put_batches(Actor *actor, const PGresult *rows, const Heads *heads, Dongbo__Proofs *proofs) {
    size_t n = n_proved(rows);
    Dongbo__BatchProof *batches = arena_alloc(actor->arena, (n + 1) * sizeof *batches);
    proofs->batches = arena_alloc(actor->arena, (n + 1) * sizeof *proofs->batches);
    if (batches == NULL || proofs->batches == NULL)
        return error_fail(ERROR_MEMORY, "proofs do not fit");
    int result = 0;
    for (; result == 0 && proofs->n_batches < n; proofs->n_batches++) {
        proofs->batches[proofs->n_batches] = &batches[proofs->n_batches];
        result = put_batch(actor, rows, (int)proofs->n_batches, heads, &batches[proofs->n_batches]);
    }
    return result;
}

static int pack(Bytes *ret, const ProtobufCMessage *message) {
    bytes_clear(ret);
    bytes_append_message(ret, message);
    if (!ret->failed)
        return 0;
    bytes_free(ret);
    return error_fail(ERROR_MEMORY, "proofs do not fit");
}

static int pack_signed(Actor *actor, Proving *proving, const Dongbo__Proofs *plain) {
    Dongbo__ProofsBody body = DONGBO__PROOFS_BODY__INIT;
    Dongbo__Proofs message = DONGBO__PROOFS__INIT;
    uint8_t signature[SIGNATURE_BYTES];
    body.stream = (ProtobufCBinaryData){STREAM_BYTES, proving->stream};
    body.challenge = (ProtobufCBinaryData){PROOFS_CHALLENGE_BYTES, proving->challenge};
    body.head = plain->head;
    body.older = plain->older;
    body.n_consistency = plain->n_consistency;
    body.consistency = plain->consistency;
    body.n_batches = plain->n_batches;
    body.batches = plain->batches;
    int result = pack(&actor->body, &body.base);
    if (result == 0)
        result = signer_sign(actor->signer, "dongbo proofs 1", actor->body.data, actor->body.n, signature);
    message.body = (ProtobufCBinaryData){actor->body.n, actor->body.data};
    message.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    return result < 0 ? result : pack(&proving->proofs, &message.base);
}

static int answer(Actor *actor, Proving *proving, const Heads *heads, const Dongbo__Proofs *proofs) {
    int result = proving->signs ? pack_signed(actor, proving, proofs) : pack(&proving->proofs, &proofs->base);
    if (result < 0)
        return result;
    proving->n = proofs->n_batches;
    proving->more = proving->n == PROOF_BATCHES_MAX;
    proving->after = proofs->batches[proving->n - 1]->last_sequence;
    proving->head = heads->newest->number;
    return 0;
}

// With no batch to prove there is nothing to say.
static int prove(Actor *actor, Proving *proving) {
    PGresult *rows = NULL;
    Heads heads;
    Dongbo__Proofs proofs = DONGBO__PROOFS__INIT;
    arena_reset(actor->arena);
    proving->n = 0;
    proving->more = proving->failed = false;
    int result = lookup_connect(actor->exchange);
    if (result == 0)
        result = read_heads(actor, proving->head, &heads);
    if (result != 0)
        return result < 0 ? result : 0;
    result = read_batches(actor, proving, &heads, &rows);
    if (result == 0)
        result = put_batches(actor, rows, &heads, &proofs);
    PQclear(rows);
    if (result < 0 || proofs.n_batches == 0)
        return result;
    proofs.head = &heads.signed_head;
    result = put_paths(actor, &heads, &proofs);
    return result < 0 ? result : answer(actor, proving, &heads, &proofs);
}

// ---- the thread ----------------------------------------------------------------------------------------------------

static bool is_over(const Actor *actor) {
    zmq_pollitem_t item = {.socket = zsock_resolve(actor->pipe), .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, 0) < 0 || item.revents != 0;
}

// What fails at the end is not answered, and not looked at either: who asked may be gone by then, and it with them.
static void prove_all(Actor *actor) {
    MailKind kind;
    void *pointer = NULL;
    while (mail_receive(actor->inbox, &kind, &pointer) == 0) {
        Proving *proving = pointer;
        int result = prove(actor, proving);
        if (result < 0 && is_over(actor))
            return;
        proving->failed = result < 0;
        if (proving->failed)
            (void)retry_failed(&actor->retry);
        else
            retry_succeeded(&actor->retry);
        mail_send(actor->ingress, MAIL_PROVING, proving);
    }
}

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    actor->pipe = pipe;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(actor->inbox), .events = ZMQ_POLLIN}};
    do
        prove_all(actor);
    while (zmq_poll(items, 2, -1) >= 0 && items[0].revents == 0);
}

static void destroy(void *state) {
    Actor *actor = state;
    pg_destroy(&actor->exchange);
    merkle_destroy(&actor->merkle);
    arena_destroy(&actor->arena);
    signer_destroy(&actor->signer);
    bytes_free(&actor->body);
    zsock_destroy(&actor->inbox);
    zsock_destroy(&actor->ingress);
    free(actor);
}

int prover_new(zactor_t **ret, const ProverOptions *options) {
    static const ThreadKind kind = {"the prover", run, destroy};
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the prover");
    actor->retry = (Retry){.waiting = "agents wait for proofs that their batches are in the log",
                           .over = "agents get proofs that their batches are in the log again"};
    int result = pg_new(&actor->exchange, options->exchange, "dongbo prover");
    if (result == 0) {
        pg_set_patience(actor->exchange, PATIENCE_MS);
        result = merkle_new(&actor->merkle);
    }
    if (result == 0)
        result = arena_new(&actor->arena, ARENA_BYTES);
    if (result == 0)
        result = signer_new(&actor->signer, options->keys->sign_secret);
    if (result == 0)
        result = mail_bind(&actor->inbox, options->inbox);
    if (result == 0)
        result = mail_connect(&actor->ingress, options->ingress);
    if (result < 0) {
        destroy(actor);
        return result;
    }
    return thread_start(ret, &kind, actor);
}
