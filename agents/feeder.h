// SPDX-License-Identifier: Apache-2.0
//
// One source of the configuration with what belongs to it: its mapping, its intake into the spool, and what it cannot
// do at present. A source whose database, folder or disk fails is tried again later, longer each time, and stops
// nothing else; what is left of it is said by feeder_trouble().
#pragma once

#include "agents/source.h"

// What could not be done, and when it is tried again.
typedef struct Trouble {
    int64_t since_ms; // 0: there is none
    int64_t retry_ms, after_ms;
    int64_t said_ms;
    char why[512];
} Trouble;

typedef struct Feeder {
    const SourceConfig *config;
    Source *source;
    Map *map;
    Intake intake;
    uint64_t bytes;           // it has about so much
    bool receipts;            // came, and the source was not told yet
    Trouble reading, handing; // taking rows; giving results back
    bool hands, hands_badly;  // this round gives results back; and not all of them could be
    bool hands_more;          // nor was there time for all
} Feeder;

typedef struct FeederOptions {
    const SourceConfig *config;
    Spool *spool;
    Sealer *sealer;
    Arena *arena;
    const Clock *clock;
} FeederOptions;

// The feeder may be closed also after a failure. ERROR_CONFIG, ERROR_MEMORY.
int feeder_open(Feeder *feeder, const FeederOptions *options);
void feeder_close(Feeder *feeder);

// Tells the source of receipts, and asks it what there is: feeder->bytes.
int feeder_look(Feeder *feeder);
// One transaction of the spool: rows, batches, and how far the source is read. *ret_more when there may be more.
int feeder_read(Feeder *feeder, bool *ret_more);
// A round of handing back: what the ledger has for each origin, of which one that fails is in no other's way.
void feeder_hands_begin(Feeder *feeder);
int feeder_hand_back(Feeder *feeder, const Origin *origin);
void feeder_hands_end(Feeder *feeder);

// What to wait on for news, -1: nothing; and how long at most, -1: for ever.
int feeder_fd(const Feeder *feeder);
int feeder_wait_ms(const Feeder *feeder);
// The older of its troubles; NULL when it has none.
const Trouble *feeder_trouble(const Feeder *feeder);
// Nothing is left to read for now.
bool feeder_is_read(const Feeder *feeder);
