// SPDX-License-Identifier: Apache-2.0
//
// An exchange's log for tests of both ends of the feed: a migrated database on the server beside the test, two
// subscriptions with keys, segments written as the broker writes them, and the feed's actor on loopback.
#pragma once

#include "broker/feed.h"
#include "broker/segment.h"
#include "proto/base/pg.h"
#include "proto/zap.h"

#include <czmq.h>

typedef struct Exchange {
    Keys broker, keys[2]; // of subscriptions 1 and 2: "sub-1" sees lots and doses, "sub-2" lots and numbers in 79
    Zap *zap;
    Pg *pg;
    zactor_t *feed;
    Merkle *merkle;
    SegmentHead head;
    char endpoint[64];
    zsock_t *commits;
} Exchange;
extern Exchange exchange;

int exchange_start(void **state); // as cmocka wants them
int exchange_stop(void **state);
void exchange_feed_start(void); // on the endpoint that it had
void exchange_feed_stop(void);

void exchange_ok(int r); // fails the test with the error's sentence
void exchange_run(const char *sql);
// Appends a segment of n vaccinations: lot "LOT-<position>", changed fields lot and dose, facility "HIDDEN"; every
// third of a person who lives in province 79, others in 01; those whose position is divisible by 5 are MISMATCH.
void exchange_append(size_t n);
bool exchange_is_for(int subscription, uint64_t position); // is it granted to this one?
void exchange_tell(void);                                  // the feed, of the head
