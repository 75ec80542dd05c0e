// SPDX-License-Identifier: Apache-2.0
//
// A spool with a sealer in a scratch directory, a clock that stands still, and events to put in: what the tests of the
// publishing agent share.
#pragma once

#include "agents/ledger.h"
#include "agents/sealer.h"
#include "tests/unit/scratch.h"

typedef struct PublishCase {
    char directory[SCRATCH_BYTES];
    char path[SCRATCH_BYTES + 32];
    Clock clock;
    int64_t now_us;
    Keys keys;
    Spool *spool;
    Sealer *sealer;
    uint64_t bytes_max;
    int keep_days;
    Origin origin;
} PublishCase;

int publish_case_setup(void **state); // *state is the PublishCase
int publish_case_teardown(void **state);
void publish_case_open(PublishCase *test);
void publish_case_close(PublishCase *test); // as if the process had died: nothing is committed
// n events of the origin (made at the first call), sealed as one batch, committed.
void publish_case_add(PublishCase *test, int n);
SpoolStream publish_case_stream(PublishCase *test);
