// SPDX-License-Identifier: Apache-2.0
//
// The sink behind a subscriber: keeps what came until its caller has acknowledged it, and only then stores the place.
// What it holds is bounded by a group of the session, or a chunk of a snapshot.
#pragma once

#include "agents/sink.h"

typedef struct Kept Kept;

// Opens the state file, or begins one. ERROR_CONFIG, ERROR_SYSTEM, ERROR_MEMORY.
int kept_new(Kept **ret, const char *state);
void kept_destroy(Kept **kept);
Sink *kept_sink(Kept *kept);
bool kept_is_new(const Kept *kept); // nothing was ever stored

typedef struct KeptItem {
    const uint8_t *record; // a FeedRecord; NULL: the snapshot is complete
    size_t n;
    const uint8_t *origin; // whether its proof tells the event (0, 1), and the proof
    size_t origin_n;       // 0: none
    uint64_t position;
    uint32_t epoch;   // of the log; positions of two are not compared
    int64_t snapshot; // which it is of (SinkSnapshot.mark); 0: of the feed
} KeptItem;

// The next one to give out; it stays that until kept_gave(). 1 when there is none.
int kept_next(Kept *kept, KeptItem *ret);
void kept_gave(Kept *kept);
bool kept_owes(const Kept *kept); // the caller has not acknowledged all that is here

// 0: the place is stored. 1: noted, until a greater epoch comes: what is noted and what was given out before is of
// another log then. ERROR_CONFIG when that was not given out, or a snapshot comes.
int kept_acknowledge(Kept *kept, uint64_t position);
int kept_acknowledge_all(Kept *kept);
uint64_t kept_acknowledged(const Kept *kept);
uint64_t kept_stored(const Kept *kept);
// What is held is right by this version of the rights. Durable when it returns 0.
int kept_accept_rights(Kept *kept, uint32_t version);
// What was not acknowledged is not given out any more.
void kept_forget(Kept *kept);
