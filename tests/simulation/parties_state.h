// SPDX-License-Identifier: Apache-2.0
//
// What the parties' parts share:
//
//   parties.c            keys, the service manager, and all of them
//   parties_broker.c     broker/main.c
//   parties_agent.c      a program with libdongbo
//   parties_committee.c  agents/receive.c, and a committee's sink
//   parties_keeper.c     agents/follow.c: who keeps its list of followed persons
#pragma once

#include "parties.h"

#include "base_rows.h"
#include "disk.h"
#include "truth.h"

#include "agents/subscription.h"
#include "broker/pipeline.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <assert.h>
#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define PARTIES_MAX 16
#define BROKERS_MAX 4
#define COMMITTEES_MAX 4
#define PATH_BYTES 128
#define SAID_MAX 64 // per agent

typedef struct Held {
    char lot[16];
    uint8_t record_id[16];
    uint64_t position;
    int64_t mark; // of the snapshot that brought it; 0: the feed did
} Held;

typedef struct Copy {
    Held of[TRUTH_PERSONS][TRUTH_GROUPS];
    SinkPlace place;
    SinkSnapshot snapshot; // that is being taken in; no mark: none is
    bool begun;
} Copy;

typedef enum ListState { LIST_UNKNOWN, LIST_OFF, LIST_ON } ListState;

struct Party {
    PartyKind kind;
    char name[WORLD_NAME_BYTES];
    int number; // among its kind
    Process *process;
    int64_t up_at, down_us; // when to start it, and how long it is down when it dies
    bool power;
    // An agent: its application's own memory, which is as durable as its spool.
    char spool[PATH_BYTES + 32];
    Saying *said[SAID_MAX];
    int n_said, n_flushed, n_to_say, backup_flushed;
    bool idle; // all it has is acknowledged
    DiskBackup *backup;
    // A committee
    Sink sink;
    Copy durable, working;
    bool fills;          // what comes now is a snapshot's
    bool wants_snapshot; // its keeper has asked for one
    // ... of followed persons: who is to be on its list, and what the exchange has taken of that for sure.
    ListState list[TRUTH_PERSONS], said_list[TRUTH_PERSONS];
    int n_forgotten; // so often the exchange's database has forgotten what it took
};

typedef struct Parties {
    char directory[PATH_BYTES];
    Rules *rules;
    Keys broker_keys, agency_keys[2], committee_keys[COMMITTEES_MAX];
    BaseAgency agencies[2];
    BaseSubscription subscriptions[COMMITTEES_MAX];
    char endpoints[2][BROKERS_MAX][40]; // publish, subscribe
    Party list[PARTIES_MAX];
    size_t n;
    PartiesPlan plan;
    bool calm;
} Parties;
extern Parties parties;

WorldRun parties_broker, parties_agent, parties_committee; // what a party is, in its first fiber
void parties_keeper(zsock_t *pipe, void *party);           // an actor
const char *parties_copy_missing(const Party *committee);
