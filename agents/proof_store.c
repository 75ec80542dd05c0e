// SPDX-License-Identifier: Apache-2.0
//
// See proof_store.h. A proof goes with its batch (spool_delete(), spool_unack()); what was false stays.
#include "agents/proof_store.h"

static const char TABLES[] =
    "BEGIN IMMEDIATE;"
    // proof: InclusionProof with proof and head. false_proof: said is what came, whole.
    "CREATE TABLE IF NOT EXISTS proof (batch INTEGER PRIMARY KEY, segment_hash BLOB NOT NULL, proof BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS proof_head (stream INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,"
    "  head BLOB NOT NULL, signature BLOB NOT NULL, PRIMARY KEY (stream, epoch)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS false_proof (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
    "  first_sequence INTEGER NOT NULL, why TEXT NOT NULL, said BLOB NOT NULL, at INTEGER NOT NULL);"
    "COMMIT;";

int proof_store_open(Lite *lite) {
    return lite_script(lite, TABLES);
}

// id, last_sequence, root, sealed, receipt.
static ProofBatch batch_row(sqlite3_stmt *row) {
    ProofBatch batch = {.id = sqlite3_column_int64(row, 0), .last_sequence = (uint64_t)sqlite3_column_int64(row, 1)};
    size_t n;
    batch.root = lite_blob(row, 2, &n);
    batch.sealed = lite_blob(row, 3, &batch.sealed_n);
    batch.receipt = lite_blob(row, 4, &batch.receipt_n);
    return batch;
}

int proof_store_batch(Spool *spool, int64_t stream, uint64_t first_sequence, ProofBatch *ret) {
    static const char FIND[] =
        "SELECT b.id, last_sequence, root, sealed, CASE WHEN acked_at IS NOT NULL THEN receipt END FROM batch b "
        "JOIN batch_bytes y ON y.batch = b.id LEFT JOIN receipt r ON r.batch = b.id "
        "WHERE stream = ?1 AND first_sequence = ?2";
    sqlite3_stmt *row;
    spool_hold(spool, NULL);
    int r = lite_query(spool_lite(spool), &row, FIND, "ii", stream, (int64_t)first_sequence);
    if (r < 0 || (r = lite_row(spool_lite(spool), row)) != 0)
        return r;
    spool_hold(spool, row);
    *ret = batch_row(row);
    return 0;
}

int proof_store_put(Spool *spool, int64_t batch, const uint8_t segment_hash[HASH_BYTES], const Bytes *proof) {
    static const char PUT[] = "INSERT OR REPLACE INTO proof (batch, segment_hash, proof) VALUES (?1, ?2, ?3)";
    return lite_run(spool_lite(spool), PUT, "ibb", batch, segment_hash, (size_t)HASH_BYTES, proof->data, proof->n);
}

int proof_store_received(Spool *spool, const SpoolStream *stream, uint64_t *ret) {
    static const char FIRST[] = "SELECT min(first_sequence) FROM batch WHERE stream = ?1 AND acked_at IS NULL";
    int64_t first;
    int r = lite_number(spool_lite(spool), FIRST, 0, &first, "i", stream->id);
    *ret = first > 0 ? (uint64_t)first - 1 : stream->last_sequence;
    return r;
}

int proof_store_unproved(Spool *spool, int64_t *ret) {
    static const char SOME[] = "SELECT EXISTS (SELECT 1 FROM batch b JOIN stream s ON s.id = b.stream "
                               "WHERE closed = 0 AND acked_at IS NOT NULL AND first_sequence > proven_sequence)";
    return lite_number(spool_lite(spool), SOME, 0, ret, "");
}

int proof_store_hopes(Spool *spool, int64_t us, int64_t *ret) {
    static const char HOPES[] =
        "SELECT EXISTS (SELECT 1 FROM proof_head) OR NOT (EXISTS (SELECT 1 FROM batch WHERE acked_at < ?1) "
        "OR EXISTS (SELECT 1 FROM stream WHERE proven_sequence > 0))";
    return lite_number(spool_lite(spool), HOPES, 0, ret, "i", us);
}

int proof_store_proved(Spool *spool, const SpoolStream *stream, uint64_t *ret) {
    static const char FIRST[] =
        "SELECT coalesce(min(first_sequence) - 1, ?3) FROM batch WHERE stream = ?1 AND first_sequence > ?2";
    int64_t upto = 0;
    int r = lite_number(spool_lite(spool), FIRST, 0, &upto, "iii", stream->id, (int64_t)stream->proven_sequence,
                        (int64_t)stream->last_sequence);
    *ret = (uint64_t)upto;
    return r;
}

int proof_store_proven(Spool *spool, int64_t stream, uint64_t sequence) {
    static const char SET[] = "UPDATE stream SET proven_sequence = ?2 WHERE id = ?1";
    return lite_run(spool_lite(spool), SET, "ii", stream, (int64_t)sequence);
}

int proof_store_head(Spool *spool, int64_t stream, const uint8_t **ret, size_t *ret_n) {
    static const char READ[] = "SELECT head FROM proof_head WHERE stream = ?1 ORDER BY epoch DESC LIMIT 1";
    sqlite3_stmt *row;
    spool_hold(spool, NULL);
    int r = lite_query(spool_lite(spool), &row, READ, "i", stream);
    if (r < 0 || (r = lite_row(spool_lite(spool), row)) != 0)
        return r;
    spool_hold(spool, row);
    *ret = lite_blob(row, 0, ret_n);
    return 0;
}

int proof_store_head_put(Spool *spool, int64_t stream, const Dongbo__TreeHead *head,
                         const Dongbo__SignedHead *signed_head) {
    static const char PUT[] = "INSERT OR REPLACE INTO proof_head (stream, epoch, number, head, signature) "
                              "VALUES (?1, ?2, ?3, ?4, ?5)";
    return lite_run(spool_lite(spool), PUT, "iiibb", stream, (int64_t)head->epoch, (int64_t)head->number,
                    signed_head->head.data, signed_head->head.len, signed_head->signature.data,
                    signed_head->signature.len);
}

int proof_store_false(Spool *spool, const ProofFalse *proof) {
    static const char ADD[] = "INSERT INTO false_proof (stream, first_sequence, why, said, at) "
                              "SELECT ?1, ?2, ?3, ?4, ?5 WHERE (SELECT count(*) FROM false_proof) < ?6";
    return lite_run(spool_lite(spool), ADD, "iitbii", proof->stream, (int64_t)proof->first_sequence, proof->why,
                    proof->said.data, proof->said.len, clock_now_us(spool_clock(spool)), (int64_t)PROOF_FALSE_MAX);
}

// ---- for who looks on ----------------------------------------------------------------------------------------------

static int read_state(Spool *spool, const char *kind, ProofState *ret) {
    static const char READ[] = "SELECT count(*), coalesce(min(acked_at), 0) FROM batch b WHERE stream = ?1 "
                               "AND acked_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM proof p WHERE p.batch = b.id)";
    sqlite3_stmt *row;
    int r = spool_stream(spool, kind, &ret->stream);
    if (r == 0)
        r = proof_store_received(spool, &ret->stream, &ret->received);
    if (r == 0)
        r = lite_query(spool_lite(spool), &row, READ, "i", ret->stream.id);
    if (r < 0 || (r = lite_row(spool_lite(spool), row)) != 0)
        return r;
    ret->unproven = sqlite3_column_int64(row, 0);
    ret->since_us = sqlite3_column_int64(row, 1);
    lite_end(row);
    return 0;
}

int proof_store_states(Spool *spool, ProofEachState each, void *self) {
    static const char THERE[] = "SELECT count(*) FROM stream WHERE kind = ?1 AND closed = 0";
    static const char *const KINDS[] = {"live", "bulk"};
    int r = 0;
    for (size_t i = 0; i < 2 && r == 0; i++) {
        ProofState state = {0};
        int64_t there = 0;
        r = lite_number(spool_lite(spool), THERE, 0, &there, "t", KINDS[i]);
        if (r < 0 || there == 0)
            continue;
        r = read_state(spool, KINDS[i], &state);
        if (r == 0)
            r = each(self, &state);
    }
    return r;
}

int proof_store_kept(Spool *spool, const SpoolStream *stream, uint64_t sequence, ProofKept *ret) {
    static const char FIND[] =
        "SELECT b.id, last_sequence, root, sealed, CASE WHEN acked_at IS NOT NULL THEN receipt END, proof FROM batch b "
        "JOIN batch_bytes y ON y.batch = b.id LEFT JOIN receipt r ON r.batch = b.id LEFT JOIN proof p ON p.batch = b.id "
        "WHERE stream = ?1 AND first_sequence <= ?2 AND last_sequence >= ?2";
    sqlite3_stmt *row;
    spool_hold(spool, NULL);
    int r = lite_query(spool_lite(spool), &row, FIND, "ii", stream->id, (int64_t)sequence);
    if (r < 0 || (r = lite_row(spool_lite(spool), row)) != 0)
        return r;
    spool_hold(spool, row);
    ret->batch = batch_row(row);
    ret->proof = lite_blob(row, 5, &ret->proof_n);
    return 0;
}

int proof_store_search(Spool *spool, const SpoolStream *stream, ProofEachBatch each, void *self) {
    static const char READ[] = "SELECT first_sequence, sealed FROM batch b JOIN batch_bytes y ON y.batch = b.id "
                               "WHERE stream = ?1 ORDER BY first_sequence DESC";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "i", stream->id);
    if (r < 0)
        return r;
    while ((r = lite_row(spool_lite(spool), row)) == 0) {
        size_t n;
        const uint8_t *sealed = lite_blob(row, 1, &n);
        r = each(self, (uint64_t)sqlite3_column_int64(row, 0), sealed, n);
        if (r != 0) {
            lite_end(row);
            return r < 0 ? r : 0;
        }
    }
    return r < 0 ? r : 0;
}

int proof_store_falses(Spool *spool, ProofEachFalse each, void *self) {
    static const char READ[] = "SELECT stream, first_sequence, why, said, at FROM false_proof ORDER BY id";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "");
    if (r < 0)
        return r;
    while ((r = lite_row(spool_lite(spool), row)) == 0) {
        ProofFalse proof = {.stream = sqlite3_column_int64(row, 0),
                            .first_sequence = (uint64_t)sqlite3_column_int64(row, 1),
                            .why = lite_text(row, 2)};
        proof.said.data = (uint8_t *)lite_blob(row, 3, &proof.said.len);
        r = each(self, &proof, sqlite3_column_int64(row, 4));
        if (r < 0) {
            lite_end(row);
            return r;
        }
    }
    return r < 0 ? r : 0;
}
