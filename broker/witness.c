// SPDX-License-Identifier: Apache-2.0
//
// One statement for the heads, and one for the rows that a proof is made of.
#include "broker/witness.h"

#include "broker/log_path.h"
#include "broker/log_row.h"
#include "broker/lookup.h"
#include "proto/base/error.h"
#include "proto/bounds.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 10000
#define OID_INT8 20
#define OID_TEXT 25

enum { NUMBER, SIZE, KEY_ID, HEAD, SIGNATURE, LAST_POSITION };
#define COLUMNS "number, size, key_id, head, signature, last_position"
// The one that is known, where it is there, those behind it, and the newest at the end.
static const PgStatement HEADS = {
    "witness-heads",
    "(SELECT " COLUMNS " FROM exchange.signed_head WHERE number BETWEEN $1 AND $2 ORDER BY number) UNION ALL "
    "(SELECT " COLUMNS " FROM exchange.signed_head ORDER BY number DESC LIMIT 1)",
    2, (const Oid[]){OID_INT8, OID_INT8}};

static const PgStatement ANNOUNCED = {
    "witness-announced",
    "SELECT coalesce((SELECT c.logged_position FROM exchange.head_key k JOIN exchange.policy_change c "
    "ON c.change = k.change WHERE k.key_id = $1), 0)",
    1, (const Oid[]){OID_TEXT}};

struct Witness {
    Pg *exchange;
    Merkle *merkle;
    PGresult *rows; // that the last answer points into
    Dongbo__SignedHead heads[HEADS_SPAN], newest;
    Dongbo__SignedHead *pointers[HEADS_SPAN];
    Bytes announcement; // that the last answer has
};

int witness_new(Witness **ret, const char *exchange) {
    Witness *witness = calloc(1, sizeof *witness);
    if (witness == NULL)
        return error_fail(ERROR_MEMORY, "no memory for witnesses");
    int result = pg_new(&witness->exchange, exchange, "dongbo witness");
    if (result == 0)
        result = merkle_new(&witness->merkle);
    if (result < 0) {
        witness_destroy(&witness);
        return result;
    }
    pg_set_patience(witness->exchange, PATIENCE_MS);
    *ret = witness;
    return 0;
}

void witness_destroy(Witness **witness) {
    if (*witness == NULL)
        return;
    PQclear((*witness)->rows);
    bytes_free(&(*witness)->announcement);
    pg_destroy(&(*witness)->exchange);
    merkle_destroy(&(*witness)->merkle);
    free(*witness);
    *witness = NULL;
}

void witness_drop(Witness *witness) {
    pg_disconnect(witness->exchange);
}

static int read_heads(Witness *witness, uint64_t after) {
    PgParams params = {0};
    // Everybody's answers end at the same heads, so that what two witnesses keep can be compared.
    uint64_t last = after / HEADS_SPAN * HEADS_SPAN + HEADS_SPAN;
    pg_param_i64(&params, (int64_t)after);
    pg_param_i64(&params, (int64_t)last);
    PQclear(witness->rows);
    witness->rows = NULL;
    int result = pg_run(witness->exchange, &HEADS, &params, &witness->rows);
    pg_params_free(&params);
    return result;
}

static void take_head(const PGresult *rows, int row, Dongbo__SignedHead *ret) {
    dongbo__signed_head__init(ret);
    ret->head = log_row_bytes(rows, row, HEAD);
    ret->signature = log_row_bytes(rows, row, SIGNATURE);
}

// Those behind the one that is known, as far as they are by one key. The row of the last one; -1 where there is none.
static int take_heads(Witness *witness, const Dongbo__AskHeads *ask, Dongbo__Heads *ret) {
    const PGresult *rows = witness->rows;
    int n = PQntuples(rows) - 1, last = -1; // the newest stands behind them once more
    int first = n > 0 && (uint64_t)pg_i64(rows, 0, NUMBER) == ask->after ? 1 : 0;
    ret->heads = witness->pointers;
    for (int row = first; row < n && ret->n_heads < HEADS_SPAN; row++) {
        if (strcmp(pg_text(rows, row, KEY_ID), pg_text(rows, first, KEY_ID)) != 0)
            break;
        witness->pointers[ret->n_heads] = &witness->heads[ret->n_heads];
        take_head(rows, row, &witness->heads[ret->n_heads++]);
        last = row;
    }
    return last;
}

// What the log cannot prove is not proved: whoever asked judges that.
static int prove(Witness *witness, Arena *arena, uint64_t old, uint64_t size, Dongbo__Heads *ret) {
    LogPathMaker maker = {.exchange = witness->exchange, .merkle = witness->merkle, .arena = arena};
    ProofRange ranges[PROOF_MAX];
    size_t n = old > 0 && old <= size ? proof_consistency(old, size, ranges) : 0;
    int result = n > 0 ? log_path_make(&maker, ranges, n, &ret->path) : 0;
    ret->n_path = result == 0 ? n : 0;
    return result == ERROR_DATABASE && pg_connected(witness->exchange) ? 0 : result;
}

// ---- the announcement of a key -----------------------------------------------------------------------------------

static int announced_at(Witness *witness, const char *key_id, int64_t *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_text(&params, key_id);
    int result = pg_run(witness->exchange, &ANNOUNCED, &params, &rows);
    pg_params_free(&params);
    *ret = result == 0 ? pg_i64(rows, 0, 0) : 0;
    PQclear(rows);
    return result;
}

static int prove_announcement(Witness *witness, Arena *arena, uint64_t position, uint64_t size) {
    LogPathMaker maker = {.exchange = witness->exchange, .merkle = witness->merkle, .arena = arena};
    Dongbo__EntryProof proof = DONGBO__ENTRY_PROOF__INIT;
    Dongbo__LogSegment segment;
    Dongbo__SegmentSummary *summary = NULL;
    ProofRange ranges[PROOF_MAX];
    proof.position = position;
    proof.segment = &segment;
    int result = log_path_find(&maker, position, &segment, &summary);
    if (result == 0 && segment.leaf_index >= size)
        result = 1;
    size_t index = result == 0 ? (size_t)(position - segment.first_position) : 0;
    if (result == 0)
        result = log_path_entry(&maker, summary, index, &proof);
    if (result == 0) {
        proof.line = summary->lines[index];
        proof.n_segment_path = proof_inclusion(segment.leaf_index, size, ranges);
        result = log_path_make(&maker, ranges, proof.n_segment_path, &proof.segment_path);
    }
    if (result == 0)
        bytes_append_message(&witness->announcement, &proof.base);
    return result;
}

// Where the heads are of another key than the one that is known: by that one's log, if that has it already.
static int announce(Witness *witness, const Dongbo__AskHeads *ask, Arena *arena, int last, Dongbo__Heads *ret) {
    const PGresult *rows = witness->rows;
    int64_t position = 0;
    bytes_clear(&witness->announcement);
    if ((uint64_t)pg_i64(rows, 0, NUMBER) != ask->after ||
        strcmp(pg_text(rows, 0, KEY_ID), pg_text(rows, last, KEY_ID)) == 0)
        return 0;
    int result = announced_at(witness, pg_text(rows, last, KEY_ID), &position);
    if (result < 0 || position == 0)
        return result;
    int in = position <= pg_i64(rows, 0, LAST_POSITION) ? 0 : last;
    result = prove_announcement(witness, arena, (uint64_t)position, (uint64_t)pg_i64(rows, in, SIZE));
    ret->announcement = (ProtobufCBinaryData){witness->announcement.n, witness->announcement.data};
    return result == ERROR_DATABASE && !pg_connected(witness->exchange) ? result : 0;
}

int witness_answer(Witness *witness, const Dongbo__AskHeads *ask, Arena *arena, Dongbo__Heads *ret) {
    dongbo__heads__init(ret);
    ret->request = ask->request;
    if (ask->after > INT64_MAX - HEADS_SPAN || ask->size > INT64_MAX)
        return 0;
    int result = lookup_connect(witness->exchange);
    if (result == 0)
        result = read_heads(witness, ask->after);
    if (result < 0 || PQntuples(witness->rows) == 0)
        return result;
    take_head(witness->rows, PQntuples(witness->rows) - 1, &witness->newest);
    ret->newest = &witness->newest;
    int last = ask->after > 0 ? take_heads(witness, ask, ret) : -1;
    result = last < 0 ? 0 : announce(witness, ask, arena, last, ret);
    return last < 0 || result < 0 ? result
                                  : prove(witness, arena, ask->size, (uint64_t)pg_i64(witness->rows, last, SIZE), ret);
}
