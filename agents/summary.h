// SPDX-License-Identifier: Apache-2.0
//
// What one run of `publish --once` did, counted from the spool: per file or outbox, and in all.
#pragma once

#include "agents/source.h"
#include "agents/verdicts.h"

#include <jansson.h>

#define SUMMARY_REASONS_MAX 96

typedef struct SummaryCounts {
    int64_t verdicts[VERDICT_KINDS];
    struct {
        int verdict, reason;
        int64_t n;
    } reasons[SUMMARY_REASONS_MAX];
    int n_reasons;
    int64_t unsent; // of those rejected: rows that the agent refused itself, of which the exchange knows nothing
    int64_t again;  // events of earlier runs that have another verdict now, which is among those above
} SummaryCounts;

// An origin that was unfinished when the run began.
typedef struct SummaryOrigin {
    int64_t id;
    SummaryCounts *before; // what of its events was counted before (an outbox never ends); NULL: all is this run's
} SummaryOrigin;

typedef struct Summary {
    Spool *spool;
    SummaryOrigin *origins;
    size_t n, size;
    int64_t last; // greatest origin when the run began
} Summary;

// Before anything is read. `lasting` tells whether what is counted for a source's origins may be of earlier runs.
typedef bool (*SummaryLasting)(void *self, const char *source);
int summary_begin(Summary *summary, Spool *spool, SummaryLasting lasting, void *self);
void summary_free(Summary *summary);

typedef struct SummaryOptions {
    const Verdicts *verdicts;
    SummaryLasting is_configured; // tells whether a source is; what is owed to one that is not is listed
    void *self;
    bool json;
    bool complete; // the run came to its end
} SummaryOptions;
// Prints to standard output; *ret_refused is how many events and rows were refused in this run, and how many earlier
// ones are still owed to sources that are not there.
int summary_print(const Summary *summary, const SummaryOptions *options, int64_t *ret_refused);

// A name as JSON has it, or a terminal can show it: a file's may be anything.
json_t *summary_name_json(const char *name);
#define SUMMARY_NAME_BYTES 256
const char *summary_name_text(const char *name, char text[SUMMARY_NAME_BYTES]);
