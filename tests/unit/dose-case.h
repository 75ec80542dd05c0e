// SPDX-License-Identifier: Apache-2.0
//
// What agencies say of one dose, and merging it step by step: for tests of records and their history.
#pragma once

#include "broker/reconcile.h"
#include "proto/bounds.h"
#include "verdict.pb-c.h"

#define GROUP 1
#define DOSE 2
#define PRODUCT 3
#define LOT 4
#define DATE 5
#define FACILITY 6
#define STATUS 7
#define BIT(n) (1u << (n))
#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define UNCHANGED DONGBO__VERDICT__UNCHANGED
#define SUPERSEDED DONGBO__VERDICT__SUPERSEDED

// The real rules, and memory for one test. For cmocka's group and its tests.
extern Rules *rules;
extern Arena *arena;
int dose_setup(void **state);
int dose_teardown(void **state);
int dose_arena_new(void **state);
int dose_arena_end(void **state);

// Their word on a dose weighs 10, 5, 1 and 1 (schemas/rules/health.yaml).
extern const Grants MOH, VSS, OTHER, ANOTHER;

typedef struct Said {
    Dongbo__ChangeEvent event;
    Dongbo__Vaccination body;
    uint8_t id[EVENT_ID_BYTES];
    uint32_t cleared[8];
    const Grants *grants;
} Said;

// A dose of `product` and `lot` ("" says nothing), by this agency at this time.
Said said(const Grants *grants, int64_t time, uint8_t id, const char *product, const char *lot);
Said clearing(Said s, uint32_t field);
Said correction(Said s);
Said retraction(const Grants *grants, int64_t time, uint8_t id);
const Dongbo__ChangeEvent *event_of(Said *s); // points into *s

// Merges, and holds what is true of every merge.
Merged step(Said *s, const Dongbo__Record *current);
// A record as it would be read back. NULL for NULL.
const Dongbo__Record *read_back(const Dongbo__Record *record);
// Packed, without what only its own version has. 0 bytes for NULL.
#define PACKED_BYTES 4096
size_t pack_record(const Dongbo__Record *record, uint8_t out[PACKED_BYTES]);

// Any agency, one of three times (ties are the rule), any operation. The seed makes it.
extern uint32_t seed;
uint32_t next(uint32_t below);
Said random_event(uint8_t id);
// The next order of 0 to n - 1, by the alphabet; false after the last.
bool next_order(int *order, int n);
