// SPDX-License-Identifier: Apache-2.0
//
// Proofs of origin for records of the feed (PROTOCOL.md, Proofs of origin): for subscriptions alone that asked for
// them. What a batch's proofs are made of is read once, for as many as ask, and kept in a small cache; a proof costs no
// hash and no statement then. Bounded in number and, through arenas, in memory.
#pragma once

#include "broker/feed_store.h"
#include "broker/origin_right.h"
#include "broker/reader.h"

// The proofs of a frame that is being filled, one for each record.
typedef struct OriginList {
    Bytes bytes;
    ProtobufCBinaryData *pieces; // one after the other in it; .data is set when they are given out
    size_t n, size;
} OriginList;
typedef struct OriginParts {
    OriginList batches, proofs;
    uint64_t *firsts; // positions, of the batches
    size_t firsts_size;
} OriginParts;
void origin_parts_clear(OriginParts *parts); // keeps the memory
void origin_parts_free(OriginParts *parts);
size_t origin_parts_bytes(const OriginParts *parts); // that they make a frame longer
// How far they are filled, and back to there.
typedef struct OriginMark {
    size_t batches, batch_bytes, proofs, proof_bytes;
} OriginMark;
OriginMark origin_parts_mark(const OriginParts *parts);
void origin_parts_rewind(OriginParts *parts, const OriginMark *mark);
void origin_parts_give(OriginParts *parts, Dongbo__Records *records); // which borrows from them

typedef struct FeedOrigins FeedOrigins;

int feed_origins_new(FeedOrigins **ret, FeedStore *store); // ERROR_CRYPTO, ERROR_MEMORY
void feed_origins_destroy(FeedOrigins **origins);
void feed_origins_forget(FeedOrigins *origins); // something was erased, or the database may have become another one

// What proves the record that an entry makes. An empty one where nothing does: the entry is no event's doing, or it has
// no right to it, or what is stored cannot be read. ERROR_DATABASE, ERROR_MEMORY.
typedef struct OriginAsk {
    const ReaderSegment *segment;
    uint64_t position; // of the entry
    OriginRight right;
} OriginAsk;
int feed_origins_append(FeedOrigins *origins, const OriginAsk *ask, OriginParts *parts);
