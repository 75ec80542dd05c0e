// SPDX-License-Identifier: Apache-2.0
//
// Nothing that the exchange tells of a batch is taken from it where the agency knows it itself.
#include "proto/inclusion.h"

#include "proto/base/bytes.h"

#include <string.h>

static const uint8_t ZEROS[HASH_BYTES];

static void hash_number(Merkle *merkle, size_t n, uint64_t number) {
    uint8_t bytes[8];
    bytes_put_number(bytes, n, number);
    merkle_add(merkle, bytes, n);
}

static const uint8_t *or_zeros(const uint8_t *bytes) {
    return bytes != NULL ? bytes : ZEROS;
}

static void hash_origin(Merkle *merkle, const InclusionRow *row, uint8_t out[HASH_BYTES]) {
    if (row->signature == NULL) {
        memcpy(out, ZEROS, HASH_BYTES);
        return;
    }
    merkle_begin(merkle);
    merkle_add(merkle, row->header.data, row->header.len);
    merkle_add(merkle, row->signature, SIGNATURE_BYTES);
    merkle_end(merkle, out);
}

// ---- a line and a segment ------------------------------------------------------------------------------------------

static void hash_said(Merkle *merkle, const Dongbo__SummaryLine *line, uint8_t out[HASH_BYTES]) {
    static const char NAME[] = "dongbo said 1"; // its 0 included
    if (line->decided_by[0] == 0 && line->text[0] == 0) {
        memcpy(out, line->said.len == HASH_BYTES ? line->said.data : ZEROS, HASH_BYTES);
        return;
    }
    merkle_begin(merkle);
    merkle_add(merkle, NAME, sizeof NAME);
    merkle_add(merkle, line->decided_by, strlen(line->decided_by) + 1);
    merkle_add(merkle, line->text, strlen(line->text));
    merkle_end(merkle, out);
}

static bool is_hash_or_none(ProtobufCBinaryData bytes) {
    return bytes.len == 0 || bytes.len == HASH_BYTES;
}

// What is hashed holds all of it.
static bool line_fits(const Dongbo__SummaryLine *line) {
    if ((uint32_t)line->kind > UINT8_MAX || (uint32_t)line->domain > UINT8_MAX || (uint32_t)line->verdict > UINT8_MAX ||
        line->n_reasons > REASONS_MAX || !is_hash_or_none(line->leaf) || line->commitment.len != HASH_BYTES ||
        !is_hash_or_none(line->said))
        return false;
    for (size_t i = 0; i < line->n_reasons; i++) {
        const Dongbo__Reason *reason = line->reasons[i];
        if ((uint32_t)reason->code > UINT16_MAX || strlen(reason->field) > UINT8_MAX || reason->expected[0] != 0)
            return false;
    }
    return true;
}

int inclusion_line(Merkle *merkle, const Dongbo__SummaryLine *line, uint8_t out[HASH_BYTES]) {
    if (!line_fits(line))
        return 1;
    uint8_t fixed[1 + 3 + 8 + 3 * HASH_BYTES + 1] = {0, (uint8_t)line->kind, (uint8_t)line->domain,
                                                     (uint8_t)line->verdict};
    uint8_t *hashes = fixed + 12;
    bytes_put_number(fixed + 4, 8, line->sequence);
    memcpy(hashes, line->leaf.len != 0 ? line->leaf.data : ZEROS, HASH_BYTES);
    memcpy(hashes + HASH_BYTES, line->commitment.data, HASH_BYTES);
    hash_said(merkle, line, hashes + 2 * HASH_BYTES);
    fixed[sizeof fixed - 1] = (uint8_t)line->n_reasons;
    merkle_begin(merkle);
    merkle_add(merkle, fixed, sizeof fixed);
    for (size_t i = 0; i < line->n_reasons; i++) {
        const char *field = line->reasons[i]->field;
        uint8_t code[3];
        bytes_put_number(code, 2, (uint64_t)line->reasons[i]->code);
        code[2] = (uint8_t)strlen(field);
        merkle_add(merkle, code, sizeof code);
        merkle_add(merkle, field, code[2]);
    }
    merkle_end(merkle, out);
    return 0;
}

void inclusion_leaf(Merkle *merkle, const InclusionRow *row, const uint8_t entries_root[HASH_BYTES],
                    uint8_t out[HASH_BYTES]) {
    static const char NAME[] = "\0dongbo segment 2"; // the leaf's prefix, and its own 0 included
    uint8_t origin[HASH_BYTES];
    hash_origin(merkle, row, origin);
    merkle_begin(merkle);
    merkle_add(merkle, NAME, sizeof NAME);
    hash_number(merkle, 4, row->epoch);
    hash_number(merkle, 8, row->first_position);
    hash_number(merkle, 8, row->last_position);
    hash_number(merkle, 1, (uint64_t)row->kind);
    hash_number(merkle, 4, row->agency);
    merkle_add(merkle, or_zeros(row->stream), STREAM_BYTES);
    hash_number(merkle, 8, row->first_sequence);
    hash_number(merkle, 8, row->last_sequence);
    merkle_add(merkle, or_zeros(row->batch_root), HASH_BYTES);
    merkle_add(merkle, origin, HASH_BYTES);
    hash_number(merkle, 8, (uint64_t)row->stored_at_us);
    hash_number(merkle, 8, (uint64_t)row->population_position);
    merkle_add(merkle, entries_root, HASH_BYTES);
    merkle_end(merkle, out);
}

void inclusion_link(Merkle *merkle, const uint8_t previous[HASH_BYTES], const uint8_t leaf[HASH_BYTES],
                    uint8_t out[HASH_BYTES]) {
    const uint8_t prefix = 0x02;
    merkle_begin(merkle);
    merkle_add(merkle, &prefix, 1);
    merkle_add(merkle, previous, HASH_BYTES);
    merkle_add(merkle, leaf, HASH_BYTES);
    merkle_end(merkle, out);
}

static InclusionRow row_of(const Dongbo__BatchProof *proof, const InclusionBatch *batch) {
    return (InclusionRow){.epoch = proof->epoch,
                          .first_position = proof->first_position,
                          .last_position = proof->last_position,
                          .kind = INCLUSION_KIND_BATCH,
                          .agency = proof->agency,
                          .stream = batch->stream,
                          .first_sequence = batch->first_sequence,
                          .last_sequence = batch->last_sequence,
                          .batch_root = batch->root,
                          .header = batch->header,
                          .signature = batch->signature,
                          .stored_at_us = proof->stored_at_us,
                          .population_position = proof->population_position};
}

const char *inclusion_check(Merkle *merkle, const Dongbo__BatchProof *proof, const InclusionBatch *batch,
                            const Dongbo__TreeHead *head, uint8_t ret_hash[HASH_BYTES]) {
    ProofPath path;
    uint8_t leaf[HASH_BYTES], root[HASH_BYTES];
    if (proof->first_sequence != batch->first_sequence || proof->last_sequence != batch->last_sequence)
        return "it is of another range of events";
    if (proof->last_position - proof->first_position != batch->last_sequence - batch->first_sequence ||
        proof->last_position > head->last_position || proof->epoch > head->epoch)
        return "the batch cannot stand where it is said to";
    if (proof->entries_root.len != HASH_BYTES || proof->previous_hash.len != HASH_BYTES ||
        proof_path_read(proof->path, proof->n_path, &path) != 0)
        return "it has hashes that are none";
    InclusionRow row = row_of(proof, batch);
    inclusion_leaf(merkle, &row, proof->entries_root.data, leaf);
    if (proof_root(merkle, (ProofPlace){proof->leaf_index, head->size}, leaf, &path, root) != 0 ||
        memcmp(root, head->root.data, HASH_BYTES) != 0)
        return "the batch, as it was sealed, is not in the log of the signed head";
    inclusion_link(merkle, proof->previous_hash.data, leaf, ret_hash);
    return NULL;
}

const char *inclusion_follows(Merkle *merkle, const Dongbo__TreeHead *older, const Dongbo__TreeHead *newer,
                              const ProofPath *path) {
    return proof_check_consistency(merkle, (ProofTree){older->size, older->root.data},
                                   (ProofTree){newer->size, newer->root.data}, path) == 0
               ? NULL
               : "the log of the signed head does not begin with that of the one before";
}
