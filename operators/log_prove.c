// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log prove` writes a proof that an entry is in the log as it says; `dongbo log check` holds proofs against
// public keys, offline. A proof tells nothing of anybody unless the event itself is asked for, which is noted.
#include "operators/commands.h"
#include "operators/log_proof.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/domain.h"

#include <inttypes.h>
#include <string.h>

static const char NOTES[] =
    "Exit code 1: the log is broken where it was read: a segment that the proof needs cannot be read as it is stored, or\n"
    "does not give what was signed. Nothing is written then.\n";

typedef struct Prove {
    const char *event, *out;
    long long position;
    bool with_event;
    LogPathMaker maker;
    PGresult *head_rows, *batch_rows;
} Prove;

static void prove_free(Prove *prove) {
    PQclear(prove->head_rows);
    PQclear(prove->batch_rows);
    merkle_destroy(&prove->maker.merkle);
    arena_destroy(&prove->maker.arena);
}

// ---- which entry -------------------------------------------------------------------------------------------------

static const PgStatement PAYLOADS = {
    "prove_payloads",
    "SELECT first_position, format, payload FROM exchange.segment WHERE first_position < $1 AND kind = 1 AND payload IS "
    "NOT NULL ORDER BY first_position DESC LIMIT 64",
    1, NULL};

static int find_in(Prove *prove, const PGresult *rows, int row, const uint8_t id[EVENT_ID_BYTES]) {
    ArenaMark mark = arena_mark(prove->maker.arena);
    Dongbo__SegmentPayload *payload = NULL;
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(rows, row, 2, &n);
    if (segment_decode_payload(bytes, n, pg_i16(rows, row, 1), prove->maker.arena, &payload) != 0)
        return error_fail(ERROR_DATABASE, "the log's segment at position %" PRId64 " cannot be read",
                          pg_i64(rows, row, 0));
    for (size_t i = 0; i < payload->n_entries; i++) {
        const Dongbo__Entry *entry = payload->entries[i];
        if (entry->event_id.len == EVENT_ID_BYTES && memcmp(entry->event_id.data, id, EVENT_ID_BYTES) == 0)
            prove->position = pg_i64(rows, row, 0) + (int64_t)i;
    }
    arena_rewind(prove->maker.arena, &mark);
    return 0;
}

// There is no index by events: from the newest on.
static int find_event(Prove *prove) {
    uint8_t id[EVENT_ID_BYTES];
    int64_t before = INT64_MAX;
    if (hex_decode(prove->event, id, EVENT_ID_BYTES) != 0)
        return error_fail(ERROR_CONFIG,
                          "--event is an event's id of 32 hexadecimal digits, as dongbo log tail shows it");
    while (prove->position == 0) {
        RESULT rows = NULL;
        PgParams params = {0};
        pg_param_i64(&params, before);
        int r = pg_run(prove->maker.exchange, &PAYLOADS, &params, &rows);
        pg_params_free(&params);
        for (int row = 0; r == 0 && row < PQntuples(rows) && prove->position == 0; row++) {
            r = find_in(prove, rows, row, id);
            before = pg_i64(rows, row, 0);
        }
        if (r < 0)
            return r;
        if (PQntuples(rows) == 0)
            return error_fail(ERROR_CONFIG, "the log holds no event %s, or its content is gone: name its --position",
                              prove->event);
    }
    return 0;
}

// ---- the proof ---------------------------------------------------------------------------------------------------

static int prove_event(Prove *prove, const Dongbo__SegmentSummary *summary, size_t index, Dongbo__EntryProof *proof) {
    uint8_t(*events)[HASH_BYTES] = arena_alloc(prove->maker.arena, (summary->n_lines + 1) * sizeof *events);
    ProofPath path;
    if (events == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    for (size_t i = 0; i < summary->n_lines; i++) {
        if (summary->lines[i]->leaf.len != HASH_BYTES)
            return 0;
        memcpy(events[i], summary->lines[i]->leaf.data, HASH_BYTES);
    }
    proof_path(prove->maker.merkle, (const uint8_t(*)[HASH_BYTES])events, summary->n_lines, index, &path);
    return log_path_put(prove->maker.arena, &path, &proof->event_path, &proof->n_event_path);
}

// Within the segment: to the root over its entries, and to its batch's.
static int prove_within(Prove *prove, const Dongbo__SegmentSummary *summary, Dongbo__EntryProof *proof) {
    size_t index = (size_t)(proof->position - proof->segment->first_position);
    int r = log_path_entry(&prove->maker, summary, index, proof);
    if (r == 1)
        return error_fail(ERROR_CONFIG, "this entry was stored before single entries could be proved: export its "
                                        "segment with dongbo log export");
    if (r < 0 || proof->segment->kind != DONGBO__ENTRY_KIND__ENTRY_EVENT)
        return r;
    return prove_event(prove, summary, index, proof);
}

static const PgStatement BATCH = {"prove_batch", "SELECT batch FROM exchange.segment WHERE first_position = $1", 1,
                                  NULL};
static const PgStatement NOTE = {"prove_note", "SELECT exchange.note_unmasking('log prove --with-event', '', $1)", 1,
                                 NULL};

// With the event, whoever has the proof knows whom it is about: so that is noted, before it is read.
static int add_event(const Desk *desk, Prove *prove, Dongbo__EntryProof *proof) {
    PgParams params = {0};
    pg_param_text(&params, desk->why ? desk->why : "");
    int r = pg_run(prove->maker.exchange, &NOTE, &params, NULL);
    pg_params_clear(&params);
    pg_param_i64(&params, (int64_t)proof->segment->first_position);
    if (r == 0)
        r = pg_run(prove->maker.exchange, &BATCH, &params, &prove->batch_rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    size_t n = 0, index = (size_t)(proof->position - proof->segment->first_position);
    const uint8_t *bytes = PQntuples(prove->batch_rows) > 0 ? pg_bytes(prove->batch_rows, 0, 0, &n) : NULL;
    uint64_t n_events = proof->segment->last_position - proof->segment->first_position + 1;
    const Dongbo__SealedBatch *batch = segment_decode_batch(bytes, n, n_events, prove->maker.arena);
    if (batch == NULL || batch->salts.len != n_events * SALT_BYTES || batch->events[index].len == 0)
        return error_fail(ERROR_CONFIG, "the event is no longer kept, or there never was one: prove it without "
                                        "--with-event");
    proof->salt = (ProtobufCBinaryData){.data = batch->salts.data + index * SALT_BYTES, .len = SALT_BYTES};
    proof->event = batch->events[index];
    return 0;
}

static int prove_segment(Prove *prove, Dongbo__EntryProof *proof) {
    ProofRange ranges[PROOF_MAX];
    const Dongbo__TreeHead *tree = NULL;
    int r = log_proof_head(prove->maker.exchange, 0, &prove->head_rows, proof->head);
    if (r < 0)
        return r;
    if (r == 0)
        r = log_proof_tree(proof->head, prove->maker.arena, &tree);
    if (r < 0)
        return r;
    if (r > 0 || tree->size <= proof->segment->leaf_index)
        return error_fail(ERROR_CONFIG,
                          "no signed head covers position %" PRIu64 " yet: try again in a moment, with a "
                          "broker running",
                          proof->position);
    proof->n_segment_path = proof_inclusion(proof->segment->leaf_index, tree->size, ranges);
    return log_path_make(&prove->maker, ranges, proof->n_segment_path, &proof->segment_path);
}

static int make(const Desk *desk, Prove *prove, Dongbo__EntryProof *proof) {
    Dongbo__SegmentSummary *summary = NULL;
    proof->position = (uint64_t)prove->position;
    int r = log_path_find(&prove->maker, proof->position, proof->segment, &summary);
    if (r > 0)
        return error_fail(ERROR_CONFIG, "the log has no position %lld", prove->position);
    if (r < 0)
        return r;
    if (summary->n_lines != proof->segment->last_position - proof->segment->first_position + 1)
        return error_fail(ERROR_DATABASE,
                          "the segment at position %" PRIu64 " lacks lines: dongbo log verify says more",
                          proof->segment->first_position);
    *proof->line = *summary->lines[proof->position - proof->segment->first_position];
    proof->line->citizen_masked = (char *)"";
    r = prove_within(prove, summary, proof);
    if (r == 0)
        r = prove_segment(prove, proof);
    return r < 0 || !prove->with_event ? r : add_event(desk, prove, proof);
}

// Checked before it is handed out.
static int write_proof(Prove *prove, Dongbo__EntryProof *entry) {
    Dongbo__Proof proof = DONGBO__PROOF__INIT;
    LogProofCheck check;
    proof.what_case = DONGBO__PROOF__WHAT_ENTRY;
    proof.entry = entry;
    int r = log_proof_check(&proof, &(LogProofKeys){0}, prove->maker.arena, &check);
    if (r == 0 && check.wrong != NULL)
        r = error_fail(ERROR_DATABASE,
                       "the log does not hold what was signed: %s. dongbo log verify says where it breaks",
                       check.wrong);
    return r < 0 ? r : log_proof_write(prove->out, &proof);
}

int log_prove_run(Desk *desk, int argc, char **argv) {
    CLEANUP(prove_free) Prove prove = {0};
    int operand = 0;
    const Option options[] = {
        {"position", 0, OPTION_INT, "POSITION", "of the entry, as receipts and log tail name it", &prove.position},
        {"event", 0, OPTION_TEXT, "ID", "or the event with this id: looked for from the log's end", &prove.event},
        {"with-event", 0, OPTION_FLAG, NULL, "with the event itself, as its agency signed it; this is noted",
         &prove.with_event},
        {"out", 'o', OPTION_TEXT, "FILE", "where to; default: standard output", &prove.out},
        DESK_WHY(desk),
        {0}};
    Dongbo__EntryProof proof = DONGBO__ENTRY_PROOF__INIT;
    Dongbo__LogSegment segment = DONGBO__LOG_SEGMENT__INIT;
    Dongbo__SummaryLine line = DONGBO__SUMMARY_LINE__INIT;
    Dongbo__SignedHead head = DONGBO__SIGNED_HEAD__INIT;
    proof.segment = &segment;
    proof.line = &line;
    proof.head = &head;
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if ((prove.event != NULL) == (prove.position != 0) || prove.position < 0)
        return error_fail(ERROR_CONFIG, "log prove needs either --position, from 1, or --event");
    if (prove.out == NULL)
        prove.out = "-";
    r = prove.with_event ? why_find(desk) : 0;
    if (r == 0)
        r = desk_exchange(desk, &prove.maker.exchange);
    if (r == 0)
        r = arena_new(&prove.maker.arena, 4 * BATCH_ARENA_BYTES);
    if (r == 0)
        r = merkle_new(&prove.maker.merkle);
    if (r == 0 && prove.event != NULL)
        r = find_event(&prove);
    if (r == 0)
        r = make(desk, &prove, &proof);
    return log_proof_end(prove.maker.exchange, r < 0 ? r : write_proof(&prove, &proof));
}
