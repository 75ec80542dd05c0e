// SPDX-License-Identifier: Apache-2.0
//
// Counts on nothing that a broker says of itself: its own head, made of leaves that are computed anew.
#include "truth_chain.h"

#include "proto/inclusion.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)

static struct Tools {
    Merkle *merkle;
    Arena *arena;
} tools;

// As it is stored. `batch` may be NULL.
static Segment segment_of(const BaseSegment *row, const Dongbo__SealedBatch *batch) {
    Segment segment = {.format = row->format,
                       .first_position = (uint64_t)row->first_position,
                       .last_position = (uint64_t)row->last_position,
                       .epoch = (uint32_t)row->epoch,
                       .kind = row->kind,
                       .agency = (uint32_t)value_i64(row->agency),
                       .stream = row->stream.null ? NULL : row->stream.data,
                       .first_sequence = (uint64_t)row->first_sequence,
                       .last_sequence = (uint64_t)row->last_sequence,
                       .batch_root = row->batch_root.null ? NULL : row->batch_root.data,
                       .stored_at_us = row->stored_at_us,
                       .population_position = row->population_position};
    if (batch != NULL) {
        segment.header = batch->header;
        segment.signature = batch->signature.data;
    }
    return segment;
}

static void judge_payload(const BaseSegment *row, const Dongbo__SegmentSummary *summary) {
    SegmentCheck check;
    int r = segment_check_payload(row->payload.data, row->payload.n, summary, tools.merkle, &check);
    if (r != 0 || check.n_erased > 0)
        world_fail("the payload at position %" PRId64 " is not what its summary commits to", row->first_position);
}

static void judge_hashes(TruthChain *chain, const BaseSegment *row, const uint8_t leaf[HASH_BYTES]) {
    inclusion_link(tools.merkle, chain->hash, leaf, chain->hash);
    frontier_add(tools.merkle, &chain->frontier, leaf);
    if (!value_is(row->leaf, leaf, HASH_BYTES))
        world_fail("the leaf at position %" PRId64 " is not its segment's", row->first_position);
    if (!value_is(row->hash, chain->hash, HASH_BYTES))
        world_fail("the chain breaks at position %" PRId64, row->first_position);
    if (!value_is(row->frontier, chain->frontier.nodes, frontier_bytes(&chain->frontier)))
        world_fail("the tree breaks at position %" PRId64, row->first_position);
}

void truth_chain_judge(TruthChain *chain, const BaseSegment *row) {
    Dongbo__SegmentSummary *summary = NULL;
    const Dongbo__SealedBatch *batch = NULL;
    uint8_t leaf[HASH_BYTES];
    arena_reset(tools.arena);
    if (!row->batch.null)
        batch = segment_decode_batch(row->batch.data, row->batch.n,
                                     (uint64_t)(row->last_position - row->first_position + 1), tools.arena);
    Segment segment = segment_of(row, batch);
    if (segment_decode_summary(row->summary.data, row->summary.n, row->format, tools.arena, &summary) != 0 ||
        segment_leaf(&segment, summary, tools.merkle, leaf) != 0) {
        world_fail("the summary at position %" PRId64 " cannot be read", row->first_position);
        return;
    }
    judge_hashes(chain, row, leaf);
    judge_payload(row, summary);
}

void truth_chain_open(void) {
    int r = merkle_new(&tools.merkle);
    if (r == 0)
        r = arena_new(&tools.arena, ARENA_BYTES);
    assert(r == 0);
}

void truth_chain_close(void) {
    merkle_destroy(&tools.merkle);
    arena_destroy(&tools.arena);
}
