// SPDX-License-Identifier: Apache-2.0
//
// Only the exchange writes entries of this kind, and only exchange.announce_head_key() one with these words.
#include "proto/announcement.h"

#include "proto/base/bytes.h"
#include "proto/inclusion.h"

#include <string.h>

#define WORDS "heads of the log are signed with key "

static int read_key(const Dongbo__SummaryLine *line, uint8_t ret_key[KEY_BYTES]) {
    char hex[2 * KEY_BYTES + 1];
    const char *text = line->text;
    size_t n = strlen(WORDS);
    if (line->kind != DONGBO__ENTRY_KIND__ENTRY_POLICY || strncmp(text, WORDS, n) != 0 ||
        strlen(text) < n + 2 * KEY_BYTES || text[n + 2 * KEY_BYTES] != ' ')
        return 1;
    memcpy(hex, text + n, 2 * KEY_BYTES);
    hex[2 * KEY_BYTES] = 0;
    return hex_decode(hex, ret_key, KEY_BYTES);
}

int announcement_check(Merkle *merkle, const Dongbo__EntryProof *proof, const Dongbo__TreeHead *head,
                       uint8_t ret_key[KEY_BYTES]) {
    const Dongbo__LogSegment *segment = proof->segment;
    uint8_t hash[HASH_BYTES];
    ProofPath path;
    if (segment == NULL || proof->line == NULL || segment->format != 2 || segment->kind > UINT8_MAX ||
        segment->stream.len > 0 || segment->batch_root.len > 0 || segment->origin.len > 0 ||
        proof->position < segment->first_position || proof->position > segment->last_position ||
        read_key(proof->line, ret_key) != 0)
        return 1;
    ProofPlace place = {proof->position - segment->first_position,
                        segment->last_position - segment->first_position + 1};
    if (inclusion_line(merkle, proof->line, hash) != 0 ||
        proof_path_read(proof->entry_path, proof->n_entry_path, &path) != 0 ||
        proof_root(merkle, place, hash, &path, hash) != 0)
        return 1;
    const InclusionRow row = {.epoch = segment->epoch,
                              .first_position = segment->first_position,
                              .last_position = segment->last_position,
                              .kind = (int)segment->kind,
                              .agency = segment->agency,
                              .first_sequence = segment->first_sequence,
                              .last_sequence = segment->last_sequence,
                              .stored_at_us = segment->stored_at_us,
                              .population_position = segment->population_position};
    inclusion_leaf(merkle, &row, hash, hash);
    if (proof_path_read(proof->segment_path, proof->n_segment_path, &path) != 0 ||
        proof_root(merkle, (ProofPlace){segment->leaf_index, head->size}, hash, &path, hash) != 0)
        return 1;
    return memcmp(hash, head->root.data, HASH_BYTES) != 0;
}
