// SPDX-License-Identifier: Apache-2.0
//
// Which entries of the log an erasure takes: those about an event or a citizen, and those that tell their records
// later, also of whoever a person was merged into. Which segments may hold any is known by the filters beside them
// (broker/about.h); only these are read. Changes nothing.
#pragma once

#include "broker/segment.h"
#include "operators/identity.h"

#define ERASE_NUMBERS_MAX 32
#define ERASE_BEARERS_MAX 8
#define ERASE_KINDS 16
#define ERASE_DOMAINS 16

typedef struct EraseTarget {
    int64_t position, tombstone; // 0: not known to be logged
    bool is_event, tells;        // an event of its batch; one whose word stands in a record
    uint8_t stream[STREAM_BYTES], leaf[HASH_BYTES], event_id[EVENT_ID_BYTES];
    bool has_leaf;
    bool is_said;  // an event or a decision on one
    bool is_again; // its entry went before, with another event's; only what was said is still there
    uint64_t sequence;
    uint32_t agency;
    int64_t person, event_time_us;
    int kind, domain;
    char *record_key;
} EraseTarget;

typedef struct EraseDecided { // an event on which something was decided (operators/erase_decided.h)
    uint8_t event_id[EVENT_ID_BYTES];
    bool theirs; // else it is somebody else's, whatever number it came under
} EraseDecided;

typedef struct EraseFind {
    Pg *exchange;
    const uint8_t *event_id;  // NULL: by the identity
    const Identity *identity; // of the citizen, as identity_find() left it
    EraseTarget *targets;     // in rising position
    size_t n, size, n_events;
    size_t n_before;                  // of them, that were there when what tells of them was looked for
    char *numbers[ERASE_NUMBERS_MAX]; // of these entries, the first so many
    size_t n_numbers;
    size_t kinds[ERASE_KINDS], domains[ERASE_DOMAINS];
    uint64_t n_segments, n_read; // whose filters were asked, and that were read
    int64_t last_position;       // looked at
    PGresult *family;            // person, number: whom the identity is, was, and who became them
    EraseDecided *decided;
    size_t n_decided, n_others; // events that came under one of these numbers, and are others' by a later decision
    int64_t bearers[ERASE_BEARERS_MAX]; // of a number that nobody is known by, the first so many
    size_t n_bearers;
    Arena *arena;
    struct EraseTrail *trails;
    size_t n_trails;
    uint64_t *keys;
    size_t n_keys;
} EraseFind;

// Takes one more; its key is copied. ERROR_CONFIG when it is one too many, ERROR_MEMORY.
int erase_find_add(EraseFind *find, const EraseTarget *target);
void erase_find_param_family(const EraseFind *find, PgParams *params); // the persons, an array
void erase_find_leaf(const Dongbo__SegmentSummary *summary, size_t i, EraseTarget *ret);
// All of them. ERROR_CONFIG when they are too many for one order; ERROR_DATABASE, ERROR_MEMORY.
int erase_find(EraseFind *find);
// Once the tombstones of all stand in the log: what told of their records between the first look and these. *ret: how
// many more there are.
int erase_find_since(EraseFind *find, size_t *ret);
// The id of the event at a position. ERROR_CONFIG when there is none.
int erase_find_event(Pg *exchange, int64_t position, uint8_t ret[EVENT_ID_BYTES]);
void erase_find_free(EraseFind *find);
