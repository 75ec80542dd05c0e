// SPDX-License-Identifier: Apache-2.0
//
// Where a committee keeps what it receives. A sink stores its place in the feed together with the data, so that each
// record has its effect once, whatever dies when. Only what commit() returned 0 for may be acknowledged.
#pragma once

#include "agents/record_origin.h"
#include "proto/base/bytes.h"
#include "proto/buckets.h"
#include "wire.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SinkPlace {
    uint32_t epoch;
    uint64_t position;        // 0: nothing received yet
    uint8_t hash[HASH_BYTES]; // of the segment that holds `position`
    uint32_t policy_version;  // of the rights under which all that is held was received; 0: not known
    bool complete; // told by begin(): of all persons nothing up to there is lacking, whoever's share they were
} SinkPlace;

// A snapshot that is being taken in.
typedef struct SinkSnapshot {
    int64_t mark; // tells its records from those of all others: when it began, microseconds since 1970
    bool begun;   // something of it is stored; else what follows means nothing
    SinkPlace first;
    uint8_t cursor[SNAPSHOT_CURSOR_BYTES_MAX]; // behind what is stored of it
    size_t cursor_n;
    const uint8_t *buckets; // of these alone, and the place stays (BUCKETS_MAP_BYTES); NULL: of everything
    bool dry;               // nothing is kept
} SinkSnapshot;

typedef struct SinkTally {
    uint64_t missing, stale, extra; // records that were added, replaced by others, let go
} SinkTally;

typedef struct Sink Sink;

// How far a count has come. Zeros at the beginning.
typedef struct SinkCount {
    int domain;
    uint8_t record_id[64]; // zeros behind it
    size_t record_id_n;
} SinkCount;

// For sinks that can be filled by a snapshot.
typedef struct SinkSnapshots {
    // One that was begun here and has not ended. 1 when there is none.
    int (*find)(Sink *sink, SinkSnapshot *ret);
    // From here on write() gets a snapshot's records, each of which replaces what is held of it; or, after an
    // interruption, goes on getting them. All that is written before is committed.
    int (*begin)(Sink *sink, const SinkSnapshot *snapshot);
    // Makes what was written and the cursor durable, as one. Here and in end() 1: not yet, it is asked again at the
    // next step, or never, if the session is lost before.
    int (*commit)(Sink *sink, const SinkSnapshot *snapshot, SinkTally *tally);
    // The same for the rest of it, lets go of what no chunk brought, and makes `place` the place. write() then gets the
    // feed's records again.
    int (*end)(Sink *sink, const SinkSnapshot *snapshot, const SinkPlace *place, SinkTally *tally);
    // Adds up what is held, by what is granted, a part at a time. 1: there is more, call again. NULL: this cannot be
    // done here.
    int (*count)(Sink *sink, Buckets *buckets, SinkCount *at);
} SinkSnapshots;

typedef struct SinkKind {
    // Before each session: forgets what was not committed and tells the durable place. 1 when nothing was ever stored
    // here; ERROR_CONFIG with a sentence that says what to do when what is stored contradicts itself; ERROR_DATABASE
    // when what keeps the records is away for now (also of the other calls: it is tried again); ERROR_SYSTEM.
    int (*begin)(Sink *sink, SinkPlace *ret);
    // What is granted now: "citizen_number", "health.product_code". Before the first record, and whenever it changes.
    int (*grant)(Sink *sink, char *const *fields, size_t n);
    // Takes one record, in order; need not be durable. 1 when it cannot be read by this program.
    int (*write)(Sink *sink, const Dongbo__FeedRecord *record);
    // Before write() of a record that came with a proof of whose word it is: that proof, which is good until then.
    // NULL: a sink that has no place for it.
    void (*prove)(Sink *sink, const RecordOrigin *origin);
    // Makes all that was written durable, and the place with it, as one. 1: not yet, it is asked again at the next step
    // (subscription_step()); a sink that is run to a session's end waits instead.
    int (*commit)(Sink *sink, const SinkPlace *place);
    void (*destroy)(Sink *sink); // frees the sink itself; commits nothing
    bool replaces;               // a record that comes again stands in its own place, not behind
    // About every second while nothing comes and all is committed. NULL: nothing to do then.
    int (*idle)(Sink *sink);
    const SinkSnapshots *snapshots; // NULL: it takes none
    // The exchange's newest signed head that was found good, a line of text of HEAD_LINE_BYTES_MAX at most, beside the
    // place and not of one commit with it. kept_head(): after begin(); 1 when there is none. NULL: it keeps none.
    int (*keep_head)(Sink *sink, const char *line, size_t n);
    int (*kept_head)(Sink *sink, Bytes *ret);
} SinkKind;
#define HEAD_LINE_BYTES_MAX 2048

// The first member of every sink.
struct Sink {
    const SinkKind *kind;
};

static inline void sink_destroy(Sink **sink) {
    if (*sink)
        (*sink)->kind->destroy(*sink);
    *sink = NULL;
}
