// SPDX-License-Identifier: Apache-2.0
//
// Where a committee keeps what it receives. A sink stores its place in the feed together with the data, so that each
// record has its effect once, whatever dies when. Only what commit() returned 0 for may be acknowledged.
#pragma once

#include "proto/bounds.h"
#include "wire.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SinkPlace {
    uint32_t epoch;
    uint64_t position;        // 0: nothing received yet
    uint8_t hash[HASH_BYTES]; // of the segment that holds `position`
} SinkPlace;

typedef struct Sink Sink;

typedef struct SinkKind {
    // Before each session: forgets what was not committed and tells the durable place. 1 when nothing was ever stored
    // here; ERROR_CONFIG with a sentence that says what to do when what is stored contradicts itself; ERROR_DATABASE
    // when what keeps the records is away for now (also of the other calls: it is tried again); ERROR_SYSTEM.
    int (*begin)(Sink *sink, SinkPlace *ret);
    // What is granted now: "citizen_number", "health.product_code". Before the first record, and whenever it changes.
    int (*grant)(Sink *sink, char *const *fields, size_t n);
    // Takes one record, in order; need not be durable. 1 when it cannot be read by this program.
    int (*write)(Sink *sink, const Dongbo__FeedRecord *record);
    // Makes all that was written durable, and the place with it, as one. 1: not yet, it is asked again at the next step
    // (subscription_step()); a sink that is run to a session's end waits instead.
    int (*commit)(Sink *sink, const SinkPlace *place);
    void (*destroy)(Sink *sink); // frees the sink itself; commits nothing
    bool replaces;               // a record that comes again stands in its own place, not behind
    // About every second while nothing comes and all is committed. NULL: nothing to do then.
    int (*idle)(Sink *sink);
} SinkKind;

// The first member of every sink.
struct Sink {
    const SinkKind *kind;
};

static inline void sink_destroy(Sink **sink) {
    if (*sink)
        (*sink)->kind->destroy(*sink);
    *sink = NULL;
}
