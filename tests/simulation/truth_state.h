// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the truth share:
//
//   truth.c         who is spoken of, and what is said
//   truth_frames.c  what brokers say
//   truth_log.c     each commit
//   truth_deaths.c  who is dead, and what that contradicts
//   truth_lives.c   what a database that is set back forgets
//   truth_end.c     what must hold in the end
#pragma once

#include "truth.h"

#include "truth_chain.h"
#include "wire.h"

#include "broker/segment.h"
#include "proto/base/error.h"
#include "proto/domain.h"
#include "proto/frame.h"
#include "proto/reason.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX 64
#define RECEPTIONS_MAX 8192
#define SESSIONS_MAX_KEPT 4096
#define LOST_MAX 1024
#define BROKER_LIVES_MAX 64 // also those that were started again

typedef struct Session {
    uint64_t number;
    uint32_t epoch;
} Session;

typedef struct FeedSession {
    uint64_t number;
    int32_t subscription;
} FeedSession;

typedef struct Reception {
    uint64_t first_sequence;
    uint8_t root_of[8]; // of the stream
    uint32_t epoch;
} Reception;

// What follows from the log as it stands, and goes back with it.
typedef struct TruthLog {
    int64_t last_position, last_leaf, last_stored_us, last_population;
    int32_t last_epoch;
    uint8_t last_hash[HASH_BYTES];
    struct {
        uint8_t stream[STREAM_BYTES];
        int64_t last_sequence;
    } streams[STREAMS_MAX];
    int n_streams;
    const Saying *winner[TRUTH_PERSONS][TRUTH_GROUPS];
    const Saying *moved[TRUTH_PERSONS]; // where they live now; NULL: where they did at first
    const Saying *died[TRUTH_PERSONS];  // whether they are dead; NULL: nothing was said of that
    SayingLog sayings[TRUTH_SAYINGS_MAX];
    TruthChain chain;
} TruthLog;

typedef struct Truth {
    Saying sayings[TRUTH_SAYINGS_MAX];
    size_t n;
    int n_of[TRUTH_AGENTS_MAX];
    uint8_t present_streams[TRUTH_AGENTS_MAX][STREAM_BYTES]; // of the last Hello that the agent sent, as it sent it
    Session sessions[SESSIONS_MAX_KEPT];
    size_t n_sessions;
    FeedSession feeds[SESSIONS_MAX_KEPT];
    size_t n_feeds;
    struct {
        const Process *broker;
        int32_t subscription;
    } greeted[BROKER_LIVES_MAX]; // by the Hello that it handled last
    Reception receptions[RECEPTIONS_MAX];
    size_t n_receptions;
    TruthLog log, backup;
    bool backed_up;
    BaseSegment lost[LOST_MAX]; // of lives that are over
    size_t n_lost;
    int n_lives;
    TruthPlan plan;
    const char *first_home[TRUTH_PERSONS];
    Arena *arena;
} Truth;
extern Truth truth;
extern TruthCounts truth_counted;

static inline SayingLog *truth_log_of(const Saying *saying) {
    return &truth.log.sayings[saying - truth.sayings];
}

Saying *truth_find(const char *key);
bool truth_is_greater(const Saying *saying, const Saying *other); // of two words the one that holds
// As the log says it; "" for who is alive.
const char *truth_died_on(int person);
// Whether the dose is of a day on which the person was dead.
bool truth_is_dead(const Saying *dose);
// Whether that was so, or was not, by what the population store had at some time since that position of it.
bool truth_was_dead(const Saying *dose, bool dead, int64_t since);
TruthOpen *truth_open_of(const Saying *saying, const uint8_t *stream, uint64_t sequence); // NULL: it is not open
void truth_open_add(const Saying *saying, const TruthOpen *open);
void truth_open_close(const Saying *saying, TruthOpen *open);
// NULL, or what is missing for what is said of a dose to be as it must.
const char *truth_dose_missing(const Saying *dose);
void truth_judge_deaths(void); // in the end
// Position at which the population store learnt of them; 0: from the start; -1: not yet.
int64_t truth_known_at(int person);
void truth_frame(Process *process, bool sent, const uint8_t *data, size_t n);
void truth_segment(const BaseSegment *segment, int64_t locked_population);
// Whether the position was another segment's in this epoch; whether such a batch was stored in a life that is over.
void truth_judge_epoch(const BaseSegment *segment);
bool truth_was_stored(const Dongbo__ReceiptBody *body);
