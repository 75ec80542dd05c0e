// SPDX-License-Identifier: Apache-2.0
//
// Decoded segments, read ahead a few at a time and kept in a small cache, so that subscribers at the same place share
// the reading. Bounded in number and, through their arenas, in memory.
#pragma once

#include "broker/feed_store.h"
#include "broker/segment.h"

typedef struct ReaderSegment {
    uint64_t first, last;
    uint32_t epoch;
    int32_t stored_day; // policy_day() of when it was stored
    uint8_t hash[HASH_BYTES];
    int64_t policy_stamp;    // of when it was read
    bool readable;           // false: stored bytes that do not decode
    Dongbo__Entry **entries; // NULL once erased; else last - first + 1
} ReaderSegment;

typedef struct Reader Reader;

int reader_new(Reader **ret, FeedStore *store);
void reader_destroy(Reader **reader);
void reader_forget(Reader *reader); // the database may have become another one

// The segment that holds this position (from 1). It stays until the next reader_get(). 0; 1 beyond the head; 2 not
// there though later ones are (retention); ERROR_DATABASE, ERROR_MEMORY.
int reader_get(Reader *reader, uint64_t position, const ReaderSegment **ret);
