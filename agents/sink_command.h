// SPDX-License-Identifier: Apache-2.0
//
// Records for a program of the site's own: written to its standard input one after the other, acknowledged on its
// standard output by a line with the position up to which it has stored everything ("1234", or "ok 1234"). Only then
// is the place written to a small file, and the exchange told. The program acknowledges at the latest when it has read
// all that there is; it may do so for each record. At the end of its input it ends.
//
// A snapshot comes between the lines {"snapshot":"begin","first":P} and {"snapshot":"end","first":P}, with a line
// {"snapshot":"part",...} now and then; {"snapshot":"again",...} says that an interrupted one goes on behind the last
// part. The program answers each of these by "ok snapshot" once it has stored all before it; what it holds and was not
// given between begin and end it lets go. Records go on behind P: of each, the greater position counts.
//
// The exchange's database was restored or failed over, and gives positions out anew. Where the program may hold
// something of those (it was given that and had not acknowledged it, or in a snapshot), the line {"epoch":E,"behind":P}
// comes before the first record of the new epoch: what it holds of positions behind P is older than all that comes, and
// may be forgotten over there. It answers "ok epoch" once it has stored that; whatever it does with it, answer it must.
// In protobuf there are none of these lines.
//
// A record may come again after a failure, never out of order: whoever keeps the position with the data takes the
// greater. A program that ends, says anything else, or acknowledges nothing for answer_ms is ended and, after a pause
// that grows, started again; it then gets everything behind the place again.
#pragma once

#include "agents/record_format.h"
#include "agents/sink.h"
#include "proto/base/clock.h"

typedef struct SinkCommandOptions {
    char *const *argv; // ends with NULL
    const char *state; // the place's file (place_file.h)
    RecordFormat format;
    int64_t answer_ms; // 0: 60 s
    const Clock *clock;
} SinkCommandOptions;

// The options' texts are kept by pointer. Starts nothing yet. ERROR_CONFIG, ERROR_MEMORY.
int sink_command_new(Sink **ret, const SinkCommandOptions *options);
