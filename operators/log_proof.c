// SPDX-License-Identifier: Apache-2.0
//
// Rows are believed as little here as anywhere: whoever makes a proof checks it before it is handed out.
#include "operators/log_proof.h"

#include "broker/log_row.h"
#include "operators/output.h"
#include "operators/result.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/check.h"
#include "proto/head.h"
#include "proto/inclusion.h"
#include "proto/origin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// ---- heads -------------------------------------------------------------------------------------------------------

static const PgStatement HEAD = {
    "proof_head",
    "SELECT head, signature FROM exchange.signed_head WHERE number = CASE WHEN $1::bigint = 0 "
    "THEN (SELECT max(number) FROM exchange.signed_head) ELSE $1 END",
    1, NULL};

int log_proof_head(Pg *exchange, int64_t number, PGresult **ret_rows, Dongbo__SignedHead *ret) {
    PgParams params = {0};
    pg_param_i64(&params, number);
    int r = pg_run(exchange, &HEAD, &params, ret_rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    dongbo__signed_head__init(ret);
    if (PQntuples(*ret_rows) == 0)
        return 1;
    ret->head = log_row_bytes(*ret_rows, 0, 0);
    ret->signature = log_row_bytes(*ret_rows, 0, 1);
    return 0;
}

int log_proof_tree(const Dongbo__SignedHead *head, Arena *arena, const Dongbo__TreeHead **ret) {
    if (head_read(head->head.data, head->head.len, arena, ret) != 0)
        return error_fail(ERROR_DATABASE, "a stored signed head cannot be read");
    return 0;
}

int log_proof_end(const Pg *exchange, int r) {
    if (r != ERROR_DATABASE || exchange == NULL || pg_sqlstate(exchange)[0] != 0)
        return r;
    log_error("%s", error_text());
    return 1;
}

// ---- files -------------------------------------------------------------------------------------------------------

int log_proof_write(const char *path, const Dongbo__Proof *proof) {
    static const char *const NO_INPUTS[] = {NULL};
    CLEANUP(bytes_free) Bytes bytes = {0};
    FILE *file = stdout;
    bytes_append_text(&bytes, PROOF_MAGIC);
    bytes_append_message(&bytes, &proof->base);
    if (bytes.failed)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    int r = strcmp(path, "-") == 0 ? 0 : output_open(&file, path, NO_INPUTS);
    if (r < 0)
        return r;
    bool written = fwrite(bytes.data, 1, bytes.n, file) == bytes.n;
    written = (file == stdout ? fflush(file) : fclose(file)) == 0 && written;
    return written ? 0 : error_fail(ERROR_SYSTEM, "%s: %m", path);
}

static int read_file(const char *path, Bytes *ret) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL)
        return error_fail(ERROR_CONFIG, "%s: %m", path);
    uint8_t *at = bytes_reserve(ret, LOG_PROOF_BYTES_MAX + 1);
    ret->n = at != NULL ? fread(at, 1, LOG_PROOF_BYTES_MAX + 1, file) : 0;
    bool failed = ferror(file) != 0;
    if (file != stdin)
        fclose(file);
    if (at == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a proof");
    return failed ? error_fail(ERROR_CONFIG, "%s: %m", path) : 0;
}

int log_proof_parse(const uint8_t *data, size_t n, Arena *arena, const Dongbo__Proof **ret) {
    static const size_t MAGIC = sizeof PROOF_MAGIC - 1;
    if (n > LOG_PROOF_BYTES_MAX || n < MAGIC || memcmp(data, PROOF_MAGIC, MAGIC) != 0 ||
        check_message(&dongbo__proof__descriptor, &CHECK_WIRE, data + MAGIC, n - MAGIC, NULL) != 0)
        return 1;
    *ret = dongbo__proof__unpack(arena_protobuf(arena), n - MAGIC, data + MAGIC);
    return *ret == NULL ? 1 : 0;
}

int log_proof_read(const char *path, Arena *arena, const Dongbo__Proof **ret) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    int r = read_file(path, &bytes);
    if (r < 0)
        return r;
    error_fail(ERROR_CONFIG, "%s is no proof, or it was cut", path);
    return log_proof_parse(bytes.data, bytes.n, arena, ret);
}

// ---- checking ----------------------------------------------------------------------------------------------------

typedef struct Checking {
    const LogProofKeys *keys;
    Arena *arena;
    Merkle *merkle;
} Checking;

static const char *who_of(const Checking *checking, size_t i) {
    return checking->keys->who ? checking->keys->who[i] : "";
}

// What the exchange signs is signed by no agency, and the other way round, where it is known whose a key is.
static bool may_sign(const Checking *checking, size_t i, bool batches) {
    const char *who = who_of(checking, i);
    return *who == 0 || (strcmp(who, LOG_PROOF_EXCHANGE) != 0) == batches;
}

static int verifier_of(const Checking *checking, const char *key_id, bool batches, Verifier **ret) {
    for (size_t i = 0; i < checking->keys->n; i++) {
        char id[KEY_ID_TEXT_BYTES];
        keys_id(checking->keys->keys[i], id);
        if (strcmp(id, key_id) == 0 && may_sign(checking, i, batches))
            return verifier_new(ret, checking->keys->keys[i]);
    }
    return 0;
}

// Of several that were given for the key, the first that says whose it is.
static const char *agency_of(const Checking *checking, const char *key_id) {
    for (size_t i = 0; i < checking->keys->n; i++) {
        char id[KEY_ID_TEXT_BYTES];
        keys_id(checking->keys->keys[i], id);
        if (strcmp(id, key_id) == 0 && *who_of(checking, i) && may_sign(checking, i, true))
            return who_of(checking, i);
    }
    return "";
}

static int check_head(const Checking *checking, const Dongbo__SignedHead *head, const Dongbo__TreeHead **ret_tree,
                      char key_id[KEY_ID_TEXT_BYTES], LogProofSignature *ret) {
    *ret = LOG_PROOF_BAD;
    if (head == NULL || head_read(head->head.data, head->head.len, checking->arena, ret_tree) != 0)
        return 1;
    memcpy(key_id, (*ret_tree)->key_id, KEY_ID_TEXT_BYTES);
    CLEANUP(verifier_destroy) Verifier *verifier = NULL;
    int r = verifier_of(checking, key_id, false, &verifier);
    if (r < 0)
        return r;
    *ret = LOG_PROOF_NO_KEY;
    if (verifier == NULL)
        return 0;
    r = head_open(head, verifier, checking->arena, ret_tree);
    *ret = r == 0 ? LOG_PROOF_GOOD : LOG_PROOF_BAD;
    return r < 0 ? r : 0;
}

// What the agency signed, and that the segment says the same. NULL: it fits.
static const char *check_header(const Dongbo__LogSegment *segment, const Dongbo__BatchHeader *header) {
    if (header->stream.len != STREAM_BYTES || segment->stream.len != STREAM_BYTES ||
        memcmp(header->stream.data, segment->stream.data, STREAM_BYTES) != 0 ||
        header->first_sequence != segment->first_sequence ||
        header->first_sequence + header->count - 1 != segment->last_sequence ||
        segment->last_position - segment->first_position + 1 != header->count)
        return "the batch's header is of another range than the segment";
    if (header->root.len != HASH_BYTES || segment->batch_root.len != HASH_BYTES ||
        memcmp(header->root.data, segment->batch_root.data, HASH_BYTES) != 0)
        return "the batch's header has another root than the segment";
    return NULL;
}

static int check_agency(const Checking *checking, const Dongbo__EntryProof *entry, const Dongbo__SealedBatch *origin,
                        LogProofCheck *ret) {
    ret->agency = LOG_PROOF_NONE;
    if (origin == NULL)
        return 0;
    const Dongbo__BatchHeader *header =
        dongbo__batch_header__unpack(arena_protobuf(checking->arena), origin->header.len, origin->header.data);
    ret->wrong = header == NULL ? "the batch's header cannot be read" : check_header(entry->segment, header);
    if (ret->wrong != NULL)
        return 0;
    snprintf(ret->agency_key, sizeof ret->agency_key, "%s", header->key_id);
    CLEANUP(verifier_destroy) Verifier *verifier = NULL;
    int r = verifier_of(checking, ret->agency_key, true, &verifier);
    ret->agency = LOG_PROOF_NO_KEY;
    if (r < 0 || verifier == NULL)
        return r;
    r = verifier_check(verifier, "dongbo batch 1", origin->header.data, origin->header.len, origin->signature.data);
    ret->agency = r == 0 ? LOG_PROOF_GOOD : LOG_PROOF_BAD;
    return r < 0 ? r : 0;
}

// An event is an entry of its agency's batch, in its place; any other entry is none. Only of what could not be read
// there is no leaf.
static const char *check_line(const Dongbo__EntryProof *entry, const Dongbo__SealedBatch *origin) {
    const Dongbo__LogSegment *segment = entry->segment;
    const Dongbo__SummaryLine *line = entry->line;
    bool of_batch = segment->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT;
    if ((line->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT) != of_batch ||
        (of_batch && line->sequence != segment->first_sequence + (entry->position - segment->first_position)))
        return "the entry is none of its segment";
    if (of_batch && origin == NULL)
        return "no agency signed the batch of this event";
    bool unread = line->n_reasons == 1 && line->reasons[0]->code == DONGBO__REASON_CODE__BATCH_UNREADABLE &&
                  line->verdict == DONGBO__VERDICT__REJECTED;
    return of_batch && !unread && line->leaf.len != HASH_BYTES ? "the event is not one of the batch" : NULL;
}

static const char *check_event(const Checking *checking, const Dongbo__EntryProof *entry, LogProofCheck *ret) {
    const Dongbo__LogSegment *segment = entry->segment;
    ProofPlace place = {entry->position - segment->first_position,
                        segment->last_position - segment->first_position + 1};
    ProofPath path;
    uint8_t hash[HASH_BYTES];
    bool has_leaf = entry->line->leaf.len == HASH_BYTES;
    if (has_leaf && segment->batch_root.len == HASH_BYTES) {
        if (proof_path_read(entry->event_path, entry->n_event_path, &path) != 0 ||
            proof_root(checking->merkle, place, entry->line->leaf.data, &path, hash) != 0 ||
            memcmp(hash, segment->batch_root.data, HASH_BYTES) != 0)
            return "the event is not one of the batch";
    }
    if (entry->event.len == 0)
        return NULL;
    if (!has_leaf || entry->salt.len != SALT_BYTES)
        return "there is no leaf, or no salt, to hold the event against";
    merkle_salted_leaf(checking->merkle, entry->salt.data, entry->event.data, entry->event.len, hash);
    ret->has_content = true;
    return memcmp(hash, entry->line->leaf.data, HASH_BYTES) == 0 ? NULL : "the event is not the one that was signed";
}

static const char *check_segment(const Checking *checking, const Dongbo__EntryProof *entry,
                                 const Dongbo__SealedBatch *origin, const Dongbo__TreeHead *tree) {
    const Dongbo__LogSegment *row = entry->segment;
    ProofPlace place = {entry->position - row->first_position, row->last_position - row->first_position + 1};
    ProofPath path;
    uint8_t leaf[HASH_BYTES], root[HASH_BYTES];
    if (row->format != SEGMENT_FORMAT || row->kind > UINT8_MAX || entry->position < row->first_position ||
        entry->position > row->last_position)
        return "the segment does not hold the entry";
    if (segment_entry_leaf(checking->merkle, entry->line, leaf) != 0 || entry->line->citizen_masked[0] != 0 ||
        proof_path_read(entry->entry_path, entry->n_entry_path, &path) != 0 ||
        proof_root(checking->merkle, place, leaf, &path, root) != 0)
        return "the entry's line, or its path, is none";
    Segment segment;
    SegmentHead head = {0};
    log_path_segment(row, origin, &segment);
    segment_chain(&segment, root, checking->merkle, &head);
    if (proof_path_read(entry->segment_path, entry->n_segment_path, &path) != 0 ||
        proof_root(checking->merkle, (ProofPlace){row->leaf_index, tree->size}, head.leaf, &path, root) != 0 ||
        memcmp(root, tree->root.data, HASH_BYTES) != 0)
        return "the entry is not in the log of the signed head";
    return NULL;
}

static int check_entry(const Checking *checking, const Dongbo__EntryProof *entry, LogProofCheck *ret) {
    if (entry->segment == NULL || entry->line == NULL) {
        ret->wrong = "there is no segment, or no line";
        return 0;
    }
    int r = check_head(checking, entry->head, &ret->tree, ret->head_key, &ret->head);
    if (r != 0) {
        ret->wrong = "the signed head cannot be read";
        return r < 0 ? r : 0;
    }
    const Dongbo__SealedBatch *origin = log_path_origin(entry->segment, checking->arena);
    ret->wrong = check_segment(checking, entry, origin, ret->tree);
    if (ret->wrong == NULL)
        ret->wrong = check_line(entry, origin);
    if (ret->wrong == NULL)
        r = check_agency(checking, entry, origin, ret);
    if (r == 0 && ret->wrong == NULL)
        ret->wrong = check_event(checking, entry, ret);
    return r;
}

// By the agency's signature alone: there is no head.
static int check_alone(const Checking *checking, const Dongbo__EventProof *proof, LogProofCheck *ret) {
    OriginBatch batch;
    ret->agency = ret->head = LOG_PROOF_NONE;
    if (proof->proof == NULL) {
        ret->wrong = "there is no event";
        return 0;
    }
    int r = origin_read_batch(proof->batch, checking->arena, &batch);
    if (r != 0) {
        ret->wrong = "the batch's header, or its signature, cannot be read";
        return r < 0 ? r : 0;
    }
    ret->batch = batch.header;
    ret->has_content = proof->proof->event.len > 0;
    ret->wrong = origin_check(checking->merkle, &batch, proof->proof);
    snprintf(ret->agency_key, sizeof ret->agency_key, "%s", batch.header->key_id);
    CLEANUP(verifier_destroy) Verifier *verifier = NULL;
    r = verifier_of(checking, ret->agency_key, true, &verifier);
    ret->agency = LOG_PROOF_NO_KEY;
    if (r < 0 || verifier == NULL)
        return r;
    r = origin_check_signature(&batch, verifier);
    ret->agency = r == 0 ? LOG_PROOF_GOOD : LOG_PROOF_BAD;
    return r < 0 ? r : 0;
}

static int check_consistency(const Checking *checking, const Dongbo__ConsistencyProof *proof, LogProofCheck *ret) {
    ProofPath path;
    ret->agency = LOG_PROOF_NONE;
    int r = check_head(checking, proof->older, &ret->older_tree, ret->older_key, &ret->older);
    if (r == 0)
        r = check_head(checking, proof->newer, &ret->tree, ret->head_key, &ret->head);
    if (r != 0) {
        ret->wrong = "a signed head cannot be read";
        return r < 0 ? r : 0;
    }
    const Dongbo__TreeHead *older = ret->older_tree, *newer = ret->tree;
    if (proof_path_read(proof->path, proof->n_path, &path) != 0 ||
        proof_check_consistency(checking->merkle, (ProofTree){older->size, older->root.data},
                                (ProofTree){newer->size, newer->root.data}, &path) != 0)
        ret->wrong = "the newer head's log does not begin with the older one's";
    return 0;
}

// ---- of a batch, by its agent ------------------------------------------------------------------------------------

// By any of the keys: a receipt does not say by which.
static int check_receipt(const Checking *checking, const Dongbo__InclusionProof *inclusion,
                         const uint8_t hash[HASH_BYTES], LogProofCheck *ret) {
    ProtobufCBinaryData bytes = inclusion->receipt;
    if (bytes.len == 0)
        return 0;
    const Dongbo__ReceiptBody *body =
        dongbo__receipt_body__unpack(arena_protobuf(checking->arena), bytes.len, bytes.data);
    if (body == NULL || body->first_sequence != inclusion->proof->first_sequence ||
        body->last_sequence != inclusion->proof->last_sequence || body->segment_hash.len != HASH_BYTES ||
        memcmp(body->segment_hash.data, hash, HASH_BYTES) != 0) {
        ret->wrong = "the receipt is of another batch, or names another segment";
        return 0;
    }
    ret->receipt = LOG_PROOF_NO_KEY;
    for (size_t i = 0; i < checking->keys->n && inclusion->receipt_signature.len == SIGNATURE_BYTES; i++) {
        if (!may_sign(checking, i, false))
            continue;
        CLEANUP(verifier_destroy) Verifier *verifier = NULL;
        int r = verifier_new(&verifier, checking->keys->keys[i]);
        if (r == 0)
            r = verifier_check(verifier, "dongbo receipt 1", bytes.data, bytes.len, inclusion->receipt_signature.data);
        if (r < 0)
            return r;
        if (r == 0)
            ret->receipt = LOG_PROOF_GOOD;
    }
    return 0;
}

static const char *check_batch_event(const Checking *checking, const Dongbo__InclusionProof *inclusion,
                                     const Dongbo__BatchHeader *header, LogProofCheck *ret) {
    ProofPath path;
    uint8_t leaf[HASH_BYTES], root[HASH_BYTES];
    if (inclusion->event.len == 0)
        return NULL;
    if (inclusion->salt.len != SALT_BYTES || inclusion->sequence < header->first_sequence ||
        proof_path_read(inclusion->event_path, inclusion->n_event_path, &path) != 0)
        return "there is no salt, or no path, to hold the event against";
    merkle_salted_leaf(checking->merkle, inclusion->salt.data, inclusion->event.data, inclusion->event.len, leaf);
    ProofPlace place = {inclusion->sequence - header->first_sequence, header->count};
    ret->has_content = true;
    return proof_root(checking->merkle, place, leaf, &path, root) == 0 &&
                   memcmp(root, header->root.data, HASH_BYTES) == 0
               ? NULL
               : "the event is not one of the batch";
}

static int check_origin(const Checking *checking, const OriginBatch *origin, LogProofCheck *ret) {
    CLEANUP(verifier_destroy) Verifier *verifier = NULL;
    snprintf(ret->agency_key, sizeof ret->agency_key, "%s", origin->header->key_id);
    int r = verifier_of(checking, ret->agency_key, true, &verifier);
    ret->agency = LOG_PROOF_NO_KEY;
    if (r < 0 || verifier == NULL)
        return r;
    r = origin_check_signature(origin, verifier);
    ret->agency = r == 0 ? LOG_PROOF_GOOD : LOG_PROOF_BAD;
    return r < 0 ? r : 0;
}

static int check_inclusion(const Checking *checking, const Dongbo__InclusionProof *inclusion, LogProofCheck *ret) {
    OriginBatch origin;
    uint8_t hash[HASH_BYTES];
    int r = check_head(checking, inclusion->head, &ret->tree, ret->head_key, &ret->head);
    if (r == 0)
        r = inclusion->proof == NULL ? 1 : origin_read_batch(inclusion->origin, checking->arena, &origin);
    if (r != 0) {
        ret->wrong = "the signed head, or what the agency signed, cannot be read";
        return r < 0 ? r : 0;
    }
    const Dongbo__BatchHeader *header = origin.header;
    InclusionBatch batch = {.stream = header->stream.data,
                            .root = header->root.data,
                            .first_sequence = header->first_sequence,
                            .last_sequence = header->first_sequence + header->count - 1,
                            .header = origin.header_bytes,
                            .signature = origin.signature.data};
    ret->wrong = inclusion_check(checking->merkle, inclusion->proof, &batch, ret->tree, hash);
    if (ret->wrong == NULL)
        ret->wrong = check_batch_event(checking, inclusion, header, ret);
    if (ret->wrong == NULL)
        r = check_receipt(checking, inclusion, hash, ret);
    return r < 0 || ret->wrong != NULL ? r : check_origin(checking, &origin, ret);
}

int log_proof_check(const Dongbo__Proof *proof, const LogProofKeys *keys, Arena *arena, LogProofCheck *ret) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    *ret =
        (LogProofCheck){.agency_who = "", .agency = LOG_PROOF_NONE, .older = LOG_PROOF_NONE, .receipt = LOG_PROOF_NONE};
    int r = merkle_new(&merkle);
    if (r < 0)
        return r;
    Checking checking = {.keys = keys, .arena = arena, .merkle = merkle};
    if (proof->what_case == DONGBO__PROOF__WHAT_ENTRY)
        r = check_entry(&checking, proof->entry, ret);
    else if (proof->what_case == DONGBO__PROOF__WHAT_CONSISTENCY)
        r = check_consistency(&checking, proof->consistency, ret);
    else if (proof->what_case == DONGBO__PROOF__WHAT_EVENT)
        r = check_alone(&checking, proof->event, ret);
    else if (proof->what_case == DONGBO__PROOF__WHAT_INCLUSION)
        r = check_inclusion(&checking, proof->inclusion, ret);
    else
        ret->wrong = "it proves nothing that this program knows";
    if (r == 0 && ret->wrong == NULL &&
        (ret->head == LOG_PROOF_BAD || ret->older == LOG_PROOF_BAD || ret->agency == LOG_PROOF_BAD))
        ret->wrong = "a signature is not good";
    ret->agency_who = agency_of(&checking, ret->agency_key);
    // It is given for heads, which whoever has it makes: what it says of an agency is its own word.
    if (r == 0 && ret->wrong == NULL && *ret->agency_key && strcmp(ret->agency_key, ret->head_key) == 0)
        ret->wrong = "the batch is signed with the exchange's own key";
    return r;
}

bool log_proof_is_good(const LogProofCheck *check) {
    bool alone = check->batch != NULL;
    return check->wrong == NULL && check->head == (alone ? LOG_PROOF_NONE : LOG_PROOF_GOOD) &&
           (check->older == LOG_PROOF_GOOD || check->older == LOG_PROOF_NONE) &&
           (check->agency == LOG_PROOF_GOOD || (check->agency == LOG_PROOF_NONE && !alone)) &&
           (check->receipt == LOG_PROOF_GOOD || check->receipt == LOG_PROOF_NONE);
}
